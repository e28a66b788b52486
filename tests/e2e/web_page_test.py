#!/usr/bin/env python3
"""The web pages as HTTP: who gets a page and who gets text, caching, policy, languages, and that assets are whole."""

import hashlib
import json
import re
from urllib.parse import urljoin

from harness import EndToEnd, main, path_of, request

BROWSER = "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


class WebCase(EndToEnd):
    def setUp(self):
        super().setUp()
        self.here = self.server()

    def ask(self, target, *fields, method="GET"):
        return self.here.exchange(request(method, target, *fields, host=self.here.authority), to_head=method == "HEAD")

    def assert_page(self, answer, status=200):
        """A page with the policy that lets no script or style run but its own files'."""
        self.assertEqual((answer.status, answer.get("Content-Type")), (status, "text/html; charset=utf-8"), answer)
        self.assertEqual(answer.get("X-Content-Type-Options"), "nosniff")
        self.assertEqual(answer.get("Referrer-Policy"), "no-referrer")
        policy = dict(rule.strip().split(" ", 1) for rule in answer.get("Content-Security-Policy").split(";"))
        self.assertEqual(policy["default-src"], "'none'")
        for source in ("script-src", "style-src", "img-src", "connect-src", "media-src", "form-action"):
            self.assertEqual(policy[source], "'self'", source)
        self.assertEqual((policy["base-uri"], policy["frame-ancestors"]), ("'none'", "'none'"))
        self.assertNotIn("unsafe", answer.get("Content-Security-Policy"))


class Index(WebCase):
    def test_a_browser_gets_the_page_and_all_others_the_help(self):
        page = self.ask("/", BROWSER)
        self.assert_page(page)
        self.assertIn(b"<title>ringdrop", page.body)
        for fields in ((), ("Accept: */*",), ("Accept: text/*",), ("Accept: application/json",)):
            with self.subTest(fields=fields):
                text = self.ask("/", *fields)
                self.assertEqual(text.get("Content-Type"), "text/plain; charset=utf-8")
                self.assertIn(b"curl -T", text.body)
                self.assertIn("Accept", text.get("Vary"))
        self.assertIn("Accept", re.split(r",\s*", page.get("Vary")))

    def test_head_has_the_fields_of_get_and_no_body(self):
        whole, head = self.ask("/", BROWSER), self.ask("/", BROWSER, method="HEAD")
        without_date = [[field for field in answer.fields if field[0] != "Date"] for answer in (whole, head)]
        self.assertEqual(*without_date)
        self.assertEqual(head.body, b"")

    def test_who_has_the_page_is_told_so(self):
        page = self.ask("/", BROWSER)
        self.assertEqual(page.get("Cache-Control"), "no-cache")
        again = self.ask("/", BROWSER, f"If-None-Match: {page.get('ETag')}")
        self.assertEqual((again.status, again.body, again.get("ETag")), (304, b"", page.get("ETag")))
        self.assertEqual(again.get("Vary"), page.get("Vary"))
        self.assertEqual(self.ask("/", BROWSER, 'If-None-Match: "other"').status, 200)
        russian = self.ask("/", BROWSER, "Accept-Language: ru", f"If-None-Match: {page.get('ETag')}")
        self.assertEqual(russian.status, 200, "another language is another page")

    def test_the_page_speaks_the_language_of_the_browser(self):
        for field, language, word in (("en-US,en;q=0.9", "en", "Choose files"), ("ru-RU,ru;q=0.9,en;q=0.8", "ru", "Выбрать файлы"),
                                      ("de", "en", "Choose files")):
            with self.subTest(field=field):
                page = self.ask("/", BROWSER, f"Accept-Language: {field}")
                self.assertIn(f'<html lang="{language}">'.encode(), page.body)
                self.assertIn(word.encode(), page.body)
                self.assertIn("Accept-Language", page.get("Vary"))

    def test_a_host_that_is_markup_is_refused_or_shown_as_text(self):
        page = self.here.exchange(request("GET", "/", BROWSER, host="a'b\"<script>"))
        self.assertNotIn(b"\"<script>", page.body)

    def test_a_form_without_scripts_uploads(self):
        page = self.ask("/", BROWSER).body.decode()
        plain = re.search(r"<noscript>(.*?)</noscript>", page, re.DOTALL).group(1)
        self.assertRegex(plain, r'<form [^>]*method="post" enctype="multipart/form-data" action="\./"')
        self.assertRegex(plain, r'<input type="file" name="\w+" multiple')


