#!/usr/bin/env python3
"""Files there and back with the clients that people have: curl, wget, aria2c."""

import os
import shutil
import subprocess
import unittest
from pathlib import Path
from urllib.parse import quote

from harness import GIB, KIB, MIB, EndToEnd, chunked, main, make_file, path_of, random_bytes, request, sha256_of

SIZES = [0, 1, 4095, 4096, 4097, MIB - 1, MIB, MIB + 1, 64 * MIB + 3]
HUGE = 4 * GIB + 1

# What a person may call a file.
WEIRD = "a?b #%25 ü日本.txt"
LONGEST = "日本é.x" + "語" * 81 + ".y"
assert len(LONGEST.encode()) == 255, len(LONGEST.encode())


class Sizes(EndToEnd):
    """What goes in comes out."""

    def test_a_file_of_each_size_comes_back_equal(self):
        server = self.server()
        for size in SIZES:
            with self.subTest(size=size):
                file = make_file(self.directory / "file", size, seed=size)
                url = self.curl_ok("-T", file, server.url + "/").decode().removesuffix("\n")
                self.assertEqual(self.fetch_sha256(url), sha256_of(file))

    def test_a_chunked_upload_of_each_size_comes_back_equal(self):
        server = self.server()
        for size in SIZES:
            with self.subTest(size=size):
                file = make_file(self.directory / "file", size, seed=size)
                with open(file, "rb") as source:
                    url = self.curl_ok("-T", "-", server.url + "/film.mkv", stdin=source).decode().strip()
                self.assertTrue(url.endswith("/film.mkv"), url)
                self.assertEqual(self.fetch_sha256(url), sha256_of(file))

    def test_4_gib_and_a_byte_come_back_equal(self):
        server = self.server()
        file = make_file(self.directory / "huge", HUGE)
        url = self.curl_ok("-T", file, server.url + "/").decode().strip()
        self.assertEqual(int(self.head_fields(url)["content-length"]), HUGE)
        self.assertEqual(self.fetch_sha256(url), sha256_of(file))

    def test_4_gib_and_a_byte_chunked_come_back_equal(self):
        server = self.server()
        file = make_file(self.directory / "huge", HUGE, seed=2)
        with open(file, "rb") as source:
            url = self.curl_ok("-T", "-", server.url + "/huge", stdin=source).decode().strip()
        self.assertEqual(self.fetch_sha256(url), sha256_of(file))

    def head_fields(self, url):
        lines = self.curl_ok("-I", url).decode("latin-1").split("\r\n")
        return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:] if line)}

    def test_head_answers_what_get_answers_without_the_body(self):
        server = self.server()
        for size in (0, 1, 70 * KIB):
            with self.subTest(size=size):
                path = server.put("f.txt", random_bytes(size, "head"))
                got = server.get(path)
                head = server.exchange(request("HEAD", path), to_head=True)
                self.assertEqual(head.status, got.status)
                without_date = [[f for f in r.fields if f[0].lower() != "date"] for r in (head, got)]
                self.assertEqual(without_date[0], without_date[1])
                self.assertEqual(int(head.get("Content-Length")), size)

    def test_an_unknown_length_without_a_name_is_taken_too(self):
        server = self.server()
        url = self.curl_ok("-T", "-", server.url + "/", input=b"from a pipe").decode().strip()
        self.assertRegex(url, r"/[0-9A-Za-z]{22}(/-)?$")  # curl sends "-" or nothing as the name
        self.assertEqual(self.curl_ok(url), b"from a pipe")

    def test_two_uploads_of_one_name_are_two_files(self):
        server = self.server()
        first, second = server.put("same", b"first"), server.put("same", b"second")
        self.assertNotEqual(first, second)
        self.assertEqual((server.get(first).body, server.get(second).body), (b"first", b"second"))

    def test_the_links_outlive_a_restart(self):
        server = self.server()
        body = random_bytes(3 * MIB + 17, "restart")
        path = server.put("kept", body)
        self.assertEqual(server.stop(), 0)
        server.start()
        got = server.get(path)
        self.assertEqual((got.status, got.body), (200, body))


