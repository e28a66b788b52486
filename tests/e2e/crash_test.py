#!/usr/bin/env python3
"""kill -9 in the middle of uploads: what was answered 201 is there and whole, of the rest nothing is left."""

import os
import random
import shutil
import sqlite3
import threading
import time

from harness import KIB, MIB, EndToEnd, main, path_of, random_bytes, request, sha256_of, wait_until

ROUNDS = 5
KILLS_IN_START = 4  # a round
UPLOADERS = 12
SIZES = [1, 100, 4096, 5000, 8192, 8193, 64 * KIB, 300 * KIB, MIB, 3 * MIB + 1, 9 * MIB]


class Uploader(threading.Thread):
    """Uploads one file after the other until the server is gone, and keeps the log of what was acknowledged."""

    def __init__(self, server, number, seed):
        super().__init__()
        self.server = server
        self.number = number
        self.random = random.Random(f"{seed} {number}")
        self.acknowledged = []  # (path, SHA-256)
        self.unexpected = None

    def run(self):
        try:
            while True:
                with self.server.connect() as wire:
                    for _ in range(self.random.randrange(1, 8)):
                        self.upload(wire)
        except OSError:
            pass  # the kill
        except Exception as error:  # pylint: disable=broad-except
            if not type(error).__name__ == "Closed":
                self.unexpected = error

    def upload(self, wire):
        body = self.random.randbytes(self.random.choice(SIZES))
        is_chunked = self.random.random() < 0.4
        framing = "Transfer-Encoding: chunked" if is_chunked else f"Content-Length: {len(body)}"
        wire.socket.sendall(request("PUT", f"/{self.number}", framing))
        for offset in range(0, len(body), 100_000):
            piece = body[offset:offset + 100_000]
            wire.socket.sendall(b"%x\r\n%b\r\n" % (len(piece), piece) if is_chunked else piece)
        if is_chunked:
            wire.socket.sendall(b"0\r\n\r\n")
        created = wire.read_final()
        if created.status != 201:
            raise AssertionError(f"refused: {created}")
        self.acknowledged.append((path_of(created), sha256_of(body)))


