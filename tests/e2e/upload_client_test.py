#!/usr/bin/env python3
"""`ringdrop upload`: the client of ours against the server of ours, with everything in between that breaks."""

import contextlib
import fcntl
import json
import os
import pty
import pwd
import random
import re
import signal
import socket
import struct
import subprocess
import termios
import threading
import unicodedata

from authority import Authority
from harness import KIB, MIB, PATIENCE, EndToEnd, main, make_file, programs, request, sha256_of, wait_until
from proxy_test import Proxy
from relay import Relay, random_cuts

PROTOCOLS = ("ietf", "tus")


class UploadClient(EndToEnd):
    def setUp(self):
        super().setUp()
        self.state = self.directory / "state"

    def relay(self, server, cuts=(), tls=None):
        relay = Relay(lambda: server.address, cuts, tls=tls)
        self.addCleanup(relay.close)
        return relay

    def environment(self, **more):
        kept = {name: value for name, value in os.environ.items() if name != "RINGDROP_TOKEN"}
        return {**kept, "XDG_STATE_HOME": str(self.state), **more}

    def command(self, *arguments):
        return [programs.ringdrop, "upload", *map(str, arguments)]

    def spawn(self, *arguments, **keywords):
        """A client that is killed with the test if it still runs."""
        process = subprocess.Popen(self.command(*arguments), env=self.environment(), stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, **keywords)
        self.addCleanup(self._end, process)
        return process

    def held(self, server, file, size, *options):
        """A client whose upload stands still with so many bytes on the server, and the relay that holds it."""
        relay = self.relay(server)
        relay.hold_after(size)
        process = self.spawn(*options, file, f"http://{relay.authority}/")
        wait_until(relay.holds, f"{size} bytes are on the server")
        return relay, process

    @staticmethod
    def _end(process):
        with contextlib.suppress(OSError):
            process.kill()
        process.wait()
        for stream in (process.stdout, process.stderr):
            if stream:
                stream.close()

    def upload(self, *arguments, code=0, **environment):
        """(standard output as lines, standard error) of a run that ends with that code."""
        done = subprocess.run(self.command(*arguments), env=self.environment(**environment), capture_output=True,
                              stdin=subprocess.DEVNULL, check=False, timeout=5 * PATIENCE)
        self.assertEqual(done.returncode, code, done.stderr.decode("utf-8", "replace"))
        self.assertTrue(done.stdout == b"" or done.stdout.endswith(b"\n"))
        return done.stdout.decode("ascii").splitlines(), done.stderr.decode("utf-8")

    def saved(self):
        """What is remembered, by file."""
        return sorted((self.state / "ringdrop").glob("*")) if (self.state / "ringdrop").exists() else []

    def assert_same(self, url, file):
        self.assertEqual(self.fetch_sha256(url), sha256_of(file), url)


