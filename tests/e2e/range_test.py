#!/usr/bin/env python3
"""Downloads to the letter of RFC 9110: ranges, conditions, HEAD; and what a browser may show of it."""

import contextlib
import shutil
import sqlite3
import subprocess
import unittest
from email.utils import formatdate, parsedate_to_datetime

from harness import KIB, MIB, EndToEnd, main, make_file, path_of, random_bytes, request, sha256_of
from http_tools import byteranges_of, disposition_of, name_of, token_of

SIZE = 1000


class DownloadCase(EndToEnd):
    """One server with one file of 1,000 bytes."""

    def setUp(self):
        super().setUp()
        self.here = self.server()
        self.body = random_bytes(SIZE, "range")
        self.path = self.here.put("f.bin", self.body)
        whole = self.here.get(self.path)
        self.etag, self.modified = whole.get("ETag"), whole.get("Last-Modified")

    def get(self, *fields, path=None, method="GET"):
        return self.here.exchange(request(method, path or self.path, *fields), to_head=method == "HEAD")

    def upload(self, name, content, *fields):
        answer = self.here.exchange(request("PUT", f"/{name}", *fields, body=content))
        self.assertEqual(answer.status, 201, answer)
        return path_of(answer)

    def date(self, seconds_later):
        """The HTTP date so many seconds behind Last-Modified."""
        return formatdate(parsedate_to_datetime(self.modified).timestamp() + seconds_later, usegmt=True)

    def make_older(self, path, seconds):
        """As if the file had been uploaded that much earlier: a date of the last minute is no strong validator."""
        self.here.stop()
        with contextlib.closing(sqlite3.connect(self.here.data / "catalogue.sqlite3")) as catalogue, catalogue:
            catalogue.execute("UPDATE links SET created_at_ms = created_at_ms - ? WHERE token = ?",
                              (seconds * 1000, token_of(path)))
        self.here.start()
        self.modified = self.here.get(path).get("Last-Modified")


