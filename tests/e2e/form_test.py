#!/usr/bin/env python3
"""Uploads by POST: forms as browsers, curl -F, requests and aiohttp send them, and raw bodies."""

import json
import random
import re
import subprocess
from urllib.parse import quote

from harness import KIB, MIB, EndToEnd, chunked, main, make_file, path_of, random_bytes, request, sha256_of, wait_until
from http_tools import (BOUNDARY, all_of, field_part, file_part, form_body, form_request, links_of, name_of, part,
                        token_of)

DEBIAN_PYTHON = "/usr/bin/python3"  # the one that has python3-requests and python3-aiohttp; we may run on another
FORM = f"Content-Type: multipart/form-data; boundary={BOUNDARY}"


def tricky_bytes(size, seed):
    """Content that looks like delimiters all the time, beginning and ending anywhere."""
    chance = random.Random(f"tricky {seed}")
    pieces = [b"\r", b"\n", b"\r\n", b"\r\n-", b"\r\n--", f"\r\n--{BOUNDARY}"[:-1].encode(), f"--{BOUNDARY}".encode(),
              f"\r\n--{BOUNDARY}-".encode(), f"\r\n--{BOUNDARY} x".encode(), b"\0" * 4096]
    content = bytearray()
    while len(content) < size:
        content += chance.choice(pieces) + chance.randbytes(chance.choice((0, 1, 100, 5000)))
    # What could have become a real delimiter by chance: a line that ends behind the boundary, or behind blanks there
    # (RFC 2046 5.1.1), and content that ends so.
    almost = BOUNDARY[:-1].encode()
    real = re.compile(re.escape(BOUNDARY.encode()) + rb"(?=[ \t]*(\r\n|--|\Z))")
    return real.sub(almost + b"x", bytes(content[:size]))


class FormCase(EndToEnd):
    """One server, and how a form was answered."""

    def setUp(self):
        super().setUp()
        self.here = self.server()

    def post(self, *parts, **keywords):
        return self.here.exchange(form_request(*parts, **keywords))

    def assert_refused(self, answer, status, code):
        self.assertEqual(answer.status, status, answer)
        self.assertIn(f"ringdrop: {status} {code}: ".encode(), answer.body)
        self.assertEqual(self.here.stored(), [], "on disk behind a refusal")

    def content_of(self, path):
        got = self.here.get(path)
        self.assertEqual(got.status, 200, got)
        return got.body

    def info(self, path):
        return json.loads(self.here.get(f"/api/links/{token_of(path)}").body)