class Plain(UploadClient):
    def test_files_arrive_by_either_protocol_and_their_links_are_printed_in_order(self):
        server = self.server()
        files = [make_file(self.directory / "film.mkv", 5 * MIB + 7), make_file(self.directory / "empty", 0),
                 make_file(self.directory / "one piece", MIB), make_file(self.directory / "ü \"q\" %41.txt", 99)]
        names = ["film.mkv", "empty", "one%20piece", "%C3%BC%20%22q%22%20%2541.txt"]
        for protocol in ("auto", *PROTOCOLS):
            links, said = self.upload("--protocol", protocol, *files, server.url)
            self.assertEqual(said, "")
            self.assertEqual([link.rpartition("/")[2] for link in links], names)
            for link, file in zip(links, files):
                self.assertTrue(link.startswith(server.url + "/"), link)
                self.assert_same(link, file)
        self.assertEqual(self.saved(), [])

    def test_a_relative_name_and_ipv6_and_a_name_for_the_host(self):
        make_file(self.directory / "f", 1000)
        four, six = self.server(), self.server(listen=("[::1]:0",))
        for url in (six.url, f"http://localhost:{four.address[1]}/"):
            done = subprocess.run(self.command("f", url), env=self.environment(), cwd=self.directory, check=True,
                                  capture_output=True, timeout=PATIENCE)
            self.assertEqual(self.fetch_sha256(done.stdout.decode().strip()), sha256_of(self.directory / "f"))

    def test_wishes_reach_the_link(self):
        server = self.server()
        file = make_file(self.directory / "f", 1000)
        for protocol in PROTOCOLS:
            [link], _ = self.upload("--protocol", protocol, "--max-downloads", 2, "--expires", "36h", file, server.url)
            token = link.removeprefix(server.url).split("/")[1]
            told = json.loads(server.get(f"/api/links/{token}").body)
            self.assertEqual(told["downloads_left"], 2)
            self.assertIsNotNone(told["expires_at"])

    def test_the_token_is_sent_and_a_wrong_one_is_told(self):
        server = self.server("--upload-token", "s3cret-token")
        file = make_file(self.directory / "f", 1000)
        for protocol in PROTOCOLS:
            links, said = self.upload("--protocol", protocol, file, server.url, code=1)
            self.assertEqual(links, [])
            self.assertRegex(said, r"^ringdrop: f: the server answered 401 Unauthorized: .+\n$")
            self.upload("--protocol", protocol, "--token", "wrong", file, server.url, code=1)
            [link], _ = self.upload("--protocol", protocol, "--token", "s3cret-token", file, server.url)
            self.assert_same(link, file)
            [link], _ = self.upload("--protocol", protocol, file, server.url, RINGDROP_TOKEN="s3cret-token")
            self.assert_same(link, file)

    def test_a_file_that_is_too_large_is_told_and_the_others_arrive(self):
        server = self.server("--max-upload-size", "1MiB")
        files = [make_file(self.directory / "small", 1000), make_file(self.directory / "large", MIB + 1),
                 make_file(self.directory / "fits", MIB)]
        for protocol in PROTOCOLS:
            links, said = self.upload("--protocol", protocol, *files, server.url, code=1)
            self.assertEqual(len(links), 2)
            self.assert_same(links[0], files[0])
            self.assert_same(links[1], files[2])
            self.assertRegex(said, r"^ringdrop: large: the server answered 413 Content Too Large: .+\n"
                                   r"ringdrop: 1 of 3 files are not uploaded\n$")

    def test_what_cannot_be_uploaded_is_told_before_anything_is_sent(self):
        relay = self.relay(self.server())
        file = make_file(self.directory / "f", 1000)
        (self.directory / "sub").mkdir()
        os.mkfifo(self.directory / "fifo")
        for bad, words in (("sub", "is a directory"), ("fifo", "is no regular file"), ("none", "No such file")):
            links, said = self.upload(file, self.directory / bad, f"http://{relay.authority}/", code=1)
            self.assertEqual(links, [])
            self.assertIn(words, said)
        self.assertEqual(relay.connections, 0)

    def test_a_server_without_such_uploads_is_told(self):
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)
        url = "http://127.0.0.1:%d/" % listener.getsockname()[1]
        answers = [(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "no resumable uploads are offered"),
                   (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "no resumable uploads are offered"),
                   (b"SSH-2.0-OpenSSH_9.2\r\n", "is no HTTP")]

        def answer_all():
            for answer, _ in answers:
                with contextlib.suppress(OSError), listener.accept()[0] as peer:
                    peer.recv(64 * KIB)
                    peer.sendall(answer)

        threading.Thread(target=answer_all, daemon=True).start()
        file = make_file(self.directory / "f", 1000)
        for _, words in answers:
            _, said = self.upload(file, url, code=1)
            self.assertIn(words, said)

    def test_a_host_that_is_not_there_is_told(self):
        _, said = self.upload(make_file(self.directory / "f", 10), "http://no-such-host.invalid/", code=1)
        self.assertIn("no-such-host.invalid: ", said)

    def test_wrong_use_is_64(self):
        for arguments in ([], ["http://h/"], ["f", "ftp://h/"], ["f", "http://user:secret@h/"],
                          ["--protocol", "ftp", "f", "http://h/"], ["--expires", "soon", "f", "http://h/"],
                          ["--max-downloads", "0", "f", "http://h/"], ["--what", "f", "http://h/"]):
            links, said = self.upload(*arguments, code=64)
            self.assertEqual((links, len(said) > 0), ([], True), arguments)


