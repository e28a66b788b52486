#!/usr/bin/env python3
"""The three ways in which a backup gets its files, on file systems of its own: each is taken in use elsewhere and has
every byte, when the original is gone and after a power cut."""

import shutil

from harness import MIB, main, random_bytes, sha256_of
from maintenance_tools import BackupTest
from mounts import MountedImage


class Ways(BackupTest):
    """Reflink, hard link, copy: each a data directory of its own in the end."""

    BODIES = [b"", b"small", random_bytes(8193, "odd"), random_bytes(20 * MIB + 1, "large")]
    FILES = 2  # the others are in the catalogue

    def data_on(self, directory, *options):
        server = self.server(*options, "--min-free-space", "8MiB", "--digest", "always", start=False)
        server.data = directory / "data"
        return server.start()

    def assert_restores(self, server, target, way):
        """Backed up in that way, taken in use elsewhere, and whole when the original is gone."""
        links = {server.put("file", body): sha256_of(body) for body in self.BODIES}
        self.assertIn(f" {self.FILES} {way}", self.backup(server, target).stdout)
        self.assertEqual(server.stop(), 0)
        shutil.rmtree(server.data)
        copy = self.server("--min-free-space", "8MiB", start=False)
        copy.data = target
        self.fsck(copy, code=0)
        self.scrub(copy, code=0)
        copy.start()
        self.assert_whole(copy, links)
        self.assertEqual(copy.get(copy.put("new", b"new")).body, b"new")
        self.assertEqual(copy.stop(), 0)

    def test_reflinks_where_the_file_system_has_them(self):
        mounted = MountedImage(self, self.directory, "xfs")
        self.assert_restores(self.data_on(mounted.path), mounted.path / "copy", "files reflinked")

    def test_hard_links_on_one_file_system(self):
        mounted = MountedImage(self, self.directory, "ext4")
        self.assert_restores(self.data_on(mounted.path), mounted.path / "copy", "hard-linked")

    def test_copies_on_another_one(self):
        self.assert_restores(self.data_on(self.directory), self.elsewhere() / "copy", "copied")

    def test_a_backup_is_durable_also_of_what_the_server_has_never_synced(self):
        for file_system in ("ext4", "xfs"):
            mounted = MountedImage(self, self.directory, file_system)
            server = self.data_on(mounted.path, "--durability", "process")
            links = {server.put("file", body): sha256_of(body) for body in self.BODIES}
            self.backup(server, mounted.path / "copy")
            mounted.cut_power()
            server.kill9()
            mounted.unmount()
            mounted.mount()
            copy = self.server(start=False)
            copy.data = mounted.path / "copy"
            self.fsck(copy, code=0)
            self.scrub(copy, code=0)
            copy.start()
            self.assert_whole(copy, links)
            copy.stop()


if __name__ == "__main__":
    main()
