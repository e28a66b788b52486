#!/usr/bin/env python3
"""fsck and scrub: what is damaged is found and named, and beside a server under load nothing is found that is not so."""

import os
import signal
import subprocess
from pathlib import Path

from harness import EVERY_FILE, KIB, MIB, Server, main, programs, random_bytes, request, wait_until
from http_tools import token_of
from maintenance_tools import Load, Maintenance, run_with_fault
from tus_tools import OFFSET_TYPE, TUS


class Fsck(Maintenance):
    """Tree against catalogue."""

    options = EVERY_FILE

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

    def test_a_link_whose_checksums_are_too_few_is_named_and_kept(self):
        server, links = self.stopped_with(b"a" * 5000, b"b" * 5000)
        with self.catalogue(server) as database:
            database.execute("UPDATE links SET checksums = x'' WHERE id = ?", (self.file_of(server, links[0])[1],))
        done = self.fsck(server, "--repair", "--drop-broken", code=1)
        self.assert_line(done, token_of(links[0])[:6], "checksums", "left alone")
        self.assertNotIn("ended", done.stdout)
        self.assert_line(self.scrub(server, code=1), token_of(links[0])[:6], "no checksum to compare with")
        server.start()
        self.assertEqual([server.get(link).body for link in links], [b"a" * 5000, b"b" * 5000])

    def test_what_no_server_makes_is_left_alone_whatever_it_is_called(self):
        server, links = self.stopped_with(b"a" * 5000)
        place = self.file_of(server, links[0])[0].parent
        (place / "ffd").mkdir()
        os.mkfifo(place / "ffe")
        (place / "fff").symlink_to("/")
        (server.data / "blobs/0000ffff").write_bytes(b"a file, where a directory belongs")
        before = self.everything(server)
        done = self.fsck(server, "--repair", "--drop-broken", code=1)
        for name in ("/ffd", "/ffe", "/fff", "blobs/0000ffff"):
            self.assert_line(done, name, "ringdrop has not made it; left alone")
        self.assertIn(": 4 findings", done.stdout)
        self.assertEqual(self.everything(server), before)

    def test_a_directory_that_is_a_symbolic_link_is_named_and_not_followed(self):
        server, links = self.stopped_with(b"a" * 5000, b"b" * 5000, options=("--loops", "1"))  # in one directory
        file = self.file_of(server, links[0])[0]
        (file.parent / "fff").write_bytes(b"nobody's, but who knows")
        moved = file.parent.rename(self.directory / "elsewhere")
        file.parent.symlink_to(moved)
        before = self.everything(server), sorted(moved.iterdir())
        for arguments in ([], ["--repair", "--drop-broken"]):
            done = self.fsck(server, *arguments, code=1)
            self.assert_line(done, file.parent.relative_to(server.data), "ringdrop has not made it; left alone")
            for link in links:
                path = self.file_of(server, link)[0].relative_to(server.data)
                self.assert_line(done, path, token_of(link)[:6], "its directory is none", "left alone")
            self.assertIn(": 3 findings", done.stdout)
            self.assertEqual((self.everything(server), sorted(moved.iterdir())), before)
        file.parent.unlink()
        moved.rename(file.parent)
        self.fsck(server, "--repair", code=1)
        server.start()
        self.assertEqual([server.get(link).body for link in links], [b"a" * 5000, b"b" * 5000])

    def test_what_is_no_regular_file_is_named_and_left_alone_with_its_row(self):
        server, links = self.stopped_with(b"a" * 5000, b"b" * 5000, b"c" * 5000, b"d" * 5000)
        server.start()
        upload = server.exchange(request("POST", "/uploads", TUS, "Upload-Length: 9", OFFSET_TYPE, body=b"1234"))
        self.assertEqual(server.stop(), 0)
        files = [self.file_of(server, link)[0] for link in links]
        with self.catalogue(server) as database:
            [number] = database.execute("SELECT file FROM uploads").fetchone()
        unfinished = server.data / f"blobs/{number >> 12:08x}/{number & 0xfff:03x}"
        # As of someone who has moved large files to another disk.
        moved = {file: file.rename(self.directory / f"moved-{n}") for n, file in enumerate((*files[:3], unfinished))}
        files[0].symlink_to(moved[files[0]])
        os.mkfifo(files[1])
        files[2].mkdir()
        unfinished.symlink_to(moved[unfinished])
        before = self.everything(server)
        for arguments in ([], ["--repair", "--drop-broken"]):
            done = self.fsck(server, *arguments, code=1)
            for file, owner in ((files[0], token_of(links[0])[:6]), (files[1], token_of(links[1])[:6]),
                                (files[2], token_of(links[2])[:6]), (unfinished, "an upload")):
                self.assert_line(done, file.relative_to(server.data), owner, "no regular file", "left alone")
            self.assertIn(": 4 findings", done.stdout)
            self.assertNotIn("ended", done.stdout)
            self.assertEqual(self.everything(server), before)
        files[2].rmdir()
        for file, aside in moved.items():
            aside.rename(file)
        self.fsck(server, "--repair", code=0)
        server.start()
        self.assertEqual([server.get(link).body for link in links], [b"a" * 5000, b"b" * 5000, b"c" * 5000, b"d" * 5000])
        head = server.exchange(request("HEAD", upload.get("Location"), TUS), to_head=True)
        self.assertEqual((head.status, head.get("Upload-Offset")), (200, "4"))

    def test_a_directory_that_cannot_be_looked_at_is_no_strangers(self):
        server, _ = self.stopped_with(b"a" * 5000)
        for error in ("EMFILE", "EIO"):
            done = run_with_fault(server.data / "blobs", f"openat2:error={error}", "fsck", "--data-dir", server.data)
            self.assertEqual(done.returncode, 78, done)
            self.assertIn(error, done.stderr)
            self.assertNotIn("left alone", done.stdout)

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
            database.execute("INSERT INTO garbage SELECT file FROM links WHERE id = ?", (numbers[0],))
            database.execute("UPDATE links SET size = 1 WHERE id = ?", (numbers[1],))
            database.execute("INSERT INTO extents VALUES (999999, 999999, 0, 1, zeroblob(16))")
        done = self.fsck(server, "--repair", "--drop-broken", code=1)
        self.assert_line(done, "both a link's and garbage")
        self.assert_line(done, f"link {numbers[1]}", "its extent does not have its size")
        self.assert_line(done, "a link that does not exist")
        with self.catalogue(server) as database:
            database.execute("UPDATE links SET size = 5000")
            database.execute("DELETE FROM garbage")
        server.start()
        self.assertEqual([server.get(link).body for link in links], [b"a" * 5000, b"b" * 5000])

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
            database.execute("DELETE FROM links")
            database.execute("INSERT INTO extents VALUES (4096, 1, 0, 1, x'')")  # one of them is named by a row of nobody
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