class Broken(UploadClient):
    SIZE = 24 * MIB + 5

    def test_connections_that_are_cut_again_and_again_delay_it_alone(self):
        server = self.server()
        file = make_file(self.directory / "f", self.SIZE)
        for protocol in PROTOCOLS:
            seed = random.randrange(1 << 30)
            print(f"seed {seed}", end=" ", flush=True)
            relay = self.relay(server, random_cuts(seed, 8 * MIB))
            [link], said = self.upload("--protocol", protocol, file, f"http://{relay.authority}/", code=0)
            self.assert_same(f"{server.url}/{link.split('/', 3)[3]}", file)
            self.assertGreater(len(relay.cut_at), 1)
            self.assertIn("trying again", said)
            # What arrived was not sent again: at most what was on its way in buffers at each cut.
            self.assertLess(relay.relayed, self.SIZE + len(relay.cut_at) * 8 * MIB)

    def test_a_client_that_was_killed_goes_on_where_it_was(self):
        server = self.server()
        file = make_file(self.directory / "f", self.SIZE)
        for protocol in PROTOCOLS:
            relay, process = self.held(server, file, 16 * MIB, "--protocol", protocol)
            process.kill()
            process.wait()
            relay.break_all()
            [state] = self.saved()
            self.assertEqual((state.stat().st_mode & 0o777, state.parent.stat().st_mode & 0o777), (0o600, 0o700))
            relay.release()
            before = relay.relayed
            [link], _ = self.upload(file, f"http://{relay.authority}/")  # the protocol is remembered, too
            self.assert_same(f"{server.url}/{link.split('/', 3)[3]}", file)
            self.assertLess(relay.relayed - before, self.SIZE - 8 * MIB)
            self.assertEqual(self.saved(), [])

    def test_an_interrupted_client_says_how_to_go_on(self):
        server = self.server()
        file = make_file(self.directory / "f", self.SIZE)
        relay, process = self.held(server, file, 12 * MIB)
        process.send_signal(signal.SIGINT)
        out, said = process.communicate(timeout=PATIENCE)
        self.assertEqual((process.returncode, out), (130, b""), said)
        self.assertIn(b"the same command goes on", said)
        relay.release()
        before = relay.relayed
        [link], _ = self.upload(file, f"http://{relay.authority}/")
        self.assertLess(relay.relayed - before, self.SIZE - 4 * MIB)
        self.assert_same(f"{server.url}/{link.split('/', 3)[3]}", file)

    def test_an_interrupted_wait_ends_at_once(self):
        with socket.create_server(("127.0.0.1", 0)) as gone:
            url = "http://127.0.0.1:%d/" % gone.getsockname()[1]
        process = self.spawn(make_file(self.directory / "f", 10), url)
        self.assertIn(b"trying again in", process.stderr.readline())
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=PATIENCE)
        self.assertEqual(process.returncode, 128 + signal.SIGTERM)

    def test_a_server_that_dies_and_comes_back_gets_the_rest(self):
        server = self.server()
        file = make_file(self.directory / "f", self.SIZE)
        for protocol in PROTOCOLS:
            relay, process = self.held(server, file, 16 * MIB, "--protocol", protocol)
            server.kill9()
            relay.break_all()
            self.assertIn(b"trying again in", process.stderr.readline())
            relay.release()
            server.start()
            out, said = process.communicate(timeout=2 * PATIENCE)
            self.assertEqual(process.returncode, 0, said)
            self.assert_same(f"{server.url}/{out.decode().strip().split('/', 3)[3]}", file)

    def test_an_upload_that_the_server_has_forgotten_begins_anew(self):
        server = self.server()
        file = make_file(self.directory / "f", self.SIZE)
        for protocol in PROTOCOLS:
            relay, process = self.held(server, file, 12 * MIB, "--protocol", protocol)
            process.kill()
            process.wait()
            relay.break_all()
            relay.release()
            [state] = self.saved()
            location = json.loads(state.read_text("utf-8"))["location"]
            self.assertEqual(server.exchange(request("DELETE", location)).status, 204)
            [link], said = self.upload(file, f"http://{relay.authority}/")
            self.assertIn("forgotten the upload: beginning anew", said)
            self.assert_same(f"{server.url}/{link.split('/', 3)[3]}", file)

    def test_a_file_that_has_changed_between_two_runs_is_another_one(self):
        server = self.server()
        file = make_file(self.directory / "f", self.SIZE, seed=1)
        relay, process = self.held(server, file, 12 * MIB)
        process.kill()
        process.wait()
        relay.break_all()
        relay.release()
        make_file(file, self.SIZE, seed=2)
        [link], _ = self.upload(file, f"http://{relay.authority}/")
        self.assert_same(f"{server.url}/{link.split('/', 3)[3]}", file)

    def test_a_file_that_changes_while_it_is_uploaded_is_never_published(self):
        server = self.server()
        for protocol in PROTOCOLS:
            for change in ("grow", "shrink", "rewrite"):
                file = make_file(self.directory / "f", self.SIZE)
                relay, process = self.held(server, file, 2 * MIB, "--protocol", protocol)
                with open(file, "r+b") as handle:
                    if change == "grow":
                        handle.seek(0, os.SEEK_END)
                        handle.write(b"x")
                    elif change == "shrink":
                        handle.truncate(self.SIZE - 1)
                    else:
                        handle.write(b"x")
                relay.release()
                out, said = process.communicate(timeout=PATIENCE)
                self.assertEqual((process.returncode, out), (1, b""), (change, said))
                self.assertIn(b"the file has changed", said)
                wait_until(lambda: not server.stored(), "nothing of it is left on the server")
                self.assertEqual(self.saved(), [])

    def test_a_refusal_in_the_middle_is_heard(self):
        server = self.server()
        file = make_file(self.directory / "f", self.SIZE)
        relay, process = self.held(server, file, 8 * MIB, "--protocol", "tus")
        [state] = self.saved()
        location = json.loads(state.read_text("utf-8"))["location"]
        # Whoever cancels it ends the request that runs: the client learns it, and begins anew.
        self.assertEqual(server.exchange(request("DELETE", location, "Tus-Resumable: 1.0.0")).status, 204)
        relay.release()
        out, said = process.communicate(timeout=PATIENCE)
        self.assertEqual(process.returncode, 0, said)
        self.assertIn(b"beginning anew", said)
        self.assert_same(f"{server.url}/{out.decode().strip().split('/', 3)[3]}", file)