class Ranges(DownloadCase):
    """Range, by raw bytes."""

    def test_one_range_is_a_206_with_exactly_these_bytes(self):
        for wanted, first, last in (
                ("bytes=0-0", 0, 0), ("bytes=0-1", 0, 1), ("bytes=0-", 0, 999), ("bytes=0-999", 0, 999),
                ("bytes=10-19", 10, 19), ("bytes=999-", 999, 999), ("bytes=999-999", 999, 999), ("bytes=-1", 999, 999),
                ("bytes=-1000", 0, 999), ("bytes=-5000", 0, 999), ("bytes=990-5000", 990, 999),
                ("bytes=500-99999999999999999999999", 500, 999), ("bytes=-99999999999999999999999", 0, 999),
                ("BYTES=1-2", 1, 2), ("bytes= 1-2", 1, 2), ("bytes=,1-2,", 1, 2), ("bytes=1-2, 2000-", 1, 2),
                ("bytes=1-2,2000-3000,-0", 1, 2), ("bytes=0-4,5-9", 0, 9), ("bytes=5-9,0-6", 0, 9),
                ("bytes=007-0008", 7, 8)):
            with self.subTest(range=wanted):
                got = self.get(f"Range: {wanted}")
                self.assertEqual((got.status, got.get("Content-Range")), (206, f"bytes {first}-{last}/{SIZE}"))
                self.assertEqual(got.body, self.body[first:last + 1])
                self.assertEqual(got.get("Content-Length"), str(last + 1 - first))
                self.assertEqual((got.get("ETag"), got.get("Accept-Ranges")), (self.etag, "bytes"))
                self.assertEqual(got.get("Content-Type"), "application/octet-stream")

    def test_several_ranges_are_multipart_byteranges_in_the_order_asked_for(self):
        for wanted, ranges in (("0-0,999-", [(0, 0), (999, 999)]), ("0-9,20-29,40-49", [(0, 9), (20, 29), (40, 49)]),
                               ("500-,0-9", [(500, 999), (0, 9)]), ("-1,0-0", [(999, 999), (0, 0)]),
                               ("0-9,5-14,100-100", [(0, 14), (100, 100)]), ("0-1,5000-,4-5", [(0, 1), (4, 5)]),
                               (",".join(f"{n * 10}-{n * 10 + 1}" for n in range(16)),
                                [(n * 10, n * 10 + 1) for n in range(16)])):
            with self.subTest(ranges=wanted):
                got = self.get(f"Range: bytes={wanted}")
                self.assertEqual((got.status, got.get("Content-Range")), (206, None))
                parts = byteranges_of(got)
                self.assertEqual([part[1:3] for part in parts], ranges)
                for kind, first, last, size, content in parts:
                    self.assertEqual((kind, size), ("application/octet-stream", SIZE))
                    self.assertEqual(content, self.body[first:last + 1])

    def test_large_ranges_of_a_large_file_come_back_equal(self):
        body = random_bytes(9 * MIB + 1, "large")
        path = self.upload("large", body)
        wanted = [(0, 3 * MIB), (4 * MIB - 1, 4 * MIB + 4096), (5 * MIB + 7, len(body) - 1)]
        got = self.get("Range: bytes=" + ", ".join(f"{first}-{last}" for first, last in wanted), path=path)
        parts = byteranges_of(got)
        self.assertEqual([part[1:3] for part in parts], wanted)
        for _, first, last, _, content in parts:
            self.assertEqual(sha256_of(content), sha256_of(body[first:last + 1]))

    def test_what_no_byte_satisfies_is_416_with_the_size(self):
        for wanted in ("1000-", "1000-1001", "-0", "99999999999999999999999-", "1000-,2000-", "-0,5000-6000"):
            with self.subTest(range=wanted):
                got = self.get(f"Range: bytes={wanted}")
                self.assertEqual((got.status, got.get("Content-Range")), (416, f"bytes */{SIZE}"))
                self.assertIn(b"ringdrop: 416 range_not_satisfiable: ", got.body)
        empty = self.upload("empty", b"")
        for wanted in ("0-", "0-0", "-1", "-0"):
            got = self.get(f"Range: bytes={wanted}", path=empty)
            self.assertEqual((got.status, got.get("Content-Range")), (416, "bytes */0"), wanted)
        self.assertEqual(self.get(path=empty).status, 200)

    def test_a_range_that_makes_no_sense_or_another_unit_is_the_whole_file(self):
        for wanted in ("bytes=", "bytes=-", "bytes=5-4", "bytes=a-b", "bytes=1", "bytes=1-2-3", "bytes=1-2;3-4",
                       "bytes 0-1", "items=0-1", "bytes=0-1,x", "bytes=0-1,9-5", "0-1", "bytes=+1-2", "bytes=0x0-1",
                       "bytes=1- 2", "bytes=--1", "bytes=,", "bytes = 0-1"):
            with self.subTest(range=wanted):
                got = self.get(f"Range: {wanted}")
                self.assertEqual((got.status, got.body, got.get("Content-Range")), (200, self.body, None))

    def test_more_than_16_ranges_are_the_whole_file(self):
        got = self.get("Range: bytes=" + ",".join(f"{n * 2}-{n * 2}" for n in range(17)))
        self.assertEqual((got.status, got.body), (200, self.body))

    def test_a_range_counts_only_with_get(self):
        head = self.get("Range: bytes=0-1", method="HEAD")
        self.assertEqual((head.status, head.get("Content-Length")), (200, str(SIZE)))

    def test_a_video_player_seeks(self):
        """What Chrome and Safari send: is it seekable, the index at the end, then from anywhere, cut off anywhere."""
        body = random_bytes(8 * MIB, "video")
        path = self.upload("film.mp4", body)
        probe = self.get("Range: bytes=0-1", "Accept-Encoding: identity;q=1, *;q=0", path=path)
        self.assertEqual((probe.status, probe.get("Content-Range")), (206, f"bytes 0-1/{len(body)}"))
        self.assertEqual((probe.get("Content-Type"), disposition_of(probe)[0]), ("video/mp4", "inline"))
        tail = self.get("Range: bytes=-65536", path=path)
        self.assertEqual((tail.status, tail.body), (206, body[-65536:]))
        for seek in (0, 5 * MIB + 11, 100):
            with self.here.connect(receive_buffer=8192) as wire:
                wire.send(request("GET", path, f"Range: bytes={seek}-", "Connection: keep-alive"))
                wire.take(10_000)
                wire.reset()
        got = self.get(f"Range: bytes={7 * MIB}-", path=path)
        self.assertEqual((got.status, got.body), (206, body[7 * MIB:]))


