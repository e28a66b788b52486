#!/usr/bin/env python3
"""Clients that break off, stand still or never listen leave nothing behind and disturb nobody."""

import contextlib
import socket

from harness import KIB, MIB, EndToEnd, Closed, main, path_of, random_bytes, request, wait_until

CLIENTS = 150  # at a time
ROUNDS = 3
BUDGET = 64 * MIB  # memory_budget's default
MOST_GROWTH = 4 * MIB  # of memory, after the first round; noise of malloc

BODY = random_bytes(100 * KIB, "broken")
HEAD = request("PUT", "/broken", "Content-Length: 1000000")
SMALL_HEAD = request("PUT", "/broken", "Content-Length: 1000")
CHUNKED_HEAD = request("PUT", "/broken", "Transfer-Encoding: chunked")
LARGE_CHUNK = CHUNKED_HEAD + b"%x\r\n" % len(BODY) + BODY  # no small file any more


class BrokenClients(EndToEnd):
    """Hundreds of each kind, a canary beside them, then descriptors, files and memory as before."""

    def assert_leaves_nothing(self, behave, *options, clients=CLIENTS):
        """`behave(server, wires)` opens `clients` connections, misbehaves and ends them all."""
        server = self.server(*options)
        put = request("PUT", "/x", body=BODY)
        wires = [server.connect().send(put) for _ in range(8)]  # side by side, so on all loops, each with a directory
        for wire in wires:
            self.assertEqual(wire.read_final().status, 201)
        for wire in wires:
            wire.close()
        behave(server, 4)
        sockets = 1  # the listener
        wait_until(lambda: server.open_sockets() <= sockets, "the connections of the warm-up are closed")
        fds, files = server.fd_targets(), len(server.stored())
        memory = None
        with self.canary(server):
            files += 1
            for _ in range(ROUNDS):
                behave(server, clients)
                self.accept_all(server)
                wait_until(lambda: server.open_sockets() <= sockets + 2, "only the canary is connected")
                memory = memory or server.rss_without_buffers()
        wait_until(lambda: server.open_sockets() <= sockets, "all connections are closed")
        self.assert_fds_return(server, fds)
        self.assertLessEqual(server.rss_without_buffers() - memory, MOST_GROWTH, "growth after the first round")
        return server, len(server.stored()) - files

    @staticmethod
    def accept_all(server):
        """Connections are accepted in order: when a new one is answered, all before it have been."""
        server.get("/healthz")

    @staticmethod
    def all_at_once(server, clients, data, end):
        """Each client sends the data; when all have, each ends its connection that way."""
        wires = [server.connect().send(data) for _ in range(clients)]
        for wire in wires:
            end(wire)

    def test_a_reset_or_a_close_in_the_head(self):
        for part in (b"", b"G", b"PUT /x HTTP/1.1\r\nHo", HEAD[:-2]):
            with self.subTest(part=part):
                for end in ("reset", "close"):
                    _, left = self.assert_leaves_nothing(
                        lambda server, n: self.all_at_once(server, n, part, lambda wire: getattr(wire, end)()))
                    self.assertEqual(left, 0)

    def test_a_reset_or_a_close_in_the_body(self):
        for part in (HEAD, HEAD + BODY[:10], HEAD + BODY, CHUNKED_HEAD, CHUNKED_HEAD + b"5\r\nhel",
                     LARGE_CHUNK + b"\r\n0\r\n", SMALL_HEAD, SMALL_HEAD + BODY[:999]):
            with self.subTest(part=part[:80], size=len(part)):
                for end in ("reset", "close"):
                    server, _ = self.assert_leaves_nothing(
                        lambda server, n: self.all_at_once(server, n, part, lambda wire: getattr(wire, end)()),
                        clients=60)
                    wait_until(lambda: len(server.stored()) == 9, "only the whole files are there")

    def test_a_reset_right_after_the_body(self):
        whole = request("PUT", "/whole", body=BODY)
        server, _ = self.assert_leaves_nothing(
            lambda server, n: self.all_at_once(server, n, whole, lambda wire: wire.reset()), clients=60)
        # Stored and never answered, or noticed in time: both are right; what there is has a row.
        self.assertLessEqual(len(server.stored()), 9 + 4 + ROUNDS * 60)
        server.kill9()
        server.start()
        self.assertIn(", 0 unfinished files removed, 0 files missing", server.log())

    def test_a_reset_in_a_download(self):
        def behave(server, clients):
            path = server.put("big", BODY * 40)
            wires = [server.connect().send(request("GET", path)) for _ in range(clients)]
            for wire in wires:
                self.assertIn(b"200 OK", wire.socket.recv(1000))
            for wire in wires:
                wire.reset()

        self.assert_leaves_nothing(behave, clients=60)

    def test_a_half_close_after_the_request_is_still_answered(self):
        def behave(server, clients):
            path = server.put("here", BODY)
            gets = [server.connect().send(request("GET", path)) for _ in range(clients)]
            puts = [server.connect().send(request("PUT", "/there", body=BODY)) for _ in range(clients)]
            chunks = [server.connect().send(CHUNKED_HEAD + b"3\r\nabc\r\n0\r\n\r\n") for _ in range(clients)]
            for wire in gets + puts + chunks:
                wire.half_close()
            for wire in gets:
                self.assertEqual(wire.read_final().body, BODY)
            for wire in puts:
                self.assertEqual(server.get(path_of(wire.read_final())).body, BODY)
            for wire in chunks:
                self.assertEqual(server.get(path_of(wire.read_final())).body, b"abc")
            for wire in gets + puts + chunks:
                self.assertTrue(wire.is_closed())
                wire.close()

        self.assert_leaves_nothing(behave, clients=40)

    def test_a_half_close_in_the_body_publishes_nothing(self):
        def behave(server, clients):
            parts = (HEAD + BODY, CHUNKED_HEAD + b"5\r\nhello\r\n", LARGE_CHUNK + b"\r\n")
            wires = [server.connect().send(part) for part in parts for _ in range(clients)]
            for wire in wires:
                wire.half_close()
            for wire in wires:
                with contextlib.suppress(Closed, ConnectionResetError):
                    self.assertNotEqual(wire.read_final().status, 201)
                wire.close()

        server, _ = self.assert_leaves_nothing(behave, clients=60)
        self.assertEqual(len(server.stored()), 9)

    def test_a_client_that_never_reads_a_large_download_is_cut_off(self):
        def behave(server, clients):
            wires = [server.connect(receive_buffer=4 * KIB).send(request("GET", path)) for _ in range(clients)]
            for wire in wires:
                wire.socket.recv(1)  # it runs
            wait_until(lambda: server.open_sockets() <= 1 + 2, "the server has cut them all")
            for wire in wires:
                wire.close()

        server = self.server("--stall-timeout", "700ms")
        memory = server.rss()
        path = server.put("big", bytes(64 * MIB))
        with self.canary(server):
            behave(server, 4)
            fds = server.fd_targets()
            behave(server, CLIENTS)
        self.assert_fds_return(server, fds)
        self.assertLessEqual(server.rss() - memory, BUDGET + MOST_GROWTH, "more than the buffers")

    def test_a_client_that_never_reads_its_many_answers_is_cut_off(self):
        def behave(server, clients):
            wires = []
            for _ in range(clients):
                wire = server.connect(receive_buffer=4 * KIB)
                wire.socket.setblocking(False)
                flood = request("GET", "/") * 20000
                with contextlib.suppress(BlockingIOError, ConnectionError):
                    wire.socket.send(flood)
                wires.append(wire)
            self.accept_all(server)
            wait_until(lambda: server.open_sockets() <= 1 + 2, "the server has cut them all")
            for wire in wires:
                wire.close()

        self.assert_leaves_nothing(behave, "--stall-timeout", "700ms", clients=30)

    def test_a_head_that_never_ends_is_408_however_it_trickles(self):
        def behave(server, clients):
            wires = [server.connect().send(b"GET / HTTP/1.1\r\nHost: x\r\n") for _ in range(clients)]
            for wire in wires[::2]:
                wire.send(b"X: 1\r\n")
            for wire in wires:
                answer = wire.read_final()
                self.assertEqual((answer.status, answer.get("Connection")), (408, "close"))
                self.assertIn(b"ringdrop: 408 head_timeout: ", answer.body)
                wire.close()

        self.assert_leaves_nothing(behave, "--head-timeout", "300ms", "--linger-timeout", "100ms")

    def test_one_deadline_holds_for_the_whole_head(self):
        server = self.server("--head-timeout", "500ms", "--linger-timeout", "100ms")
        with server.connect() as wire:
            wire.send(b"GET / HTTP/1.1\r\nHost: x\r\n")
            sent = 0
            while wire.is_silent(0.02):
                wire.send(b"X: y\r\n")
                sent += 1
                self.assertLess(sent, 90, "each new line gives the client more time")
            self.assertEqual(wire.read_final().status, 408)

    def test_a_body_that_stands_still_is_408_and_gone(self):
        def behave(server, clients):
            parts = (HEAD, HEAD + BODY, CHUNKED_HEAD + b"5\r\nhel", LARGE_CHUNK)
            wires = [server.connect().send(part) for part in parts for _ in range(clients)]
            for wire in wires:
                answer = wire.read_final()
                self.assertEqual((answer.status, answer.get("Connection")), (408, "close"))
                self.assertIn(b"ringdrop: 408 stalled: ", answer.body)
                wire.close()

        server, _ = self.assert_leaves_nothing(behave, "--stall-timeout", "400ms", "--linger-timeout", "100ms",
                                               clients=50)
        self.assertEqual(len(server.stored()), 9)

    def test_a_body_that_crawls_is_408(self):
        server = self.server("--stall-timeout", "500ms", "--min-transfer-rate", "1KiB")
        with server.connect() as wire:
            wire.send(HEAD)
            sent = 0
            while wire.is_silent(0.05):
                wire.send(b"x")
                sent += 1
                self.assertLess(sent, 500, "a byte now and then keeps an upload alive")
            self.assertEqual(wire.read_final().status, 408)

    def test_a_connection_without_a_request_ends_without_a_word(self):
        def behave(server, clients):
            fresh = [server.connect() for _ in range(clients)]
            used = [server.connect().send(request("GET", "/healthz")) for _ in range(clients)]
            for wire in used:
                self.assertEqual(wire.read_final().status, 200)
            for wire in fresh + used:
                self.assertTrue(wire.is_closed())
                wire.close()

        self.assert_leaves_nothing(behave, "--idle-timeout", "300ms", clients=100)

    def test_who_goes_on_sending_after_a_refusal_is_cut_off(self):
        def behave(server, clients):
            too_large = request("PUT", "/x", f"Content-Length: {MIB * 100}")
            wires = [server.connect().send(too_large) for _ in range(clients)]
            for wire in wires:
                self.assertEqual(wire.read_final().status, 413)
            flooding = list(wires)

            def all_cut_off():
                flooding[:] = [wire for wire in flooding if self.can_send(wire)]
                return not flooding

            wait_until(all_cut_off, "the server has had enough of each", patience=15, pause=0)
            for wire in wires:
                wire.close()

        self.assert_leaves_nothing(behave, "--max-upload-size", "1MiB", "--linger-timeout", "300ms", clients=30)

    @staticmethod
    def can_send(wire):
        try:
            wire.socket.send(BODY[:10_000], socket.MSG_DONTWAIT)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return True


if __name__ == "__main__":
    main()
