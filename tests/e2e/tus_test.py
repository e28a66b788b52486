#!/usr/bin/env python3
"""tus 1.0.0 by raw bytes: each MUST of the core and the extensions, and uploads that break off at any byte.

The classes are named after the sections of https://tus.io/protocols/resumable-upload. Concatenation and checksum-trailer
are not here.
"""

import base64
import contextlib
import hashlib
import itertools
import json
import os
import random
import subprocess
import time
import unittest
from email.utils import parsedate_to_datetime
from pathlib import Path

from harness import (KIB, MIB, Closed, EndToEnd, chunked, main, make_file, random_bytes, request, sha256_of, wait_until)
from http_tools import TOKEN, all_of, name_of, read_what_comes, token_of

TUS = "Tus-Resumable: 1.0.0"
OFFSET_TYPE = "Content-Type: application/offset+octet-stream"
EXPECT = "Expect: 100-continue"
NOBODY = "/uploads/" + "0" * 22
CUTS = 72


def base64_of(raw):
    return base64.b64encode(raw if isinstance(raw, bytes) else raw.encode()).decode()


def metadata(**values):
    """Upload-Metadata of those keys."""
    return "Upload-Metadata: " + ",".join(f"{key} {base64_of(value)}" for key, value in values.items())


def checksum(algorithm, body):
    return f"Upload-Checksum: {algorithm} {base64_of(hashlib.new(algorithm, body).digest())}"


def repr_digest(body):
    return f"sha-256=:{base64_of(hashlib.sha256(body).digest())}:"


def path_in(url):
    """The path of an absolute URL of ours."""
    return "/" + url.split("://", 1)[1].split("/", 1)[1]


def tcp_queues(local, remote):
    """(unsent or unacknowledged, unread) bytes of the IPv4 connection between the two ports."""
    for line in Path("/proc/net/tcp").read_text("ascii").splitlines()[1:]:
        words = line.split()
        if int(words[1].split(":")[1], 16) == local and int(words[2].split(":")[1], 16) == remote:
            sent, unread = words[4].split(":")
            return int(sent, 16), int(unread, 16)
    return 0, 0


def wait_taken(wire):
    """Until the server's program, and not only its kernel, has every byte that was sent."""
    ours, theirs = wire.socket.getsockname()[1], wire.socket.getpeername()[1]
    wait_until(lambda: tcp_queues(ours, theirs)[0] == 0 and tcp_queues(theirs, ours)[1] == 0, "all bytes are taken")


class TusCase(EndToEnd):
    """Speaks the protocol."""

    def assert_tus(self, answer, status, code=None):
        self.assertEqual(answer.status, status, answer)
        self.assertEqual(answer.get("Tus-Resumable"), "1.0.0", answer)
        if code:
            self.assertIn(f"ringdrop: {status} {code}: ".encode(), answer.body)
        return answer

    def ask(self, server, method, target, *fields, body=b""):
        """One request on a connection of its own, with Tus-Resumable."""
        return server.exchange(request(method, target, TUS, *fields, body=body), to_head=method == "HEAD")

    def create(self, server, length, *fields):
        """The path of a new upload; `length` None: deferred."""
        field = "Upload-Defer-Length: 1" if length is None else f"Upload-Length: {length}"
        return self.assert_tus(self.ask(server, "POST", "/uploads", field, *fields), 201).get("Location")

    def patch(self, server, upload, offset, body, *fields):
        return self.ask(server, "PATCH", upload, OFFSET_TYPE, f"Upload-Offset: {offset}", *fields, body=body)

    def offset(self, server, upload):
        answer = self.assert_tus(self.ask(server, "HEAD", upload), 200)
        self.assertRegex(answer.get("Upload-Offset"), r"^[0-9]+$")
        return int(answer.get("Upload-Offset"))

    def begin(self, server, upload, offset, size, *fields, is_chunked=False):
        """A connection with a PATCH that runs: its 100 has come."""
        framing = "Transfer-Encoding: chunked" if is_chunked else f"Content-Length: {size}"
        wire = server.connect()
        self.addCleanup(wire.close)
        wire.send(request("PATCH", upload, TUS, OFFSET_TYPE, f"Upload-Offset: {offset}", EXPECT, framing, *fields))
        answer = wire.read_response()
        self.assertEqual(answer.status, 100, f"PATCH at {offset}, which HEAD has reported: {answer}")
        return wire

    def finish(self, server, upload, body, offset=None):
        """Sends the rest and compares what the link has with `body`; the path of the link."""
        offset = self.offset(server, upload) if offset is None else offset
        answer = self.assert_tus(self.patch(server, upload, offset, body[offset:]), 204)
        self.assertEqual(answer.get("Upload-Offset"), str(len(body)))
        link = path_in(answer.get("Upload-Link"))
        self.assert_arrived(server, link, body)
        return link

    def assert_arrived(self, server, link, body):
        got = server.get(link)
        self.assertEqual(got.status, 200, got)
        self.assertTrue(got.body == body, f"{len(got.body)} bytes instead of {len(body)}, or others")

    def assert_stored(self, server, sizes):
        """The files below blobs/ have these sizes."""
        found = sorted((server.data / path).stat().st_size for path in server.stored_files())
        self.assertEqual(found, sorted(sizes))

    def wait_no_file(self, server):
        wait_until(lambda: not server.stored_files(), "the file is gone from disk")