class RangeBombs(DownloadCase):
    """A small request never makes an answer larger than the file."""

    def test_many_and_overlapping_ranges_cost_neither_bytes_nor_memory(self):
        size = 2 * MIB
        body = random_bytes(size, "bomb")
        path = self.upload("bomb", body)
        bombs = {
            "1,000 single bytes": ",".join(f"{n * 100}-{n * 100}" for n in range(1000)),
            "the same byte": ",".join(["0-0"] * 1000),
            "the whole file": ",".join(["0-"] * 1000),
            "nested": ",".join(f"{n}-" for n in range(1000)),
            "suffixes": ",".join(f"-{n}" for n in range(1, 1000)),
            "overlapping pairs": ",".join(f"{n * 1000}-{n * 1000 + 1500}" for n in range(1000)),
            "halves": ",".join(f"{n * MIB // 8}-{n * MIB // 8 + MIB // 8 - 2}" for n in range(16)),
            "backwards": ",".join(f"{n * 100}-{n * 100}" for n in reversed(range(1000))),
        }
        self.throw(bombs, path, size)
        before = self.here.rss()
        for _ in range(8):
            self.throw(bombs, path, size)
        # Each loop may touch its first slabs of the pool only now: 4 MiB of small and of large buffers. Answers that are
        # collected would be 128 MiB.
        self.assertLess(self.here.rss() - before, 4 * 4 * MIB + MIB, "resident bytes more than after the first ones")

    def throw(self, bombs, path, size):
        for what, ranges in bombs.items():
            with self.subTest(what=what):
                got = self.get(f"Range: bytes={ranges}", path=path)
                self.assertIn(got.status, (200, 206))
                self.assertLessEqual(len(got.body), size + 10 * KIB)
        with self.here.connect() as wire:  # and on several lines, and pipelined
            for _ in range(5):
                wire.send(request("GET", path, *[f"Range: bytes={bombs['the same byte'][:199]}"] * 10))
            for _ in range(5):
                self.assertLessEqual(len(wire.read_final().body), size + 10 * KIB)


