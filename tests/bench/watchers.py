#!/usr/bin/env python3
"""What 5,000 watchers of one upload cost. By hand, on a quiet machine:

    cmake --build --preset release --target watchers
    python3 tests/bench/watchers.py [--ringdrop PATH] [--watchers 5000] [--mib 4096] [--rounds 8] [-- OPTION...]

Uploads with and without watchers take turns, and medians are compared: the server's CPU time for watching as a part of
a core while the upload runs (bar: 15 %), how much longer the upload takes (bar: 5 %), resident memory a watcher (bar:
12 KiB). Where the data goes: TMPDIR, else /var/tmp.

Each of the two comes first in every other round, after a rest: a disk that is slower the more was written just before
(those of rented machines) would tell the second one's time as that of watching.
"""

import argparse
import atexit
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))
from harness import GIB, KIB, MIB, Server, make_file, programs, request, scratch_root, wait_until  # noqa: E402
from measure import cpu_seconds  # noqa: E402

MOST_CPU, MOST_SLOWER, MOST_RSS = 0.15, 0.05, 12 * KIB
REST = 2  # seconds


class Round:
    """One upload: how long it took, and the server's CPU seconds in that time."""

    def __init__(self, server, file, watchers, number, limit):
        watch_id = f"bench-of-watchers-no-{number:04}"
        self.rss = self.messages = 0
        clients = None  # at the lowest priority: in the world they have machines of their own
        before = server.rss()
        if watchers:
            program = Path(programs.ringdrop).parent / "tests/bench/watchers"
            host, port = server.address
            # Known to the server before it begins: of an upload that nobody has announced only 1,000 may wait.
            made = server.exchange(request("POST", "/uploads", "Tus-Resumable: 1.0.0",
                                           f"Upload-Length: {file.stat().st_size}", f"Watch-Id: {watch_id}"))
            clients = subprocess.Popen([program, host, str(port), f"/watch/{watch_id}", str(watchers)],
                                       stdout=subprocess.PIPE, text=True, preexec_fn=lambda: os.nice(19))
        else:
            made = server.exchange(request("POST", "/uploads", "Tus-Resumable: 1.0.0",
                                           f"Upload-Length: {file.stat().st_size}"))
        if clients and clients.stdout.readline() != "there\n":
            sys.exit("the watchers are not there")
        self.rss = (server.rss() - before) / max(watchers, 1)
        cpu = cpu_seconds(server.process.pid)
        begin = time.perf_counter()
        done = subprocess.run(["curl", "-q", "-sS", "--noproxy", "*", "-X", "PATCH", "-T", file, "-D", "-", *limit, "-H",
                               "Tus-Resumable: 1.0.0", "-H", "Content-Type: application/offset+octet-stream", "-H",
                               "Upload-Offset: 0", server.url + made.get("Location")],
                              check=True, capture_output=True, text=True)
        self.seconds = time.perf_counter() - begin
        self.cpu = cpu_seconds(server.process.pid) - cpu
        if "X-Url-Delete" not in done.stdout:
            sys.exit(f"the upload failed: {done.stdout}")
        if clients:
            _, messages, links = clients.communicate()[0].split()
            self.messages = int(messages)
            if int(links) != watchers:
                sys.exit(f"{links} of {watchers} watchers were told of the end")
        server.exchange(request("DELETE", made.get("Location"), "Tus-Resumable: 1.0.0"))
        wait_until(lambda: not server.stored_files(), "the file is gone")
        os.sync()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ringdrop", default=programs.ringdrop)
    parser.add_argument("--watchers", type=int, default=5000)
    parser.add_argument("--mib", type=int, default=4 * GIB // MIB)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--limit-rate", help="of curl: a steady upload, for a profile")
    parser.add_argument("options", nargs="*", help="of the server")
    given = parser.parse_args()
    programs.ringdrop = str(Path(given.ringdrop).resolve())
    limit = ["--limit-rate", given.limit_rate] if given.limit_rate else []
    with tempfile.TemporaryDirectory(dir=scratch_root()) as directory:
        file = make_file(Path(directory) / "file", given.mib * MIB)
        server = Server(Path(directory), *given.options).start()
        atexit.register(server.process.kill)
        print("server", server.process.pid, flush=True)
        Round(server, file, 0, 0, limit)
        alone, watched = [], []
        for number in range(given.rounds):
            for watchers in (0, given.watchers) if number % 2 == 0 else (given.watchers, 0):
                time.sleep(REST)
                done = Round(server, file, watchers, number, limit)
                (watched if watchers else alone).append(done)
            print(f"alone {alone[-1].seconds:.2f} s, cpu {alone[-1].cpu:.2f} s; watched {watched[-1].seconds:.2f} s, "
                  f"cpu {watched[-1].cpu:.2f} s, {watched[-1].messages} messages, {watched[-1].rss:.0f} B a watcher",
                  flush=True)
        server.stop()
    slow, fast = (statistics.median(one.seconds for one in many) for many in (watched, alone))
    cpu = (statistics.median(one.cpu for one in watched) - statistics.median(one.cpu for one in alone)) / slow
    rss = watched[0].rss  # later ones find memory that was given back
    print(f"cpu for watching: {100 * cpu:.1f} % of a core (bar {100 * MOST_CPU:.0f} %)")
    print(f"the upload takes {100 * (slow / fast - 1):+.1f} % longer (bar {100 * MOST_SLOWER:.0f} %)")
    print(f"memory a watcher: {rss:.0f} B (bar {MOST_RSS})")
    sys.exit(0 if cpu < MOST_CPU and slow <= fast * (1 + MOST_SLOWER) and rss <= MOST_RSS else 1)


if __name__ == "__main__":
    main()
