#!/usr/bin/env python3
"""Framing, seen from outside, of the HTTP engine alone: ringdrop-echo answers any request with its body."""

import random
import re
import subprocess

from harness import KIB, MIB, EndToEnd, Wire, chunked, main, programs, random_bytes, request

POST = b"POST /any/path?x HTTP/1.1\r\nHost: h\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"


class Echo(EndToEnd):
    """One server for each test."""

    def setUp(self):
        super().setUp()
        if not programs.echo:
            self.skipTest("no --echo PATH")
        self.process = subprocess.Popen([programs.echo], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(self.end)
        found = re.fullmatch(r"listening on (127\.0\.0\.1):(\d+)\n", self.process.stdout.readline())
        self.address = found.group(1), int(found.group(2))

    def end(self):
        """SIGTERM ends it with 0 whatever is connected, and it has had nothing to complain about."""
        self.process.terminate()
        _, said = self.process.communicate(timeout=60)
        complaints = [line for line in said.splitlines() if "a turn of the loop took" not in line]  # on a busy machine
        self.assertEqual((self.process.returncode, complaints), (0, []))

    def connect(self):
        wire = Wire(self.address, patience=30)
        self.addCleanup(wire.close)
        return wire

    def assert_echo(self, wire, body):
        answer = wire.read_final()
        self.assertEqual((answer.status, answer.body), (200, body), answer)
        return answer

    def test_any_method_and_path_is_echoed_with_its_type(self):
        wire = self.connect()
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"):
            wire.send(request(method, "/a/b?c", "Content-Type: text/x-test", "Content-Length: 5", body=b"hello"))
            self.assertEqual(self.assert_echo(wire, b"hello").get("Content-Type"), "text/x-test")
        wire.send(request("HEAD", "/", "Content-Length: 5", body=b"hello"))
        answer = wire.read_final(to_head=True)
        self.assertEqual((answer.status, answer.get("Content-Length")), (200, "5"))
        wire.send(request("POST", "/", body=b"untyped"))
        self.assertEqual(self.assert_echo(wire, b"untyped").get("Content-Type"), "application/octet-stream")

    def test_a_chunked_body_is_decoded_wherever_it_is_split(self):
        pieces = (b"hello", b"x", b"a chunk\r\nwith\r\n0\r\n\r\nin it", bytes(range(256)))
        framed = b"5;ext=1\r\nhello\r\n" + chunked(*pieces[1:])[:-2] + b"Trailer: yes\r\n\r\n"
        wire = self.connect()
        for at in range(len(CHUNKED + framed) + 1):
            whole = CHUNKED + framed
            wire.send(whole[:at])
            wire.send(whole[at:])
            self.assert_echo(wire, b"".join(pieces))

    def test_a_chunked_body_is_decoded_byte_by_byte_and_in_threes(self):
        wire = self.connect()
        whole = CHUNKED + b"00a\r\n0123456789\r\nA;x\r\nabcdefghij\r\n0;last\r\nX: y\r\n\r\n"
        for step in (1, 2, 3, 7):
            for at in range(0, len(whole), step):
                wire.send(whole[at:at + step])
            self.assert_echo(wire, b"0123456789abcdefghij")

    def test_a_sized_body_is_whole_wherever_it_is_split(self):
        wire = self.connect()
        whole = request("POST", "/", body=b"0123456789")
        for at in range(len(whole) + 1):
            wire.send(whole[:at])
            wire.send(whole[at:])
            self.assert_echo(wire, b"0123456789")

    def test_bodies_of_all_sizes_around_the_buffers_are_echoed(self):
        wire = self.connect()
        for edge in (0, 1, 4 * KIB, 16 * KIB, 64 * KIB, MIB):
            for size in {max(0, edge - 1), edge, edge + 1}:
                body = random_bytes(size, size)
                wire.send(request("POST", "/", body=body))
                self.assert_echo(wire, body)
                wire.send(CHUNKED + (chunked(body) if body else chunked()))
                self.assert_echo(wire, body)

    def test_random_chunks_in_random_pieces_are_echoed(self):
        seed = random.SystemRandom().randrange(10**6)
        print(f"seed {seed}")
        chooser = random.Random(seed)
        wire = self.connect()
        for _ in range(60):
            parts = [chooser.randbytes(chooser.choice((1, 2, 100, 5000, 20_000))) for _ in range(chooser.randrange(8))]
            whole = CHUNKED + chunked(*parts)
            while whole:
                size = chooser.choice((1, 10, 1000, 16 * KIB, 100 * KIB))
                wire.send(whole[:size])
                whole = whole[size:]
            self.assert_echo(wire, b"".join(parts))

    def test_pipelined_posts_are_answered_in_order(self):
        wire = self.connect()
        bodies = [random_bytes(n * 37 % 3000, n) for n in range(300)]
        wire.send(b"".join(request("POST", "/", body=body) if n % 2 else CHUNKED + chunked(*filter(None, [body]))
                           for n, body in enumerate(bodies)))
        for body in bodies:
            self.assert_echo(wire, body)

    def test_what_follows_a_body_is_the_next_request_and_never_part_of_it(self):
        wire = self.connect()
        inner = request("POST", "/inner", body=b"inner")
        wire.send(request("POST", "/", body=inner) + CHUNKED + chunked(inner) + inner)
        self.assert_echo(wire, inner)
        self.assert_echo(wire, inner)
        self.assert_echo(wire, b"inner")
        self.assertTrue(wire.is_silent())

    def test_a_100_is_sent_when_it_is_waited_for(self):
        wire = self.connect()
        for head in (POST + b"Expect: 100-continue\r\nContent-Length: 5\r\n\r\n",
                     POST + b"Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n"):
            wire.send(head)
            self.assertEqual(wire.read_response().status, 100)
            wire.send(b"hello" if b"Content-Length" in head else chunked(b"hello"))
            self.assertEqual(wire.read_response().status, 200)
        self.assertTrue(wire.is_silent())

    def test_up_to_16_mib_are_echoed_and_more_is_413(self):
        body = random_bytes(16 * MIB, "echo")
        wire = self.connect()
        for whole in (request("POST", "/", body=body), CHUNKED + chunked(body[:MIB], body[MIB:])):
            wire.send(whole)
            self.assert_echo(wire, body)
        wire = self.connect()
        answer = wire.send(POST + b"Content-Length: %d\r\n\r\n" % (16 * MIB + 1)).read_final()
        self.assertEqual((answer.status, answer.get("Connection")), (413, "close"))
        wire = self.connect()
        wire.send(CHUNKED + chunked(body + b"x"))
        self.assertEqual(wire.read_final().status, 413)

    def test_a_refused_message_ends_the_connection(self):
        for data in (POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                     CHUNKED + b"5\nhello\r\n0\r\n\r\n",
                     CHUNKED + b"5\r\nhelloXX0\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"nonsense\r\n\r\n"):
            with self.subTest(data=data):
                wire = self.connect()
                answer = wire.send(data + request("GET", "/")).read_final()
                self.assertIn(answer.status, (400, 501))
                self.assertEqual(wire.read_to_end(), b"")

    def test_it_listens_where_it_is_told_and_says_when_it_cannot(self):
        taken = subprocess.run([programs.echo, "%s:%d" % self.address], capture_output=True, text=True, timeout=60)
        self.assertEqual((taken.returncode, taken.stdout), (1, ""))
        self.assertIn("in use", taken.stderr)
        wrong = subprocess.run([programs.echo, "here"], capture_output=True, text=True, timeout=60)
        self.assertEqual(wrong.returncode, 64)

    def test_a_signal_ends_it_whatever_is_connected(self):
        """In the middle of a head, a body, an idle wait: what end() looks at."""
        for data in (b"", b"GET /", POST + b"Content-Length: 10\r\n\r\nx", CHUNKED + b"5\r\nhe", request("GET", "/")):
            self.connect().send(data)


if __name__ == "__main__":
    main()
