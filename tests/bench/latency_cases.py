"""How long a small download takes while the server is busy with large things. The small ones come at a fixed rate, and
their latency counts from when they were due. Who asks for them has short slices of the CPU, where the kernel knows them
(Linux 6.12; `short_slices` in the results says): what it waits for the CPU, behind the load generator that makes the server
busy, is nothing that a client on a machine of its own would see. So with every server that is measured."""

import contextlib
import functools
import os
import sys

from harness import KIB, MIB
from measure import median, ratio
from servers import Content, Nginx, Ringdrop

RATE = 1000
MOST_STOLEN = 0.002  # of the CPUs' time: a hundredth of the requests is to be late for the server's reasons alone
CONNECTIONS = 32


def hot_words(bench, server):
    """The command for GETs of 4 KiB at a fixed rate, all of them in memory."""
    targets = server.directory / "hot"
    if not targets.exists():
        paths = [server.store(f"hot-{number}", Content(4 * KIB)) for number in range(64)]
        targets.write_text("".join(path + "\n" for path in paths), "ascii")
        bench.run(server, "download", "--targets", targets, "--count", 640)
    return ("download", "--targets", targets, "--connections", CONNECTIONS, "--rate", RATE, "--seconds", bench.seconds)


def beside(bench, server, *load):
    """The GETs' numbers while that load runs, which starts before them and ends after them; its own rate is noted."""
    words = hot_words(bench, server)
    background = bench.load(server, *load)
    try:
        result = bench.run(server, *words)
    finally:
        done = background.finish()
    if done["errors"]:
        raise RuntimeError(f"{server.name}: {load}: {done['errors']} errors, answers {done['statuses']}")
    carried = (done["sent_bytes"] + done["received_bytes"]) / 1e9  # of what was cut too
    # The GETs are few: what the server has used of the CPU belongs to what it did beside them.
    if not result["short_slices"]:
        print(f"{server.name}: the latencies count what their own client waits for the CPU too", file=sys.stderr)
    keep = ("latency_us", "p50_ms", "p99_ms", "peak_rss_mib", "never_begun", "short_slices", "stolen")
    return {**{key: result[key] for key in keep}, "req_s": None, "beside_gb_s": carried / done["run_seconds"],
            "beside_seconds": done["run_seconds"]}


def forget_cached(server):
    """Takes all that the server keeps out of the page cache."""
    os.sync()
    for path in server.stored_files():
        with contextlib.suppress(OSError), open(path, "rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def get_beside_uploads(bench):
    work = f"4 KiB GETs, {RATE}/s, beside 8 uploads"
    words = ("upload", "--connections", 8, "--size", bench.size(512 * MIB, 8 * MIB), "--target", "/beside-%", "--seconds",
             bench.seconds + 1, "--cut")

    def measured(kind):
        with bench.server(kind) as server:
            return beside(bench, server, *words)

    kinds = bench.peers(Ringdrop, Nginx)
    runs = bench.take_turns("get_beside_uploads", work,
                            {kind.name: lambda kind=kind: measured(kind) for kind in kinds}, MOST_STOLEN)
    bench.judge("get_beside_uploads", "p99 of a GET", median(runs["ringdrop"], "p99_ms"), most=5, unit=" ms")
    if "nginx" in runs:
        bench.judge("get_beside_uploads", "p99 of a GET, to nginx", ratio(runs["ringdrop"], runs["nginx"], "p99_ms"),
                    most=1)


def cold_beside_hot(bench):
    """The cold set is larger than what the downloads can get through meanwhile, so it stays cold. At full speed they use
    all the CPU there is, on both ends; at a pace it shows whether the disk is waited for."""
    size, files = bench.size(256 * MIB, 16 * MIB), bench.size(40, 8)
    speeds = {"beside cold ones": (), "beside cold ones of 50 MB/s": ("--pace", 50_000_000)}
    work = f"4 KiB GETs, {RATE}/s"
    with contextlib.ExitStack() as stack:
        things = {}
        for kind in bench.peers(Ringdrop, Nginx):
            server = stack.enter_context(bench.server(kind))
            cold = server.directory / "cold"
            cold.write_text("".join(server.store(f"cold-{n}", Content(size)) + "\n" for n in range(files)), "ascii")
            words = ("download", "--targets", cold, "--connections", 8, "--count", files, "--seconds", bench.seconds + 1,
                     "--cut")

            def alone(server=server):
                return bench.run(server, *hot_words(bench, server))

            def busy(pace, server=server, words=words):
                forget_cached(server)
                bench.run(server, *hot_words(bench, server)[:-2], "--seconds", 0.2)  # the hot ones are hot again
                return beside(bench, server, *words, *pace)

            things[f"{kind.name}, alone"] = alone
            for name, pace in speeds.items():
                things[f"{kind.name}, {name}"] = functools.partial(busy, pace)
        runs = bench.take_turns("cold_beside_hot", work, things, MOST_STOLEN)
    for name in (name.partition(",")[0] for name in runs if name.endswith("alone")):
        for speed in speeds:
            value = ratio(runs[f"{name}, {speed}"], runs[f"{name}, alone"], "p99_ms")
            if name == "ringdrop":
                bench.judge("cold_beside_hot", f"p99 of a hot GET {speed}, to alone", value, most=2)
            else:
                print(f"cold_beside_hot: {name}, {speed}: the same ratio is {value:.2f}")


CASES = {case.__name__: case for case in (cold_beside_hot, get_beside_uploads)}
