#!/usr/bin/env python3
"""Small files live in the catalogue: no file of their own on disk, and in everything else like any other."""

import contextlib
import json
import random
import re
import signal
import sqlite3
from email.utils import formatdate

from harness import EVERY_FILE, KIB, MIB, chunked, main, path_of, random_bytes, request, wait_until
from http_tools import byteranges_of, file_part, form_body, form_request, links_of, token_of
from maintenance_tools import BackupTest
from tus_tools import OFFSET_TYPE, TUS, wait_taken
from watch_tools import NAMED, WATCH_ID, check_message

LIMIT = 8 * KIB  # small_file_size's default
SMALL = [0, 1, 4096, LIMIT]
CHUNKED = "Transfer-Encoding: chunked"
MANY = 1500  # uploads at a time
BUDGET = 64 * MIB  # memory_budget's default
SHARE = BUDGET // 8  # for what is held
PART = 6 * KIB  # of each; of all that is more than the share


def chunk(piece):
    return b"%x\r\n%b\r\n" % (len(piece), piece)


class SmallFileCase(BackupTest):
    """Uploads, and looks at what is kept."""

    def upload(self, server, body, *fields, name="small"):
        answer = server.exchange(request("PUT", f"/{name}", *fields, body=body))
        self.assertEqual(answer.status, 201, answer)
        return answer

    def count(self, server, table):
        address = f"{(server.data / 'catalogue.sqlite3').as_uri()}?mode=ro"
        with contextlib.closing(sqlite3.connect(address, uri=True)) as database:
            return database.execute(f"SELECT count(*) FROM {table}").fetchone()[0]

    def assert_nothing_kept(self, server):
        self.assertEqual((server.stored(), self.count(server, "links"), self.count(server, "garbage")), ([], 0, 0))

    def wait_until_gone(self, server):
        wait_until(lambda: not server.stored() and not self.count(server, "links"), "nothing of it is kept")
        self.assertEqual(self.count(server, "garbage"), 0)

    def assert_kept(self, server, links, files):
        """`links`: {path: bytes}; `files`: how many of them have one."""
        for path, body in links.items():
            for _ in range(2):  # from the catalogue, and from memory
                got = server.get(path)
                self.assertEqual((got.status, got.body == body, got.get("Content-Length")), (200, True, str(len(body))))
            head = server.exchange(request("HEAD", path), to_head=True)
            self.assertEqual((head.status, head.get("Content-Length")), (200, str(len(body))))
            told = json.loads(server.get(f"/api/links/{token_of(path)}").body)
            self.assertEqual(told["size"], len(body))
        self.assertEqual((len(server.stored_files()), len(server.stored_contents())), (files, len(links) - files))


