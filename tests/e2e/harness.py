"""What the end-to-end tests share: a server to start and kill, raw connections, curl, big files, a canary.

A test is a method of a class derived from EndToEnd. Its servers, directories and processes end with it, and when it
fails the logs of its servers are printed. Nothing here sleeps for luck: what takes time is waited for, with a deadline.

    python3 tests/e2e/run.py --ringdrop build/release/ringdrop [--echo build/release/tests/ringdrop-echo] [-k name] [-v]
    python3 tests/e2e/stop_test.py --ringdrop ...        one file, the same options
"""

import argparse
import contextlib
import hashlib
import os
import random
import re
import select
import shutil
import signal
import socket
import sqlite3
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from pathlib import Path

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB

# How long anything may take that happens at once on an idle machine: others compile beside us.
PATIENCE = 60.0

# Every upload but an empty one has a file of its own: for tests that look at these files.
EVERY_FILE = ("--small-file-size", "0B")

CHECKOUT = Path(__file__).resolve().parents[2]


class programs:  # noqa: N801  (a namespace, set by main)
    """The binaries under test."""

    ringdrop = os.environ.get("RINGDROP", str(CHECKOUT / "build/release/ringdrop"))
    echo = os.environ.get("RINGDROP_ECHO", "")


def scratch_root():
    """Where big files go: TMPDIR, else the temporary directory that is on a disk (/tmp may be memory)."""
    return os.environ.get("TMPDIR", "/var/tmp")


def wait_until(condition, what, patience=PATIENCE, pause=0.01):
    """Waits until condition() is true and returns its value; AssertionError when that takes too long."""
    deadline = time.monotonic() + patience
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"still not so after {patience:g} s: {what}")
        time.sleep(pause)


# Files --------------------------------------------------------------------------------------------------------------


def random_bytes(size, seed):
    """The same bytes for the same seed."""
    return random.Random(seed).randbytes(size)


def make_file(path, size, seed=1):
    """A file of that size. Above 64 MiB it has holes: random blocks at both ends and every 16 MiB, zeros between."""
    with open(path, "wb") as file:
        if size <= 64 * MIB:
            file.write(random_bytes(size, seed))
            return Path(path)
        file.truncate(size)
        block = 64 * KIB - 1  # no power of two, so that no two boundaries meet
        for offset in [*range(0, size - block, 16 * MIB), size - block]:
            file.seek(offset)
            file.write(random_bytes(block, f"{seed} {offset}"))
    return Path(path)


def sha256_of(source):
    """SHA-256 of bytes, of a file by its path, or of what a stream still has."""
    if isinstance(source, bytes):
        return hashlib.sha256(source).hexdigest()
    if isinstance(source, (str, Path)):
        with open(source, "rb") as file:
            return sha256_of(file)
    digest = hashlib.sha256()
    while piece := source.read(MIB):
        digest.update(piece)
    return digest.hexdigest()


# Raw HTTP -----------------------------------------------------------------------------------------------------------


class Response:
    """One answer as it came over the wire."""

    def __init__(self, head, body=b""):
        lines = head.decode("latin-1").split("\r\n")
        self.head = head
        self.version, status, *reason = lines[0].split(" ", 2)
        self.status = int(status)
        self.reason = reason[0] if reason else ""
        self.fields = []
        for line in lines[1:]:
            name, colon, value = line.partition(":")
            if not colon or name != name.strip() or not name:
                raise AssertionError(f"no field line: {line!r}")
            self.fields.append((name, value.strip()))
        self.body = body

    def get(self, name):
        """The value of a field that may be there once; None without it."""
        values = [value for field, value in self.fields if field.lower() == name.lower()]
        if len(values) > 1:
            raise AssertionError(f"{name} is there {len(values)} times: {values}")
        return values[0] if values else None

    def __repr__(self):
        return f"{self.head.decode('latin-1')!r} + {self.body[:200]!r}"


class Closed(Exception):
    """The peer ended the connection where an answer, or more of one, was due."""


