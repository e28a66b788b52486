#!/usr/bin/env python3
"""The pages in headless Chromium: uploads with all that can happen to them, links, watching, keyboard, colours, and that
nothing is said on the console, blocked by the policy or fetched from elsewhere.

RINGDROP_PAGE_MIB: how large the large file is (256). RINGDROP_PICTURES: a directory for pictures of every page."""

import http.client
import http.server
import os
import shutil
import threading

from harness import KIB, MIB, EndToEnd, main, make_file, request, sha256_of, wait_until
from node_tools import Script, need, packages
from tus_tools import path_in
from watch_tools import NAMED, WATCH_ID

SIZE = int(os.environ.get("RINGDROP_PAGE_MIB", "256")) * MIB
RATE = SIZE // 6  # bytes a second, so that an upload takes some seconds


def under_prefix(prefix):
    """A server on a port of its own that passes what is below the prefix to `.backend`, an address, without it; but for
    what it `.refuses` by its fields."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def forward(self):
            inside = self.path.startswith(prefix + "/")
            if not inside:
                self.send_error(404)
                return
            if self.server.refuses(self.headers):
                self.send_error(502)
                return
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            there = http.client.HTTPConnection(*self.server.backend)
            there.request(self.command, self.path.removeprefix(prefix), body, dict(self.headers))
            answer = there.getresponse()
            content = answer.read()
            self.send_response_only(answer.status)
            for name, value in answer.getheaders():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)
            there.close()

        do_GET = do_HEAD = do_POST = do_PATCH = do_DELETE = forward  # noqa: N815

        def log_message(self, *_):
            pass

    site = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    site.refuses = lambda _: False
    return site


class PageCase(EndToEnd):
    @classmethod
    def setUpClass(cls):
        need("chromium")
        packages()

    def begin(self, scenario, server, files=(), **more):
        asked = {"scenario": scenario, "url": more.pop("url", f"{server.url}/"), "files": [str(file) for file in files], "rate": RATE, **more}
        script = Script("page.mjs", asked, {"RINGDROP_CHROMIUM": shutil.which("chromium"), "HOME": str(self.directory)})
        self.addCleanup(script.close)
        return script

    def end(self, script, may_say=()):
        """What the scenario has seen; without a word on the console but those that belong to it."""
        told = script.finish()
        self.assertNotIn("error", told, told.get("error"))
        said = [text for text in told["said"] if not any(word in text for word in may_say)]
        self.assertEqual((said, told["violations"], told["elsewhere"]), ([], [], []), told)
        return told

    def play(self, scenario, server, files=(), may_say=(), **more):
        return self.end(self.begin(scenario, server, files, **more), may_say)

    def file(self, name="film.mkv", size=SIZE, seed=1):
        return make_file(self.directory / name, size, seed)

    def assert_is(self, server, link, file):
        """The link leads to that file."""
        copy = self.directory / "copy"
        done = self.curl("-s", "-o", str(copy), "-w", "%{http_code}", server.url + path_in(link))
        self.assertEqual(done.stdout, b"200")
        self.assertEqual(sha256_of(copy), sha256_of(file))


class Uploads(PageCase):
    def test_a_dropped_file_uploads_with_a_bar_that_moves(self):
        here, file = self.server(), self.file()
        told = self.play("drop", here, [file])
        self.assertTrue(told["marked"], "the drop zone shows that it takes the file")
        self.assertEqual(told["named"], 1, "a screen reader says of what the bar is")
        self.assertGreater(len(set(told["values"])), 5, told["values"])
        self.assertEqual(told["values"], sorted(told["values"]), "the bar never goes back")
        self.assertTrue(any("/s" in text and "left" in text for text in told["numbers"]), told["numbers"])
        self.assertIn("film.mkv is uploaded", told["announced"])
        self.assertEqual(told["kept"], [])
        self.assert_is(here, told["links"][0], file)

    def test_an_upload_pauses_and_resumes(self):
        here, file = self.server(), self.file()
        told = self.play("pause", here, [file])
        self.assertEqual((told["state"], told["focus"]), ("Paused", "resume"))
        self.assertEqual(told["before"], told["after"])
        self.assertLess(told["after"], 1)
        self.assert_is(here, told["links"][0], file)

    def test_after_a_reload_the_file_is_picked_again_and_goes_on(self):
        here, file = self.server(), self.file()
        told = self.play("reload", here, [file])
        self.assertIn("film.mkv", told["shown"])
        self.assertEqual(told["posts"], [], "the upload that is there is used")
        self.assertGreater(told["first"], 0.1, "it does not begin anew")
        self.assertEqual((told["kept"], told["unfinished"]), ([], False))
        self.assert_is(here, told["links"][0], file)

    def test_an_unfinished_upload_that_the_server_has_not_any_more_is_not_offered(self):
        told = self.play("forgotten", self.server(), [self.file()], may_say=("404", "410"))
        self.assertFalse(told["unfinished"])

    def test_a_server_that_is_killed_is_waited_for(self):
        here, file = self.server(), self.file()
        script = self.begin("kill", here, [file])
        script.wait_for("half")
        here.listen = [here.authority]
        here.kill9()
        script.wait_for("lost")
        here.start()
        told = self.end(script, may_say=("net::ERR_",))
        self.assertIn("No connection to the server", told["words"])
        self.assert_is(here, told["links"][0], file)

    def test_a_cancelled_upload_leaves_nothing(self):
        here = self.server()
        told = self.play("cancel", here, [self.file()])
        self.assertEqual((told["status"], told["kept"], told["items"]), (204, [], 0))
        self.assertEqual(told["focus"], "choose-files", "who pressed the button is not left nowhere")
        wait_until(lambda: here.stored() == [], "the bytes are gone")

    def test_many_files_and_folders_at_once_with_their_options(self):
        here = self.server()
        folder = self.directory / "folder"
        (folder / "deeper").mkdir(parents=True)
        files = [self.file(f"{number}.bin", (number + 1) * 4 * MIB, number) for number in range(5)]
        files += [make_file(folder / "in.bin", 100 * KIB, 7), make_file(folder / "deeper/Отчёт <b>.bin", 0, 8)]
        told = self.play("several", here, [*files[:5], folder], count=len(files))
        self.assertEqual(told["most"], {"running": 3, "total": True})
        self.assertEqual(len(told["links"]), len(files))
        self.assertEqual(sorted(told["afterReload"]), sorted(told["links"]), "the browser remembers its links")
        for state in told["states"]:
            self.assertIn("ends ", state)
            self.assertIn("downloads left: 3", state)
        wanted = sorted(sha256_of(file) for file in files)
        got = sorted(sha256_of(here.get(f"{path_in(link)}?dl=1").body) for link in told["links"])
        self.assertEqual(got, wanted)

    def test_pasted_text_becomes_a_file(self):
        here = self.server()
        told = self.play("paste", here)
        self.assertRegex(told["links"][0], r"/pasted-[0-9-]+\.txt$")
        self.assertEqual(here.get(path_in(told["links"][0])).body, b"pasted words")

    def test_the_keyboard_reaches_everything(self):
        here, file = self.server(), self.file("small.zip", 5)
        told = self.play("keyboard", here, [file])
        self.assertEqual(told["stops"], ["skip", "choose-files", "choose-folder"])
        self.assert_is(here, told["links"][0], file)

    def test_the_upload_token_is_asked_for_and_kept(self):
        here, file = self.server("--upload-token", "sesame"), self.file("small.zip", 5)
        told = self.play("token", here, [file], token="sesame", may_say=("401",))
        self.assert_is(here, told["links"][1], file)

    def test_a_refusal_is_told_in_words(self):
        here = self.server("--max-upload-size", "1MiB")
        told = self.play("refused", here, [self.file("large.zip", 2 * MIB)], may_say=("413",))
        self.assertIn("larger than this server takes", told["state"])
        self.assertIn("larger than this server takes", told["announced"])


class Pages(PageCase):
    def test_a_link_is_copied_shown_downloaded_and_deleted(self):
        here, file = self.server(), self.file("film.mkv", 3 * MIB)
        told = self.play("link", here, [file], save=str(self.directory / "saved"))
        link = told["links"][0]
        self.assertEqual((told["copied"], told["title"], told["name"]), (link, "film.mkv", "film.mkv"))
        self.assertEqual(told["short"], link.rsplit("/", 1)[0])
        self.assertEqual(sha256_of(self.directory / "saved"), sha256_of(file))
        self.assertEqual(told["keptCount"], 1)
        self.assertEqual(here.get(path_in(link)).status, 404)

    def proxy(self, prefix=""):
        site = under_prefix(prefix)
        thread = threading.Thread(target=site.serve_forever)
        thread.start()
        self.addCleanup(site.server_close)
        self.addCleanup(thread.join)
        self.addCleanup(site.shutdown)
        return site

    def test_below_a_prefix_everything_is_found(self):
        site = self.proxy("/drop")
        url = f"http://127.0.0.1:{site.server_address[1]}/drop"
        here, file = self.server("--public-url", url), self.file("film.mkv", 3 * MIB)
        site.backend = here.address
        told = self.play("link", here, [file], url=f"{url}/", save=str(self.directory / "saved"))
        self.assertTrue(told["links"][0].startswith(f"{url}/"), told)
        self.assertEqual(sha256_of(self.directory / "saved"), sha256_of(file))

    def test_somebody_else_watches_an_upload(self):
        here, file = self.server(), self.file()
        told = self.play("watch", here, [file])
        self.assertGreater(len(set(told["values"])), 5, told["values"])
        self.assertGreaterEqual(len(told["sockets"]), 1, "by websocket, which the policy lets through")
        self.assertEqual((told["link"], told["state"]), (told["links"][0], "Done: the file is there"))

    def test_behind_a_proxy_that_lets_no_stream_through_an_upload_is_watched_too(self):
        site, here = self.proxy(), self.server()
        site.backend = here.address

        def streams(fields):
            return "Upgrade" in fields or fields["Accept"] == "text/event-stream"

        site.refuses = streams
        url = f"http://127.0.0.1:{site.server_address[1]}"
        script = self.begin("asked", here, url=f"{url}/watch/{WATCH_ID}")
        script.wait_for("waiting")
        site.refuses = lambda _: True  # as when the server behind it starts anew
        script.wait_for("lost")
        site.refuses = streams
        made = here.exchange(request("PUT", "/film.mkv", NAMED, body=b"the bytes"))
        told = self.end(script, may_say=("502", "WebSocket"))
        self.assertEqual(told["state"], "Done: the file is there")
        self.assertEqual(path_in(told["link"]), path_in(made.get("Location")))
        self.assertTrue(told["title"].startswith("100%"), told)

    def test_who_watches_is_told_why_nothing_came(self):
        here = self.server("--watch-wait", "1s")
        told = self.play("unasked", here, url=f"{here.url}/watch/{WATCH_ID}")
        self.assertEqual(told["state"], "It has failed. Nobody began it in time. Reload this page to go on waiting.")

    def test_every_page_is_accessible_in_light_and_dark_on_phone_and_desktop(self):
        here = self.server()
        small = [self.file("photographs of a rather long summer, all of them.zip", 3 * MIB), self.file("Отчёт <b>.pdf", 9)]
        files = [self.file("film.mkv"), self.file("disk.iso", SIZE // 2)]
        told = self.play("looks", here, files, small=[str(file) for file in small],
                         pictures=os.environ.get("RINGDROP_PICTURES", ""))
        self.assertEqual(told["findings"], [])


if __name__ == "__main__":
    main()