class Kept(SmallFileCase):
    """What was uploaded is there."""

    def test_up_to_the_limit_a_file_is_in_the_catalogue_and_beyond_it_on_disk_also_after_a_restart(self):
        server = self.server()
        links = {server.put("f", body): body for body in (random_bytes(size, size) for size in [*SMALL, LIMIT + 1])}
        self.assert_kept(server, links, files=1)
        self.assertEqual([len(content) for content in server.stored_contents()], SMALL)
        server.restart()
        self.assert_kept(server, links, files=1)
        self.fsck(server, code=0)
        self.assertIn("5 links", self.scrub(server, code=0).stdout)

    def test_it_is_there_after_a_kill_9_right_behind_its_201(self):
        server = self.server()
        links = {}
        for size in [*SMALL, LIMIT + 1]:
            body = random_bytes(size, f"kill {size}")
            links[server.put("f", body)] = body
            server.kill9()
            server.start()
            self.assert_kept(server, links, files=int(size > LIMIT))

    def test_every_way_to_ask_for_it_is_answered_as_for_one_with_a_file(self):
        small, usual = self.server(), self.server(*EVERY_FILE)
        for size in [1, 4096, LIMIT]:
            body = random_bytes(size, f"as a file {size}")
            paths = [path_of(self.upload(server, body, "Content-Type: text/plain")) for server in (small, usual)]
            for turn in range(2):
                self.assert_same_answers(small, usual, paths, body, turn)
                small.restart()
        self.assertEqual((len(small.stored_files()), len(usual.stored_contents())), (0, 0))

    def assert_same_answers(self, small, usual, paths, body, turn):
        etags = [server.exchange(request("HEAD", path), to_head=True).get("ETag")
                 for server, path in zip((small, usual), paths)]
        last = len(body) - 1
        past, future = formatdate(0, usegmt=True), formatdate(4_000_000_000, usegmt=True)
        cases = [(200, []), (206, ["Range: bytes=0-0"]), (206, [f"Range: bytes={last // 2}-"]),
                 (206, ["Range: bytes=-1"]), (206, [f"Range: bytes=0-{last}"]), (416, [f"Range: bytes={len(body)}-"]),
                 (304, ["If-None-Match: {etag}"]), (304, ["If-None-Match: *"]), (200, ['If-None-Match: "other"']),
                 (304, [f"If-Modified-Since: {future}"]), (200, [f"If-Modified-Since: {past}"]),
                 (412, ['If-Match: "other"']), (200, ["If-Match: {etag}"]), (412, [f"If-Unmodified-Since: {past}"]),
                 (206, ["Range: bytes=0-0", "If-Range: {etag}"]), (200, ["Range: bytes=0-0", 'If-Range: "other"'])]
        if last >= 100:
            cases.append((206, [f"Range: bytes=0-9,50-59,{last}-{last}"]))
        for status, fields in cases:
            for method in ("GET", "HEAD"):
                with self.subTest(size=len(body), fields=fields, method=method, turn=turn):
                    answers = []
                    for server, path, etag in zip((small, usual), paths, etags):
                        asked = request(method, path, *[field.replace("{etag}", etag) for field in fields])
                        answers.append(server.exchange(asked, to_head=method == "HEAD"))
                    if method == "GET":
                        self.assertEqual(answers[0].status, status, answers[0])
                    self.assert_same(*answers)

    def assert_same(self, one, other):
        own = ("date", "etag", "last-modified")  # of a link, not of how it is kept
        fields = [sorted((name.lower(), value) for name, value in answer.fields if name.lower() not in own)
                  for answer in (one, other)]
        if "multipart/byteranges" in (one.get("Content-Type") or ""):
            self.assertEqual(other.get("Content-Type").split(";")[0], "multipart/byteranges")
            fields = [[field for field in answer if field[0] != "content-type"] for answer in fields]
            self.assertEqual(*[byteranges_of(answer) if answer.body else [] for answer in (one, other)])
        else:
            self.assertEqual(one.body, other.body)
        self.assertEqual((one.status, fields[0]), (other.status, fields[1]))

    def test_a_body_of_unknown_length_is_small_when_it_ends_within_the_limit(self):
        server = self.server()
        links = {}
        ways = [[0], [1], [LIMIT], [LIMIT + 1], [1, 4095, 4096], [4096, 4096, 1], [LIMIT, 1], [5000, 3192],
                [5000, 3193], [1] * 40, [7000, 100_000, 3], [LIMIT - 1, 1], [4097, 20_000]]
        files = 0
        for sizes in ways:
            body = random_bytes(sum(sizes), str(sizes))
            files += len(body) > LIMIT
            at = 0
            with server.connect() as wire:
                wire.send(request("PUT", "/chunked", CHUNKED))
                for size in sizes:
                    wire.send(chunk(body[at:at + size]) if size else b"")
                    at += size
                    wait_taken(wire)  # a pause: the server has it, and nothing more
                    if at > LIMIT:
                        wait_until(lambda: len(server.stored_files()) == files, "it has a file now")
                    else:
                        self.assertEqual(len(server.stored_files()), files - int(len(body) > LIMIT), "no file yet")
                created = wire.send(b"0\r\n\r\n").read_final()
            self.assertEqual(created.status, 201, created)
            links[path_of(created)] = body
        self.assert_kept(server, links, files)
        server.restart()
        self.assert_kept(server, links, files)
        self.scrub(server, code=0)

    def test_curl_from_a_pipe(self):
        server = self.server()
        links = {}
        for size in (*SMALL, LIMIT + 1, 100_000):
            body = random_bytes(size, f"pipe {size}")
            url = self.curl_ok("-T", "-", server.url + "/piped", input=body).decode().strip()
            self.assertEqual(self.curl_ok(url), body)
            links[url.removeprefix(server.url)] = body
        self.assert_kept(server, links, files=2)

    def test_a_form_with_files_on_both_sides_of_the_limit(self):
        server = self.server()
        bodies = [random_bytes(size, f"form {size}") for size in (100, LIMIT + 1, 0, LIMIT, 300_000, 1, 20_000)]
        parts = [file_part(f"f{n}", body) for n, body in enumerate(bodies)]
        links = dict(zip(links_of(server.exchange(form_request(*parts))), bodies))
        whole = form_body(*parts)
        with server.connect() as wire:  # the same in small pieces
            wire.send(request("POST", "/", 'Content-Type: multipart/form-data; boundary="-----ringdrop-e2e"', CHUNKED))
            for at in range(0, len(whole), 3000):
                wire.send(chunk(whole[at:at + 3000]))
            links |= dict(zip(links_of(wire.send(b"0\r\n\r\n").read_final()), bodies))
        self.assertEqual(len(links), 2 * len(bodies))
        self.assert_kept(server, links, files=2 * 3)
        server.restart()
        self.assert_kept(server, links, files=2 * 3)
        self.fsck(server, code=0)
        self.scrub(server, code=0)

    def test_an_upload_with_an_id_has_a_file_however_small(self):
        server = self.server()
        made = server.exchange(request("POST", "/uploads", TUS, "Upload-Length: 5", OFFSET_TYPE, body=b"12345"))
        path = re.sub(r"^http://[^/]+", "", made.get("Upload-Link"))
        named = path_of(self.upload(server, b"54321", "Upload-Id: small-file-with-an-id-of-its-own"))
        self.assert_kept(server, {path: b"12345", named: b"54321"}, files=2)

    def test_the_limit_may_change_between_two_starts(self):
        server = self.server()
        bodies = [random_bytes(size, f"limit {size}") for size in (0, 5, LIMIT, LIMIT + 1, 60 * KIB)]
        links = {}
        files = 0
        for options, fresh in ((["--small-file-size", "64KiB"], 0), (list(EVERY_FILE), 4), ([], 2),
                               (["--small-file-size", "10B"], 3)):
            self.assertEqual(server.stop(), 0)
            server.options = options
            server.start()
            links |= {server.put("f", body): body for body in bodies}
            files += fresh
            self.assert_kept(server, links, files)
            self.fsck(server, code=0)
        self.assertIn(f"{len(links)} links", self.scrub(server, code=0).stdout)

    def test_a_catalogue_of_an_old_version_is_taken_over_with_its_small_and_empty_files_on_disk(self):
        self.options = EVERY_FILE
        server, links = self.stopped_with(b"", b"small" * 100, b"large" * 5000)
        with self.catalogue(server) as database:  # as version 4 has it: an empty file has one too
            [largest] = database.execute("SELECT max(file) FROM links").fetchone()
            database.execute("UPDATE links SET file = ?, length = 0 WHERE size = 0", (largest + 1,))
            database.execute("CREATE TABLE extents_by_file (file INTEGER PRIMARY KEY, link INTEGER NOT NULL, position"
                             " INTEGER NOT NULL, length INTEGER NOT NULL, checksums BLOB NOT NULL) STRICT")
            database.execute("INSERT INTO extents_by_file SELECT file, link, position, length, checksums FROM all_extents")
            database.execute("DROP VIEW all_extents")
            database.execute("DROP TABLE extents")
            database.execute("ALTER TABLE extents_by_file RENAME TO extents")
            database.execute("CREATE INDEX extents_of_link ON extents (link, position)")
            database.execute("CREATE TABLE old_links (id INTEGER PRIMARY KEY, token TEXT NOT NULL UNIQUE, name BLOB NOT"
                             " NULL, content_type TEXT NOT NULL, size INTEGER NOT NULL, created_at_ms INTEGER NOT NULL,"
                             " delete_hash BLOB NOT NULL DEFAULT x'', expires_at_ms INTEGER, max_downloads INTEGER,"
                             " downloads INTEGER NOT NULL DEFAULT 0, pending INTEGER NOT NULL DEFAULT 0,"
                             " sha256 BLOB NOT NULL DEFAULT x'', sha512 BLOB NOT NULL DEFAULT x'') STRICT")
            database.execute("INSERT INTO old_links SELECT id, token, name, content_type, size, created_at_ms, delete_hash,"
                             " expires_at_ms, max_downloads, downloads, pending, sha256, sha512 FROM links")
            for table in ("links", "contents", "tokens", "link_key"):
                database.execute(f"DROP TABLE {table}")
            database.execute("ALTER TABLE old_links RENAME TO links")
            database.execute("PRAGMA user_version = 4")
        (server.data / f"blobs/{(largest + 1) >> 12:08x}/{(largest + 1) & 0xfff:03x}").touch(mode=0o600)
        server.options = []
        server.start()
        kept = dict(zip(links, (b"", b"small" * 100, b"large" * 5000)))
        self.assert_kept(server, kept, files=3)
        kept[server.put("new", b"new")] = b"new"
        self.assert_kept(server, kept, files=3)
        self.fsck(server, code=0)
        self.assertIn("4 links", self.scrub(server, code=0).stdout)

    def test_a_running_small_upload_is_finished_before_a_stop(self):
        server = self.server("--shutdown-grace", "10m")
        with server.connect() as wire:
            wire.send(request("PUT", "/late", "Content-Length: 6000") + b"x" * 3000)
            wait_taken(wire)
            server.signal(signal.SIGTERM)
            server.wait_for_log("stopping")
            created = wire.send(b"x" * 3000).read_final()
            self.assertEqual((created.status, created.get("Connection")), (201, "close"), created)
            self.assertEqual(server.wait(), 0)
        server.start()
        self.assert_kept(server, {path_of(created): b"x" * 6000}, files=0)

    def test_health_is_told_as_ever(self):
        small, usual = self.server(), self.server(*EVERY_FILE)
        said = []
        for server in (small, usual):
            for n in range(50):
                server.put("f", b"%d" % n * 100)
            self.assertEqual(server.get("/readyz").body, b"ready\ndurability: full\n")
            metrics = server.get("/metrics").body.decode("ascii")
            said.append([line.rsplit(" ", 1)[0] for line in metrics.splitlines() if not line.startswith("#")])
        self.assertEqual(*said)


