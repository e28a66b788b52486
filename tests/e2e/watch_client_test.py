#!/usr/bin/env python3
"""`ringdrop watch`: what it shows, what it prints, and that it does not give up before the upload has ended."""

import contextlib
import os
import pty
import re
import select
import signal
import socket
import subprocess
import threading
import time

from harness import KIB, MIB, PATIENCE, main, programs, random_bytes, request, wait_until
from tus_tools import OFFSET_TYPE, TUS
from watch_tools import NAMED, WATCH_ID, WatchCase

TERMINAL = {"TERM": "xterm"}


class WatchClient(WatchCase):
    def setUp(self):
        super().setUp()
        self.here = self.server("--loops", "2")
        self.body = random_bytes(3 * MIB, "client")

    def spawn(self, *arguments, **keywords):
        process = subprocess.Popen([programs.ringdrop, "watch", *arguments], stdin=subprocess.DEVNULL,
                                   **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **keywords})
        self.addCleanup(self._end, process)
        return process

    @staticmethod
    def _end(process):
        with contextlib.suppress(OSError):
            process.kill()
        process.wait()
        for stream in (process.stdout, process.stderr):
            if stream:
                stream.close()

    def url(self, path=f"/watch/{WATCH_ID}"):
        return self.here.url + path

    def wait_line(self, process, pattern):
        """The next line of standard error that has it."""
        while line := process.stderr.readline():
            if re.search(pattern, line):
                return line
        raise AssertionError(f"it ended without {pattern}")

    def ends(self, process, code, said=None):
        out, errors = process.communicate(timeout=PATIENCE)
        self.assertEqual(process.returncode, code, errors)
        if said is not None:
            self.assertEqual(out, said)
        return errors

    def test_from_before_the_start_to_the_link(self):
        process = self.spawn(self.url())
        self.assertEqual(self.wait_line(process, "waiting"), "waiting 0 B\n")
        wire = self.begin(self.here, len(self.body), NAMED)
        self.wait_line(process, r"^receiving 0 B of 3\.0 MiB, 0%$")
        wire.send(self.body[:2 * MIB])
        self.wait_line(process, r"^receiving .* of 3\.0 MiB, [1-9]\d?%, .*/s(, \d+:\d\d left)?$")
        link = wire.send(self.body[2 * MIB:]).read_final().get("Location")
        self.ends(process, 0, link.replace("ringdrop.test", self.here.authority) + "\n")

    def test_an_upload_by_its_own_url_and_by_its_progress(self):
        made = self.here.exchange(request("POST", "/uploads", TUS, f"Upload-Length: {len(self.body)}"))
        upload = made.get("Location")
        watchers = [self.spawn(self.url(path)) for path in (upload, upload + "/progress")]
        quiet = self.spawn("--quiet", self.url(upload))
        for one in watchers:
            self.wait_line(one, "waiting")
        self.here.exchange(request("PATCH", upload, TUS, OFFSET_TYPE, "Upload-Offset: 0", body=self.body[:MIB]))
        for one in watchers:
            self.wait_line(one, r"^paused 1\.0 MiB of 3\.0 MiB, 33%$")
        done = self.here.exchange(request("PATCH", upload, TUS, OFFSET_TYPE, f"Upload-Offset: {MIB}",
                                          body=self.body[MIB:]))
        link = done.get("Upload-Link").replace("ringdrop.test", self.here.authority)
        for one in watchers:
            self.ends(one, 0, link + "\n")
        self.assertEqual(self.ends(quiet, 0, link + "\n"), "")

    def test_it_goes_on_over_a_restart_of_the_server(self):
        self.here.stop()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.here.listen = [f"127.0.0.1:{port}"]
        self.here.start()
        made = self.here.exchange(request("POST", "/uploads", TUS, f"Upload-Length: {len(self.body)}"))
        upload = made.get("Location")
        process = self.spawn(self.url(upload))
        self.wait_line(process, "waiting")
        self.here.exchange(request("PATCH", upload, TUS, OFFSET_TYPE, "Upload-Offset: 0", body=self.body[:MIB]))
        for end in (self.here.kill9, self.here.stop):
            self.wait_line(process, r"^paused 1\.0 MiB")
            end()
            self.wait_line(process, r"^ringdrop: .*; trying again in \d\.\d s$")
            self.here.start()
            self.here.exchange(request("HEAD", upload, TUS), to_head=True)
            wire = self.begin(self.here, MIB, TUS, OFFSET_TYPE, f"Upload-Offset: {MIB}", target=upload, method="PATCH")
            self.wait_line(process, "^receiving 1.0 MiB")
            wire.close()
        self.wait_line(process, r"^paused 1\.0 MiB")
        self.here.exchange(request("PATCH", upload, TUS, OFFSET_TYPE, f"Upload-Offset: {MIB}", body=self.body[MIB:]))
        self.ends(process, 0)

    def test_it_goes_on_when_its_connection_breaks_at_any_byte(self):
        made = self.here.exchange(request("POST", "/uploads", TUS, f"Upload-Length: {len(self.body)}"))
        upload = made.get("Location")
        relay = Cutter(self.here.address, ["}", 0, 40, "}", 129, 131, "}", 135, 230, "}"])
        self.addCleanup(relay.close)
        process = self.spawn(f"http://127.0.0.1:{relay.port}{upload}")
        relay.done.wait(PATIENCE)
        self.here.exchange(request("PATCH", upload, TUS, OFFSET_TYPE, "Upload-Offset: 0", body=self.body))
        self.ends(process, 0)
        self.assertTrue(relay.done.is_set())

    def test_what_has_failed_or_is_not_there_is_exit_code_1(self):
        wire = self.begin(self.here, 10, NAMED)
        process = self.spawn(self.url())
        self.wait_line(process, "receiving")
        wire.reset()
        self.assertEqual(self.ends(process, 1, "").splitlines()[-1], "ringdrop: the upload is over: failed: broken_off")
        made = self.here.exchange(request("POST", "/uploads", TUS, "Upload-Length: 10"))
        self.here.exchange(request("DELETE", made.get("Location"), TUS))
        errors = self.ends(self.spawn(self.url(made.get("Location"))), 1, "")
        self.assertEqual(errors.splitlines()[-1], "ringdrop: the upload is over: cancelled")
        for path in ("/uploads/" + "0" * 22, "/watch/short"):
            self.assertIn("nothing to watch", self.ends(self.spawn(self.url(path)), 1, ""))
        self.assertIn("no websocket is offered", self.ends(self.spawn(self.url("/")), 1, ""))

    def test_wrong_use_is_exit_code_64(self):
        for arguments in ((), ("ftp://h/watch/x",), ("http://h/?q",), (self.url(), self.url()), ("--loops", "2", "x")):
            self.ends(self.spawn(*arguments), 64, "")

    def test_an_interrupt_says_goodbye_and_is_exit_code_130(self):
        before = self.here.open_sockets()
        process = self.spawn(self.url())
        self.wait_line(process, "waiting")
        process.send_signal(signal.SIGINT)
        self.ends(process, 130, "")
        wait_until(lambda: self.here.open_sockets() <= before, "the server has seen it go")

    def test_a_server_that_breaks_the_handshake_or_sends_rubbish(self):
        for head, words in (("Sec-WebSocket-Accept: wrong\r\n", "handshake is wrong"), ("", "handshake is wrong")):
            with socket.create_server(("127.0.0.1", 0)) as listener:
                process = self.spawn(f"http://127.0.0.1:{listener.getsockname()[1]}/watch/{WATCH_ID}")
                connection, _ = listener.accept()
                with connection:
                    connection.recv(64 * KIB)
                    connection.sendall(f"HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{head}\r\n".encode())
                    self.assertIn(words, self.ends(process, 1, ""))

    def test_on_a_terminal_there_is_a_bar_that_ends_in_a_summary(self):
        ours, theirs = pty.openpty()
        self.addCleanup(os.close, ours)
        process = self.spawn(self.url(), stderr=theirs, env={**os.environ, **TERMINAL})
        os.close(theirs)
        seen = bytearray()

        def sees(pattern):
            while not re.search(pattern, seen):
                ready, _, _ = select.select([ours], [], [], PATIENCE)
                self.assertTrue(ready, f"{pattern} in {bytes(seen)}")
                seen.extend(os.read(ours, 4096))

        sees(rb"\r\x1b\[Kupload .*0 B +waiting")
        wire = self.begin(self.here, len(self.body), NAMED)
        sees(rb"upload +\[ +\] +0%")
        for at in range(0, 2 * MIB, 64 * KIB):
            wire.send(self.body[at:at + 64 * KIB])
            time.sleep(0.02)
        sees(rb"upload +\[=*> +\] +[1-9]\d% +[0-9.]+ .iB/s +0:0\d")
        link = wire.send(self.body[2 * MIB:]).read_final().get("Location")
        sees(rb"\r\x1b\[Kupload  3\.0 MiB in 0:\d\d, .*/s\r\n$")
        self.assertEqual(process.wait(PATIENCE), 0)
        self.assertEqual(process.stdout.read(), link.replace("ringdrop.test", self.here.authority) + "\n")
        if os.environ.get("SHOW_TERMINAL"):
            print(bytes(seen).decode().replace("\r\x1b[K", "\n"))

    def test_on_a_terminal_who_comes_late_is_told_no_speed(self):
        self.here.exchange(request("PUT", "/f", NAMED, body=b"x"))
        ours, theirs = pty.openpty()
        self.addCleanup(os.close, ours)
        process = self.spawn(self.url(), stderr=theirs, env={**os.environ, **TERMINAL})
        os.close(theirs)
        self.assertIn("/f", process.stdout.read())
        seen = bytearray()
        with contextlib.suppress(OSError):  # that of a terminal whose other side is closed
            while piece := os.read(ours, 4096):
                seen += piece
        self.assertNotIn(b"/s", seen)


class Cutter:
    """Passes connections on, and ends the first ones after so many bytes of what the server says, or behind a "}": the
    end of the first message, after which the client is patient no longer than before the first attempt."""

    def __init__(self, target, cuts):
        self.target = target
        self.cuts = list(cuts)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.done = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                cut = self.cuts.pop(0) if self.cuts else None
                if cut is None:
                    self.done.set()
                with client, socket.create_connection(self.target) as server:
                    self.carry(client, server, cut)

    @staticmethod
    def carry(client, server, left):
        while left in (None, "}") or left > 0:
            for one in select.select([client, server], [], [])[0]:
                data = one.recv(64 * KIB)
                if not data:
                    return
                if one is client:
                    server.sendall(data)
                    continue
                if left == "}":
                    client.sendall(data)
                    left = 0 if b"}" in data else left
                    continue
                client.sendall(data if left is None else data[:left])
                left = None if left is None else left - len(data)

    def close(self):
        self.listener.close()


if __name__ == "__main__":
    main()