class Forms(FormCase):
    """What a form holds arrives."""

    def test_each_file_becomes_a_link_in_order_whatever_its_field_is_called(self):
        contents = {"a.txt": b"first", "b.bin": random_bytes(70 * KIB, "b"), "c": b""}
        fields = ("file", "upload[]", "x")
        parts = zip(contents, contents.values(), fields)
        answer = self.post(*(file_part(name, content, field) for name, content, field in parts))
        links = links_of(answer)
        self.assertEqual([link[24:] for link in links], list(contents))
        self.assertEqual([self.content_of(link) for link in links], list(contents.values()))
        self.assertEqual(path_of(answer), links[0], "Location is the first link")
        self.assertEqual([len(all_of(answer, name)) for name in ("X-Url-Delete", "X-Token")], [3, 3])
        for link, url in zip(links, all_of(answer, "X-Url-Delete")):
            self.assertIn(link + "/", url)

    def test_options_count_before_and_behind_the_files_and_for_all_of_them(self):
        answer = self.post(field_part("max_downloads", "3"), file_part("a", b"a"), file_part("b", b"b"),
                           field_part("expires", "2"), field_part("comment", "no option of ours"))
        for link in links_of(answer):
            told = self.info(link)
            self.assertEqual((told["downloads_left"], bool(told["expires_at"])), (3, True), told)
        self.assertEqual(len(all_of(answer, "X-Expires")), 2)

    def test_a_name_is_understood_in_each_form_that_clients_send(self):
        for disposition, name in (
                ('name="f"; filename="two words.txt"', b"two words.txt"),
                ("name=f; filename=token.txt", b"token.txt"),
                ('filename="first.txt"; name="f"', b"first.txt"),
                ('NAME="f";FILENAME="case.txt"', b"case.txt"),
                (r'name="f"; filename="q\"b\\s.txt"', b'q"b\\s.txt'),
                ('name="f"; filename="%22q%22%0D%0A.txt"', b'"q"\r\n.txt'),
                ('name="f"; filename="100%25.txt"', b"100%25.txt"),
                ("name=f; filename*=UTF-8''%e2%82%ac%20rates", "€ rates".encode()),
                ("name=f; filename*=utf-8'en'x", b"x"),
                ("name=f; filename*=iso-8859-1''%a3", "£".encode()),
                ("name=f; filename=plain; filename*=UTF-8''extended", b"extended"),
                ("name=f; filename*=UTF-8''extended; filename=plain", b"extended"),
                ('name="f"; filename="C:\\dir\\f.txt"', b"f.txt"),
                ('name="f"; filename="../../etc/passwd"', b"passwd"),
                ('name="f"; filename=".."', b""),
                ('name="f"; filename="ü.txt"'.encode(), "ü.txt".encode()),
                ("name*=UTF-8''%c3%bc; filename=x", b"x"),
        ):
            with self.subTest(disposition=disposition):
                [link] = links_of(self.post(part(disposition, b"named")))
                self.assertEqual(link[24:], quote(name, safe=""))
                self.assertEqual(self.content_of(link), b"named")

    def test_the_type_of_a_part_is_the_type_of_its_download(self):
        for field, name, expected in (("Content-Type: image/png", "x", "image/png"), (None, "x.mp4", "video/mp4"),
                                      ("Content-Type: application/octet-stream", "x.png", "image/png"),
                                      ("Content-Type: text/html", "x", "text/html")):
            with self.subTest(field=field):
                [link] = links_of(self.post(file_part(name, b"x", "file", *filter(None, [field]))))
                self.assertEqual(self.here.get(link).get("Content-Type"), expected)

    def test_a_file_field_that_was_left_empty_is_no_file(self):
        empty = part('name="f"; filename=""', b"", "Content-Type: application/octet-stream")
        self.assertEqual(len(links_of(self.post(empty, file_part("real", b"real"), empty))), 1)
        answer = self.post(empty, field_part("max_days", "1"))
        self.assertEqual((answer.status, b"no_file" in answer.body), (400, True))

    def test_an_empty_file_with_a_name_is_a_file(self):
        [link] = links_of(self.post(file_part("empty", b"")))
        self.assertEqual(self.content_of(link), b"")

    def test_preamble_epilogue_padding_and_any_legal_boundary_do_no_harm(self):
        for boundary in ("x", "'()+_,-./:=?", "a b", "b" * 70):
            with self.subTest(boundary=boundary):
                [link] = links_of(self.post(file_part("f", b"content"), boundary=boundary))
                self.assertEqual(self.content_of(link), b"content")
        body = b"This is the preamble.\r\n" + form_body(file_part("f", b"content")) + b"epilogue\r\n--x"
        body = body.replace(f"--{BOUNDARY}\r\n".encode(), f"--{BOUNDARY} \t\r\n".encode())
        [link] = links_of(self.here.exchange(request("POST", "/", FORM, body=body)))
        self.assertEqual(self.content_of(link), b"content")

    def test_two_forms_share_a_connection(self):
        with self.here.connect() as wire:
            for turn in range(5):
                answer = wire.send(form_request(file_part("f", b"%d" % turn))).read_final()
                got = wire.send(request("GET", links_of(answer)[0])).read_final()
                self.assertEqual(got.body, b"%d" % turn)

    def test_64_files_fit_a_form(self):
        links = links_of(self.post(*(file_part(f"f{n}", b"%d" % n * n) for n in range(64))))
        self.assertEqual(len(set(links)), 64)
        for n in (0, 1, 63):
            self.assertEqual(self.content_of(links[n]), b"%d" % n * n)


