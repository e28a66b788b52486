#!/usr/bin/env python3
"""How much a resumable upload costs beside a plain one, and how fast one goes on after a cut. By hand, on a quiet
machine:

    python3 tests/bench/resumable_speed.py [--ringdrop PATH] [--pieces 1000] [--cuts 50] [--rounds 3] [-- OPTION...]

(a) PATCHes of 1 MiB on one connection by tus, against one PUT of as many bytes: MB/s, and their ratio (bar: 50 %).
(b) From a client's reset to its next accepted byte: RST, then HEAD and a PATCH on a new connection, until the server's
    100 to that PATCH, which says that its first byte is taken next: median and maximum (bar: 20 ms).

Where the data goes: TMPDIR, else /var/tmp. The best of the rounds counts: others use the machine too.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))
from harness import MIB, Server, programs, random_bytes, request, scratch_root, wait_until  # noqa: E402

TUS = "Tus-Resumable: 1.0.0"
OFFSET_TYPE = "Content-Type: application/offset+octet-stream"
EXPECT = "Expect: 100-continue"
LEAST_RATIO = 0.5
MOST_MS = 20.0


def check(answer, status):
    if answer.status != status:
        sys.exit(f"{status} was expected: {answer}")
    return answer


def delete(server, deletion):
    """Frees the disk between rounds, by the URL of X-Url-Delete. No sync of the next round waits for what this leaves."""
    path = "/" + deletion.split("/", 3)[3]
    check(server.exchange(request("DELETE", path)), 200)
    wait_until(lambda: not server.stored_files(), "the file is gone")
    os.sync()


def put(server, piece, pieces):
    """Seconds of one PUT."""
    with server.connect() as wire:
        begin = time.perf_counter()
        wire.send(request("PUT", "/bench", f"Content-Length: {len(piece) * pieces}"))
        for _ in range(pieces):
            wire.send(piece)
        answer = check(wire.read_final(), 201)
        took = time.perf_counter() - begin
    delete(server, answer.get("X-Url-Delete"))
    return took


def patches(server, piece, pieces):
    """Seconds of as many PATCHes, each answered before the next is sent; and of each of them."""
    each = []
    with server.connect() as wire:
        begin = time.perf_counter()
        wire.send(request("POST", "/uploads", TUS, f"Upload-Length: {len(piece) * pieces}"))
        upload = check(wire.read_final(), 201).get("Location")
        for number in range(pieces):
            start = time.perf_counter()
            wire.send(request("PATCH", upload, TUS, OFFSET_TYPE, f"Upload-Offset: {number * len(piece)}",
                              f"Content-Length: {len(piece)}"))
            wire.send(piece)
            answer = check(wire.read_final(), 204)
            each.append(time.perf_counter() - start)
        took = time.perf_counter() - begin
    delete(server, answer.get("X-Url-Delete"))
    return took, each


def cuts(server, count, piece):
    """Seconds from each cut to the next accepted byte; of these the HEAD's."""
    made = check(server.exchange(request("POST", "/uploads", TUS, f"Upload-Length: {4 * count * len(piece)}")), 201)
    upload = made.get("Location")
    took, heads = [], []
    wire, offset = None, 0
    for _ in range(count):
        if wire is None:
            wire = begin_patch(server, upload, offset, 4 * count * len(piece))
        wire.send(piece)
        wire.send(piece[:12345])
        start = time.perf_counter()
        wire.reset()
        with server.connect() as asking:
            answer = check(asking.send(request("HEAD", upload, TUS)).read_final(to_head=True), 200)
        offset = int(answer.get("Upload-Offset"))
        heads.append(time.perf_counter() - start)
        wire = begin_patch(server, upload, offset, 4 * count * len(piece))
        took.append(time.perf_counter() - start)
    wire.reset()
    check(server.exchange(request("DELETE", upload, TUS)), 204)
    return took, heads


def begin_patch(server, upload, offset, length):
    wire = server.connect()
    wire.send(request("PATCH", upload, TUS, OFFSET_TYPE, f"Upload-Offset: {offset}", EXPECT,
                      f"Content-Length: {length - offset}"))
    check(wire.read_response(), 100)
    return wire


def milliseconds(times):
    return f"{statistics.median(times) * 1e3:8.2f} {max(times) * 1e3:8.2f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ringdrop", default=programs.ringdrop)
    parser.add_argument("--pieces", type=int, default=1000)
    parser.add_argument("--cuts", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("options", nargs="*", help="of ringdrop serve")
    asked = parser.parse_args()
    programs.ringdrop = asked.ringdrop
    piece = random_bytes(MIB, "bench")
    total = asked.pieces * MIB / 1e6
    with tempfile.TemporaryDirectory(prefix="ringdrop-bench-", dir=scratch_root()) as directory:
        server = Server(directory, *asked.options).start()
        try:
            puts, patched = [], []
            for _ in range(asked.rounds):
                puts.append(put(server, piece, asked.pieces))
                patched.append(patches(server, piece, asked.pieces))
            best, each = min(patched, key=lambda result: result[0])
            took, heads = cuts(server, asked.cuts, piece)
        finally:
            server.kill9()
    ratio = min(puts) / best
    print(f"{'':44}{'MB/s':>8}   rounds")
    print(f"one PUT of {asked.pieces} MiB{'':24}{total / min(puts):12.0f}   "
          + " ".join(f"{total / seconds:.0f}" for seconds in puts))
    print(f"{asked.pieces} PATCHes of 1 MiB, one connection{'':7}{total / best:12.0f}   "
          + " ".join(f"{total / seconds:.0f}" for seconds, _ in patched))
    print(f"ratio {ratio:.0%}, the bar is {LEAST_RATIO:.0%}: {'reached' if ratio >= LEAST_RATIO else 'MISSED'}")
    print(f"\n{'milliseconds':44}{'median':>8} {'max':>8}")
    print(f"{'one PATCH of 1 MiB':44}{milliseconds(each)}")
    print(f"{'from a cut to the offset (HEAD)':44}{milliseconds(heads)}")
    print(f"{'from a cut to the next accepted byte':44}{milliseconds(took)}")
    reached = max(took) * 1e3 < MOST_MS
    print(f"the bar is {MOST_MS:g} ms: {'reached' if reached else 'MISSED'}")


if __name__ == "__main__":
    main()
