#!/usr/bin/env python3
"""GET /uploads/{id}: an upload seen by its uploader, while it runs, rests, is complete, has ended."""

import contextlib
import json
import re
import sqlite3
import time

from harness import MIB, EndToEnd, main, random_bytes, request, wait_until
from tus_tools import path_in

TUS = "Tus-Resumable: 1.0.0"
PIECE = "Content-Type: application/offset+octet-stream"


class UploadView(EndToEnd):
    def setUp(self):
        super().setUp()
        self.here = self.server()

    def create(self, *fields):
        answer = self.here.exchange(request("POST", "/uploads", TUS, *fields))
        self.assertEqual(answer.status, 201, answer)
        return answer.get("Location")

    def view(self, upload, *fields):
        answer = self.here.exchange(request("GET", upload, *fields))
        self.assertEqual((answer.status, answer.get("Cache-Control"), answer.get("Content-Type")),
                         (200, "no-store", "application/json"), answer)
        return json.loads(answer.body), answer

    def test_it_tells_everything_from_the_creation_to_the_link(self):
        upload = self.create("Upload-Length: 10", "Watch-Id: my-watch-id-of-22-chars")
        seen, answer = self.view(upload)
        self.assertRegex(seen.pop("started_at"), r"^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        self.assertEqual(seen, {"id": upload.removeprefix("/uploads/"), "watch": "my-watch-id-of-22-chars",
                                "state": "waiting", "bytes_stored": 0, "bytes_total": 10})
        self.assertEqual([answer.get(name) for name in ("Upload-Offset", "Upload-Length", "Upload-Complete")],
                         ["0", "10", "?0"], answer)
        self.here.exchange(request("PATCH", upload, TUS, PIECE, "Upload-Offset: 0", body=b"0123"))
        seen, answer = self.view(upload, TUS)
        self.assertEqual((seen["state"], seen["bytes_stored"], answer.get("Upload-Offset"),
                          answer.get("Tus-Resumable")), ("paused", 4, "4", "1.0.0"))
        done = self.here.exchange(request("PATCH", upload, TUS, PIECE, "Upload-Offset: 4", body=b"456789"))
        seen, answer = self.view(upload)
        self.assertEqual((seen["state"], seen["bytes_stored"], seen["url"], answer.get("Upload-Complete"),
                          answer.get("Upload-Link")),
                         ("complete", 10, done.get("Upload-Link"), "?1", done.get("Upload-Link")))

    def test_its_fields_are_those_of_a_head_in_the_protocol_that_asks(self):
        part, described = "Upload-Concat: partial", "Upload-Metadata: filename Zi50eHQ=,empty"
        fresh = self.create("Upload-Defer-Length: 1", described)
        rests = self.create("Upload-Length: 10", part)
        self.here.exchange(request("PATCH", rests, TUS, PIECE, "Upload-Offset: 0", body=b"0123"))
        whole = self.create("Upload-Length: 4", described, PIECE)
        self.here.exchange(request("PATCH", whole, TUS, PIECE, "Upload-Offset: 0", body=b"0123"))
        piece = self.create("Upload-Length: 0", part)
        final = self.create(f"Upload-Concat: final;{piece}")
        ended = self.create("Upload-Length: 0", described)
        self.here.exchange(request("DELETE", path_in(self.view(ended)[1].get("X-Url-Delete"))))
        of_content = {"content-type", "content-length", "x-content-type-options", "date"}
        passing = {"upload-limit", "upload-expires"}  # a HEAD gives an unfinished one its whole time again
        for upload in (fresh, rests, whole, final, ended):
            for protocol in ([TUS], []):
                seen = self.view(upload, *protocol)[1]
                head = self.here.exchange(request("HEAD", upload, *protocol), to_head=True)
                self.assertIn(head.status, (200, 204))
                of_seen, of_head = ({name.lower(): value for name, value in answer.fields if name.lower() not in of_content}
                                    for answer in (seen, head))
                self.assertEqual(of_seen.keys(), of_head.keys())
                for name in of_head.keys() - passing:
                    self.assertEqual(of_seen[name], of_head[name], name)

    def test_of_one_that_is_gone_no_offset_is_told(self):
        cancelled = self.create("Upload-Length: 10")
        self.here.exchange(request("PATCH", cancelled, TUS, PIECE, "Upload-Offset: 0", body=b"0123"))
        self.here.exchange(request("DELETE", cancelled, TUS))
        used = self.create("Upload-Length: 0", "Upload-Concat: partial")
        self.create(f"Upload-Concat: final;{used}")
        for upload, state in ((cancelled, "cancelled"), (used, "complete")):
            for protocol in ([TUS], []):
                self.assertEqual(self.here.exchange(request("HEAD", upload, *protocol), to_head=True).status, 410)
                seen, answer = self.view(upload, *protocol)
                self.assertEqual(seen["state"], state)
                self.assertEqual([name for name, _ in answer.fields if name.startswith("Upload-")], [])

    def test_one_whose_time_is_over_is_seen_as_by_a_head_before_the_sweeper_comes(self):
        here = self.here = self.server("--upload-expires", "1s", "--finished-upload-ttl", "1s")
        rests = self.create("Upload-Length: 10")
        here.exchange(request("PATCH", rests, TUS, PIECE, "Upload-Offset: 0", body=b"0123"))
        ended = self.create("Upload-Length: 0")
        with contextlib.closing(sqlite3.connect(here.data / "catalogue.sqlite3", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")  # until its end nothing is swept
            wait_until(lambda: self.view(rests)[0]["state"] == "failed", "it has expired")
            for protocol in ([TUS], []):
                seen, answer = self.view(rests, *protocol)
                self.assertEqual((seen["state"], seen["bytes_stored"]), ("failed", 0))
                self.assertEqual([name for name, _ in answer.fields if name.startswith("Upload-")], [])
            for target in (ended, f"{ended}/progress"):
                wait_until(lambda path=target: here.get(path).status == 404, "it is forgotten")
        for upload, status in ((rests, 410), (ended, 404)):
            wait_until(lambda path=upload, then=status: here.exchange(request("HEAD", path, TUS),
                                                                      to_head=True).status == then, "HEAD agrees")

    def test_one_that_is_looked_after_has_not_expired_whatever_the_catalogue_says(self):
        # What slides is written down seconds later.
        here = self.here = self.server("--upload-expires", "3s")
        runs, rests = self.create("Upload-Length: 9"), self.create("Upload-Length: 9")
        over = time.time() + 3.5
        with here.connect() as wire:
            wire.send(request("PATCH", runs, TUS, PIECE, "Upload-Offset: 0", "Content-Length: 9") + b"1234")
            wait_until(lambda: self.view(runs)[0]["state"] == "receiving", "it runs")
            while time.time() < over:
                self.assertEqual(here.exchange(request("HEAD", rests, TUS), to_head=True).status, 200)
                self.assertEqual(self.view(rests)[0]["state"], "waiting")
                self.assertEqual(self.view(runs)[0]["state"], "receiving")
            done = wire.send(b"56789").read_final()
        self.assertEqual((done.status, done.get("Upload-Offset")), (204, "9"), done)

    def test_a_look_does_not_take_the_upload_from_the_request_that_has_it(self):
        body = random_bytes(8 * MIB, "view")
        upload = self.create(f"Upload-Length: {len(body)}")
        with self.here.connect() as wire:
            wire.send(request("PATCH", upload, TUS, PIECE, "Upload-Offset: 0", f"Content-Length: {len(body)}"))
            wire.send(body[:5 * MIB])
            wait_until(lambda: self.view(upload)[0]["bytes_stored"] >= 4 * MIB, "bytes are seen while they come")
            seen, answer = self.view(upload)
            self.assertEqual(seen["state"], "receiving")
            # What is told as an offset is durable; what is only seen need not be yet.
            self.assertLessEqual(int(answer.get("Upload-Offset")), seen["bytes_stored"])
            done = wire.send(body[5 * MIB:]).read_final()
        self.assertEqual((done.status, done.get("Upload-Offset")), (204, str(len(body))), done)

    def test_it_is_seen_after_a_restart_and_when_it_has_ended(self):
        rests = self.create("Upload-Length: 10")
        self.here.exchange(request("PATCH", rests, TUS, PIECE, "Upload-Offset: 0", body=b"0123"))
        whole = self.create("Upload-Length: 0")
        gone = self.create("Upload-Length: 10")
        self.here.exchange(request("DELETE", gone, TUS))
        before = {upload: self.view(upload)[0] for upload in (rests, whole, gone)}
        self.assertEqual([before[upload]["state"] for upload in (rests, whole, gone)],
                         ["paused", "complete", "cancelled"])
        self.here.kill9()
        self.here.start()
        for upload, seen in before.items():
            now = self.view(upload)[0]
            now["url"] = re.sub(r":\d+/", ":0/", now.get("url", ""))
            seen["url"] = re.sub(r":\d+/", ":0/", seen.get("url", ""))
            self.assertEqual(now, seen)

    def test_a_complete_one_whose_link_was_deleted_is_cancelled(self):
        whole = self.create("Upload-Length: 0")
        self.assertEqual(self.view(whole)[0]["state"], "complete")
        self.here.exchange(request("DELETE", whole, TUS))
        seen, answer = self.view(whole)
        self.assertEqual((seen["state"], seen.get("url"), answer.get("Upload-Link")), ("cancelled", None, None))

    def test_one_that_nobody_knows_is_not_found(self):
        self.assertEqual(self.here.get("/uploads/" + "0" * 22).status, 404)

    def test_a_watch_id_names_one_upload(self):
        name = "Watch-Id: this-one-is-in-use-already"
        upload = self.create("Upload-Length: 10", name)
        for kind in (request("POST", "/uploads", TUS, "Upload-Length: 1", name), request("PUT", "/f", name, body=b"x")):
            answer = self.here.exchange(kind)
            self.assertEqual(answer.status, 409, answer)
            self.assertIn(b"watch_id_in_use", answer.body)
        self.here.kill9()
        self.here.start()
        for kind in (request("POST", "/uploads", TUS, "Upload-Length: 1", name), request("PUT", "/f", name, body=b"x")):
            answer = self.here.exchange(kind)
            self.assertEqual(answer.status, 409, answer)
            self.assertIn(b"watch_id_in_use", answer.body)
        self.assertEqual(self.view(upload)[0]["watch"], "this-one-is-in-use-already")
        for bad in ("short", "x" * 65, "with spaces in it, and a comma"):
            answer = self.here.exchange(request("PUT", "/f", f"Watch-Id: {bad}", body=b"x"))
            self.assertEqual(answer.status, 400, answer)
            self.assertIn(b"bad_watch_id", answer.body)


if __name__ == "__main__":
    main()
