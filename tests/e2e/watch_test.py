#!/usr/bin/env python3
"""Watching an upload from before its start to its end, whatever protocol it speaks, and whatever becomes of it."""

import hashlib
import os
import signal
import statistics
import time

from harness import KIB, MIB, chunked, main, path_of, random_bytes, request, wait_until
from http_tools import field_part, file_part, form_request
from tus_tools import OFFSET_TYPE, TUS, base64_of, metadata, path_in
from watch_tools import NAMED, WATCH_ID, EventWatcher, WatchCase, WebsocketWatcher

DRAFT = "Upload-Draft-Interop-Version: 8"
PART = "Content-Type: application/partial-upload"
KINDS = (WebsocketWatcher, EventWatcher)
QUICK_STOP = ("--shutdown-grace", "1s")


class Watched(WatchCase):
    """Uploads that come to their end."""

    def setUp(self):
        super().setUp()
        self.here = self.server("--loops", "2")
        self.body = random_bytes(3 * MIB + 17, "watched")

    def assert_whole(self, watcher, url, total):
        """It was told of the end, and then that this was all."""
        end = watcher.last
        self.assertEqual((end["state"], end["url"], end["bytes_stored"], end["bytes_total"]),
                         ("complete", url, total, total))
        self.assertIsNone(watcher.next())
        if isinstance(watcher, WebsocketWatcher):
            self.assertEqual(watcher.code, 1000)
            self.assertTrue(watcher.wire.is_closed())

    def test_a_plain_upload_is_watched_from_before_its_start_by_many_on_both_loops(self):
        watchers = [self.watcher(self.here, kind=kind) for kind in KINDS for _ in range(4)]
        for one in watchers:
            self.assertEqual(one.next(), {"watch": WATCH_ID, "state": "waiting", "bytes_stored": 0,
                                          "bytes_total": None, "rate": None, "eta": None})
        wire = self.begin(self.here, len(self.body), NAMED)
        for one in watchers:
            self.assertEqual(one.until("receiving")["bytes_total"], len(self.body))
        wire.send(self.body[:2 * MIB])
        for one in watchers:
            while one.last["bytes_stored"] < MIB:
                one.until("receiving")
        late = self.watcher(self.here)
        self.assertGreaterEqual(late.until("receiving")["bytes_stored"], MIB)
        made = wire.send(self.body[2 * MIB:]).read_final()
        self.assertEqual(made.get("Upload-Watch"), f"http://ringdrop.test/watch/{WATCH_ID}")
        for one in [*watchers, late]:
            one.until("complete")
            self.assert_whole(one, made.get("Location"), len(self.body))
            self.assertEqual([state for state in one.states() if state != "finishing"],
                             ["waiting", "receiving", "complete"] if one is not late else ["receiving", "complete"])
        self.assertEqual(self.snapshot(self.here)["url"], made.get("Location"))
        self.assertEqual(self.here.get(path_of(made)).body, self.body)

    def test_curl_t_is_watched_by_a_header_or_a_parameter_and_by_curl_n(self):
        file = self.directory / "film"
        file.write_bytes(self.body)
        for turn, arguments in enumerate((["-H", NAMED, "{}/film"], ["{}/film?watch_id=" + WATCH_ID])):
            with self.subTest(arguments=arguments):
                here = self.server()
                watcher = self.watcher(here)
                watcher.until("waiting")
                url = self.curl_ok("-T", file, *(word.format(here.url) for word in arguments)).decode().strip()
                watcher.until("complete")
                # The link is the watcher's: it begins with what the watcher called.
                self.assert_whole(watcher, url.replace(here.authority, "ringdrop.test"), len(self.body))
                events = self.curl_ok("-N", "-H", "Accept: text/event-stream", f"{here.url}/watch/{WATCH_ID}")
                self.assertRegex(events.decode(), r'^data: \{"watch":"[^\n]*"state":"complete"[^\n]*\}\n\n$')
                self.assertIn(url, events.decode(), turn)

    def test_a_raw_post_and_a_chunked_upload(self):
        for turn, (method, target, size) in enumerate((("POST", "/?name=f", len(self.body)), ("PUT", "/f", None),
                                                       ("POST", "/?name=f&watch_id={}", None))):
            watch_id = f"raw-or-chunked-upload-{turn}"
            fields = [] if "{}" in target else [f"Watch-Id: {watch_id}"]
            watcher = self.watcher(self.here, f"/watch/{watch_id}")
            wire = self.begin(self.here, size, "Content-Type: application/octet-stream", *fields,
                              target=target.format(watch_id), method=method)
            self.assertEqual(watcher.until("receiving")["bytes_total"], size)
            body = self.body if size else chunked(self.body)
            made = wire.send(body).read_final()
            watcher.until("complete")
            self.assert_whole(watcher, made.get("Location"), len(self.body))

    def test_a_form_counts_all_its_parts_and_has_no_total_before_its_end(self):
        parts = [file_part("a", self.body), file_part("b", self.body[:MIB]), file_part("c", b"")]
        whole = len(self.body) + MIB
        for turn, (first, fields) in enumerate((([], [NAMED]), ([field_part("watch_id", WATCH_ID)], []))):
            here = self.server()
            watchers = [self.watcher(here, kind=kind) for kind in KINDS]
            data = form_request(*first, *parts, fields=fields)
            with here.connect() as wire:
                # All of the first file and a part of the second.
                wire.send(data[:-700 * KIB])
                for one in watchers:
                    while one.next()["bytes_stored"] <= len(self.body):
                        pass
                    self.assertEqual({seen["bytes_total"] for seen in one.seen}, {None}, turn)
                made = wire.send(data[-700 * KIB:]).read_final()
            self.assertEqual(made.get("Upload-Watch"), f"http://ringdrop.test/watch/{WATCH_ID}")
            for one in watchers:
                one.until("complete")
                self.assert_whole(one, made.body.decode().split()[0], whole)

    def test_tus_pauses_goes_on_by_the_other_protocol_and_ends_in_a_link(self):
        made = self.here.exchange(request("POST", "/uploads", TUS, f"Upload-Length: {len(self.body)}",
                                          metadata(filename="film", watch_id=WATCH_ID)))
        upload = made.get("Location")
        watchers = [self.watcher(self.here, path, kind=kind) for kind in KINDS
                    for path in (path_in(made.get("Upload-Watch")), upload + "/progress") for _ in range(2)]
        for one in watchers:
            message = one.next()
            self.assertEqual((message["watch"], message["state"], message["bytes_total"]),
                             (WATCH_ID, "waiting", len(self.body)))
        wire = self.begin(self.here, len(self.body), TUS, OFFSET_TYPE, "Upload-Offset: 0", target=upload,
                          method="PATCH")
        wire.send(self.body[:MIB])
        for one in watchers:
            one.until("receiving")
        wire.close()
        for one in watchers:
            one.until("paused", bytes_stored=MIB)
        wire = self.begin(self.here, len(self.body) - MIB, DRAFT, PART, f"Upload-Offset: {MIB}", "Upload-Complete: ?1",
                          target=upload, method="PATCH")
        for one in watchers:
            one.until("receiving")
        answer = wire.send(self.body[MIB:]).read_final()
        self.assertEqual(answer.status, 201, answer)
        for one in watchers:
            one.until("complete")
            self.assert_whole(one, answer.get("Upload-Link"), len(self.body))
            self.assertEqual([state for state in one.states() if state != "finishing"],
                             ["waiting", "receiving", "paused", "receiving", "complete"])

    def test_an_ietf_upload_by_its_upload_watch_url(self):
        made = self.here.exchange(request("POST", "/uploads", DRAFT, "Upload-Complete: ?0", body=b"0123"))
        watch = path_in(made.get("Upload-Watch"))
        watcher = self.watcher(self.here, watch)
        first = watcher.until("paused")
        self.assertEqual((first["bytes_stored"], first["watch"]), (4, watch.removeprefix("/watch/")))
        self.assertNotIn(made.get("Location").removeprefix("/uploads/"), str(watcher.seen))
        done = self.here.exchange(request("PATCH", made.get("Location"), DRAFT, PART, "Upload-Offset: 4",
                                          "Upload-Complete: ?1", body=b"456789"))
        watcher.until("complete")
        self.assert_whole(watcher, done.get("Upload-Link"), 10)

    def test_an_upload_that_is_superseded_again_and_again_never_falls_back(self):
        made = self.here.exchange(request("POST", "/uploads", TUS, f"Upload-Length: {len(self.body)}"))
        upload = made.get("Location")
        watchers = [self.watcher(self.here, upload + "/progress", kind=kind) for kind in KINDS for _ in range(2)]
        offset = 0
        for _ in range(8):
            wire = self.begin(self.here, len(self.body) - offset, TUS, OFFSET_TYPE, f"Upload-Offset: {offset}",
                              target=upload, method="PATCH")
            wire.send(self.body[offset:offset + 300 * KIB])
            head = self.here.exchange(request("HEAD", upload, TUS), to_head=True)
            offset = int(head.get("Upload-Offset"))
        done = self.here.exchange(request("PATCH", upload, TUS, OFFSET_TYPE, f"Upload-Offset: {offset}",
                                          body=self.body[offset:]))
        for one in watchers:
            one.until("complete")  # which looks at each message before
            self.assert_whole(one, done.get("Upload-Link"), len(self.body))

    def test_an_empty_upload_and_one_that_ended_long_ago(self):
        watcher = self.watcher(self.here)
        made = self.here.exchange(request("PUT", "/empty", NAMED))
        watcher.until("complete")
        self.assert_whole(watcher, made.get("Location"), 0)
        whole = self.here.exchange(request("POST", "/uploads", TUS, "Upload-Length: 0"))
        for again in (False, True):
            if again:
                self.here.restart()
            for kind in KINDS:
                late = self.watcher(self.here, whole.get("Location") + "/progress", kind=kind)
                late.until("complete")
                self.assert_whole(late, whole.get("Upload-Link"), 0)
                self.assertEqual(len(late.seen), 1)


