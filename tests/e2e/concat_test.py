#!/usr/bin/env python3
"""tus 1.0.0, extensions concatenation and checksum-trailer, by raw bytes."""

import base64
import hashlib
import json
import os
import random

from harness import MIB, EndToEnd, chunked, main, random_bytes, request, wait_until

TUS = "Tus-Resumable: 1.0.0"
PIECE = "Content-Type: application/offset+octet-stream"
BODY = random_bytes(3 * MIB + 77, "concatenation")


def checksum(algorithm, body):
    return f"{algorithm} {base64.b64encode(hashlib.new(algorithm, body).digest()).decode()}"


def path_in(url):
    return "/" + url.split("://", 1)[1].split("/", 1)[1]


class Tus(EndToEnd):
    def setUp(self):
        super().setUp()
        self.here = self.server()

    def ask(self, method, target, *fields, body=b"", here=None):
        answer = (here or self.here).exchange(request(method, target, TUS, *fields, body=body), to_head=method == "HEAD")
        self.assertEqual(answer.get("Tus-Resumable"), "1.0.0", answer)
        return answer

    def create(self, *fields, body=None, status=201):
        piece = [PIECE] if body is not None else []
        answer = self.ask("POST", "/uploads", *piece, *fields, body=body or b"")
        self.assertEqual(answer.status, status, answer)
        return answer

    def part(self, body):
        return self.create(f"Upload-Length: {len(body)}", "Upload-Concat: partial", body=body).get("Location")

    def final(self, parts, *fields, status=201):
        return self.create("Upload-Concat: final;" + " ".join(parts), *fields, status=status)

    def assert_refused(self, answer, status, code):
        self.assertEqual(answer.status, status, answer)
        self.assertIn(f"ringdrop: {status} {code}: ".encode(), answer.body)