class Watched(SmallFileCase):
    """Who watches a small upload sees its end."""

    def test_the_snapshot_of_a_complete_one_has_all_of_its_bytes(self):
        server = self.server()
        forms = [file_part("a", b"a" * 500), file_part("b", b"b" * 20_000), file_part("c", b"c" * LIMIT)]
        content_type = 'Content-Type: multipart/form-data; boundary="-----ringdrop-e2e"'
        ways = [(5000, request("PUT", "/f", NAMED + "-sized", body=b"x" * 5000), "-sized"),
                (LIMIT, request("PUT", "/f", NAMED + "-chunked", CHUNKED) + chunked(b"x" * LIMIT), "-chunked"),
                (0, request("PUT", "/f", NAMED + "-empty"), "-empty"),
                (500 + 20_000 + LIMIT, request("POST", "/", content_type, NAMED + "-form", body=form_body(*forms)),
                 "-form")]
        for size, data, name in ways:
            with self.subTest(way=name):
                created = server.exchange(data)
                self.assertEqual(created.status, 201, created)
                message = json.loads(server.get(f"/watch/{WATCH_ID}{name}").body)
                check_message(message)
                self.assertEqual((message["state"], message["bytes_stored"]), ("complete", size), message)
                self.assertTrue(message["url"].endswith(links_of(created)[0]), message)

    def test_one_that_breaks_off_is_failed(self):
        server = self.server()
        with server.connect() as wire:
            wire.send(request("PUT", "/f", NAMED, "Content-Length: 5000") + b"x" * 100)
            wait_taken(wire)
            self.assertEqual(json.loads(server.get(f"/watch/{WATCH_ID}").body)["state"], "receiving")
            wire.reset()
        wait_until(lambda: json.loads(server.get(f"/watch/{WATCH_ID}").body)["state"] == "failed", "it has failed")
        self.assert_nothing_kept(server)


