#!/usr/bin/env python3
"""How long a start takes on a data directory of a million links, cold and after kill -9: bar 2 s.

    python3 tests/bench/recovery.py [--ringdrop build/release/ringdrop] [--links 1000000] [--directory DIR]

The links are rows made here, and files that are empty; the caches are dropped before each start (which needs root)."""

import argparse
import contextlib
import hashlib
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FILES_A_DIRECTORY = 4096  # storage/blob_id.h
ROWS_AT_A_TIME = 100_000
ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
BAR_SECONDS = 2.0


def start(program, data):
    """(the process, seconds until it listens, what it said)."""
    began = time.monotonic()
    process = subprocess.Popen([program, "serve", "--listen", "127.0.0.1:0", "--data-dir", str(data)],
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    said = ""
    for line in process.stderr:
        said += line
        if "listening on" in line:
            return process, time.monotonic() - began, said
    sys.exit(f"the server has not started:\n{said}")


def drop_caches():
    os.sync()
    try:
        Path("/proc/sys/vm/drop_caches").write_text("3\n", encoding="ascii")
    except OSError:
        print("not root: the caches stay warm")


def tokens(data, numbers):
    """Of the links with these numbers that fill() makes: as db/link_numbers.h says, with bytes that are as good as random
    and can be found again."""
    with contextlib.closing(sqlite3.connect(data / "catalogue.sqlite3")) as database:
        [(key,)] = database.execute("SELECT key FROM link_key")
    plain = b"".join(number.to_bytes(5, "big") + bytes(6) + hashlib.blake2b(b"%d" % number, digest_size=5).digest()
                     for number in numbers)
    secret = subprocess.run(["openssl", "enc", "-aes-256-ecb", "-nopad", "-K", key.hex()], input=plain, capture_output=True,
                            check=True).stdout
    return [base62(int.from_bytes(secret[at:at + 16], "big")) for at in range(0, len(secret), 16)]


def base62(value):
    digits = []
    for _ in range(22):
        value, digit = divmod(value, 62)
        digits.append(ALPHABET[digit])
    return "".join(reversed(digits))


def fill(data, links, with_files=True, expires_at_ms=None):
    """Rows of so many links, made while no server runs, and their files, all empty. One has run before."""
    of_nothing = hashlib.sha256(b"").digest()
    with sqlite3.connect(data / "catalogue.sqlite3") as database:
        database.execute("PRAGMA synchronous = OFF")
        for first in range(1, links + 1, ROWS_AT_A_TIME):
            numbers = range(first, min(first + ROWS_AT_A_TIME, links + 1))
            database.executemany(
                "INSERT INTO links (id, token, name, content_type, size, created_at_ms, delete_hash, sha256, expires_at_ms,"
                " file, length) VALUES (?, ?, CAST('a file of some name.bin' AS BLOB), 'application/octet-stream', 0,"
                " 1700000000000, ?, ?, ?, ?, 0)",
                ((number, token, hashlib.sha256(b"%d" % number).digest(), of_nothing, expires_at_ms,
                  FILES_A_DIRECTORY + number - 1) for number, token in zip(numbers, tokens(data, numbers))))
    database.close()
    for first in range(0, links, FILES_A_DIRECTORY):
        directory = data / f"blobs/{1 + first // FILES_A_DIRECTORY:08x}"
        directory.mkdir(mode=0o700)
        if not with_files:
            continue
        at = os.open(directory, os.O_RDONLY)
        for serial in range(min(FILES_A_DIRECTORY, links - first)):
            os.close(os.open(f"{serial:03x}", os.O_CREAT | os.O_WRONLY, 0o600, dir_fd=at))
        os.close(at)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ringdrop", default="build/release/ringdrop")
    parser.add_argument("--links", type=int, default=1_000_000)
    parser.add_argument("--directory", default="/var/tmp")
    options = parser.parse_args()
    root = Path(tempfile.mkdtemp(prefix="ringdrop-recovery-", dir=options.directory))
    try:
        data = root / "data"
        process, _, _ = start(options.ringdrop, data)
        process.send_signal(signal.SIGTERM)
        process.wait()
        began = time.monotonic()
        fill(data, options.links)
        size = sum(path.stat().st_size for path in data.glob("catalogue*"))
        print(f"{options.links} links made in {time.monotonic() - began:.0f} s, catalogue {size >> 20} MiB")
        worst = 0.0
        for what in ("cold", "cold, after kill -9", "cold, after kill -9 with the last directory marked"):
            if "marked" in what:
                last = max(path.name for path in (data / "blobs").iterdir())
                (data / "unsettled" / last).mkdir(exist_ok=True)
            drop_caches()
            process, seconds, said = start(options.ringdrop, data)
            recovered = [line.split(" info ")[-1].strip() for line in said.splitlines() if "recovered" in line]
            print(f"start, {what}: {seconds:.2f} s {recovered}")
            worst = max(worst, seconds)
            process.kill()
            process.wait()
        drop_caches()
        began = time.monotonic()
        fsck = subprocess.run([options.ringdrop, "fsck", "--data-dir", str(data)], capture_output=True, text=True,
                              check=False)
        print(f"fsck, cold: {time.monotonic() - began:.1f} s, exit {fsck.returncode}: {fsck.stdout.strip()[-200:]}")
        sys.exit(0 if worst <= BAR_SECONDS and fsck.returncode == 0 else 1)
    finally:
        shutil.rmtree(root, ignore_errors=True)


if __name__ == "__main__":
    main()