class Conditions(DownloadCase):
    """Conditions, in the order of RFC 9110 13.2.2."""

    def test_the_validators_are_strong_and_last(self):
        self.assertRegex(self.etag, r'^"[!#-~]+"$')
        other = self.here.get(self.here.put("f.bin", self.body))
        self.assertNotEqual(other.get("ETag"), self.etag, "another upload is another file")
        self.here.restart()
        again = self.here.get(self.path)
        self.assertEqual((again.get("ETag"), again.get("Last-Modified")), (self.etag, self.modified))

    def test_each_condition_and_their_precedence(self):
        e, old, same, new = self.etag, self.date(-100), self.date(0), self.date(1)
        match, none = "If-Match: ", "If-None-Match: "
        since, unmodified = "If-Modified-Since: ", "If-Unmodified-Since: "
        for status, fields in (
                (200, [match + e]), (200, [match + "*"]), (200, [match + f'"x", {e}']), (412, [match + '"x"']),
                (412, [match + "W/" + e]), (200, [match + '"x"', match + e]), (412, [match + "nonsense"]),
                (304, [none + e]), (304, [none + "W/" + e]), (304, [none + "*"]), (304, [none + f'"x" , {e}']),
                (200, [none + '"x"']), (200, [none + e.strip('"')]),
                (304, [since + same]), (304, [since + new]), (200, [since + old]), (200, [since + "nonsense"]),
                (200, [unmodified + same]), (200, [unmodified + new]), (412, [unmodified + old]),
                (200, [unmodified + "nonsense"]), (200, [since + old, since + same]),
                # If-Match wins over If-Unmodified-Since, If-None-Match over If-Modified-Since.
                (200, [match + e, unmodified + old]), (412, [match + '"x"', unmodified + new]),
                (200, [none + '"x"', since + same]), (304, [none + e, since + old]),
                # The first pair before the second one.
                (412, [match + '"x"', none + e]), (304, [match + e, none + e]), (412, [unmodified + old, none + e]),
                (412, [unmodified + old, since + same]), (304, [unmodified + same, since + same])):
            for method in ("GET", "HEAD"):
                with self.subTest(fields=fields, method=method):
                    got = self.get(*fields, method=method)
                    self.assertEqual(got.status, status)
                    if method == "GET":
                        self.assertEqual(got.body == self.body, status == 200)

    def test_conditions_come_before_the_range(self):
        for status, fields in ((304, [f"If-None-Match: {self.etag}", "Range: bytes=0-1"]),
                               (412, ['If-Match: "x"', "Range: bytes=0-1"]),
                               (304, [f"If-None-Match: {self.etag}", "Range: bytes=5000-"]),
                               (206, [f"If-Match: {self.etag}", "Range: bytes=0-1"]),
                               (416, [f"If-Match: {self.etag}", "Range: bytes=5000-"])):
            self.assertEqual(self.get(*fields).status, status, fields)

    def test_304_carries_what_200_would_and_no_body(self):
        with self.here.connect() as wire:
            got = wire.send(request("GET", self.path, f"If-None-Match: {self.etag}")).read_final()
            self.assertEqual((got.status, got.get("ETag"), got.get("Cache-Control")), (304, self.etag, "no-cache"))
            self.assertIsNotNone(got.get("Vary"))
            self.assertIsNone(got.get("Transfer-Encoding"))
            again = wire.send(request("GET", self.path)).read_final()
            self.assertEqual(again.body, self.body, "the connection goes on")

    def test_if_range_with_an_etag(self):
        for value, status in ((self.etag, 206), ("W/" + self.etag, 200), ('"x"', 200), ("nonsense", 200), ("*", 200),
                              (f"{self.etag}, {self.etag}", 200)):
            with self.subTest(value=value):
                got = self.get("Range: bytes=10-19", f"If-Range: {value}")
                self.assertEqual((got.status, got.body), (status, self.body[10:20] if status == 206 else self.body))
        self.assertEqual(self.get("Range: bytes=5000-", 'If-Range: "x"').status, 200)
        self.assertEqual(self.get(f"If-Range: {self.etag}").status, 200)

    def test_if_range_with_a_date_holds_when_it_is_that_of_the_file_and_strong(self):
        got = self.get("Range: bytes=0-1", f"If-Range: {self.modified}")
        self.assertEqual(got.status, 200, "a date is weak for its first minute")
        self.make_older(self.path, 300)
        for seconds, status in ((0, 206), (1, 200), (-1, 200)):
            got = self.get("Range: bytes=0-1", f"If-Range: {self.date(seconds)}")
            self.assertEqual(got.status, status, f"{seconds} s later")

    def test_head_is_get_but_for_the_body(self):
        paths = [self.path, self.upload("x.html", b"<b>", "Content-Type: text/html"), self.upload("e", b""),
                 self.upload("l", b"limited", "Max-Downloads: 9"),
                 self.upload("d", b"digest", "Want-Repr-Digest: sha-256=1")]
        for path in paths:
            for fields in ([], [f"If-None-Match: {self.etag}"], ['If-Match: "x"'], ["Want-Repr-Digest: sha-256=3"]):
                with self.subTest(path=path[24:], fields=fields):
                    got, head = self.get(*fields, path=path), self.get(*fields, path=path, method="HEAD")
                    self.assertEqual((head.status, self.dateless(head)), (got.status, self.dateless(got)))
                    self.assertEqual(self.get(*fields, path=path + "?dl=1", method="HEAD").status, got.status)

    @staticmethod
    def dateless(response):
        return [field for field in response.fields if field[0].lower() != "date"]


