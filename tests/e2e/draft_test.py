#!/usr/bin/env python3
"""The finer points of resumable uploads for HTTP: progress by 104, problem types, digests of a content, what makes an
upload invalid, and the older drafts that clients still speak."""

import base64
import hashlib
import json
import os
import time

from harness import KIB, MIB, PATIENCE, EndToEnd, chunked, main, path_of, random_bytes, request

VERSION = "Upload-Draft-Interop-Version: 8"
PART = "Content-Type: application/partial-upload"
PROBLEMS = "https://iana.org/assignments/http-problem-types#"


def content_digest(body):
    return f"Content-Digest: sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"


def metadata(**values):
    pairs = (f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in values.items())
    return "Upload-Metadata: " + ",".join(pairs)


class Draft(EndToEnd):
    def setUp(self):
        super().setUp()
        self.here = self.server()

    def create(self, *fields, body=b"", complete="?0", version=VERSION):
        with self.here.connect() as wire:
            return wire.send(request("POST", "/uploads", version, f"Upload-Complete: {complete}", *fields,
                                     body=body)).read_final()

    def append(self, location, offset, body, complete, *fields):
        return self.here.exchange(request("PATCH", location, VERSION, PART, f"Upload-Offset: {offset}",
                                          f"Upload-Complete: {complete}", *fields, body=body))

    def head(self, location):
        return self.here.exchange(request("HEAD", location, VERSION), to_head=True)

    def test_while_bytes_come_a_104_tells_what_a_crash_will_not_take(self):
        with self.here.connect() as wire:
            wire.send(request("PUT", "/slow", VERSION, "Upload-Complete: ?1", f"Content-Length: {64 * MIB}"))
            made = wire.read_response()
            location = made.get("Location")
            told = sent = 0
            give_up = time.monotonic() + PATIENCE
            wire.socket.settimeout(0.05)
            while not told and sent < 63 * MIB and time.monotonic() < give_up:
                wire.send(os.urandom(16 * KIB))
                sent += 16 * KIB
                try:
                    interim = wire.read_response()
                except TimeoutError:
                    continue
                self.assertEqual((interim.status, interim.get("Location")), (104, None), interim)
                self.assertEqual(interim.get("Upload-Draft-Interop-Version"), "8")
                told = int(interim.get("Upload-Offset"))
            self.assertGreater(told, 0)
            self.assertLessEqual(told, sent)
            self.here.kill9()
        self.here.start()
        self.assertGreaterEqual(int(self.head(location).get("Upload-Offset")), told)

    def test_a_wrong_offset_is_a_problem_that_names_both(self):
        location = self.create(body=b"0123").get("Location")
        answer = self.append(location, 2, b"x", "?0", "Accept: application/problem+json")
        self.assertEqual((answer.status, answer.get("Upload-Offset"), answer.get("Upload-Complete")), (409, "4", "?0"))
        problem = json.loads(answer.body)
        self.assertEqual((problem["type"], problem["expected-offset"], problem["provided-offset"]),
                         (PROBLEMS + "mismatching-upload-offset", 4, 2))

    def test_lengths_that_contradict_are_a_problem_of_their_own(self):
        accept = "Accept: application/problem+json"
        for fields in (["Upload-Length: 3"], ["Upload-Length: 5"]):
            answer = self.create(accept, *fields, body=b"0123", complete="?1")
            self.assertEqual((answer.status, json.loads(answer.body)["type"]),
                             (400, PROBLEMS + "inconsistent-upload-length"), answer)
        location = self.create("Upload-Length: 10").get("Location")
        for complete, body, fields in (("?1", b"x", []), ("?0", b"x", ["Upload-Length: 9"])):
            answer = self.append(location, 0, body, complete, accept, *fields)
            self.assertEqual((answer.status, json.loads(answer.body)["type"]),
                             (400, PROBLEMS + "inconsistent-upload-length"), answer)
        self.assertEqual(self.head(location).get("Upload-Offset"), "0")

    def test_appending_to_a_complete_upload_is_a_problem_of_its_own(self):
        location = self.create(body=b"0123").get("Location")
        self.assertEqual(self.append(location, 4, b"", "?1").status, 201)
        answer = self.append(location, 4, b"more", "?0", "Accept: application/problem+json")
        problem = json.loads(answer.body)
        self.assertEqual((answer.status, answer.get("Upload-Complete"), problem["type"], problem["code"]),
                         (409, "?1", PROBLEMS + "completed-upload", "upload_complete"), answer)

    def test_content_that_runs_past_the_known_length_makes_the_upload_invalid(self):
        streamed = ["Transfer-Encoding: chunked"], chunked(b"01234567", b"89ab")
        for complete in ("?0", "?1"):
            for fields, body in (streamed, (["Content-Length: 12"], b"0123456789ab"), (["Content-Length: 12"], b"")):
                location = self.create("Upload-Length: 10").get("Location")
                answer = self.here.exchange(request("PATCH", location, VERSION, PART, "Upload-Offset: 0",
                                                    f"Upload-Complete: {complete}", *fields) + body)
                self.assertEqual(answer.status, 400, answer)
                self.assertIn(b"inconsistent_upload_length", answer.body)
                self.assertEqual(self.head(location).status, 410)
                self.assertEqual(self.append(location, 0, b"x", "?0").status, 410)

    def test_what_is_announced_for_another_offset_makes_nothing_invalid(self):
        location = self.create("Upload-Length: 10", body=b"0123").get("Location")
        self.assertEqual(self.append(location, 3, b"x" * 8, "?0").status, 409)
        self.assertEqual(self.head(location).get("Upload-Offset"), "4")

    def test_an_append_with_a_digest_of_its_content_is_all_or_nothing(self):
        location = self.create(body=b"0123").get("Location")
        for body in (b"abc", random_bytes(MIB, "digest")):
            answer = self.append(location, 4, body, "?0", content_digest(b"other"))
            self.assertEqual(answer.status, 400, answer)
            self.assertIn(b"digest_mismatch", answer.body)
            self.assertEqual(self.head(location).get("Upload-Offset"), "4")
        with self.here.connect() as wire:
            wire.send(request("PATCH", location, VERSION, PART, "Upload-Offset: 4", "Upload-Complete: ?0",
                              content_digest(b"abcdef"), "Content-Length: 6") + b"abc")
        self.assertEqual(self.head(location).get("Upload-Offset"), "4")
        self.assertEqual(self.append(location, 4, b"abc", "?0", content_digest(b"abc")).get("Upload-Offset"), "7")
        done = self.append(location, 7, b"", "?1")
        self.assertEqual(self.here.get(path_of(done)).body, b"0123abc")

    def test_the_first_part_may_have_a_digest_of_its_content_and_the_whole_one_of_its_own(self):
        whole = f"Repr-Digest: sha-256=:{base64.b64encode(hashlib.sha256(b'0123abc').digest()).decode()}:"
        location = self.create(whole, content_digest(b"0123"), body=b"0123").get("Location")
        self.assertEqual(self.append(location, 4, b"abc", "?1", content_digest(b"abc")).status, 201)
        location = self.create(whole, body=b"0123").get("Location")
        answer = self.append(location, 4, b"abd", "?1")
        self.assertEqual(answer.status, 400, answer)
        self.assertEqual(self.head(location).status, 410)

    def test_older_drafts_describe_the_file_by_upload_metadata(self):
        described = metadata(filename="фильм.mkv", filetype="text/plain", max_downloads="1")
        for version in ("5", "6"):
            with self.here.connect() as wire:
                wire.send(request("POST", "/uploads", f"Upload-Draft-Interop-Version: {version}", "Upload-Complete: ?0",
                                  described, PART, body=b"0123"))
                made = wire.read_response()
            self.assertEqual(made.status, 201, made)
            done = self.here.exchange(request(
                "PATCH", made.get("Location"), f"Upload-Draft-Interop-Version: {version}", "Upload-Offset: 4",
                "Upload-Complete: ?1", *([PART] if version == "6" else []), body=b"4567"))
            self.assertEqual(done.status, 201, done)
            got = self.here.get(path_of(done))
            self.assertEqual((got.body, got.get("Content-Type")), (b"01234567", "text/plain"), got)
            self.assertTrue(path_of(done).endswith("%D1%84%D0%B8%D0%BB%D1%8C%D0%BC.mkv"), done)
            self.assertEqual(self.here.get(path_of(done)).status, 404)

    def test_that_it_is_a_part_is_not_the_type_of_the_file(self):
        done = self.create(PART, "Content-Disposition: attachment; filename=a.txt", body=b"text", complete="?1")
        self.assertEqual(self.here.get(path_of(done)).get("Content-Type"), "text/plain; charset=utf-8")


if __name__ == "__main__":
    main()