class Bytes(FormCase):
    """Every byte of every file, however the form is cut into packets, chunks and buffers."""

    SIZES = (0, 1, 2, 4095, 4096, 4097, 64 * KIB, 256 * KIB - 1, 256 * KIB, MIB + 1, 3 * MIB + 77)

    def assert_arrives(self, contents, data):
        with self.here.connect() as wire:
            for piece in data:
                wire.send(piece)
            links = links_of(wire.read_final())
        for link, content in zip(links, contents, strict=True):
            got = self.content_of(link)
            self.assertEqual((len(got), sha256_of(got)), (len(content), sha256_of(content)))

    def test_content_full_of_half_delimiters_comes_back_equal(self):
        contents = [tricky_bytes(size, size) for size in self.SIZES]
        whole = form_request(*(file_part(f"f{n}", content) for n, content in enumerate(contents)))
        self.assert_arrives(contents, [whole])

    def test_content_comes_back_equal_in_chunks_and_packets_of_any_size(self):
        seed = random.randrange(1 << 32)
        chance = random.Random(seed)
        with self.subTest(seed=seed):
            contents = [tricky_bytes(size, seed + size) for size in self.SIZES]
            body = form_body(*(file_part(f"f{n}", content) for n, content in enumerate(contents)))
            pieces = []
            while body:
                size = chance.choice((1, 7, 4095, 4096, 65536, 100_000))
                pieces.append(body[:size])
                body = body[size:]
            head = request("POST", "/", FORM, "Transfer-Encoding: chunked")
            chunks = [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces]
            self.assert_arrives(contents, [head, *chunks, b"0\r\n\r\n"])

    def test_a_form_of_single_bytes_comes_back_equal(self):
        contents = [b"\r\n--" + BOUNDARY[:-1].encode() + b"\r", b"", b"\r\n", b"-"]
        whole = form_request(*(file_part(f"f{n}", content) for n, content in enumerate(contents)))
        self.assert_arrives(contents, [whole[at:at + 1] for at in range(len(whole))])

    def test_random_content_comes_back_equal_while_a_digest_is_computed(self):
        contents = [random_bytes(size, size) for size in (MIB + 5, 5 * MIB)]
        answer = self.post(*(file_part(f"f{n}", content) for n, content in enumerate(contents)),
                           fields=["Want-Repr-Digest: sha-256=1", "Accept: application/json"])
        files = json.loads(answer.body)["files"]
        self.assertEqual([file["digest"]["sha-256"] for file in files], [sha256_of(content) for content in contents])
        self.assertEqual([file["size"] for file in files], [len(content) for content in contents])
        for file, content in zip(files, contents):
            self.assertEqual(sha256_of(self.content_of("/" + file["url"].split("/", 3)[3])), sha256_of(content))


