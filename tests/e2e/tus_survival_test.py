#!/usr/bin/env python3
"""tus 1.0.0: uploads over restarts and crashes, and a client that somebody else wrote."""

import json
import subprocess
import unittest

from harness import MIB, main, make_file, random_bytes, sha256_of
from http_tools import name_of, token_of
from tus_tools import TusCase, path_in, repr_digest, wait_taken


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