class Clients(EndToEnd):
    """wget, aria2c and curl's reuse of a connection."""

    def setUp(self):
        super().setUp()
        self.here = self.server()
        self.body = random_bytes(5 * MIB + 7, "clients")
        self.path = self.here.put(quote(WEIRD), self.body)

    @unittest.skipUnless(shutil.which("wget"), "wget is not installed")
    def test_wget_downloads_and_finds_the_name_in_content_disposition(self):
        subprocess.run(["wget", "-q", "--no-proxy", "--content-disposition", self.here.url + self.path],
                       cwd=self.directory, check=True, env={**os.environ, "LC_ALL": "C.UTF-8"})
        names = [entry.name for entry in self.directory.iterdir() if entry.is_file()]
        self.assertEqual(len(names), 1, names)
        self.assertTrue(names[0].startswith("a") and names[0].endswith(".txt"), names)
        self.assertEqual((self.directory / names[0]).read_bytes(), self.body)

    @unittest.skipUnless(shutil.which("aria2c"), "aria2c is not installed")
    def test_aria2c_with_many_connections_gets_the_whole_file(self):
        subprocess.run(["aria2c", "-q", "-x16", "-s16", "-k1M", "--file-allocation=none", "--all-proxy=", "-d",
                        self.directory, "-o", "out", self.here.url + self.path], check=True, stdin=subprocess.DEVNULL)
        self.assertEqual((self.directory / "out").read_bytes(), self.body)

    def test_curl_uses_one_connection_for_several_transfers(self):
        url = self.here.url + self.path
        said = self.curl_ok("-w", "%{num_connects} ", *["-o", "/dev/null", url] * 3)
        self.assertEqual(said.split(), [b"1", b"0", b"0"])

    def test_uploads_and_downloads_share_a_connection(self):
        with self.here.connect() as wire:
            for turn in range(20):
                body = random_bytes(turn * 5000, turn)
                created = wire.send(request("PUT", "/x", body=body)).read_final()
                self.assertEqual(created.status, 201)
                got = wire.send(request("GET", path_of(created))).read_final()
                self.assertEqual((got.status, got.body), (200, body))

    def test_an_upload_straight_from_the_help_text_works(self):
        text = self.curl_ok(self.here.url + "/").decode()
        self.assertIn(f"curl -T film.mkv {self.here.url}/", text)
        (self.directory / "film.mkv").write_bytes(b"film")
        url = self.curl_ok("-T", "film.mkv", self.here.url + "/", cwd=self.directory).decode()
        self.assertTrue(url.endswith("/film.mkv\n"), url)


class Wires(EndToEnd):
    """What clients may do with a connection."""

    def test_pipelined_requests_are_answered_in_order(self):
        server = self.server()
        bodies = [random_bytes(1000 * n + 1, n) for n in range(30)]
        with server.connect() as wire:
            wire.send(b"".join(request("PUT", f"/{n}", body=body) for n, body in enumerate(bodies)))
            paths = [path_of(wire.read_final()) for _ in bodies]
            wire.send(b"".join(request("GET", path) for path in paths))
            self.assertEqual([wire.read_final().body for _ in bodies], bodies)
        self.assertEqual([path.rsplit("/", 1)[1] for path in paths], [str(n) for n in range(30)])

    def test_http_1_0_is_answered_and_closed(self):
        server = self.server()
        path = server.put("old", b"1.0")
        with server.connect() as wire:
            got = wire.send(request("GET", path, host=None, version="HTTP/1.0")).read_final()
            self.assertEqual((got.status, got.body), (200, b"1.0"))
            self.assertEqual(got.get("Connection"), "close")
            self.assertTrue(wire.is_closed())

    def test_http_1_0_with_keep_alive_goes_on(self):
        server = self.server()
        path = server.put("old", b"1.0")
        with server.connect() as wire:
            for _ in range(3):
                got = wire.send(request("GET", path, "Connection: keep-alive", version="HTTP/1.0")).read_final()
                self.assertEqual((got.status, got.body), (200, b"1.0"))
                self.assertEqual(got.get("Connection"), "keep-alive")

    def test_http_1_0_uploads_and_gets_a_link_that_works(self):
        server = self.server()
        answer = server.exchange(request("PUT", "/old", body=b"by 1.0", host=None, version="HTTP/1.0"))
        self.assertEqual(answer.status, 201)
        self.assertEqual(self.curl_ok(answer.get("Location")), b"by 1.0")

    def test_connection_close_is_obeyed(self):
        server = self.server()
        with server.connect() as wire:
            got = wire.send(request("GET", "/healthz", "Connection: close") + request("GET", "/")).read_final()
            self.assertEqual((got.status, got.get("Connection")), (200, "close"))
            self.assertTrue(wire.is_closed())

    def test_an_expected_100_comes_before_the_body_and_once(self):
        server = self.server()
        with server.connect() as wire:
            wire.send(request("PUT", "/x", "Expect: 100-continue", "Content-Length: 5"))
            self.assertEqual(wire.read_response().status, 100)
            wire.send(b"12345")
            self.assertEqual(wire.read_response().status, 201)
            self.assertEqual(wire.send(request("GET", "/healthz")).read_response().status, 200)

    def test_a_body_that_does_not_wait_for_its_100_is_taken(self):
        server = self.server()
        with server.connect() as wire:
            wire.send(request("PUT", "/x", "Expect: 100-continue", "Content-Length: 5", body=b"12345"))
            self.assertEqual(wire.read_final().status, 201)
            self.assertEqual(wire.send(request("GET", "/healthz")).read_response().status, 200)