class Broken(FormCase):
    """What breaks off or makes no sense publishes nothing and leaves nothing on disk."""

    def assert_nothing_stays(self):
        wait_until(lambda: self.here.stored() == [], "nothing of the form is on disk")
        self.assertEqual(self.here.restart().stored(), [])

    def test_a_form_that_breaks_off_anywhere_publishes_nothing(self):
        first, second = file_part("first", random_bytes(200 * KIB, 1)), file_part("second", random_bytes(200 * KIB, 2))
        whole = form_body(first, second)
        cuts = {"in the second file": len(form_body(first, closed=False)) + 100_000,
                "in a part's head": len(form_body(first, closed=False)) + len(BOUNDARY) + 20,
                "behind whole parts": len(form_body(first, second, closed=False)),
                "in the last delimiter": len(whole) - 4,
                "behind the last delimiter": len(whole)}
        for how, cut in cuts.items():
            for framing in ("length", "chunked"):
                for end in ("reset", "close"):
                    with self.subTest(cut=how, framing=framing, end=end), self.here.connect() as wire:
                        if framing == "length":
                            wire.send(request("POST", "/", FORM, f"Content-Length: {len(whole) + 10}") + whole[:cut])
                        else:
                            wire.send(request("POST", "/", FORM, "Transfer-Encoding: chunked"))
                            wire.send(b"%x\r\n%b\r\n" % (cut, whole[:cut]))
                        wait_until(lambda: self.here.stored_files() or cut == 0, "the server has begun")
                        wire.reset() if end == "reset" else wire.close()
                        wait_until(lambda: self.here.stored() == [], "nothing of the form is on disk")
        self.assert_nothing_stays()

    def test_a_whole_request_without_its_last_delimiter_is_400(self):
        for parts in ([file_part("a", b"whole"), file_part("b", b"torn")], [file_part("a", random_bytes(MIB, 1))], []):
            answer = self.post(*parts, closed=False)
            self.assert_refused(answer, 400, "bad_multipart")
        half = form_body(file_part("a", b"a"))[:-4]  # "--boundary" without "--"
        self.assert_refused(self.here.exchange(request("POST", "/", FORM, body=half)), 400, "bad_multipart")

    def test_a_bad_boundary_is_400_before_the_body(self):
        for parameter in ("", '; boundary=""', f"; boundary={'x' * 71}", '; boundary="x "', '; boundary="a{b"',
                          "; bundary=x"):
            self.assert_refused_at_once(parameter)

    def test_a_content_type_of_a_form_that_does_not_parse_is_400_and_no_raw_file(self):
        for parameter in ("; boundary=", "; boundary=a b", '; boundary="x', "; boundary=a@b"):
            self.assert_refused_at_once(parameter)

    def assert_refused_at_once(self, parameter):
        with self.subTest(parameter=parameter), self.here.connect() as wire:
            wire.send(request("POST", "/", f"Content-Type: multipart/form-data{parameter}", "Expect: 100-continue",
                              "Content-Length: 100"))
            self.assert_refused(wire.read_response(), 400, "bad_multipart")

    def test_a_part_that_makes_no_sense_is_400(self):
        good = file_part("good", b"good")
        for bad in (b"\r\nno disposition",
                    b"Content-Disposition: attachment; filename=x\r\n\r\nx",
                    b"Content-Disposition: form-data; filename=x\r\n\r\nno name",
                    part("name=f; filename=a; filename=b", b"two names"),
                    part("name=f; filename*=UTF-8''%zz", b"x"),
                    part('name="f; filename=x', b"no end of a quote"),
                    part("name=f; filename=x", b"eA==", "Content-Transfer-Encoding: base64"),
                    part("name=f; filename=x", b"x", " folded: line"),
                    part("name=f; filename=x", b"x", "Content-Type : text/plain"),
                    part('name=f; filename="a\x01b"', b"a raw control"),
                    part("name=f; filename=x", b"x", "Content-Type: a/b", "Content-Type: c/d"),
                    b"Content-Disposition: form-data; name=f; filename=x\n\nbare line feeds"):
            with self.subTest(bad=bad):
                self.assert_refused(self.post(good, bad, good), 400, "bad_multipart")

    def test_a_name_that_is_none_is_400_bad_name(self):
        for disposition in ("name=f; filename*=UTF-8''a%00b", f'name=f; filename="{"x" * 256}"'):
            with self.subTest(disposition=disposition[:50]):
                self.assert_refused(self.post(file_part("good", b"x"), part(disposition, b"x")), 400, "bad_name")

    def test_a_form_without_a_file_is_400_no_file(self):
        self.assert_refused(self.post(field_part("expires", "1")), 400, "no_file")
        self.assert_refused(self.here.exchange(request("POST", "/", FORM, body=f"--{BOUNDARY}--".encode())), 400,
                            "no_file")

    def test_too_much_that_is_no_file_is_refused(self):
        self.assert_refused(self.post(file_part("f", b"x"), field_part("expires", "1" * 300)), 400, "bad_form")
        self.assert_refused(self.post(part("name=f; filename=x", b"", "X-Long: " + "x" * 9000)), 431,
                            "part_header_too_large")
        self.assert_refused(self.post(*[field_part("x", "")] * 65), 400, "too_many_parts")

    def test_a_field_that_is_no_option_passes_by_however_long(self):
        self.assertEqual(self.post(file_part("f", b"x"), field_part("text", "x" * 65 * KIB)).status, 201)

    def test_a_bad_option_in_a_field_is_400_and_says_which(self):
        for name, value, code in (("max_downloads", "0", "bad_max_downloads"), ("max_downloads", "many",
                                                                                "bad_max_downloads"),
                                  ("max_days", "-1", "bad_max_days"), ("max_days", "1.5", "bad_max_days"),
                                  ("expires", "0", "bad_expires"), ("expires", "soon", "bad_expires"),
                                  ("expires", "-5h", "bad_expires"), ("expires", "1650460320001", "bad_expires")):
            for parts in ((field_part(name, value), file_part("f", b"x")), (file_part("f", b"x"),
                                                                             field_part(name, value))):
                with self.subTest(name=name, value=value):
                    self.assert_refused(self.post(*parts), 400, code)

    def test_one_option_with_two_values_is_400_wherever_they_stand(self):
        file = file_part("f", b"x")
        for keywords, fields in (({"target": "/?max_days=1"}, [("max_days", "2")]),
                                 ({"fields": ["Max-Days: 1"]}, [("max_days", "2")]),
                                 ({"target": "/?expires=1h", "fields": ["Expires-In: 2h"]}, []),
                                 ({"target": "/?max_downloads=1&max_downloads=2"}, []),
                                 ({}, [("max_downloads", "1"), ("max_downloads", "2")])):
            with self.subTest(keywords=keywords, fields=fields):
                parts = [file, *(field_part(*field) for field in fields)]
                self.assert_refused(self.post(*parts, **keywords), 400, "option_conflict")
        answer = self.post(file, field_part("max_days", "2"), target="/?max_days=2", fields=["Max-Days: 2"])
        self.assertEqual(answer.status, 201, "thrice the same is one")


