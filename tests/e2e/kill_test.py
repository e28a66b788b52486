#!/usr/bin/env python3
"""kill -9 under mixed load: PUT, forms, tus, deletes, expiries. What clients were told holds after each start, which
was killed once before, somewhere.

RINGDROP_KILLS=N: so many instead of 20; tests/nightly.sh takes 300."""

import os
import random
import subprocess

from acknowledged import check_links, check_uploads, crash_under_load
from harness import EndToEnd, main, programs

KILLS = int(os.environ.get("RINGDROP_KILLS", "20"))
REMEMBERED = 500  # links of earlier rounds that are looked at again in each


class Kill(EndToEnd):
    """One data directory, killed and started again and again."""

    def test_what_was_acknowledged_to_anybody_survives_kill_9(self):
        seed = int(os.environ.get("RINGDROP_SEED", random.SystemRandom().randrange(10**6)))
        print(f"seed {seed} (RINGDROP_SEED={seed} repeats the choices)")
        chance = random.Random(seed)
        server = self.server("--loops", "2", "--digest", "always")
        links = []
        killed_in_start = 0
        for turn in range(KILLS):
            fresh, uploads = crash_under_load(server, chance.uniform(0.05, 0.8), f"{seed} {turn}", server.kill9)
            killed_in_start += server.kill_in_start(chance.random())
            server.start()
            self.assertNotIn("is not there", server.log())
            check_links(self, server, fresh)
            fresh += check_uploads(self, server, uploads)
            check_links(self, server, chance.sample(links, min(len(links), REMEMBERED)))
            fsck = subprocess.run([programs.ringdrop, "fsck", "--data-dir", str(server.data)], capture_output=True,
                                  text=True, check=False)
            self.assertEqual(fsck.returncode, 0, fsck)
            self.assertNotIn("unfinished", fsck.stdout, "orphans after a recovery")
            links += fresh
        check_links(self, server, links)
        self.assertGreater(len(links), KILLS, "the load did something")
        print(f"{KILLS} kills, and {killed_in_start} of starts before they listened; {len(links)} links")


if __name__ == "__main__":
    main()