class CoreProtocol(TusCase):
    """Core Protocol: headers, HEAD, PATCH, OPTIONS."""

    def setUp(self):
        super().setUp()
        self.here = self.server("--max-upload-size", "1MiB")
        self.upload = self.create(self.here, 100)

    def assert_unchanged(self, offset=0):
        self.assertEqual(self.offset(self.here, self.upload), offset)
        self.assert_stored(self.here, [offset])

    def test_head_tells_offset_length_and_metadata_as_sent_and_is_not_cached(self):
        answer = self.assert_tus(self.ask(self.here, "HEAD", self.upload), 200)
        self.assertEqual((answer.get("Upload-Offset"), answer.get("Upload-Length")), ("0", "100"))
        self.assertIn("no-store", answer.get("Cache-Control"))
        for name in ("Upload-Defer-Length", "Upload-Metadata", "Upload-Link", "X-Url-Delete"):
            self.assertIsNone(answer.get(name), name)
        sent = "b,a eA==, filename eC5iaW4=,c"
        other = self.create(self.here, 5, f"Upload-Metadata: {sent}")
        self.assertEqual(self.ask(self.here, "HEAD", other).get("Upload-Metadata"), sent)
        self.patch(self.here, self.upload, 0, b"x" * 40)
        answer = self.ask(self.here, "HEAD", self.upload)
        self.assertEqual((answer.get("Upload-Offset"), answer.get("Upload-Length")), ("40", "100"))

    def test_head_patch_delete_of_an_unknown_one_are_404_without_an_offset(self):
        for target in (NOBODY, "/uploads/" + "a-_" * 20, self.upload + "x"):
            for method in ("HEAD", "PATCH", "DELETE"):
                with self.subTest(method=method, target=target):
                    fields = [OFFSET_TYPE, "Upload-Offset: 0"] if method == "PATCH" else []
                    answer = self.assert_tus(self.ask(self.here, method, target, *fields), 404)
                    self.assertIsNone(answer.get("Upload-Offset"))

    def test_patch_appends_and_answers_204_with_the_new_offset(self):
        body = random_bytes(100, "patch")
        for start, end in itertools.pairwise((0, 1, 1, 60, 100)):
            answer = self.assert_tus(self.patch(self.here, self.upload, start, body[start:end]), 204)
            self.assertEqual(answer.get("Upload-Offset"), str(end))
            self.assertEqual(self.offset(self.here, self.upload), end)
        self.assert_arrived(self.here, path_in(answer.get("Upload-Link")), body)

    def test_patch_chunked(self):
        data = request("PATCH", self.upload, TUS, OFFSET_TYPE, "Upload-Offset: 0", "Transfer-Encoding: chunked")
        answer = self.assert_tus(self.here.exchange(data + chunked(b"a" * 60, b"b" * 39)), 204)
        self.assertEqual(answer.get("Upload-Offset"), "99")
        self.finish(self.here, self.upload, b"a" * 60 + b"b" * 39 + b"c")

    def test_patch_of_another_content_type_is_415_and_changes_nothing(self):
        for fields in ([], ["Content-Type: application/octet-stream"], ["Content-Type: text/plain"],
                       ["Content-Type: application/offset+octet-streamX"], ["Content-Type: "]):
            with self.subTest(fields=fields):
                data = request("PATCH", self.upload, TUS, "Upload-Offset: 0", *fields, body=b"x" * 10)
                self.assert_tus(self.here.exchange(data), 415)
                self.assert_unchanged()

    def test_patch_at_another_offset_is_409_and_changes_nothing(self):
        self.patch(self.here, self.upload, 0, b"x" * 40)
        for offset in (0, 39, 41, 100, 101, 2**62):
            with self.subTest(offset=offset):
                self.assert_tus(self.patch(self.here, self.upload, offset, b"y" * 10), 409)
                self.assert_unchanged(40)

    def test_patch_with_no_offset_or_none_that_is_a_number_is_400(self):
        for fields in ([], ["Upload-Offset: "], ["Upload-Offset: -1"], ["Upload-Offset: +0"], ["Upload-Offset: 0x0"],
                       ["Upload-Offset: 0.0"], ["Upload-Offset: a"], ["Upload-Offset: 0 0"], ["Upload-Offset: 0, 0"],
                       [f"Upload-Offset: {2**63}"], [f"Upload-Offset: {2**64}"], ["Upload-Offset: " + "9" * 40],
                       ["Upload-Offset: 0", "Upload-Offset: 1"], ["Upload-Offset: 1", "Upload-Offset: 0"]):
            with self.subTest(fields=fields):
                data = request("PATCH", self.upload, TUS, OFFSET_TYPE, *fields, body=b"x" * 10)
                self.assert_tus(self.here.exchange(data), 400)
                self.assert_unchanged()

    def test_patch_refusals_come_instead_of_the_100(self):
        for fields, status in (([TUS, "Upload-Offset: 0"], 415), ([TUS, OFFSET_TYPE, "Upload-Offset: 7"], 409),
                               ([TUS, OFFSET_TYPE], 400), (["Tus-Resumable: 2.0.0", OFFSET_TYPE], 412)):
            with self.here.connect() as wire:
                wire.send(request("PATCH", self.upload, *fields, EXPECT, "Content-Length: 100"))
                self.assert_tus(wire.read_response(), status)

    def test_patch_beyond_the_length_is_413_declared_or_in_sum(self):
        self.patch(self.here, self.upload, 0, b"x" * 40)
        self.assert_tus(self.patch(self.here, self.upload, 40, b"y" * 61), 413)
        self.assert_unchanged(40)
        self.patch(self.here, self.upload, 40, b"x" * 59)
        self.assert_tus(self.patch(self.here, self.upload, 99, b"yz"), 413)
        self.assert_unchanged(99)
        data = request("PATCH", self.upload, TUS, OFFSET_TYPE, "Upload-Offset: 99", "Transfer-Encoding: chunked")
        self.assert_tus(self.here.exchange(data + chunked(b"yz")), 413)
        offset = self.offset(self.here, self.upload)
        self.assertIn(offset, (99, 100))
        answer = self.ask(self.here, "HEAD", self.upload)
        if offset == 99:
            self.assertIsNone(answer.get("Upload-Link"))
            self.finish(self.here, self.upload, b"x" * 100)

    def test_patch_of_a_complete_one_is_refused_and_changes_nothing(self):
        link = self.finish(self.here, self.upload, b"x" * 100)
        for offset, body in ((100, b"y"), (0, b"y" * 100), (50, b"y" * 50)):
            self.assertIn(self.patch(self.here, self.upload, offset, body).status, (403, 409, 413))
        self.assert_arrived(self.here, link, b"x" * 100)
        self.assertEqual(self.offset(self.here, self.upload), 100)

    def test_another_version_is_412_with_tus_version_and_is_not_processed(self):
        for version in ("0.2.2", "1.0.1", "1.0", "2.0.0", "1.0.0, 1.0.0", "1.0.0.0", "x", ""):
            for method, target in (("POST", "/uploads"), ("HEAD", self.upload), ("PATCH", self.upload),
                                   ("DELETE", self.upload), ("HEAD", NOBODY)):
                with self.subTest(version=version, method=method):
                    body = b"x" * 100 if method == "PATCH" else b""
                    data = request(method, target, f"Tus-Resumable: {version}", "Upload-Offset: 0", "Upload-Length: 100",
                                   OFFSET_TYPE, body=body)
                    answer = self.assert_tus(self.here.exchange(data, to_head=method == "HEAD"), 412)
                    self.assertEqual(answer.get("Tus-Version"), "1.0.0")
        self.assert_unchanged()

    def test_no_version_is_not_processed(self):
        for method, target in (("POST", "/uploads"), ("PATCH", self.upload), ("DELETE", self.upload)):
            data = request(method, target, "Upload-Offset: 0", "Upload-Length: 9", body=b"x" * 9)
            answer = self.here.exchange(data)
            self.assertIn(answer.status, (204,) if method == "DELETE" else (400, 412, 415), f"{method} {answer}")
            if method == "DELETE" and answer.status == 204:  # the neutral protocol
                return
        self.assert_unchanged()

    def test_options_tells_versions_extensions_size_and_checksums(self):
        for target in ("/uploads", self.upload, "/"):
            with self.subTest(target=target):
                answer = self.here.exchange(request("OPTIONS", target))
                self.assertIn(answer.status, (200, 204))
                self.assertEqual(answer.get("Tus-Version"), "1.0.0")
                self.assertEqual(answer.get("Tus-Max-Size"), str(MIB))
                self.assertEqual(set(answer.get("Tus-Checksum-Algorithm").split(",")), {"sha1", "sha256", "md5"})
                extensions = set(answer.get("Tus-Extension").split(","))
                self.assertLessEqual({"creation", "creation-with-upload", "creation-defer-length", "expiration",
                                      "termination", "checksum"}, extensions)
                self.assertEqual(answer.body, b"")
        # The version of the request does not matter here.
        self.assertEqual(self.here.exchange(request("OPTIONS", "/uploads", "Tus-Resumable: 0.1")).status, 204)

    def test_x_http_method_override_is_the_method(self):
        def ask(method, *fields, body=b"", tus=(TUS,)):
            return self.here.exchange(
                request("POST", self.upload, *tus, f"X-HTTP-Method-Override: {method}", *fields, body=body))

        answer = self.assert_tus(ask("PATCH", OFFSET_TYPE, "Upload-Offset: 0", body=b"x" * 30), 204)
        self.assertEqual(answer.get("Upload-Offset"), "30")
        self.assertEqual(self.assert_tus(ask("HEAD"), 200).get("Upload-Offset"), "30")
        self.assertNotEqual(ask("PATCH", OFFSET_TYPE, "Upload-Offset: 30", body=b"x", tus=()).status, 204)
        self.assert_tus(ask("PATCH", OFFSET_TYPE, "Upload-Offset: 1", body=b"x"), 409)
        self.assert_unchanged(30)
        self.assert_tus(ask("DELETE"), 204)
        self.assert_tus(self.ask(self.here, "HEAD", self.upload), 410)

    def test_many_requests_on_one_connection(self):
        body = random_bytes(100, "one connection")
        with self.here.connect() as wire:
            wire.send(request("POST", "/uploads", TUS, "Upload-Length: 100"))
            upload = self.assert_tus(wire.read_final(), 201).get("Location")
            for at in range(0, 100, 10):
                wire.send(request("HEAD", upload, TUS))
                self.assertEqual(self.assert_tus(wire.read_final(to_head=True), 200).get("Upload-Offset"), str(at))
                wire.send(request("PATCH", upload, TUS, OFFSET_TYPE, f"Upload-Offset: {at}", body=body[at:at + 10]))
                answer = self.assert_tus(wire.read_final(), 204)
            wire.send(request("GET", path_in(answer.get("Upload-Link"))))
            self.assertEqual(wire.read_final().body, body)


