#!/usr/bin/env python3
"""A file's name is data: it comes back as it went in, from upload to link to Content-Disposition, be it any bytes."""

import json
import os
import re
import unicodedata
from urllib.parse import quote, unquote_to_bytes

from harness import EndToEnd, main, path_of, request, wait_until
from http_tools import disposition_of, form_request, name_of, part, token_of

PLAIN = "äöüéñ"
NAMES = {
    "ASCII specials": b" !#$&'()*+,-.:;<=>?@[]^_`{|}~",
    "quotes": b"a\"b'c\"\"",
    "backslashes": b"a\\b\\\\c\\",
    "escaped quote": b'a\\"b',
    "percent": b"100%",
    "percent that decodes": b"%41%2F%00%0d%0a%25",
    "a tail of a field": b'x"; filename=evil.exe; y="',
    "an extended field": b"UTF-8''evil",
    "spaces around": b"  two  ",
    "one space": b" ",
    "dots": b"...",
    "hidden": b".bashrc",
    "an option": b"-rf",
    "tab": b"a\tb",
    "CR LF": b"a\r\nSet-Cookie: x=y\r\n\r\nb",
    "every control character": bytes(range(1, 0x20)) + b"\x7f",
    "escape sequence": b"\x1b[31mred\x1b]0;title\x07",
    "NFC": unicodedata.normalize("NFC", PLAIN).encode(),
    "NFD": unicodedata.normalize("NFD", PLAIN).encode(),
    "right to left marks": "a\u202e\u200f\u2066gnp.exe\u2069\u061c".encode(),
    "hebrew and arabic": "שלום مرحبا.txt".encode(),
    "line and paragraph separators": "a\u2028b\u2029c\u0085d".encode(),
    "no-break and zero width": "a\u00a0b\u200bc\ufeffd".encode(),
    "emoji": "👩‍👩‍👧‍👦🏳️‍🌈🇩🇪.png".encode(),
    "last code point": "\U0010ffff\uffff".encode(),
    "replacement character itself": "\ufffd".encode(),
    "255 bytes of ASCII": b"x" * 251 + b".txt",
    "255 bytes of UTF-8": ("語" * 83 + "é.txt").encode(),
    "255 bytes of nothing": b"\xff" * 255,
    "overlong slash": b"\xc0\xaf\xe0\x80\xaf\xf0\x80\x80\xaf",
    "overlong NUL": b"a\xc0\x80b",
    "surrogates": b"\xed\xa0\x80\xed\xb0\x80",
    "above U+10FFFF": b"\xf4\x90\x80\x80\xf8\x88\x80\x80\x80",
    "lone continuation": b"a\x80\xbfb",
    "torn at the end": b"a\xe2\x82",
    "torn in the middle": b"\xe2\x82x\xf0\x9f\x92y",
    "Latin-1": "Grüße.txt".encode("latin-1"),
    "UTF-16": b"\xfe\xff\x01a\x01b",
    "every byte from 0x80": bytes(range(0x80, 0x100)),
    "windows device": b"CON",
    "windows stream": b"file.txt:stream",
    "a URL": b"http:evil.example?x#y",
    "html": b"<script>alert(1)<b>",
    "a token's twin": b"A" * 22,
}


def shown_as_utf8(name):
    """The name with what is no UTF-8 replaced, one U+FFFD for each maximal subpart, as Python and browsers do."""
    return name.decode("utf-8", "replace").encode()