class Concatenation(Tus):
    def test_the_whole_has_the_ids_that_its_client_has_chosen(self):
        named = ["Upload-Id: the-whole-of-these-two-parts", "Watch-Id: watch-the-whole-of-both-parts"]
        answer = self.final([self.part(b"01"), self.part(b"23")], *named)
        self.assertEqual(answer.get("Location"), "/uploads/the-whole-of-these-two-parts")
        self.assertTrue(answer.get("Upload-Watch").endswith("/watch/watch-the-whole-of-both-parts"), answer)
        seen = json.loads(self.here.get("/watch/watch-the-whole-of-both-parts").body)
        self.assertEqual((seen["state"], seen["url"], seen["bytes_stored"]), ("complete", answer.get("Upload-Link"), 4))
        again = [self.part(b"45"), self.part(b"67")]
        self.assert_refused(self.final(again, named[0], status=409), 409, "upload_id_in_use")
        self.assert_refused(self.final(again, named[1], status=409), 409, "watch_id_in_use")
        self.assertEqual(self.here.get(path_in(self.final(again).get("Upload-Link"))).body, b"4567")

    def test_parts_become_one_file_in_the_order_of_the_list(self):
        cuts = [0, 5, 5, MIB, 2 * MIB + 1, len(BODY)]
        parts = [(begin, self.part(BODY[begin:end])) for begin, end in zip(cuts, cuts[1:])]
        random.Random(4).shuffle(parts)
        name = base64.b64encode(b"film.mkv").decode()
        answer = self.final([location for _, location in sorted(parts)], f"Upload-Metadata: filename {name}")
        self.assertEqual(answer.get("Upload-Offset"), str(len(BODY)), answer)
        link = path_in(answer.get("Upload-Link"))
        got = self.here.get(link)
        self.assertEqual((got.status, got.body), (200, BODY))
        self.assertTrue(link.endswith("/film.mkv"), link)
        for first, last in ((0, 0), (3, 6), (MIB - 1, MIB + 1), (0, len(BODY) - 1), (len(BODY) - 1, len(BODY) - 1)):
            piece = self.here.exchange(request("GET", link, f"Range: bytes={first}-{last}"))
            self.assertEqual((piece.status, piece.body), (206, BODY[first:last + 1]))
        state = self.ask("HEAD", answer.get("Location"))
        self.assertEqual((state.status, state.get("Upload-Offset"), state.get("Upload-Length")),
                         (200, str(len(BODY)), str(len(BODY))), state)
        self.assertTrue(state.get("Upload-Concat").startswith("final;/uploads/"), state)
        self.assertEqual(path_in(state.get("Upload-Link")), link)

    def test_a_part_says_that_it_is_one_and_never_gets_a_link(self):
        upload = self.create("Upload-Length: 10", "Upload-Concat: partial").get("Location")
        self.assertEqual(self.ask("HEAD", upload).get("Upload-Concat"), "partial")
        done = self.ask("PATCH", upload, PIECE, "Upload-Offset: 0", body=b"0123456789")
        self.assertEqual((done.status, done.get("Upload-Offset"), done.get("Upload-Link")), (204, "10", None), done)
        state = self.ask("HEAD", upload)
        self.assertEqual((state.get("Upload-Offset"), state.get("Upload-Length"), state.get("Upload-Concat"),
                          state.get("Upload-Link")), ("10", "10", "partial", None), state)

    def test_a_final_upload_takes_no_bytes(self):
        location = self.final([self.part(b"abc")]).get("Location")
        self.assert_refused(self.ask("PATCH", location, PIECE, "Upload-Offset: 3", body=b"d"), 403, "final_upload")
        self.assert_refused(self.create("Upload-Concat: final;" + self.part(b"x"), body=b"y", status=403), 403,
                            "final_upload")

    def test_a_final_upload_is_not_told_its_length(self):
        self.assert_refused(self.final([self.part(b"abc")], "Upload-Length: 3", status=400), 400, "bad_upload_length")

    def test_what_is_no_complete_part_is_refused_and_nothing_changes(self):
        good = self.part(b"good")
        unfinished = self.create("Upload-Length: 10", "Upload-Concat: partial").get("Location")
        whole = self.create("Upload-Length: 3", body=b"abc").get("Location")
        cancelled = self.part(b"gone")
        self.assertEqual(self.ask("DELETE", cancelled).status, 204)
        for other, status, code in ((unfinished, 409, "unfinished_part"), (whole, 400, "bad_upload_concat"),
                                    (cancelled, 410, "upload_ended"), ("/uploads/" + "0" * 22, 404, "unknown_upload"),
                                    (good, 400, "bad_upload_concat"), ("/elsewhere", 400, "bad_upload_concat"),
                                    (f"http://other{good}", 400, "bad_upload_concat")):
            self.assert_refused(self.final([good, other], status=status), status, code)
        self.assertEqual(self.here.get(path_in(self.final([good]).get("Upload-Link"))).body, b"good")
        self.assertEqual(self.ask("HEAD", unfinished).get("Upload-Offset"), "0")

    def test_a_part_is_used_once(self):
        used, other = self.part(b"used"), self.part(b"other")
        self.final([used])
        self.assert_refused(self.final([other, used], status=410), 410, "upload_ended")
        self.assert_refused(self.ask("PATCH", used, PIECE, "Upload-Offset: 4", body=b"x"), 410, "upload_ended")

    def test_parts_may_be_named_by_absolute_urls_and_are_at_most_64(self):
        parts = [f"http://{self.here.authority}{self.part(bytes([n]))}" for n in range(65)]
        self.assert_refused(self.final(parts, status=400), 400, "bad_upload_concat")
        answer = self.final(parts[:64])
        self.assertEqual(self.here.get(path_in(answer.get("Upload-Link"))).body, bytes(range(64)))

    def test_empty_parts_count_for_nothing(self):
        answer = self.final([self.part(b""), self.part(b"a"), self.part(b"")])
        self.assertEqual(self.here.get(path_in(answer.get("Upload-Link"))).body, b"a")
        answer = self.final([self.part(b""), self.part(b"")])
        got = self.here.get(path_in(answer.get("Upload-Link")))
        self.assertEqual((got.status, got.body, got.get("Content-Length")), (200, b"", "0"))

    def test_the_parts_together_keep_to_the_size_limit(self):
        self.here = self.server("--max-upload-size", "10B")
        parts = [self.part(b"012345"), self.part(b"67890")]
        self.assert_refused(self.final(parts, status=413), 413, "size_limit_exceeded")
        self.assertEqual(self.final(parts[:1]).status, 201)

    def test_a_digest_of_the_whole_is_refused_and_of_a_part_is_verified(self):
        digest = base64.b64encode(hashlib.sha256(b"abc").digest()).decode()
        field = f"Repr-Digest: sha-256=:{digest}:"
        self.assert_refused(self.final([self.part(b"abc")], field, status=400), 400, "bad_digest")
        self.create("Upload-Length: 3", "Upload-Concat: partial", field, body=b"abc")
        self.assert_refused(self.create("Upload-Length: 3", "Upload-Concat: partial", field, body=b"abd", status=400),
                            400, "digest_mismatch")

    def test_cancelling_a_final_upload_deletes_its_link(self):
        answer = self.final([self.part(b"abc"), self.part(b"def")])
        self.assertEqual(self.ask("DELETE", answer.get("Location")).status, 204)
        self.assertEqual(self.here.get(path_in(answer.get("Upload-Link"))).status, 404)

    def test_options_of_the_final_upload_are_those_of_the_link(self):
        answer = self.final([self.part(b"once")], "Max-Downloads: 1")
        link = path_in(answer.get("Upload-Link"))
        self.assertEqual(self.here.get(link).body, b"once")
        self.assertEqual(self.here.get(link).status, 404)

    def test_a_part_whose_last_byte_came_before_a_crash_is_complete(self):
        def full_and_open():
            # As a crash leaves it that comes between the last byte and the end: the draft's ?0 does not end it.
            upload = self.create("Upload-Length: 5000", "Upload-Concat: partial").get("Location")
            answer = self.here.exchange(request("PATCH", upload, "Content-Type: application/partial-upload",
                                                "Upload-Offset: 0", "Upload-Complete: ?0", body=BODY[:5000]))
            self.assertEqual((answer.status, answer.get("Upload-Complete")), (204, "?0"), answer)
            return upload

        for crashes in (False, True):
            parts = [self.part(BODY[:99]), full_and_open(), full_and_open()]
            unfinished = self.create("Upload-Length: 10", "Upload-Concat: partial").get("Location")
            if crashes:
                self.here.kill9()
                self.here.start()
            self.assert_refused(self.final([*parts, unfinished], status=409), 409, "unfinished_part")
            answer = self.final(parts)
            self.assertEqual(self.here.get(path_in(answer.get("Upload-Link"))).body, BODY[:99] + BODY[:5000] * 2)
            self.assertEqual(self.ask("HEAD", unfinished).get("Upload-Offset"), "0")

    def test_what_is_no_part_is_left_as_it_is_when_it_is_named_by_mistake(self):
        draft = "Content-Type: application/partial-upload"
        for crashes in (False, True):
            upload = self.create("Upload-Length: 5000").get("Location")
            answer = self.here.exchange(request("PATCH", upload, draft, "Upload-Offset: 0", "Upload-Complete: ?0",
                                                body=BODY[:5000]))
            self.assertEqual((answer.status, answer.get("Upload-Complete")), (204, "?0"), answer)
            if crashes:
                self.here.kill9()
                self.here.start()
            good = self.part(b"good")
            self.assert_refused(self.final([good, upload], status=400), 400, "bad_upload_concat")
            seen = json.loads(self.here.get(upload).body)
            self.assertEqual((seen["state"], seen["bytes_stored"], seen.get("url")), ("paused", 5000, None))
            self.assertEqual(self.here.get(path_in(self.final([good]).get("Upload-Link"))).body, b"good")
            done = self.here.exchange(request("PATCH", upload, draft, "Upload-Offset: 5000", "Upload-Complete: ?1"))
            self.assertEqual(self.here.get(path_in(done.get("Upload-Link"))).body, BODY[:5000])

    def test_one_that_runs_and_is_no_part_is_not_cut(self):
        upload = self.create("Upload-Length: 5000").get("Location")
        with self.here.connect() as wire:
            wire.send(request("PATCH", upload, TUS, PIECE, "Upload-Offset: 0", "Content-Length: 5000") + BODY[:4000])
            wait_until(lambda: json.loads(self.here.get(upload).body)["state"] == "receiving", "it is coming")
            self.assert_refused(self.final([upload], status=400), 400, "bad_upload_concat")
            done = wire.send(BODY[4000:5000]).read_final()
        self.assertEqual(self.here.get(path_in(done.get("Upload-Link"))).body, BODY[:5000])

    def test_a_part_that_is_still_coming_is_not_cut(self):
        upload = self.create("Upload-Length: 5000", "Upload-Concat: partial").get("Location")
        with self.here.connect() as wire:
            wire.send(request("PATCH", upload, TUS, PIECE, "Upload-Offset: 0", "Content-Length: 5000") + BODY[:4000])
            wait_until(lambda: json.loads(self.here.get(upload).body)["state"] == "receiving", "it is coming")
            self.assert_refused(self.final([upload], status=409), 409, "unfinished_part")
            done = wire.send(BODY[4000:5000]).read_final()
        self.assertEqual((done.status, done.get("Upload-Offset")), (204, "5000"), done)
        self.assertEqual(self.here.get(path_in(self.final([upload]).get("Upload-Link"))).body, BODY[:5000])

    def test_parts_and_what_they_became_survive_kill_9(self):
        answer = self.final([self.part(BODY[:MIB]), self.part(BODY[MIB:])])
        waiting = self.part(b"waits")
        self.here.kill9()
        self.here.start()
        self.assertEqual(self.here.get(path_in(answer.get("Upload-Link"))).body, BODY)
        again = self.final([waiting, self.part(b" and goes on")])
        self.assertEqual(self.here.get(path_in(again.get("Upload-Link"))).body, b"waits and goes on")


