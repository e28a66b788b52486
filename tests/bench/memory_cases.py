"""Resident memory: idle, with many connections, and whether a transfer's size shows in it."""

import os
import re
import resource
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

from harness import GIB, KIB, MIB
from measure import memory as resident
from servers import Asyncio, Content, Nginx, Ringdrop

BUDGET = 64 * MIB  # memory_budget's default


class Sampler:
    """The server's RSS each second while the block runs: [[seconds, bytes], ...]."""

    def __init__(self, server, every=1.0):
        self.server, self.every = server, every
        self.samples = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample)

    def _sample(self):
        begin = time.monotonic()
        while True:
            self.samples.append([round(time.monotonic() - begin, 3), resident(self.server.pid, "VmRSS")])
            if self._stop.wait(self.every):
                return

    def __enter__(self):
        self._thread.start()
        return self.samples

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()


def transfers(bench):
    """What a large upload and a large download take more than small ones."""
    small, large = 40 * MIB, 40 * GIB
    if bench.options.memory_gib:
        large = bench.options.memory_gib * GIB
    elif bench.quick:
        large = 256 * MIB
    else:
        large = min(large, (shutil.disk_usage(bench.root).free - 10 * GIB) // GIB * GIB)
    peaks = {}
    with bench.server(Ringdrop) as server:
        for size in (small, large):
            text = f"{size // GIB} GiB" if size >= GIB else f"{size // MIB} MiB"
            print(f"memory: {text} up and down", file=sys.stderr, flush=True)
            with Sampler(server) as samples:
                up = bench.run(server, "upload", "--count", 1, "--size", size)
            bench.series[f"upload {text}"] = samples
            targets = server.directory / "targets"
            targets.write_text(server.path_of("", up["location"]) + "\n", "ascii")
            with Sampler(server) as samples:
                down = bench.run(server, "download", "--count", 1, "--targets", targets)
            bench.series[f"download {text}"] = samples
            for way, result in (("upload", up), ("download", down)):
                peaks[way, size] = result["peak_rss_mib"]
                bench.rows.append({"case": "memory", "work": f"{way} {text}", "server": "ringdrop", "runs": [result]})
    for way in ("upload", "download"):
        bench.judge("memory", f"peak of the {way} of {large / GIB:g} GiB above that of 40 MiB",
                    peaks[way, large] - peaks[way, small], most=8, unit=" MiB")


def idle_connections(bench):
    # ringdrop counts on three descriptors a connection and takes fewer connections where it may not have them.
    count = min(bench.size(10_000, 500), resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 4)
    for kind in bench.peers(Ringdrop, Nginx, Asyncio):
        with bench.server(kind) as server:
            targets = server.directory / "targets"
            targets.write_text(server.store("one", Content(1)) + "\n", "ascii")
            bench.run(server, "download", "--count", 1, "--targets", targets)
            before = resident(server.pid, "VmRSS")
            idle = bench.load(server, "idle", "--connections", count, "--targets", targets)
            idle.wait_until_there()
            each = (resident(server.pid, "VmRSS") - before) / count
            result = idle.finish()
        if result["errors"]:
            raise RuntimeError(f"{server.name}: {result['errors']} of {count} connections failed: {result['statuses']}")
        bench.rows.append({"case": "memory", "work": f"{count} idle connections", "server": kind.name,
                           "runs": [{"rss_each": each, "peak_rss_mib": result["peak_rss_mib"]}]})
        if kind is Ringdrop:
            bench.judge("memory", f"each of {count} idle connections", each / KIB, most=8, unit=" KiB")


def idle_servers(bench):
    for kind in bench.peers(Ringdrop, Nginx, Asyncio):
        with bench.server(kind) as server:
            mib = resident(server.pid, "VmRSS") / MIB
        bench.rows.append({"case": "memory", "work": "just started", "server": kind.name,
                           "runs": [{"peak_rss_mib": mib}]})
        if kind is Ringdrop:
            bench.judge("memory", "just started", mib, most=16, unit=" MiB")


def slow_uploads(bench):
    count = bench.size(1000, 100)
    for kind in bench.peers(Ringdrop, Nginx, Asyncio):
        with bench.server(kind) as server:
            before = resident(server.pid, "VmRSS")
            run = bench.run(server, "upload", "--connections", count, "--size", MIB, "--pace", 16 * KIB, "--seconds",
                            bench.size(20, 1), "--cut")
        added = run["peak_rss_mib"] - before / MIB
        bench.rows.append({"case": "memory", "work": f"{count} slow uploads", "server": kind.name,
                           "runs": [{"peak_rss_mib": run["peak_rss_mib"]}]})
        if kind is Ringdrop:
            bench.judge("memory", f"{count} slow uploads add", added, most=BUDGET / MIB, unit=" MiB")


def memory(bench):
    idle_servers(bench)
    idle_connections(bench)
    slow_uploads(bench)
    transfers(bench)


def watchers(bench):
    """tests/bench/watchers.py, with its own bars."""
    few = ("--watchers", "200", "--mib", "64", "--rounds", "1") if bench.quick else ()
    made = subprocess.run([sys.executable, Path(__file__).parent / "watchers.py", "--ringdrop",
                           str(Path(bench.options.build) / "ringdrop"), *few], stdout=subprocess.PIPE, text=True,
                          check=False, env={**os.environ, "TMPDIR": str(bench.root)})
    cpu = re.search(r"cpu for watching: ([-\d.]+) %", made.stdout)
    slower = re.search(r"takes ([-+\d.]+) % longer", made.stdout)
    memory_each = re.search(r"memory a watcher: ([-\d]+) B", made.stdout)
    if not cpu or not slower or not memory_each:
        raise RuntimeError(f"watchers.py has not come to its end: {made.stdout}")
    bench.judge("watchers", "watching, of a core", float(cpu.group(1)), below=15, unit=" %")
    bench.judge("watchers", "a watched upload takes longer by", float(slower.group(1)), most=5, unit=" %")
    bench.judge("watchers", "memory of each", int(memory_each.group(1)) / KIB, most=12, unit=" KiB")


CASES = {"memory": memory, "watchers": watchers}
