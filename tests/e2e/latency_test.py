#!/usr/bin/env python3
"""Nobody waits for somebody else's large file."""

import json
import subprocess
import sys
import time
from pathlib import Path

from harness import GIB, EndToEnd, main, make_file, random_bytes

CLIENT = Path(__file__).with_name("latency_client.py")
TRICKLING = 200
WORST_P99_MS = 20.0  # the bound
TRIES = 3  # others may use the machine: the best try counts
FEWEST_SAMPLES = 100


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


class Latency(EndToEnd):
    """Small GETs beside a 4 GiB upload and 200 trickling ones."""

    def client(self, *arguments):
        process = subprocess.Popen([sys.executable, CLIENT, *map(str, arguments)], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, text=True)
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        return process

    def one_try(self, file):
        """p99 in ms of fresh and of kept connections, during one upload."""
        server = self.server("--min-free-space", "1GiB")
        path = server.put("small", random_bytes(2000, "small"))
        trickle = self.client("trickle", *server.address, TRICKLING)
        self.assertEqual(trickle.stdout.readline(), "trickling\n")
        upload = subprocess.Popen(["curl", "-q", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "-T", file,
                                   server.url + "/"], stdout=subprocess.PIPE, text=True)
        began = time.monotonic()
        probes = {kind: self.client("probe", *server.address, path, kind) for kind in ("fresh", "kept")}
        self.assertEqual(upload.communicate()[0], "201")
        seconds = time.monotonic() - began
        times = {kind: json.loads(process.communicate("end\n")[0]) for kind, process in probes.items()}
        self.assertIsNone(trickle.poll(), "the trickling clients were cut off")
        trickle.communicate("end\n")
        self.assertEqual(server.stop(), 0)
        found = {}
        for kind, values in times.items():
            self.assertGreaterEqual(len(values), FEWEST_SAMPLES)
            found[kind] = percentile(values, 0.99)
            print(f"{kind}: {len(values)} GETs in {seconds:.1f} s, p50 {percentile(values, 0.5):.2f} ms, "
                  f"p99 {found[kind]:.2f} ms, max {max(values):.2f} ms")
        return found

    def test_a_small_get_answers_within_20_ms_while_4_gib_come_in_and_200_trickle(self):
        file = make_file(self.directory / "huge", 4 * GIB)
        best = {"fresh": float("inf"), "kept": float("inf")}
        for _ in range(TRIES):
            found = self.one_try(file)
            best = {kind: min(best[kind], found[kind]) for kind in best}
            if max(best.values()) <= WORST_P99_MS:
                return
        self.fail(f"the best p99 of {TRIES} tries in ms: {best}, allowed {WORST_P99_MS}")


if __name__ == "__main__":
    main()