class Broken(WatchCase):
    """Uploads that come to another end."""

    def setUp(self):
        super().setUp()
        self.body = random_bytes(2 * MIB, "broken")

    def assert_ends(self, watchers, state, reason=None):
        for one in watchers:
            end = one.until(state)
            self.assertEqual(end.get("reason"), reason)
            self.assertIsNone(one.next())
            self.assertIn(one.code, (1000, None))

    def both(self, server, path=f"/watch/{WATCH_ID}"):
        return [self.watcher(server, path, kind=kind) for kind in KINDS]

    def test_a_plain_upload_that_breaks_off(self):
        here = self.server()
        for fields in ([], ["Content-Type: multipart/form-data; boundary=x"]):
            wire = self.begin(here, len(self.body), NAMED, *fields, method="POST" if fields else "PUT", target="/")
            watchers = self.both(here)
            if not fields:
                wire.send(self.body[:MIB])
            for one in watchers:
                one.until("receiving")
            wire.reset()
            self.assert_ends(watchers, "failed", "broken_off")
            self.assertEqual(self.snapshot(here)["reason"], "broken_off")
            self.assert_ends(self.both(here), "failed", "broken_off")
            # Nothing is left of it: the same command may be given again at once.
            again = here.exchange(request("PUT", "/f", NAMED, body=b"again"))
            self.assertEqual(again.status, 201, again)
            self.assertEqual(self.snapshot(here)["url"], again.get("Location"))
            self.assertEqual(here.exchange(request("PUT", "/f", NAMED, body=b"x")).status, 409)
            here = self.server()

    def test_what_has_ended_is_forgotten_after_a_while(self):
        here = self.server("--finished-upload-ttl", "1s", "--watch-wait", "1s")
        self.assertEqual(here.exchange(request("PUT", "/f", NAMED, body=self.body)).status, 201)
        self.assertEqual(self.snapshot(here)["state"], "complete")
        wait_until(lambda: self.snapshot(here)["state"] == "waiting", "nobody knows it any more")
        self.assertEqual(here.exchange(request("PUT", "/f", NAMED, body=self.body)).status, 201)

    def test_each_reason_of_a_plain_upload(self):
        digest = hashlib.sha256(b"other").digest()
        for reason, options, fields in (
                ("digest_mismatch", (), [f"Repr-Digest: sha-256=:{base64_of(digest)}:"]),
                ("size_limit_exceeded", ("--max-upload-size", "1MiB"), [])):
            for form in (False, True):
                with self.subTest(reason=reason, form=form):
                    if form and fields:
                        continue
                    here = self.server(*options)
                    watchers = self.both(here)
                    if form:
                        asked = form_request(file_part("f", self.body), fields=[NAMED, *fields])
                    else:
                        asked = request("PUT", "/f", NAMED, "Transfer-Encoding: chunked", *fields,
                                        body=chunked(self.body))
                    answer = here.exchange(asked)
                    self.assertIn(reason.encode(), answer.body)
                    self.assert_ends(watchers, "failed", reason)

    def test_each_reason_of_a_resumable_upload(self):
        here = self.server()
        wrong = f"Repr-Digest: sha-256=:{'A' * 43}=:"
        made = here.exchange(request("POST", "/uploads", DRAFT, "Upload-Complete: ?0", wrong))
        watchers = self.both(here, made.get("Location") + "/progress")
        here.exchange(request("PATCH", made.get("Location"), DRAFT, PART, "Upload-Offset: 0", "Upload-Complete: ?1",
                              body=b"0123"))
        self.assert_ends(watchers, "failed", "digest_mismatch")
        made = here.exchange(request("POST", "/uploads", DRAFT, "Upload-Complete: ?0", "Upload-Length: 1000"))
        watchers = self.both(here, made.get("Location") + "/progress")
        here.exchange(request("PATCH", made.get("Location"), DRAFT, PART, "Upload-Offset: 0", "Upload-Complete: ?1",
                              "Transfer-Encoding: chunked", body=chunked(self.body)))
        self.assert_ends(watchers, "failed", "size_limit_exceeded")
        # It stays so.
        here.restart()
        self.assert_ends(self.both(here, made.get("Location") + "/progress"), "failed", "size_limit_exceeded")

    def test_a_cancelled_upload_running_or_not(self):
        here = self.server("--loops", "2")
        for runs in (False, True):
            made = here.exchange(request("POST", "/uploads", TUS, f"Upload-Length: {len(self.body)}"))
            upload = made.get("Location")
            watchers = self.both(here, upload + "/progress")
            if runs:
                wire = self.begin(here, len(self.body), TUS, OFFSET_TYPE, "Upload-Offset: 0", target=upload,
                                  method="PATCH")
                wire.send(self.body[:MIB])
                for one in watchers:
                    one.until("receiving")
            self.assertEqual(here.exchange(request("DELETE", upload, TUS)).status, 204)
            self.assert_ends(watchers, "cancelled")
            self.assert_ends(self.both(here, upload + "/progress"), "cancelled")
            self.assertEqual(self.snapshot(here, path_in(made.get("Upload-Watch")))["state"], "cancelled")

    def test_an_expired_upload(self):
        here = self.server("--upload-expires", "1s")
        made = here.exchange(request("POST", "/uploads", TUS, "Upload-Length: 10"))
        self.assert_ends(self.both(here, made.get("Location") + "/progress"), "failed", "expired")
        self.assertEqual(self.snapshot(here, path_in(made.get("Upload-Watch")))["reason"], "expired")

    def test_an_upload_for_which_there_is_no_room(self):
        free = os.statvfs(self.directory).f_bavail * os.statvfs(self.directory).f_frsize
        here = self.server("--min-free-space", str(free + (1 << 30)), "--max-upload-size", "1TiB")
        watchers = self.both(here)
        answer = here.exchange(request("PUT", "/f", NAMED, body=self.body))
        self.assertEqual(answer.status, 507, answer)
        self.assert_ends(watchers, "failed", "storage_full")

    def test_nobody_ever_uploads(self):
        here = self.server("--watch-wait", "1s", "--loops", "2")
        watchers = self.both(here)
        for one in watchers:
            one.until("waiting")
        self.assert_ends(watchers, "failed", "no_upload")
        for one in watchers:
            self.assertEqual(len(one.seen), 2)

    def test_after_a_crash_it_is_paused_at_what_is_durable_and_goes_on(self):
        here = self.server("--loops", "2")
        made = here.exchange(request("POST", "/uploads", TUS, f"Upload-Length: {len(self.body)}",
                                     metadata(watch_id=WATCH_ID)))
        upload = made.get("Location")
        here.exchange(request("PATCH", upload, TUS, OFFSET_TYPE, "Upload-Offset: 0", body=self.body[:MIB]))
        watchers = self.both(here)
        for one in watchers:
            one.until("paused", bytes_stored=MIB)
        here.kill9()
        here.start()
        watchers = self.both(here)
        for one in watchers:
            self.assertEqual((one.next()["state"], one.last["bytes_stored"], one.last["bytes_total"]),
                             ("paused", MIB, len(self.body)))
        head = here.exchange(request("HEAD", upload, TUS), to_head=True)
        self.assertEqual(head.get("Upload-Offset"), str(MIB))
        wire = self.begin(here, MIB, TUS, OFFSET_TYPE, f"Upload-Offset: {MIB}", target=upload, method="PATCH")
        for one in watchers:
            one.until("receiving")
        wire.send(self.body[MIB:]).read_final()
        for one in watchers:
            one.until("complete")
            self.assertEqual(one.states()[:2], ["paused", "receiving"])


