"""File systems of one's own: images that are mounted as root, and what else the machine has."""

import os
import shutil
import subprocess
import unittest

from harness import wait_until

IMAGE_BYTES = 4 << 30  # sparse
MAKE = {"ext4": ["mkfs.ext4", "-q", "-F"], "xfs": ["mkfs.xfs", "-q", "-f"]}


def tool(*words):
    return subprocess.run(words, capture_output=True, text=True, check=False)


class MountedImage:
    """A new file system of its own, mounted below `directory` until the test ends. Skips the test where that cannot
    be."""

    def __init__(self, test, directory, file_system):
        if os.geteuid() != 0:
            raise unittest.SkipTest("SKIPPED: not root, who alone can mount")
        for program in ("xfs_io", "mkfs.xfs", "mkfs.ext4", "mount"):
            if not shutil.which(program):
                raise unittest.SkipTest(f"SKIPPED: no {program} (sh deploy/packages.sh test)")
        self.path = directory / f"mounted-{file_system}"
        self.path.mkdir()
        self.image = directory / f"image-{file_system}"
        with open(self.image, "wb") as image:
            image.truncate(IMAGE_BYTES)
        subprocess.run([*MAKE[file_system], str(self.image)], check=True, capture_output=True)
        self.mount()
        test.addCleanup(tool, "umount", "-l", str(self.path))

    def mount(self):
        mounted = tool("mount", "-o", "loop", str(self.image), str(self.path))
        if mounted.returncode != 0:
            raise unittest.SkipTest(f"SKIPPED: no loop mounts here: {mounted.stderr.strip()}")

    def unmount(self):
        # A killed server's ring lets go of its files in the background.
        wait_until(lambda: tool("umount", str(self.path)).returncode == 0, "the file system is unmounted")

    def cut_power(self):
        """Nothing is written from now on, not even what was synced a moment ago and is under way."""
        done = tool("xfs_io", "-x", "-c", "shutdown", str(self.path))
        if done.returncode != 0:
            raise AssertionError(done)
