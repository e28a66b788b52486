#!/usr/bin/env python3
"""A plain upload under an id of the client's: what broke off is kept, and tus goes on with it."""

from harness import KIB, MIB, EndToEnd, chunked, main, path_of, random_bytes, request, wait_until

TUS = "Tus-Resumable: 1.0.0"
APPEND = "Content-Type: application/offset+octet-stream"
ID = "my-own-name_of-the-upload-0123"
BODY = random_bytes(3 * MIB + 77, "upload id")


class UploadId(EndToEnd):
    """PUT with Upload-Id."""

    def setUp(self):
        super().setUp()
        self.here = self.server()

    def offset(self, upload_id=ID):
        answer = self.here.exchange(request("HEAD", f"/uploads/{upload_id}", TUS), to_head=True)
        self.assertEqual(answer.status, 200, answer)
        return int(answer.get("Upload-Offset"))

    def stored_bytes(self):
        return sum((self.here.data / file).stat().st_size for file in self.here.stored_files())

    def go_on(self, offset, upload_id=ID, *fields):
        return self.here.exchange(request("PATCH", f"/uploads/{upload_id}", TUS, APPEND, f"Upload-Offset: {offset}",
                                          *fields, body=BODY[offset:]))

    def break_off(self, after, *fields, head=None):
        with self.here.connect() as wire:
            wire.send(request("PUT", "/film.mkv", f"Upload-Id: {ID}", *fields))
            wire.send(BODY[:after] if head is None else head + BODY[:after])
            wait_until(lambda: self.stored_bytes() >= after // 2,
                       "some of it is stored")
            wire.reset()

    def test_an_upload_that_is_not_disturbed_is_an_upload_like_any_other(self):
        for fields, body in (([], BODY), (["Transfer-Encoding: chunked"], chunked(BODY[:MIB], BODY[MIB:]))):
            name = f"{ID}{len(fields)}"
            answer = self.here.exchange(request("PUT", "/film.mkv", f"Upload-Id: {name}", "Max-Downloads: 2", *fields,
                                                body=body if not fields else b"") + (body if fields else b""))
            self.assertEqual(answer.status, 201, answer)
            self.assertTrue(answer.get("Location").endswith("/film.mkv"))
            self.assertEqual(self.here.get(path_of(answer)).body, BODY)
            self.assertEqual(self.offset(name), len(BODY))

    def test_what_broke_off_is_finished_by_tus(self):
        self.break_off(2 * MIB, f"Content-Length: {len(BODY)}", "Max-Downloads: 7")
        offset = self.offset()
        self.assertGreater(offset, 0)
        done = self.go_on(offset)
        self.assertEqual(done.status, 204, done)
        path = done.get("Upload-Link").removeprefix("http://ringdrop.test")
        self.assertEqual(self.here.get(path).body, BODY)
        info = self.here.get(f"/api/links/{path.split('/')[1]}").body
        self.assertIn(b'"downloads_left":6', info)
        self.assertIn(b'"name":"film.mkv"', info)

    def test_it_survives_kill_9(self):
        self.break_off(2 * MIB, f"Content-Length: {len(BODY)}")
        before = self.offset()
        self.here.kill9()
        self.here.start()
        self.assertEqual(self.offset(), before)
        done = self.go_on(before)
        self.assertEqual(done.status, 204, done)
        self.assertEqual(self.here.get(done.get("Upload-Link").removeprefix("http://ringdrop.test")).body, BODY)

    def test_a_chunked_one_that_broke_off_learns_its_length_later(self):
        self.break_off(MIB, "Transfer-Encoding: chunked", head=b"%x\r\n" % len(BODY))
        offset = self.offset()
        done = self.go_on(offset, ID, f"Upload-Length: {len(BODY)}")
        self.assertEqual(done.status, 204, done)
        self.assertEqual(self.here.get(done.get("Upload-Link").removeprefix("http://ringdrop.test")).body, BODY)

    def test_an_id_that_is_known_is_409_and_nothing_is_changed(self):
        self.break_off(MIB, f"Content-Length: {len(BODY)}")
        offset = self.offset()
        answer = self.here.exchange(request("PUT", "/x", f"Upload-Id: {ID}", body=b"other"))
        self.assertEqual(answer.status, 409, answer)
        self.assertEqual(self.offset(), offset)
        self.assertEqual(len(self.here.stored_files()), 1)

    def test_what_is_no_id_is_400(self):
        for upload_id in ("short", "x" * 65, "with a space in the middle of", "a/b/c/d/e/f/g/h/i/j/k/l", ""):
            answer = self.here.exchange(request("PUT", "/x", f"Upload-Id: {upload_id}", body=b"x"))
            self.assertEqual(answer.status, 400, upload_id)
            self.assertIn(b"bad_upload_id", answer.body)
        self.assertEqual(self.here.stored(), [])

    def test_digests_are_verified_over_all_of_the_parts(self):
        import base64
        import hashlib
        right = base64.b64encode(hashlib.sha256(BODY).digest()).decode()
        self.break_off(MIB + 100 * KIB, f"Content-Length: {len(BODY)}", f"Repr-Digest: sha-256=:{right}:")
        self.here.kill9()
        self.here.start()
        done = self.go_on(self.offset())
        self.assertEqual(done.status, 204, done)
        wrong = "A" * 43 + "="
        answer = self.here.exchange(request("PUT", "/x", f"Upload-Id: {ID}2", f"Repr-Digest: sha-256=:{wrong}:",
                                            body=b"x"))
        self.assertEqual(answer.status, 400, answer)
        self.assertIn(b"digest_mismatch", answer.body)
        gone = self.here.exchange(request("HEAD", f"/uploads/{ID}2", TUS), to_head=True)
        self.assertEqual(gone.status, 410)
        again = self.here.exchange(request("PUT", "/x", f"Upload-Id: {ID}2", body=b"x"))
        self.assertEqual(again.status, 409, again)
        self.assertIn(b"upload_id_in_use", again.body)


if __name__ == "__main__":
    main()