class Pace(WatchCase):
    """How often something is said."""

    def test_nothing_is_said_while_nothing_changes_and_at_most_ten_times_a_second_while_it_does(self):
        here = self.server()
        watchers = [self.watcher(here, kind=kind) for kind in KINDS]
        for one in watchers:
            one.until("waiting")
            self.assertTrue(one.wire.is_silent(0.5))
        body = random_bytes(4 * MIB, "pace")
        wire = self.begin(here, len(body), NAMED)
        begun = time.monotonic()
        for at in range(0, len(body), 32 * KIB):  # some 1.3 seconds
            wire.send(body[at:at + 32 * KIB])
            time.sleep(0.01)
        took = time.monotonic() - begun
        wire.read_final()
        for one in watchers:
            one.until("complete")
            # The first and the last one beside those of the steady beat.
            self.assertLessEqual(len(one.seen), 10 * (took + 0.5) + 4, one.seen)
            self.assertGreaterEqual(len(one.seen), 4, one.seen)
            rates = [seen["rate"] for seen in one.seen if seen["rate"] is not None]
            self.assertGreater(statistics.median(rates), 0)

    def test_the_more_watch_the_less_each_is_told_but_never_less_than_once_a_second(self):
        here = self.server("--progress-events-per-second", "10")
        watchers = [self.watcher(here) for _ in range(50)]
        for one in watchers:
            one.until("waiting")
        wire = self.begin(here, 100 * MIB, NAMED)
        begun = time.monotonic()
        told = 0
        while time.monotonic() - begun < 3:
            wire.send(bytes(64 * KIB))
            time.sleep(0.02)
        wire.reset()
        for one in watchers:
            one.until("failed")
            told = max(told, len(one.seen))
        self.assertLessEqual(told, time.monotonic() - begun + 4)
        self.assertGreaterEqual(told, 3)


