"""How long a small download takes while the server is busy with large things. The small ones come at a fixed rate, and
their latency counts from when they were due. Who asks for them has short slices of the CPU, where the kernel knows them
(Linux 6.12; `short_slices` in the results says): what it waits for the CPU, behind the load generator that makes the server
busy, is nothing that a client on a machine of its own would see. So with every server that is measured."""

import contextlib
import functools
import itertools
import os
import sys

from harness import KIB, MIB
from measure import forget_cached, median, ratio
from servers import Content, Nginx, Ringdrop, hot_answers

RATE = 1000
MOST_STOLEN = 0.002  # of the CPUs' time: a hundredth of the requests is to be late for the server's reasons alone
CONNECTIONS = 32
PACED_ROUNDS = 5  # at least: nginx's p99 goes from 1 to 30 ms by what the kernel writes just then
CARRIED = 0.95  # of its pace, at least: less is another load


class Busy:
    """What keeps a server busy: so many uploads or downloads at a time, as fast as they go or at `pace`, bytes a second
    of each."""

    CONNECTIONS = 8

    def __init__(self, what, pace=None):
        self.name = f"beside {what} of {pace / 1e6:g} MB/s" if pace else f"beside {what}"
        self.words = ("--connections", self.CONNECTIONS, *(("--pace", pace) if pace else ()))
        self.gb_s = self.CONNECTIONS * pace / 1e9 if pace else 0

    def missing(self, runs, *servers):
        """What a bar has to say of those that did not carry the pace in each round; nothing when all did."""
        least = {server: min(run["beside_gb_s"] for run in runs[f"{server}, {self.name}"]) for server in servers}
        said = ", ".join(f"{server} carried {gb_s:.2f} of {self.gb_s:.2f} GB/s" for server, gb_s in least.items()
                         if gb_s < CARRIED * self.gb_s)
        return f" ({said})" if said else ""


def hot_words(bench, server):
    """The command for GETs of 4 KiB at a fixed rate, all of them in memory."""
    targets = server.directory / "hot"
    if not targets.exists():
        paths = [server.store(f"hot-{number}", Content(4 * KIB)) for number in range(64)]
        targets.write_text("".join(path + "\n" for path in paths), "ascii")
        bench.run(server, "download", "--targets", targets, "--count", 640)
    return ("download", "--targets", targets, "--connections", CONNECTIONS, "--rate", RATE, "--seconds", bench.seconds)


def beside(bench, server, *load, busy=None):
    """The GETs' numbers while that load runs, which starts before them and ends after them; its own rate is noted. `busy`:
    the server that has the load, if it is another one."""
    words = hot_words(bench, server)
    background = bench.load(busy or server, *load)
    try:
        result = bench.run(server, *words)
    finally:
        done = background.finish()
    if done["errors"]:
        raise RuntimeError(f"{server.name}: {load}: {done['errors']} errors, answers {done['statuses']}")
    carried = (done["sent_bytes"] + done["received_bytes"]) / 1e9  # of what was cut too
    if done["run_seconds"] < result["run_seconds"] and not bench.quick:
        print(f"{server.name}: what it was busy with has ended before the GETs", file=sys.stderr)
    # The GETs are few: what the server has used of the CPU belongs to what it did beside them.
    if not result["short_slices"]:
        print(f"{server.name}: the latencies count what their own client waits for the CPU too", file=sys.stderr)
    keep = ("latency_us", "p50_ms", "p99_ms", "peak_rss_mib", "never_begun", "short_slices", "stolen", "stopped")
    return {**{key: result[key] for key in keep}, "req_s": None, "beside_gb_s": carried / done["run_seconds"],
            "beside_disk_gb_s": done["disk_read_gb"] / done["run_seconds"], "beside_seconds": done["run_seconds"],
            "beside_p99_ms": done["p99_ms"]}