class Read(SmallFileCase):
    """Readers that take their time."""

    def test_a_slow_reader_gets_small_files_between_large_ones(self):
        server = self.server()
        bodies = [random_bytes(size, f"slow {size}") for size in (6 * MIB, LIMIT, 1, 6 * MIB + 1, 0, 5000, LIMIT)]
        paths = [server.put("f", body) for body in bodies]
        server.restart()  # nothing of it is in memory
        for fields in ([], ["Range: bytes=0-"]):
            wires = [server.connect(receive_buffer=4 * KIB) for _ in range(4)]
            asked = [request("GET", path, *(fields if body else [])) for path, body in zip(paths, bodies)]
            for wire in wires:
                wire.send(b"".join(asked))
            for wire in wires:
                self.assertFalse(wire.is_silent(60))
            for body in bodies:
                for wire in wires:  # in turns: each has to wait
                    answer = wire.read_final()
                    self.assertIn(answer.status, (200, 206))
                    self.assertTrue(answer.body == body, f"{len(body)} bytes")
            for wire in wires:
                wire.close()

    def test_a_flood_of_requests_for_small_files_on_one_connection_is_answered_in_order(self):
        server = self.server()
        chance = random.Random("flood")
        bodies = [chance.randbytes(chance.choice([0, 1, 3000, LIMIT])) for _ in range(50)]
        with server.connect(receive_buffer=16 * KIB) as wire:
            wire.send(b"".join(request("PUT", f"/{n}", body=body) for n, body in enumerate(bodies)))
            paths = [path_of(wire.read_final()) for _ in bodies]
            order = [chance.randrange(len(bodies)) for _ in range(600)]
            wire.send(b"".join(request("GET", paths[n]) for n in order))
            for n in order:
                self.assertEqual(wire.read_final().body, bodies[n])
        self.assertEqual((server.stored_files(), sorted(server.stored_contents())), ([], sorted(bodies)))


