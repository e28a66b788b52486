#!/usr/bin/env python3
"""Measures ringdrop beside nginx and an asyncio server, row by row of what it must reach. `sh tests/bench/run.sh` builds
and installs what it needs, and takes the same arguments:

    sh tests/bench/run.sh [--quick] [--rounds N] [--directory DIR] [--json FILE] [CASE...]

In each round the servers take turns, each on a fresh directory, and the medians over the rounds are printed; ratios are
taken within a round. The machine should be quiet. --quick: small sizes, one round, to see that all of it works.

What the host takes away of the CPUs' time during a run (steal) is looked at: one that lost too much is repeated, three
times at most, and the one that lost least counts. `!` behind what was stolen: still too much, in some round. After a few
in a row for which that was in vain nothing is repeated until the host lets one be: it would take hours.

Some hosts limit what a machine uses of the CPUs by stopping all of them for a part of each tenth of a second, and do not
call that steal: `stopped` is the part of the time in which none ran. Nothing is repeated for it: it would be so again.

`CPU`: all threads and processes of the server, not the load generator, and not the kernel's own threads, which write
nginx's page cache to the disk after its answer. `peak`: resident at most during the run. The load generator uses the same
cores as the servers; one that asks at a fixed rate, for latencies, waits for them less than others (latency_cases.py)."""

import argparse
import contextlib
import datetime
import json
import os
import platform
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))
import catalogue_case  # noqa: E402
import cut_case  # noqa: E402
import durability_case  # noqa: E402
import latency_cases  # noqa: E402
import memory_cases  # noqa: E402
import servers  # noqa: E402
import table  # noqa: E402
import transfer_cases  # noqa: E402
import upkeep_case  # noqa: E402
from harness import GIB, scratch_root  # noqa: E402
from measure import Load, Steal  # noqa: E402

CASES = {**transfer_cases.CASES, **latency_cases.CASES, **memory_cases.CASES, **catalogue_case.CASES,
         **cut_case.CASES, **durability_case.CASES, **upkeep_case.CASES}


SLOW_FILE_SECONDS = 100e-6  # of CPU time; without that trap it is a tenth

MOST_STOLEN = 0.02  # of the CPUs' time, by the host, in a run that is to count
MOST_RUNS = 4
MOST_IN_VAIN = 3  # after so many measured things in a row that were disturbed in each try the next one has a single try
REST = 20  # seconds


def seconds_to_make_a_file(directory):
    """Of CPU time, there. ext4 does not give an inode again for a minute or more after its file was removed, and looks at
    them one by one: in a block group where many were removed lately, by whomever, a file takes ten times as long."""
    inside = directory / "probe"
    inside.mkdir()
    begin = time.process_time()
    for number in range(300):
        os.close(os.open(inside / str(number), os.O_CREAT | os.O_WRONLY, 0o600))
    return (time.process_time() - begin) / 300


class Bench:
    """What a case gets: the options, servers on fresh directories, and where its results go."""

    def __init__(self, options, root):
        self.options = options
        self.quick = options.quick
        self.rounds = options.rounds or (1 if options.quick else 3)
        self.seconds = 0.5 if options.quick else 4
        self.root = Path(root)
        self.rows = []      # {case, work, server, runs: [number by name, one a round]}
        self.verdicts = []  # {case, what, bar, value, reached}
        self.series = {}    # name: [[seconds, bytes], ...]
        self._started = 0
        self.in_vain = 0  # in a row

    def size(self, full, quick):
        return quick if self.quick else full

    def peers(self, *classes):
        """Those that are installed."""
        return [one for one in classes if not one.missing()]

    @contextlib.contextmanager
    def server(self, kind, keep=False):
        """A running server on a fresh directory. `keep`: of many small files, which are removed when all is over: ext4
        makes files slowly for minutes after others were removed."""
        directory = self.fresh_directory(kind.name.replace(" ", "-"))
        if keep:
            for _ in range(20):
                if seconds_to_make_a_file(directory) < SLOW_FILE_SECONDS:
                    break
                directory = self.fresh_directory(kind.name.replace(" ", "-"))
        server = kind(directory)
        try:
            server.start()
            yield server
        finally:
            if server.process:
                server.stop()
            if not keep:
                shutil.rmtree(server.directory)
            if not self.quick:  # what one has left in the page cache is not written while another is measured
                os.sync()

    def fresh_directory(self, name):
        self._started += 1
        directory = self.root / f"{self._started}-{name}"
        directory.mkdir()
        return directory

    def load(self, server, *words):
        """Starts the load generator."""
        return Load(servers.programs.load, server, *words)

    def run(self, server, *words):
        """Lets the load generator run; the numbers. An answer that is no success is a failure of the whole."""
        result = self.load(server, *words).finish()
        if result["errors"]:
            raise RuntimeError(f"{server.name}: {words}: {result['errors']} errors, answers {result['statuses']}")
        return result

    def take_turns(self, case, work, things, most_stolen=MOST_STOLEN, rounds=None):
        """Calls each of `things` (name: function that returns numbers) once a round, in every other one from the last to the
        first: a disk may be slower the more was written just before. The runs by name. One that the host has disturbed is
        repeated."""
        runs = {name: [] for name in things}
        rounds = rounds or self.rounds
        for number in range(rounds):
            for name in list(things) if number % 2 == 0 else reversed(things):
                print(f"{case}: {work}: round {number + 1} of {rounds}: {name}", file=sys.stderr, flush=True)
                runs[name].append(self.undisturbed(things[name], most_stolen))
        for name in things:
            self.rows.append({"case": case, "work": work, "server": name, "runs": runs[name]})
        return runs

    def undisturbed(self, measured, most_stolen):
        """The numbers of a run in which the host has taken no more than that part of the CPUs' time away; of a few runs the
        least disturbed one, when there is none. Hosts lend more than they grant and take it back later, so that after much
        work a machine stands still for tens of milliseconds, over and over: that is no server's latency. It rests first.
        Noted with the numbers: how much each try has lost, and whether the one that counts is `disturbed` all the same."""
        tries = 1 if self.quick or self.in_vain >= MOST_IN_VAIN else MOST_RUNS
        runs = []
        while True:
            steal = Steal()
            run = measured()
            # The load generator's own is of the load alone, without the server's start and end.
            stolen = run.setdefault("stolen", steal.part())
            runs.append(run)
            if stolen <= most_stolen or len(runs) == tries:
                self.in_vain = 0 if stolen <= most_stolen else self.in_vain + 1
                least = min(runs, key=lambda run: run["stolen"])
                return {**least, "tries_stolen": [run["stolen"] for run in runs],
                        "disturbed": least["stolen"] > most_stolen}
            print(f"  the host has taken {stolen:.1%} of the CPUs' time away: again, after {REST} seconds of rest",
                  file=sys.stderr, flush=True)
            time.sleep(REST)

    def judge(self, case, what, value, least=None, most=None, below=None, unit="x"):
        """Notes whether a bar is reached; nothing when there is no value (a peer is missing)."""
        if value is None:
            return
        if least is not None:
            bar, reached = f">= {least:g}", value >= least
        elif most is not None:
            bar, reached = f"<= {most:g}", value <= most
        else:
            bar, reached = f"< {below:g}", value < below
        self.verdicts.append({"case": case, "what": what, "bar": f"{bar}{unit}", "value": value, "unit": unit,
                              "reached": bool(reached)})


