"""How fast a resumable upload goes on after a cut: from the client's reset, by HEAD and a PATCH on a new connection, to
the server's 100 to that PATCH, which says that its first byte is taken next."""

import time

from harness import MIB, random_bytes, request
from measure import median
from servers import Ringdrop

TUS = "Tus-Resumable: 1.0.0"


def check(answer, status):
    if answer.status != status:
        raise RuntimeError(f"{status} was expected: {answer}")
    return answer


def begin_patch(server, upload, offset, length):
    """A connection on which the server awaits the upload's bytes from `offset` on."""
    wire = server.connect()
    wire.send(request("PATCH", upload, TUS, "Content-Type: application/offset+octet-stream", f"Upload-Offset: {offset}",
                      "Expect: 100-continue", f"Content-Length: {length - offset}"))
    check(wire.read_response(), 100)
    return wire


def cuts(server, count, piece):
    """Milliseconds from each cut to the offset, and to the next accepted byte."""
    length = (count + 1) * 2 * len(piece)
    made = check(server.exchange(request("POST", "/uploads", TUS, f"Upload-Length: {length}")), 201)
    upload, offset = made.get("Location"), 0
    heads, took = [], []
    wire = begin_patch(server, upload, 0, length)
    for _ in range(count):
        wire.send(piece)
        wire.send(piece[:12345])
        begin = time.perf_counter()
        wire.reset()
        with server.connect() as asking:
            answer = check(asking.send(request("HEAD", upload, TUS)).read_final(to_head=True), 200)
        heads.append((time.perf_counter() - begin) * 1e3)
        offset = int(answer.get("Upload-Offset"))
        wire = begin_patch(server, upload, offset, length)
        took.append((time.perf_counter() - begin) * 1e3)
    wire.reset()
    return heads, took


def cut(bench):
    count = bench.size(50, 5)
    piece = random_bytes(MIB, "bench")

    def measured():
        with bench.server(Ringdrop) as server:
            heads, took = cuts(server.server, count, piece)
        return {"p50_ms": sorted(took)[count // 2], "max_ms": max(took), "head_p50_ms": sorted(heads)[count // 2]}

    runs = bench.take_turns("cut", f"{count} cuts of one upload", {"ringdrop": measured})
    bench.judge("cut", "from a cut to the next accepted byte, longest", median(runs["ringdrop"], "max_ms"), most=20,
                unit=" ms")


CASES = {"cut": cut}