class Stop(WatchCase):
    """The server ends."""

    def test_idle_watchers_are_told_at_once_and_those_of_a_running_upload_see_its_end(self):
        here = self.server("--loops", "2", "--shutdown-grace", "50s")
        body = random_bytes(2 * MIB, "stop")
        waiting = [self.watcher(here, "/watch/nobody-has-this-one-yet", kind=kind) for kind in KINDS]
        made = here.exchange(request("POST", "/uploads", TUS, "Upload-Length: 10"))
        resting = [self.watcher(here, made.get("Location") + "/progress", kind=kind) for kind in KINDS]
        wire = self.begin(here, len(body), NAMED)
        running = [self.watcher(here, kind=kind) for kind in KINDS for _ in range(2)]
        wire.send(body[:MIB])
        for one in running:
            one.until("receiving")
        here.signal(signal.SIGTERM)
        for one in [*waiting, *resting]:
            one.until("waiting")
            self.assertIsNone(one.next())
            self.assertIn(one.code, (1001, None))
            self.assertTrue(one.wire.is_closed())
        done = wire.send(body[MIB:]).read_final()
        self.assertEqual(done.status, 201, done)
        for one in running:
            one.until("complete", url=done.get("Location"))
            self.assertIsNone(one.next())
        self.assertEqual(here.wait(), 0)

    def test_an_upload_that_the_stop_breaks_is_told_as_paused_or_broken_off(self):
        here = self.server(*QUICK_STOP)
        made = here.exchange(request("POST", "/uploads", TUS, "Upload-Length: 1000000"))
        kept = self.begin(here, 1_000_000, TUS, OFFSET_TYPE, "Upload-Offset: 0", target=made.get("Location"),
                          method="PATCH")
        lost = self.begin(here, 1_000_000, NAMED)
        watchers = [self.watcher(here, path) for path in (made.get("Location") + "/progress", f"/watch/{WATCH_ID}")]
        for wire, one in zip((kept, lost), watchers):
            wire.send(bytes(100_000))
            one.until("receiving")
        here.signal(signal.SIGTERM)
        self.assertEqual(here.wait(), 0)
        for one in watchers:  # told or not: the connection ends
            wait_until(lambda one=one: one.wire.is_closed() or one.wire.read_to_end() or True, "it ends")


if __name__ == "__main__":
    main()