class Secured(UploadClient):
    def setUp(self):
        super().setUp()
        self.here = self.server()
        ca = self.directory / "ca"
        ca.mkdir()
        self.authority = Authority(ca)
        self.file = make_file(self.directory / "f", 9 * MIB + 1)

    def test_a_certificate_that_is_trusted_and_for_the_host_carries_the_upload(self):
        relay = self.relay(self.here, tls=self.authority.context("DNS:localhost,IP:127.0.0.1"))
        for host in ("localhost", "127.0.0.1"):
            for protocol in PROTOCOLS:
                [link], said = self.upload("--cacert", self.authority.certificate, "--protocol", protocol, self.file,
                                           f"https://{host}:{relay.port}/")
                self.assertEqual(said, "")
                self.assert_same(f"{self.here.url}/{link.split('/', 3)[3]}", self.file)

    def test_whom_nobody_vouches_for_gets_nothing(self):
        relay = self.relay(self.here, tls=self.authority.context("DNS:localhost,IP:127.0.0.1"))
        _, said = self.upload(self.file, f"https://localhost:{relay.port}/", code=1)
        self.assertIn("the server's certificate cannot be trusted: ", said)
        other = self.directory / "other"
        other.mkdir()
        _, said = self.upload("--cacert", Authority(other).certificate, self.file, f"https://localhost:{relay.port}/",
                              code=1)
        self.assertIn("the server's certificate cannot be trusted: ", said)
        self.assertEqual(relay.relayed, 0)

    def test_a_certificate_for_another_host_is_refused(self):
        for names, host in (("DNS:example.test", "localhost"), ("DNS:localhost", "127.0.0.1"),
                            ("IP:127.0.0.2", "127.0.0.1"), ("DNS:*", "localhost")):
            relay = self.relay(self.here, tls=self.authority.context(names))
            _, said = self.upload("--cacert", self.authority.certificate, self.file, f"https://{host}:{relay.port}/",
                                  code=1)
            self.assertIn(f"the server's certificate is not for {host}", said)
            self.assertEqual(relay.relayed, 0)

    def test_a_file_without_certificates_is_told(self):
        for bad in (self.directory / "none", self.file):
            _, said = self.upload("--cacert", bad, self.file, self.here.url.replace("http:", "https:"), code=1)
            self.assertIn("no certificates can be read", said)

    def test_tls_to_a_server_without_it_is_told(self):
        _, said = self.upload("--cacert", self.authority.certificate, self.file,
                              self.here.url.replace("http:", "https:"), code=1)
        self.assertIn("TLS handshake: ", said)

    def test_cut_connections_delay_it_alone(self):
        seed = random.randrange(1 << 30)
        print(f"seed {seed}", end=" ", flush=True)
        relay = self.relay(self.here, random_cuts(seed, 3 * MIB), self.authority.context("DNS:localhost,IP:127.0.0.1"))
        [link], _ = self.upload("--cacert", self.authority.certificate, self.file, f"https://localhost:{relay.port}/")
        self.assert_same(f"{self.here.url}/{link.split('/', 3)[3]}", self.file)