class Limits(FormCase):
    """The limits hold for each part, though nothing declares its size."""

    options = ("--max-upload-size", "1MiB")

    def test_a_part_over_the_limit_is_413_and_leaves_nothing(self):
        small, large = file_part("small", b"x"), file_part("large", bytes(MIB + 1))
        for parts in ([large], [small, large], [large, small]):
            self.assert_refused(self.post(*parts), 413, "size_limit_exceeded")
            with self.here.connect() as wire:
                wire.send(request("POST", "/", FORM, "Transfer-Encoding: chunked") + chunked(form_body(*parts)))
                self.assert_refused(wire.read_final(), 413, "size_limit_exceeded")

    def test_parts_of_exactly_the_limit_are_taken(self):
        links = links_of(self.post(*[file_part("f", bytes(MIB))] * 3))
        self.assertEqual(len(links), 3, "the limit is a file's, not the request's")

    def test_curl_shows_the_413_of_a_form(self):
        file = make_file(self.directory / "big", 8 * MIB)
        done = self.curl("-F", f"file=@{file}", "-w", "%{http_code}", self.here.url + "/")
        self.assertTrue(done.stdout.endswith(b"413"), done)
        self.assertIn(b"size_limit_exceeded", done.stdout)
        self.assertEqual(self.here.stored(), [])


class FullDisk(FormCase):
    """No room for a part is a 507."""

    options = ("--min-free-space", "1000TiB")

    def test_a_part_for_which_there_is_no_room_is_507(self):
        self.assert_refused(self.post(file_part("f", b"x")), 507, "storage_full")