class Assets(WebCase):
    def test_everything_that_the_page_names_is_there_and_never_changes(self):
        waiting = {urljoin("/", path) for path in
                   re.findall(r'(?:href|src)="([^"#]*assets/[^"]+)"', self.ask("/", BROWSER).body.decode())}
        kinds = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}
        seen = set()
        while waiting:
            path = waiting.pop()
            seen.add(path)
            with self.subTest(path=path):
                answer = self.ask(path)
                self.assertEqual(answer.status, 200, answer)
                _, name_hash, ending = path.rsplit("/", 1)[1].split(".")
                self.assertEqual(hashlib.sha256(answer.body).hexdigest()[:8], name_hash)
                self.assertEqual(answer.get("Content-Type"), kinds[ending])
                self.assertEqual(answer.get("Cache-Control"), "public, max-age=31536000, immutable")
                self.assertEqual(answer.get("X-Content-Type-Options"), "nosniff")
                self.assertEqual(answer.get("Content-Security-Policy"), "default-src 'none'")
                self.assertEqual(self.ask(path, f"If-None-Match: {answer.get('ETag')}").status, 304)
                self.assertEqual(self.ask(path, method="HEAD").get("Content-Length"), str(len(answer.body)))
                if ending == "js":
                    imports = re.findall(r"(?:from |import\()'(\./[^']+)'", answer.body.decode())
                    waiting |= {urljoin(path, one) for one in imports} - seen
        names = {re.sub(r"\.[0-9a-f]{8}\.", ".", path) for path in seen}
        self.assertEqual(names, {f"/assets/{name}" for name in
                                 ("icon.svg", "app.css", "app.js", "intake.js", "links.js", "memory.js", "page.js",
                                  "upload.js", "text.js", "qrcode.js")})

    def test_nothing_else_is_an_asset(self):
        for path in ("/assets/app.js", "/assets/app.00000000.js", "/assets/", "/assets/..%2fapp.js", "/assets/en.json"):
            with self.subTest(path=path):
                self.assertEqual(self.ask(path).status, 404)
        answer = self.ask("/assets/app.js", method="DELETE")
        self.assertEqual((answer.status, answer.get("Allow")), (405, "GET, HEAD, OPTIONS"))

    def test_the_icon_is_where_browsers_look(self):
        answer = self.ask("/favicon.ico")
        self.assertEqual((answer.status, answer.get("Content-Type")), (200, "image/svg+xml"))
        self.assertIn(b"<svg", answer.body)


NAVIGATION = (BROWSER, "Sec-Fetch-Mode: navigate")
VARY = {"Accept", "Sec-Fetch-Mode"}


