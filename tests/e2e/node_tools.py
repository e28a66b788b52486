"""Node.js for the tests with the label node: its packages, and a run of a script beside tests/e2e/node/package.json.

The packages are installed once, by `npm ci`, beside the program under test (in the build directory). Where node or npm is
missing, or no registry can be reached, the tests are skipped and say so; with CI in the environment they fail instead.
"""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import threading
import unittest
from pathlib import Path

import harness

SOURCES = Path(__file__).parent / "node"
DEADLINE = 240.0  # seconds for one script
# How npm says that there is no network, rather than that something is wrong with what was asked for.
OFFLINE = ("EAI_AGAIN", "ENOTFOUND", "ECONNREFUSED", "ECONNRESET", "ETIMEDOUT", "ENETUNREACH", "ENOTCACHED",
           "ERR_SOCKET_TIMEOUT")


def skip(why):
    """No test without its tools: a skip that is seen, and a failure where all tools have to be."""
    if os.environ.get("CI"):
        raise AssertionError(f"{why}, and CI is set")
    raise unittest.SkipTest(f"SKIPPED: {why}")


def need(*commands):
    for command in commands:
        if shutil.which(command) is None:
            skip(f"no {command} on this machine")


def packages():
    """The directory that has node_modules, installed when package-lock.json is another than the last time."""
    need("node", "npm")
    directory = Path(harness.programs.ringdrop).parent / "node"
    directory.mkdir(exist_ok=True)
    with open(directory / "lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # ctest runs several files at once
        wanted = hashlib.sha256((SOURCES / "package-lock.json").read_bytes()).hexdigest()
        stamp = directory / "installed"
        if stamp.exists() and stamp.read_text("ascii") == wanted:
            return directory
        stamp.unlink(missing_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(SOURCES / name, directory / name)
        done = subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"],
                              cwd=directory, capture_output=True, text=True, check=False, timeout=DEADLINE)
        if done.returncode != 0:
            if any(word in done.stderr for word in OFFLINE):
                skip("npm reaches no registry")
            raise AssertionError(f"npm ci in {directory}: {done.stderr}")
        stamp.write_text(wanted, "ascii")
    return directory


class Script:
    """A running node script: the JSON objects that it writes, one a line."""

    def __init__(self, name, asked, environment=None):
        self.process = subprocess.Popen(
            ["node", str(SOURCES / name), json.dumps(asked)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True,
            env={**os.environ, "RINGDROP_NODE_PACKAGES": str(packages()), **(environment or {})})
        self.watchdog = threading.Timer(DEADLINE, self.process.kill)
        self.watchdog.start()
        self.told = []

    def wait_for(self, event):
        """The next object of that event; AssertionError when the script ends before."""
        for line in self.process.stdout:
            self.told.append(json.loads(line))
            if self.told[-1]["event"] == event:
                return self.told[-1]
        raise AssertionError(f"no {event!r}; the last words: {self.told[-3:]}, {self.process.stderr.read()}")

    def finish(self):
        """What was told last, when the script has ended by itself."""
        self.told += [json.loads(line) for line in self.process.stdout]
        errors = self.process.stderr.read()
        code = self.process.wait()
        self.close()
        if not self.told or code < 0:
            raise AssertionError(f"the script ended with {code}: {errors}")
        return self.told[-1]

    def close(self):
        self.watchdog.cancel()
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()
