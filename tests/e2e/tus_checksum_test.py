#!/usr/bin/env python3
"""tus 1.0.0 by raw bytes: the extension checksum."""

from harness import KIB, main, random_bytes, wait_until
from tus_tools import TusCase, base64_of, checksum, path_in, repr_digest, wait_taken


class Checksum(TusCase):
    """Checksum."""

    def setUp(self):
        super().setUp()
        self.here = self.server("--digest", "always")
        self.body = random_bytes(300 * KIB, "checksum")
        self.upload = self.create(self.here, len(self.body))

    def test_each_algorithm_right_is_204_and_wrong_is_460_with_nothing_changed(self):
        at = 0
        for algorithm, size in (("sha1", 1000), ("sha256", 70_000), ("md5", 1), ("sha1", 0)):
            piece = self.body[at:at + size]
            with self.subTest(algorithm=algorithm):
                wrong = checksum(algorithm, piece + b"x")
                for data in (piece, b"y" * (size + 5)):
                    self.assert_tus(self.patch(self.here, self.upload, at, data, wrong), 460)
                    self.assertEqual(self.offset(self.here, self.upload), at)
                    self.assert_stored(self.here, [at])
                answer = self.patch(self.here, self.upload, at, piece, checksum(algorithm, piece))
                self.assertEqual(self.assert_tus(answer, 204).get("Upload-Offset"), str(at + size))
            at += size
        link = self.finish(self.here, self.upload, self.body, at)
        self.assertEqual(self.here.get(link).get("Repr-Digest"), repr_digest(self.body))

    def test_one_over_the_last_bytes_that_is_wrong_does_not_complete_it(self):
        self.assert_tus(self.patch(self.here, self.upload, 0, self.body, checksum("md5", b"")), 460)
        self.assertIsNone(self.ask(self.here, "HEAD", self.upload).get("Upload-Link"))
        answer = self.patch(self.here, self.upload, 0, self.body, checksum("sha256", self.body))
        self.assert_arrived(self.here, path_in(self.assert_tus(answer, 204).get("Upload-Link")), self.body)

    def test_an_unknown_algorithm_or_no_digest_is_400_and_changes_nothing(self):
        for value in ("crc32 AAAA", "sha1", "", "sha1 ", "sha1 !!!", "sha1 AAAA", "SHA-1 " + "A" * 27 + "=",
                      "sha256 " + base64_of(bytes(20)), "sha1" + base64_of(bytes(20))):
            with self.subTest(value=value):
                answer = self.patch(self.here, self.upload, 0, b"x" * 10, f"Upload-Checksum: {value}")
                self.assert_tus(answer, 400)
                self.assertEqual(self.offset(self.here, self.upload), 0)

    def test_what_breaks_off_is_discarded(self):
        self.assert_tus(self.patch(self.here, self.upload, 0, self.body[:1000]), 204)
        right = checksum("sha256", self.body[1000:])
        for end in ("reset", "half close", "supersede", "kill"):
            with self.subTest(end=end):
                wire = self.begin(self.here, self.upload, 1000, len(self.body) - 1000, right)
                wire.send(self.body[1000:200_000])
                wait_taken(wire)
                if end == "reset":
                    wire.reset()
                if end == "half close":
                    wire.half_close()
                    wire.read_to_end()
                if end == "kill":
                    # some of it is in the file, and does not count
                    wait_until(lambda: (self.here.data / self.here.stored_files()[0]).stat().st_size > 1000, "written")
                    self.here.kill9()
                    self.here.start()
                self.assertEqual(self.offset(self.here, self.upload), 1000)
                self.assert_stored(self.here, [1000])
        answer = self.patch(self.here, self.upload, 1000, self.body[1000:], right)
        link = path_in(self.assert_tus(answer, 204).get("Upload-Link"))
        self.assert_arrived(self.here, link, self.body)
        self.assertEqual(self.here.get(link).get("Repr-Digest"), repr_digest(self.body))

    def test_one_that_a_crash_broke_off_does_not_take_what_comes_after_it(self):
        for method in ("HEAD", "PATCH"):
            with self.subTest(method=method):
                upload = self.create(self.here, len(self.body))
                wire = self.begin(self.here, upload, 0, len(self.body), checksum("sha256", b"other"))
                wire.send(self.body[:200_000])
                wait_taken(wire)
                self.here.kill9()
                self.here.start()
                if method == "HEAD":
                    self.assertEqual(self.offset(self.here, upload), 0)
                answer = self.patch(self.here, upload, 0, self.body[:250_000])
                self.assertEqual(self.assert_tus(answer, 204).get("Upload-Offset"), "250000")
                self.here.kill9()
                self.here.start()
                self.assertEqual(self.offset(self.here, upload), 250_000, "what was acknowledged is lost")
                self.finish(self.here, upload, self.body)


if __name__ == "__main__":
    main()