def get_beside_uploads(bench):
    """At full speed each server carries as much as it can, which is not the same: how long a GET takes then says something
    about that server alone. To one another they are judged beside uploads at a pace that both can carry, so small that
    each comes to its end meanwhile and has to be made durable. How much any server has to bear at full speed says a program
    that does nothing but answer, while ringdrop has the uploads."""
    full = Busy("8 uploads")
    paced = Busy("8 uploads", 60_000_000)
    sizes = {full: bench.size(512 * MIB, 8 * MIB), paced: bench.size(128 * MIB, 8 * MIB)}

    def words(busy):
        return ("upload", *busy.words, "--size", sizes[busy], "--target", "/beside-%", "--seconds", bench.seconds + 1,
                "--cut")

    def measured(kind, busy):
        with bench.server(kind) as server:
            return beside(bench, server, *words(busy))

    def bound():
        with bench.server(Ringdrop) as server, bench.server(hot_answers(4 * KIB, 64)) as hot:
            return beside(bench, hot, *words(full), busy=server)

    kinds = bench.peers(Ringdrop, Nginx)
    runs = {}
    for busy, rounds in ((full, bench.rounds), (paced, bench.rounds if bench.quick else max(bench.rounds, PACED_ROUNDS))):
        things = {f"{kind.name}, {busy.name}": functools.partial(measured, kind, busy) for kind in kinds}
        if busy is full:
            things["plain program, beside ringdrop's 8 uploads"] = bound
        runs |= bench.take_turns("get_beside_uploads", f"4 KiB GETs, {RATE}/s", things, MOST_STOLEN, rounds)
    bench.judge("get_beside_uploads", "p99 of a GET", median(runs[f"ringdrop, {full.name}"], "p99_ms"), most=5, unit=" ms")
    if Nginx in kinds:
        to_nginx = {busy: ratio(runs[f"ringdrop, {busy.name}"], runs[f"nginx, {busy.name}"], "p99_ms")
                    for busy in sizes}
        carried = {kind.name: median(runs[f"{kind.name}, {full.name}"], "beside_gb_s") for kind in kinds}
        print(f"get_beside_uploads: at full speed the p99 of a GET, to nginx, is {to_nginx[full]:.2f}x, beside uploads of "
              f"{carried['ringdrop']:.2f} GB/s and nginx's of {carried['nginx']:.2f}")
        missing = paced.missing(runs, "ringdrop", "nginx")
        bench.judge("get_beside_uploads", f"p99 of a GET {paced.name}, to nginx{missing}", to_nginx[paced], most=1)


def cold_beside_hot(bench):
    """The cold set is larger than what the downloads can get through meanwhile, so it stays cold. At full speed they use
    all the CPU there is, on both ends; at a pace it shows whether the disk is waited for. How much of it any server has to
    bear here says a program that answers the hot ones and does nothing else, while ringdrop sends the cold ones."""
    size, files = bench.size(256 * MIB, 16 * MIB), bench.size(80, 8)
    loads = (Busy("cold ones"), Busy("cold ones", 50_000_000))
    work = f"4 KiB GETs, {RATE}/s"
    with contextlib.ExitStack() as stack:
        things = {}

        def measure(hot, cold, words):
            """`hot` is asked at the rate, alone and while `cold` has the load."""

            def measured(busy):
                forget_cached(cold)
                bench.run(hot, *hot_words(bench, hot)[:-2], "--seconds", 0.2)  # the hot ones are hot again
                return beside(bench, hot, *words, *busy.words, busy=cold)

            things[f"{hot.name}, alone"] = lambda: bench.run(hot, *hot_words(bench, hot))
            for busy in loads:
                things[f"{hot.name}, {busy.name}"] = functools.partial(measured, busy)
            return hot.name

        names = []
        for kind in bench.peers(Ringdrop, Nginx):
            server = stack.enter_context(bench.server(kind))
            targets = server.directory / "cold"
            targets.write_text("".join(server.store(f"cold-{n}", Content(size)) + "\n" for n in range(files)), "ascii")
            words = ("download", "--targets", targets, "--count", files, "--seconds", bench.seconds + 1, "--cut")
            names.append(measure(server, server, words))
            if kind is Ringdrop:
                names.append(measure(stack.enter_context(bench.server(hot_answers(4 * KIB, 64))), server, words))
        os.sync()  # what is in the page cache alone would be written while the first one is measured
        runs = bench.take_turns("cold_beside_hot", work, things, MOST_STOLEN)
    for name, busy in itertools.product(names, loads):
        value = ratio(runs[f"{name}, {busy.name}"], runs[f"{name}, alone"], "p99_ms")
        missing = busy.missing(runs, name)
        if name == Ringdrop.name:
            bench.judge("cold_beside_hot", f"p99 of a hot GET {busy.name}, to alone{missing}", value, most=2)
        else:
            print(f"cold_beside_hot: {name}, {busy.name}: the same ratio is {value:.2f}{missing}")


CASES = {case.__name__: case for case in (cold_beside_hot, get_beside_uploads)}
