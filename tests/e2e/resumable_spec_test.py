#!/usr/bin/env python3
"""Resumable uploads for HTTP by raw bytes: what the server MUST and SHOULD, section by section.

The classes have the names of the sections of draft-ietf-httpbis-resumable-upload. What a whole upload looks like is in
resumable_test.py, how it survives in cuts_test.py.
"""

import json
import re

from harness import MIB, EndToEnd, chunked, main, path_of, random_bytes, request, wait_until
from http_tools import read_what_comes
from tus_tools import repr_digest

INTEROP = "Upload-Draft-Interop-Version: 8"
PART = "Content-Type: application/partial-upload"
EXPECT = "Expect: 100-continue"
JSON = "Accept: application/problem+json"
PROBLEMS = "https://iana.org/assignments/http-problem-types#"
BODY = random_bytes(300_000, "spec")


def content_digest(body):
    return f"Content-Digest: {repr_digest(body)}"


class Section(EndToEnd):
    """Speaks the draft."""

    OPTIONS = ("--max-upload-size", "1MiB", "--upload-expires", "2h", "--finished-upload-ttl", "2h")

    def setUp(self):
        super().setUp()
        self.here = self.server(*self.OPTIONS)

    def ask(self, data, to_head=False):
        """(interim answers, final one) of a request on a connection of its own."""
        interim = []
        with self.here.connect() as wire:
            wire.send(data)
            while (answer := wire.read_response(to_head)).status < 200:
                interim.append(answer)
        return interim, answer

    def create(self, *fields, body=b"", complete="?0"):
        _, answer = self.ask(request("POST", "/uploads", INTEROP, f"Upload-Complete: {complete}", *fields, body=body))
        self.assertEqual(answer.status, 201, answer)
        return answer.get("Location")

    def append(self, upload, offset, body, complete="?0", *fields):
        return self.ask(request("PATCH", upload, INTEROP, PART, f"Upload-Offset: {offset}",
                                f"Upload-Complete: {complete}", *fields, body=body))[1]

    def head(self, upload):
        return self.ask(request("HEAD", upload, INTEROP), to_head=True)[1]

    def assert_at(self, upload, offset, complete="?0"):
        answer = self.head(upload)
        self.assertEqual((answer.status, answer.get("Upload-Offset"), answer.get("Upload-Complete")),
                         (204, str(offset), complete), answer)
        return answer

    def assert_gone(self, upload):
        for method in ("HEAD", "PATCH", "DELETE"):
            fields = [PART, "Upload-Offset: 0", "Upload-Complete: ?0"] if method == "PATCH" else []
            answer = self.here.exchange(request(method, upload, INTEROP, *fields), to_head=method == "HEAD")
            self.assertIn(answer.status, (404, 410), f"{method}: {answer}")
            self.assertIsNone(answer.get("Upload-Offset"), answer)

    def assert_limits(self, answer):
        """A Dictionary of Integers."""
        members = dict(member.strip().split("=") for member in answer.get("Upload-Limit").split(","))
        self.assertEqual(members["max-size"], str(MIB))
        self.assertLessEqual(set(members), {"max-size", "min-size", "max-append-size", "min-append-size", "max-age"})
        self.assertTrue(all(re.fullmatch(r"[0-9]{1,15}", value) for value in members.values()), members)
        if "max-age" in members:
            self.assertAlmostEqual(int(members["max-age"]), 7200, delta=60)

    def assert_problem(self, answer, status, kind, **members):
        self.assertEqual((answer.status, answer.get("Content-Type")), (status, "application/problem+json"), answer)
        said = json.loads(answer.body)
        self.assertEqual(said["type"], PROBLEMS + kind, said)
        for name, value in members.items():
            self.assertEqual(said[name.replace("_", "-")], value, said)


class Offset(Section):
    """State: Offset."""

    def test_a_value_that_is_no_non_negative_integer_is_as_if_it_were_not_there(self):
        upload = self.create(body=b"12345")
        for value in ("-1", "5.0", "five", "?1", '"5"', ":NQ==:", "(5)", "", "5 5", "+5", "0x5", "1" * 16, "a=5", "5;",
                      "5;A=1", "5, 5"):
            with self.subTest(value=value):
                self.assertEqual(self.append(upload, value, b"x").status, 400)
                self.assert_at(upload, 5)
        data = request("PATCH", upload, INTEROP, PART, "Upload-Offset: 5", "Upload-Offset: 5", "Upload-Complete: ?0",
                       body=b"x")
        self.assertEqual(self.ask(data)[1].status, 400, "a field that is there twice is a List")

    def test_an_item_may_have_parameters(self):
        upload = self.create(body=b"12345")
        self.assertEqual(self.append(upload, "5;why=because;flag", b"6").status, 204)
        self.assertEqual(self.append(upload, "6", b"7", "?0;x=1").status, 204)
        self.assert_at(upload, 7)