class Crash(EndToEnd):
    """The client's log of acknowledged links against what the server has after the restart."""

    def setUp(self):
        super().setUp()
        self.seed = int(os.environ.get("RINGDROP_SEED", random.SystemRandom().randrange(10**6)))
        print(f"seed {self.seed} (RINGDROP_SEED={self.seed} repeats the choices)")

    def catalogue(self, server):
        """({file as a path below the data directory: length}, tokens), read from a copy."""
        copy = self.directory / "copy"
        copy.mkdir()
        try:
            for path in server.data.glob("catalogue.sqlite3*"):
                shutil.copy(path, copy)
            database = sqlite3.connect(copy / "catalogue.sqlite3")
            files = {f"blobs/{file >> 12:08x}/{file & 0xfff:03x}": length
                     for file, length in database.execute("SELECT file, length FROM all_extents")}
            tokens = {token for (token,) in database.execute("SELECT token FROM links")}
            self.assertEqual(database.execute("PRAGMA integrity_check").fetchall(), [("ok",)])
            database.close()
            return files, tokens
        finally:
            shutil.rmtree(copy)

    def assert_files_and_rows_agree(self, server):
        files, _ = self.catalogue(server)
        stored = server.stored_files()
        self.assertEqual([path for path in stored if path not in files], [], "files without a row")
        self.assertEqual([path for path in files if path not in stored], [], "rows without a file")
        for path, length in files.items():
            self.assertEqual((server.data / path).stat().st_size, length, path)

    def kill_in_the_middle(self, server, moment, seed):
        uploaders = [Uploader(server, number, seed) for number in range(UPLOADERS)]
        for uploader in uploaders:
            uploader.start()
        time.sleep(moment)  # no luck involved: any moment is right
        server.kill9()
        for uploader in uploaders:
            uploader.join()
            if uploader.unexpected:
                raise uploader.unexpected
        return [entry for uploader in uploaders for entry in uploader.acknowledged]

    def assert_acknowledged(self, server, acknowledged):
        with server.connect() as wire:
            for path, digest in acknowledged:
                got = wire.send(request("GET", path)).read_final()
                self.assertEqual((got.status, sha256_of(got.body)), (200, digest), f"{path} was answered 201")

    def test_what_got_its_201_survives_kill_9_and_nothing_else_does(self):
        server = self.server("--stall-timeout", "10s")
        moments = random.Random(self.seed)
        acknowledged = []
        killed_in_start = 0
        for turn in range(ROUNDS):
            moment = moments.uniform(0.05, 1.5)
            fresh = self.kill_in_the_middle(server, moment, f"{self.seed} {turn}")
            left = len(server.stored_files())
            # What one start does not recover, because it is killed too, the next one does.
            for _ in range(KILLS_IN_START):
                killed_in_start += server.kill_in_start(moments.random())
            server.start()
            self.assert_files_and_rows_agree(server)
            self.assert_acknowledged(server, fresh)
            acknowledged += fresh
            # A commit may have been durable while its answer was still on the way: at most one for each client.
            _, tokens = self.catalogue(server)
            known = {path[1:23] for path, _ in acknowledged}
            self.assertLessEqual(known, tokens)
            self.assertLessEqual(len(tokens) - len(known), UPLOADERS * (turn + 1))
            print(f"round {turn}: killed after {moment:.2f} s, {len(fresh)} acknowledged, "
                  f"{left - len(server.stored_files())} unfinished files removed")
        self.assertGreater(killed_in_start, 0)
        print(f"{killed_in_start} of {ROUNDS * KILLS_IN_START} starts were killed before they listened")
        self.assert_acknowledged(server, acknowledged)
        self.assertEqual(server.stop(), 0)
        self.assertEqual(list((server.data / "unsettled").iterdir()), [], "marks after a clean stop")
        self.assert_files_and_rows_agree(server)

    def test_an_unfinished_body_is_gone_after_kill_9(self):
        server = self.server()
        kept = server.put("kept", b"kept" * 5000)
        wires = [server.connect() for _ in range(3)]
        wires[0].send(request("PUT", "/sized", f"Content-Length: {20 * MIB}") + bytes(9 * MIB))
        wires[1].send(request("PUT", "/chunked", "Transfer-Encoding: chunked") + b"%x\r\n" % (9 * MIB) + bytes(5 * MIB))
        wires[2].send(request("PUT", "/begun", "Content-Length: 10000") + b"x")
        wait_until(lambda: len(server.stored_files()) == 4, "all bodies have a file")
        server.kill9()
        server.start()
        self.assertIn("3 unfinished files removed", server.log())
        self.assertEqual(len(server.stored_files()), 1)
        self.assertEqual(server.get(kept).body, b"kept" * 5000)
        for wire in wires:
            wire.close()

    def test_recovery_may_be_killed_itself(self):
        server = self.server()
        body = random_bytes(MIB, "recovery")
        kept = server.put("kept", body)
        for turn in range(5):
            wire = server.connect().send(request("PUT", "/begun", f"Content-Length: {MIB}") + b"x" * 1000)
            wait_until(lambda: len(server.stored_files()) == 2, "the body has a file")
            server.kill9()
            wire.close()
            server.kill_in_start(turn / 5)
            server.start()
            self.assertEqual(len(server.stored_files()), 1)
            self.assertEqual(server.get(kept).body, body)

    def test_a_client_that_breaks_off_leaves_no_file(self):
        server = self.server()
        for framing, part in ((f"Content-Length: {MIB}", b"x" * 1000),
                              ("Transfer-Encoding: chunked", b"10000\r\n" + b"x" * 20_000)):
            with server.connect() as wire:
                wire.send(request("PUT", "/broken", framing) + part)
                wait_until(lambda: len(server.stored_files()) == 1, "the body has a file")
            wait_until(lambda: not server.stored_files(), "it is gone again")
        files, tokens = self.catalogue(server)
        self.assertEqual((files, tokens), ({}, set()))

    def test_strangers_in_the_data_directory_are_left_alone(self):
        server = self.server()
        server.put("x", b"x" * 20_000)
        server.stop()
        stranger = server.data / "blobs" / "README"
        stranger.write_text("not ours")
        (server.data / "notes").write_text("not ours")
        server.start()
        self.assertEqual(stranger.read_text(), "not ours")
        self.assertTrue((server.data / "notes").exists())
        self.assertEqual(server.get(server.put("y", b"y")).body, b"y")


if __name__ == "__main__":
    main()
