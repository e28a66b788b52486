#!/usr/bin/env python3
"""The web pages as HTTP: who gets a page and who gets text, caching, policy, languages, and that assets are whole."""

import hashlib
import re
from urllib.parse import urljoin

from harness import EndToEnd, main, request

BROWSER = "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


class WebCase(EndToEnd):
    options = ()

    def setUp(self):
        super().setUp()
        self.here = self.server(*self.options)

    def ask(self, target, *fields, method="GET"):
        return self.here.exchange(request(method, target, *fields, host=self.here.authority), to_head=method == "HEAD")

    def assert_page(self, answer, status=200):
        """A page with the policy that lets no script or style run but its own files'."""
        self.assertEqual((answer.status, answer.get("Content-Type")), (status, "text/html; charset=utf-8"), answer)
        self.assertEqual(answer.get("X-Content-Type-Options"), "nosniff")
        self.assertEqual(answer.get("Referrer-Policy"), "no-referrer")
        policy = dict(rule.strip().split(" ", 1) for rule in answer.get("Content-Security-Policy").split(";"))
        self.assertEqual(policy["default-src"], "'none'")
        for source in ("script-src", "style-src", "connect-src", "media-src", "form-action"):
            self.assertEqual(policy[source], "'self'", source)
        self.assertEqual(policy["img-src"], "'self' data: blob:")
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
                self.assertEqual(self.ask(path, f"If-None-Match: {answer.get('ETag')}").status, 304)
                self.assertEqual(self.ask(path, method="HEAD").get("Content-Length"), str(len(answer.body)))
                if ending == "js":
                    imports = re.findall(r"(?:from |import\()'(\./[^']+)'", answer.body.decode())
                    waiting |= {urljoin(path, one) for one in imports} - seen
        names = {re.sub(r"\.[0-9a-f]{8}\.", ".", path) for path in seen}
        self.assertEqual(names, {f"/assets/{name}" for name in
                                 ("icon.svg", "app.css", "app.js", "upload.js", "text.js", "qrcode.js")})

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


class Prefix(WebCase):
    options = ("--public-url", "https://files.example/drop")

    def test_the_page_names_everything_from_where_it_is(self):
        page = self.ask("/", BROWSER).body.decode()
        for path in re.findall(r'(?:href|src|action)="([^"#]*)"', page):
            self.assertTrue(path.startswith("./"), path)
        self.assertIn("curl -T film.mkv https://files.example/drop/", page)


if __name__ == "__main__":
    main()
