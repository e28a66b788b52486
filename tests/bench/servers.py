"""The servers that are measured, each started with a directory of its own: ringdrop in its default configuration, nginx,
an asyncio server, and the C++ programs that say what durable uploads can cost at least."""

import functools
import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import recovery
from harness import MIB, Server, random_bytes, wait_until
from measure import family

HERE = Path(__file__).resolve().parent


class programs:  # noqa: N801  (a namespace, set by bench.py)
    """Where the built programs are."""

    ringdrop = load = small_durable = durable_append = None


def loops():
    """How many loops ringdrop has by default (config.example.toml), so as many processes for the others."""
    return min(len(os.sched_getaffinity(0)), 4)


def free_port():
    """For who cannot be told to take one: somebody else might be faster, but hardly."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


class Content:
    """So many random bytes to upload, in no more memory than 4 MiB: they repeat."""

    BLOCK = random_bytes(4 * MIB, "content")

    def __init__(self, size):
        self.size = size

    def __iter__(self):
        for begin in range(0, self.size, len(self.BLOCK)):
            yield self.BLOCK[:self.size - begin]


class Measured:
    """What the cases need of a server."""

    name = ""

    def __init__(self, directory):
        self.directory = Path(directory)
        self.process = None
        self.port = None

    @classmethod
    def missing(cls):
        """What has to be installed for it; empty when all is there."""
        return ""

    @property
    def pid(self):
        return self.process.pid

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def launch(self, *command):
        with open(self.directory / "log", "wb") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def wait_for_port(self):
        def answers():
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.name} has not started: {(self.directory / 'log').read_text()}")
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", self.port)) == 0

        wait_until(answers, f"{self.name} listens")
        return self

    def stop(self):
        self.process.terminate()
        self.process.wait()

    def store(self, name, content):
        """Uploads a Content; the path under which it is downloaded."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)
        connection.request("PUT", f"/{name}", body=iter(content), headers={"Content-Length": str(content.size)})
        answer = connection.getresponse()
        said = answer.read()
        if answer.status != 201:
            raise RuntimeError(f"{self.name} has not taken {name}: {answer.status} {said!r}")
        connection.close()
        return self.path_of(name, answer.getheader("Location"))

    def path_of(self, name, location):  # pylint: disable=unused-argument
        """Where an upload can be downloaded."""
        return f"/{name}"

    def link(self, name, file):  # pylint: disable=unused-argument
        """Serves this file, which another server keeps; the path, or None where that cannot be."""
        return None

    def stored_files(self):
        """Paths of all that it keeps, to take them out of the page cache."""
        return [path for path in self.directory.rglob("*") if path.is_file()]


class Ringdrop(Measured):
    """In its default configuration."""

    name = "ringdrop"
    OPTIONS = ()

    def start(self):
        self.server = Server(self.directory, *self.OPTIONS, program=programs.ringdrop)
        return self.run()

    def run(self):
        self.process = self.server.start().process
        self.port = self.server.address[1]
        return self

    def blobs(self):
        """The files with the contents of uploads, as they were uploaded."""
        return [path for path in (self.server.data / "blobs").rglob("*") if path.is_file()]

    def fill(self, links, **how):
        """Gives it so many links (recovery.fill), for which it is stopped and started again."""
        self.server.stop()
        recovery.fill(self.server.data, links, **how)
        return self.run()

    def path_of(self, name, location):
        return "/" + location.split("/", 3)[3] if "://" in location else location


class Nginx(Measured):
    """PUT by its DAV module, sendfile, open_file_cache."""

    name = "nginx"

    @classmethod
    def missing(cls):
        return "" if shutil.which("nginx") or os.access("/usr/sbin/nginx", os.X_OK) else "nginx"

    def start(self):
        (self.directory / "files").mkdir(exist_ok=True)
        self.port = free_port()
        text = (HERE / "peers/nginx.conf").read_text("ascii")
        for key, value in {"USER": "user root;" if os.geteuid() == 0 else "", "PROCESSES": loops(),
                           "DIRECTORY": self.directory, "PORT": self.port}.items():
            text = text.replace(f"@{key}@", str(value))
        (self.directory / "nginx.conf").write_text(text, "ascii")
        self.launch(shutil.which("nginx") or "/usr/sbin/nginx", "-e", self.directory / "log", "-c",
                    self.directory / "nginx.conf")
        return self.wait_for_port()

    def link(self, name, file):
        os.link(file, self.directory / "files" / name)
        return self.path_of(name, None)


class Asyncio(Measured):
    """aiohttp, aiofiles and uvloop."""

    name = "asyncio"

    @classmethod
    @functools.cache
    def interpreter(cls):
        """The Python that has the modules: Debian's, where another one is in the PATH; None without."""
        for python in (sys.executable, "/usr/bin/python3"):
            if os.access(python, os.X_OK) and subprocess.run([python, "-c", "import aiohttp, aiofiles, uvloop"],
                                                             capture_output=True, check=False).returncode == 0:
                return python
        return None

    @classmethod
    def missing(cls):
        return "" if cls.interpreter() else "python3-aiohttp, python3-aiofiles or python3-uvloop"

    def start(self):
        (self.directory / "files").mkdir(exist_ok=True)
        self.port = free_port()
        self.launch(self.interpreter(), HERE / "peers/asyncio_server.py", self.directory / "files", str(self.port),
                    str(loops()))
        return self.wait_for_port()

    def stop(self):
        for pid in reversed(family(self.pid)):
            os.kill(pid, signal.SIGTERM)
        self.process.wait()


class Bound(Measured):
    """A C++ program that is no server, and says what one could do at most on this machine."""

    def command(self):
        """Its words; its files go to self.directory / "files"."""
        raise NotImplementedError

    def start(self):
        (self.directory / "files").mkdir()
        self.launch(*self.command())

        def said():
            text = (self.directory / "log").read_text("ascii")
            return text.endswith("\n") and text

        self.port = int(wait_until(said, "it listens").rsplit(":", 1)[1])
        return self


class SmallDurable(Bound):
    """tests/bench/small_durable.cc with 64 threads. It only takes."""

    name = "64 threads"

    def command(self):
        return programs.small_durable, self.directory / "files", "64"


class DurableAppend(Bound):
    """tests/bench/durable_append.cc: one upload in pieces."""

    name = "plain program"

    def command(self):
        return programs.durable_append, self.directory / "files"


def hot_answers(size, count):
    """tests/bench/hot_answers.cc: so many files of that size, which it has without being given them."""

    class HotAnswers(Bound):
        name = "plain program"

        def command(self):
            return programs.hot_answers, str(size), str(count), str(loops())

        def store(self, name, content):
            return f"/{name}"

    return HotAnswers