class RawPosts(FormCase):
    """POST of anything else is the file itself."""

    def test_the_name_comes_from_the_query_else_from_content_disposition(self):
        for target, fields, name in (
                ("/?name=a%20b.txt", (), "a b.txt"), ("/?name=a+b.txt", (), "a b.txt"), ("/?name=%c3%bc", (), "ü"),
                ("/", ['Content-Disposition: attachment; filename="a b.txt"'], "a b.txt"),
                ("/", ["Content-Disposition: attachment; filename*=UTF-8''%c3%bc.txt; filename=u.txt"], "ü.txt"),
                ("/", ["Content-Disposition: form-data; name=x; filename=plain"], "plain"),
                ("/", ['Content-Disposition: attachment; filename="/etc/passwd"'], "passwd"),
                ("/?name=q", ["Content-Disposition: attachment; filename=cd"], "q"),
                ("/", ["Content-Disposition: attachment"], ""), ("/", (), ""), ("/?name=", (), "")):
            with self.subTest(target=target, fields=fields):
                [link] = links_of(self.here.exchange(request("POST", target, *fields, body=b"raw")))
                self.assertEqual(link[23:], "/" + quote(name, safe="") if name else "")
                got = self.here.get(link)
                self.assertEqual((got.body, name_of(got)), (b"raw", name.encode()))

    def test_a_bad_name_is_400_before_the_body(self):
        for target, fields in (("/?name=a%2Fb", ()), ("/?name=%00", ()), ("/?name=" + "x" * 256, ()),
                               ("/", ['Content-Disposition: attachment; filename="no end']),
                               ("/", ["Content-Disposition: attachment; filename*=UTF-8''%00"])):
            with self.subTest(target=target[:20], fields=fields), self.here.connect() as wire:
                wire.send(request("POST", target, *fields, "Expect: 100-continue", "Content-Length: 3"))
                self.assert_refused(wire.read_response(), 400, "bad_name")
        self.assert_refused(self.here.exchange(request("POST", "/?name=%zz", body=b"x")), 400, "bad_query")

    def test_curl_data_binary_and_a_type_of_its_own(self):
        file = make_file(self.directory / "f", 300 * KIB)
        url = self.curl_ok("--data-binary", f"@{file}", "-H", "Content-Type: image/png", self.here.url + "/?name=p.png")
        self.assertEqual(self.fetch_sha256(url.decode().strip()), sha256_of(file))
        head = self.curl_ok("-I", url.decode().strip()).decode()
        self.assertIn("Content-Type: image/png", head)

    def test_curl_data_binary_without_a_type_of_its_own_is_no_form(self):
        url = self.curl_ok("--data-binary", "a=b&c", self.here.url + "/").decode().strip()
        self.assertEqual(self.curl_ok(url), b"a=b&c")

    def test_only_the_root_takes_a_post(self):
        for target in ("/name", "/a/b", "/healthz", "/robots.txt"):
            answer = self.here.exchange(request("POST", target, body=b"x"))
            self.assertIn(answer.status, (404, 405), target)
        self.assertEqual(self.here.stored(), [])


REQUESTS = """
import io, sys, requests
url, path = sys.argv[1:]
def links(answer):
    answer.raise_for_status()
    assert answer.status_code == 201, answer
    return answer.text.split()
print(*links(requests.post(url, files={"file": open(path, "rb")})))
print(*links(requests.post(url, files=[("a", ("\\u00fc \\u65e5.txt", b"one", "text/plain")), ("b", ("two", b"two"))],
                           data={"max_downloads": "2", "expires": "1"})))
print(*links(requests.post(url, data=open(path, "rb"), headers={"Content-Disposition": "attachment; filename=raw"})))
print(*links(requests.post(url + "?name=generated", data=(bytes([n]) * 1000 for n in range(100)))))
json = requests.post(url, files={"file": ("j", b"json")}, headers={"Accept": "application/json"}).json()
print(json["files"][0]["url"])
answer = requests.post(url, files={"file": ("j", b"json")}, data={"max_days": "x"})
assert answer.status_code == 400 and "bad_max_days" in answer.text, answer.text
"""

REQUESTS_MANY = """
import sys, requests
answer = requests.post(sys.argv[1], files=[("file", (f"f{n}", b"%d" % n)) for n in range(60)])
print(*answer.text.split())
"""

AIOHTTP = """
import asyncio, sys, aiohttp
async def main(url, path):
    async with aiohttp.ClientSession() as session:
        async def links(**keywords):
            async with session.post(url, **keywords) as answer:
                text = await answer.text()
                assert answer.status == 201, text
                print(*text.split())
        form = aiohttp.FormData(quote_fields=False)
        form.add_field("f\\u00fc", open(path, "rb"), filename="f\\u00fcr \\u65e5 100%.txt")
        form.add_field("max_downloads", "5")
        form.add_field("other", b"two", filename="two", content_type="image/png")
        await links(data=form)
        await links(data={"file": open(path, "rb")})
        quoted = aiohttp.FormData()
        quoted.add_field("f\\u00fc", b"quoted", filename="a b.txt")
        await links(data=quoted)
        async def pieces():
            for n in range(100):
                yield bytes([n]) * 1000
        await links(data=pieces(), headers={"Content-Disposition": 'attachment; filename="stream"'})
asyncio.run(main(*sys.argv[1:]))
"""


