#!/usr/bin/env python3
"""tus 1.0.0: uploads that break off at any byte, or that another request takes over."""

import contextlib
import time

from harness import MIB, Closed, main, random_bytes, request, wait_until
from http_tools import read_what_comes
from tus_tools import OFFSET_TYPE, TUS, TusCase, path_in, wait_taken


class BrokenPatch(TusCase):
    """A PATCH that breaks off keeps every byte that arrived."""

    def setUp(self):
        super().setUp()
        self.here = self.server("--loops", "2")
        self.body = random_bytes(3 * MIB + 17, "broken")

    def assert_kept(self, upload, offset):
        self.assertEqual(self.offset(self.here, upload), offset)
        self.assertIn(offset, [(self.here.data / path).stat().st_size for path in self.here.stored_files()])

    def broken(self, end, *, is_chunked, sizes=(1, 4095, 4096, 100_000, MIB + 1)):
        """Ends one PATCH after another and goes on behind it."""
        upload = self.create(self.here, len(self.body))
        at = 0
        for size in sizes:
            with self.subTest(size=size, chunked=is_chunked):
                wire = self.begin(self.here, upload, at, len(self.body) - at, is_chunked=is_chunked)
                piece = self.body[at:at + size]
                wire.send(b"%x\r\n%b" % (size + 10, piece) if is_chunked else piece)
                end(wire)
                at += size
                self.assert_kept(upload, at)
        self.finish(self.here, upload, self.body)

    def test_reset(self):
        def end(wire):
            wait_taken(wire)
            wire.reset()

        for is_chunked in (False, True):
            self.broken(end, is_chunked=is_chunked)

    def test_half_close_and_close(self):
        def end(wire):
            wire.half_close()
            rest = read_what_comes(wire)
            self.assertNotIn(b" 204 ", rest)

        for is_chunked in (False, True):
            self.broken(end, is_chunked=is_chunked)
            self.broken(lambda wire: (wait_taken(wire), wire.close()), is_chunked=is_chunked)

    def test_the_answer_to_a_half_closed_one_is_of_the_protocol(self):
        upload = self.create(self.here, 100)
        wire = self.begin(self.here, upload, 0, 100)
        wire.send(b"x" * 50).half_close()
        try:
            answer = wire.read_final()
        except Closed:
            return  # none is right too
        self.assertGreaterEqual(answer.status, 400)
        self.assertEqual(answer.get("Tus-Resumable"), "1.0.0", answer)

    def test_chunks_that_are_none(self):
        for junk in (b"zz\r\n", b"-1\r\n", b"5;\x00\r\n12345\r\n", b"1\r\nxyz", b"ffffffffffffffffff\r\n"):
            with self.subTest(junk=junk):
                upload = self.create(self.here, 100_000)
                wire = self.begin(self.here, upload, 0, 0, is_chunked=True)
                wire.send(b"%x\r\n%b\r\n" % (50_000, self.body[:50_000]))
                wait_taken(wire)
                wire.send(junk)
                rest = read_what_comes(wire)
                self.assertNotIn(b" 204 ", rest)
                self.assertIn(b" 400 ", rest)
                offset = self.offset(self.here, upload)
                self.assertIn(offset, (50_000, 50_001) if junk.startswith(b"1\r") else (50_000,))
                self.assert_tus(self.ask(self.here, "DELETE", upload), 204)

    def test_one_that_breaks_behind_the_last_byte_is_complete_when_it_is_asked_for(self):
        # A client to which HEAD says that all bytes are there sends none any more: there must be a link.
        for restart in (lambda: None, lambda: (self.here.kill9(), self.here.start())):
            upload = self.create(self.here, 1000)
            wire = self.begin(self.here, upload, 0, 0, is_chunked=True)
            wire.send(b"%x\r\n%b\r\n" % (1000, self.body[:1000]))
            wait_taken(wire)
            wire.reset()
            # Not the file's size: an odd one counts when the catalogue has it.
            wait_until(lambda: self.ask(self.here, "GET", upload).get("Upload-Offset") == "1000", "the bytes are stored")
            restart()
            head = self.assert_tus(self.ask(self.here, "HEAD", upload), 200)
            self.assertEqual(head.get("Upload-Offset"), "1000")
            self.assertIsNotNone(head.get("Upload-Link"), f"all bytes are there, and no link: {head}")
            self.assert_arrived(self.here, path_in(head.get("Upload-Link")), self.body[:1000])
            self.assert_tus(self.ask(self.here, "DELETE", upload), 204)
            self.wait_no_file(self.here)

    def test_a_broken_creation_with_upload_is_not_reachable_and_gives_all_back(self):
        here = self.server("--upload-expires", "1s")
        self.create(here, 1)  # the directory of the files stays open
        before = here.fd_targets()
        with here.connect() as wire:
            wire.send(request("POST", "/uploads", TUS, "Upload-Length: 100", OFFSET_TYPE, "Content-Length: 100"))
            wire.send(b"x" * 50)
            wait_taken(wire)
            wire.reset()
        self.wait_no_file(here)
        self.assert_fds_return(here, before)

    def test_descriptors_and_files_return(self):
        upload = self.create(self.here, len(self.body))
        self.offset(self.here, upload)
        before = self.here.fd_targets()
        at = 0
        for turn in range(30):
            wire = self.begin(self.here, upload, at, len(self.body) - at)
            wire.send(self.body[at:at + 50_000])
            wait_taken(wire)
            if turn % 3 == 0:
                wire.reset()
            if turn % 3 == 1:
                wire.half_close()
            at += 50_000
            self.assertEqual(self.offset(self.here, upload), at)
            wire.close()
        self.assert_fds_return(self.here, before)
        self.assertEqual(len(self.here.stored_files()), 1)
        self.finish(self.here, upload, self.body)
        self.assert_tus(self.ask(self.here, "DELETE", upload), 204)
        self.wait_no_file(self.here)
        self.assert_fds_return(self.here, before)