class Many(SmallFileCase):
    """Small uploads that come slowly, all at once."""

    def begin(self, server):
        wires = []
        for _ in range(MANY):
            wires.append(server.connect())
            self.addCleanup(wires[-1].close)
        for wire in wires:
            self.assertEqual(wire.send(request("GET", "/healthz")).read_final().status, 200)
        return wires

    def test_they_stay_within_the_budget_go_to_files_when_their_share_is_used_up_and_complete(self):
        server = self.server("--stall-timeout", "5m")
        server.put("first", bytes(20_000))  # what a first upload makes resident is no client's
        wires = self.begin(server)
        base = server.peak_rss()  # with the connections themselves
        bodies = [random_bytes(LIMIT, f"many {n}") for n in range(MANY)]
        for n, wire in enumerate(wires):
            framing = f"Content-Length: {LIMIT}" if n % 2 else CHUNKED
            wire.send(request("PUT", f"/{n}", framing) + (b"" if n % 2 else b"%x\r\n" % LIMIT))
        for begin in range(0, PART, KIB):
            for wire, body in zip(wires, bodies):
                wire.send(body[begin:begin + KIB])
        wait_until(lambda: len(server.stored_files()) - 1 >= MANY - SHARE // PART, "what does not fit has a file")
        self.assertLess(len(server.stored_files()) - 1, MANY, "some are held")
        with self.canary(server):
            for n, (wire, body) in enumerate(zip(wires, bodies)):
                wire.send(body[PART:] + (b"" if n % 2 else b"\r\n0\r\n\r\n"))
            created = [wire.read_final() for wire in wires]
        growth = server.peak_rss() - base
        print(f"{MANY} slow small uploads: {base / MIB:.1f} MiB + {growth / MIB:.1f} MiB")
        self.assertEqual({answer.status for answer in created}, {201})
        self.assertLessEqual(growth, BUDGET)
        with server.connect() as wire:
            for answer, body in zip(created, bodies):
                self.assertEqual(wire.send(request("GET", path_of(answer))).read_final().body, body)
        self.assertEqual(len(server.stored()), MANY + 2, "and the first and the canary")
        # What was held is counted back: the next ones fit again.
        files = len(server.stored_files())
        for _ in range(20):
            server.put("f", bytes(LIMIT))
        self.assertEqual(len(server.stored_files()), files)
        self.fsck(server, code=0)


if __name__ == "__main__":
    main()