class Completeness(Section):
    """State: Completeness."""

    def test_a_value_that_is_no_boolean_makes_an_ordinary_upload(self):
        for value in ("1", "true", "?2", '"?1"', "?", "", "?1 ?1", "?0, ?0", "(?0)"):
            with self.subTest(value=value):
                interim, answer = self.ask(request("PUT", "/f", INTEROP, f"Upload-Complete: {value}", body=b"12345"))
                self.assertEqual(([each.status for each in interim], answer.status), ([], 201), answer)
                self.assertIsNone(answer.get("Upload-Complete"), answer)
                self.assertEqual(self.here.get(path_of(answer)).body, b"12345")

    def test_an_append_without_one_is_400(self):
        upload = self.create()
        for value in ("1", "true", ""):
            self.assertEqual(self.append(upload, 0, b"x", value).status, 400)
        self.assert_at(upload, 0)

    def test_an_upload_whose_length_is_reached_is_incomplete_until_it_is_said(self):
        upload = self.create("Upload-Length: 5", body=b"12345")
        self.assert_at(upload, 5)
        answer = self.append(upload, 5, b"", "?1")
        self.assertEqual((answer.status, answer.get("Upload-Complete")), (201, "?1"), answer)
        self.assert_at(upload, 5, "?1")
        self.assertEqual(self.here.get(path_of(answer)).body, b"12345")


class Length(Section):
    """State: Length."""

    def test_both_ways_to_tell_it_are_recorded(self):
        told = self.create("Upload-Length: 77")
        self.assertEqual(self.assert_at(told, 0).get("Upload-Length"), "77")
        with self.here.connect() as wire:
            wire.send(request("PUT", "/f", INTEROP, "Upload-Complete: ?1", "Content-Length: 88"))
            implied = wire.read_response().get("Location")
            wire.send(b"x" * 10)
            self.assertEqual(self.assert_at(implied, self.reached(implied)).get("Upload-Length"), "88")
        by_append = self.create(body=b"12345")
        self.assertIsNone(self.assert_at(by_append, 5).get("Upload-Length"), "the client has not told one")
        self.assertEqual(self.append(by_append, 5, b"6", "?0", "Upload-Length: 99").status, 204)
        self.assertEqual(self.assert_at(by_append, 6).get("Upload-Length"), "99")

    def reached(self, upload):
        return int(self.head(upload).get("Upload-Offset"))

    def test_a_value_that_is_no_integer_is_as_if_it_were_not_there(self):
        for value in ("-1", "5.0", '"5"', "five", "?1"):
            with self.subTest(value=value):
                self.assertIsNone(self.head(self.create(f"Upload-Length: {value}")).get("Upload-Length"))

    def test_values_that_differ_are_refused_in_one_request_and_in_two(self):
        for length in (4, 6):
            _, answer = self.ask(request("PUT", "/f", INTEROP, JSON, "Upload-Complete: ?1", f"Upload-Length: {length}",
                                         body=b"12345"))
            self.assert_problem(answer, 400, "inconsistent-upload-length")
        upload = self.create("Upload-Length: 10", body=b"12345")
        for complete, fields, body in (("?0", ["Upload-Length: 11"], b"6"), ("?1", [], b"6789"),
                                       ("?1", ["Upload-Length: 9"], b"6789"), ("?0", ["Upload-Length: 4"], b"")):
            answer = self.append(upload, 5, body, complete, JSON, *fields)
            self.assert_problem(answer, 400, "inconsistent-upload-length")
            self.assertEqual(self.assert_at(upload, 5).get("Upload-Length"), "10")
        self.assertEqual(self.append(upload, 5, b"67890", "?1", "Upload-Length: 10").status, 201)


