"""Uploads and downloads at full speed: how much comes through, and what it costs the server."""

import collections
import contextlib
import functools
import json
import os
import shutil
import subprocess
import tempfile

from harness import GIB, KIB, MIB
from measure import forget_cached, median, ratio
from servers import Asyncio, Content, DurableAppend, Nginx, Ringdrop, SmallDurable, free_port, hot_answers

HOT_FILES = 256


def size_text(size):
    for unit, name in ((GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")):
        if size % unit == 0:
            return f"{size // unit} {name}"
    return f"{size} B"


def on_fresh(bench, kind, *words, keep=False):
    """A function that runs this load against a fresh server of that kind."""

    def measured():
        with bench.server(kind, keep=keep) as server:
            return bench.run(server, *words)

    return measured


def fio(bench, way, depth, files, size):
    """What the disk gives to so many at a time, each with a file of its own: O_DIRECT, 2 MiB at a time from huge pages (one
    request of the device instead of several) as ringdrop."""
    with tempfile.TemporaryDirectory(dir=bench.root) as directory:
        made = subprocess.run(
            ["fio", "--name=device", f"--directory={directory}", f"--rw={way}", "--bs=2M", "--direct=1", f"--size={size}",
             f"--numjobs={files}", "--group_reporting", "--ioengine=io_uring", f"--iodepth={depth}", "--end_fsync=1",
             "--iomem_align=2M", "--output-format=json"],
            check=True, capture_output=True, text=True, env={**os.environ, "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"})
    report = json.loads(made.stdout[made.stdout.index("{"):])["jobs"][0][way]
    return {"gb_s": report["bw_bytes"] / 1e9}


def loopback(bench):
    """What TCP gives on this machine, by iperf3."""
    port = str(free_port())
    server = subprocess.Popen(["iperf3", "-s", "-1", "-p", port, "--forceflush"], stdout=subprocess.PIPE, text=True)
    while "listening" not in server.stdout.readline():
        pass
    seconds = str(max(1, int(bench.seconds)))
    made = subprocess.run(["iperf3", "-J", "-c", "127.0.0.1", "-p", port, "-t", seconds, "-l", "1M"], check=True,
                          capture_output=True, text=True)
    server.communicate()
    return {"gb_s": json.loads(made.stdout)["end"]["sum_received"]["bits_per_second"] / 8e9}


def limits(bench, files, size):
    """The device's and the loopback's, as far as their programs are installed."""
    things = {}
    if shutil.which("fio"):
        things["disk, depth 1"] = lambda: fio(bench, "write", 1, files, size)
        things["disk, depth 8"] = lambda: fio(bench, "write", 8, files, size)
    if shutil.which("iperf3"):
        things["loopback"] = lambda: loopback(bench)
    return things


def upload_large(bench):
    for connections, full, quick in ((1, 4 * GIB, 32 * MIB), (8, 512 * MIB, 8 * MIB)):
        size = bench.size(full, quick)
        work = f"{connections} x {size_text(size)}"
        words = ("upload", "--connections", connections, "--count", connections, "--size", size)
        things = {kind.name: on_fresh(bench, kind, *words) for kind in bench.peers(Ringdrop, Nginx, Asyncio)}
        things.update(limits(bench, connections, size))
        runs = bench.take_turns("upload_large", work, things)
        if "nginx" in runs:
            bench.judge("upload_large", f"{work}, GB/s, to nginx", ratio(runs["ringdrop"], runs["nginx"], "gb_s"), least=2)
            bench.judge("upload_large", f"{work}, CPU s/GB, to nginx",
                        ratio(runs["ringdrop"], runs["nginx"], "cpu_s_gb"), most=0.35)
        if "disk, depth 8" in runs and "loopback" in runs:
            limit = min(max(median(runs[name], "gb_s") for name in ("disk, depth 1", "disk, depth 8")),
                        median(runs["loopback"], "gb_s"))
            bench.judge("upload_large", f"{work}, GB/s, to the lesser of disk and loopback (moonshot)",
                        median(runs["ringdrop"], "gb_s") / limit, least=0.9)


def upload_small(bench):
    """Of 4 KiB, which ringdrop keeps in its catalogue, and of 16 KiB, which get a file of their own in all of them."""
    for kib in (4, 16):
        work = f"64 connections x {kib} KiB"
        words = ("upload", "--connections", 64, "--seconds", bench.seconds, "--size", f"{kib}KiB")
        kinds = bench.peers(Ringdrop, SmallDurable, Nginx, Asyncio)
        things = {kind.name: on_fresh(bench, kind, *words, keep=True) for kind in kinds}
        runs = bench.take_turns("upload_small", work, things)
        bench.judge("upload_small", f"{kib} KiB, requests/s, to 64 threads with as much durable",
                    ratio(runs["ringdrop"], runs["64 threads"], "req_s"), least=0.8)
        if "nginx" in runs:
            to_nginx = ratio(runs["ringdrop"], runs["nginx"], "req_s")
            if kib == 4:
                bench.judge("upload_small", "4 KiB, requests/s, to nginx", to_nginx, least=1)
            else:
                print(f"upload_small: {kib} KiB, requests/s, to nginx: {to_nginx:.2f}x")


def stored(server, sizes, ringdrop):
    """Paths of files of these sizes on that server. Where it can it serves those that `ringdrop` keeps, if there is one:
    each filling of the page cache has a speed of its own, which differs by more than the servers do."""
    by_size = collections.defaultdict(list)
    for file in ringdrop.blobs() if ringdrop else ():
        by_size[file.stat().st_size].append(file)
    paths = []
    for number, size in enumerate(sizes):
        same = server.link(f"hot-{number}", by_size[size].pop()) if by_size[size] else None
        paths.append(same or server.store(f"hot-{number}", Content(size)))
    return paths


def hot(bench, case, work, kinds, sizes, words):
    """Downloads of files of these sizes that everybody has in memory; the servers stay up over the rounds."""
    running, things, ringdrop = [], {}, None
    try:
        for kind in kinds:
            context = bench.server(kind)
            server = context.__enter__()  # pylint: disable=unnecessary-dunder-call
            running.append(context)
            targets = server.directory / "targets"
            targets.write_text("".join(path + "\n" for path in stored(server, sizes, ringdrop)), "ascii")
            if kind is Ringdrop:
                ringdrop = server
            command = ("download", "--targets", targets, *words)
            bench.run(server, *command)  # warms
            things[kind.name] = lambda server=server, command=command: bench.run(server, *command)
        return bench.take_turns(case, work, things)
    finally:
        for context in running:
            context.__exit__(None, None, None)


def per_cpu_second(runs, name="ringdrop"):
    """How many times nginx's requests a CPU second it has."""
    return ratio(runs["nginx"], runs[name], "cpu_us_req") if "nginx" in runs else None


def download_small(bench):
    """Beside a program that does nothing but receive and send: what is above it is ours, what is below it the kernel's."""
    for size, least in ((4 * KIB, 1.4), (64 * KIB, 1.2)):
        work = f"64 connections, {size_text(size)}"
        words = ("--connections", 64, "--seconds", bench.seconds)
        files = bench.size(HOT_FILES, 16)
        plain = hot_answers(size, files)
        runs = hot(bench, "download_small", work, bench.peers(Ringdrop, Nginx, plain, Asyncio),
                   [size] * files, words)
        bench.judge("download_small", f"{size_text(size)}, requests a CPU second, to nginx", per_cpu_second(runs),
                    least=least)
        if "nginx" in runs:
            print(f"download_small: {size_text(size)}, requests a CPU second, to nginx, of the plain program: "
                  f"{per_cpu_second(runs, plain.name):.2f}x")


def download_large(bench):
    for connections, size, files, least in ((8, MIB, 64, 1.0), (1, bench.size(GIB, 64 * MIB), 1, 1.1)):
        work = f"{connections} connections, {size_text(size)}"
        words = ("--connections", connections, "--seconds", bench.seconds)
        runs = hot(bench, "download_large", work, bench.peers(Ringdrop, Nginx, Asyncio), [size] * files, words)
        if "nginx" in runs:
            bench.judge("download_large", f"{size_text(size)}, GB/s, to nginx",
                        ratio(runs["ringdrop"], runs["nginx"], "gb_s"), least=least)
            bench.judge("download_large", f"{size_text(size)}, CPU s/GB, to nginx",
                        ratio(runs["ringdrop"], runs["nginx"], "cpu_s_gb"), most=0.9)


def download_cold(bench):
    """Of files that only the disk has; each is read from its beginning to its end, ahead of what is sent by the kernel."""
    for connections, full, quick in ((1, 4 * GIB, 32 * MIB), (8, 512 * MIB, 8 * MIB)):
        size = bench.size(full, quick)
        work = f"{connections} x {size_text(size)}"
        with contextlib.ExitStack() as stack:
            things = {}
            for kind in bench.peers(Ringdrop, Nginx):
                server = stack.enter_context(bench.server(kind))
                targets = server.directory / "targets"
                targets.write_text("".join(server.store(f"cold-{number}", Content(size)) + "\n"
                                           for number in range(connections)), "ascii")
                command = ("download", "--targets", targets, "--connections", connections, "--count", connections)

                def measured(server=server, command=command):
                    forget_cached(server)
                    return bench.run(server, *command)

                measured()  # what the machine has never read before may be slower to read
                things[kind.name] = measured
            if shutil.which("fio"):
                things["disk, depth 8"] = functools.partial(fio, bench, "read", 8, connections, size)
            runs = bench.take_turns("download_cold", work, things)
        if "nginx" in runs:
            print(f"download_cold: {work}, GB/s, to nginx: {ratio(runs['ringdrop'], runs['nginx'], 'gb_s'):.2f}x")


def framing(bench):
    for connections, full, quick in ((1, 2 * GIB, 32 * MIB), (8, 256 * MIB, 8 * MIB)):
        size = bench.size(full, quick)
        work = f"{connections} x {size_text(size)}"
        things = {}
        for way, target in (("length", "/%"), ("chunked", "/%"), ("multipart", "/")):
            things[f"ringdrop, {way}"] = on_fresh(bench, Ringdrop, "upload", "--connections", connections, "--count",
                                                  connections, "--size", size, "--framing", way, "--target", target)
        runs = bench.take_turns("framing", work, things)
        for way in ("chunked", "multipart"):
            bench.judge("framing", f"{work}, {way}, GB/s, to Content-Length",
                        ratio(runs[f"ringdrop, {way}"], runs["ringdrop, length"], "gb_s"), least=0.8)


def append(bench):
    """A PATCH waits for the device and a flush, one after the other, and so does what can be written most plainly."""
    pieces = bench.size(1000, 32)
    work = f"{pieces} MiB on one connection"
    patches = ("append", "--count", pieces, "--size", "1MiB")
    runs = bench.take_turns("append", work, {
        "ringdrop, one PUT": on_fresh(bench, Ringdrop, "upload", "--count", 1, "--size", pieces * MIB),
        "ringdrop, PATCHes of 1 MiB": on_fresh(bench, Ringdrop, *patches),
        "plain program, PATCHes of 1 MiB": on_fresh(bench, DurableAppend, *patches),
    })
    ours = runs["ringdrop, PATCHes of 1 MiB"]
    bench.judge("append", "PATCHes of 1 MiB, GB/s, to one PUT", ratio(ours, runs["ringdrop, one PUT"], "gb_s"),
                least=0.5)
    bench.judge("append", "PATCHes of 1 MiB, GB/s, to a plain program with as much durable",
                ratio(ours, runs["plain program, PATCHes of 1 MiB"], "gb_s"), least=0.9)


CASES = {case.__name__: case for case in (upload_large, upload_small, download_small, download_large, download_cold,
                                           framing, append)}
