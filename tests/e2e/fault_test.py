#!/usr/bin/env python3
"""A data directory that fails under the server: read-only, full, gone, taken, damaged. Clients get a clear answer, the log
a clear line, and what was acknowledged is there when the fault is over."""

import contextlib
import os
import re
import resource
import shutil
import sqlite3
import subprocess
import unittest

from harness import KIB, MIB, EndToEnd, main, programs, random_bytes, request, wait_until
from tus_tools import OFFSET_TYPE, TUS


def tool(*words):
    return subprocess.run(words, capture_output=True, text=True, check=False)


def wait_until_not_ready(server, why):
    def said():
        answer = server.get("/readyz")
        return answer.status == 503 and why in answer.body
    wait_until(said, f"it says that it is not ready: {why!r}")


class OnAMount(EndToEnd):
    """A server on a file system of its own."""

    def setUp(self):
        super().setUp()
        if os.geteuid() != 0:
            raise unittest.SkipTest("SKIPPED: not root, who alone can mount")
        self.mount_point = self.directory / "mounted"
        self.mount_point.mkdir()

    def mount(self, *words):
        mounted = tool("mount", *words, str(self.mount_point))
        if mounted.returncode != 0:
            raise unittest.SkipTest(f"SKIPPED: no such mounts here: {mounted.stderr.strip()}")
        self.addCleanup(tool, "umount", "-l", str(self.mount_point))

    def server_here(self, *options, floor="0"):
        server = self.server("--min-free-space", floor, *options, start=False)
        server.data = self.mount_point / "data"
        return server.start()

    def assert_answer(self, answer, status, word):
        self.assertEqual(answer.status, status, answer)
        self.assertIn(word, answer.body)

    def upload_with_curl(self, path, *options, **keywords):
        """(the answer's body, its status, how many bytes of the body curl has sent)"""
        done = self.curl("-T", path, *options, "-w", "\n%{http_code} %{size_upload}", f"{self.here.url}/curl", **keywords)
        answer, _, numbers = done.stdout.rpartition(b"\n")
        code, sent = numbers.split()
        return answer, int(code), int(sent)

    def fill_with_curl(self):
        """Sends more than there is room for, without a word of how much."""
        answer, code, sent = self.upload_with_curl("-", input=random_bytes(24 * MIB, "full"))
        self.assertEqual(code, 507, answer)
        self.assertIn(b"storage_full", answer)
        self.assertGreater(sent, MIB)


