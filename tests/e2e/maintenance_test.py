#!/usr/bin/env python3
"""fsck, scrub and backup: what is damaged is found and named, beside a server under load nothing is found that is not
so, and a server on a backup has every link of it whole."""

import contextlib
import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import threading
from pathlib import Path

from harness import KIB, MIB, EndToEnd, Server, main, path_of, programs, random_bytes, request, sha256_of, wait_until
from http_tools import token_of
from tus_tools import OFFSET_TYPE, TUS


def run(*words, **keywords):
    """The command, ended: its code and both outputs."""
    return subprocess.run([programs.ringdrop, *map(str, words)], capture_output=True, text=True, check=False,
                          timeout=120, **keywords)


class Load:
    """Clients that upload, delete and leave uploads unfinished until told to stop; what stays is in `links`."""

    def __init__(self, server, seed, clients=3):
        self.server = server
        self.links = {}  # path: SHA-256
        self.troubles = []
        self.done = 0
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(f"{seed} {i}",)) for i in range(clients)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        wait_until(lambda: self.done > 5 or self.troubles, "the load is under way")
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self, seed):
        chance = random.Random(seed)
        try:
            while not self._stop.is_set():
                self._once(chance)
                self.done += 1
        except Exception as error:  # pylint: disable=broad-except
            self.troubles.append(repr(error))

    def _once(self, chance):
        body = chance.randbytes(chance.choice([0, 1, 5000, 70_000, MIB + 3]))
        kind = chance.randrange(4)
        if kind == 0:  # an unfinished upload
            created = self.server.exchange(request("POST", "/uploads", TUS, f"Upload-Length: {len(body) + 10}"))
            fields = (TUS, OFFSET_TYPE, "Upload-Offset: 0")
            self.server.exchange(request("PATCH", created.get("Location"), *fields, body=body))
            return
        if kind == 1:  # a body that breaks off
            with self.server.connect() as wire:
                wire.send(request("PUT", "/broken", f"Content-Length: {len(body) + 10}") + body)
            return
        created = self.server.exchange(request("PUT", "/load", body=body, host=self.server.authority))
        if created.status != 201:
            raise AssertionError(created)
        if kind == 2:
            self.server.exchange(request("DELETE", re.sub(r"^http://[^/]+", "", created.get("X-Url-Delete"))))
        else:
            self.links[path_of(created)] = sha256_of(body)


class Maintenance(EndToEnd):
    """Damage by hand, on files that the catalogue names."""

    def catalogue(self, server):
        return contextlib.closing(sqlite3.connect(server.data / "catalogue.sqlite3", isolation_level=None))

    def file_of(self, server, link, position=0):
        """(the path of a link's file, the number of the link)."""
        with self.catalogue(server) as database:
            file, number = database.execute(
                "SELECT file, link FROM extents e JOIN links l ON l.id = e.link WHERE token = ? AND position = ?",
                (token_of(link), position)).fetchone()
        return server.data / f"blobs/{file >> 12:08x}/{file & 0xfff:03x}", number

    def everything(self, server):
        """What is in the data directory, but for the files that SQLite makes for reading."""
        return [path for path in sorted(server.data.rglob("*")) if not path.name.endswith(("-wal", "-shm"))]

    def fsck(self, server, *options, code=None):
        done = run("fsck", "--data-dir", server.data, *options)
        if code is not None:
            self.assertEqual(done.returncode, code, done)
        return done

    def scrub(self, server, *options, code=None):
        done = run("scrub", "--data-dir", server.data, *options)
        if code is not None:
            self.assertEqual(done.returncode, code, done)
        return done

    def stopped_with(self, *bodies, options=()):
        """A server that was stopped, and the links of these bodies."""
        server = self.server(*options)
        links = [server.put(f"file{number}", body) for number, body in enumerate(bodies)]
        self.assertEqual(server.stop(), 0)
        return server, links

    def assert_line(self, done, *words):
        lines = [line for line in done.stdout.splitlines() if all(str(word) in line for word in words)]
        self.assertEqual(len(lines), 1, f"one line with {words} in:\n{done.stdout}")