def about(options):
    """When, where and how it was measured."""
    model = next((line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines()
                  if line.startswith("model name")), platform.machine())
    commit = subprocess.run(["git", "-c", "safe.directory=*", "describe", "--always", "--dirty"], capture_output=True,
                            text=True, check=False, cwd=Path(__file__).parent).stdout.strip()
    return {"date": datetime.date.today().isoformat(), "kernel": platform.release(), "cpu": model,
            "cores": len(os.sched_getaffinity(0)), "commit": commit, "quick": options.quick,
            "load_average": os.getloadavg()[0],
            "command": command(options)}


def command(options):
    """What repeats the measurement; where its data and results go is nobody's matter."""
    words = ["sh tests/bench/run.sh"]
    words += ["--quick"] if options.quick else []
    for name in ("rounds", "memory_gib", "links"):
        if getattr(options, name):
            words += [f"--{name.replace('_', '-')}", str(getattr(options, name))]
    return " ".join(words + options.cases)


def raise_file_limit():
    """For servers of 10,000 connections: as a service has it (ringdrop.service), or as far as may be."""
    for limit in (65536, resource.getrlimit(resource.RLIMIT_NOFILE)[1]):
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, max(limit, resource.getrlimit(resource.RLIMIT_NOFILE)[1])))
            return
        except (ValueError, OSError):
            continue


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"of {', '.join(CASES)}; none: all")
    parser.add_argument("--quick", action="store_true", help="small sizes, one round")
    parser.add_argument("--rounds", type=int, help="default 3")
    parser.add_argument("--build", default=str(Path(__file__).resolve().parents[2] / "build/release"))
    parser.add_argument("--directory", default=scratch_root(), help="where the data goes, on the disk to be measured")
    parser.add_argument("--json", metavar="FILE", help="where the results go (default: bench.json of the build)")
    parser.add_argument("--memory-gib", type=int, help="size of the large transfer of `memory` (default 40, or what fits)")
    parser.add_argument("--links", type=int, help="of the large catalogue of `catalogue` (default 10 million)")
    options = parser.parse_args()
    unknown = [case for case in options.cases if case not in CASES]
    if unknown:
        parser.error(f"no case is called {unknown[0]}; there are {', '.join(CASES)}")
    return options


def main():
    options = parse_options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the servers end with us
    raise_file_limit()
    build = Path(options.build).resolve()
    servers.programs.ringdrop = str(build / "ringdrop")
    servers.programs.load = str(build / "tests/bench/load/ringdrop-load")
    servers.programs.small_durable = str(build / "tests/bench/small_durable")
    servers.programs.durable_append = str(build / "tests/bench/durable_append")
    servers.programs.hot_answers = str(build / "tests/bench/hot_answers")
    for kind in (servers.Nginx, servers.Asyncio):
        if kind.missing():
            print(f"{kind.name} is left out: missing {kind.missing()} (sh deploy/packages.sh bench)", file=sys.stderr)
    results = Path(options.json or build / "bench.json")
    with tempfile.TemporaryDirectory(prefix="ringdrop-bench-", dir=options.directory) as root:
        if shutil.which("chattr"):  # each run's directory in block groups of its own, where nothing was removed lately
            subprocess.run(["chattr", "+T", root], check=False, capture_output=True)
        free = shutil.disk_usage(root).free
        if not options.quick and free < 60 * GIB:
            sys.exit(f"{options.directory} has {free // GIB} GiB free, and 60 are needed: see --directory, --quick")
        bench = Bench(options, root)
        try:
            for name in options.cases or CASES:
                CASES[name](bench)
        finally:
            document = {"about": about(options), "rows": bench.rows, "verdicts": bench.verdicts, "series": bench.series}
            results.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
            print(table.text(document))
            print(f"\nall numbers: {results}", flush=True)
            print("removing what was made: many small files take minutes", file=sys.stderr)


if __name__ == "__main__":
    main()
