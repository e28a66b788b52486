#!/usr/bin/env python3
"""That the load generator measures what it says, and that the runner, its servers, its table and its pictures work. No
number that the machine decides is looked at: bench_test.py --build build/release."""

import argparse
import contextlib
import io
import json
import os
import platform
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import unittest.mock
import xml.etree.ElementTree
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))
import bench  # noqa: E402
import measure  # noqa: E402
import table  # noqa: E402
from harness import MIB, scratch_root  # noqa: E402

BUILD = None


class Scripted:
    """A server that calls `answer(number, body)` for each request, over all connections, and sends what it returns; None
    ends the connection. `paths`: what was asked for."""

    def __init__(self, answer):
        self.answer = answer
        self.number = 0
        self.paths = []
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection = self.listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with contextlib.suppress(ConnectionError), connection, connection.makefile("rb") as file:  # the client may cut it
            while request := file.readline():
                length = 0
                while (line := file.readline()) not in (b"\r\n", b""):
                    name, _, value = line.partition(b":")
                    if name.lower() == b"content-length":
                        length = int(value)
                body = file.read(length)
                with self.lock:
                    number, self.number = self.number, self.number + 1
                    self.paths.append(request.split()[1].decode())
                answer = self.answer(number, body)
                if answer is None:
                    return
                connection.sendall(answer)

    def close(self):
        self.listener.close()


def ok(body=b"", fields=b""):
    return b"HTTP/1.1 200 OK\r\n%bContent-Length: %d\r\n\r\n%b" % (fields, len(body), body)


