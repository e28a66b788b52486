#!/usr/bin/env python3
"""Power cuts of a whole machine, with the kernel of Debian 12: qemu is killed under mixed load, booted again, and what
clients outside of it were told holds. For tests/nightly.sh.

RINGDROP_QEMU_CUTS=N: so many instead of 10."""

import os
import random
import shutil
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))
from acknowledged import check_links, check_uploads, crash_under_load  # noqa: E402
from harness import EndToEnd, main, scratch_root  # noqa: E402
from guest import BOOT_PATIENCE, Machine  # noqa: E402

CUTS = int(os.environ.get("RINGDROP_QEMU_CUTS", "10"))


class PowerCut(EndToEnd):
    """One disk, cut again and again."""

    def test_what_was_acknowledged_survives_the_end_of_the_machine(self):
        seed = int(os.environ.get("RINGDROP_SEED", random.SystemRandom().randrange(10**6)))
        print(f"seed {seed} (RINGDROP_SEED={seed} repeats the choices)")
        chance = random.Random(seed)
        directory = tempfile.mkdtemp(prefix="ringdrop-qemu-", dir=scratch_root())
        self.addCleanup(shutil.rmtree, directory, ignore_errors=True)
        machine = Machine(directory, "--loops", "2", "--digest", "always").start()
        self.addCleanup(lambda: machine.is_running() and machine.kill9())
        self.assertIn("GUEST: Linux 6.1.", machine.log())
        links = []
        for turn in range(CUTS):
            fresh, uploads = crash_under_load(machine, chance.uniform(1, 6), f"{seed} {turn}", machine.kill9)
            machine.start()
            self.assertNotIn("is not there", machine.log())
            machine.wait_for_log("GUEST: fsck ended with", BOOT_PATIENCE)
            self.assertIn("GUEST: fsck ended with 0", machine.log())
            check_links(self, machine, fresh)
            finished = check_uploads(self, machine, uploads)
            links += fresh + finished
            print(f"cut {turn}: {len(fresh)} links, {len(uploads)} unfinished uploads", flush=True)
        check_links(self, machine, links)
        self.assertGreater(len(links), CUTS, "the load did something")


if __name__ == "__main__":
    main()
