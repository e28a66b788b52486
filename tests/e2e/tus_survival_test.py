#!/usr/bin/env python3
"""tus 1.0.0: uploads over restarts, crashes and whatever else can cut them; and a client that somebody else wrote."""

import json
import os
import random
import subprocess
import unittest

from harness import MIB, main, make_file, random_bytes, request, sha256_of
from http_tools import name_of, read_what_comes, token_of
from tus_tools import TUS, TusCase, metadata, path_in, repr_digest, wait_taken

CUTS = 72


class Survival(TusCase):
    """Unfinished uploads survive the end of the process."""

    def setUp(self):
        super().setUp()
        self.here = self.server("--loops", "2", "--digest", "always", "--shutdown-grace", "1s")
        self.body = random_bytes(2 * MIB + 99, "survival")

    def crash(self):
        self.here.kill9()
        self.here.start()

    def test_restart_and_kill_9_lose_no_acknowledged_byte(self):
        ends = (self.here.restart, self.crash, self.crash, self.here.restart)
        uploads = [self.create(self.here, size) for size in (len(self.body), None)]
        empty = self.create(self.here, 10)
        at = 0
        for end, size in zip(ends, (1, 70_000, MIB, 4096)):
            for upload in uploads:
                self.assert_tus(self.patch(self.here, upload, at, self.body[at:at + size]), 204)
            at += size
            end()
            for upload in uploads:
                self.assertEqual(self.offset(self.here, upload), at)
            self.assertEqual(self.offset(self.here, empty), 0)
        self.assert_tus(self.patch(self.here, uploads[1], at, b"", f"Upload-Length: {len(self.body)}"), 204)
        for upload in uploads:
            link = self.finish(self.here, upload, self.body)
            self.assertEqual(self.here.get(link).get("Repr-Digest"), repr_digest(self.body))
            info = json.loads(self.here.get(f"/api/links/{token_of(link)}").body)
            self.assertEqual(info["digest"], {"sha-256": sha256_of(self.body)})
        self.finish(self.here, empty, b"0123456789")

    def test_a_stop_in_the_middle_of_a_patch_keeps_its_bytes(self):
        upload = self.create(self.here, len(self.body))
        wire = self.begin(self.here, upload, 0, len(self.body))
        wire.send(self.body[:MIB + 1])
        wait_taken(wire)
        self.assertEqual(self.here.stop(), 0)
        self.here.start()
        self.assertEqual(self.offset(self.here, upload), MIB + 1)
        self.finish(self.here, upload, self.body)

    def test_kill_9_in_the_middle_of_a_patch_keeps_a_beginning(self):
        upload = self.create(self.here, len(self.body))
        wire = self.begin(self.here, upload, 0, len(self.body))
        wire.send(self.body[:MIB + 1])
        wait_taken(wire)
        self.crash()
        offset = self.offset(self.here, upload)
        self.assertLessEqual(offset, MIB + 1)
        self.crash()
        self.assertEqual(self.offset(self.here, upload), offset)
        link = self.finish(self.here, upload, self.body)
        self.assertEqual(self.here.get(link).get("Repr-Digest"), repr_digest(self.body))


class Cuts(TusCase):
    """One upload, cut at random byte positions, by whatever can cut it."""

    def test_it_arrives_whatever_cuts_it(self):
        seed = int(os.environ.get("RINGDROP_SEED", random.SystemRandom().randrange(10**6)))
        print(f"seed {seed} (RINGDROP_SEED={seed} repeats the choices)")
        chance = random.Random(seed)
        here = self.server("--loops", "2", "--digest", "always", "--supersede-timeout", "10s")
        body = chance.randbytes(6 * MIB + chance.randrange(4096))
        cuts = sorted(chance.sample(range(1, len(body)), CUTS))
        kinds = ["reset", "reset", "close", "head", "head", "patch", "patch", "kill"] * (CUTS // 8)
        chance.shuffle(kinds)
        upload = self.create(here, len(body), metadata(filename="cut"))
        wire, last, done = None, 0, []
        for cut, kind in zip(cuts, kinds, strict=True):
            done.append(f"{kind} at {cut}")
            if wire is None:
                offset = self.offset(here, upload)
                self.assertGreaterEqual(offset, last, f"the offset decreased: {done[-3:]}")
                self.assertLess(offset, cut)
                is_chunked = chance.random() < 0.4
                wire = self.begin(here, upload, offset, len(body) - offset, is_chunked=is_chunked)
            wire.send(self.pieces(body[offset:cut], is_chunked, chance))
            last = offset
            offset, wire = self.cut(here, upload, kind, wire, (cut, len(body)))
            if wire is not None:
                is_chunked, last = False, cut
        if wire is not None:
            wire.reset()
        link = self.finish(here, upload, body)
        self.assertEqual(here.get(link).get("Repr-Digest"), repr_digest(body))
        self.assertEqual(len(here.stored_files()), 1)

    @staticmethod
    def pieces(data, is_chunked, chance):
        """The bytes as they go over the wire: as whole chunks, or as they are."""
        if not is_chunked:
            return data
        sent, at = b"", 0
        while at < len(data):
            size = chance.randrange(1, 100_000)
            piece = data[at:at + size]
            sent += b"%x\r\n%b\r\n" % (len(piece), piece)
            at += size
        return sent

    def cut(self, here, upload, kind, wire, where):
        """Ends the request; (offset, connection) of the one that goes on with it at once, or (None, None)."""
        at, size = where
        if kind == "reset":
            wire.reset()
        if kind == "close":
            wire.close()
        if kind == "kill":
            here.kill9()
            wire.close()
            here.start()
        if kind == "head":  # at once; what it says is accepted next, by begin()
            with here.connect() as other:
                other.send(request("HEAD", upload, TUS))
                offset = int(self.assert_tus(other.read_final(to_head=True), 200).get("Upload-Offset"))
            self.assertLessEqual(offset, at)
            self.assertNotIn(b" 204 ", read_what_comes(wire))
            newer = self.begin(here, upload, offset, size - offset)
            return offset, newer
        if kind == "patch":
            wait_taken(wire)
            newer = self.begin(here, upload, at, size - at)
            self.assertNotIn(b" 204 ", read_what_comes(wire))
            return at, newer
        return None, None


TUSPY = """
import sys
from tusclient.client import TusClient
url, path = sys.argv[1:]
client = TusClient(url)
first = client.uploader(path, chunk_size=100_000, metadata={"filename": "from tuspy"}, upload_checksum=True)
first.upload_chunk()
first.upload_chunk()
second = client.uploader(path, url=first.url, chunk_size=100_000, upload_checksum=True)
assert second.offset == 200_000, second.offset
second.upload()
print(first.url)
"""


def has_tuspy():
    command = ["/usr/bin/python3", "-c", "import tusclient"]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


class Tuspy(TusCase):
    """A client that somebody else wrote."""

    @unittest.skipUnless(has_tuspy(), "no python3-tuspy")
    def test_it_uploads_with_checksums_and_resumes(self):
        here = self.server()
        file = make_file(self.directory / "f", 555_555)
        done = subprocess.run(["/usr/bin/python3", "-c", TUSPY, here.url + "/uploads", str(file)], capture_output=True,
                              check=False, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        upload = path_in(done.stdout.decode().strip())
        head = self.assert_tus(self.ask(here, "HEAD", upload), 200)
        self.assert_arrived(here, path_in(head.get("Upload-Link")), file.read_bytes())
        self.assertEqual(name_of(here.get(path_in(head.get("Upload-Link")))), b"from tuspy")


if __name__ == "__main__":
    main()