class Creation(TusCase):
    """Creation, and Upload-Metadata."""

    def setUp(self):
        super().setUp()
        self.here = self.server("--max-upload-size", "1MiB")

    def test_201_with_a_location(self):
        answer = self.assert_tus(self.ask(self.here, "POST", "/uploads", "Upload-Length: 7"), 201)
        self.assertRegex(answer.get("Location"), r"^/uploads/[0-9A-Za-z_-]{22,64}$")
        self.assertEqual(answer.get("Upload-Offset"), "0")
        other = self.ask(self.here, "POST", "/uploads", "Upload-Length: 7")
        self.assertNotEqual(answer.get("Location"), other.get("Location"))

    def test_location_has_the_prefix_of_public_url(self):
        here = self.server("--public-url", "https://files.example/up")
        answer = self.assert_tus(self.ask(here, "POST", "/uploads", "Upload-Length: 0"), 201)
        self.assertTrue(answer.get("Location").startswith("/up/uploads/"), answer)
        self.assertTrue(answer.get("Upload-Link").startswith("https://files.example/up/"), answer)
        self.assertTrue(answer.get("X-Url-Delete").startswith("https://files.example/up/"), answer)

    def test_length_0_is_complete_at_once(self):
        answer = self.assert_tus(self.ask(self.here, "POST", "/uploads", "Upload-Length: 0",
                                          metadata(filename="empty")), 201)
        self.assertEqual(answer.get("Upload-Offset"), "0")
        link = path_in(answer.get("Upload-Link"))
        self.assert_arrived(self.here, link, b"")
        head = self.ask(self.here, "HEAD", answer.get("Location"))
        self.assertEqual((head.get("Upload-Offset"), head.get("Upload-Length"), path_in(head.get("Upload-Link"))),
                         ("0", "0", link))

    def test_a_length_over_tus_max_size_is_413(self):
        for length in (MIB + 1, 5 * 2**40, 2**63 - 1):
            self.assert_tus(self.ask(self.here, "POST", "/uploads", f"Upload-Length: {length}"), 413)
        self.create(self.here, MIB)

    def test_a_length_that_the_disk_cannot_hold_is_507_or_413(self):
        here = self.server("--max-upload-size", "1024TiB")
        for length in (2**50, 5 * 2**40):
            self.assertIn(self.ask(here, "POST", "/uploads", f"Upload-Length: {length}").status, (201, 413, 507))
        self.assertEqual(here.get("/healthz").status, 200)

    def test_no_length_or_none_that_is_a_number_is_400(self):
        for fields in ([], ["Upload-Length: "], ["Upload-Length: -1"], ["Upload-Length: +5"], ["Upload-Length: 5.0"],
                       ["Upload-Length: 0x5"], ["Upload-Length: five"], ["Upload-Length: 5 5"], ["Upload-Length: 5, 5"],
                       [f"Upload-Length: {2**63}"], [f"Upload-Length: {2**64 + 5}"],
                       ["Upload-Length: 5", "Upload-Length: 6"],
                       ["Upload-Length: 5", "Upload-Defer-Length: 1"], ["Upload-Defer-Length: 0"],
                       ["Upload-Defer-Length: 2"], ["Upload-Defer-Length: "], ["Upload-Defer-Length: true"]):
            with self.subTest(fields=fields):
                self.assert_tus(self.ask(self.here, "POST", "/uploads", *fields), 400)
        self.assertEqual(self.here.stored_files(), [])

    def test_metadata_that_is_no_list_of_unique_keys_and_base64_is_400(self):
        for value in ("filename %", "filename ====", "filename eA", "filename e A==", "a eA==,a eA==", "a eA==,,b eA==",
                      ",a eA==", "a eA==,", " ,a eA==", "ä eA==", f"filename {base64_of('a/b')}",
                      f"filename {base64_of(b'a' + bytes(1))}", f"filename {base64_of('n' * 256)}",
                      f"max_downloads {base64_of('0')}", f"max_downloads {base64_of('x')}",
                      f"expires {base64_of('soon')}", f"expires {base64_of('0')}", f"max_downloads {base64_of('')}"):
            with self.subTest(value=value):
                answer = self.ask(self.here, "POST", "/uploads", "Upload-Length: 5", f"Upload-Metadata: {value}")
                self.assert_tus(answer, 400)
        self.assertEqual(self.here.stored_files(), [])

    def test_metadata_may_have_empty_values_and_unknown_keys(self):
        for value in ("flag", "flag,other eA==", "flag ,other eA==", "is_confidential", "x-y.z eA==", ""):
            with self.subTest(value=value):
                upload = self.create(self.here, 5, f"Upload-Metadata: {value}")
                self.finish(self.here, upload, b"12345")

    def test_metadata_and_fields_that_differ_are_400(self):
        answer = self.ask(self.here, "POST", "/uploads", "Upload-Length: 5", metadata(max_downloads="3"),
                          "Max-Downloads: 4")
        self.assert_tus(answer, 400, "option_conflict")

    def test_creation_needs_the_upload_token_and_the_rest_does_not(self):
        here = self.server("--upload-token", "s3cret")
        for fields in ([], ["Authorization: Bearer wrong"]):
            answer = self.assert_tus(self.ask(here, "POST", "/uploads", "Upload-Length: 9", *fields), 401)
            self.assertIn("Bearer", " ".join(all_of(answer, "WWW-Authenticate")))
        self.assertEqual(here.stored_files(), [])
        upload = self.create(here, 9, "Authorization: Bearer s3cret")
        self.assert_tus(self.patch(here, upload, 0, b"123"), 204)
        self.assertEqual(self.offset(here, upload), 3)
        self.finish(here, upload, b"123456789")
        self.assert_tus(self.ask(here, "DELETE", upload), 204)
        self.create(here, 9, "Authorization: Basic " + base64_of(":s3cret"))

    def test_cors_lets_scripts_of_listed_origins_do_all_this(self):
        here = self.server("--cors-origins", "https://app.example")
        origin = "Origin: https://app.example"
        upload = self.create(here, 5)
        wanted = {"location", "upload-offset", "upload-length", "upload-expires", "upload-metadata", "upload-link",
                  "x-url-delete", "tus-version", "tus-resumable", "tus-max-size", "tus-extension"}
        for method, target, status in (("POST", "/uploads", 201), ("HEAD", upload, 200), ("PATCH", upload, 204),
                                       ("PATCH", upload, 409), ("DELETE", upload, 204), ("HEAD", upload, 410)):
            answer = self.ask(here, method, target, origin, "Upload-Length: 5", "Upload-Offset: 0", OFFSET_TYPE,
                              body=b"abc" if method == "PATCH" else b"")
            self.assert_tus(answer, status)
            self.assertEqual(answer.get("Access-Control-Allow-Origin"), "https://app.example")
            self.assertIn("Origin", " ".join(all_of(answer, "Vary")))
            exposed = {name.strip().lower() for name in answer.get("Access-Control-Expose-Headers").split(",")}
            self.assertLessEqual(wanted, exposed)
        asked = "content-type,tus-resumable,upload-length,upload-metadata,upload-offset"
        for target, method in (("/uploads", "POST"), (upload, "PATCH"), (upload, "DELETE"), (upload, "HEAD")):
            answer = here.exchange(request("OPTIONS", target, origin, f"Access-Control-Request-Method: {method}",
                                           f"Access-Control-Request-Headers: {asked}"))
            self.assertEqual(answer.status, 204)
            self.assertIn(method, answer.get("Access-Control-Allow-Methods"))
            self.assertEqual(answer.get("Access-Control-Allow-Headers"), asked)
        answer = self.ask(here, "POST", "/uploads", "Origin: https://evil.example", "Upload-Length: 5")
        self.assertIsNone(answer.get("Access-Control-Allow-Origin"))


