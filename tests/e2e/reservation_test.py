#!/usr/bin/env python3
"""Disk space that a declared length asks for: refused where it cannot be had, and not held by who does not come back."""

import os

from harness import GIB, MIB, EndToEnd, main, random_bytes, request, wait_until

TUS = "Tus-Resumable: 1.0.0"
PIECE = "Content-Type: application/offset+octet-stream"
TIB = 1 << 40


class Reservation(EndToEnd):
    def setUp(self):
        super().setUp()
        self.here = self.server()

    def create(self, length, *fields, body=b""):
        return self.here.exchange(request("POST", "/uploads", TUS, f"Upload-Length: {length}", *fields, body=body))

    def disk_bytes(self):
        """What the files hold of the disk, whatever their size."""
        return sum(os.stat(self.here.data / name).st_blocks * 512 for name in self.here.stored_files())

    def test_an_upload_that_cannot_fit_is_refused_before_it_begins(self):
        version = "Upload-Draft-Interop-Version: 8"
        for length in (5 * TIB, 2**62, 2**63 - 1):
            for answer in (self.create(length),
                           self.here.exchange(request("PUT", "/f", version, "Upload-Complete: ?0",
                                                      f"Upload-Length: {min(length, 10**15 - 1)}")),
                           self.here.exchange(request("PUT", "/f", "Expect: 100-continue", f"Content-Length: {length}"))):
                self.assertIn(answer.status, (413, 507), answer)
        self.assertEqual(self.here.stored_files(), [])
        self.assertEqual(self.here.exchange(request("PUT", "/f", body=b"x")).status, 201)

    def test_what_a_dead_server_has_left_reserved_is_given_back_and_its_bytes_stay(self):
        body = random_bytes(MIB, "kept")
        upload = self.create(256 * MIB).get("Location")
        with self.here.connect() as wire:
            wire.send(request("PATCH", upload, TUS, PIECE, "Upload-Offset: 0", f"Content-Length: {256 * MIB}") + body)
            wait_until(lambda: self.disk_bytes() >= 256 * MIB, "the declared length is reserved")
        self.here.kill9()
        self.here.start()
        wait_until(lambda: self.disk_bytes() <= 2 * MIB, "the space behind the bytes is given back")
        state = self.here.exchange(request("HEAD", upload, TUS), to_head=True)
        offset = int(state.get("Upload-Offset"))
        rest = body[offset:] + bytes(255 * MIB)
        done = self.here.exchange(request("PATCH", upload, TUS, PIECE, f"Upload-Offset: {offset}", body=rest))
        self.assertEqual((done.status, done.get("Upload-Offset")), (204, str(256 * MIB)), done)

    def test_what_an_upload_has_reserved_is_not_asked_for_again(self):
        disk = os.statvfs(self.directory)
        free = disk.f_bavail * disk.f_frsize
        room = min(4 * GIB, free // 4)
        here = self.here = self.server("--min-free-space", str(free - room))
        upload = self.create(room * 7 // 10).get("Location")
        for offset in range(3):
            answer = here.exchange(request("PATCH", upload, TUS, PIECE, f"Upload-Offset: {offset}", body=b"x"))
            self.assertEqual((answer.status, answer.get("Upload-Offset")), (204, str(offset + 1)), answer)
        # Not by the next process either, which finds it on disk.
        here.kill9()
        here.start()
        for offset in range(3, 5):
            answer = here.exchange(request("PATCH", upload, TUS, PIECE, f"Upload-Offset: {offset}", body=b"x"))
            self.assertEqual((answer.status, answer.get("Upload-Offset")), (204, str(offset + 1)), answer)


if __name__ == "__main__":
    main()