class LoadGenerator(unittest.TestCase):
    """ringdrop-load against servers that do what the test says."""

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.targets = Path(directory.name) / "targets"
        self.targets.write_text("/a\n/b\n", "ascii")

    def load(self, answer, command, *options):
        """Its exit code and its report."""
        server = self.server = Scripted(answer)
        self.addCleanup(server.close)
        if command == "download":
            options = ("--targets", self.targets, *options)
        made = subprocess.run([BUILD / "tests/bench/load/ringdrop-load", command, "--address", server.address,
                               *[str(option) for option in options]], capture_output=True, text=True, check=False,
                              timeout=60)
        return made.returncode, json.loads(made.stdout)

    def test_connections_share_the_targets_so_that_each_is_asked_for_once(self):
        paths = [f"/{number}" for number in range(40)]
        self.targets.write_text("".join(path + "\n" for path in paths), "ascii")
        code, _ = self.load(lambda *_: ok(), "download", "--count", len(paths), "--connections", 4)
        self.assertEqual(code, 0)
        self.assertEqual(sorted(self.server.paths), sorted(paths))

    def test_uploaded_bytes_are_the_contents_and_all_arrive(self):
        sizes = []

        def answer(_, body):
            sizes.append(len(body))
            return ok()

        code, report = self.load(answer, "upload", "--count", 3, "--size", 3 * MIB + 17)
        self.assertEqual((code, report["requests"], report["bytes"]), (0, 3, 3 * (3 * MIB + 17)))
        self.assertEqual(sizes, [3 * MIB + 17] * 3)

    def test_downloads_are_counted_whole(self):
        code, report = self.load(lambda *_: ok(bytes(2 * MIB)), "download", "--count", 5, "--connections", 2)
        self.assertEqual((code, report["requests"], report["bytes"]), (0, 5, 10 * MIB))
        self.assertEqual(report["statuses"], {"200": 5})

    def test_what_was_cut_counts_as_moved(self):
        whole = ok(bytes(4 * MIB))
        code, report = self.load(lambda *_: whole[:-MIB], "download", "--seconds", 0.3, "--cut")
        self.assertEqual((code, report["requests"], report["bytes"]), (0, 0, 0))
        self.assertAlmostEqual(report["received_bytes"], 3 * MIB, delta=8192)  # some come with the head
        self.assertGreaterEqual(report["run_seconds"], 0.3)

    def test_a_pace_is_kept_both_ways(self):
        for command, key, options in (("upload", "sent_bytes", ("--size", 4 * MIB)), ("download", "received_bytes", ())):
            code, report = self.load(lambda *_: ok(bytes(4 * MIB)), command, "--pace", MIB, "--connections", 3, "--seconds",
                                     1, "--cut", *options)
            self.assertEqual(code, 0)
            self.assertGreater(report[key], MIB)
            self.assertLess(report[key], 3.3 * MIB * report["run_seconds"])

    def test_an_answer_that_is_no_success_is_an_error_and_no_request(self):
        refusal = b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"
        code, report = self.load(lambda number, _: refusal if number % 2 else ok(), "download", "--count", 6)
        self.assertEqual((code, report["requests"], report["errors"]), (1, 3, 3))
        self.assertEqual(report["statuses"], {"200": 3, "503": 3})

    def test_a_connection_that_the_server_ends_is_made_anew(self):
        code, report = self.load(lambda *_: ok(b"x", b"Connection: close\r\n"), "download", "--count", 4)
        self.assertEqual((code, report["requests"], report["reconnects"]), (0, 4, 3))

    def test_a_torn_answer_is_an_error(self):
        code, report = self.load(lambda number, _: ok() if number else None, "download", "--count", 2)
        self.assertEqual((code, report["requests"], report["errors"]), (1, 1, 1))

    def test_interim_answers_are_passed_over(self):
        interim = b"HTTP/1.1 104 Upload Resumption Supported\r\nLocation: /u\r\n\r\n"
        code, report = self.load(lambda *_: interim + ok(b"12345"), "download", "--count", 3)
        self.assertEqual((code, report["requests"], report["bytes"]), (0, 3, 15))

    def test_at_a_fixed_rate_all_that_was_due_during_a_stall_has_waited(self):
        def answer(number, _):
            if number == 10:
                time.sleep(0.5)  # the server stalls once
            return ok()

        code, report = self.load(answer, "download", "--rate", 200, "--seconds", 1)
        self.assertEqual(code, 0)
        self.assertEqual(report["requests"] + report["never_begun"], 200)
        # One request has seen the stall, the hundred that were due in it have waited for its end.
        self.assertGreater(report["latency_us"]["p90"], 100_000)

    def test_a_fixed_rate_has_short_slices_of_the_cpu_where_the_kernel_knows_them(self):
        _, alone = self.load(lambda *_: ok(), "download", "--count", 2)
        self.assertFalse(alone["short_slices"])
        _, due = self.load(lambda *_: ok(), "download", "--rate", 200, "--seconds", 0.1)
        version = tuple(int(part) for part in platform.release().split(".")[:2])
        self.assertEqual(due["short_slices"], version >= (6, 12))

    def test_appends_follow_one_another(self):
        def answer(number, body):
            if number == 0:
                return ok(fields=b"Location: http://bench/uploads/x\r\n")
            return ok() if len(body) == 7 else None

        code, report = self.load(answer, "append", "--count", 4, "--size", 7)
        self.assertEqual((code, report["requests"], report["bytes"]), (0, 5, 28))


class Host:
    """A stand-in for the clock and for a host that takes so much of the CPUs' time away in one run after the other."""

    def __init__(self, test, *parts):
        self.parts = iter(parts)
        self.seconds = self.stolen = 0
        self.runs, self.rests = 0, []
        for where, name, fake in ((measure.time, "monotonic", lambda: self.seconds),
                                  (measure, "stolen_seconds", lambda: self.stolen),
                                  (bench.time, "sleep", self.rests.append)):
            patched = unittest.mock.patch.object(where, name, fake)
            patched.start()
            test.addCleanup(patched.stop)

    def run(self):
        """What is measured: its number is which try it was."""
        self.seconds += 10
        self.stolen += next(self.parts) * 10 * os.cpu_count()
        self.runs += 1
        return {"gb_s": self.runs}