class Supersede(TusCase):
    """A new HEAD, PATCH or DELETE takes the upload from the PATCH that runs, on either loop."""

    AT_ONCE = 3.0  # seconds, of 30

    def setUp(self):
        super().setUp()
        self.here = self.server("--loops", "2", "--supersede-timeout", "30s")
        self.body = random_bytes(2 * MIB + 5, "supersede")
        self.idle = []

    @contextlib.contextmanager
    def at_once(self, what):
        begin = time.monotonic()
        yield
        took = time.monotonic() - begin
        self.assertLess(took, self.AT_ONCE, f"{what} waited for the request before it")

    def each_loop(self):
        """With no, one and two connections between the two requests, so that both loops have been both."""
        for others in range(3):
            wires = [self.here.connect() for _ in range(others)]
            for wire in wires:
                wire.send(request("GET", "/healthz")).read_final()
            yield others
            for wire in wires:
                wire.close()

    def test_head_is_told_the_bytes_of_the_one_it_ends(self):
        upload = self.create(self.here, len(self.body))
        at = 0
        for others in self.each_loop():
            for size in (1, 5000, 300_000):
                with self.subTest(others=others, size=size):
                    wire = self.begin(self.here, upload, at, len(self.body) - at)
                    wire.send(self.body[at:at + size])
                    wait_taken(wire)
                    at += size
                    with self.at_once("HEAD"):
                        self.assertEqual(self.offset(self.here, upload), at)
                    self.assertNotIn(b" 204 ", read_what_comes(wire))
        self.finish(self.here, upload, self.body)

    def test_patch_goes_on_where_the_one_stands_that_it_ends(self):
        upload = self.create(self.here, len(self.body))
        at = 0
        wire = self.begin(self.here, upload, 0, len(self.body))
        for others in self.each_loop():
            for size in (1, 5000, 300_000):
                with self.subTest(others=others, size=size):
                    wire.send(self.body[at:at + size])
                    wait_taken(wire)
                    at += size
                    with self.at_once("PATCH"):
                        newer = self.begin(self.here, upload, at, len(self.body) - at)
                    self.assertNotIn(b" 204 ", read_what_comes(wire))
                    wire = newer
        wire.send(self.body[at:])
        answer = self.assert_tus(wire.read_final(), 204)
        self.assert_arrived(self.here, path_in(answer.get("Upload-Link")), self.body)

    def test_patch_at_a_wrong_offset_ends_it_too_and_loses_nothing(self):
        upload = self.create(self.here, len(self.body))
        wire = self.begin(self.here, upload, 0, len(self.body))
        wire.send(self.body[:5000])
        wait_taken(wire)
        with self.at_once("PATCH"):
            self.assert_tus(self.patch(self.here, upload, 0, b"x" * 100), 409)
        self.assertEqual(self.offset(self.here, upload), 5000)
        self.finish(self.here, upload, self.body)

    def test_delete_ends_it(self):
        for others in self.each_loop():
            with self.subTest(others=others):
                upload = self.create(self.here, len(self.body))
                wire = self.begin(self.here, upload, 0, len(self.body))
                wire.send(self.body[:300_000])
                wait_taken(wire)
                with self.at_once("DELETE"):
                    self.assert_tus(self.ask(self.here, "DELETE", upload), 204)
                self.assert_tus(self.ask(self.here, "HEAD", upload), 410)
                self.assertNotIn(b" 204 ", read_what_comes(wire))
                self.wait_no_file(self.here)

    def test_get_and_options_do_not_end_it(self):
        upload = self.create(self.here, 10)
        wire = self.begin(self.here, upload, 0, 10)
        wire.send(b"12345")
        wait_taken(wire)
        self.here.get(upload)
        self.here.exchange(request("OPTIONS", upload))
        for data in (request("PATCH", upload, "Tus-Resumable: 0.1"), request("PATCH", upload, TUS)):  # refused: 412, 415
            self.here.exchange(data)
        wire.send(b"67890")
        answer = self.assert_tus(wire.read_final(), 204)
        self.assert_arrived(self.here, path_in(answer.get("Upload-Link")), b"1234567890")

    def test_many_at_once_are_all_answered(self):
        upload = self.create(self.here, len(self.body))
        before = self.here.fd_targets()
        wires = []
        for number in range(30):
            wire = self.here.connect()
            self.addCleanup(wire.close)
            method = ("HEAD", "PATCH")[number % 2]
            fields = [OFFSET_TYPE, "Upload-Offset: 0", f"Content-Length: {len(self.body)}"] if number % 2 else []
            wire.send(request(method, upload, TUS, *fields))
            wires.append((wire, method))
        with self.at_once("30 requests"):
            last = self.offset(self.here, upload)
        self.assertEqual(last, 0)
        for wire, method in wires:
            wire.half_close()
            got = read_what_comes(wire)
            self.assertNotIn(b" 423 ", got)
            self.assertNotIn(b" 503 ", got, method)
            self.assertNotIn(b" 204 ", got)
            wire.close()
        self.assert_fds_return(self.here, before)
        self.finish(self.here, upload, self.body)


if __name__ == "__main__":
    main()