class CreationWithUpload(TusCase):
    """Creation With Upload."""

    def setUp(self):
        super().setUp()
        self.here = self.server("--max-upload-size", "1MiB")

    def test_the_body_counts_and_the_offset_is_told(self):
        body = random_bytes(100, "with upload")
        answer = self.assert_tus(self.ask(self.here, "POST", "/uploads", "Upload-Length: 100", OFFSET_TYPE,
                                          body=body[:30]), 201)
        self.assertEqual(answer.get("Upload-Offset"), "30")
        self.assertIsNone(answer.get("Upload-Link"))
        self.assertIsNotNone(answer.get("Upload-Expires"))
        self.finish(self.here, answer.get("Location"), body)

    def test_all_of_it_is_complete(self):
        for length, fields in ((5, []), (5, ["Transfer-Encoding: chunked"])):
            body = chunked(b"12345") if fields else b"12345"
            answer = self.assert_tus(self.ask(self.here, "POST", "/uploads", f"Upload-Length: {length}", OFFSET_TYPE,
                                              *fields, body=body), 201)
            self.assertEqual(answer.get("Upload-Offset"), "5")
            self.assert_arrived(self.here, path_in(answer.get("Upload-Link")), b"12345")
            self.assertEqual(self.offset(self.here, answer.get("Location")), 5)

    def test_no_body_is_a_plain_creation(self):
        answer = self.assert_tus(self.ask(self.here, "POST", "/uploads", "Upload-Length: 5", OFFSET_TYPE), 201)
        self.assertEqual(answer.get("Upload-Offset"), "0")
        self.finish(self.here, answer.get("Location"), b"12345")

    def test_more_than_its_length_is_413(self):
        answer = self.ask(self.here, "POST", "/uploads", "Upload-Length: 5", OFFSET_TYPE, body=b"123456")
        self.assert_tus(answer, 413)
        self.assertEqual(self.here.stored_files(), [])
        for fields in (["Upload-Defer-Length: 1"], ["Upload-Length: 5"]):
            data = request("POST", "/uploads", TUS, *fields, OFFSET_TYPE, "Transfer-Encoding: chunked")
            self.assert_tus(self.here.exchange(data + chunked(*[b"x" * 64 * KIB] * 17)), 413)

    def test_its_checksum_is_that_of_the_body(self):
        answer = self.ask(self.here, "POST", "/uploads", "Upload-Length: 10", OFFSET_TYPE, checksum("sha1", b"12345"),
                          body=b"12345")
        self.assertEqual(self.assert_tus(answer, 201).get("Upload-Offset"), "5")

    def test_a_wrong_checksum_is_460_and_never_ignored(self):
        answer = self.ask(self.here, "POST", "/uploads", "Upload-Length: 5", OFFSET_TYPE, checksum("sha1", b"other"),
                          body=b"12345")
        self.assert_tus(answer, 460)
        self.assertIsNone(answer.get("Upload-Link"))


