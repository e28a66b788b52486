"""What the tests of fsck, scrub and backup share: the commands, damage by hand, and a load beside them."""

import contextlib
import os
import random
import re
import shutil
import sqlite3
import subprocess
import tempfile
import threading
import unittest
from pathlib import Path

from harness import MIB, EndToEnd, path_of, programs, request, sha256_of, wait_until
from http_tools import token_of
from tus_tools import OFFSET_TYPE, TUS


def run(*words, **keywords):
    """The command, ended: its code and both outputs."""
    return subprocess.run([programs.ringdrop, *map(str, words)], capture_output=True, text=True, check=False,
                          timeout=120, **keywords)


def run_with_fault(path, fault, *words):
    """The same, whose system calls on `path` fail as strace(1) is told: "pread64:error=EIO:when=2"."""
    strace = shutil.which("strace")
    if not strace:
        raise unittest.SkipTest("SKIPPED: no strace (sh deploy/packages.sh test)")
    call = fault.split(":", maxsplit=1)[0]
    command = [strace, "-f", "-qq", "-o", "/dev/null", "-P", path, "-e", f"trace={call}", "-e", f"inject={fault}"]
    done = subprocess.run([*map(str, command), programs.ringdrop, *map(str, words)], capture_output=True, text=True,
                          check=False, timeout=120)
    if "ptrace" in done.stderr.lower():
        raise unittest.SkipTest(f"SKIPPED: strace may not trace here: {done.stderr.strip()[:200]}")
    return done


class Load:
    """Clients that upload, delete and leave uploads unfinished until told to stop; what stays is in `links`."""

    def __init__(self, server, seed, clients=3):
        self.server = server
        self.links = {}  # path: SHA-256
        self.troubles = []
        self.done = 0
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(f"{seed} {i}",)) for i in range(clients)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        wait_until(lambda: self.done > 5 or self.troubles, "the load is under way")
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self, seed):
        chance = random.Random(seed)
        try:
            while not self._stop.is_set():
                self._once(chance)
                self.done += 1
        except Exception as error:  # pylint: disable=broad-except
            self.troubles.append(repr(error))

    def _once(self, chance):
        body = chance.randbytes(chance.choice([0, 1, 5000, 70_000, MIB + 3]))
        kind = chance.randrange(4)
        if kind == 0:  # an unfinished upload
            created = self.server.exchange(request("POST", "/uploads", TUS, f"Upload-Length: {len(body) + 10}"))
            fields = (TUS, OFFSET_TYPE, "Upload-Offset: 0")
            self.server.exchange(request("PATCH", created.get("Location"), *fields, body=body))
            return
        if kind == 1:  # a body that breaks off
            with self.server.connect() as wire:
                wire.send(request("PUT", "/broken", f"Content-Length: {len(body) + 10}") + body)
            return
        created = self.server.exchange(request("PUT", "/load", body=body, host=self.server.authority))
        if created.status != 201:
            raise AssertionError(created)
        if kind == 2:
            self.server.exchange(request("DELETE", re.sub(r"^http://[^/]+", "", created.get("X-Url-Delete"))))
        else:
            self.links[path_of(created)] = sha256_of(body)


class Maintenance(EndToEnd):
    """Damage by hand, on files that the catalogue names."""

    def catalogue(self, server):
        return contextlib.closing(sqlite3.connect(server.data / "catalogue.sqlite3", isolation_level=None))

    def file_of(self, server, link, position=0):
        """(the path of a link's file, the number of the link)."""
        with self.catalogue(server) as database:
            file, number = database.execute(
                "SELECT e.file, link FROM all_extents e JOIN links l ON l.id = e.link WHERE token = ? AND position = ?",
                (token_of(link), position)).fetchone()
        return server.data / f"blobs/{file >> 12:08x}/{file & 0xfff:03x}", number

    def everything(self, server):
        """What is in the data directory, but for the files that SQLite makes for reading."""
        return [path for path in sorted(server.data.rglob("*")) if not path.name.endswith(("-wal", "-shm"))]

    def fsck(self, server, *options, code=None):
        done = run("fsck", "--data-dir", server.data, *options)
        if code is not None:
            self.assertEqual(done.returncode, code, done)
        return done

    def scrub(self, server, *options, code=None):
        done = run("scrub", "--data-dir", server.data, *options)
        if code is not None:
            self.assertEqual(done.returncode, code, done)
        return done

    def stopped_with(self, *bodies, options=()):
        """A server that was stopped, and the links of these bodies."""
        server = self.server(*options)
        links = [server.put(f"file{number}", body) for number, body in enumerate(bodies)]
        self.assertEqual(server.stop(), 0)
        return server, links

    def assert_line(self, done, *words):
        lines = [line for line in done.stdout.splitlines() if all(str(word) in line for word in words)]
        self.assertEqual(len(lines), 1, f"one line with {words} in:\n{done.stdout}")


class BackupTest(Maintenance):
    """What the tests of backups share."""

    def backup(self, server, target, *options, code=0):
        done = run("backup", target, "--data-dir", server.data, *options)
        self.assertEqual(done.returncode, code, done)
        return done

    def elsewhere(self):
        """A directory on another file system, which nobody has to mount."""
        memory = Path("/dev/shm")
        if not os.access(memory, os.W_OK) or memory.stat().st_dev == self.directory.stat().st_dev:
            raise unittest.SkipTest("SKIPPED: no /dev/shm of its own")
        directory = Path(tempfile.mkdtemp(prefix="ringdrop-e2e-", dir=memory))
        self.addCleanup(shutil.rmtree, directory, ignore_errors=True)
        return directory

    @contextlib.contextmanager
    def under_way(self, server, target, *options):
        """A backup that copies and will not come to its end by itself within the test."""
        partial = target.with_name(target.name + ".partial")

        def is_copying():
            with contextlib.suppress(FileNotFoundError):  # what an earlier one has left is just being removed
                return any(partial.glob("blobs/*/*"))
            return False

        with subprocess.Popen([programs.ringdrop, "backup", target, "--data-dir", server.data, "--rate", "1KiB", *options],
                              stdout=subprocess.PIPE, text=True) as process:
            wait_until(is_copying, "it copies a file")
            yield process
            process.kill()

    def restored(self, target, findings=()):
        """A server on the copy, as the manual says: the directory becomes data_dir, fsck looks at it."""
        server = self.server(start=False)
        shutil.move(target, server.data)
        done = self.fsck(server, code=1 if findings else 0)
        for words in findings:
            self.assertIn(words, done.stdout)
        return server

    def assert_whole(self, server, links):
        with server.connect() as wire:
            for path, digest in links.items():
                got = wire.send(request("GET", path)).read_final()
                self.assertEqual((got.status, sha256_of(got.body)), (200, digest), path)