class Scrub(Maintenance):
    """Bytes against checksums."""

    options = EVERY_FILE

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

    def test_behind_a_span_that_cannot_be_read_it_goes_on_and_counts(self):
        big = random_bytes(66 * MIB, "unreadable")
        server, links = self.stopped_with(big, options=("--digest", "always"))
        file, _ = self.file_of(server, links[0])
        done = run_with_fault(file, "pread64:error=EIO:when=3", "scrub", "--data-dir", server.data)
        self.assertEqual(done.returncode, 1, done)
        self.assert_line(done, file.relative_to(server.data), "the 64 MiB from offset 0 cannot be read")
        self.assertIn(f"1 links, {4 * MIB} bytes read: 1 findings", done.stdout)

    def test_it_stops_when_it_is_told_to_and_goes_on_from_there(self):
        server, links = self.stopped_with(b"a" * 1000, random_bytes(4 * MIB, "slow"), b"c")
        _, number = self.file_of(server, links[1])
        with subprocess.Popen([programs.ringdrop, "scrub", "--data-dir", str(server.data), "--rate", "1MiB"],
                              stdout=subprocess.PIPE, text=True) as process:
            # It holds the slow link's file open once it reads it.
            target = str(self.file_of(server, links[1])[0])
            fds = Path(f"/proc/{process.pid}/fd")

            def reads_it():
                try:
                    return any(os.readlink(fd) == target for fd in fds.iterdir())
                except FileNotFoundError:  # closed meanwhile
                    return False

            wait_until(reads_it, "it reads the slow link")
            process.send_signal(signal.SIGINT)
            said = process.stdout.read()
        self.assertEqual(process.returncode, 130)
        self.assertIn("stopped; 1 links", said)
        self.assertIn(f"--from {number}", said)
        self.assertIn("2 links", self.scrub(server, "--from", number, code=0).stdout)


class BesideAServer(Maintenance):
    """Under load, which is of files and of what the catalogue keeps itself, nothing is found that is not so."""

    def test_fsck_finds_what_is_lost_and_nothing_else(self):
        server = self.server("--loops", "2")
        lost = server.put("lost", b"lost" * 5000)
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

    def test_scrub_finds_nothing(self):
        server = self.server("--loops", "2", "--digest", "always")
        with Load(server, "scrub") as load:
            for _ in range(10):
                self.assertEqual(self.scrub(server, code=0).stderr, "")
        self.assertEqual(load.troubles, [])


if __name__ == "__main__":
    main()
