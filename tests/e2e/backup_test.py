#!/usr/bin/env python3
"""backup: a server on it has every link of its moment whole; what is lost is named; a place is used once, by one."""

import os
import re
import signal

from harness import MIB, main, path_of, random_bytes, request, sha256_of, wait_until
from http_tools import token_of
from maintenance_tools import BackupTest, Load, run_with_fault


class Backup(BackupTest):
    """A copy that a server can use."""

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
            self.assertEqual(sorted(os.listdir(target)), ["blobs", "catalogue.sqlite3", "unsettled"])
            copy = self.restored(target)
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
        created = server.exchange(request("PUT", "/kept", body=b"kept" * 5000, host=server.authority))
        self.backup(server, self.directory / "copy")
        server.exchange(request("DELETE", re.sub(r"^http://[^/]+", "", created.get("X-Url-Delete"))))
        wait_until(lambda: not server.stored_files(), "the original's file is gone")
        copy = self.restored(self.directory / "copy").start()
        self.assertEqual(copy.get(path_of(created)).body, b"kept" * 5000)
        self.assertEqual(server.get(path_of(created)).status, 404)
        new = copy.put("new", b"new")
        self.assertEqual(server.get(new).status, 404)
        self.fsck(copy, code=0)

    def test_a_link_whose_file_is_lost_is_left_out_with_a_word(self):
        server = self.server()
        links = [server.put("lost", b"lost" * 5000), server.put("kept", b"kept")]
        self.file_of(server, links[0])[0].unlink()
        done = self.backup(server, self.directory / "copy", code=1)
        self.assert_line(done, token_of(links[0])[:6], "left out")
        copy = self.restored(self.directory / "copy").start()
        self.assertEqual([copy.get(link).status for link in links], [404, 200])

    def test_a_file_that_damage_has_given_to_two_links_is_copied_once(self):
        server = self.server()
        links = [server.put("one", b"one" * 5000), server.put("two", b"two" * 5000)]
        _, number = self.file_of(server, links[1])
        self.assertEqual(server.stop(), 0)
        with self.catalogue(server) as database:
            database.execute("INSERT INTO extents SELECT file, ?, 1, length, checksums FROM links WHERE id != ?",
                             (number, number))
        self.backup(server, self.directory / "copy", code=0)
        copy = self.restored(self.directory / "copy", findings=["an extent of two links"]).start()
        self.assertEqual(copy.get(links[0]).body, b"one" * 5000)

    def test_links_whose_files_are_lost_torn_or_something_else_are_named_and_the_rest_is_there(self):
        server = self.server()
        whats = ["kept", "missing", "torn", "longer", "fifo", "link", "directory", "also kept"]
        links = {what: server.put("file", what.encode() * 5000) for what in whats}
        files = {what: self.file_of(server, link)[0] for what, link in links.items()}
        for what in ("missing", "fifo", "link", "directory"):
            files[what].unlink()
        os.truncate(files["torn"], 19_999)
        os.truncate(files["longer"], 30_001)
        os.mkfifo(files["fifo"])
        files["link"].symlink_to(files["kept"])
        files["directory"].mkdir()
        done = self.backup(server, self.directory / "copy", code=1)
        words = {"missing": "ENOENT", "torn": "19999 bytes instead of 20000",
                 "longer": "30001 bytes instead of 30000", "fifo": "no regular file", "link": "lost",
                 "directory": "no regular file"}
        for what, word in words.items():
            self.assert_line(done, "lost: ", files[what].relative_to(server.data), token_of(links[what])[:6], word)
            self.assertNotIn(token_of(links[what]), done.stdout)
        self.assertIn("6 left out because their files are lost", done.stdout)
        copy = self.restored(self.directory / "copy").start()
        self.assertEqual([copy.get(links[what]).status for what in whats], [200, *[404] * 6, 200])

    def test_a_file_that_cannot_be_read_to_its_end_is_lost_and_leaves_nothing(self):
        server = self.server()
        links = [server.put("broken", bytes(3 * MIB)), server.put("kept", b"kept" * 5000)]
        file, _ = self.file_of(server, links[0])
        target = self.elsewhere() / "copy"
        done = run_with_fault(file, "pread64:error=EIO:when=2", "backup", target, "--data-dir", server.data)
        self.assertEqual(done.returncode, 1, done)
        self.assert_line(done, "lost: ", file.relative_to(server.data), "EIO")
        copy = self.restored(target).start()
        self.assertEqual(len(copy.stored_files()), 1)
        self.assertEqual([copy.get(link).status for link in links], [404, 200])

    def test_when_the_place_has_no_room_it_ends_and_the_next_run_begins_again(self):
        server = self.server()
        link = server.put("one", b"1" * 20_000)
        target = self.elsewhere() / "copy"
        file, _ = self.file_of(server, link)
        to = target.with_name("copy.partial") / file.relative_to(server.data)
        done = run_with_fault(to, "pwrite64:error=ENOSPC", "backup", target, "--data-dir", server.data)
        self.assertEqual(done.returncode, 78, done)
        self.assertIn("the next one removes what is there", done.stderr)
        self.backup(server, target)
        self.assertEqual(self.restored(target).start().get(link).body, b"1" * 20_000)

    def test_a_name_that_could_not_be_synced_is_no_broken_backup(self):
        server = self.server()
        server.put("one", b"1")
        place = self.directory / "place"
        place.mkdir()
        done = run_with_fault(place, "fsync:error=EIO", "backup", place / "copy", "--data-dir", server.data)
        self.assertEqual(done.returncode, 78, done)
        self.assertIn(f"may take its name ({place}/copy)", done.stderr)
        self.assertEqual(os.listdir(place), ["copy"])
        self.restored(place / "copy")