class Display(DownloadCase):
    """What a stranger uploaded is shown only when it cannot act as a page of this site."""

    INLINE = ("text/plain", "text/plain; charset=utf-8", "image/png", "image/jpeg", "image/gif", "image/webp",
              "image/bmp", "audio/wav", "audio/webm", "video/webm", "audio/ogg", "video/ogg", "video/mp4", "audio/mpeg",
              "application/pdf", "IMAGE/PNG")
    NEVER = ("text/html", "TEXT/HTML", "text/html; charset=utf-8", "application/xhtml+xml", "image/svg+xml", "text/xml",
             "application/xml", "application/atom+xml", "text/javascript", "application/javascript", "text/css",
             "application/x-shockwave-flash", "multipart/x-mixed-replace; boundary=x", "application/octet-stream",
             "message/rfc822", "text/cache-manifest", "text/plain, text/html", "image/png;x=\"", "text/vtt",
             "image/svg")

    def assert_fenced(self, got):
        policy = got.get("Content-Security-Policy").split("; ")
        self.assertIn(policy[0], ("sandbox", "sandbox allow-same-origin"))
        self.assertEqual(policy[1], "default-src 'none'")
        self.assertFalse([rule for rule in policy if "script" in rule])
        for name, value in (("X-Content-Type-Options", "nosniff"), ("Cross-Origin-Resource-Policy", "same-origin"), ("Referrer-Policy", "no-referrer"),
                            ("X-Robots-Tag", "noindex"), ("Accept-Ranges", "bytes")):
            self.assertEqual(got.get(name), value)
        self.assertEqual(got.get("Cache-Control"), "no-cache")

    def test_the_allow_list_is_shown_and_nothing_else(self):
        for kind in self.INLINE + self.NEVER:
            path = self.upload("file", b"x", f"Content-Type: {kind}")
            for fields in ([], ["Range: bytes=0-0"]):
                with self.subTest(kind=kind, fields=fields):
                    got = self.get(*fields, path=path)
                    self.assertEqual(disposition_of(got)[0], "inline" if kind in self.INLINE else "attachment")
                    self.assert_fenced(got)

    def test_an_ending_alone_shows_no_page(self):
        for name in ("x.html", "x.htm", "x.svg", "x.xml", "x.xhtml", "x.js", "x.png.html", "x.HTML"):
            self.assertEqual(disposition_of(self.get(path=self.upload(name, b"<script>")))[0], "attachment", name)
        for name in ("x.png", "x.txt", "x.mp4", "x.PDF"):
            self.assertEqual(disposition_of(self.get(path=self.upload(name, b"<script>")))[0], "inline", name)

    def test_dl_1_forces_an_attachment_with_the_same_bytes(self):
        path = self.upload("p.png", b"png", "Content-Type: image/png")
        self.assertEqual(disposition_of(self.get(path=path))[0], "inline")
        got = self.get(path=path + "?dl=1")
        self.assertEqual((disposition_of(got)[0], name_of(got), got.body), ("attachment", b"p.png", b"png"))
        self.assertEqual(got.get("Content-Type"), "image/png")
        self.assert_fenced(got)


class Clients(DownloadCase):
    """What breaks off goes on with curl, wget and aria2c."""

    def setUp(self):
        super().setUp()
        self.body = random_bytes(5 * MIB + 3, "clients")
        self.path = self.here.put("film.mkv", self.body)
        self.url = self.here.url + self.path
        self.part = self.directory / "film.mkv"
        self.part.write_bytes(self.body[:2 * MIB + 1])

    def test_curl_r(self):
        self.assertEqual(self.curl_ok("-r", "100-199", self.url), self.body[100:200])
        self.assertEqual(self.curl_ok("-r", "-100", self.url), self.body[-100:])
        several = self.curl_ok("-r", "0-9,100-109", self.url)
        self.assertIn(self.body[:10], several)
        self.assertIn(self.body[100:110], several)

    def test_curl_c_goes_on(self):
        said = self.curl_ok("-C", "-", "-o", self.part, "-w", "%{http_code} %{size_download}", self.url)
        self.assertEqual(said.split(), [b"206", b"%d" % (len(self.body) - 2 * MIB - 1)])
        self.assertEqual(self.part.read_bytes(), self.body)

    def test_curl_asks_again_with_its_etag_and_its_date(self):
        etags = self.directory / "etag"
        self.curl_ok("--etag-save", etags, "-o", self.part, self.url)
        code = self.curl_ok("--etag-compare", etags, "-o", "/dev/null", "-w", "%{http_code}", self.url)
        self.assertEqual(code, b"304")
        self.curl_ok("-R", "-o", self.part, self.url)
        code = self.curl_ok("-z", self.part, "-o", "/dev/null", "-w", "%{http_code}", self.url)
        self.assertEqual(code, b"304")

    @unittest.skipUnless(shutil.which("wget"), "wget is not installed")
    def test_wget_c_goes_on(self):
        for _ in range(2):  # the second time there is nothing left to do: 416
            done = subprocess.run(["wget", "-nv", "--no-proxy", "-c", self.url], cwd=self.directory, check=False,
                                  capture_output=True)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(self.part.read_bytes(), self.body)

    @unittest.skipUnless(shutil.which("aria2c"), "aria2c is not installed")
    def test_aria2c_with_16_connections_gets_an_unlimited_file(self):
        source = make_file(self.directory / "source", 40 * MIB + 1)
        url = self.curl_ok("-T", source, self.here.url + "/").decode().strip()
        subprocess.run(["aria2c", "-q", "-x16", "-s16", "-k1M", "--file-allocation=none", "--all-proxy=", "-d",
                        self.directory, "-o", "out", url], check=True, stdin=subprocess.DEVNULL)
        self.assertEqual(sha256_of(self.directory / "out"), sha256_of(source))


if __name__ == "__main__":
    main()