class Wire:
    """A raw connection: sends what it is told, byte by byte if need be, and reads strictly framed answers."""

    def __init__(self, address, patience=PATIENCE, receive_buffer=None):
        family = socket.AF_UNIX
        if not isinstance(address, str):
            family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(patience)
        self.unread = b""
        try:
            self.socket.connect(address)
            if family != socket.AF_UNIX:
                self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except BaseException:
            self.socket.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def reset(self):
        """Ends the connection with RST instead of FIN."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def half_close(self):
        """Says that nothing more will be sent; still reads."""
        self.socket.shutdown(socket.SHUT_WR)

    def send(self, data):
        """Sends all of it. That the peer has stopped listening is no error: what it said matters."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.socket.sendall(data)
        return self

    def _more(self):
        piece = self.socket.recv(64 * KIB)
        if not piece:
            raise Closed(f"the server closed; unread: {self.unread[:200]!r}")
        self.unread += piece

    def take(self, size):
        pieces = [self.unread[:size]]
        missing = size - len(pieces[0])
        self.unread = self.unread[size:]
        while missing > 0:
            piece = self.socket.recv(min(missing, 256 * KIB))
            if not piece:
                raise Closed(f"the server closed {missing} bytes before the end")
            pieces.append(piece)
            missing -= len(piece)
        return b"".join(pieces)

    def _line(self):
        while b"\r\n" not in self.unread:
            self._more()
        line, _, self.unread = self.unread.partition(b"\r\n")
        return line

    def read_response(self, to_head=False):
        """The next answer, an interim one too. `to_head`: it answers a HEAD."""
        while b"\r\n\r\n" not in self.unread:
            self._more()
        head, _, self.unread = self.unread.partition(b"\r\n\r\n")
        response = Response(head)
        if to_head or response.status < 200 or response.status in (204, 304):
            return response
        if response.get("Transfer-Encoding") == "chunked":
            while size := int(self._line(), 16):
                response.body += self.take(size)
                if self._line():
                    raise AssertionError("no CRLF behind a chunk")
            while self._line():
                pass
        elif response.get("Content-Length") is not None:
            response.body = self.take(int(response.get("Content-Length")))
        else:
            response.body = self.read_to_end()
        return response

    def read_final(self, to_head=False):
        """The next answer that is no interim one."""
        while (response := self.read_response(to_head)).status < 200:
            pass
        return response

    def read_to_end(self):
        """Everything until the server closes; a reset is an AssertionError."""
        pieces = [self.unread]
        self.unread = b""
        try:
            while piece := self.socket.recv(256 * KIB):
                pieces.append(piece)
        except ConnectionResetError:
            raise AssertionError(f"the server reset the connection after {b''.join(pieces)[:300]!r}") from None
        return b"".join(pieces)

    def is_closed(self, patience=PATIENCE):
        """Whether the server ends the connection within that time without another byte; a reset counts."""
        if self.unread:
            return False
        self.socket.settimeout(patience)
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True
        except TimeoutError:
            return False

    def is_silent(self, patience=0.1):
        """Whether nothing comes, no byte and no end, for a moment."""
        return not self.unread and not select.select([self.socket], [], [], patience)[0]


def chunked(*pieces):
    """The pieces as a whole chunked body."""
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def request(method, target, *fields, body=b"", host="ringdrop.test", version="HTTP/1.1"):
    """The bytes of a request. Content-Length is added for a body unless the fields say how it is framed."""
    lines = [f"{method} {target} {version}"]
    if host is not None:
        lines.append(f"Host: {host}")
    framed = any(field.lower().startswith(("content-length:", "transfer-encoding:")) for field in fields)
    lines += fields
    if not framed and (body or method in ("PUT", "POST")):
        lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body


# The server ---------------------------------------------------------------------------------------------------------