class Limits(Section):
    """State: Limits."""

    def test_options_tell_them_and_the_type_of_an_append(self):
        for target in ("/", "/uploads", self.create()):
            answer = self.here.exchange(request("OPTIONS", target))
            self.assert_limits(answer)
            self.assertIn("application/partial-upload", re.split(r",\s*", answer.get("Accept-Patch")))

    def test_every_413_tells_them(self):
        too_much = MIB + 1
        for data in (request("PUT", "/f", INTEROP, "Upload-Complete: ?0", f"Upload-Length: {too_much}"),
                     request("PUT", "/f", INTEROP, "Upload-Complete: ?1", "Transfer-Encoding: chunked")
                     + chunked(*[bytes(MIB // 4)] * 4, b"x")):
            with self.subTest(data=data[:150]):
                _, answer = self.ask(data)
                self.assertEqual(answer.status, 413, answer)
                self.assert_limits(answer)
        upload = self.create()
        for fields, body in ((["Upload-Complete: ?1"], bytes(too_much)),
                             (["Upload-Complete: ?0", f"Upload-Length: {too_much}"], b"")):
            with self.subTest(fields=fields):
                _, answer = self.ask(request("PATCH", upload, INTEROP, PART, "Upload-Offset: 0", *fields, body=body))
                self.assertEqual(answer.status, 413, answer)
                self.assert_limits(answer)


    def test_the_413_of_a_creation_whose_content_is_too_long_tells_them(self):
        for complete in ("?0", "?1"):
            _, answer = self.ask(request("PUT", "/f", INTEROP, f"Upload-Complete: {complete}",
                                         f"Content-Length: {MIB + 1}"))
            self.assertEqual(answer.status, 413, answer)
            self.assertIsNotNone(answer.get("Upload-Limit"), answer)

    def test_max_age_is_what_is_left_of_its_life(self):
        self.here = self.server("--upload-expires", "2h", "--finished-upload-ttl", "60s")
        upload = self.create(body=b"12345")
        self.append(upload, 5, b"", "?1")
        limits = self.head(upload).get("Upload-Limit") or "max-age=0"
        self.assertLessEqual(int(re.search("max-age=([0-9]+)", limits).group(1)), 60, limits)


class UploadCreation(Section):
    """Upload Creation."""

    def test_a_104_tells_location_and_limits_and_every_answer_the_same_location(self):
        for method, target in (("PUT", "/film.mkv"), ("POST", "/"), ("POST", "/uploads")):
            for complete in ("?0", "?1"):
                with self.subTest(method=method, target=target, complete=complete):
                    interim, answer = self.ask(request(method, target, INTEROP, f"Upload-Complete: {complete}",
                                                       body=BODY))
                    self.assertEqual({each.status for each in interim}, {104})
                    self.assert_limits(interim[0])
                    locations = {each.get("Location") for each in interim} - {None}
                    self.assertEqual(len(locations), 1, interim)
                    self.assertEqual((answer.status, answer.get("Upload-Complete")), (201, complete), answer)
                    if complete == "?0":
                        self.assert_limits(answer)
                        self.assertEqual({answer.get("Location")}, locations)
                        self.assert_at(answer.get("Location"), len(BODY))
                    else:
                        self.assertEqual(self.here.get(path_of(answer)).body, BODY)

    def test_empty_ones_are_careful_or_complete(self):
        _, answer = self.ask(request("PUT", "/f", INTEROP, "Upload-Complete: ?1"))
        self.assertEqual((answer.status, answer.get("Upload-Complete")), (201, "?1"), answer)
        self.assertEqual(self.here.get(path_of(answer)).body, b"")
        self.assert_at(self.create(), 0)

    def test_what_was_cut_is_kept_and_is_not_complete(self):
        for complete in ("?0", "?1"):
            for framing in ("Content-Length: 300000", "Transfer-Encoding: chunked"):
                with self.subTest(complete=complete, framing=framing), self.here.connect() as wire:
                    wire.send(request("PUT", "/f", INTEROP, f"Upload-Complete: {complete}", framing))
                    upload = wire.read_response().get("Location")
                    wire.send((b"30d40\r\n" if "chunked" in framing else b"") + BODY[:200_000])
                    wire.half_close()
                    rest = read_what_comes(wire)
                    self.assertNotIn(b"HTTP/1.1 2", rest)
                    self.assert_at(upload, 200_000)
                    answer = self.append(upload, 200_000, BODY[200_000:], "?1")
                    self.assertEqual(self.here.get(path_of(answer)).body, BODY)

    def test_its_metadata_is_that_of_the_file(self):
        _, answer = self.ask(request("POST", "/", INTEROP, "Upload-Complete: ?0", "Content-Type: image/png",
                                     "Content-Disposition: inline; filename=\"a.png\"; filename*=UTF-8''%c3%a4.png"))
        upload = answer.get("Location")
        answer = self.append(upload, 0, b"12345", "?1")
        got = self.here.get(path_of(answer))
        self.assertEqual(got.get("Content-Type"), "image/png")
        self.assertTrue(path_of(answer).endswith("/%C3%A4.png"), answer)

    def test_what_is_refused_creates_nothing(self):
        here = self.here = self.server("--upload-token", "s3cret")
        interim, answer = self.ask(request("PUT", "/f", INTEROP, "Upload-Complete: ?0", body=b"12345"))
        self.assertEqual(([each.status for each in interim], answer.status), ([], 401), answer)
        self.assertEqual(here.stored(), [])


class OffsetRetrieval(Section):
    """Offset Retrieval."""

    def test_it_tells_offset_completeness_length_and_limits_and_is_not_stored(self):
        upload = self.create("Upload-Length: 8", body=b"12345")
        for complete, offset in (("?0", 5), ("?1", 8)):
            answer = self.assert_at(upload, offset, complete)
            self.assertEqual(answer.get("Upload-Length"), "8")
            self.assertIn("no-store", answer.get("Cache-Control"))
            self.assert_limits(answer)
            if complete == "?0":
                self.append(upload, 5, b"678", "?1")

    def test_it_needs_no_field_of_the_draft(self):
        upload = self.create(body=b"12345")
        answer = self.here.exchange(request("HEAD", upload), to_head=True)
        self.assertEqual((answer.status, answer.get("Upload-Offset"), answer.get("Upload-Complete")), (204, "5", "?0"))

    def test_an_unknown_one_is_404(self):
        self.assert_gone("/uploads/" + "z" * 22)


class UploadAppend(Section):
    """Upload Append."""

    def test_it_is_answered_with_its_completeness(self):
        upload = self.create()
        answer = self.append(upload, 0, b"123")
        self.assertEqual((answer.status // 100, answer.get("Upload-Complete")), (2, "?0"), answer)
        answer = self.append(upload, 3, b"45", "?1")
        self.assertEqual((answer.status // 100, answer.get("Upload-Complete")), (2, "?1"), answer)

    def test_another_offset_is_a_problem_with_both_and_changes_nothing(self):
        upload = self.create(body=b"12345")
        for offset in (0, 4, 6, 999_999_999_999_999):
            for complete in ("?0", "?1"):
                answer = self.append(upload, offset, b"x", complete, JSON)
                self.assert_problem(answer, 409, "mismatching-upload-offset", expected_offset=5, provided_offset=offset)
                self.assertEqual((answer.get("Upload-Offset"), answer.get("Upload-Complete")), ("5", "?0"))
                self.assert_at(upload, 5)

    def test_a_complete_one_is_not_changed(self):
        upload = self.create()
        link = path_of(self.append(upload, 0, b"12345", "?1"))
        for offset, body, complete in ((5, b"6", "?0"), (5, b"6", "?1"), (0, b"abcde", "?1"), (0, b"", "?1"),
                                       (5, b"", "?0")):
            with self.subTest(offset=offset, body=body, complete=complete):
                answer = self.append(upload, offset, body, complete)
                self.assertGreaterEqual(answer.status, 400, answer)
                self.assert_at(upload, 5, "?1")
                self.assertEqual(self.here.get(link).body, b"12345")

    def test_more_than_the_length_is_refused_and_the_upload_is_invalid_from_then_on(self):
        upload = self.create("Upload-Length: 10", body=b"12345")
        data = request("PATCH", upload, INTEROP, PART, "Upload-Offset: 5", "Upload-Complete: ?0",
                       "Transfer-Encoding: chunked")
        _, answer = self.ask(data + chunked(b"678901"))
        self.assertIn(answer.status, (400, 413), answer)
        self.assert_gone(upload)
        wait_until(lambda: not self.here.stored_files(), "its bytes are gone")

    def test_less_than_the_length_does_not_complete_it(self):
        upload = self.create("Upload-Length: 10", body=b"12345")
        data = request("PATCH", upload, INTEROP, PART, "Upload-Offset: 5", "Upload-Complete: ?1",
                       "Transfer-Encoding: chunked")
        _, answer = self.ask(data + chunked(b"6789"))
        self.assertEqual(answer.status, 400, answer)
        self.assert_at(upload, 9)

    def test_what_was_cut_is_kept_and_is_not_complete(self):
        upload = self.create()
        at = 0
        for complete in ("?0", "?1", "?1"):
            with self.here.connect() as wire:
                wire.send(request("PATCH", upload, INTEROP, PART, f"Upload-Offset: {at}",
                                  f"Upload-Complete: {complete}", f"Content-Length: {len(BODY) - at}"))
                wire.send(BODY[at:at + 70_000])
                wire.half_close()
                self.assertNotIn(b"HTTP/1.1 2", read_what_comes(wire))
            at += 70_000
            self.assert_at(upload, at)
        self.assertEqual(self.here.get(path_of(self.append(upload, at, BODY[at:], "?1"))).body, BODY)

    def test_its_104s_never_name_a_location_and_their_offsets_are_durable(self):
        self.here = self.server()
        body = random_bytes(48 * MIB, "progress")
        upload = self.create()
        interim, answer = self.ask(request("PATCH", upload, INTEROP, PART, "Upload-Offset: 0", "Upload-Complete: ?1",
                                           body=body))
        self.assertEqual(answer.status, 201, answer)
        offsets = [int(each.get("Upload-Offset")) for each in interim]
        self.assertEqual(offsets, sorted(offsets))
        self.assertTrue(all(0 < offset <= len(body) for offset in offsets), offsets)
        for each in interim:
            self.assertEqual((each.status, each.get("Location"), each.get("Upload-Draft-Interop-Version")),
                             (104, None, "8"))
        for version in ([], ["Upload-Draft-Interop-Version: 6"], ["Upload-Draft-Interop-Version: 9"]):
            upload = self.create()
            interim, _ = self.ask(request("PATCH", upload, *version, PART, "Upload-Offset: 0", "Upload-Complete: ?1",
                                          body=body))
            self.assertEqual(interim, [], "only who says so understands a 104")


    def test_its_type_has_no_case(self):
        upload = self.create()
        data = request("PATCH", upload, INTEROP, "Content-Type: Application/Partial-Upload", "Upload-Offset: 0",
                       "Upload-Complete: ?0", body=b"12345")
        self.assertEqual(self.ask(data)[1].status, 204)

    def test_no_answer_has_a_field_twice(self):
        upload = self.create(body=b"12345")
        names = [name.lower() for name, _ in self.append(upload, 0, b"x").fields]
        self.assertEqual(sorted(names), sorted(set(names)))


class UploadCancellation(Section):
    """Upload Cancellation."""

    def test_it_deactivates_the_upload_and_ends_the_request_that_runs(self):
        with self.here.connect() as wire:
            wire.send(request("PUT", "/f", INTEROP, "Upload-Complete: ?1", f"Content-Length: {len(BODY)}"))
            upload = wire.read_response().get("Location")
            wire.send(BODY[:1000])
            self.assertEqual(self.here.exchange(request("DELETE", upload, INTEROP)).status, 204)
            self.assertNotIn(b"HTTP/1.1 2", read_what_comes(wire))
        self.assert_gone(upload)
        wait_until(lambda: not self.here.stored_files(), "its bytes are gone")


class Concurrency(Section):
    """Concurrency."""

    def test_the_offset_of_a_409_too_is_accepted_while_the_request_before_still_runs(self):
        upload = self.create()
        at = 0
        for _ in range(10):
            with self.here.connect() as wire:
                wire.send(request("PATCH", upload, INTEROP, PART, f"Upload-Offset: {at}", "Upload-Complete: ?1", EXPECT,
                                  f"Content-Length: {len(BODY) - at}"))
                self.assertEqual(wire.read_response().status, 100)  # it runs: else it would end those below
                wire.send(BODY[at:at + 20_000])
                answer = self.append(upload, 999_999, b"x")
                self.assertEqual(answer.status, 409, answer)
                told = int(answer.get("Upload-Offset"))
                self.assertGreaterEqual(told, at)
                self.assertEqual(self.append(upload, told, BODY[told:told + 100]).status, 204)
                at = told + 100
        self.assertEqual(self.here.get(path_of(self.append(upload, at, BODY[at:], "?1"))).body, BODY)


class StatusCode104(Section):
    """Status Code 104: it never stands for a 100."""

    def test_a_100_comes_behind_it(self):
        with self.here.connect() as wire:
            wire.send(request("PUT", "/f", INTEROP, "Upload-Complete: ?1", EXPECT, "Content-Length: 5"))
            self.assertEqual([wire.read_response().status for _ in range(2)], [104, 100])
            self.assertEqual(wire.send(b"12345").read_final().status, 201)
        upload = self.create()
        with self.here.connect() as wire:
            wire.send(request("PATCH", upload, INTEROP, PART, "Upload-Offset: 0", "Upload-Complete: ?1", EXPECT,
                              "Content-Length: 5"))
            statuses = [wire.read_response().status]
            while statuses[-1] != 100:
                self.assertEqual(statuses[-1], 104)
                statuses.append(wire.read_response().status)
            self.assertEqual(wire.send(b"12345").read_final().status, 201)

    def test_a_refusal_comes_instead_of_both(self):
        upload = self.create()
        for data in (request("PUT", "/f", INTEROP, "Upload-Complete: ?1", EXPECT, f"Content-Length: {MIB + 1}"),
                     request("PATCH", upload, INTEROP, PART, "Upload-Offset: 7", "Upload-Complete: ?1", EXPECT,
                             "Content-Length: 5"),
                     request("PATCH", upload, INTEROP, "Upload-Offset: 0", EXPECT, "Content-Length: 5")):
            interim, answer = self.ask(data)
            self.assertEqual(interim, [])
            self.assertIn(answer.status, (409, 413, 415))


class ContentCodings(Section):
    """Content Codings: offsets count the coded bytes."""

    def test_they_are_kept_or_refused_and_never_undone(self):
        coded = bytes.fromhex("1f8b08000000000000034b4c4a0600c241243503000000")  # gzip of "abc"
        _, answer = self.ask(request("PUT", "/f", INTEROP, "Upload-Complete: ?0", "Content-Encoding: gzip", body=coded))
        if answer.status == 201:
            upload = answer.get("Location")
            self.assert_at(upload, len(coded))
            answer = self.append(upload, len(coded), b"", "?1")
            self.assertEqual(self.here.get(path_of(answer)).body, coded)
        else:
            self.assertIn(answer.status, (415, 501))


class IntegrityDigests(Section):
    """Integrity Digests."""

    def test_a_representation_that_is_another_fails_the_upload(self):
        upload = self.create(f"Repr-Digest: {repr_digest(b'other')}", body=b"123")
        self.assertEqual(self.append(upload, 3, b"45", "?1").status, 400)
        self.assert_gone(upload)

    def test_its_refusal_says_that_all_of_it_has_come(self):
        upload = self.create(f"Repr-Digest: {repr_digest(b'other')}", body=b"123")
        answer = self.append(upload, 3, b"45", "?1")
        self.assertEqual((answer.status, answer.get("Upload-Complete")), (400, "?1"), answer)

    def test_a_right_one_and_a_wanted_one_are_told_at_the_end(self):
        for field in (f"Repr-Digest: {repr_digest(b'12345')}", "Want-Repr-Digest: sha-256=1"):
            upload = self.create(field, body=b"123")
            answer = self.append(upload, 3, b"45", "?1")
            self.assertEqual((answer.status, answer.get("Repr-Digest")), (201, repr_digest(b"12345")), answer)

    def test_content_that_is_other_is_not_appended(self):
        upload = self.create(body=b"123")
        for complete in ("?0", "?1"):
            answer = self.append(upload, 3, b"45", complete, content_digest(b"other"))
            self.assertEqual(answer.status, 400, answer)
            self.assert_at(upload, 3)
        self.assertEqual(self.append(upload, 3, b"4", "?0", content_digest(b"4")).status, 204)
        answer = self.append(upload, 4, b"5", "?1", content_digest(b"5"))
        self.assertEqual(self.here.get(path_of(answer)).body, b"12345")

    def test_content_of_a_creation_that_is_other_is_not_taken(self):
        _, answer = self.ask(request("PUT", "/f", INTEROP, "Upload-Complete: ?0", content_digest(b"other"),
                                     body=b"12345"))
        self.assertEqual(answer.status, 400, answer)


if __name__ == "__main__":
    main()
