#!/usr/bin/env python3
"""Bytes that no good client sends: each gets a clear refusal, ends its connection, and harms nobody."""

import random
import socket

from harness import KIB, MIB, Closed, EndToEnd, main, path_of, request, wait_until

PUT = b"PUT /x HTTP/1.1\r\nHost: h\r\n"
GET = b"GET /healthz HTTP/1.1\r\nHost: h\r\n"
CHUNKED = PUT + b"Transfer-Encoding: chunked\r\n\r\n"
# What must never be taken for a request: it is behind something that ends the connection.
SMUGGLED = b"GET /healthz HTTP/1.1\r\nHost: smuggled\r\n\r\n"


class RawHttp(EndToEnd):
    """One server for all tables of a test, a canary beside it."""

    def setUp(self):
        super().setUp()
        self.here = self.server("--linger-timeout", "200ms")

    def tearDown(self):
        """Nothing that was refused is stored or leaks, and the server still works."""
        self.assertEqual(self.here.get("/healthz").status, 200)
        super().tearDown()

    def refusal(self, data, statuses, patience=20):
        """The one answer to those bytes: of these statuses, the last on its connection, framed and explained."""
        with self.here.connect(patience=patience) as wire:
            answer = wire.send(data).read_final()
            self.assertIn(answer.status, statuses, answer)
            self.assertEqual(answer.get("Connection"), "close")
            self.assertRegex(answer.body, rb"^ringdrop: \d+ [a-z_]+: [ -~]+\n$")
            self.assertEqual(wire.read_to_end(), b"", "bytes behind the refusal")
        return answer

    def refused(self, cases, statuses=(400,)):
        """Each of the cases, whole and byte by byte where it is short."""
        with self.canary(self.here):
            stored = len(self.here.stored())
            for data in cases:
                with self.subTest(data=data[:120], size=len(data)):
                    whole = self.refusal(data + SMUGGLED, statuses)
                    if len(data) < 300:
                        self.assertEqual(self.in_pieces(data).status, whole.status, "sent byte by byte")
            wait_until(lambda: len(self.here.stored()) == stored, "nothing of it is stored")

    def in_pieces(self, data):
        with self.here.connect(patience=20) as wire:
            for byte in data:
                wire.send(bytes([byte]))
            if not data.endswith(b"\r\n\r\n"):
                wire.send(SMUGGLED)
            return wire.read_final()

    def accepted(self, data, status, count=1):
        """The last of `count` answers to those bytes; the connection goes on."""
        with self.here.connect(patience=20) as wire:
            wire.send(data)
            for _ in range(count):
                answer = wire.read_final()
                self.assertEqual(answer.status, status, answer)
            self.assertEqual(wire.send(request("GET", "/healthz")).read_final().body, b"ok\n", "the next request")
        return answer

    def test_01_content_length_and_transfer_encoding_together(self):
        body = b"5\r\nhello\r\n0\r\n\r\n"
        self.refused([
            PUT + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n" + body,
            PUT + b"Transfer-Encoding: chunked\r\nContent-Length: 15\r\n\r\n" + body,
            PUT + b"Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n",
            GET + b"Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ])

    def test_02_two_content_lengths(self):
        self.refused([
            PUT + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
            PUT + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
            PUT + b"Content-Length: 5\r\ncontent-length: 5\r\n\r\nhello",
            PUT + b"Content-Length: 5, 5\r\n\r\nhello",
            PUT + b"Content-Length: 5,5\r\n\r\nhello",
        ])

    def test_03_content_lengths_that_are_no_number(self):
        self.refused([PUT + b"Content-Length: " + value + b"\r\n\r\nhello" for value in (
            b"+5", b"-1", b"0x5", b"5_0", b"5 5", b"12345678901234567890", b"", b"5.0", b"5;", b"0\x0b", b"\xb2",
            b"1e3", b"9223372036854775808", b"18446744073709551617", b"5\t5", b"99999999999999999999999999")])

    def test_04_transfer_encodings_that_are_not_chunked_alone(self):
        body = b"5\r\nhello\r\n0\r\n\r\n"
        self.refused([PUT + b"Transfer-Encoding: " + value + b"\r\n\r\n" + body for value in (
            b"xchunked", b"chunked, gzip", b"identity", b"", b"\x0bchunked", b"chunked, chunked", b"chunkedx",
            b"gzip, chunked", b"chunked;q=1", b"\"chunked\"", b", chunked", b"chunked,", b"gzip")], (400, 501))
        self.refused([
            PUT + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n" + body,
            PUT + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n" + body,
            PUT + b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n" + body,
        ], (400, 501))

    def test_optional_white_space_around_a_value_is_taken(self):
        """RFC 9110 5.5 and 5.6.3. A tab behind these two values is legal as well, but llhttp 8.1 does not know it."""
        for before, after in ((b"", b""), (b" ", b""), (b"\t", b""), (b"  ", b" ")):
            with self.subTest(before=before, after=after):
                body = b"5\r\nhello\r\n0\r\n\r\n"
                self.accepted(PUT + b"Transfer-Encoding:%bChUnKeD%b\r\n\r\n" % (before, after) + body, 201)
                self.accepted(PUT + b"Content-Length:%b5%b\r\n\r\nhello" % (before, after), 201)

    def test_a_tab_behind_a_length_or_coding_is_refused_and_never_misread(self):
        self.refused([
            PUT + b"Transfer-Encoding: chunked\t\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
            PUT + b"Content-Length: 5\t\r\n\r\nhello",
        ])

    def test_05_transfer_encoding_in_http_1_0(self):
        self.refused([b"PUT /x HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"])

    def test_06_white_space_around_field_names(self):
        self.refused([
            PUT + b"Content-Length : 5\r\n\r\nhello",
            PUT + b"Content-Length\t: 5\r\n\r\nhello",
            b"PUT /x HTTP/1.1\r\n Host: h\r\nContent-Length: 5\r\n\r\nhello",
            b"PUT /x HTTP/1.1\r\n\tHost: h\r\nContent-Length: 5\r\n\r\nhello",
            PUT + b"Content-Length:\r\n 5\r\n\r\nhello",
            PUT + b"X-Y: a\r\n\tb\r\nContent-Length: 5\r\n\r\nhello",
            PUT + b"X-Y: a\r\n \r\nContent-Length: 5\r\n\r\nhello",
            PUT + b": empty name\r\n\r\n",
            PUT + b"no colon\r\n\r\n",
            PUT + b"bad name: x\r\n\r\n",
            PUT + b"bad(name): x\r\n\r\n",
            PUT + b"b\xc3\xa4d: x\r\n\r\n",
        ])

    def test_07_line_ends_and_controls_in_the_head(self):
        self.refused([
            PUT + b"X: a\rb\r\n\r\n",
            PUT + b"X: a\nY: b\r\n\r\n",
            PUT + b"X: a\n\n",
            PUT + b"X-Abc: \rxTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            PUT + b"X: a\x00b\r\n\r\n",
            PUT + b"X: a\x01b\r\n\r\n",
            PUT + b"X: a\x1bb\r\n\r\n",
            PUT + b"X: a\x7fb\r\n\r\n",
            PUT + b"X: a\r\r\n\r\n",
            b"GET /healthz HTTP/1.1\nHost: h\n\n",
            b"GET /healthz HTTP/1.1\rHost: h\r\r",
            b"GET /healthz HTTP/1.1\r\nHost: h\r\n\rX\r\n",
            b"\x00GET / HTTP/1.1\r\nHost: h\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(40),  # a TLS hello
        ])

    def test_08_chunk_lines_that_are_not_exact(self):
        self.refused([CHUNKED + body for body in (
            b"5\nhello\r\n0\r\n\r\n", b"5\rhello\r\n0\r\n\r\n", b"5;\nhello\r\n0\r\n\r\n", b"5;x\nhello\r\n0\r\n\r\n",
            b"5\r\nhelloXX0\r\n\r\n", b"5\r\nhello0\r\n\r\n", b"5\r\nhello\n0\r\n\r\n", b"5\r\nhello\r0\r\n\r\n",
            b"5\r\nhello\r\n0\n\n", b"5\r\nhello\r\n0\r\n\n", b"0x5\r\nhello\r\n0\r\n\r\n", b"+5\r\nhello\r\n0\r\n\r\n",
            b"-5\r\nhello\r\n0\r\n\r\n", b"5_0\r\nhello\r\n0\r\n\r\n", b" 5\r\nhello\r\n0\r\n\r\n",
            b"5 \r\nhello\r\n0\r\n\r\n",
            b"\r\n5\r\nhello\r\n0\r\n\r\n", b";x\r\nhello\r\n0\r\n\r\n", b"g\r\nhello\r\n0\r\n\r\n",
            b"00000000000000005\r\nhello\r\n0\r\n\r\n", b"10000000000000005\r\nhello\r\n0\r\n\r\n",
            b"fffffffffffffffff\r\nhello\r\n0\r\n\r\n", b"5\r\nhello\r\n0\r\n folded\r\n\r\n",
            b"5;\x00\r\nhello\r\n0\r\n\r\n")])

    def test_08_the_largest_chunk_size_neither_overflows_nor_is_stored(self):
        stored = len(self.here.stored())
        for size in (b"ffffffffffffffff", b"8000000000000000", b"7fffffffffffffff", b"fffffffffffffff0"):
            with self.subTest(size=size), self.here.connect(patience=20) as wire:
                wire.send(CHUNKED + size + b"\r\n" + bytes(1000) + SMUGGLED).half_close()
                said = wire.read_to_end()
                self.assertNotIn(b" 20", said[:12])
        wait_until(lambda: len(self.here.stored()) == stored, "nothing of it is stored")

    def test_09_chunk_extensions_without_end(self):
        self.refused([
            CHUNKED + b"5;" + b"x" * (4 * KIB + 1) + b"\r\nhello\r\n0\r\n\r\n",
            CHUNKED + b"1;x=" + b"y" * 4000 + b"\r\nh\r\n" + (b"1;x=" + b"y" * 4000 + b"\r\nh\r\n") * 5 + b"0\r\n\r\n",
        ])
        self.accepted(CHUNKED + b"5;a=b;c=\"d\"\r\nhello\r\n0;last\r\n\r\n", 201)

    def test_10_trailers_are_dropped_and_bounded(self):
        trailers = b"Content-Length: 3\r\nTransfer-Encoding: gzip\r\nHost: evil\r\nAuthorization: x\r\nX-Fine: yes\r\n"
        created = self.accepted(CHUNKED + b"5\r\nhello\r\n0\r\n" + trailers + b"\r\n", 201)
        self.assertIn("//h/", created.get("Location"))
        self.assertEqual(self.here.get(path_of(created)).body, b"hello")
        self.refused([CHUNKED + b"5\r\nhello\r\n0\r\n" + b"X: " + b"y" * (8 * KIB) + b"\r\n\r\n",
                      CHUNKED + b"5\r\nhello\r\n0\r\n" + b"X: y\r\n" * 3000 + b"\r\n"], (431,))
        self.refused([CHUNKED + b"5\r\nhello\r\n0\r\nX : y\r\n\r\n", CHUNKED + b"5\r\nhello\r\n0\r\nX: a\nb\r\n\r\n",
                      CHUNKED + b"5\r\nhello\r\n0\r\nno colon\r\n\r\n"])

    def test_11_hosts_that_are_none(self):
        self.refused([b"GET /healthz HTTP/1.1\r\n" + host + b"\r\n" for host in (
            b"", b"Host: a\r\nHost: a\r\n", b"Host: a\r\nHost: b\r\n", b"Host: a/b\r\n", b"Host: u@a\r\n",
            b"Host: a,b\r\n", b"Host: a b\r\n", b"Host: a:b\r\n", b"Host: a:99999\r\n", b"Host: [::1\r\n",
            b"Host: a?b\r\n", b"Host: a#b\r\n", b"Host: <script>\r\n", b"Host: a\"b\r\n", b"Host: a\\b\r\n")])
        for host in (b"a.example", b"a.example:80", b"127.0.0.1:8080", b"[::1]", b"[::1]:8080"):
            self.accepted(b"GET /healthz HTTP/1.1\r\nHost: " + host + b"\r\n\r\n", 200)

    def test_12_heads_without_measure(self):
        self.refused([b"GET /" + b"x" * (8 * KIB) + b" HTTP/1.1\r\nHost: h\r\n\r\n",
                      b"GET /" + b"x" * MIB + b" HTTP/1.1\r\nHost: h\r\n\r\n"], (414,))
        self.refused([GET + b"X: " + b"y" * (32 * KIB) + b"\r\n\r\n", GET + b"X: y\r\n" * 100 + b"\r\n",
                      GET + b"X" * (40 * KIB) + b": y\r\n\r\n", GET + b"X: " + b"y" * (4 * MIB)], (431,))
        self.refused([b"M" * 100_000 + b" / HTTP/1.1\r\nHost: h\r\n\r\n", b"M" * 100_000], (400, 501, 431))
        self.accepted(b"GET /?" + b"x" * (8 * KIB - 2) + b" HTTP/1.1\r\nHost: h\r\n\r\n", 200)
        self.accepted(GET + b"X: y\r\n" * 99 + b"\r\n", 200)

    def test_13_versions(self):
        self.refused([b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET / HTTP/9.9\r\nHost: h\r\n\r\n",
                      b"GET / HTTP/2.0\r\nHost: h\r\n\r\n", b"GET / HTTP/0.9\r\nHost: h\r\n\r\n", b"GET /\r\n",
                      b"GET / HTTP/1\r\nHost: h\r\n\r\n", b"GET / HTTP/1.11\r\nHost: h\r\n\r\n",
                      b"GET / http/1.1\r\nHost: h\r\n\r\n", b"GET / XTTP/1.1\r\nHost: h\r\n\r\n",
                      b"GET / HTTP/1.1 \r\nHost: h\r\n\r\n", b"GET  / HTTP/1.1\r\nHost: h\r\n\r\n",
                      b"GET\t/ HTTP/1.1\r\nHost: h\r\n\r\n", b" GET / HTTP/1.1\r\nHost: h\r\n\r\n",
                      b"GET / x HTTP/1.1\r\nHost: h\r\n\r\n", b"GET / RTSP/1.0\r\nHost: h\r\n\r\n"], (400, 501, 505))
        self.accepted(b"GET /healthz HTTP/1.2\r\nHost: h\r\n\r\n", 200)
        self.accepted(b"\r\nGET /healthz HTTP/1.1\r\nHost: h\r\n\r\n", 200)

    def test_14_paths_that_climb(self):
        for path in ("/../../etc/passwd", "/%2e%2e%2f", "/..%5c", "/%00", "/%c0%af", "//", "//etc/passwd", "/a/../b",
                     "/%2e%2e/%2e%2e/etc/passwd", "/" + "../" * 1000 + "etc/passwd", "/./", "/%"):
            with self.subTest(path=path[:40]):
                answer = self.here.get(path)
                self.assertIn(answer.status, (400, 404), answer)
                self.assertNotIn(b"root:", answer.body)
        for path in ("/../x", "/a/../../x", "/..%2f..%2fx"):
            with self.subTest(put=path):
                answer = self.here.exchange(request("PUT", path, body=b"x"))
                self.assertIn(answer.status, (400, 404), answer)

    def test_15_other_forms_of_the_target(self):
        self.accepted(b"GET http://h/healthz HTTP/1.1\r\nHost: h\r\n\r\n", 200)
        self.accepted(b"GET http://other:80/healthz?x HTTP/1.1\r\nHost: h\r\n\r\n", 200)
        self.accepted(b"GET http://h HTTP/1.1\r\nHost: h\r\n\r\n", 200)
        answer = self.accepted(b"OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", 204)
        self.assertIn("PUT", answer.get("Allow"))
        created = self.here.exchange(b"PUT http://named/x HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx")
        self.assertTrue(created.get("Location").startswith("http://named/"), "RFC 9112 3.2.2")
        for data in (b"CONNECT h:80 HTTP/1.1\r\nHost: h\r\n\r\n", b"TRACE / HTTP/1.1\r\nHost: h\r\n\r\n"):
            self.assertIn(self.here.exchange(data).status, (405, 501))
        self.refused([b"GET * HTTP/1.1\r\nHost: h\r\n\r\n", b"GET healthz HTTP/1.1\r\nHost: h\r\n\r\n",
                      b"GET ftp://h/ HTTP/1.1\r\nHost: h\r\n\r\n", b"GET http:///x HTTP/1.1\r\nHost: h\r\n\r\n",
                      b"GET http://u@h/x HTTP/1.1\r\nHost: h\r\n\r\n", b"CONNECT /x HTTP/1.1\r\nHost: h\r\n\r\n"])

    def test_16_raw_bytes_in_the_target(self):
        self.refused([b"GET /" + byte + b" HTTP/1.1\r\nHost: h\r\n\r\n"
                      for byte in (b"\xc3\xa4", b"\xff", b"\x00", b"\x01", b"\x7f", b"a\tb", b"a#b")])

    def test_20_a_body_shorter_than_declared_publishes_nothing(self):
        stored = len(self.here.stored())
        with self.canary(self.here):
            for head, part in ((PUT + b"Content-Length: 10\r\n\r\n", b"hello"), (CHUNKED, b"5\r\nhello\r\n"),
                               (CHUNKED, b"5\r\nhello\r\n0\r\n"), (CHUNKED, b"a\r\nhello")):
                with self.here.connect(patience=20) as wire:
                    wire.send(head + part).half_close()
                    said = wire.read_to_end()
                    self.assertNotIn(b" 201 ", said)
        wait_until(lambda: len(self.here.stored()) == stored + 1, "the canary's alone is there")

    def test_21_an_early_refusal_reaches_a_client_that_is_still_sending(self):
        server = self.server("--max-upload-size", "1MiB", "--linger-timeout", "5s")
        for _ in range(10):
            with server.connect() as wire:
                wire.send(request("PUT", "/x", f"Content-Length: {8 * MIB}"))
                wire.send(bytes(4 * MIB))  # would be answered by a reset if the server just closed
                answer = wire.read_final()
                self.assertEqual(answer.status, 413)
                self.assertEqual(wire.read_to_end(), b"")

    def test_22_expectations(self):
        for expectation in (b"100-continue, x", b"x", b"100", b"100-continue;q=1", b""):
            with self.subTest(expectation=expectation):
                data = PUT + b"Expect: " + expectation + b"\r\nContent-Length: 5\r\n\r\n"
                if expectation:
                    self.refusal(data, (417,))
        with self.here.connect(patience=20) as wire:
            wire.send(PUT + b"eXpEcT: 100-CONTINUE\r\nContent-Length: 5\r\n\r\n")
            self.assertEqual(wire.read_response().status, 100)
            self.assertEqual(wire.send(b"hello").read_response().status, 201)
        with self.here.connect(patience=20) as wire:  # RFC 9110 10.1.1: not to a 1.0 client
            wire.send(b"PUT /x HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
            self.assertTrue(wire.is_silent(0.2))
            self.assertEqual(wire.send(b"hello").read_response().status, 201)
        for refused in (b"PUT /a%2fb", b"PUT /" + b"x" * 256, b"POST /x/y"):
            with self.here.connect(patience=20) as wire:
                wire.send(refused + b" HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
                self.assertIn(wire.read_response().status, (400, 404), "no 100 before it")
        with self.here.connect(patience=20) as wire:  # no body: nothing to continue with
            wire.send(PUT + b"Expect: 100-continue\r\nContent-Length: 0\r\n\r\n")
            self.assertEqual(wire.read_response().status, 201)

    def test_23_a_slow_head_is_refused_by_its_deadline(self):
        server = self.server("--head-timeout", "300ms", "--linger-timeout", "100ms")
        for part in (b"G", b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost: h\r\n",
                     b"PUT /x HTTP/1.1\r\nHost: h\r\n\r"):
            with server.connect(patience=20) as wire:
                self.assertEqual(wire.send(part).read_final().status, 408)
                self.assertTrue(wire.is_closed())

    def test_27_1000_pipelined_requests_are_answered_in_order(self):
        bodies = [b"%d" % n for n in range(1000)]
        with self.canary(self.here), self.here.connect(patience=20) as wire:
            flood = b"".join(request("PUT", f"/{n}", body=body) for n, body in enumerate(bodies))
            wire.send(flood)
            paths = [path_of(wire.read_final()) for _ in bodies]
            self.assertEqual([path[24:] for path in paths], [str(n) for n in range(1000)])
            wire.send(b"".join(request("GET" if n % 3 else "HEAD", path) for n, path in enumerate(paths)))
            for n, body in enumerate(bodies):
                answer = wire.read_final(to_head=n % 3 == 0)
                self.assertEqual((answer.status, answer.get("Content-Length")), (200, str(len(body))))
                self.assertEqual(answer.body, body if n % 3 else b"")

    def test_a_refusal_in_a_pipeline_comes_after_the_answers_before_it(self):
        with self.here.connect(patience=20) as wire:
            wire.send(request("GET", "/healthz") * 3 + b"BAD / HTTP/1.1\r\n\r\n" + request("GET", "/healthz"))
            self.assertEqual([wire.read_final().status for _ in range(4)], [200, 200, 200, 501])
            self.assertEqual(wire.read_to_end(), b"")

    def test_a_body_of_a_get_is_read_past(self):
        for body in (b"", b"hello", bytes(60 * KIB)):
            self.accepted(GET + b"Content-Length: %d\r\n\r\n" % len(body) + body, 200)
            self.accepted(GET + b"Transfer-Encoding: chunked\r\n\r\n" +
                          (b"%x\r\n%b\r\n" % (len(body), body) if body else b"") + b"0\r\n\r\n", 200)

    def test_a_broken_chunked_body_nobody_wanted_ends_the_connection(self):
        with self.here.connect(patience=20) as wire:
            wire.send(b"GET /healthz HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n" + SMUGGLED)
            wire.read_final()
            self.assertEqual(wire.read_to_end(), b"")

    def test_random_damage_to_good_requests_never_harms_the_server(self):
        """Each damaged request is answered or the connection ends; the canary sings on."""
        seed = random.SystemRandom().randrange(10**6)
        print(f"seed {seed}")
        chooser = random.Random(seed)
        good = [request("GET", "/healthz"), request("PUT", "/x", body=b"hello"), CHUNKED + b"5\r\nhello\r\n0\r\n\r\n",
                request("PUT", "/y", "Expect: 100-continue", "Content-Length: 3") + b"abc",
                request("GET", "/" + "A" * 22 + "/name"), b"OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n"]
        with self.canary(self.here):
            for turn in range(1500):
                data = bytearray(b"".join(chooser.choices(good, k=chooser.randrange(1, 4))))
                for _ in range(chooser.randrange(1, 4)):
                    at = chooser.randrange(len(data))
                    kind = chooser.randrange(3)
                    if kind == 0:
                        data[at] = chooser.choice(b"\r\n\0 :;,\x7f\xff05aZ")
                    elif kind == 1:
                        del data[at:at + chooser.randrange(1, 4)]
                    else:
                        data[at:at] = bytes(chooser.choices(b"\r\n\0 :;,\x7f\xff05aZ", k=2))
                with self.subTest(turn=turn, seed=seed), self.here.connect(patience=20) as wire:
                    wire.send(bytes(data)).half_close()
                    try:
                        said = wire.read_to_end()
                    except (Closed, AssertionError, ConnectionResetError, socket.timeout) as error:
                        self.fail(f"{bytes(data)!r}: {error}")
                    self.assertTrue(not said or said.startswith(b"HTTP/1.1 "), said[:100])
                    self.assertNotIn(b" 500 ", said)


if __name__ == "__main__":
    main()
