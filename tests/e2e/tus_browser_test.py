#!/usr/bin/env python3
"""A page in Chromium uploads to another origin: what CORS allows and what it does not, by tus-js-client's browser build."""

import http.server
import shutil
import threading

from harness import MIB, EndToEnd, main, random_bytes, sha256_of
from node_tools import SOURCES, Script, need, packages
from tus_tools import path_in

SIZE = 20 * MIB + 321
CHUNK = 6 * MIB  # several PATCHes, each with a preflight that the browser may remember


def pages(files):
    """A server of those files ({path: (type, bytes)}) on a port, so an origin, of its own."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):  # noqa: N802
            kind, content = files.get(self.path.split("?")[0], ("text/plain", None))
            self.send_response(404 if content is None else 200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *_):
            pass

    return http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)


class Browser(EndToEnd):
    @classmethod
    def setUpClass(cls):
        need("chromium")
        cls.packages = packages()

    def setUp(self):
        super().setUp()
        self.body = random_bytes(SIZE, "browser")
        library = self.packages / "node_modules/tus-js-client/dist/tus.min.js"
        files = {"/upload.html": ("text/html", (SOURCES / "upload.html").read_bytes()),
                 "/tus.min.js": ("text/javascript", library.read_bytes()),
                 "/data": ("application/octet-stream", self.body)}
        site = pages(files)
        self.addCleanup(site.server_close)
        thread = threading.Thread(target=site.serve_forever)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(site.shutdown)
        self.origin = f"http://127.0.0.1:{site.server_address[1]}"

    def upload(self, server, protocol):
        asked = {"endpoint": f"{server.url}/uploads", "protocol": protocol, "chunkSize": CHUNK}
        script = Script("browser.mjs", {"page": f"{self.origin}/upload.html", "asked": asked},
                        {"RINGDROP_CHROMIUM": shutil.which("chromium"), "HOME": str(self.directory)})
        self.addCleanup(script.close)
        return script.finish()

    def test_a_page_of_a_listed_origin_uploads_and_reads_the_fields(self):
        here = self.server("--cors-origins", self.origin)
        for protocol in ("tus-v1", "ietf-draft-05"):
            with self.subTest(protocol=protocol):
                done = self.upload(here, protocol)
                self.assertTrue(done.get("success"), done)
                self.assertEqual([entry["method"] for entry in done["seen"]], ["POST"] + ["PATCH"] * 4, done)
                for entry in done["seen"]:
                    self.assertIn("Upload-Offset", entry["readable"], entry)
                first, last = done["seen"][0], done["seen"][-1]
                self.assertIn("Location", first["readable"])
                self.assertIn("Upload-Link", last["readable"])
                self.assertIn("X-Url-Delete", last["readable"])
                if protocol == "tus-v1":
                    self.assertLessEqual({"Upload-Expires", "Tus-Resumable"}, set(first["readable"]), first)
                else:
                    self.assertLessEqual({"Upload-Complete", "Upload-Limit"}, set(first["readable"]), first)
                got = here.get(path_in(done["link"]))
                self.assertEqual((got.status, sha256_of(got.body)), (200, sha256_of(self.body)))

    def test_a_page_of_another_origin_is_stopped_by_its_browser(self):
        for options in ((), ("--cors-origins", "https://app.example")):
            with self.subTest(options=options):
                here = self.server(*options)
                done = self.upload(here, "tus-v1")
                self.assertFalse(done.get("success"), done)
                self.assertIn("CORS", " ".join(done["console"]), done)
                self.assertEqual(here.stored_files(), [])


if __name__ == "__main__":
    main()
