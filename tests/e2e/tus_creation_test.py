#!/usr/bin/env python3
"""tus 1.0.0 by raw bytes: the extensions creation, creation-with-upload and creation-defer-length."""

from harness import KIB, MIB, chunked, main, random_bytes, request
from http_tools import all_of
from tus_tools import NOBODY, OFFSET_TYPE, TUS, TusCase, base64_of, checksum, metadata, path_in


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

    def test_a_bad_length_is_told_why(self):
        for fields, why in ((["Upload-Length: five"], b"is not a number of bytes"), ([], b"is needed"),
                            (["Upload-Length: 5", "Upload-Defer-Length: 1"], b"is needed"),
                            (["Upload-Length: 5", f"Upload-Concat: final;{NOBODY}"], b"as long as its parts")):
            answer = self.ask(self.here, "POST", "/uploads", *fields)
            self.assertIn(why, self.assert_tus(answer, 400, "bad_upload_length").body)
        upload = self.create(self.here, 5)
        for length, why in (("x", b"is not a number of bytes"), ("6", b"is another than before")):
            answer = self.patch(self.here, upload, 0, b"1", f"Upload-Length: {length}")
            self.assertIn(why, self.assert_tus(answer, 400, "bad_upload_length").body)

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


if __name__ == "__main__":
    main()
