#!/usr/bin/env python3
"""tus 1.0.0 by raw bytes: the core protocol, section by section of https://tus.io/protocols/resumable-upload."""

import itertools

from harness import MIB, chunked, main, random_bytes, request
from tus_tools import EXPECT, NOBODY, OFFSET_TYPE, TUS, TusCase, checksum, path_in


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
        # Of the JSON that a GET would have it says nothing (RFC 9110 8.6).
        for name in ("Upload-Defer-Length", "Upload-Metadata", "Upload-Link", "X-Url-Delete", "Content-Length",
                     "Transfer-Encoding", "Connection"):
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
                answer = self.assert_tus(self.here.exchange(data), 415)
                self.assertIn("application/offset+octet-stream", answer.get("Accept-Patch"))
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

    def test_a_413_says_whose_limit_it_is(self):
        own, servers = b"what is missing of the upload's own length", b"larger than this server takes"
        here = self.server("--max-upload-size", "1000B")
        sized, open_ended = self.create(here, 100), self.create(here, None)
        streamed = ["Transfer-Encoding: chunked"], chunked(b"y" * 500, b"y" * 501)
        for method, target, fields, body, whose in (
                ("PATCH", sized, ["Upload-Offset: 0", "Content-Length: 101"], b"y" * 101, own),
                ("PATCH", sized, ["Upload-Offset: 0", *streamed[0]], streamed[1], own),
                ("PATCH", open_ended, ["Upload-Offset: 0", "Upload-Length: 9", "Content-Length: 10"], b"y" * 10, own),
                ("POST", "/uploads", ["Upload-Length: 9", "Content-Length: 10"], b"y" * 10, own),
                ("POST", "/uploads", ["Upload-Length: 9", *streamed[0]], streamed[1], own),
                ("PATCH", open_ended, ["Upload-Offset: 0", "Content-Length: 1001"], b"y" * 1001, servers),
                ("PATCH", open_ended, ["Upload-Offset: 0", "Upload-Length: 1001", "Content-Length: 1"], b"y", servers),
                ("PATCH", open_ended, ["Upload-Offset: 0", *streamed[0]], streamed[1], servers),
                ("POST", "/uploads", ["Upload-Length: 1001", "Content-Length: 1"], b"y", servers),
                ("POST", "/uploads", ["Upload-Defer-Length: 1", "Content-Length: 1001"], b"y" * 1001, servers)):
            answer = here.exchange(request(method, target, TUS, OFFSET_TYPE, *fields) + body)
            self.assert_tus(answer, 413, "size_limit_exceeded")
            self.assertIn(whose, answer.body, (method, fields))

    def test_patch_of_a_complete_one_is_refused_and_changes_nothing(self):
        link = self.finish(self.here, self.upload, b"x" * 100)
        for offset, body in ((100, b"y"), (0, b"y" * 100), (50, b"y" * 50)):
            self.assertIn(self.patch(self.here, self.upload, offset, body).status, (403, 409, 413))
        for offset, code in ((100, "upload_complete"), (50, "offset_mismatch")):
            self.assert_tus(self.patch(self.here, self.upload, offset, b"y"), 409, code)
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

    def test_every_answer_carries_the_version(self):
        self.patch(self.here, self.upload, 0, b"x" * 40)
        gone = self.create(self.here, 5)
        self.assert_tus(self.ask(self.here, "DELETE", gone), 204)
        for method, target, fields, body, status in (
                ("POST", "/uploads", [], b"", 400),
                ("POST", "/uploads", ["Upload-Length: 5"], b"", 201),
                ("POST", "/uploads", ["Upload-Length: 5", "Upload-Metadata: ,"], b"", 400),
                ("POST", "/uploads", ["Upload-Length: 5", "Max-Downloads: x"], b"", 400),
                ("POST", "/uploads", [f"Upload-Length: {MIB + 1}"], b"", 413),
                ("POST", "/uploads", ["Upload-Concat: final;/x"], b"", 400),
                ("HEAD", NOBODY, [], b"", 404),
                ("HEAD", gone, [], b"", 410),
                ("PATCH", self.upload, ["Upload-Offset: 40"], b"x", 415),
                ("PATCH", self.upload, [OFFSET_TYPE, "Upload-Offset: 0"], b"x", 409),
                ("PATCH", self.upload, [OFFSET_TYPE, "Upload-Offset: 40", checksum("sha1", b"y")], b"x", 460),
                ("PATCH", self.upload, [OFFSET_TYPE, "Upload-Offset: 40"], b"x" * 61, 413)):
            with self.subTest(method=method, fields=fields):
                self.assert_tus(self.ask(self.here, method, target, *fields, body=body), status)

    def test_a_405_carries_the_version_too(self):
        for method, target in (("DELETE", "/uploads"), ("PUT", self.upload), ("POST", self.upload)):
            self.assert_tus(self.ask(self.here, method, target), 405)

    def test_the_type_of_a_patch_has_no_case(self):
        data = request("PATCH", self.upload, TUS, "Content-Type: Application/Offset+Octet-Stream", "Upload-Offset: 0",
                       body=b"x")
        self.assert_tus(self.here.exchange(data), 204)

    def test_a_patch_of_its_type_and_no_version_is_412(self):
        answer = self.here.exchange(request("PATCH", self.upload, OFFSET_TYPE, "Upload-Offset: 0", body=b"x"))
        self.assertEqual((answer.status, answer.get("Tus-Version")), (412, "1.0.0"), answer)

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
        head = self.assert_tus(ask("HEAD"), 200)
        self.assertEqual((head.get("Upload-Offset"), head.get("Content-Length"), head.body), ("30", "0", b""))
        self.assertNotEqual(ask("PATCH", OFFSET_TYPE, "Upload-Offset: 30", body=b"x", tus=()).status, 204)
        self.assert_tus(ask("PATCH", OFFSET_TYPE, "Upload-Offset: 1", body=b"x"), 409)
        self.assert_unchanged(30)
        for method in ("DELETE", "HEAD", "PATCH"):
            self.assertEqual(ask(method, tus=()).status, 405, "it is of tus alone")
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


if __name__ == "__main__":
    main()