class Fsck(Maintenance):
    """Tree against catalogue."""

    def test_a_sound_directory_is_clean_with_and_without_a_server(self):
        server = self.server()
        server.put("one", b"1")
        self.assertIn(": 0 findings", self.fsck(server, code=0).stdout)
        self.assertEqual(server.stop(), 0)
        self.assertIn("1 files in", self.fsck(server, code=0).stdout)
        self.fsck(server, "--repair", code=0)
        server.start()

    def test_what_is_wrong_with_files_is_named_a_line_each(self):
        server, links = self.stopped_with(b"a" * 5000, b"b" * 5000, b"c" * 5000, b"d" * 5000)
        files = [self.file_of(server, link)[0] for link in links]
        files[0].unlink()
        os.truncate(files[1], 4999)
        files[2].unlink()
        files[2].symlink_to(files[3])
        stray = files[3].with_name("fff")
        stray.write_bytes(b"nobody's")
        (files[3].parent / "notes.txt").write_bytes(b"a person's")
        (server.data / "unsettled/junk").mkdir()
        before = self.everything(server)
        done = self.fsck(server, code=1)
        self.assert_line(done, files[0].relative_to(server.data), token_of(links[0])[:6], "not there")
        self.assert_line(done, files[1].relative_to(server.data), token_of(links[1])[:6], "4999 bytes instead of 5000")
        self.assert_line(done, files[2].relative_to(server.data), "no regular file")
        self.assert_line(done, stray.relative_to(server.data), "8 bytes that no row has")
        self.assert_line(done, "notes.txt", "left alone")
        self.assert_line(done, "unsettled/junk", "left alone")
        self.assertIn(": 6 findings", done.stdout)
        for link in links:
            self.assertNotIn(token_of(link), done.stdout + done.stderr, "a whole token is a secret")
        self.assertEqual(self.everything(server), before, "without --repair nothing is changed")

    def test_repair_removes_what_nobody_has_and_drops_links_only_when_told_to(self):
        server, links = self.stopped_with(b"a" * 5000, b"b" * 5000, b"c" * 5000)
        files = [self.file_of(server, link)[0] for link in links]
        files[0].unlink()
        os.truncate(files[1], 1)
        stray = files[2].with_name("fff")
        stray.write_bytes(b"nobody's")
        self.assertIn("1 files removed", self.fsck(server, "--repair", code=1).stdout)
        self.assertFalse(stray.exists())
        self.assertIn(": 2 findings", self.fsck(server, "--repair", code=1).stdout)
        self.assertIn("2 links and uploads ended", self.fsck(server, "--repair", "--drop-broken", code=1).stdout)
        self.fsck(server, code=0)
        server.start()
        self.assertEqual([server.get(link).status for link in links], [404, 404, 200])
        wait_until(lambda: len(server.stored_files()) == 1, "what is left of a dropped link is swept")
        self.fsck(server, code=0)

    def test_where_no_file_is_at_all_nothing_is_dropped(self):
        server, links = self.stopped_with(b"a" * 5000, b"b" * 5000)
        blobs = server.data / "blobs"
        blobs.rename(server.data / "elsewhere")  # as when its disk is not mounted
        blobs.mkdir()
        self.assertIn("nothing is dropped", self.fsck(server, "--repair", "--drop-broken", code=1).stdout)
        blobs.rmdir()
        (server.data / "elsewhere").rename(blobs)
        self.fsck(server, code=0)
        server.start()
        self.assertEqual([server.get(link).status for link in links], [200, 200])

    def test_an_unfinished_upload_whose_acknowledged_bytes_are_gone_is_found_and_dropped(self):
        server = self.server()
        upload = server.exchange(request("POST", "/uploads", TUS, "Upload-Length: 20000")).get("Location")
        patched = server.exchange(
            request("PATCH", upload, TUS, OFFSET_TYPE, "Upload-Offset: 0", body=random_bytes(9001, "part")))
        self.assertEqual(patched.status, 204)
        gone = server.exchange(request("POST", "/uploads", TUS, "Upload-Length: 7")).get("Location")
        self.assertEqual(server.stop(), 0)
        self.fsck(server, code=0)
        first, second = sorted(server.data / path for path in server.stored_files())
        os.truncate(first, 9000)
        second.unlink()
        done = self.fsck(server, code=1)
        self.assert_line(done, "9000 bytes, and 9001 were acknowledged")
        self.assert_line(done, second.relative_to(server.data), "not there")
        self.fsck(server, "--repair", "--drop-broken", code=1)
        self.fsck(server, code=0)
        server.start()
        for url in (upload, gone):
            self.assertEqual(server.exchange(request("HEAD", url, TUS), to_head=True).status, 404)

    def test_rows_that_contradict_each_other_are_named(self):
        server, links = self.stopped_with(b"a" * 5000, b"b" * 5000)
        numbers = [self.file_of(server, link)[1] for link in links]
        with self.catalogue(server) as database:
            database.execute("INSERT INTO garbage SELECT file FROM extents WHERE link = ?", (numbers[0],))
            database.execute("UPDATE links SET size = 1 WHERE id = ?", (numbers[0],))
            database.execute("DELETE FROM links WHERE id = ?", (numbers[1],))
        done = self.fsck(server, code=1)
        self.assert_line(done, "both a link's and garbage")
        self.assert_line(done, f"link {numbers[0]}", "do not add up")
        self.assert_line(done, "a link that does not exist")

    def test_on_the_word_of_a_damaged_or_empty_catalogue_nothing_is_removed(self):
        server, links = self.stopped_with(*[b"x" * 100 * n for n in range(1, 60)])
        file, _ = self.file_of(server, links[0])
        path = server.data / "catalogue.sqlite3"
        self.fsck(server, code=0)
        content = path.read_bytes()
        broken = bytearray(content)
        for page in range(1, len(content) // 4096):
            broken[page * 4096 + 8:page * 4096 + 200] = b"\xff" * 192
        path.write_bytes(broken)
        done = self.fsck(server, "--repair", "--drop-broken", code=1)
        self.assertIn("damaged", done.stdout + done.stderr)
        path.write_bytes(b"no database at all" * 1000)
        self.assertIn("damaged", self.fsck(server, "--repair", code=1).stderr)
        path.write_bytes(content)
        with self.catalogue(server) as database:
            database.execute("DELETE FROM extents")
            database.execute("DELETE FROM links")
        self.assertIn("nothing was repaired", self.fsck(server, "--repair", code=1).stdout)
        self.assertTrue(file.exists())
        self.assertEqual(len(server.stored_files()), 59)

    def test_it_says_why_it_cannot_look(self):
        server, _ = self.stopped_with(b"x")
        self.assertIn("no data directory", self.fsck(Server(self.directory / "nothing"), code=78).stderr)
        with self.catalogue(server) as database:
            (version,) = database.execute("PRAGMA user_version").fetchone()
            database.execute(f"PRAGMA user_version = {version + 1}")
        self.assertIn("newer version", self.fsck(server, code=78).stderr)
        with self.catalogue(server) as database:
            database.execute(f"PRAGMA user_version = {version}")
        server.start()
        self.assertIn("a server uses this data directory", self.fsck(server, "--repair", code=78).stderr)

    def test_what_a_crash_leaves_is_no_finding_and_repair_clears_it(self):
        server = self.server()
        kept = server.put("kept", b"kept")
        with server.connect() as wire:
            wire.send(request("PUT", "/sized", f"Content-Length: {MIB}") + bytes(300 * KIB))
            wait_until(lambda: len(server.stored_files()) == 2, "the body has a file")
            server.kill9()
        self.assertIn("1 unfinished files", self.fsck(server, code=0).stdout)
        self.assertIn("1 files removed", self.fsck(server, "--repair", code=0).stdout)
        self.assertEqual(len(server.stored_files()), 1)
        server.start()
        self.assertEqual(server.get(kept).body, b"kept")

    def test_beside_a_server_under_load_nothing_is_found_that_is_not_so(self):
        server = self.server("--loops", "2")
        lost = server.put("lost", b"lost")
        file, _ = self.file_of(server, lost)
        with Load(server, "fsck") as load:
            for _ in range(15):
                self.assertEqual(self.fsck(server, code=0).stderr, "")
            file.unlink()
            for _ in range(5):
                done = self.fsck(server, code=1)
                self.assert_line(done, file.relative_to(server.data), "not there")
                self.assertIn(": 1 findings", done.stdout)
        self.assertEqual(load.troubles, [])


class Scrub(Maintenance):
    """Bytes against checksums."""

    def test_a_flipped_bit_is_found_with_file_link_and_span(self):
        big = random_bytes(64 * MIB, "span") + b"tail" * 1000
        server, links = self.stopped_with(b"", b"small", big, options=("--digest", "always"))
        self.assertIn("3 links", self.scrub(server, code=0).stdout)
        small, number = self.file_of(server, links[1])
        large, _ = self.file_of(server, links[2])
        for path, offset in ((small, 2), (large, 64 * MIB + 3999)):
            with open(path, "r+b") as file:
                file.seek(offset)
                byte = file.read(1)[0]
                file.seek(offset)
                file.write(bytes([byte ^ 1]))
        server.start()
        done = self.scrub(server, code=1)
        self.assert_line(done, small.relative_to(server.data), f"link {number}", token_of(links[1])[:6], "offset 0")
        self.assert_line(done, large.relative_to(server.data), f"offset {64 * MIB}")
        self.assertIn("2 findings", done.stdout)
        self.assertNotIn(token_of(links[1]), done.stdout)
        self.fsck(server, code=0)

    def test_torn_and_missing_files_and_wrong_digests_are_found(self):
        server, links = self.stopped_with(b"a" * 5000, b"b" * 5000, b"c" * 5000, options=("--digest", "always"))
        files = [self.file_of(server, link)[0] for link in links]
        files[0].unlink()
        os.truncate(files[1], 4000)
        with self.catalogue(server) as database:
            database.execute("UPDATE links SET sha256 = zeroblob(32) WHERE token = ?", (token_of(links[2]),))
        done = self.scrub(server, code=1)
        self.assert_line(done, files[0].relative_to(server.data), "ENOENT")
        self.assert_line(done, files[1].relative_to(server.data), "4000 bytes instead of 5000")
        self.assert_line(done, "its sha-256 is another")

    def test_it_stops_when_it_is_told_to_and_goes_on_from_there(self):
        server, links = self.stopped_with(b"a" * 1000, random_bytes(4 * MIB, "slow"), b"c")
        _, number = self.file_of(server, links[1])
        with subprocess.Popen([programs.ringdrop, "scrub", "--data-dir", str(server.data), "--rate", "1MiB"],
                              stdout=subprocess.PIPE, text=True) as process:
            # It holds the slow link's file open once it reads it.
            target = str(self.file_of(server, links[1])[0])
            fds = Path(f"/proc/{process.pid}/fd")
            wait_until(lambda: any(os.path.realpath(fd) == target for fd in fds.iterdir()), "it reads the slow link")
            process.send_signal(signal.SIGINT)
            said = process.stdout.read()
        self.assertEqual(process.returncode, 130)
        self.assertIn("stopped; 1 links", said)
        self.assertIn(f"--from {number}", said)
        self.assertIn("2 links", self.scrub(server, "--from", number, code=0).stdout)

    def test_beside_a_server_under_load_nothing_is_found_that_is_not_so(self):
        server = self.server("--loops", "2", "--digest", "always")
        with Load(server, "scrub") as load:
            for _ in range(10):
                self.assertEqual(self.scrub(server, code=0).stderr, "")
        self.assertEqual(load.troubles, [])


class Backup(Maintenance):
    """A copy that a server can use."""

    def backup(self, server, target, code=0):
        done = run("backup", target, "--data-dir", server.data)
        self.assertEqual(done.returncode, code, done)
        return done

    def restored(self, target):
        """A server on the copy, as the manual says: the directory becomes data_dir."""
        server = self.server(start=False)
        shutil.move(target, server.data)
        return server

    def assert_whole(self, server, links):
        with server.connect() as wire:
            for path, digest in links.items():
                got = wire.send(request("GET", path)).read_final()
                self.assertEqual((got.status, sha256_of(got.body)), (200, digest), path)

    def test_a_backup_under_load_has_every_link_of_its_moment_whole(self):
        server = self.server("--loops", "2")
        before = {}
        for number in range(40):
            body = random_bytes(1000 * number, f"before {number}")
            before[server.put(f"before{number}", body)] = sha256_of(body)
        targets = [self.directory / f"copy{number}" for number in range(4)]
        with Load(server, "backup") as load:
            for target in targets:
                self.backup(server, target)
        self.assertEqual(load.troubles, [])
        self.assertEqual(server.stop(), 0)
        for target in targets:
            self.assertFalse(target.with_name(target.name + ".partial").exists())
            copy = self.restored(target)
            self.assertEqual(sorted(os.listdir(copy.data)), ["blobs", "catalogue.sqlite3", "unsettled"])
            self.fsck(copy, code=0)
            self.scrub(copy, code=0)
            copy.start()
            with self.catalogue(copy) as database:
                tokens = {token for (token,) in database.execute("SELECT token FROM links")}
                self.assertEqual(database.execute("SELECT count(*) FROM uploads").fetchone(), (0,))
            self.assertLessEqual({token_of(path) for path in before}, tokens)
            self.assert_whole(copy, before)
            self.assert_whole(copy, {path: digest for path, digest in load.links.items() if token_of(path) in tokens})
            copy.stop()

    def test_what_happens_to_one_of_both_does_not_happen_to_the_other(self):
        server = self.server()
        created = server.exchange(request("PUT", "/kept", body=b"kept", host=server.authority))
        self.backup(server, self.directory / "copy")
        server.exchange(request("DELETE", re.sub(r"^http://[^/]+", "", created.get("X-Url-Delete"))))
        wait_until(lambda: not server.stored_files(), "the original's file is gone")
        copy = self.restored(self.directory / "copy").start()
        self.assertEqual(copy.get(path_of(created)).body, b"kept")
        self.assertEqual(server.get(path_of(created)).status, 404)
        new = copy.put("new", b"new")
        self.assertEqual(server.get(new).status, 404)
        self.fsck(copy, code=0)

    def test_a_link_whose_file_is_lost_is_left_out_with_a_word(self):
        server = self.server()
        links = [server.put("lost", b"lost" * 1000), server.put("kept", b"kept")]
        self.file_of(server, links[0])[0].unlink()
        done = self.backup(server, self.directory / "copy", code=1)
        self.assert_line(done, token_of(links[0])[:6], "left out")
        copy = self.restored(self.directory / "copy").start()
        self.assertEqual([copy.get(link).status for link in links], [404, 200])
        self.fsck(copy, code=0)

    def test_it_goes_only_where_there_is_nothing(self):
        server = self.server()
        server.put("one", b"1")
        taken = self.directory / "taken"
        taken.mkdir()
        self.backup(server, taken)  # empty
        self.assertIn("something already", self.backup(server, taken, code=78).stderr)
        left = self.directory / "left.partial"
        left.mkdir()
        self.assertIn("broke off", self.backup(server, self.directory / "left", code=78).stderr)
        self.assertIn("cannot be made", self.backup(server, self.directory / "no/where", code=78).stderr)
        self.assertEqual(os.stat(taken).st_mode & 0o777, 0o700)
        self.assertEqual(os.stat(taken / "catalogue.sqlite3").st_mode & 0o777, 0o600)


if __name__ == "__main__":
    main()
