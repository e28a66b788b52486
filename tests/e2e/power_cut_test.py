#!/usr/bin/env python3
"""Power cuts on real file systems: a loop-mounted ext4 or XFS is shut down under mixed load without another write
(`xfs_io -x -c shutdown`), mounted again, and the server recovers. What clients were told holds.

RINGDROP_POWER_CUTS=N: so many cuts of each file system instead of 15."""

import os
import random

from acknowledged import check_links, check_uploads, crash_under_load
from harness import EndToEnd, main, programs
from mounts import MountedImage, tool

CUTS = int(os.environ.get("RINGDROP_POWER_CUTS", "15"))


class PowerCut(EndToEnd):
    """A mounted image, and a server that lives on it."""

    def setUp(self):
        super().setUp()
        self.seed = int(os.environ.get("RINGDROP_SEED", random.SystemRandom().randrange(10**6)))
        print(f"seed {self.seed} (RINGDROP_SEED={self.seed} repeats the choices)")

    def server_on(self, file_system):
        self.mounted = MountedImage(self, self.directory, file_system)
        server = self.server("--loops", "2", "--min-free-space", "8MiB", "--digest", "always", start=False)
        server.data = self.mounted.path / "data"
        return server.start()

    def cut(self, server):
        """Not one moment, as a real cut is: an fsync that is under way while ext4 or XFS is shut down may report success
        for a commit of the journal that was given up. The load is deaf meanwhile."""
        self.mounted.cut_power()
        server.kill9()

    def assert_survives_cuts(self, file_system):
        server = self.server_on(file_system)
        chance = random.Random(self.seed)
        links = []
        for turn in range(CUTS):
            fresh, uploads = crash_under_load(server, chance.uniform(0.1, 0.8), f"{self.seed} {turn}",
                                              lambda: self.cut(server), deaf=True)
            self.mounted.unmount()
            self.mounted.mount()
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
        self.mounted.unmount()

    def test_what_was_acknowledged_on_ext4_survives_power_cuts(self):
        self.assert_survives_cuts("ext4")

    def test_what_was_acknowledged_on_xfs_survives_power_cuts(self):
        self.assert_survives_cuts("xfs")


if __name__ == "__main__":
    main()