class Names(EndToEnd):
    """Every class of bytes, by each way in."""

    def setUp(self):
        super().setUp()
        self.here = self.server("--log-level", "debug")

    def assert_kept(self, link, name):
        """The link, the answers of the link and its JSON show that name."""
        self.assertEqual(unquote_to_bytes(link[24:]), name)
        self.assertEqual(link[24:], quote(name, safe=""), "all but unreserved characters are percent-encoded")
        for method, target in (("GET", link), ("HEAD", link), ("GET", "/" + token_of(link)), ("GET", link + "?dl=1")):
            got = self.here.exchange(request(method, target), to_head=method == "HEAD")
            self.assertEqual((got.status, got.body), (200, b"" if method == "HEAD" else b"named"))
            self.assert_no_control(got)
            _, plain, extended = disposition_of(got)
            self.assertEqual(name_of(got), shown_as_utf8(name))
            fallback = re.sub(rb'[\x00-\x1f\x7f-\xff"\\]', b"_", name).decode("ascii")
            self.assertEqual(plain, fallback)
            if extended is None:
                self.assertEqual(fallback.encode(), name, "filename* is left out only where filename says it all")
            else:
                extended.decode("utf-8")
        told = json.loads(self.here.get(f"/api/links/{token_of(link)}").body)
        self.assertEqual(told["name"].encode(), shown_as_utf8(name))

    def assert_no_control(self, response):
        for line in response.head.split(b"\r\n"):
            self.assertNotRegex(line, rb"[\x00-\x08\x0a-\x1f\x7f]")
            self.assertTrue(line.isascii(), line)

    def assert_created(self, answer, name):
        self.assert_no_control(answer)
        [file] = json.loads(answer.body)["files"]
        self.assertEqual(file["name"].encode(), shown_as_utf8(name))
        for url in (file["url"], file["delete_url"], answer.get("X-Url-Delete")):
            self.assertIn("/" + quote(name, safe=""), url)
        self.assert_kept(path_of(answer), name)

    def test_a_name_in_a_path_comes_back(self):
        for what, name in NAMES.items():
            with self.subTest(what=what):
                answer = self.here.exchange(request("PUT", "/" + quote(name, safe=""), "Accept: application/json",
                                                    body=b"named"))
                self.assert_created(answer, name)

    def test_a_name_with_every_byte_encoded_comes_back(self):
        for what in ("ASCII specials", "NFC", "percent that decodes"):
            encoded = "".join(f"%{byte:02x}" for byte in NAMES[what])
            answer = self.here.exchange(request("PUT", "/" + encoded, body=b"named"))
            self.assert_kept(path_of(answer), NAMES[what])

    def test_a_name_in_the_query_comes_back(self):
        for what, name in NAMES.items():
            with self.subTest(what=what):
                target = "/?name=" + quote(name, safe="")
                answer = self.here.exchange(request("POST", target, "Accept: application/json", body=b"named"))
                self.assert_created(answer, name)

    def form(self, disposition):
        return self.here.exchange(form_request(part(disposition, b"named"), fields=["Accept: application/json"]))

    def test_a_name_in_a_form_as_browsers_send_it_comes_back(self):
        """WHATWG: the bytes as they are but for CR, LF and the quote; so no "%0A" and no backslash pair is meant."""
        for what, name in NAMES.items():
            if re.search(rb'[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|%0[AaDd]|%22|\\["\\]', name):
                continue
            with self.subTest(what=what):
                escaped = name.replace(b"\r", b"%0D").replace(b"\n", b"%0A").replace(b'"', b"%22")
                self.assert_created(self.form(b'name="f"; filename="' + escaped + b'"'), name)

    def test_a_name_in_a_form_as_curl_sends_it_comes_back(self):
        """RFC 9110: a backslash before quote and backslash."""
        for what, name in NAMES.items():
            if re.search(rb"[\x00-\x08\x0a-\x1f\x7f]|%0[AD]|%22", name):
                continue
            with self.subTest(what=what):
                escaped = name.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
                self.assert_created(self.form(b'name="f"; filename="' + escaped + b'"'), name)

    def test_an_extended_name_in_a_form_and_a_raw_post_comes_back(self):
        for what, name in NAMES.items():
            with self.subTest(what=what):
                field = f"filename=x; filename*=UTF-8''{quote(name, safe='')}"
                raw = self.here.exchange(request("POST", "/", f"Content-Disposition: attachment; {field}",
                                                 "Accept: application/json", body=b"named"))
                form = self.form(f"name=f; {field}")
                if shown_as_utf8(name) != name:  # it says that it is UTF-8
                    self.assertEqual((form.status, raw.status), (400, 400))
                    continue
                self.assert_created(form, name)
                self.assert_created(raw, name)

    def test_raw_control_characters_in_a_form_or_a_path_are_refused(self):
        for byte in [*range(0x20), 0x7f]:
            if byte in b"\t":
                continue
            with self.subTest(byte=byte):
                answer = self.form(b'name="f"; filename="a' + bytes([byte]) + b'b"')
                self.assertEqual(answer.status, 400)
                self.assert_no_control(answer)
                self.assertEqual(self.here.exchange(b"PUT /a" + bytes([byte]) + b"b HTTP/1.1\r\nHost: h\r\n"
                                                    b"Content-Length: 0\r\n\r\n").status, 400)

    def test_no_control_character_reaches_the_log(self):
        for name in NAMES.values():
            encoded = quote(name, safe="")
            self.here.exchange(request("PUT", "/" + encoded, body=b"named"))
            self.here.get("/" + encoded)
            with self.here.connect() as wire:  # broken off: that is logged
                wire.send(request("PUT", "/" + encoded, "Content-Length: 100", body=b"torn"))
            with self.here.connect() as wire:
                wire.send(b"PUT /a" + name + b" HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n")
                wire.read_final()
            self.form(b'name="f"; filename="' + name + b'"')
            self.form(b'name="' + name + b'"; filename=x')
        wait_until(lambda: self.here.whole_log().count("closed by the peer") >= len(NAMES), "what broke off is logged")
        log = self.here.log_path.read_bytes()
        for line in log.split(b"\n"):
            self.assertNotRegex(line, rb"[\x00-\x1f\x7f]")
            self.assertTrue(line.isascii(), line)
            self.assertTrue(not line or re.match(rb"^20\d\d-\d\d-\d\dT", line), line)

    def test_curl_saves_under_the_name_that_was_uploaded(self):
        for what in ("ASCII specials", "an option", "hidden", "spaces around", "NFC", "emoji", "windows stream"):
            with self.subTest(what=what):
                name = os.fsdecode(NAMES[what])
                source = self.directory / "source"
                source.mkdir(exist_ok=True)
                (source / name).write_bytes(b"named")
                url = self.curl_ok("-T", f"./{name}", "--globoff", self.here.url + "/", cwd=source).decode().strip()
                self.assertEqual(unquote_to_bytes(url.rsplit("/", 1)[1]), NAMES[what])
                target = self.directory / what
                target.mkdir()
                self.curl_ok("-OJ", url, cwd=target)
                [saved] = os.listdir(target)
                if name.isascii():
                    self.assertEqual(saved, name)
                self.assertEqual((target / saved).read_bytes(), b"named")

    def test_names_live_through_a_restart(self):
        links = {name: path_of(self.here.exchange(request("PUT", "/" + quote(name, safe=""), body=b"named")))
                 for name in NAMES.values()}
        self.here.restart()
        for name, link in links.items():
            self.assert_kept(link, name)


if __name__ == "__main__":
    main()
