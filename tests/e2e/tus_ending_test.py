#!/usr/bin/env python3
"""tus 1.0.0: how an upload ends: the extensions expiration and termination, and the link that it becomes."""

import hashlib
import json
import time
from email.utils import parsedate_to_datetime

from harness import MIB, main, random_bytes, request, wait_until
from http_tools import TOKEN, name_of, token_of
from tus_tools import OFFSET_TYPE, TUS, TusCase, metadata, path_in, repr_digest


class Together(TusCase):
    """Requests that come in one moment."""

    def test_a_cancel_is_answered_though_another_request_comes_behind_it(self):
        # As a browser does: it repeats the append that the cancelling one has cut.
        here = self.server("--loops", "2")
        for turn in range(150):
            upload = self.create(here, 9)
            running = self.begin(here, upload, 0, 9)
            running.send(b"1234")
            with here.connect() as cancelling, here.connect() as again:
                cancelling.send(request("DELETE", upload, TUS))
                again.send(request(("PATCH", "HEAD")[turn % 2], upload, TUS, OFFSET_TYPE, "Upload-Offset: 4",
                                   *(() if turn % 2 else ("Content-Length: 5",))))
                answer = cancelling.read_final()
                self.assertIn(answer.status, (204, 410), turn)
                self.assert_tus(answer, answer.status)
            running.close()


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
        here = self.server("--upload-expires", "2s")
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
        here = self.server("--upload-expires", "2s", "--finished-upload-ttl", "1s")
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

    def test_one_whose_time_is_over_is_not_woken_before_the_sweeper_comes(self):
        here = self.server("--upload-expires", "1s", "--finished-upload-ttl", "2s")
        uploads = [self.create(here, 9) for _ in range(3)]
        ended = self.create(here, 0)
        here.kill9()
        over = time.time() + 2.5
        wait_until(lambda: time.time() > over, "their time is over")
        here.start()
        for upload, method in zip(uploads, ("HEAD", "PATCH", "DELETE"), strict=True):
            answer = self.ask(here, method, upload, OFFSET_TYPE, "Upload-Offset: 0", body=b"x" * (method == "PATCH"))
            self.assert_tus(answer, 410)
        self.assert_tus(self.ask(here, "HEAD", ended), 404)
        wait_until(lambda: len(here.stored_files()) == 1, "only the link is left")
        for upload in uploads:
            self.assertEqual(json.loads(here.get(f"{upload}/progress").body)["reason"], "expired")


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

    def test_the_end_tells_digest_and_expiry_that_were_asked_for(self):
        here = self.server("--max-expiry", "1h")
        wishes = ["Want-Repr-Digest: sha-256=1", "Expires-In: 7d"]
        plain = here.exchange(request("PUT", "/f", *wishes, body=self.body))
        upload = self.create(here, len(self.body), *wishes)
        done = self.assert_tus(self.patch(here, upload, 0, self.body), 204)
        at_once = self.ask(here, "POST", "/uploads", OFFSET_TYPE, f"Upload-Length: {len(self.body)}", *wishes,
                           body=self.body)
        for answer in (plain, done, at_once):
            self.assertEqual(answer.get("Repr-Digest"), repr_digest(self.body), answer)
        # To a GET the field would be of the JSON (RFC 9530), and HEAD answers as GET does.
        heads = [here.exchange(request("HEAD", upload), to_head=True), self.ask(here, "HEAD", upload)]
        views = [here.get(upload), self.ask(here, "GET", upload)]
        for answer in (*heads, *views):
            self.assertIsNone(answer.get("Repr-Digest"), answer)
        info = here.get(f"/api/links/{token_of(path_in(done.get('Upload-Link')))}")
        for answer in (info, *views):
            self.assertEqual(json.loads(answer.body)["digest"], {"sha-256": hashlib.sha256(self.body).hexdigest()})
        for answer in (plain, done, at_once, *heads, *views):
            self.assertAlmostEqual(int(answer.get("X-Expires")) / 1000 - time.time(), 3600, delta=60)
            self.assertTrue(path_in(answer.get("X-Url-Delete")).endswith("/" + answer.get("X-Token")), answer)

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


if __name__ == "__main__":
    main()
