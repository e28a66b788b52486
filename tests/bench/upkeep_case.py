"""Whether what the server does by itself is felt by who asks it something: the sweeper, when very many links end at once, and
the catalogue's checkpoints. Requests come at a fixed rate, and their latency counts from when they were due."""

import contextlib
import functools
import sqlite3
import struct

from harness import KIB
from latency_cases import MOST_STOLEN, RATE, beside, hot_words
from measure import median, ratio
from servers import Ringdrop

LONG_AGO = 1_700_000_000_000  # Unix time in ms


def ended_links(server):
    """How many of those that fill() has made are still there."""
    path = f"file:{server.directory}/data/catalogue.sqlite3?mode=ro"
    with contextlib.closing(sqlite3.connect(path, uri=True)) as database:
        return database.execute("SELECT count(*) FROM links WHERE expires_at_ms = ?", (LONG_AGO,)).fetchone()[0]


def sweeper(bench):
    """Each link has a file, an empty one, whose removal takes longer than that of its row."""
    links = bench.size(100_000, 2_000)
    uploads = ("upload", "--connections", 16, "--rate", 300, "--size", 16 * KIB, "--seconds", bench.seconds + 1, "--cut")

    def measured(ends):
        with bench.server(Ringdrop, keep=True) as server:
            server.fill(links, expires_at_ms=LONG_AGO if ends else None)
            result = {**beside(bench, server, *uploads), "left": ended_links(server)}
            if ends and not result["left"] and not bench.quick:
                raise RuntimeError("the sweeper was done before the end: more links have to end")
            return result

    runs = bench.take_turns("sweeper", f"4 KiB GETs, {RATE}/s, beside 300 uploads/s of 16 KiB", {
        f"{links} links end": functools.partial(measured, True), "none ends": functools.partial(measured, False)},
        MOST_STOLEN)
    busy, idle = runs[f"{links} links end"], runs["none ends"]
    print(f"sweeper: {median(busy, 'left'):.0f} of {links} ended links were still there at the end")
    bench.judge("sweeper", f"p99 of a GET while {links} links end, to while none does", ratio(busy, idle, "p99_ms"), most=2)
    bench.judge("sweeper", f"p99 of an upload while {links} links end, to while none does",
                ratio(busy, idle, "beside_p99_ms"), most=2)


def checkpoints(server):
    """How often the write-ahead log has started again: https://www.sqlite.org/fileformat2.html#walformat."""
    with open(server.directory / "data/catalogue.sqlite3-wal", "rb") as log:
        return struct.unpack(">I", log.read(16)[12:])[0]


def checkpoint(bench):
    """The same uploads for so short that no checkpoint is due, and for long."""
    rate = 500  # at which some seconds fill a log
    seconds = {"before the first": bench.size(1.5, 0.2), "with checkpoints": bench.size(20, 1)}

    def measured(which):
        with bench.server(Ringdrop) as server:
            hot_words(bench, server)
            before = checkpoints(server)
            result = bench.run(server, "upload", "--connections", 16, "--rate", rate, "--size", KIB, "--seconds",
                               seconds[which])
            made = checkpoints(server) - before
            if (made > 0) != (which == "with checkpoints") and not bench.quick:
                raise RuntimeError(f"{which}: the log has started again {made} times")
            return {**result, "checkpoints": made, "p999_ms": result["latency_us"]["p999"] / 1e3}

    runs = bench.take_turns("checkpoint", f"uploads of 1 KiB, {rate}/s",
                            {which: functools.partial(measured, which) for which in seconds}, MOST_STOLEN)
    made = {which: median(runs[which], "checkpoints") for which in runs}
    print(f"checkpoint: the log started again so often: {made}; p99.9 with them "
          f"{median(runs['with checkpoints'], 'p999_ms'):.1f} ms")
    bench.judge("checkpoint", "p99 of an upload with checkpoints, to before the first",
                ratio(runs["with checkpoints"], runs["before the first"], "p99_ms"), most=2)


CASES = {"sweeper": sweeper, "checkpoint": checkpoint}