class Names(EndToEnd):
    """A name comes back as it went in, or it is refused; it never becomes a path."""

    def test_a_weird_and_the_longest_name_come_back_in_location_and_content_disposition(self):
        server = self.server()
        for name in (WEIRD, LONGEST, 'quote"back\\slash', "C:\\CON", "-rf", " ", "..a", "a\u202egnp.exe"):
            with self.subTest(name=name):
                encoded = quote(name, safe="")
                path = server.put(encoded, b"named")
                self.assertEqual(path[24:], encoded)
                said = server.get(path).get("Content-Disposition")
                if not name.isascii():
                    self.assertIn(f"filename*=UTF-8''{encoded}", said)
                ascii_name = "".join(c if " " <= c <= "~" and c not in '"\\' else "_" * len(c.encode()) for c in name)
                self.assertIn(f'filename="{ascii_name}"', said)

    def test_a_name_of_bytes_that_are_no_utf8_is_data_only(self):
        server = self.server()
        path = server.put("%ff%0d%0aSet-Cookie:%20x", b"named")
        got = server.get(path)
        self.assertEqual((got.status, got.body), (200, b"named"))
        self.assertIsNone(got.get("Set-Cookie"))
        self.assertIn("%EF%BF%BD", got.get("Content-Disposition"))

    def test_curl_encodes_the_name_and_gets_it_back_with_oj(self):
        server = self.server()
        (self.directory / "a?b #%25.txt").write_bytes(b"weird")
        url = self.curl_ok("-T", "a?b #%25.txt", server.url + "/", cwd=self.directory).decode().strip()
        back = self.directory / "back"
        back.mkdir()
        self.curl_ok("-OJ", url, cwd=back)
        self.assertEqual({path.name: path.read_bytes() for path in back.iterdir()}, {"a?b #%25.txt": b"weird"})

    def test_curl_uploads_the_weird_and_the_longest_name_from_disk(self):
        server = self.server()
        for name in (WEIRD, LONGEST):
            with self.subTest(name=name):
                (self.directory / name).write_bytes(b"weird")
                url = self.curl_ok("-T", name, server.url + "/", cwd=self.directory).decode().strip()
                self.assertEqual(url[len(server.url) + 24:], quote(name, safe=""))
                back = self.directory / f"back of {len(name)}"
                back.mkdir()
                self.curl_ok("-OJ", url, cwd=back)  # curl knows only the ASCII name
                self.assertEqual([path.read_bytes() for path in back.iterdir()], [b"weird"])

    def test_dot_dotdot_and_nothing_are_no_name(self):
        server = self.server()
        for name in ("", ".", "..", "%2e", "%2E%2e"):
            with self.subTest(name=name):
                path = server.put(name, b"nameless")
                self.assertRegex(path, r"^/[0-9A-Za-z]{22}$")
                got = server.get(path)
                self.assertEqual((got.status, got.body), (200, b"nameless"))
                self.assertEqual(got.get("Content-Disposition"), "attachment")

    def test_slash_nul_and_256_bytes_are_refused_and_nothing_is_stored(self):
        server = self.server()
        for name in ("..%2Fx", "a%2fb", "%00", "a%00b", "x" * 256, quote("é" * 128), "%", "%4", "%zz"):
            with self.subTest(name=name[:20]):
                answer = server.exchange(request("PUT", f"/{name}", body=b"x"))
                self.assertEqual(answer.status, 400)
                self.assertIn(b"ringdrop: 400 bad_name", answer.body)
        self.assertEqual(server.stored(), [])
        self.assertEqual(self.outside_of(server), [])

    @staticmethod
    def outside_of(server):
        """What lies beside the data directory that is not ours."""
        return [path.name for path in Path(server.directory).iterdir() if path.name not in ("data", "log")]

    def test_the_name_in_a_link_is_decoration(self):
        server = self.server()
        token = server.put("right", b"same file")[:23]
        for path in (token, token + "/right", token + "/wrong", token + "/", token + "/%00"):
            with self.subTest(path=path[23:]):
                self.assertEqual(server.get(path).body, b"same file")