class LinkPage(WebCase):
    """What a browser sees of a link to a file that it would only save."""

    def upload(self, target="/film.mkv", body=b"the bytes", *fields):
        answer = self.here.exchange(request("PUT", target, *fields, body=body, host=self.here.authority))
        self.assertEqual(answer.status, 201, answer)
        return path_of(answer)

    def left(self, path):
        return json.loads(self.ask(f"/api/links/{path.split('/')[1]}").body)["downloads_left"]

    def assert_varies(self, answer):
        self.assertLessEqual(VARY, set(re.split(r",\s*", answer.get("Vary"))), answer)

    def test_a_browser_sees_what_the_file_is_and_curl_gets_its_bytes(self):
        path = self.upload("/film.mkv", b"the bytes", "Max-Downloads: 3", "Expires-In: 36h", "Want-Repr-Digest: sha-256=1")
        page = self.ask(path, *NAVIGATION)
        self.assert_page(page)
        self.assertEqual(page.get("Cache-Control"), "no-store")
        self.assertIsNone(page.get("ETag"))
        self.assertIsNone(page.get("Accept-Ranges"))
        self.assert_varies(page)
        text = page.body.decode()
        for words in ("film.mkv", "9 bytes", "video/x-matroska", hashlib.sha256(b"the bytes").hexdigest(), 'href="?dl=1"'):
            self.assertIn(words, text)
        self.assertRegex(text, r"Downloads left</dt><dd>3<")
        self.assertRegex(text, r'<time datetime="20\d\d-\d\d-\d\dT[0-9:]+Z">20\d\d-\d\d-\d\d \d\d:\d\d UTC<')
        self.assertEqual(self.left(path), 3)
        for target, fields in ((path, ()), (path, ("Accept: */*",)), (f"{path}?dl=1", NAVIGATION)):
            with self.subTest(target=target, fields=fields):
                answer = self.ask(target, *fields)
                self.assertEqual((answer.status, answer.body), (200, b"the bytes"))
                self.assert_varies(answer)

    def test_a_page_that_fetches_gets_the_bytes(self):
        path = self.upload()
        for mode in ("cors", "no-cors", "same-origin"):
            self.assertEqual(self.ask(path, BROWSER, f"Sec-Fetch-Mode: {mode}").body, b"the bytes", mode)
        self.assertEqual(self.ask(path, BROWSER, "Range: bytes=4-8").body, b"bytes")

    def test_head_is_get_without_the_body(self):
        path = self.upload()
        head, page = self.ask(path, *NAVIGATION, method="HEAD"), self.ask(path, *NAVIGATION)
        self.assertEqual(*([field for field in answer.fields if field[0] != "Date"] for answer in (head, page)))

    def test_what_is_displayed_is_displayed_and_its_page_can_be_asked_for(self):
        path = self.upload("/pixel.png", b"png")
        self.assertEqual(self.ask(path, *NAVIGATION).body, b"png")
        page = self.ask(f"{path}?page=1", *NAVIGATION)
        self.assert_page(page)
        self.assertIn(b'<img class="preview" src="./pixel.png"', page.body)
        limited = self.upload("/pixel.png", b"png", "Max-Downloads: 2")
        self.assertNotIn(b"<img class=\"preview\"", self.ask(f"{limited}?page=1", *NAVIGATION).body)
        self.assertEqual(self.left(limited), 2)

    def test_a_name_is_text_whatever_it_is(self):
        path = self.upload("/%3Cscript%3Ealert(1)%3C%2Fscript%3E%22'&%FF.zip".replace("%2F", "~"))
        text = self.ask(path, *NAVIGATION).body.decode()
        self.assertNotIn("<script", text)
        self.assertIn("&lt;script&gt;alert(1)&lt;~script&gt;&quot;&#39;&amp;\ufffd.zip", text)
        self.assertIn("Unnamed file", self.ask(self.upload("/"), *NAVIGATION).body.decode())

    def test_a_one_time_link_survives_previews_and_prefetches(self):
        for name in ("/secret.zip", "/secret.png"):
            path = self.upload(name, b"once", "Max-Downloads: 1")
            for fields in (("User-Agent: TelegramBot (like TwitterBot)",),
                           ("User-Agent: WhatsApp/2.23.20.0", "Range: bytes=0-"),
                           ("User-Agent: facebookexternalhit/1.1", "Accept: */*"),
                           ("Sec-Purpose: prefetch", *NAVIGATION), ("Sec-Purpose: prefetch;prerender", *NAVIGATION),
                           ("Purpose: prefetch", "Accept: */*")):
                for target in (path, f"{path}?dl=1"):
                    with self.subTest(target=target, fields=fields):
                        answer = self.ask(target, *fields)
                        self.assert_page(answer)
                        self.assertNotIn(b"once", answer.body)
            self.assertEqual(self.left(path), 1)
            self.assertEqual(self.ask(f"{path}?dl=1", *NAVIGATION).body, b"once")
            self.assertEqual(self.ask(path).status, 404)

    def test_what_is_not_there_is_a_page_for_a_browser_and_a_line_for_curl(self):
        for path in ("/0123456789abcdefABCDEF", "/0123456789abcdefABCDEF/film.mkv", "/nothing"):
            with self.subTest(path=path):
                page = self.ask(path, *NAVIGATION)
                self.assert_page(page, status=404)
                self.assert_varies(page)
                self.assertIn(b"Nothing here", page.body)
                line = self.ask(path)
                self.assertEqual((line.status, line.body.split(b":")[0]), (404, b"ringdrop"))
                if path != "/nothing":
                    self.assert_varies(line)
        self.assertIn("Здесь ничего нет",
                      self.ask("/nothing", *NAVIGATION, "Accept-Language: ru").body.decode())

    def test_links_of_the_page_lead_to_the_root(self):
        path = self.upload()
        for target, way in ((path, "./../"), (path.rsplit("/", 1)[0], "./")):
            self.assertIn(f'href="{way}assets/', self.ask(target, *NAVIGATION).body.decode())


class WatchPage(WebCase):
    def test_a_browser_sees_a_page_and_all_others_the_snapshot(self):
        path = "/watch/0123456789abcdefABCDEFGH"
        page = self.ask(path, *NAVIGATION)
        self.assert_page(page)
        self.assertEqual(page.get("Cache-Control"), "no-store")
        self.assertIn(b"assets/watch.", page.body)
        self.assertEqual(json.loads(self.ask(path).body)["state"], "waiting")
        self.assertIn("Наблюдение", self.ask(path, *NAVIGATION, "Accept-Language: ru").body.decode())


class Prefix(WebCase):
    options = ("--public-url", "https://files.example/drop")

    def test_the_page_names_everything_from_where_it_is(self):
        page = self.ask("/", BROWSER).body.decode()
        for path in re.findall(r'(?:href|src|action)="([^"#]*)"', page):
            self.assertTrue(path.startswith("./"), path)
        self.assertIn("curl -T film.mkv https://files.example/drop/", page)


if __name__ == "__main__":
    main()
