#!/usr/bin/env python3
"""The server's end, and where it listens."""

import errno
import os
import signal
import socket
import stat
import time
import unittest
from pathlib import Path

from harness import KIB, MIB, PATIENCE, EndToEnd, main, path_of, random_bytes, request, wait_until

# A grace so long that a test which has to wait for it fails by its own patience.
LONG_GRACE = ("--shutdown-grace", "10m")


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
        return True
    except OSError:
        return False


class Stop(EndToEnd):
    """SIGTERM and SIGINT."""

    def stopping(self, server, number=signal.SIGTERM):
        server.signal(number)
        server.wait_for_log("stopping")

    def test_a_running_upload_and_download_finish_and_then_it_ends_with_0(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(signal=number.name):
                server = self.server(*LONG_GRACE)
                body = random_bytes(24 * MIB, "stop")
                path = server.put("big", body)
                with server.connect() as upload, server.connect(receive_buffer=16 * KIB) as download:
                    upload.send(request("PUT", "/late", f"Content-Length: {MIB}") + body[:MIB // 2])
                    download.send(request("GET", path))
                    begin = download.take(1000)  # the download runs
                    wait_until(lambda: len(server.stored_files()) == 2, "the upload runs")
                    self.stopping(server, number)
                    self.assert_refused(server)
                    upload.send(body[MIB // 2:MIB])
                    created = upload.read_final()
                    self.assertEqual(created.status, 201)
                    self.assertEqual(created.get("Connection"), "close")
                    download.unread = begin + download.unread
                    self.assertEqual(download.read_final().body, body)
                    self.assertTrue(upload.is_closed() and download.is_closed())
                    self.assertEqual(server.wait(), 0)
                self.assertIn("stopped", server.log())
                server.start()
                self.assertEqual(server.get(path_of(created)).body, body[:MIB])

    def assert_refused(self, server):
        def refused():
            try:
                server.connect().close()
            except ConnectionRefusedError:
                return True
            return False

        wait_until(refused, "new connections are refused")

    def test_transfers_that_outlast_the_grace_are_cut_and_it_ends_with_0(self):
        server = self.server("--shutdown-grace", "300ms")
        path = server.put("big", bytes(24 * MIB))
        with server.connect() as upload, server.connect(receive_buffer=16 * KIB) as download:
            upload.send(request("PUT", "/late", "Content-Length: 100000") + b"x")
            download.send(request("GET", path))
            download.take(1000)
            wait_until(lambda: len(server.stored_files()) == 2, "the upload runs")
            self.assertEqual(server.stop(), 0)
            self.assertTrue(upload.is_closed(), "no answer to an upload that was cut")
        server.start()
        self.assertEqual(len(server.stored_files()), 1, "the unfinished upload is gone")

    def test_a_second_signal_ends_it_at_once(self):
        for first, second in ((signal.SIGTERM, signal.SIGTERM), (signal.SIGINT, signal.SIGINT),
                              (signal.SIGTERM, signal.SIGINT)):
            with self.subTest(signals=(first.name, second.name)):
                server = self.server(*LONG_GRACE)
                with server.connect() as upload:
                    upload.send(request("PUT", "/late", "Content-Length: 100000") + b"x")
                    wait_until(server.stored_files, "the upload runs")
                    self.stopping(server, first)
                    self.assertTrue(upload.is_silent(), "the upload may go on")
                    server.signal(second)
                    self.assertEqual(server.wait(), 0)
                self.assertEqual(server.stored_files(), [])

    def test_idle_connections_end_at_once(self):
        server = self.server(*LONG_GRACE)
        wires = [server.connect() for _ in range(20)]
        for wire in wires:
            self.assertEqual(wire.send(request("GET", "/healthz")).read_final().status, 200)
        self.assertEqual(server.stop(), 0)
        for wire in wires:
            self.assertTrue(wire.is_closed())
            wire.close()

    def test_connections_that_never_said_a_word_do_not_delay_the_end(self):
        """Browsers open such ones in advance."""
        server = self.server(*LONG_GRACE)
        wires = [server.connect() for _ in range(5)]
        server.get("/healthz")  # accepted after them, so they have been accepted
        began = time.monotonic()
        server.signal()
        try:
            self.assertEqual(server.wait(patience=5), 0)
        except Exception:  # pylint: disable=broad-except
            self.fail(f"the server still waits for silent connections after {time.monotonic() - began:.0f} s")
        finally:
            for wire in wires:
                wire.close()

    def test_a_request_that_is_in_the_accept_queue_at_the_signal_is_answered(self):
        server = self.server(*LONG_GRACE)
        for _ in range(5):
            server.process.send_signal(signal.SIGSTOP)
            wires = [server.connect().send(request("GET", "/healthz")) for _ in range(10)]
            server.signal()
            server.process.send_signal(signal.SIGCONT)
            self.assertEqual([wire.read_final().status for wire in wires], [200] * 10)
            for wire in wires:
                wire.close()
            self.assertEqual(server.wait(), 0)
            server.start()

    def test_it_ends_with_0_when_nobody_is_there(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            server = self.server(*LONG_GRACE)
            server.signal(number)
            self.assertEqual(server.wait(), 0)

    def test_a_stop_right_after_the_start_is_clean(self):
        server = self.server(start=False)
        for _ in range(10):
            server.spawn()
            wait_until(lambda: "SigBlk:\t0000000000000000" not in self.status_of(server), "signals are handled")
            self.assertEqual(server.stop(), 0)

    @staticmethod
    def status_of(server):
        return Path(f"/proc/{server.process.pid}/status").read_text("ascii")


class ServiceManager(EndToEnd):
    """sd_notify(3)."""

    def messages(self, receiver, patience=PATIENCE):
        receiver.settimeout(patience)
        return receiver.recv(4096).decode().split("\n")

    def test_ready_and_stopping_are_told(self):
        for address in (str(self.directory / "notify"), "@ringdrop-e2e-" + os.urandom(8).hex()):
            with self.subTest(address=address), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
                receiver.bind(address.replace("@", "\0", 1) if address.startswith("@") else address)
                server = self.server(environment={"NOTIFY_SOCKET": address})
                self.assertIn("READY=1", self.messages(receiver))
                self.assertEqual(server.get("/healthz").status, 200)
                self.assertEqual(server.stop(), 0)
                self.assertIn("STOPPING=1", self.messages(receiver))

    def test_a_manager_that_is_gone_is_no_reason_to_fail(self):
        server = self.server(environment={"NOTIFY_SOCKET": str(self.directory / "nobody")})
        self.assertEqual(server.get("/healthz").status, 200)
        self.assertEqual(server.stop(), 0)


class Listening(EndToEnd):
    """Addresses: one, several, taken, Unix, IPv6."""

    def fails_to_start(self, server, *words):
        server.spawn()
        wait_until(lambda: not server.is_running(), "a server that cannot start ends", patience=15)
        self.assertEqual(server.wait(), 1)
        for word in words:
            self.assertIn(word, server.log())
        self.assertNotIn("terminate", server.log())

    def test_a_second_server_on_the_same_data_says_so_and_leaves_the_first_alone(self):
        first = self.server()
        path = first.put("x", b"x")
        second = self.server(start=False)
        second.data = first.data
        self.fails_to_start(second, "another server uses this data directory", str(first.data))
        self.assertEqual(first.get(path).body, b"x")
        self.assertEqual(first.get(first.put("y", b"y")).body, b"y")

    def test_a_port_in_use_is_named(self):
        first = self.server()
        second = self.server(start=False, listen=(first.authority,))
        self.fails_to_start(second, first.authority, "in use")
        self.assertEqual(first.get("/healthz").status, 200)

    def test_a_stop_while_it_waits_for_its_port_ends_it_with_0(self):
        first = self.server()
        second = self.server(start=False, listen=(first.authority,))
        second.spawn()
        wait_until(lambda: (second.data / "blobs").is_dir(), "it starts")
        second.signal()
        self.assertEqual(second.wait(), 0)
        self.assertNotIn("in use", second.log())
        self.assertEqual(first.get("/healthz").status, 200)

    def test_an_address_that_is_not_ours_is_named(self):
        server = self.server(start=False, listen=("192.0.2.1:8080",))
        self.fails_to_start(server, "192.0.2.1:8080")

    def test_a_unix_socket_serves_curl(self):
        path = self.directory / "socket"
        server = self.server(listen=(f"unix:{path}",))
        self.assertTrue(stat.S_ISSOCK(path.stat().st_mode))
        (self.directory / "f").write_bytes(b"by unix")
        url = self.curl_ok("--unix-socket", path, "-T", self.directory / "f", "http://a.host/").decode().strip()
        self.assertTrue(url.startswith("http://a.host/"), url)
        self.assertEqual(self.curl_ok("--unix-socket", path, url), b"by unix")
        self.assertEqual(server.stop(), 0)

    def test_a_stale_socket_file_is_replaced(self):
        path = self.directory / "socket"
        server = self.server(listen=(f"unix:{path}",))
        server.kill9()
        self.assertTrue(path.exists())
        wait_until(lambda: self.is_stale(path), "the kernel has torn the killed server's ring down")
        server.start()
        self.assertEqual(self.curl_ok("--unix-socket", path, "http://a.host/healthz"), b"ok\n")

    @staticmethod
    def is_stale(path):
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(path)) == errno.ECONNREFUSED

    def test_the_socket_of_a_running_server_is_not_taken_away(self):
        path = self.directory / "socket"
        self.server(listen=(f"unix:{path}",))
        second = self.server(start=False, listen=(f"unix:{path}",))
        self.fails_to_start(second, str(path), "in use")
        self.assertEqual(self.curl_ok("--unix-socket", path, "http://a.host/healthz"), b"ok\n")

    def test_a_file_that_is_no_socket_is_not_replaced(self):
        path = self.directory / "precious"
        path.write_text("precious")
        server = self.server(start=False, listen=(f"unix:{path}",))
        self.fails_to_start(server, str(path))
        self.assertEqual(path.read_text(), "precious")

    def test_the_link_of_an_upload_without_host_over_a_unix_socket_is_no_unix_address(self):
        server = self.server(listen=(f"unix:{self.directory / 'socket'}",))
        answer = server.exchange(request("PUT", "/x", host=None, version="HTTP/1.0"))
        self.assertEqual(answer.status, 201)
        self.assertNotIn("unix:", answer.get("Location"))

    @unittest.skipUnless(has_ipv6(), "no IPv6 here")
    def test_ipv6_is_listened_on_and_in_the_links(self):
        server = self.server(listen=("[::1]:0",))
        self.assertRegex(server.url, r"^http://\[::1\]:\d+$")
        url = self.curl_ok("-g", "-T", "-", server.url + "/six", input=b"by six").decode().strip()
        self.assertTrue(url.startswith(server.url + "/"), url)
        self.assertEqual(self.curl_ok("-g", url), b"by six")

    def test_several_addresses_serve_the_same_files(self):
        path = self.directory / "socket"
        server = self.server(listen=("127.0.0.1:0", "127.0.0.2:0", f"unix:{path}"))
        link = server.put("x", b"everywhere")
        self.assertEqual(self.curl_ok("--unix-socket", path, "http://a.host" + link), b"everywhere")
        second = server.log().split("127.0.0.2:")[1].split(",")[0]
        self.assertEqual(self.curl_ok(f"http://127.0.0.2:{second}{link}"), b"everywhere")

    def test_a_port_is_free_again_right_after_the_end(self):
        server = self.server()
        address = server.authority
        server.listen = [address]
        for _ in range(5):
            self.assertEqual(server.get("/healthz").status, 200)
            self.assertEqual(server.stop(), 0)
            server.start()
            self.assertEqual(server.authority, address)

    def test_a_restart_right_after_kill_9_gets_its_port(self):
        """The kernel takes a killed process's ring down in the background: its accept keeps the port a while."""
        server = self.server()
        server.listen = [server.authority]
        for _ in range(20):
            self.assertEqual(server.get("/healthz").status, 200)
            server.kill9()
            server.start()


if __name__ == "__main__":
    main()