class Clients(FormCase):
    """curl -F and the two Python clients."""

    def setUp(self):
        super().setUp()
        self.file = make_file(self.directory / "film.mkv", 3 * MIB + 7)

    def run_python(self, module, script):
        """The script's lines, each split into the links that it got, as paths."""
        if subprocess.run([DEBIAN_PYTHON, "-c", f"import {module}"], capture_output=True, check=False).returncode != 0:
            self.skipTest(f"{DEBIAN_PYTHON} has no {module}: sh deploy/packages.sh test")
        done = subprocess.run([DEBIAN_PYTHON, "-c", script, self.here.url + "/", str(self.file)], capture_output=True,
                              text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return [[url.removeprefix(self.here.url) for url in line.split()] for line in done.stdout.splitlines()]

    def test_curl_f_uploads_files_options_and_pipes(self):
        other = make_file(self.directory / "a b\"c.txt", 10)
        text = self.curl_ok("-F", f"file=@{self.file}", "-F", f'g=@"{self.escaped(other)}"', "-F", "max_downloads=9",
                            "-F", f"h=@{self.file};filename=renamed.bin;type=image/png", self.here.url + "/").decode()
        links = [line.removeprefix(self.here.url) for line in text.splitlines()]
        self.assertEqual([link[24:] for link in links], ["film.mkv", "a%20b%22c.txt", "renamed.bin"])
        self.assertEqual([sha256_of(self.content_of(link)) for link in links],
                         [sha256_of(self.file), sha256_of(other), sha256_of(self.file)])
        self.assertEqual(self.here.get(links[2]).get("Content-Type"), "image/png")
        self.assertEqual(self.info(links[0])["downloads_left"], 8)
        url = self.curl_ok("-F", "file=@-;filename=pipe", self.here.url + "/", input=random_bytes(MIB, "pipe")).decode()
        self.assertEqual(self.fetch_sha256(url.strip()), sha256_of(random_bytes(MIB, "pipe")))

    @staticmethod
    def escaped(path):
        return str(path).replace("\\", "\\\\").replace('"', '\\"')

    def test_curl_f_chunked_with_expect_and_a_slow_pipe_works(self):
        url = self.curl_ok("-F", f"file=@{self.file}", "-H", "Transfer-Encoding: chunked", "-H", "Expect: 100-continue",
                           self.here.url + "/").decode().strip()
        self.assertEqual(self.fetch_sha256(url), sha256_of(self.file))

    def test_requests_uploads_forms_and_raw_bodies(self):
        whole, two, raw, generated, json_one = self.run_python("requests", REQUESTS)
        self.assertEqual(sha256_of(self.content_of(whole[0])), sha256_of(self.file))
        self.assertEqual([link[24:] for link in two], [quote("ü 日.txt"), "two"])
        self.assertEqual([self.content_of(link) for link in two], [b"one", b"two"])
        self.assertEqual(raw[0][24:], "raw")
        self.assertEqual(sha256_of(self.content_of(raw[0])), sha256_of(self.file))
        self.assertEqual(self.content_of(generated[0]), b"".join(bytes([n]) * 1000 for n in range(100)))
        self.assertEqual(self.content_of(json_one[0]), b"json")

    def test_requests_understands_the_answer_to_60_files(self):
        """Python's http.client takes at most 100 fields in an answer, nginx by default 4 KiB of them."""
        [links] = self.run_python("requests", REQUESTS_MANY)
        self.assertEqual([self.content_of(link) for link in links], [b"%d" % n for n in range(60)])

    def test_aiohttp_uploads_forms_and_streams(self):
        form, plain, quoted, stream = self.run_python("aiohttp", AIOHTTP)
        self.assertEqual([link[24:] for link in form], [quote("für 日 100%.txt"), "two"])
        self.assertEqual(sha256_of(self.content_of(form[0])), sha256_of(self.file))
        self.assertEqual(self.here.get(form[1]).get("Content-Type"), "image/png")
        self.assertEqual((plain[0][24:], sha256_of(self.content_of(plain[0]))), ("film.mkv", sha256_of(self.file)))
        self.assertEqual(quoted[0][24:], quote("a%20b.txt"), "it encodes in filename=, where nobody may decode")
        self.assertEqual(self.content_of(quoted[0]), b"quoted")
        self.assertEqual(stream[0][24:], "stream")
        self.assertEqual(self.content_of(stream[0]), b"".join(bytes([n]) * 1000 for n in range(100)))


if __name__ == "__main__":
    main()
