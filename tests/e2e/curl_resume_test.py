#!/usr/bin/env python3
"""curl alone goes on with an upload that broke off, by four lines of shell as a user would type them."""

import os
import random
import signal
import subprocess

from harness import MIB, EndToEnd, main, make_file, sha256_of, wait_until
from relay import Relay

# `$limit` is empty, or a limit of the rate so that it lasts; all else is what the documentation says.
BEGIN = ("curl -sD hdr -T big.iso $limit -H 'Upload-Draft-Interop-Version: 8' -H 'Upload-Complete: ?1' "
         "http://$host/big.iso")
WHERE = """loc=http://$host$(tr -d '\\r' <hdr | awk 'tolower($1)=="location:"{print $2; exit}')
off=$(curl -sI -H 'Upload-Draft-Interop-Version: 8' $loc | tr -d '\\r' | awk 'tolower($1)=="upload-offset:"{print $2}')
echo $off
"""
GO_ON = """tail -c +$((off+1)) big.iso | curl -X PATCH -T - $limit -H "Upload-Offset: $off" -H 'Upload-Complete: ?1' \\
     -H 'Content-Type: application/partial-upload' -H 'Upload-Draft-Interop-Version: 8' $loc"""
SIZE = 48 * MIB + 7
MOST_TRIES = 20


class CurlResume(EndToEnd):
    def setUp(self):
        super().setUp()
        self.here = self.server()
        self.file = make_file(self.directory / "big.iso", SIZE)
        seed = int(os.environ.get("RINGDROP_SEED", random.SystemRandom().randrange(10**6)))
        print(f"seed {seed} (RINGDROP_SEED={seed} repeats the cuts)")
        self.chance = random.Random(seed)
        self.offset = 0

    def shell(self, script, host, limit=""):
        """The script running in sh, a process group of its own, where big.iso is."""
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.directory), "no_proxy": "*", "host": host,
                       "limit": limit, "loc": getattr(self, "location", ""), "off": str(self.offset)}
        shell = subprocess.Popen(["sh", "-c", script], cwd=self.directory, env=environment, stdin=subprocess.DEVNULL,
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)
        self.addCleanup(self.end, shell)
        return shell

    @staticmethod
    def end(shell):
        if shell.poll() is None:
            os.killpg(shell.pid, signal.SIGKILL)
        shell.communicate()

    def ask_where(self, host):
        """The two lines in the middle: where the upload is, and how far it is, which never becomes less."""
        shell = self.shell(WHERE + "echo $loc", host)
        offset, location = shell.communicate(timeout=60)[0].split()
        self.assertGreaterEqual(int(offset), self.offset)
        self.assertLess(int(offset), SIZE)
        self.offset, self.location = int(offset), location

    def assert_arrived(self, shell):
        """What the last line prints is the link, and there is the file."""
        said, errors = shell.communicate(timeout=120)
        self.assertEqual(shell.returncode, 0, errors)
        self.assertRegex(said, r"^http://[0-9.:]+/[0-9A-Za-z]{22}/big\.iso\n$")
        link = self.here.url + "/" + said.strip().split("/", 3)[3]
        self.assertEqual(self.fetch_sha256(link), sha256_of(self.file))

    def stored(self):
        return sum((self.here.data / path).stat().st_size for path in self.here.stored_files())

    def test_after_curl_was_killed(self):
        host = self.here.authority
        killed_at = self.chance.randrange(2 * MIB, 10 * MIB)
        shell = self.shell(BEGIN, host, "--limit-rate 12M")
        wait_until(lambda: self.stored() >= killed_at, "some of it is stored")
        self.end(shell)
        for _ in range(2):
            self.ask_where(host)
            self.assertGreater(self.offset, MIB)
            shell = self.shell(GO_ON, host, "--limit-rate 12M")
            killed_at = self.offset + self.chance.randrange(2 * MIB, 10 * MIB)
            wait_until(lambda: self.stored() >= killed_at, "more of it is stored")
            self.end(shell)
        self.ask_where(host)
        self.assert_arrived(self.shell(GO_ON, host))

    def go_on_over(self, relay, limit):
        host = relay.authority
        shell = self.shell(BEGIN, host, limit)
        shell.communicate(timeout=120)
        self.assertNotEqual(shell.returncode, 0, "curl notices the cut")
        for _ in range(MOST_TRIES):
            self.ask_where(host)
            last = not relay.has_cuts_left()
            shell = self.shell(GO_ON, host, limit)
            if last:
                break
            shell.communicate(timeout=120)
            self.assertNotEqual(shell.returncode, 0, "curl notices the cut")
        self.assert_arrived(shell)
        self.assertFalse(relay.has_cuts_left(), "all cuts were made")

    def test_after_the_network_was_cut(self):
        for limit in ("", "--limit-rate 40M"):
            with self.subTest(limit=limit):
                self.offset = 0
                cuts = [(1 + 11 * turn) * MIB + self.chance.randrange(9 * MIB) for turn in range(4)]
                relay = Relay(lambda: self.here.address, cuts, kinds=("reset", "close"))
                self.addCleanup(relay.close)
                self.go_on_over(relay, limit)


if __name__ == "__main__":
    main()