class CreationDeferLength(TusCase):
    """Creation Defer Length."""

    def setUp(self):
        super().setUp()
        self.here = self.server("--max-upload-size", "1MiB")
        self.upload = self.create(self.here, None)

    def head(self):
        answer = self.assert_tus(self.ask(self.here, "HEAD", self.upload), 200)
        return answer.get("Upload-Offset"), answer.get("Upload-Length"), answer.get("Upload-Defer-Length")

    def test_the_length_comes_with_any_patch_and_not_more_than_once(self):
        self.assertEqual(self.head(), ("0", None, "1"))
        self.assert_tus(self.patch(self.here, self.upload, 0, b"123"), 204)
        self.assertEqual(self.head(), ("3", None, "1"))
        self.assert_tus(self.patch(self.here, self.upload, 3, b"45", "Upload-Length: 7"), 204)
        self.assertEqual(self.head(), ("5", "7", None))
        self.assert_tus(self.patch(self.here, self.upload, 5, b"6", "Upload-Length: 8"), 400)
        self.assertEqual(self.head(), ("5", "7", None))
        self.assert_tus(self.patch(self.here, self.upload, 5, b"678"), 413)
        self.finish(self.here, self.upload, b"1234567")

    def test_an_empty_patch_with_the_length_completes_it(self):
        self.assert_tus(self.patch(self.here, self.upload, 0, b"123"), 204)
        answer = self.assert_tus(self.patch(self.here, self.upload, 3, b"", "Upload-Length: 3"), 204)
        self.assert_arrived(self.here, path_in(answer.get("Upload-Link")), b"123")

    def test_a_length_of_0_completes_it(self):
        answer = self.assert_tus(self.patch(self.here, self.upload, 0, b"", "Upload-Length: 0"), 204)
        self.assert_arrived(self.here, path_in(answer.get("Upload-Link")), b"")

    def test_a_length_that_cannot_be_is_refused_and_is_not_taken(self):
        self.assert_tus(self.patch(self.here, self.upload, 0, b"123"), 204)
        for length, status in (("2", 400), ("x", 400), ("-1", 400), (str(MIB + 1), 413)):
            self.assert_tus(self.patch(self.here, self.upload, 3, b"", f"Upload-Length: {length}"), status)
            self.assertEqual(self.head(), ("3", None, "1"))

    def test_a_refused_patch_does_not_fix_the_length(self):
        for fields, body, status in ((["Upload-Length: 2"], b"123", 413),
                                     (["Upload-Length: 3", "Upload-Checksum: crc32 AAAA"], b"123", 400)):
            with self.subTest(status=status):
                upload = self.upload = self.create(self.here, None)
                self.assert_tus(self.patch(self.here, upload, 0, body, *fields), status)
                self.assertEqual(self.head(), ("0", None, "1"))

    def test_the_limit_holds_while_the_length_is_unknown(self):
        self.assert_tus(self.patch(self.here, self.upload, 0, bytes(MIB // 2)), 204)
        self.assert_tus(self.patch(self.here, self.upload, MIB // 2, bytes(MIB // 2 + 1)), 413)
        data = request("PATCH", self.upload, TUS, OFFSET_TYPE, f"Upload-Offset: {MIB // 2}", "Transfer-Encoding: chunked")
        self.assert_tus(self.here.exchange(data + chunked(bytes(MIB // 2), b"x")), 413)
        self.assertLessEqual(self.offset(self.here, self.upload), MIB)

    def test_the_length_survives_kill_9(self):
        self.assert_tus(self.patch(self.here, self.upload, 0, b"123", "Upload-Length: 7"), 204)
        self.here.kill9()
        self.here.start()
        self.assertEqual(self.head(), ("3", "7", None))


class Expiration(TusCase):
    """Expiration."""

    def assert_expires(self, answer, seconds):
        left = parsedate_to_datetime(answer.get("Upload-Expires")).timestamp() - time.time()
        self.assertAlmostEqual(left, seconds, delta=60)

    def test_creation_and_every_patch_tell_when_and_it_slides(self):
        here = self.server("--upload-expires", "3h")
        answer = self.ask(here, "POST", "/uploads", "Upload-Length: 9")
        self.assert_expires(answer, 3 * 3600)
        upload = answer.get("Location")
        for offset in (0, 3):
            self.assert_expires(self.patch(here, upload, offset, b"123"), 3 * 3600)
        self.assert_expires(self.ask(here, "HEAD", upload), 3 * 3600)

    def test_an_expired_one_goes_from_disk_and_is_410(self):
        here = self.server("--upload-expires", "1s")
        uploads = [self.create(here, 9), self.create(here, None), self.create(here, MIB)]
        self.patch(here, uploads[0], 0, b"123")
        self.assertEqual(len(here.stored_files()), 3)
        self.wait_no_file(here)
        for upload in uploads:
            for method in ("HEAD", "PATCH", "DELETE"):
                answer = self.ask(here, method, upload, OFFSET_TYPE, "Upload-Offset: 0")
                self.assertIsNone(self.assert_tus(answer, 410).get("Upload-Offset"))

    def test_one_that_runs_does_not_expire(self):
        here = self.server("--upload-expires", "1s")
        idle = self.create(here, 9)
        upload = self.create(here, 9)
        wire = self.begin(here, upload, 0, 9)
        wire.send(b"1234")
        wait_until(lambda: len(here.stored_files()) == 1, "the idle one has expired")
        wire.send(b"56789")
        answer = self.assert_tus(wire.read_final(), 204)
        self.assert_arrived(here, path_in(answer.get("Upload-Link")), b"123456789")
        self.assert_tus(self.ask(here, "HEAD", idle), 410)

    def test_after_finished_upload_ttl_ended_ones_are_unknown_and_links_stay(self):
        here = self.server("--upload-expires", "1s", "--finished-upload-ttl", "1s")
        expired = self.create(here, 9)
        cancelled = self.create(here, 9)
        complete = self.create(here, 9)
        link = self.finish(here, complete, b"123456789")
        self.assert_tus(self.ask(here, "DELETE", cancelled), 204)
        wait_until(lambda: len(here.stored_files()) == 1, "the expired one is gone from disk")
        for upload in (cancelled, complete, expired):
            wait_until(lambda path=upload: self.ask(here, "HEAD", path).status == 404, "it is unknown")
        self.assert_arrived(here, link, b"123456789")
        self.assertEqual(len(here.stored_files()), 1)

    def test_they_expire_while_the_server_is_down_too(self):
        here = self.server("--upload-expires", "1s")
        upload = self.create(here, 9)
        self.patch(here, upload, 0, b"123")
        here.kill9()
        here.start()
        self.wait_no_file(here)
        self.assert_tus(self.ask(here, "HEAD", upload), 410)


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


class Termination(TusCase):
    """Termination."""

    def setUp(self):
        super().setUp()
        self.here = self.server()

    def assert_gone(self, upload):
        for method in ("HEAD", "PATCH", "DELETE"):
            answer = self.assert_tus(self.ask(self.here, method, upload, OFFSET_TYPE, "Upload-Offset: 0"), 410)
            self.assertIsNone(answer.get("Upload-Offset"))

    def test_an_unfinished_one_is_204_then_410_and_gone_from_disk(self):
        for length, sent in ((100, 0), (100, 40), (None, 40)):
            upload = self.create(self.here, length)
            self.patch(self.here, upload, 0, b"x" * sent)
            self.assertEqual(self.assert_tus(self.ask(self.here, "DELETE", upload), 204).body, b"")
            self.assert_gone(upload)
            self.wait_no_file(self.here)
        self.here.kill9()
        self.here.start()
        self.assert_gone(upload)

    def test_a_complete_one_goes_with_its_link_and_file(self):
        upload = self.create(self.here, 5)
        link = self.finish(self.here, upload, b"12345")
        self.assert_tus(self.ask(self.here, "DELETE", upload), 204)
        self.assertEqual(self.here.get(link).status, 404)
        self.assert_gone(upload)
        self.wait_no_file(self.here)


class Links(TusCase):
    """What an upload becomes."""

    def setUp(self):
        super().setUp()
        self.here = self.server()
        self.body = random_bytes(70_000, "links")

    def info(self, link):
        return json.loads(self.here.get(f"/api/links/{token_of(link)}").body)

    def test_metadata_reaches_the_link(self):
        upload = self.create(self.here, len(self.body),
                             metadata(filename="Grüße 1.png", filetype="image/png", max_downloads="2", expires="36h"))
        link = self.finish(self.here, upload, self.body)  # one download
        got = self.here.get(link)
        self.assertEqual(got.get("Content-Type"), "image/png")
        self.assertEqual(name_of(got), "Grüße 1.png".encode())
        self.assertEqual(self.here.get(link).status, 404, "a third download")
        self.assertRegex(link, rf"^/{TOKEN}/Gr%C3%BC%C3%9Fe%201\.png$")

    def test_the_expiry_runs_from_the_end_of_the_upload(self):
        upload = self.create(self.here, 5, metadata(expires="36h"))
        link = self.finish(self.here, upload, b"12345")
        end = time.mktime(time.strptime(self.info(link)["expires_at"][:19], "%Y-%m-%dT%H:%M:%S")) - time.timezone
        self.assertAlmostEqual(end, time.time() + 36 * 3600, delta=60)

    def test_options_as_fields_work_on_creation(self):
        upload = self.create(self.here, 5, "Max-Downloads: 1", metadata(filename="f"))
        link = self.finish(self.here, upload, b"12345")
        self.assertEqual(self.here.get(link).status, 404)

    def test_metadata_survives_kill_9(self):
        upload = self.create(self.here, len(self.body), metadata(filename="a.pdf", filetype="application/pdf",
                                                                 max_downloads="7"))
        self.patch(self.here, upload, 0, self.body[:5000])
        self.here.kill9()
        self.here.start()
        link = self.finish(self.here, upload, self.body)
        got = self.here.get(link)
        self.assertEqual((got.get("Content-Type"), name_of(got)), ("application/pdf", b"a.pdf"))
        self.assertEqual(self.info(link)["downloads_left"], 5)

    def test_upload_link_and_x_url_delete_work_and_head_repeats_them(self):
        upload = self.create(self.here, 5)
        answer = self.patch(self.here, upload, 0, b"12345")
        told = answer.get("Upload-Link"), answer.get("X-Url-Delete")
        self.assertTrue(told[0].startswith("http://ringdrop.test/"), told)
        for restart in (lambda: None, self.here.restart):
            restart()
            head = self.assert_tus(self.ask(self.here, "HEAD", upload), 200)
            self.assertEqual((head.get("Upload-Link"), head.get("X-Url-Delete")), told)
            self.assertEqual((head.get("Upload-Offset"), head.get("Upload-Length")), ("5", "5"))
            self.assert_arrived(self.here, path_in(told[0]), b"12345")
        deleted = self.here.exchange(request("DELETE", path_in(told[1])))
        self.assertIn(deleted.status, (200, 204))
        self.assertEqual(self.here.get(path_in(told[0])).status, 404)
        self.wait_no_file(self.here)

    def test_nothing_unfinished_is_reachable(self):
        upload = self.create(self.here, 100, metadata(filename="secret.txt"))
        self.patch(self.here, upload, 0, b"x" * 40)
        name = upload.rsplit("/", 1)[1]
        for path in (f"/{name}", f"/{name}/secret.txt", f"/api/links/{name}", f"/uploads/{name}/secret.txt"):
            for method in ("GET", "HEAD"):
                answer = self.here.exchange(request(method, path), to_head=method == "HEAD")
                self.assertEqual(answer.status, 404, path)
        self.assertNotIn(b"x" * 40, self.here.get(upload).body)
        [stored] = self.here.stored_files()
        self.assertNotEqual(self.here.get(f"/{stored}").status, 200)
        self.assertNotIn(name, self.here.whole_log(), "the id is a secret")

    def test_a_right_digest_at_creation_is_the_links(self):
        upload = self.create(self.here, len(self.body), f"Repr-Digest: {repr_digest(self.body)}")
        self.patch(self.here, upload, 0, self.body[:1234])
        link = self.finish(self.here, upload, self.body)
        self.assertEqual(self.here.get(link).get("Repr-Digest"), repr_digest(self.body))

    def test_a_wrong_digest_at_creation_is_400_in_the_end_and_nothing_stays(self):
        for restart in (lambda: None, lambda: (self.here.kill9(), self.here.start())):
            upload = self.create(self.here, len(self.body), f"Repr-Digest: {repr_digest(b'other')}")
            self.assert_tus(self.patch(self.here, upload, 0, self.body[:1234]), 204)
            restart()
            answer = self.patch(self.here, upload, 1234, self.body[1234:])
            self.assert_tus(answer, 400, "digest_mismatch")
            self.assertIsNone(answer.get("Upload-Link"))
            self.assert_tus(self.ask(self.here, "HEAD", upload), 410)
            self.wait_no_file(self.here)


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
            wait_until(lambda: 1000 in [(self.here.data / path).stat().st_size for path in self.here.stored_files()],
                       "the bytes are stored")
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


class Survival(TusCase):
    """Unfinished uploads survive the end of the process."""

    def setUp(self):
        super().setUp()
        self.here = self.server("--loops", "2", "--digest", "always", "--shutdown-grace", "1s")
        self.body = random_bytes(2 * MIB + 99, "survival")

    def crash(self):
        self.here.kill9()
        self.here.start()

    def test_restart_and_kill_9_lose_no_acknowledged_byte(self):
        ends = (self.here.restart, self.crash, self.crash, self.here.restart)
        uploads = [self.create(self.here, size) for size in (len(self.body), None)]
        empty = self.create(self.here, 10)
        at = 0
        for end, size in zip(ends, (1, 70_000, MIB, 4096)):
            for upload in uploads:
                self.assert_tus(self.patch(self.here, upload, at, self.body[at:at + size]), 204)
            at += size
            end()
            for upload in uploads:
                self.assertEqual(self.offset(self.here, upload), at)
            self.assertEqual(self.offset(self.here, empty), 0)
        self.assert_tus(self.patch(self.here, uploads[1], at, b"", f"Upload-Length: {len(self.body)}"), 204)
        for upload in uploads:
            link = self.finish(self.here, upload, self.body)
            self.assertEqual(self.here.get(link).get("Repr-Digest"), repr_digest(self.body))
            info = json.loads(self.here.get(f"/api/links/{token_of(link)}").body)
            self.assertEqual(info["digest"], {"sha-256": sha256_of(self.body)})
        self.finish(self.here, empty, b"0123456789")

    def test_a_stop_in_the_middle_of_a_patch_keeps_its_bytes(self):
        upload = self.create(self.here, len(self.body))
        wire = self.begin(self.here, upload, 0, len(self.body))
        wire.send(self.body[:MIB + 1])
        wait_taken(wire)
        self.assertEqual(self.here.stop(), 0)
        self.here.start()
        self.assertEqual(self.offset(self.here, upload), MIB + 1)
        self.finish(self.here, upload, self.body)

    def test_kill_9_in_the_middle_of_a_patch_keeps_a_beginning(self):
        upload = self.create(self.here, len(self.body))
        wire = self.begin(self.here, upload, 0, len(self.body))
        wire.send(self.body[:MIB + 1])
        wait_taken(wire)
        self.crash()
        offset = self.offset(self.here, upload)
        self.assertLessEqual(offset, MIB + 1)
        self.crash()
        self.assertEqual(self.offset(self.here, upload), offset)
        link = self.finish(self.here, upload, self.body)
        self.assertEqual(self.here.get(link).get("Repr-Digest"), repr_digest(self.body))


class Cuts(TusCase):
    """One upload, cut at random byte positions, by whatever can cut it."""

    def test_it_arrives_whatever_cuts_it(self):
        seed = int(os.environ.get("RINGDROP_SEED", random.SystemRandom().randrange(10**6)))
        print(f"seed {seed} (RINGDROP_SEED={seed} repeats the choices)")
        chance = random.Random(seed)
        here = self.server("--loops", "2", "--digest", "always", "--supersede-timeout", "10s")
        body = chance.randbytes(6 * MIB + chance.randrange(4096))
        cuts = sorted(chance.sample(range(1, len(body)), CUTS))
        kinds = ["reset", "reset", "close", "head", "head", "patch", "patch", "kill"] * (CUTS // 8)
        chance.shuffle(kinds)
        upload = self.create(here, len(body), metadata(filename="cut"))
        wire, last, done = None, 0, []
        for cut, kind in zip(cuts, kinds, strict=True):
            done.append(f"{kind} at {cut}")
            if wire is None:
                offset = self.offset(here, upload)
                self.assertGreaterEqual(offset, last, f"the offset decreased: {done[-3:]}")
                self.assertLess(offset, cut)
                is_chunked = chance.random() < 0.4
                wire = self.begin(here, upload, offset, len(body) - offset, is_chunked=is_chunked)
            wire.send(self.pieces(body[offset:cut], is_chunked, chance))
            last = offset
            offset, wire = self.cut(here, upload, kind, wire, (cut, len(body)))
            if wire is not None:
                is_chunked, last = False, cut
        if wire is not None:
            wire.reset()
        link = self.finish(here, upload, body)
        self.assertEqual(here.get(link).get("Repr-Digest"), repr_digest(body))
        self.assertEqual(len(here.stored_files()), 1)

    @staticmethod
    def pieces(data, is_chunked, chance):
        """The bytes as they go over the wire: as whole chunks, or as they are."""
        if not is_chunked:
            return data
        sent, at = b"", 0
        while at < len(data):
            size = chance.randrange(1, 100_000)
            piece = data[at:at + size]
            sent += b"%x\r\n%b\r\n" % (len(piece), piece)
            at += size
        return sent

    def cut(self, here, upload, kind, wire, where):
        """Ends the request; (offset, connection) of the one that goes on with it at once, or (None, None)."""
        at, size = where
        if kind == "reset":
            wire.reset()
        if kind == "close":
            wire.close()
        if kind == "kill":
            here.kill9()
            wire.close()
            here.start()
        if kind == "head":  # at once; what it says is accepted next, by begin()
            with here.connect() as other:
                other.send(request("HEAD", upload, TUS))
                offset = int(self.assert_tus(other.read_final(to_head=True), 200).get("Upload-Offset"))
            self.assertLessEqual(offset, at)
            self.assertNotIn(b" 204 ", read_what_comes(wire))
            newer = self.begin(here, upload, offset, size - offset)
            return offset, newer
        if kind == "patch":
            wait_taken(wire)
            newer = self.begin(here, upload, at, size - at)
            self.assertNotIn(b" 204 ", read_what_comes(wire))
            return at, newer
        return None, None


TUSPY = """
import sys
from tusclient.client import TusClient
url, path = sys.argv[1:]
client = TusClient(url)
first = client.uploader(path, chunk_size=100_000, metadata={"filename": "from tuspy"}, upload_checksum=True)
first.upload_chunk()
first.upload_chunk()
second = client.uploader(path, url=first.url, chunk_size=100_000, upload_checksum=True)
assert second.offset == 200_000, second.offset
second.upload()
print(first.url)
"""


def has_tuspy():
    command = ["/usr/bin/python3", "-c", "import tusclient"]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


class Tuspy(TusCase):
    """A client that somebody else wrote."""

    @unittest.skipUnless(has_tuspy(), "no python3-tuspy")
    def test_it_uploads_with_checksums_and_resumes(self):
        here = self.server()
        file = make_file(self.directory / "f", 555_555)
        done = subprocess.run(["/usr/bin/python3", "-c", TUSPY, here.url + "/uploads", str(file)], capture_output=True,
                              check=False, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        upload = path_in(done.stdout.decode().strip())
        head = self.assert_tus(self.ask(here, "HEAD", upload), 200)
        self.assert_arrived(here, path_in(head.get("Upload-Link")), file.read_bytes())
        self.assertEqual(name_of(here.get(path_in(head.get("Upload-Link")))), b"from tuspy")


if __name__ == "__main__":
    main()