class Place(BackupTest):
    """Where a backup may go, and what one that did not come to its end leaves there."""

    def test_it_goes_only_where_there_is_nothing(self):
        server = self.server()
        server.put("one", b"1")
        taken = self.directory / "taken"
        taken.mkdir()
        self.backup(server, taken)  # empty
        self.assertIn("something already", self.backup(server, taken, code=78).stderr)
        self.assertIn("cannot be made", self.backup(server, self.directory / "no/where", code=78).stderr)
        self.assertEqual(os.stat(taken).st_mode & 0o777, 0o700)
        self.assertEqual(os.stat(taken / "catalogue.sqlite3").st_mode & 0o777, 0o600)

    def test_a_symbolic_link_is_followed_and_stays(self):
        server = self.server()
        server.put("one", b"1")
        (self.directory / "real").mkdir()
        (self.directory / "link").symlink_to("real")
        self.backup(server, self.directory / "link")
        self.assertTrue((self.directory / "link").is_symlink())
        self.assertTrue((self.directory / "real/catalogue.sqlite3").exists())

    def test_a_mount_point_is_refused_at_once(self):
        server = self.server()
        self.assertIn("it is a mount point: give a new directory in it", self.backup(server, "/proc", code=78).stderr)

    def test_the_file_system_of_the_data_is_refused_to_who_wants_another(self):
        server = self.server()
        link = server.put("one", b"1" * 20_000)
        target = self.directory / "unmounted/copy"
        target.parent.mkdir()
        done = self.backup(server, target, "--other-file-system", code=78)
        self.assertIn("is its own not mounted?", done.stderr)
        self.assertEqual(os.listdir(target.parent), [])
        target = self.elsewhere() / "copy"
        self.assertIn(" 1 copied", self.backup(server, target, "--other-file-system").stdout)
        self.assertEqual(self.restored(target).start().get(link).body, b"1" * 20_000)

    def test_a_copy_that_is_told_to_stop_stops_at_once_and_the_next_run_clears_it_away(self):
        server = self.server()
        links = [server.put(str(number), random_bytes(3 * MIB, number)) for number in range(2)]
        target = self.elsewhere() / "copy"
        partial = target.with_name("copy.partial")
        for number in (signal.SIGINT, signal.SIGTERM):
            with self.under_way(server, target) as process:
                process.send_signal(number)
                said = process.stdout.read()
            self.assertEqual(process.returncode, 130)
            self.assertIn(f"stopped; the next backup to {target} begins again and removes {partial}", said)
            self.assertTrue(partial.exists())
        with self.under_way(server, target) as process:
            process.kill()
        self.backup(server, target)
        self.assertFalse(partial.exists())
        copy = self.restored(target).start()
        self.assertEqual(len(copy.stored_files()), 2)
        for number, link in enumerate(links):
            self.assertEqual(copy.get(link).body, random_bytes(3 * MIB, number))

    def test_two_backups_do_not_share_a_place(self):
        server = self.server()
        server.put("one", bytes(3 * MIB))
        target = self.elsewhere() / "copy"
        with self.under_way(server, target) as process:
            self.assertIn("another backup makes it", self.backup(server, target, code=78).stderr)
            self.assertIsNone(process.poll())

    def test_what_no_backup_has_left_is_not_cleared_away(self):
        server = self.server()
        server.put("one", b"1")
        mine = self.directory / "copy.partial"
        mine.mkdir()
        (mine / "thesis.txt").write_bytes(b"a year's work")
        self.assertIn("remove it yourself", self.backup(server, self.directory / "copy", code=78).stderr)
        self.assertEqual((mine / "thesis.txt").read_bytes(), b"a year's work")
        (mine / "thesis.txt").unlink()
        self.backup(server, self.directory / "copy")  # empty


if __name__ == "__main__":
    main()