class PlainNginx(Proxy):
    """nginx that passes everything on, as simply as can be."""

    name = "nginx"

    def configure(self):
        temporary = "".join(f"{name}_temp_path {self.directory}/{name};" for name in
                            ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        user = f"user {pwd.getpwuid(os.geteuid()).pw_name};" if os.geteuid() == 0 else ""
        (self.directory / "nginx.pid").unlink(missing_ok=True)
        (self.directory / "nginx.conf").write_text(f"""
            {user} daemon off; pid {self.directory}/nginx.pid; error_log stderr warn; events {{}}
            http {{ access_log off; {temporary} client_max_body_size 0;
              server {{ listen 127.0.0.1:{self.port};
                location / {{ proxy_pass http://{self.backend}; proxy_http_version 1.1; proxy_request_buffering off;
                              proxy_set_header Host $http_host; }} }} }}""", "utf-8")
        return ["nginx", "-p", str(self.directory), "-e", "stderr", "-c", str(self.directory / "nginx.conf")]

    def listens(self):
        pid = self.directory / "nginx.pid"
        return pid.exists() and pid.stat().st_size > 0


class BehindNginx(UploadClient):
    def test_uploads_go_through(self):
        server = self.server()
        proxy = PlainNginx(self.directory, server.authority)
        self.addCleanup(lambda: proxy.process and proxy.stop())
        proxy.start()
        file = make_file(self.directory / "f", 9 * MIB + 1)
        for protocol in PROTOCOLS:
            [link], said = self.upload("--protocol", protocol, file, f"http://127.0.0.1:{proxy.port}/")
            self.assertEqual(said, "")
            self.assertTrue(link.startswith(f"http://127.0.0.1:{proxy.port}/"), link)
            self.assert_same(link, file)


class OnTerminal(UploadClient):
    COLUMNS = 70

    def run_on_pty(self, *arguments, until=None):
        """What the terminal has got, with standard output apart; the exit code. `until` is called with the text so
        far, after each piece."""
        parent, child = pty.openpty()
        fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 24, self.COLUMNS, 0, 0))
        process = subprocess.Popen(self.command(*arguments), env=self.environment(), stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=child)
        self.addCleanup(self._end, process)
        os.close(child)
        shown = b""
        with contextlib.suppress(OSError):  # EIO: nobody has the terminal any more
            while piece := os.read(parent, 64 * KIB):
                shown += piece
                if until:
                    until(shown.decode("utf-8", "replace"))
        os.close(parent)
        out = process.stdout.read().decode()
        process.stdout.close()
        return shown.decode("utf-8"), out, process.wait(PATIENCE)

    @staticmethod
    def width(text):
        return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)

    def test_the_bar_moves_fits_and_leaves_a_clean_line(self):
        server = self.server()
        relay = self.relay(server)
        file = make_file(self.directory / "映画 film.mkv", 60 * MIB)
        relay.hold_after(10 * MIB)

        def release_when_a_part_is_shown(text):
            # The client is ahead of the relay by what the kernel's buffers hold, some MiB.
            if re.search(r" [1-9]\d% ", text) and relay.holds():
                relay.release()

        shown, out, code = self.run_on_pty(file, f"http://{relay.authority}/", until=release_when_a_part_is_shown)
        self.assertEqual(code, 0, shown)
        self.assert_same(f"{server.url}/{out.strip().split('/', 3)[3]}", file)
        frames = shown.split("\r\x1b[K")
        self.assertEqual(frames[0], "")
        for frame in frames[1:-1]:
            self.assertRegex(frame, r"^映画 film\.mkv  \[=*>? *\] +\d+% ")
            self.assertLess(self.width(frame), self.COLUMNS)
        self.assertRegex(frames[-1], r"^映画 film\.mkv  60\.0 MiB in \d+:\d\d, [\d.]+ [KMG]iB/s\r\n$")
        self.assertNotIn("\x1b", shown.replace("\r\x1b[K", ""))

    def test_a_retry_is_a_line_above_the_bar(self):
        server = self.server()
        relay = self.relay(server, random_cuts(7, 4 * MIB))
        file = make_file(self.directory / "f", 12 * MIB)

        def let_go(text):
            if "trying again" in text:
                relay.let_all_through()

        shown, _, code = self.run_on_pty(file, f"http://{relay.authority}/", until=let_go)
        self.assertEqual(code, 0)
        self.assertRegex(shown, r"\r\x1b\[Kringdrop: f: [^\r\n]*; trying again in \d+\.\d s\r\n")

    def test_a_name_cannot_steer_the_terminal(self):
        server = self.server()
        file = make_file(self.directory / "a\x1b[2J\rb\n", 100)
        shown, _, code = self.run_on_pty(file, server.url)
        self.assertEqual(code, 0)
        self.assertIn("a?[2J?b?", shown)
        self.assertNotIn("\x1b", shown.replace("\r\x1b[K", ""))

    def test_quiet_is_quiet_and_errors_are_told_all_the_same(self):
        server = self.server("--max-upload-size", "1MiB")
        shown, out, code = self.run_on_pty("--quiet", make_file(self.directory / "f", 1000), server.url)
        self.assertEqual((shown, code), ("", 0))
        self.assertTrue(out.startswith(server.url))
        shown, out, code = self.run_on_pty("--quiet", make_file(self.directory / "g", 2 * MIB), server.url)
        self.assertEqual((out, code), ("", 1))
        self.assertIn("413", shown)


if __name__ == "__main__":
    main()