class Server:
    """A ringdrop process with a data directory of its own that outlives restarts."""

    def __init__(self, directory, *options, listen=("127.0.0.1:0",), environment=None, prepare=None, program=None):
        """`options` as on the command line; `prepare` runs in the child before the program, as preexec_fn."""
        self.directory = Path(directory)
        self.data = self.directory / "data"
        self.log_path = self.directory / "log"
        self.options = list(options)
        self.listen = list(listen)
        self.environment = environment or {}
        self.prepare = prepare
        self.program = program or programs.ringdrop
        self.process = None
        self.exit_codes = []
        self.start_seconds = 0.0  # what the last start() took
        self._log_start = 0

    def command(self):
        listeners = [word for address in self.listen for word in ("--listen", address)]
        return [self.program, "serve", *listeners, "--data-dir", str(self.data), *self.options]

    def spawn(self):
        """Starts the process and does not wait for anything."""
        self._log_start = self.log_path.stat().st_size if self.log_path.exists() else 0
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=self.prepare,
                env={**os.environ, **self.environment})
        return self

    def start(self):
        """Starts the process and waits until it listens."""
        began = time.monotonic()
        self.spawn()
        wait_until(lambda: "listening on" in self.log() or self.process.poll() is not None, "the server listens")
        if self.process.poll() is not None:
            raise AssertionError(f"the server ended with {self.process.returncode} at once:\n{self.log()}")
        self.start_seconds = time.monotonic() - began
        return self

    def kill_in_start(self, part):
        """Starts the process and kills it after `part`, 0 to 1, of what the last start took; whether it did not listen
        yet. Any moment is right."""
        self.spawn()
        time.sleep(part * self.start_seconds)
        self.kill9()
        return "listening on" not in self.log()

    def log(self):
        """What this run of the process has said so far."""
        with open(self.log_path, "rb") as log:
            log.seek(self._log_start)
            return log.read().decode("utf-8", "replace")

    def whole_log(self):
        """What all runs have said."""
        return self.log_path.read_text("utf-8", "replace") if self.log_path.exists() else ""

    def wait_for_log(self, text, patience=PATIENCE):
        wait_until(lambda: text in self.log(), f"the log says {text!r}; it says:\n{self.log()}", patience)

    @property
    def address(self):
        """What a socket connects to: of the first listener."""
        if self.listen[0].startswith("unix:"):
            return self.listen[0].removeprefix("unix:")
        found = re.search(r"listening on (?:\[([0-9a-f:]+)\]|([0-9.]+)):(\d+)", self.log())
        return found.group(1) or found.group(2), int(found.group(3))

    @property
    def authority(self):
        host, port = self.address
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    @property
    def url(self):
        return f"http://{self.authority}"

    def connect(self, **options):
        return Wire(self.address, **options)

    def exchange(self, data, to_head=False):
        """Sends the bytes on a connection of their own; the first final answer."""
        with self.connect() as wire:
            return wire.send(data).read_final(to_head)

    def put(self, name, body):
        """Uploads in a request of its own; the path of the link (`/token/name`)."""
        response = self.exchange(request("PUT", f"/{name}", body=body, host=self.authority))
        if response.status != 201:
            raise AssertionError(f"the upload was refused: {response}")
        return path_of(response)

    def get(self, path):
        return self.exchange(request("GET", path))

    # The process, from outside.

    def signal(self, number=signal.SIGTERM):
        self.process.send_signal(number)

    def wait(self, patience=PATIENCE):
        """The exit code of the process."""
        code = self.process.wait(patience)
        self.exit_codes.append(code)
        return code

    def stop(self, patience=PATIENCE):
        """SIGTERM, then the exit code."""
        self.signal()
        return self.wait(patience)

    def kill9(self):
        self.process.kill()
        self.process.wait()

    def restart(self):
        self.stop()
        return self.start()

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def _status_kib(self, key):
        status = Path(f"/proc/{self.process.pid}/status").read_text("ascii")
        return int(re.search(rf"^{key}:\s+(\d+) kB$", status, re.MULTILINE).group(1))

    def peak_rss(self):
        """The highest resident size so far, in bytes."""
        return self._status_kib("VmHWM") * KIB

    def rss(self):
        """The resident size now, in bytes."""
        return self._status_kib("VmRSS") * KIB

    def rss_without_buffers(self):
        """The same without the buffer pools, which are bounded and grow by chance: they are what is advised to be on huge
        pages (proc(5), smaps)."""
        total = size = 0
        for line in Path(f"/proc/{self.process.pid}/smaps").read_text("ascii", "replace").splitlines():
            if line.startswith("Rss:"):
                size = int(line.split()[1]) * KIB
            elif line.startswith("VmFlags:") and "hg" not in line.split():
                total += size
        return total

    def open_fds(self):
        """How many descriptors the process has open."""
        return len(self.fd_targets())

    def fd_targets(self):
        """What each open descriptor refers to, as in /proc/PID/fd."""
        targets = []
        for entry in os.scandir(f"/proc/{self.process.pid}/fd"):
            with contextlib.suppress(OSError):  # closed meanwhile
                targets.append(os.readlink(entry.path))
        return sorted(targets)

    def open_sockets(self):
        """How many sockets the process has open: listeners and connections."""
        return sum(target.startswith("socket:") for target in self.fd_targets())

    def stored_files(self):
        """Every file below blobs/, by its path relative to the data directory."""
        blobs = self.data / "blobs"
        return sorted(str(path.relative_to(self.data)) for path in blobs.rglob("*") if path.is_file())

    def stored_contents(self):
        """The bytes of every file that the catalogue keeps itself, in the order of their links."""
        address = f"{(self.data / 'catalogue.sqlite3').as_uri()}?mode=ro"
        with contextlib.closing(sqlite3.connect(address, uri=True, timeout=PATIENCE)) as database:
            return [content for (content,) in database.execute("SELECT bytes FROM contents ORDER BY link")]

    def stored(self):
        """Everything that is kept of uploads on disk: paths of files, bytes of small ones."""
        return self.stored_files() + self.stored_contents()


def path_of(created):
    """The path of the link that a 201 carries."""
    location = created.get("Location")
    return re.sub(r"^http://[^/]+", "", location)


# What a test is -----------------------------------------------------------------------------------------------------

# Words that no log of a sound server has: sanitizers, failed checks, escaped exceptions.
CRASH_WORDS = re.compile(r"Sanitizer|runtime error:|internal error|terminate called|exception", re.IGNORECASE)


