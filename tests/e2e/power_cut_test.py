#!/usr/bin/env python3
"""Power cuts on real file systems: a loop-mounted ext4 or XFS is shut down under mixed load without another write
(`xfs_io -x -c shutdown`), mounted again, and the server recovers. What clients were told holds.

RINGDROP_POWER_CUTS=N: so many cuts of each file system instead of 15."""

import os
import random
import shutil
import subprocess
import unittest

from acknowledged import check_links, check_uploads, crash_under_load
from harness import EndToEnd, main, programs, wait_until

CUTS = int(os.environ.get("RINGDROP_POWER_CUTS", "15"))
IMAGE_BYTES = 4 << 30  # sparse
MAKE = {"ext4": ["mkfs.ext4", "-q", "-F"], "xfs": ["mkfs.xfs", "-q", "-f"]}


def tool(*words):
    return subprocess.run(words, capture_output=True, text=True, check=False)


class PowerCut(EndToEnd):
    """A mounted image, and a server that lives on it."""

    def setUp(self):
        super().setUp()
        if os.geteuid() != 0:
            raise unittest.SkipTest("SKIPPED: not root, who alone can mount")
        for program in ("xfs_io", "mkfs.xfs", "mkfs.ext4", "mount"):
            if not shutil.which(program):
                raise unittest.SkipTest(f"SKIPPED: no {program} (sh deploy/packages.sh test)")
        self.seed = int(os.environ.get("RINGDROP_SEED", random.SystemRandom().randrange(10**6)))
        print(f"seed {self.seed} (RINGDROP_SEED={self.seed} repeats the choices)")
        self.mount_point = self.directory / "mounted"
        self.mount_point.mkdir()
        self.image = self.directory / "image"

    def mount(self):
        mounted = tool("mount", "-o", "loop", str(self.image), str(self.mount_point))
        if mounted.returncode != 0:
            raise unittest.SkipTest(f"SKIPPED: no loop mounts here: {mounted.stderr.strip()}")

    def unmount(self):
        # A killed server's ring lets go of its files in the background.
        wait_until(lambda: tool("umount", str(self.mount_point)).returncode == 0, "the file system is unmounted")

    def server_on(self, file_system):
        with open(self.image, "wb") as image:
            image.truncate(IMAGE_BYTES)
        subprocess.run([*MAKE[file_system], str(self.image)], check=True, capture_output=True)
        self.mount()
        self.addCleanup(tool, "umount", "-l", str(self.mount_point))
        server = self.server("--loops", "2", "--min-free-space", "8MiB", "--digest", "always", start=False)
        server.data = self.mount_point / "data"
        return server.start()

    def cut(self, server):
        """Not one moment, as a real cut is: an fsync that is under way while ext4 or XFS is shut down may report success
        for a commit of the journal that was given up. The load is deaf meanwhile."""
        done = tool("xfs_io", "-x", "-c", "shutdown", str(self.mount_point))
        self.assertEqual(done.returncode, 0, done)
        server.kill9()

    def assert_survives_cuts(self, file_system):
        server = self.server_on(file_system)
        chance = random.Random(self.seed)
        links = []
        for turn in range(CUTS):
            fresh, uploads = crash_under_load(server, chance.uniform(0.1, 0.8), f"{self.seed} {turn}",
                                              lambda: self.cut(server), deaf=True)
            self.unmount()
            self.mount()
            server.start()
            self.assertNotIn("is not there", server.log())
            check_links(self, server, fresh)
            finished = check_uploads(self, server, uploads)
            fsck = tool(programs.ringdrop, "fsck", "--data-dir", str(server.data))
            self.assertEqual(fsck.returncode, 0, fsck)
            self.assertNotIn("unfinished", fsck.stdout, "orphans after a recovery")
            links += fresh + finished
            print(f"{file_system}, cut {turn}: {len(fresh)} links, {len(uploads)} unfinished uploads")
        check_links(self, server, links)
        scrub = tool(programs.ringdrop, "scrub", "--data-dir", str(server.data))
        self.assertEqual(scrub.returncode, 0, scrub)
        self.assertGreater(len(links), CUTS, "the load did something")
        self.assertEqual(server.stop(), 0)
        self.unmount()

    def test_what_was_acknowledged_on_ext4_survives_power_cuts(self):
        self.assert_survives_cuts("ext4")

    def test_what_was_acknowledged_on_xfs_survives_power_cuts(self):
        self.assert_survives_cuts("xfs")


if __name__ == "__main__":
    main()
