"""Processes from outside: CPU time and memory of a server with all its children, and one run of the load generator
against it."""

import contextlib
import json
import os
import re
import statistics
import subprocess
import time
from pathlib import Path

PATIENCE = 1800  # seconds, for the slowest run: then the server hangs
TICKS = os.sysconf("SC_CLK_TCK")


def family(pid):
    """The process and all its descendants."""
    pids = [pid]
    for parent in pids:
        for children in Path(f"/proc/{parent}/task").glob("*/children"):
            try:
                pids += [int(child) for child in children.read_text("ascii").split()]
            except OSError:
                pass  # it has ended meanwhile
    return pids


def cpu_seconds(pid):
    """User and system time of the process and its descendants, all threads (io_uring's workers too)."""
    total = 0
    for one in family(pid):
        words = Path(f"/proc/{one}/stat").read_text("ascii").rpartition(")")[2].split()
        total += int(words[11]) + int(words[12])
    return total / TICKS


def stolen_seconds():
    """In which CPUs of this machine had work and its host did not let them run, all CPUs (proc(5), /proc/stat, steal)."""
    words = Path("/proc/stat").read_text("ascii").partition("\n")[0].split()
    return int(words[8]) / TICKS


class Steal:
    """What the host takes of the CPUs' time, from now on."""

    def __init__(self):
        self.began, self.stolen = time.monotonic(), stolen_seconds()

    def part(self):
        """Until now, of the time of all CPUs."""
        return (stolen_seconds() - self.stolen) / (max(time.monotonic() - self.began, 1 / TICKS) * os.cpu_count())


def memory(pid, key):
    """VmRSS or VmHWM of the process and its descendants, in bytes. What they share counts once for each."""
    total = 0
    for one in family(pid):
        status = Path(f"/proc/{one}/status").read_text("ascii")
        total += int(re.search(rf"^{key}:\s+(\d+) kB$", status, re.MULTILINE).group(1)) * 1024
    return total


def read_from_disk(pid):
    """In bytes, by the process and its descendants, all threads: what was not in the page cache (proc(5), io)."""
    total = 0
    for one in family(pid):
        counters = Path(f"/proc/{one}/io").read_text("ascii")
        total += int(re.search(r"^read_bytes: (\d+)$", counters, re.MULTILINE).group(1))
    return total


def forget_peak(pid):
    """From now on VmHWM is the peak since now (proc(5), clear_refs)."""
    for one in family(pid):
        Path(f"/proc/{one}/clear_refs").write_text("5", encoding="ascii")


def forget_cached(server):
    """Takes all that the server keeps out of the page cache."""
    os.sync()
    for path in server.stored_files():
        with contextlib.suppress(OSError), open(path, "rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


class Load:
    """The load generator at work. `words`: its command and options, without the address."""

    def __init__(self, program, server, *words):
        self.server = server
        forget_peak(server.pid)
        self.cpu = cpu_seconds(server.pid)
        self.read = read_from_disk(server.pid)
        self.steal = Steal()
        command, *options = [str(word) for word in words]
        self.process = subprocess.Popen([program, command, "--address", server.address, *options],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def wait_until_there(self):
        """Until all connections of `idle` have had their answer."""
        if self.process.stdout.readline() != "there\n":
            raise RuntimeError("the idle connections are not there")

    def finish(self):
        """What came of it, as the report of the load generator and the numbers that are made of it."""
        try:
            said = self.process.communicate(timeout=PATIENCE)[0]
        finally:
            self.process.kill()
        try:
            report = json.loads(said)
        except ValueError:
            raise RuntimeError(f"{self.process.args}: no result, exit {self.process.returncode}") from None
        return self.result(report)

    def result(self, report):
        """The numbers of the tables."""
        cpu = cpu_seconds(self.server.pid) - self.cpu
        seconds, requests = max(report["seconds"], 1e-9), max(report["requests"], 1)
        gigabytes = report["bytes"] / 1e9
        stopped = report["stopped_seconds"]
        return {
            **report, "cpu_seconds": cpu, "gb_s": gigabytes / seconds, "req_s": report["requests"] / seconds,
            "cpu_s_gb": cpu / gigabytes if gigabytes else None, "cpu_us_req": cpu / requests * 1e6,
            "disk_read_gb": (read_from_disk(self.server.pid) - self.read) / 1e9,
            "stolen": self.steal.part(),
            "stopped": stopped / max(report["run_seconds"], 1e-9) if stopped is not None else None,
            "p50_ms": report["latency_us"]["p50"] / 1e3, "p99_ms": report["latency_us"]["p99"] / 1e3,
            "peak_rss_mib": memory(self.server.pid, "VmHWM") / 2**20,
        }


def median(runs, key):
    """Of the runs that have the number; None when none has."""
    values = [run[key] for run in runs if run.get(key) is not None]
    return statistics.median(values) if values else None


def ratio(runs, others, key):
    """Median over the rounds of one's number to the other's of the same round: what disturbs both cancels out."""
    values = [one[key] / other[key] for one, other in zip(runs, others) if one.get(key) and other.get(key)]
    return statistics.median(values) if values else None