class Refusals(EndToEnd):
    """A refused client is told why, in words, and in time to keep its bytes."""

    def upload(self, server, path, *arguments, size=2 * MIB, **keywords):
        """curl's view of an upload: (status, what it was told, bytes of the body it sent, its exit code)."""
        file = make_file(self.directory / "file", size)
        said = self.directory / "said"
        done = self.curl("-T", file, "--path-as-is", "-o", said, "-w", "%{http_code} %{size_upload}", *arguments,
                         server.url + path, **keywords)
        status, sent = done.stdout.split()
        return int(status), said.read_text("utf-8"), int(sent), done.returncode

    def assert_refused_unsent(self, server, path, status, code, *arguments):
        got, said, sent, exit_code = self.upload(server, path, *arguments)
        self.assertEqual(got, status, said)
        self.assertIn(f"ringdrop: {status} {code}: ", said)
        self.assertEqual(sent, 0, "bytes of the body that curl sent")
        self.assertEqual(exit_code, 0, "curl's exit code")
        self.assertEqual(server.stored(), [])

    def test_a_declared_size_over_the_limit_is_413_before_a_byte_is_sent(self):
        server = self.server("--max-upload-size", "1MiB")
        self.assert_refused_unsent(server, "/x", 413, "size_limit_exceeded")
        with server.connect() as wire:
            wire.send(request("PUT", "/x", "Expect: 100-continue", f"Content-Length: {MIB + 1}"))
            self.assertEqual(wire.read_response().status, 413, "the first answer, no 100 before it")
            wire.half_close()
            self.assertTrue(wire.is_closed())
        exact = server.exchange(request("PUT", "/x", body=bytes(MIB)))
        self.assertEqual(exact.status, 201, "exactly the limit is fine")

    def test_a_chunked_upload_over_the_limit_is_413_and_leaves_nothing(self):
        server = self.server("--max-upload-size", "1MiB")
        with open(make_file(self.directory / "stream", 8 * MIB), "rb") as source:
            done = self.curl("-T", "-", "-w", "%{http_code}", server.url + "/x", stdin=source)
        self.assertTrue(done.stdout.endswith(b"413"), done)
        self.assertIn(b"ringdrop: 413 size_limit_exceeded: ", done.stdout)
        self.assertEqual(server.stored(), [])
        for over in (1, 5 * MIB):
            with server.connect() as wire:
                wire.send(request("PUT", "/x", "Transfer-Encoding: chunked") + chunked(bytes(MIB + over)))
                self.assertEqual(wire.read_final().status, 413)
                self.assertTrue(wire.is_closed())
        self.assertEqual(server.stored(), [])

    def test_too_little_free_space_is_507_before_a_byte_is_sent(self):
        server = self.server("--min-free-space", "1000TiB")
        self.assert_refused_unsent(server, "/x", 507, "storage_full")
        with open(make_file(self.directory / "stream", 2 * MIB), "rb") as source:
            done = self.curl("-T", "-", "-w", "%{http_code}", server.url + "/x", stdin=source)
        self.assertTrue(done.stdout.endswith(b"507"), done)

    def test_a_size_that_no_disk_has_is_507_before_a_byte_is_sent(self):
        server = self.server()
        with server.connect() as wire:
            wire.send(request("PUT", "/x", "Expect: 100-continue", f"Content-Length: {1024 * GIB}"))
            self.assertEqual(wire.read_response().status, 507)
        self.assertEqual(server.stored(), [])

    def test_a_head_that_is_wrong_is_refused_before_a_byte_is_sent(self):
        server = self.server()
        for path, status, code, arguments in (
                ("/..%2Fx", 400, "bad_name", ()),
                ("/%00", 400, "bad_name", ()),
                ("/" + "x" * 256, 400, "bad_name", ()),
                ("/" + "x" * 9000, 414, "uri_too_long", ()),
                ("/x", 431, "header_too_large", ("-H", "X-Large: " + "x" * 40000)),
                ("/x", 431, "header_too_large", [word for n in range(120) for word in ("-H", f"X-{n}: x")]),
                ("/x", 400, "content_range", ("-H", "Content-Range: bytes 0-9/10")),
                ("/x", 501, "unsupported_method", ("-X", "PROPFIND")),
                ("/x", 501, "unsupported_method", ("-X", "BREW")),
                ("/a/b", 404, "not_found", ()),
        ):
            with self.subTest(path=path[:20], status=status):
                self.assert_refused_unsent(server, path, status, code, *arguments)

    def test_an_expectation_nobody_can_meet_is_417(self):
        server = self.server()
        answer = server.exchange(request("PUT", "/x", "Expect: a-miracle", "Content-Length: 5"))
        self.assertEqual(answer.status, 417)
        self.assertIn(b"ringdrop: 417 expectation_failed: ", answer.body)

    def test_each_unknown_link_is_the_same_404(self):
        server = self.server()
        known = server.put("x", b"x")
        unknown = "/" + "A" * 22
        answers = [server.get(path) for path in (unknown, unknown + "/x", known[:-3] + "~", "/none", "/a/b/c")]
        for answer in answers:
            self.assertEqual((answer.status, answer.body), (404, answers[0].body))
            self.assertEqual([name for name, _ in answer.fields], [name for name, _ in answers[0].fields])
        self.assertIn(b"ringdrop: 404 not_found: ", answers[0].body)

    def test_a_method_that_does_not_apply_is_405_with_allow(self):
        server = self.server()
        token = "/" + "A" * 22
        for method, path, allow in (
                ("DELETE", "/", "GET, HEAD, POST, PUT, OPTIONS"),
                ("PATCH", "/", "GET, HEAD, POST, PUT, OPTIONS"),
                ("PATCH", token, "DELETE, GET, HEAD, POST, PUT, OPTIONS"),
                ("PUT", token + "/x", "DELETE, GET, HEAD, POST, OPTIONS"),
                ("PATCH", token + "/x", "DELETE, GET, HEAD, POST, OPTIONS"),
                ("DELETE", "/healthz", "GET, HEAD, PUT, OPTIONS"),
        ):
            with self.subTest(method=method, path=path):
                answer = server.exchange(request(method, path))
                self.assertEqual((answer.status, answer.get("Allow")), (405, allow))
                asked = server.exchange(request("OPTIONS", path))
                self.assertEqual((asked.status, asked.get("Allow")), (204, allow))

    def test_a_refusal_of_a_body_says_that_the_connection_closes(self):
        """RFC 9112 9.6: who will close says so; the client would otherwise reuse what is about to go."""
        server = self.server("--max-upload-size", "1MiB")
        with server.connect() as wire:
            wire.send(request("PUT", "/x", "Expect: 100-continue", f"Content-Length: {GIB}"))
            answer = wire.read_response()
            self.assertEqual((answer.status, answer.get("Connection")), (413, "close"))

    def test_a_small_unwanted_body_costs_the_connection_nothing(self):
        server = self.server()
        with server.connect() as wire:
            for _ in range(3):
                answer = wire.send(request("PUT", "/a/b", body=bytes(1000))).read_final()
                self.assertEqual(answer.status, 404)

    def test_the_error_is_a_line_for_a_person(self):
        server = self.server()
        answer = server.get("/nothing")
        self.assertRegex(answer.body, rb"^ringdrop: 404 not_found: [ -~]+\n$")
        self.assertEqual(answer.get("Content-Type"), "text/plain; charset=utf-8")


class DownloadHeads(EndToEnd):
    """What a stranger uploaded is data, not a page of this site."""

    def test_a_download_is_fenced_off(self):
        server = self.server()
        path = path_of(server.exchange(request("PUT", "/x.html", "Content-Type: text/html", body=b"<script>")))
        got = server.get(path)
        self.assertEqual(got.get("Content-Type"), "text/html")
        self.assertTrue(got.get("Content-Disposition").startswith("attachment"))
        for name, value in (("X-Content-Type-Options", "nosniff"),
                            ("Content-Security-Policy", "sandbox; default-src 'none'"),
                            ("Cross-Origin-Resource-Policy", "same-origin"), ("Referrer-Policy", "no-referrer"),
                            ("X-Robots-Tag", "noindex")):
            self.assertEqual(got.get(name), value)

    def test_health_and_help_answer(self):
        server = self.server()
        self.assertEqual(server.get("/healthz").body, b"ok\n")
        self.assertIn(b"curl -T", server.get("/").body)
        self.assertEqual(server.exchange(request("HEAD", "/"), to_head=True).status, 200)


if __name__ == "__main__":
    main()