class DisturbedRuns(unittest.TestCase):
    """Which of them are repeated, and which one counts."""

    def undisturbed(self, host, measured=None, quick=False):
        options = argparse.Namespace(quick=quick, rounds=1)
        with contextlib.redirect_stderr(io.StringIO()):
            return bench.Bench(options, "").undisturbed(measured or host.run, 0.02)

    def check(self, run, host, *, counts, tries, disturbed):
        self.assertEqual(run["gb_s"], counts)
        self.assertEqual([round(part, 6) for part in run["tries_stolen"]], tries)
        self.assertAlmostEqual(run["stolen"], min(tries))
        self.assertEqual(run["disturbed"], disturbed)
        self.assertEqual((host.runs, host.rests), (len(tries), [bench.REST] * (len(tries) - 1)))

    def test_they_are_repeated_until_one_is_not(self):
        host = Host(self, 0.05, 0.03, 0, 0)
        self.check(self.undisturbed(host), host, counts=3, tries=[0.05, 0.03, 0], disturbed=False)

    def test_of_four_the_least_disturbed_one_counts_and_is_marked(self):
        host = Host(self, 0.05, 0.03, 0.08, 0.04, 0)
        self.check(self.undisturbed(host), host, counts=2, tries=[0.05, 0.03, 0.08, 0.04], disturbed=True)

    def test_one_that_is_not_is_the_only_one(self):
        host = Host(self, 0.01, 0)
        self.check(self.undisturbed(host), host, counts=1, tries=[0.01], disturbed=False)

    def test_quick_ones_neither_rest_nor_are_repeated(self):
        host = Host(self, 0.05, 0)
        self.check(self.undisturbed(host, quick=True), host, counts=1, tries=[0.05], disturbed=True)

    def test_after_some_in_vain_none_is_repeated_until_one_is_not_disturbed(self):
        host = Host(self, *[0.05] * 12, 0.05, 0.05, 0.01, 0.05, 0)
        measuring = bench.Bench(argparse.Namespace(quick=False, rounds=1), "")
        with contextlib.redirect_stderr(io.StringIO()):
            tries = [len(measuring.undisturbed(host.run, 0.02)["tries_stolen"]) for _ in range(7)]
        self.assertEqual(tries, [4, 4, 4, 1, 1, 1, 2])

    def test_what_the_load_generator_has_seen_itself_is_believed(self):
        host = Host(self, 0.05)  # of which the load has lost nothing
        run = self.undisturbed(host, lambda: {**host.run(), "stolen": 0.001})
        self.check(run, host, counts=1, tries=[0.001], disturbed=False)

    def test_a_disturbed_row_has_a_mark(self):
        row = {"case": "a", "work": "b", "server": "ringdrop", "runs": [{"stolen": 0.001}, {"stolen": 0.03}]}
        self.assertNotIn("!", " ".join(table.cells(row, None)))
        row["runs"][1]["disturbed"] = True
        self.assertIn("1.6%!", table.cells(row, None))


class Runner(unittest.TestCase):
    """bench.py --quick: several cases, its results and pictures."""

    def test_cases_run_and_are_printed_and_drawn(self):
        with tempfile.TemporaryDirectory(dir=scratch_root()) as directory:
            results = Path(directory) / "bench.json"
            cases = ("upload_small", "download_small", "append", "cut", "durability")
            made = subprocess.run([sys.executable, HERE / "bench.py", "--quick", "--build", BUILD, "--directory",
                                   directory, "--json", results, *cases], capture_output=True, text=True, check=False)
            self.assertEqual(made.returncode, 0, made.stdout + made.stderr)
            document = json.loads(results.read_text("utf-8"))
            self.assertEqual({row["case"] for row in document["rows"]}, set(cases))
            self.assertEqual({verdict["case"] for verdict in document["verdicts"]}, set(cases))
            self.assertRegex(made.stdout, "upload_small +64 connections x 4 KiB +ringdrop")
            printed = subprocess.run([sys.executable, HERE / "table.py", results], capture_output=True, text=True,
                                     check=True).stdout
            self.assertEqual(printed.count("\n| "), len(document["verdicts"]) + 1)
            for options in ([], ["--memory"]):
                drawn = subprocess.run([sys.executable, HERE / "picture.py", *options, results], capture_output=True,
                                       text=True, check=True).stdout
                self.assertTrue(xml.etree.ElementTree.fromstring(drawn).tag.endswith("svg"))


def main():
    global BUILD  # pylint: disable=global-statement
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--build", type=Path, default=HERE.parents[1] / "build/release")
    known, rest = parser.parse_known_args()
    BUILD = known.build.resolve()
    unittest.main(argv=[sys.argv[0], *rest], verbosity=2)


if __name__ == "__main__":
    main()