class SmallDisk(OnAMount):
    """16 MiB."""

    def setUp(self):
        super().setUp()
        self.mount("-t", "tmpfs", "-o", "size=16m", "tmpfs")
        self.here = self.server_here()

    def free(self):
        return shutil.disk_usage(self.mount_point).free

    def test_curl_hears_that_it_is_full_before_it_sends_what_it_declares(self):
        large = self.directory / "large"
        with open(large, "wb") as file:
            file.truncate(64 * MIB)
        answer, code, sent = self.upload_with_curl(large)
        self.assertEqual((code, sent), (507, 0), answer)
        self.assertIn(b"storage_full", answer)
        self.assertEqual(self.here.stored(), [])

    def test_curl_hears_that_it_is_full_in_the_middle_and_what_it_sent_is_free_at_once(self):
        kept = self.here.put("kept", b"kept" * 1000)
        before = self.free()
        with self.canary(self.here):
            self.fill_with_curl()
            wait_until(lambda: self.free() > before - MIB, "its bytes are free again")
        self.assertEqual(len(self.here.stored()), 2, "those of the canary and of what was there")
        self.assertEqual(self.here.get(kept).body, b"kept" * 1000)
        self.here.put("again", b"x" * MIB)

    def test_what_curl_sent_under_an_id_is_kept_and_gone_on_with_when_there_is_room(self):
        body = random_bytes(10 * MIB, "named")
        filler = self.mount_point / "filler"
        with open(filler, "wb") as file:
            file.write(bytes(self.free() - 4 * MIB))
        upload = "/uploads/curl-on-a-disk-that-is-full"
        with self.canary(self.here):
            # Of an unknown length, so that no space is held for it.
            answer, code, _ = self.upload_with_curl("-", "-H", f"Upload-Id: {upload.rpartition('/')[2]}", input=body)
            self.assertEqual(code, 507, answer)
            self.assertIn(b"storage_full", answer)
        at = int(self.here.exchange(request("HEAD", upload, TUS), to_head=True).get("Upload-Offset"))
        self.assertGreater(at, MIB)
        filler.unlink()
        fields = (TUS, OFFSET_TYPE, f"Upload-Offset: {at}", f"Upload-Length: {len(body)}")
        done = self.here.exchange(request("PATCH", upload, *fields, body=body[at:]))
        self.assertEqual(done.status, 204, done)
        self.assertEqual(self.here.get("/" + done.get("Upload-Link").split("/", 3)[3]).body, body)

    def test_on_a_disk_without_a_byte_left_links_are_served_and_deleted_which_makes_room(self):
        kept = self.here.put("kept", b"kept" * 1000)
        created = self.here.exchange(request("PUT", "/large", body=random_bytes(6 * MIB, "large")))
        filler = self.mount_point / "filler"
        with open(filler, "wb", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(bytes(64 * KIB)):
                pass
        wait_until_not_ready(self.here, b"space")
        refused = self.here.exchange(request("PUT", "/refused", body=b"x" * 5000))
        self.assert_answer(refused, 507, b"storage_full")
        self.assertEqual(self.here.get(kept).body, b"kept" * 1000)
        remove = re.sub(r"^http://[^/]+", "", created.get("X-Url-Delete"))

        def removed():
            answer = self.here.exchange(request("DELETE", remove))
            self.assertIn(answer.status, (200, 404, 507), answer)
            return answer.status != 507
        wait_until(removed, "it is deleted")
        wait_until(lambda: self.free() > 5 * MIB, "its bytes are free")
        self.here.put("again", b"x" * MIB)
        wait_until(lambda: self.here.get("/readyz").status == 200, "it is ready again")

    def test_it_is_ready_only_while_there_is_room(self):
        self.assertEqual(self.here.get("/readyz").body, b"ready\ndurability: process\n")  # it is a tmpfs
        filler = self.mount_point / "filler"
        with open(filler, "wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(MIB))
        wait_until_not_ready(self.here, b"less free space than min_free_space")
        self.assertEqual(self.here.get("/healthz").status, 200)
        filler.unlink()
        wait_until(lambda: self.here.get("/readyz").status == 200 and "ready again" in self.here.log(),
                   "the loop that was not ready is again")

    def test_an_upload_with_an_id_keeps_what_has_come_and_goes_on_when_there_is_room(self):
        body = random_bytes(6 * MIB, "resume")
        # Of an unknown length, so that no space is held for it.
        created = self.here.exchange(request("POST", "/uploads", TUS, "Upload-Defer-Length: 1"))
        upload = created.get("Location")
        fields = (TUS, OFFSET_TYPE)
        first = self.here.exchange(request("PATCH", upload, *fields, "Upload-Offset: 0", body=body[:MIB]))
        self.assertEqual(first.status, 204, first)
        filler = self.mount_point / "filler"
        with open(filler, "wb") as file:
            file.write(bytes(max(0, self.free() - 2 * MIB)))
        refused = self.here.exchange(request("PATCH", upload, *fields, f"Upload-Offset: {MIB}", body=body[MIB:]))
        self.assert_answer(refused, 507, b"storage_full")
        filler.unlink()
        at = int(self.here.exchange(request("HEAD", upload, TUS), to_head=True).get("Upload-Offset"))
        self.assertGreaterEqual(at, MIB)
        fields = (*fields, f"Upload-Offset: {at}", f"Upload-Length: {len(body)}")
        done = self.here.exchange(request("PATCH", upload, *fields, body=body[at:]))
        self.assertEqual(done.status, 204, done)
        self.assertEqual(self.here.get("/" + done.get("Upload-Link").split("/", 3)[3]).body, body)


class Floor(OnAMount):
    """16 MiB, of which 6 are to stay free."""

    def setUp(self):
        super().setUp()
        self.mount("-t", "tmpfs", "-o", "size=16m", "tmpfs")
        self.here = self.server_here(floor="6MiB")

    def begin_upload(self, length, body):
        created = self.here.exchange(request("POST", "/uploads", TUS, f"Upload-Length: {length}"))
        self.assertEqual(created.status, 201, created)
        fields = (TUS, OFFSET_TYPE, "Upload-Offset: 0")
        self.assertEqual(self.here.exchange(request("PATCH", created.get("Location"), *fields, body=body)).status, 204)
        return created.get("Location")

    def head(self, upload):
        return self.here.exchange(request("HEAD", upload, TUS), to_head=True).status

    def free(self):
        return shutil.disk_usage(self.mount_point).free

    def fill_up_to(self, left):
        with open(self.mount_point / "filler", "ab") as file:
            file.write(bytes(max(0, self.free() - left)))

    def test_for_a_stranger_who_fills_the_disk_held_space_and_then_the_oldest_paused_upload_give_way(self):
        kept = self.here.put("kept", b"kept" * 1000)
        oldest = self.begin_upload(5 * MIB, random_bytes(2 * MIB, "oldest"))
        younger = self.begin_upload(3 * MIB, random_bytes(2 * MIB, "younger"))
        self.fill_up_to(4 * MIB)
        wait_until(lambda: self.free() > 7 * MIB, "what was held behind their bytes is free")
        self.assertEqual((self.head(oldest), self.head(younger)), (200, 200))  # a HEAD is a sign of life

        self.fill_up_to(4 * MIB)
        wait_until(lambda: "gives way" in self.here.log(), "one has given way")
        wait_until(lambda: self.free() > 5 * MIB, "its bytes are free")
        self.assertEqual((self.head(oldest), self.head(younger)), (410, 200))
        self.assertEqual(self.here.log().count("gives way"), 1)
        self.assertEqual(self.here.get(kept).body, b"kept" * 1000)

    def test_uploads_that_fill_the_disk_up_to_the_floor_drive_out_nobody(self):
        paused = self.begin_upload(2 * MIB, random_bytes(MIB, "paused"))
        self.fill_with_curl()
        self.assertEqual(self.head(paused), 200)
        self.assertNotIn("gives way", self.here.log())


class ReadOnly(OnAMount):
    """ext4, remounted."""

    def test_uploads_fail_cleanly_downloads_go_on_and_a_restart_takes_uploads_again(self):
        image = self.directory / "image"
        with open(image, "wb") as file:
            file.truncate(64 * MIB)
        if not shutil.which("mkfs.ext4"):
            raise unittest.SkipTest("SKIPPED: no mkfs.ext4 (sh deploy/packages.sh test)")
        subprocess.run(["mkfs.ext4", "-q", "-F", str(image)], check=True, capture_output=True)
        self.mount("-o", "loop", str(image))
        server = self.server_here()
        kept = server.put("kept", b"kept" * 5000)
        # The kernel refuses while a file is open for writing, which the catalogue always is: as after an error.
        forced = tool("mount", "-o", "remount,abort", str(self.mount_point))
        try:
            (self.mount_point / "probe").touch()
            forced.returncode = 1
        except OSError:
            pass
        if forced.returncode != 0:
            raise unittest.SkipTest("SKIPPED: this ext4 cannot be made read-only under a server")
        wait_until_not_ready(server, b"read-only")
        answer = server.exchange(request("PUT", "/refused", body=b"x" * 5000))
        self.assertIn(answer.status, (500, 503), answer)
        if server.is_running():
            self.assertEqual(server.get(kept).body, b"kept" * 5000)
        self.assertRegex(server.log(), "EROFS|EIO|Read-only|read-only")
        server.kill9()
        wait_until(lambda: tool("umount", str(self.mount_point)).returncode == 0, "the file system is unmounted")
        self.mount("-o", "loop", str(image))
        server.start()
        self.assertEqual(server.get(kept).body, b"kept" * 5000)
        server.put("again", b"y")


class Catalogue(EndToEnd):
    """The one file that everything hangs on."""

    def spawn_fails(self, server, *words):
        server.spawn()
        self.assertEqual(server.wait(), 1)
        for word in words:
            self.assertIn(word, server.log())

    def test_a_damaged_one_and_one_of_a_newer_version_end_the_start_with_a_clear_line(self):
        server = self.server()
        server.put("one", b"1")
        self.assertEqual(server.stop(), 0)
        path = server.data / "catalogue.sqlite3"
        sound = path.read_bytes()
        for name in ("catalogue.sqlite3-wal", "catalogue.sqlite3-shm"):
            (server.data / name).unlink()  # SQLite would mend the file from its log
        path.write_bytes(b"this is no database at all " * 500)
        self.spawn_fails(server, "the catalogue cannot be opened", str(server.data))
        self.assertTrue(path.read_bytes().startswith(b"this is no"), "nothing was written over it")
        path.write_bytes(sound)
        with sqlite3.connect(path) as database:
            (version,) = database.execute("PRAGMA user_version").fetchone()
            database.execute("PRAGMA user_version = 99")
        self.spawn_fails(server, "newer version of ringdrop")
        with sqlite3.connect(path) as database:
            database.execute(f"PRAGMA user_version = {version}")
        database.close()
        server.start()

    def test_while_somebody_locks_it_uploads_get_503_or_wait_and_are_whole_afterwards(self):
        server = self.server()
        kept = server.put("kept", b"kept")
        other = sqlite3.connect(server.data / "catalogue.sqlite3", isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        with server.connect() as wire:
            wire.send(request("PUT", "/waits", body=b"waits"))
            self.assertEqual(server.get(kept).body, b"kept", "lookups do not wait")
            answer = wire.read_final()
        self.assertEqual(answer.status, 503, answer)
        self.assertIn(b"another program has locked the catalogue", answer.body)
        wait_until_not_ready(server, b"another process holds the lock of the catalogue")
        wait_until(lambda: server.log().count("another process holds its lock") == 1, "the log says so too")
        other.execute("ROLLBACK")
        other.close()
        # Without a write of anybody's.
        wait_until(lambda: server.get("/readyz").status == 200, "it is ready again")
        self.assertIn("nobody else holds its lock any more", server.log())
        again = server.put("again", b"again")
        self.assertEqual(server.get(again).body, b"again")

    def test_a_lock_that_nobody_has_met_is_known_too(self):
        server = self.server()
        with contextlib.closing(sqlite3.connect(server.data / "catalogue.sqlite3", isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            wait_until_not_ready(server, b"another process holds the lock of the catalogue")
        wait_until(lambda: server.get("/readyz").status == 200, "it is ready again")

    def test_without_space_for_its_writes_changes_are_refused_and_taken_again_later(self):
        server = self.server()
        created = server.exchange(request("PUT", "/kept", body=b"kept"))
        kept = re.sub(r"^http://[^/]+", "", created.get("Location"))
        token = created.get("X-Token")

        def change():
            body = f"token={token}&expires=36h".encode()
            kind = "Content-Type: application/x-www-form-urlencoded"
            return server.exchange(request("POST", "/" + kept.split("/")[1], kind, body=body)).status
        # No room for a page, but for the log, which is a file here.
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
        self.assertEqual(change(), 507)
        wait_until_not_ready(server, b"no space for writes to the catalogue")
        self.assertEqual(server.get(kept).body, b"kept")
        self.assertEqual(server.log().count("catalogue: the disk has no space for its writes"), 1)
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        wait_until(lambda: server.get("/readyz").status == 200, "it is ready again")
        self.assertEqual(change(), 200)

    def test_one_that_was_moved_away_takes_nothing_until_it_is_back(self):
        server = self.server()
        kept = server.put("kept", b"kept")
        path = server.data / "catalogue.sqlite3"
        path.rename(server.data / "elsewhere")
        self.assertEqual(server.exchange(request("PUT", "/small", body=b"x" * 50)).status, 500)
        self.assertEqual(server.exchange(request("PUT", "/large", body=b"x" * 50_000)).status, 500)
        wait_until_not_ready(server, b"the catalogue is not there any more")
        self.assertEqual(server.get(kept).body, b"kept")
        (server.data / "elsewhere").rename(path)
        wait_until(lambda: server.get("/readyz").status == 200, "it is ready again")
        again = server.put("again", b"again")
        self.assertEqual(server.stop(), 0)
        server.start()
        self.assertEqual([server.get(link).body for link in (kept, again)], [b"kept", b"again"])

    def test_one_that_turns_out_to_be_damaged_is_read_as_far_as_it_goes_and_not_written_any_more(self):
        server = self.server()
        kept = [server.put(f"kept{number}", b"kept%d" % number) for number in range(3)]
        self.assertEqual(server.stop(), 0)
        path = server.data / "catalogue.sqlite3"
        with contextlib.closing(sqlite3.connect(path)) as database:
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            (page_bytes,) = database.execute("PRAGMA page_size").fetchone()
            (page,) = database.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'contents'").fetchone()
        sound = path.read_bytes()
        with open(path, "r+b") as file:
            file.seek((page - 1) * page_bytes)
            file.write(b"\xff" * page_bytes)
        server.start()
        self.assertEqual(server.get("/readyz").status, 200, "nobody has met it")
        for _ in range(20):
            self.assertEqual(server.get(kept[0]).status, 500)
        wait_until_not_ready(server, b"the catalogue is damaged")
        self.assertEqual(server.exchange(request("PUT", "/refused", body=b"x" * 50_000)).status, 500)
        self.assertEqual(server.get("/healthz").status, 200)
        self.assertEqual(server.log().count("it is damaged: nothing is written to it"), 1)
        self.assertLess(server.log().count("malformed"), 10, "the log is not flooded")
        self.assertEqual(server.stop(), 0)
        written = path.read_bytes()
        self.assertEqual(written[:(page - 1) * page_bytes], sound[:(page - 1) * page_bytes], "nothing was written")
        path.write_bytes(sound)
        server.start()
        for number, link in enumerate(kept):
            self.assertEqual(server.get(link).body, b"kept%d" % number)
        server.put("again", b"again")

    def test_a_second_server_on_the_directory_says_so_and_harms_nothing(self):
        server = self.server()
        kept = server.put("kept", b"kept")
        second = self.server(start=False)
        shutil.rmtree(second.data, ignore_errors=True)
        second.data = server.data
        self.spawn_fails(second, "another server uses this data directory", str(server.data))
        self.assertEqual(server.get(kept).body, b"kept")


class Foreign(EndToEnd):
    """A data directory that belongs to somebody else."""

    def test_the_start_says_so_and_changes_nothing(self):
        if os.geteuid() != 0:
            raise unittest.SkipTest("SKIPPED: not root, who alone can become somebody else")
        nobody = 65534

        def become_nobody():
            os.setgroups([])
            os.setgid(nobody)
            os.setuid(nobody)
        program = self.directory / "ringdrop"
        shutil.copy(programs.ringdrop, program)
        server = self.server(start=False, prepare=become_nobody, program=str(program))
        self.directory.chmod(0o755)
        server.directory.chmod(0o755)
        server.data.mkdir(mode=0o700, exist_ok=True)
        server.spawn()
        self.assertEqual(server.wait(), 1)
        self.assertRegex(server.log(), f"the data directory cannot be used .{server.data}.: .*EACCES")
        self.assertEqual(list(server.data.iterdir()), [])
        server.data.chmod(0o755)  # to be read, not written
        server.spawn()
        self.assertEqual(server.wait(), 1)
        self.assertRegex(server.log(), f"the data directory cannot be used .{server.data}.: .*EACCES")
        self.assertEqual(list(server.data.iterdir()), [])


class Gone(EndToEnd):
    """What is not there any more."""

    def test_a_directory_removed_under_the_server_gives_errors_and_no_link(self):
        server = self.server()
        kept = server.put("kept", random_bytes(300 * KIB, "kept"))
        self.assertEqual(server.get("/readyz").body, b"ready\ndurability: full\n")
        shutil.rmtree(server.data)
        wait_until_not_ready(server, b"not there any more")
        with self.assertRaises(AssertionError):
            server.put("refused", b"x" * 5000)
        self.assertIn(server.get(kept).status, (404, 500, 503))
        self.assertIn("error", server.log())
        server.kill9()

    def test_without_descriptors_others_are_refused_and_served_again_later(self):
        low = 240
        server = self.server("--loops", "1", "--max-connections", "1000",
                             prepare=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (low + 60, low + 60)))
        kept = server.put("kept", b"kept")
        wires = []
        try:
            for _ in range(2 * low):
                wires.append(server.connect())
                wires[-1].send(b"GET ")
        except OSError:
            pass
        said = b""
        with contextlib.suppress(ConnectionResetError):  # it was closed with our bytes unread
            said = wires[-1].socket.recv(12)
        # So many are told at a time, all others are closed without a word.
        self.assertIn(said, (b"HTTP/1.1 503", b""), "the last one was refused")
        for wire in wires:
            wire.close()
        wait_until(lambda: server.open_sockets() <= 2, "the connections are gone")
        self.assertEqual(server.get(kept).body, b"kept")


if __name__ == "__main__":
    main()
