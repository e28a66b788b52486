#!/usr/bin/env python3
"""What fsck, scrub and backup cost beside a server under a load of small uploads: their time, their memory, and how far
the catalogue's write-ahead log grows meanwhile (a reader that reads for long keeps it from starting again).

    python3 tests/bench/maintenance.py [--build build/release] [--links 200000] [--directory DIR] [--elsewhere DIR]

The links are rows made here, and files that are empty. The backup is made beside the data, and, if told, elsewhere."""

import argparse
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from recovery import drop_caches, fill, start

MIB = 1 << 20


class WalWatch:
    """The largest size of the write-ahead log while the block runs."""

    def __init__(self, data):
        self.path = data / "catalogue.sqlite3-wal"
        self.most = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def _watch(self):
        while not self._stop.wait(0.05):
            self.most = max(self.most, self.path.stat().st_size)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()


def peak_resident(pid):
    """Of the program that runs now; getrusage would count its parent's memory from before exec."""
    found = re.search(r"^VmHWM:\s+(\d+) kB$", Path(f"/proc/{pid}/status").read_text("ascii"), re.MULTILINE)
    return int(found.group(1)) * 1024 if found else 0


def measured(*words):
    """(seconds, peak resident bytes, exit code, the last line of what it said)."""
    began = time.monotonic()
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen([str(word) for word in words], stdout=said)
        peak = 0
        while process.poll() is None:
            peak = max(peak, peak_resident(process.pid))
            time.sleep(0.02)
        seconds = time.monotonic() - began
        said.seek(0)
        return seconds, peak, process.returncode, ([""] + said.read().splitlines())[-1]


def measure(options, data, address):
    """Each command beside the load."""
    ringdrop = options.build / "ringdrop"
    backups = [data.parent / "backup"] + ([Path(options.elsewhere) / "ringdrop-backup"] if options.elsewhere else [])
    commands = [(), ("fsck",), ("scrub",), *(("backup", path) for path in backups)]
    load = [options.build / "tests/bench/load/ringdrop-load", "upload", "--address", address, "--connections", 16,
            "--rate", options.rate, "--size", "1KiB"]
    for command in commands:
        drop_caches()
        with subprocess.Popen([str(word) for word in load], stdout=subprocess.DEVNULL) as loading, WalWatch(data) as watch:
            time.sleep(5)  # the log is as large as it gets by itself
            before = watch.most
            if not command:
                time.sleep(20)
                print(f"nothing: log at most {watch.most / MIB:.0f} MiB", flush=True)
            else:
                watch.most = 0
                seconds, rss, code, last = measured(ringdrop, *command, "--data-dir", data)
                print(f"{command[0]}: {seconds:.1f} s, exit {code}, resident {rss / MIB:.0f} MiB at most, "
                      f"log {before / MIB:.0f} -> {watch.most / MIB:.0f} MiB\n    {last}", flush=True)
            loading.terminate()
    for path in backups:
        shutil.rmtree(path, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, default=Path("build/release"))
    parser.add_argument("--links", type=int, default=200_000)
    parser.add_argument("--rate", type=int, default=500, help="uploads a second")
    parser.add_argument("--directory", default="/var/tmp")
    parser.add_argument("--elsewhere", help="a directory on another file system")
    options = parser.parse_args()
    root = Path(tempfile.mkdtemp(prefix="ringdrop-maintenance-", dir=options.directory))
    try:
        data = root / "data"
        process, _, _ = start(options.build / "ringdrop", data)
        process.send_signal(signal.SIGTERM)
        process.wait()
        fill(data, options.links)
        size = (data / "catalogue.sqlite3").stat().st_size
        print(f"{options.links} links made, catalogue {size / MIB:.0f} MiB")
        process, _, said = start(options.build / "ringdrop", data)
        threading.Thread(target=process.stderr.read, daemon=True).start()
        measure(options, data, said.split("listening on ")[-1].split(" ")[0])
        process.send_signal(signal.SIGTERM)
        sys.exit(process.wait())
    finally:
        shutil.rmtree(root, ignore_errors=True)


if __name__ == "__main__":
    main()
