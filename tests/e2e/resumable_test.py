#!/usr/bin/env python3
"""Resumable uploads for HTTP (draft-ietf-httpbis-resumable-upload), interop version 8, by raw bytes and by curl alone."""

import re
import subprocess

from harness import MIB, EndToEnd, main, make_file, path_of, random_bytes, request, sha256_of, wait_until

VERSION = "Upload-Draft-Interop-Version: 8"
PART = "Content-Type: application/partial-upload"
BODY = random_bytes(2 * MIB + 99, "resumable")


class Resumable(EndToEnd):
    def setUp(self):
        super().setUp()
        self.here = self.server()

    def create(self, body=b"", complete="?0", *fields, target="/film.mkv", method="PUT"):
        with self.here.connect() as wire:
            wire.send(request(method, target, VERSION, f"Upload-Complete: {complete}", *fields, body=body))
            first = wire.read_response()
            return first, wire.read_final() if first.status < 200 else first

    def append(self, location, offset, body, complete, *fields):
        return self.here.exchange(request("PATCH", location, VERSION, PART, f"Upload-Offset: {offset}",
                                          f"Upload-Complete: {complete}", *fields, body=body))

    def head(self, location):
        return self.here.exchange(request("HEAD", location, VERSION), to_head=True)

    def test_a_creation_is_told_its_location_before_its_content_is_read(self):
        with self.here.connect() as wire:
            wire.send(request("PUT", "/film.mkv", VERSION, "Upload-Complete: ?1", f"Content-Length: {len(BODY)}"))
            made = wire.read_response()
            self.assertEqual(made.status, 104, made)
            self.assertRegex(made.get("Location"), r"^/uploads/[0-9A-Za-z]{22}$")
            self.assertIn("max-size=", made.get("Upload-Limit"))
            self.assertEqual(made.get("Upload-Draft-Interop-Version"), "8")
            done = wire.send(BODY).read_final()
        self.assertEqual((done.status, done.get("Upload-Complete")), (201, "?1"), done)
        self.assertEqual(self.here.get(path_of(done)).body, BODY)

    def test_a_client_that_does_not_say_so_gets_no_104(self):
        for version in ([], ["Upload-Draft-Interop-Version: 6"], ["Upload-Draft-Interop-Version: 9"]):
            with self.here.connect() as wire:
                wire.send(request("PUT", "/f", "Upload-Complete: ?1", *version, body=b"x"))
                self.assertEqual(wire.read_response().status, 201)

    def test_in_an_unknown_version_it_is_an_ordinary_upload_and_no_piece_becomes_a_link(self):
        # 3 is draft 01, which URLSession speaks: there the field is Upload-Incomplete.
        ways = [(version, "Upload-Complete: ?1", "Upload-Complete: ?0") for version in ("0", "3", "7", "9")]
        for version, whole, piece in (*ways, ("3", "Upload-Incomplete: ?0", "Upload-Incomplete: ?1")):
            fields = [f"Upload-Draft-Interop-Version: {version}"]
            for method, target in (("PUT", "/film.mkv"), ("POST", "/")):
                with self.here.connect() as wire:
                    wire.send(request(method, target, *fields, whole, body=BODY))
                    done = wire.read_response()
                self.assertEqual(done.status, 201, done)
                self.assertEqual([done.get(name) for name in ("Upload-Complete", "Upload-Offset", "Upload-Watch")],
                                 [None] * 3)
                self.assertEqual(self.here.get(path_of(done)).body, BODY)
                before = self.here.stored()
                refused = self.here.exchange(request(method, target, *fields, piece, body=BODY[:9]))
                self.assertEqual(refused.status, 400, refused)
                self.assertIn(b"unknown_upload_protocol", refused.body)
                with self.here.connect() as wire:
                    wire.send(request(method, target, *fields, whole, "Content-Length: 100000") + b"piece")
                    wait_until(lambda: self.here.stored() != before, "it has a file")
                wait_until(lambda: self.here.stored() == before, "what broke off is not kept")
            answer = self.here.exchange(request("POST", "/uploads", *fields, whole, body=b"x"))
            self.assertEqual(answer.status, 400, answer)
            self.assertIn(b"unknown_upload_protocol", answer.body)

    def test_a_careful_creation_then_appends_then_the_end(self):
        _, made = self.create(b"", "?0", "Max-Downloads: 5")
        self.assertEqual((made.status, made.get("Upload-Complete"), made.get("Upload-Offset")), (201, "?0", "0"), made)
        location = made.get("Location")
        for begin, end in ((0, 1), (1, 70_000), (70_000, 70_000), (70_000, MIB)):
            answer = self.append(location, begin, BODY[begin:end], "?0")
            self.assertEqual((answer.status, answer.get("Upload-Offset")), (204, str(end)), answer)
        state = self.head(location)
        self.assertEqual((state.status, state.get("Upload-Offset"), state.get("Upload-Complete"),
                          state.get("Cache-Control")), (204, str(MIB), "?0", "no-store"), state)
        done = self.append(location, MIB, BODY[MIB:], "?1")
        self.assertEqual((done.status, done.get("Upload-Complete")), (201, "?1"), done)
        self.assertTrue(done.get("Location").endswith("/film.mkv"))
        self.assertEqual(self.here.get(path_of(done)).body, BODY)
        state = self.head(location)
        self.assertEqual((state.get("Upload-Offset"), state.get("Upload-Complete"), state.get("Upload-Length")),
                         (str(len(BODY)), "?1", str(len(BODY))), state)
        # The answer was lost: it is given again to who asks with nothing more to send.
        again = self.append(location, len(BODY), b"", "?1")
        self.assertEqual((again.status, again.get("Location")), (201, done.get("Location")), again)

    def test_a_wrong_offset_is_409_with_the_right_one_and_changes_nothing(self):
        _, made = self.create(BODY[:1000], "?0")
        for offset in (0, 999, 1001, 10**14):
            answer = self.append(made.get("Location"), offset, b"x" * 10, "?0")
            self.assertEqual((answer.status, answer.get("Upload-Offset"), answer.get("Upload-Complete")),
                             (409, "1000", "?0"), answer)
        self.assertEqual(self.head(made.get("Location")).get("Upload-Offset"), "1000")

    def test_lengths_that_contradict_are_refused(self):
        for fields in (["Upload-Length: 5"], ["Upload-Length: 500"]):
            _, answer = self.create(b"x" * 100, "?1", *fields)
            self.assertEqual(answer.status, 400, answer)
            self.assertIn(b"inconsistent_upload_length", answer.body)
        _, made = self.create(b"x" * 10, "?0", "Upload-Length: 100")
        location = made.get("Location")
        self.assertEqual(self.append(location, 10, b"x" * 10, "?1").status, 400)
        self.assertEqual(self.append(location, 10, b"x" * 10, "?0", "Upload-Length: 99").status, 400)
        self.assertEqual(self.append(location, 10, b"x" * 90, "?1").status, 201)

    def test_an_append_needs_its_fields_and_its_type(self):
        _, made = self.create(b"", "?0")
        location = made.get("Location")
        for fields in ([PART, "Upload-Offset: 0"], [PART, "Upload-Complete: ?1"],
                       [PART, "Upload-Offset: \"0\"", "Upload-Complete: ?1"]):
            self.assertEqual(self.here.exchange(request("PATCH", location, *fields, body=b"x")).status, 400, fields)
        wrong = self.here.exchange(request("PATCH", location, "Content-Type: text/plain", "Upload-Offset: 0",
                                           "Upload-Complete: ?1", body=b"x"))
        self.assertEqual(wrong.status, 415)
        # Interop version 5 names no type.
        old = self.here.exchange(request("PATCH", location, "Upload-Offset: 0", "Upload-Complete: ?0", body=b"x"))
        self.assertEqual(old.status, 204, old)
        self.assertIn("application/partial-upload", wrong.get("Accept-Patch"))

    def test_a_cancelled_upload_is_gone(self):
        _, made = self.create(BODY[:1000], "?0")
        self.assertEqual(self.here.exchange(request("DELETE", made.get("Location"))).status, 204)
        self.assertEqual(self.head(made.get("Location")).status, 410)
        self.assertEqual(self.append(made.get("Location"), 1000, b"x", "?1").status, 410)
        wait_until(lambda: not self.here.stored_files(), "its bytes are gone")
        self.assertEqual(self.head("/uploads/" + "A" * 22).status, 404)

    def test_a_new_request_takes_the_upload_over(self):
        with self.here.connect() as wire:
            wire.send(request("PUT", "/film.mkv", VERSION, "Upload-Complete: ?1", f"Content-Length: {len(BODY)}"))
            location = wire.read_response().get("Location")
            wire.send(BODY[:MIB])
            state = self.head(location)
            offset = int(state.get("Upload-Offset"))
            self.assertTrue(wire.is_closed())
        done = self.append(location, offset, BODY[offset:], "?1")
        self.assertEqual(done.status, 201, done)
        self.assertEqual(self.here.get(path_of(done)).body, BODY)

    def test_what_tus_began_ends_by_this_protocol_and_the_other_way_round(self):
        tus = "Tus-Resumable: 1.0.0"
        octets = "Content-Type: application/offset+octet-stream"
        made = self.here.exchange(request("POST", "/uploads", tus, f"Upload-Length: {len(BODY)}"))
        location = made.get("Location")
        self.here.exchange(request("PATCH", location, tus, octets, "Upload-Offset: 0", body=BODY[:MIB]))
        done = self.append(location, MIB, BODY[MIB:], "?1")
        self.assertEqual(done.status, 201, done)
        self.assertEqual(self.here.get(path_of(done)).body, BODY)
        _, made = self.create(BODY[:MIB], "?0", f"Upload-Length: {len(BODY)}")
        done = self.here.exchange(request("PATCH", made.get("Location"), tus, octets, f"Upload-Offset: {MIB}",
                                          body=BODY[MIB:]))
        self.assertEqual(done.status, 204, done)
        self.assertEqual(self.here.get(done.get("Upload-Link").removeprefix("http://ringdrop.test")).body, BODY)

    def test_post_creates_too(self):
        for target in ("/", "/uploads"):
            first, done = self.create(b"xyz", "?1", target=target, method="POST")
            self.assertEqual((first.status, done.status), (104, 201), done)
            self.assertEqual(self.here.get(path_of(done)).body, b"xyz")

    def test_curl_alone_resumes(self):
        file = make_file(self.directory / "big.iso", 8 * MIB)
        head = self.directory / "head"
        command = ["curl", "-s", "-D", head, "-T", file, "-H", VERSION, "-H", "Upload-Complete: ?1", "--limit-rate",
                   "3M", self.here.url + "/big.iso"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as cut:
            wait_until(lambda: self.here.stored_files() and
                       (self.here.data / self.here.stored_files()[0]).stat().st_size > MIB, "some of it is stored")
            cut.kill()
        location = re.search(r"(?mi)^location: *(\S+)", head.read_text("ascii")).group(1)
        told = self.curl_ok("-I", "-H", VERSION, self.here.url + location).decode("ascii")
        offset = int(re.search(r"(?mi)^upload-offset: *(\d+)", told).group(1))
        self.assertGreater(offset, MIB)
        rest = self.directory / "rest"
        rest.write_bytes(file.read_bytes()[offset:])
        with open(rest, "rb") as source:
            url = self.curl_ok("-X", "PATCH", "-T", "-", "-H", f"Upload-Offset: {offset}", "-H", "Upload-Complete: ?1",
                               "-H", PART, "-H", VERSION, self.here.url + location, stdin=source).decode().strip()
        self.assertEqual(self.fetch_sha256(url), sha256_of(file))

    def test_options_tell_the_limits(self):
        for target in ("/", "/uploads", "/uploads/" + "A" * 22):
            answer = self.here.exchange(request("OPTIONS", target))
            self.assertIn("max-size=", answer.get("Upload-Limit"))
            self.assertIn("application/partial-upload", answer.get("Accept-Patch"))


if __name__ == "__main__":
    main()
