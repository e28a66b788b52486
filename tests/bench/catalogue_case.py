"""Whether a catalogue of 10 million links is as fast as one of a thousand: looked up (the links' JSON, so that no file is
read) and added to (small uploads)."""

import contextlib
import random
import sys

import recovery
from measure import ratio
from servers import Ringdrop

SMALL = 1000
LOOKED_UP = 500_000  # links: more than a run gets through, so that the large catalogue has each of them asked for once


@contextlib.contextmanager
def filled(bench, links):
    """A server that has so many links, and the command that looks some of them up."""
    print(f"catalogue: {links} links are made", file=sys.stderr, flush=True)
    with bench.server(Ringdrop, keep=True) as server:
        server.fill(links, with_files=False)
        targets = server.directory / "targets"
        chosen = recovery.tokens(server.server.data, random.Random(links).choices(range(1, links + 1), k=LOOKED_UP))
        targets.write_text("".join(f"/api/links/{token}\n" for token in chosen), "ascii")
        bench.run(server, "download", "--targets", targets, "--connections", 16, "--seconds", 0.5)
        yield server, ("download", "--targets", targets, "--connections", 64, "--seconds", bench.seconds)


def catalogue(bench):
    many = bench.options.links or bench.size(10_000_000, 20_000)
    upload = ("upload", "--connections", 64, "--size", "1KiB", "--seconds")

    def added_to_few():
        with filled(bench, SMALL) as (fresh, _):  # a run adds a hundred times as many: the next one has a small one again
            bench.run(fresh, *upload, bench.seconds / 4)  # its log has its blocks then, as that of the large one
            return bench.run(fresh, *upload, bench.seconds)

    with filled(bench, SMALL) as (small, few_targets), filled(bench, many) as (large, many_targets):
        looked = bench.take_turns("catalogue", "lookups", {
            f"{SMALL} links": lambda: bench.run(small, *few_targets),
            f"{many} links": lambda: bench.run(large, *many_targets)})
        added = bench.take_turns("catalogue", "uploads of 1 KiB", {
            f"{SMALL} links": added_to_few,
            f"{many} links": lambda: bench.run(large, *upload, bench.seconds)})
    for what, runs in (("lookups", looked), ("uploads", added)):
        bench.judge("catalogue", f"{what} a second with {many} links, to {SMALL}",
                    ratio(runs[f"{many} links"], runs[f"{SMALL} links"], "req_s"), least=0.8)


CASES = {"catalogue": catalogue}