class EndToEnd(unittest.TestCase):
    """Gives directories, servers and curl; looks at each server's end; prints the logs of a failed test."""

    options = ()  # of every server, before those that a test gives it

    def setUp(self):
        self._servers = []
        root = scratch_root()
        self.directory = Path(tempfile.mkdtemp(prefix="ringdrop-e2e-", dir=root))
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)

    def run(self, result=None):
        result = result or self.defaultTestResult()
        before = len(result.failures) + len(result.errors)
        self._logs = []
        super().run(result)
        if len(result.failures) + len(result.errors) > before:
            for log in self._logs:
                lines = log.splitlines()
                shown = lines if len(lines) <= 120 else [*lines[:40], f"... {len(lines) - 120} lines ...", *lines[-80:]]
                print(f"--- log of the server of {self.id()}", *shown, "---", sep="\n", file=sys.stderr)
        return result

    def server(self, *options, start=True, **keywords):
        """A server that ends with the test, which fails when the server does not end well."""
        directory = tempfile.mkdtemp(prefix="server-", dir=self.directory)
        server = Server(directory, *self.options, *options, **keywords)
        self.addCleanup(self._finish, server)
        return server.start() if start else server

    def _finish(self, server):
        try:
            if server.is_running():
                server.signal(signal.SIGTERM)
                server.signal(signal.SIGINT)  # the second one: at once
                self.assertEqual(server.wait(), 0, "the exit code of the server at the end of the test")
            crash = CRASH_WORDS.search(server.whole_log())
            self.assertIsNone(crash, f"the server's log has {crash.group() if crash else ''!r}")
            if server.process is not None and server.process.returncode < 0:
                self.assertEqual(server.process.returncode, -signal.SIGKILL, "the server died of a signal")
        finally:
            if server.is_running():
                server.kill9()
            self._logs.append(server.whole_log())
            shutil.rmtree(server.directory, ignore_errors=True)

    def curl(self, *arguments, **keywords):
        """Runs curl and returns the CompletedProcess, bytes in stdout and stderr."""
        command = ["curl", "-q", "-sS", "--noproxy", "*", "--max-time", "300", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, check=False, **keywords)

    def curl_ok(self, *arguments, **keywords):
        """curl's standard output; fails when curl does."""
        done = self.curl(*arguments, **keywords)
        self.assertEqual(done.returncode, 0, f"curl {arguments}: {done.stderr.decode()}")
        return done.stdout

    def fetch_sha256(self, url):
        """SHA-256 of what curl gets, which is not kept."""
        command = ["curl", "-q", "-sSf", "--noproxy", "*", "--max-time", "300", str(url)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            digest = sha256_of(process.stdout)
        self.assertEqual(process.returncode, 0, f"curl {url}")
        return digest

    def assert_fds_return(self, server, before):
        """The descriptors that the clients cost are given back; `before` is what fd_targets() was."""
        try:
            wait_until(lambda: server.open_fds() <= len(before), "as few descriptors are open as before")
        except AssertionError as error:
            added = [target for target in server.fd_targets() if target not in before]
            raise AssertionError(f"{error}; {server.open_fds()} instead of {len(before)}, new: {added}") from None

    @contextlib.contextmanager
    def canary(self, server):
        """Somebody else's small GETs, every 100 ms, all of which must be answered rightly while the block runs."""
        expected = random_bytes(4000, "canary")
        path = server.put("canary", expected)
        stop = threading.Event()
        troubles = []
        sung = []

        def sing():
            while not stop.is_set():
                try:
                    response = server.get(path)
                    if response.status != 200 or response.body != expected:
                        troubles.append(repr(response))
                except Exception as error:  # pylint: disable=broad-except
                    troubles.append(repr(error))
                sung.append(1)
                stop.wait(0.1)

        singer = threading.Thread(target=sing)
        singer.start()
        try:
            yield
        finally:
            stop.set()
            singer.join()
        self.assertEqual(troubles[:3], [], f"{len(troubles)} of {len(sung)} requests of somebody else went wrong")
        self.assertGreater(len(sung), 0)


def main():
    """The command line of a test file."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--ringdrop", default=programs.ringdrop)
    parser.add_argument("--echo", default=programs.echo)
    known, rest = parser.parse_known_args()
    programs.ringdrop = str(Path(known.ringdrop).resolve())
    programs.echo = str(Path(known.echo).resolve()) if known.echo else ""
    if not os.access(programs.ringdrop, os.X_OK):
        sys.exit(f"no program: {programs.ringdrop} (--ringdrop PATH)")
    unittest.main(module="__main__", argv=[sys.argv[0], *rest], verbosity=2)