class ChecksumTrailer(Tus):
    def patch_with_trailer(self, upload, offset, body, trailer, announced=True):
        fields = [TUS, PIECE, f"Upload-Offset: {offset}", "Transfer-Encoding: chunked"]
        if announced:
            fields.append("Trailer: Upload-Checksum")
        lines = f"Upload-Checksum: {trailer}\r\n" if trailer is not None else ""
        framed = chunked(body)
        self.assertTrue(framed.endswith(b"0\r\n\r\n"))
        return self.here.exchange(request("PATCH", upload, *fields) + framed[:-2] + lines.encode() + b"\r\n")

    def test_a_checksum_behind_the_body_is_verified(self):
        upload = self.create(f"Upload-Length: {len(BODY)}").get("Location")
        offset = 0
        for algorithm in ("sha1", "sha256", "md5"):
            piece = BODY[offset:offset + MIB]
            done = self.patch_with_trailer(upload, offset, piece, checksum(algorithm, piece))
            offset += len(piece)
            self.assertEqual((done.status, done.get("Upload-Offset")), (204, str(offset)), done)
        done = self.patch_with_trailer(upload, offset, BODY[offset:], checksum("md5", BODY[offset:]))
        self.assertEqual(self.here.get(path_in(done.get("Upload-Link"))).body, BODY)

    def test_a_wrong_missing_or_unknown_one_leaves_the_offset_where_it_was(self):
        upload = self.create("Upload-Length: 100").get("Location")
        for trailer, status, code in ((checksum("sha1", b"other"), 460, "checksum_mismatch"),
                                      (None, 400, "bad_upload_checksum"),
                                      ("crc32 AAAAAA==", 400, "bad_upload_checksum"),
                                      ("sha1 !", 400, "bad_upload_checksum")):
            self.assert_refused(self.patch_with_trailer(upload, 0, b"content", trailer), status, code)
            self.assertEqual(self.ask("HEAD", upload).get("Upload-Offset"), "0")

    def test_one_that_was_not_announced_is_no_checksum(self):
        upload = self.create("Upload-Length: 100").get("Location")
        done = self.patch_with_trailer(upload, 0, b"content", checksum("sha1", b"other"), announced=False)
        self.assertEqual((done.status, done.get("Upload-Offset")), (204, "7"), done)

    def test_an_announcement_needs_a_chunked_body_and_no_checksum_in_the_head(self):
        upload = self.create("Upload-Length: 100").get("Location")
        self.assert_refused(self.ask("PATCH", upload, PIECE, "Upload-Offset: 0", "Trailer: Upload-Checksum", body=b"x"),
                            400, "bad_upload_checksum")

    def test_what_breaks_off_before_its_trailer_does_not_count(self):
        upload = self.create("Upload-Length: 5000000").get("Location")
        with self.here.connect() as wire:
            wire.send(request("PATCH", upload, TUS, PIECE, "Upload-Offset: 0", "Transfer-Encoding: chunked",
                              "Trailer: Upload-Checksum") + chunked(os.urandom(MIB))[:-5])
        self.assertEqual(self.ask("HEAD", upload).get("Upload-Offset"), "0")


if __name__ == "__main__":
    main()
