#!/usr/bin/env python3
"""tus-js-client in Node.js: all it can do, in its three protocols, over cut connections and a server that is killed."""

import os
import random

from harness import KIB, MIB, EndToEnd, main, make_file, request, sha256_of, wait_until
from node_tools import Script, packages
from relay import Relay
from tus_tools import TUS, path_in

PROTOCOLS = ("tus-v1", "ietf-draft-03", "ietf-draft-05")
SIZE = 3 * MIB + 4321
CUT_SIZE = 24 * MIB + 17
RETRIES = 60


class TusJs(EndToEnd):
    """Each scenario ends with a comparison of every byte."""

    @classmethod
    def setUpClass(cls):
        packages()

    def setUp(self):
        super().setUp()
        self.here = self.server("--loops", "2")
        self.file = make_file(self.directory / "film.mkv", SIZE)
        self.seed = int(os.environ.get("RINGDROP_SEED", random.SystemRandom().randrange(10**6)))
        self.chance = random.Random(self.seed)

    def start(self, url=None, **asked):
        asked = {"endpoint": f"{url or self.here.url}/uploads", "file": str(self.file), "retries": RETRIES, **asked}
        script = Script("upload.mjs", asked)
        self.addCleanup(script.close)
        return script

    def run_to_success(self, **asked):
        """What the client tells at its success, after the comparison."""
        done = self.start(**asked).finish()
        self.assertEqual(done["event"], "success", done)
        self.assert_arrived(done)
        return done

    def assert_arrived(self, done):
        """The link of a finished upload, which HEAD tells too, has the bytes of the file."""
        upload = path_in(done["url"])
        if "/uploads/" in upload:
            head = self.here.exchange(request("HEAD", upload, TUS), to_head=True)
            self.assertEqual(head.get("Upload-Offset"), str(self.file.stat().st_size), head)
            done.setdefault("link", head.get("Upload-Link"))
        link = f"{self.here.url}{path_in(done['link'])}"
        self.assertEqual(self.fetch_sha256(link), sha256_of(self.file))

    def test_it_uploads_in_one_request(self):
        for protocol in PROTOCOLS:
            with self.subTest(protocol=protocol):
                done = self.run_to_success(protocol=protocol)
                self.assertEqual(len(done["requests"]), 2, done)

    def assert_metadata_is_known(self, protocol):
        metadata = {"filename": "Grüße.mkv", "filetype": "video/webm", "max_downloads": "2"}
        done = self.run_to_success(protocol=protocol, metadata=metadata)  # one download
        self.assertTrue(done["link"].endswith("/Gr%C3%BC%C3%9Fe.mkv"), done)
        got = self.here.get(path_in(done["link"]))
        self.assertEqual((got.status, got.get("Content-Type")), (200, "video/webm"))
        self.assertEqual(self.here.get(path_in(done["link"])).status, 404)

    def test_its_metadata_is_the_files(self):
        self.assert_metadata_is_known("tus-v1")

    def test_its_metadata_is_the_files_in_the_older_interop_versions(self):
        for protocol in PROTOCOLS[1:]:
            with self.subTest(protocol=protocol):
                self.assert_metadata_is_known(protocol)

    def test_it_uploads_in_chunks(self):
        for protocol in PROTOCOLS:
            with self.subTest(protocol=protocol):
                for chunk in (1 * MIB, 700 * KIB + 1):
                    done = self.run_to_success(protocol=protocol, chunkSize=chunk)
                    self.assertEqual(len(done["requests"]), 1 + -(-SIZE // chunk), done)

    def test_it_uploads_with_the_creation(self):
        for protocol in PROTOCOLS:
            with self.subTest(protocol=protocol):
                for chunk in (None, MIB):
                    more = {"chunkSize": chunk} if chunk else {}
                    done = self.run_to_success(protocol=protocol, **more, uploadDataDuringCreation=True)
                    self.assertEqual(len(done["requests"]), -(-SIZE // chunk) if chunk else 1, done)

    def test_it_uploads_a_stream_whose_length_it_does_not_know(self):
        for protocol in PROTOCOLS:
            with self.subTest(protocol=protocol):
                self.run_to_success(protocol=protocol, stream=True, deferred=True, chunkSize=500 * KIB)

    def test_it_uploads_an_empty_file(self):
        self.file = make_file(self.directory / "empty", 0)
        self.assertEqual(self.start().finish()["event"], "success")

    def test_it_uploads_by_post_where_patch_is_forbidden(self):
        done = self.run_to_success(overridePatchMethod=True, chunkSize=MIB)
        self.assertTrue(all(word.startswith("POST") for word in done["requests"]), done)

    def test_it_uploads_in_parallel(self):
        for more in ({}, {"chunkSize": 200 * KIB}):
            self.run_to_success(parallelUploads=4, **more, metadata={"filename": "four.mkv"})

    def test_it_terminates(self):
        script = self.start(chunkSize=500 * KIB, stopAfter=MIB, terminate=True)
        stopped = script.finish()
        self.assertEqual(stopped["event"], "stopped", stopped)
        gone = self.here.exchange(request("HEAD", path_in(stopped["url"]), TUS), to_head=True)
        self.assertEqual(gone.status, 410)
        wait_until(lambda: not self.here.stored_files(), "its bytes are gone")

    def test_another_process_resumes_what_one_has_stopped(self):
        for protocol in PROTOCOLS:
            with self.subTest(protocol=protocol):
                stopped = self.start(protocol=protocol, chunkSize=500 * KIB, stopAfter=MIB).finish()
                self.assertEqual(stopped["event"], "stopped", stopped)
                done = self.run_to_success(protocol=protocol, uploadUrl=stopped["url"])
                self.assertEqual([word.split()[0] for word in done["requests"]], ["HEAD", "PATCH"], done)

    def test_it_resumes_after_every_cut(self):
        print(f"seed {self.seed} (RINGDROP_SEED={self.seed} repeats the cuts)")
        self.file = make_file(self.directory / "long", CUT_SIZE)
        for protocol in PROTOCOLS:
            with self.subTest(protocol=protocol):
                cuts = sorted(self.chance.sample(range(1000, CUT_SIZE), 12))
                relay = Relay(lambda: self.here.address, cuts, kinds=("reset", "close", "reset"))
                self.addCleanup(relay.close)
                chunk = self.chance.choice((CUT_SIZE, 5 * MIB))
                done = self.run_to_success(protocol=protocol, url=relay.url, chunkSize=chunk)
                self.assertEqual(len(relay.cut_at), len(cuts), "cuts that were made")
                self.assertLess(relay.relayed, CUT_SIZE + 13 * MIB, "more was sent again than is in flight")
                self.assertTrue(any(word.startswith("HEAD") for word in done["requests"]), done)

    def test_it_resumes_after_the_server_was_killed(self):
        self.file = make_file(self.directory / "long", CUT_SIZE)
        for protocol in PROTOCOLS:
            with self.subTest(protocol=protocol):
                relay = Relay(lambda: self.here.address)
                self.addCleanup(relay.close)
                script = self.start(protocol=protocol, url=relay.url, chunkSize=3 * MIB, retryDelay=100)
                for _ in range(3):
                    script.wait_for("progress")
                    self.here.kill9()
                    self.here.start()
                done = script.finish()
                self.assertEqual(done["event"], "success", done)
                self.assert_arrived(done)


if __name__ == "__main__":
    main()
