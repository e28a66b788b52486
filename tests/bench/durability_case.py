"""What `durability = "full"` costs beside "process", in small uploads, where it costs most; and whether the catalogue's
checkpoints are felt: the longest answer, and how far its write-ahead log grows."""

from harness import MIB
from latency_cases import MOST_STOLEN
from measure import median, ratio
from servers import Ringdrop


class ProcessDurability(Ringdrop):
    name = "ringdrop, process"
    OPTIONS = ("--durability", "process")


def durability(bench):
    seconds = bench.size(10, 1)
    words = ("upload", "--connections", 64, "--seconds", seconds, "--size", "4KiB")

    def on(kind):
        def measured():
            with bench.server(kind, keep=True) as server:
                result = bench.run(server, *words)
                log = server.server.data / "catalogue.sqlite3-wal"
                return {**result, "max_ms": result["latency_us"]["max"] / 1e3, "wal_mib": log.stat().st_size / MIB}

        return measured

    work = "64 connections x 4 KiB, durable"
    runs = bench.take_turns("durability", work, {kind.name: on(kind) for kind in (Ringdrop, ProcessDurability)},
                            MOST_STOLEN)
    full, process = runs["ringdrop"], runs["ringdrop, process"]
    print(f"durability: full has {ratio(full, process, 'req_s'):.2f} of the uploads/s of process; longest answer "
          f"{median(full, 'max_ms'):.0f} ms, write-ahead log {median(full, 'wal_mib'):.0f} MiB")
    # A checkpoint is due each 16 MiB of the log: there are many in a run.
    bench.judge("durability", "longest answer while the log is checkpointed", median(full, "max_ms"), most=50, unit=" ms")
    bench.judge("durability", "write-ahead log at the end", median(full, "wal_mib"), most=64, unit=" MiB")


CASES = {"durability": durability}
