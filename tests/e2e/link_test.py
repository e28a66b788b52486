#!/usr/bin/env python3
"""The life of a link: what the uploader is told, how it is deleted, when it expires, how often it can be downloaded."""

import contextlib
import json
import re
import shutil
import subprocess
import threading
import time
import unittest
from datetime import datetime, timezone
from urllib.parse import quote

from harness import KIB, MIB, EndToEnd, main, make_file, path_of, random_bytes, request, sha256_of, wait_until
from http_tools import (TOKEN, all_of, field_part, file_part, form_request, read_what_comes, token_of)

JSON = "Accept: application/json"
URLENCODED = "Content-Type: application/x-www-form-urlencoded"
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


class LinkCase(EndToEnd):
    """One server and its links."""

    def setUp(self):
        super().setUp()
        self.here = self.server()

    def upload(self, body, *fields, target="/f.bin", method="PUT"):
        """The 201 of an upload."""
        answer = self.here.exchange(request(method, target, *fields, body=body, host=self.here.authority))
        self.assertEqual(answer.status, 201, answer)
        return answer

    def info(self, path):
        answer = self.here.get(f"/api/links/{token_of(path)}")
        self.assertEqual(answer.status, 200, answer)
        return json.loads(answer.body)

    def send(self, method, path, *fields, body=b""):
        return self.here.exchange(request(method, path, *fields, body=body, host=self.here.authority),
                                  to_head=method == "HEAD")

    def assert_expires_in(self, answer, wanted_ms):
        expires = int(answer.get("X-Expires"))
        self.assertLess(abs(expires - time.time() * 1000 - wanted_ms), 60_000, "X-Expires")

    def assert_code(self, answer, status, code):
        self.assertEqual(answer.status, status, answer)
        self.assertIn(f"ringdrop: {status} {code}: ".encode(), answer.body)

    def assert_gone(self, path, file_too=True):
        self.assert_code(self.here.get(path), 404, "not_found")
        self.assert_code(self.here.get(f"/api/links/{token_of(path)}"), 404, "not_found")
        if file_too:
            wait_until(lambda: self.here.stored() == [], "its bytes are gone from disk", patience=10)


class Answers(LinkCase):
    """What a 201 tells."""

    def test_the_text_is_the_link_and_the_fields_tell_the_rest(self):
        answer = self.upload(b"body", target="/two%20words.txt")
        url = answer.get("Location")
        self.assertRegex(url, rf"^{re.escape(self.here.url)}/{TOKEN}/two%20words\.txt$")
        self.assertEqual(answer.body, url.encode() + b"\n")
        self.assertEqual(answer.get("Content-Type"), "text/plain; charset=utf-8")
        self.assertEqual((answer.get("X-Content-Type-Options"), answer.get("Cache-Control")), ("nosniff", "no-store"))
        self.assertRegex(answer.get("X-Token"), rf"^{TOKEN}$")
        self.assertEqual(answer.get("X-Url-Delete"), f"{url}/{answer.get('X-Token')}")
        self.assertIsNone(answer.get("X-Expires"))
        self.assertIsNone(answer.get("Repr-Digest"))

    def test_a_link_without_a_name_has_a_delete_url_too(self):
        answer = self.upload(b"body", target="/")
        self.assertRegex(path_of(answer), rf"^/{TOKEN}$")
        deleted = self.send("DELETE", answer.get("X-Url-Delete").removeprefix(self.here.url))
        self.assertEqual(deleted.status, 200)
        self.assert_gone(path_of(answer))

    def test_json_has_every_member(self):
        answer = self.upload(b"body", JSON, "Max-Days: 1", "Want-Repr-Digest: sha-256=1", target="/%c3%bc.txt")
        self.assertEqual(answer.get("Content-Type"), "application/json")
        [file] = json.loads(answer.body)["files"]
        self.assertEqual(list(file), ["name", "size", "url", "delete_url", "delete_token", "expires_at", "digest"])
        self.assertEqual((file["name"], file["size"], file["url"]), ("ü.txt", 4, answer.get("Location")))
        self.assertEqual(file["delete_url"], answer.get("X-Url-Delete"))
        self.assertEqual(file["delete_token"], answer.get("X-Token"))
        self.assertEqual(file["digest"], {"sha-256": sha256_of(b"body")})
        when = datetime.strptime(file["expires_at"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
        self.assertEqual(int(when.timestamp()), int(answer.get("X-Expires")) // 1000)
        [plain] = json.loads(self.upload(b"", JSON).body)["files"]
        self.assertEqual((plain["expires_at"], plain["digest"]), (None, None))

    def test_json_comes_only_to_who_names_it(self):
        for accept, is_json in (("*/*", False), ("application/*", False), ("text/html, application/json;q=0.5", True),
                                ("application/json;q=0", False), ("APPLICATION/JSON", True)):
            with self.subTest(accept=accept):
                kind = self.upload(b"x", f"Accept: {accept}").get("Content-Type")
                self.assertEqual(kind.startswith("application/json"), is_json, kind)

    def test_a_form_of_several_files_is_a_list(self):
        answer = self.here.exchange(form_request(file_part("a", b"a"), file_part("b", b"bb"), fields=[JSON]))
        files = json.loads(answer.body)["files"]
        self.assertEqual([(file["name"], file["size"]) for file in files], [("a", 1), ("b", 2)])
        self.assertEqual([file["delete_token"] for file in files], all_of(answer, "X-Token"))

    def test_the_json_of_a_link_shows_all_but_the_secret(self):
        before = time.time()
        answer = self.upload(b"body", "Max-Downloads: 3", "Content-Type: image/png", "Want-Repr-Digest: sha-512=1")
        path = f"/api/links/{token_of(path_of(answer))}"
        got = self.here.get(path)
        told = json.loads(got.body)
        self.assertEqual(sorted(told), sorted(["name", "size", "content_type", "digest", "created_at", "expires_at",
                                               "downloads", "downloads_left"]))
        self.assertEqual((told["name"], told["size"], told["content_type"]), ("f.bin", 4, "image/png"))
        self.assertEqual((told["downloads"], told["downloads_left"], told["expires_at"]), (0, 3, None))
        self.assertEqual(list(told["digest"]), ["sha-512"])
        created = datetime.strptime(told["created_at"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc).timestamp()
        self.assertTrue(before - 2 < created < time.time() + 1)
        everything = got.head + got.body
        self.assertNotIn(answer.get("X-Token").encode(), everything)
        head = self.send("HEAD", path)
        self.assertEqual((head.status, head.get("Content-Length")), (200, str(len(got.body))))
        self.assert_code(self.here.get("/api/links/" + "A" * 22), 404, "not_found")
        for nonsense in ("/api/links", "/api/links/", "/api/links/x", "/api", path + "/x"):
            self.assertEqual(self.here.get(nonsense).status, 404, nonsense)
        self.assertEqual(self.send("DELETE", path).status, 405)

    def test_downloads_of_an_unlimited_link_are_counted(self):
        path = path_of(self.upload(b"body"))
        for _ in range(3):
            self.here.get(path)
        self.send("HEAD", path)
        wait_until(lambda: self.info(path)["downloads"] == 3, "three downloads are told")
        self.assertIsNone(self.info(path)["downloads_left"])


class Deletion(LinkCase):
    """Who has the delete token, and nobody else, ends the link and the file."""

    def ways(self, path, secret):
        """The three ways to delete, the last one in both kinds of form: (answer of it, status of a success)."""
        token = token_of(path)
        form = f"token={secret}&delete=".encode()
        return {
            "bearer": (lambda: self.send("DELETE", f"/{token}", f"Authorization: Bearer {secret}"), 204),
            "transfer.sh": (lambda: self.send("DELETE", f"{path}/{secret}"), 200),
            "0x0 urlencoded": (lambda: self.send("POST", f"/{token}", URLENCODED, body=form), 200),
            "0x0 multipart": (lambda: self.here.exchange(form_request(
                field_part("token", secret), field_part("delete", ""), target=f"/{token}")), 200),
        }

    def test_each_way_deletes_link_and_file(self):
        for way in self.ways("/" + "A" * 22, ""):
            with self.subTest(way=way):
                answer = self.upload(random_bytes(100 * KIB, way))
                path = path_of(answer)
                done, status = self.ways(path, answer.get("X-Token"))[way]
                answer = done()
                self.assertEqual((answer.status, answer.body), (status, b""))
                self.assert_gone(path, file_too=False)
                self.assert_code(done(), 404, "not_found")
        self.assert_gone(path)

    def test_a_wrong_token_is_403_and_deletes_nothing(self):
        first, second = self.upload(b"first"), self.upload(b"second")
        for secret in (second.get("X-Token"), "A" * 22, token_of(path_of(first)), first.get("X-Token").swapcase()):
            for way, (done, _) in self.ways(path_of(first), secret).items():
                with self.subTest(way=way, secret=secret):
                    self.assert_code(done(), 403, "wrong_delete_token")
        self.assertEqual(self.here.get(path_of(first)).body, b"first")

    def test_no_token_is_401_with_a_challenge_and_deletes_nothing(self):
        path = path_of(self.upload(b"kept"))
        token = "/" + token_of(path)
        for answer in (self.send("DELETE", token), self.send("DELETE", token, "Authorization: Basic eDp5"),
                       self.send("POST", token, URLENCODED, body=b"delete="),
                       self.send("POST", token, URLENCODED, body=b"expires=1")):
            self.assert_code(answer, 401, "unauthorized")
            self.assertEqual(answer.get("WWW-Authenticate"), "Bearer")
        self.assertEqual(self.here.get(path).body, b"kept")

    def test_an_unknown_link_is_404_with_and_without_a_token(self):
        unknown = "/" + "A" * 22
        for way, (done, _) in self.ways(unknown + "/x", "B" * 22).items():
            with self.subTest(way=way):
                self.assert_code(done(), 404, "not_found")
        self.assert_code(self.send("DELETE", unknown), 404, "not_found")
        self.assert_code(self.send("POST", unknown, URLENCODED, body=b"delete="), 404, "not_found")

    def test_a_get_of_a_delete_url_never_deletes(self):
        answer = self.upload(b"kept")
        path = answer.get("X-Url-Delete").removeprefix(self.here.url)
        for method in ("GET", "HEAD", "PUT", "POST"):
            refused = self.send(method, path)
            self.assertEqual((refused.status, refused.get("Allow")), (405, "DELETE, OPTIONS"), method)
        self.assertEqual(self.here.get(path_of(answer)).body, b"kept")

    def test_a_form_that_says_nothing_is_400_and_deletes_nothing(self):
        answer = self.upload(b"kept")
        token, secret = "/" + token_of(path_of(answer)), answer.get("X-Token")
        for body in (b"", f"token={secret}".encode(), b"token=%zz&delete=", b"x" * 10_000):
            with self.subTest(body=body[:40]):
                self.assert_code(self.send("POST", token, URLENCODED, body=body), 400, "bad_form")
        torn = form_request(field_part("token", secret), field_part("delete", ""), target=token, closed=False)
        self.assert_code(self.here.exchange(torn), 400, "bad_form")
        self.assertEqual(self.here.get(path_of(answer)).body, b"kept")

    def test_the_curl_lines_that_people_know_delete(self):
        headers = self.directory / "headers"
        for arguments in (lambda url, secret: ["-X", "DELETE", f"{url}/{secret}"],
                          lambda url, secret: ["-X", "DELETE", "-H", f"Authorization: Bearer {secret}", url[:-6]],
                          lambda url, secret: ["-Ftoken=" + secret, "-Fdelete=", url[:-6]],
                          lambda url, secret: ["-d", f"token={secret}", "-d", "delete=", url[:-6]]):
            url = self.curl_ok("-D", headers, "-T", make_file(self.directory / "f.bin", 10), self.here.url + "/")
            url = url.decode().strip()
            secret = re.search(r"(?m)^X-Token: (\S+)", headers.read_text("ascii")).group(1)
            self.curl_ok("-f", *arguments(url, secret))
            self.assert_gone(url.removeprefix(self.here.url), file_too=False)

    def test_a_form_that_expects_a_100_deletes(self):
        answer = self.upload(b"x")
        self.curl_ok("-f", "-H", "Expect: 100-continue", "-H", "Transfer-Encoding: chunked",
                     f"-Ftoken={answer.get('X-Token')}", "-Fdelete=", self.here.url + "/" + token_of(path_of(answer)))
        self.assert_gone(path_of(answer), file_too=False)

    def test_a_running_download_finishes_behind_a_deletion_and_the_deletion_outlives_a_crash(self):
        content = random_bytes(8 * MIB, "running")
        answer = self.upload(content)
        path = path_of(answer)
        with self.here.connect(receive_buffer=4096) as wire:
            wire.send(request("GET", path, "Connection: close"))
            wire.take(100)
            self.assertEqual(self.send("DELETE", f"{path}/{answer.get('X-Token')}").status, 200)
            self.assert_gone(path)
            self.assertTrue(read_what_comes(wire).endswith(content[-4 * MIB:]), "all of the file came")
        self.here.kill9()
        self.here.start()
        self.assert_gone(path)


    def test_a_running_download_of_a_limited_link_finishes_too(self):
        for way in ("deleted", "expired"):
            with self.subTest(way=way), self.here.connect(receive_buffer=4096) as wire:
                content = random_bytes(8 * MIB, way)
                answer = self.upload(content, "Max-Downloads: 5", *(["Expires-In: 500ms"] if way == "expired" else []))
                path = path_of(answer)
                wire.send(request("GET", path, "Connection: close"))
                wire.take(100)
                if way == "deleted":
                    self.assertEqual(self.send("DELETE", f"{path}/{answer.get('X-Token')}").status, 200)
                # Asked without a download, which would use the link up.
                known = f"/api/links/{path.split('/')[1]}"
                wait_until(lambda: self.here.get(known).status == 404, "the link has ended", patience=10)
                self.assertTrue(read_what_comes(wire).endswith(content[-MIB:]), "all of the file came")


class Expiry(LinkCase):
    """A link ends when its uploader says."""

    def test_each_way_to_say_when_it_ends_is_understood(self):
        at = int(time.time() * 1000) + 5 * DAY_MS
        for fields, target, after in (
                (["Expires-In: 36h"], "/f", 36 * HOUR_MS), (["Expires-In: 15m"], "/f", 15 * 60_000),
                (["Expires-In: 90s"], "/f", 90_000), (["Expires-In: 7d"], "/f", 7 * DAY_MS),
                (["expires-in: 2"], "/f", 2 * HOUR_MS), ([], "/f?expires=36h", 36 * HOUR_MS),
                ([], "/f?expires=3", 3 * HOUR_MS), ([], f"/f?expires={at}", 5 * DAY_MS), (["Max-Days: 7"], "/f",
                                                                                          7 * DAY_MS),
                ([], "/?max_days=1", DAY_MS), (["Max-Days: 1"], "/f?expires=1h", HOUR_MS),
                (["Max-Days: 1", "Expires-In: 48h"], "/f", DAY_MS)):
            with self.subTest(fields=fields, target=target):
                self.assert_expires_in(self.upload(b"x", *fields, target=target), after)
        for name, value, after in (("expires", "36h", 36 * HOUR_MS), ("expires", "1", HOUR_MS), ("max_days", "7",
                                                                                                 7 * DAY_MS)):
            answer = self.here.exchange(form_request(file_part("f", b"x"), field_part(name, value)))
            self.assert_expires_in(answer, after)

    def test_at_its_end_link_and_file_vanish(self):
        paths = [path_of(self.upload(random_bytes(100 * KIB, target), target=target))
                 for target in ("/f?expires=300ms", "/f?expires=1s")]
        self.assertEqual(len(self.here.stored_files()), 2)
        for path in paths:
            wait_until(lambda: self.here.get(path).status == 404, "the link has ended", patience=10)
        self.assert_gone(path)

    def test_what_ends_while_the_server_is_down_is_gone_when_it_is_back(self):
        path = path_of(self.upload(b"x", target="/f?expires=200ms"))
        self.here.stop()
        ended = time.time() + 0.2
        wait_until(lambda: time.time() > ended, "its time is over")
        self.here.start()
        self.assert_gone(path)

    def test_a_bad_value_is_400_before_the_body_and_says_which(self):
        for field, parameter, code in (("Expires-In", "expires", "bad_expires"), ("Max-Days", "max_days",
                                                                                  "bad_max_days"),
                                       ("Max-Downloads", "max_downloads", "bad_max_downloads")):
            values = ["0", "-1", "", "x", "1.5", "99999999999999999999", "1 2", "0x10", "+1"]
            if parameter == "expires":
                values += ["0s", "-5m", "5y", "1h30m", "1650460320001", "h", "36H"]
            for value in values:
                for fields, target in (([f"{field}: {value}"], "/f"), ([], f"/f?{parameter}={quote(value)}")):
                    with self.subTest(field=field, value=value, target=target), self.here.connect() as wire:
                        wire.send(request("PUT", target, *fields, "Expect: 100-continue", "Content-Length: 1"))
                        self.assert_code(wire.read_response(), 400, code)
        self.assertEqual(self.here.stored(), [])

    def test_0x0s_form_changes_the_end(self):
        answer = self.upload(b"x")
        path, secret = path_of(answer), answer.get("X-Token")
        token = "/" + token_of(path)
        changed = self.send("POST", token, URLENCODED, body=f"token={secret}&expires=5".encode())
        self.assertEqual((changed.status, changed.body), (200, b""))
        self.assertIsNotNone(self.info(path)["expires_at"])
        for secret_then, value, status, code in (("A" * 22, "1", 403, "wrong_delete_token"),
                                                 (secret, "0", 400, "bad_expires"), (secret, "", 400, "bad_expires")):
            refused = self.send("POST", token, URLENCODED, body=f"token={secret_then}&expires={value}".encode())
            self.assert_code(refused, status, code)
        before = self.info(path)["expires_at"]
        self.curl_ok("-f", f"-Ftoken={secret}", "-Fexpires=48", self.here.url + token)
        self.assertGreater(self.info(path)["expires_at"], before)
        self.send("POST", token, URLENCODED, body=f"token={secret}&expires=200ms".encode())
        wait_until(lambda: self.here.get(path).status == 404, "the link has ended", patience=10)
        self.assert_gone(path)


class BoundedExpiry(LinkCase):
    """default_expiry and max_expiry: what the configuration says."""

    options = ("--default-expiry", "12h", "--max-expiry", "30d")

    def test_who_says_nothing_gets_the_default_and_nobody_more_than_the_maximum(self):
        self.assert_expires_in(self.upload(b"x"), 12 * HOUR_MS)
        for target in ("/f?expires=90d", "/f?max_days=36500", "/f?expires=4000000000000"):
            self.assert_expires_in(self.upload(b"x", target=target), 30 * DAY_MS)
        answer = self.upload(b"x")
        form = f"token={answer.get('X-Token')}&expires=90d".encode()
        self.send("POST", "/" + token_of(path_of(answer)), URLENCODED, body=form)
        self.assertLess(self.info(path_of(answer))["expires_at"], datetime.fromtimestamp(
            time.time() + 30.1 * 86400, timezone.utc).isoformat())

    def test_a_maximum_alone_is_the_default(self):
        self.options = ()
        self.here = self.server("--max-expiry", "10d")
        self.assert_expires_in(self.upload(b"x"), 10 * DAY_MS)


class MaxDownloads(LinkCase):
    """A link with n downloads left serves n whole copies: not one more, and not one less."""

    def limited(self, content, downloads=1):
        return path_of(self.upload(content, f"Max-Downloads: {downloads}"))

    def downloads_left(self, path):
        return self.info(path)["downloads_left"]

    def test_exactly_n_whole_downloads_are_served(self):
        for size in (0, 1, 64 * KIB - 1, 64 * KIB, 64 * KIB + 1, 3 * MIB):
            with self.subTest(size=size):
                content = random_bytes(size, size)
                path = self.limited(content, 3)
                for left in (3, 2, 1):
                    wait_until(lambda: self.downloads_left(path) == left, f"{left} are left", patience=10)
                    got = self.here.get(path)
                    self.assertEqual((got.status, got.body == content), (200, True))
                    self.assertEqual(got.get("Cache-Control"), "private, no-store")
                self.assert_gone(path, file_too=False)
        self.assert_gone(path)

    def test_what_has_not_the_last_byte_takes_none(self):
        content = random_bytes(200 * KIB, "free")
        path = self.limited(content)
        etag = self.send("HEAD", path).get("ETag")
        for _ in range(3):
            for status, fields in ((304, [f"If-None-Match: {etag}"]), (412, ['If-Match: "other"']),
                                   (416, [f"Range: bytes={len(content)}-"]),
                                   (206, [f"Range: bytes=0-{len(content) - 2}"]),
                                   (206, ["Range: bytes=0-0,5-6"]), (206, ["Range: bytes=0-0"])):
                self.assertEqual(self.send("GET", path, *fields).status, status)
            self.assertEqual(self.send("HEAD", path).status, 200)
            self.assertEqual(self.send("OPTIONS", path).status, 204)
        self.assertEqual(self.downloads_left(path), 1)
        self.assertEqual(self.here.get(path).body, content)
        self.assert_gone(path)

    def test_any_answer_with_the_last_byte_takes_one(self):
        content = random_bytes(200 * KIB, "last")
        for wanted in ("-1", "0-", f"{len(content) - 1}-", "0-0,-1", "-1,0-0"):
            with self.subTest(range=wanted):
                path = self.limited(content)
                got = self.send("GET", path, f"Range: bytes={wanted}")
                self.assertEqual(got.status, 206)
                self.assert_gone(path, file_too=False)

    def test_200_parallel_requests_for_one_download_give_one_whole_copy(self):
        for size in (0, 1, 30 * KIB, 64 * KIB + 1, 700 * KIB):
            with self.subTest(size=size):
                content = random_bytes(size, f"parallel {size}")
                path = self.limited(content)
                answers = self.in_parallel(path, 200)
                whole = [answer for answer in answers if answer.startswith(b"HTTP/1.1 200 ") and
                         len(answer.partition(b"\r\n\r\n")[2]) == size]
                self.assertEqual(len(whole), 1)
                self.assertEqual(whole[0].partition(b"\r\n\r\n")[2], content)
                for answer in answers:
                    self.assertTrue(answer.startswith((b"HTTP/1.1 404 ", b"HTTP/1.1 200 ")), answer[:100])
                self.assert_gone(path, file_too=False)
        self.assert_gone(path)

    def in_parallel(self, path, count):
        """What each of so many connections received until its end."""
        answers = []
        start = threading.Barrier(count)

        def download():
            with self.here.connect() as wire:
                start.wait()
                wire.send(request("GET", path, "Connection: close"))
                answers.append(read_what_comes(wire))

        threads = [threading.Thread(target=download) for _ in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(len(answers), count)
        return answers

    def abort(self, path, after_bytes):
        """Begins a download, takes some of it and resets the connection."""
        with self.here.connect(receive_buffer=4096) as wire:
            wire.send(request("GET", path))
            wire.take(after_bytes)
            wire.reset()

    def test_aborted_downloads_take_none_over_restarts_too(self):
        content = random_bytes(16 * MIB, "aborted")
        path = self.limited(content)
        for _ in range(3):
            self.abort(path, 100_000)
        self.here.restart()
        self.abort(path, 1_000_000)
        with self.here.connect(receive_buffer=4096) as wire:
            wire.send(request("GET", path))
            wire.take(1000)
            self.here.kill9()  # in the middle of a download
        self.here.start()
        self.assertEqual(self.downloads_left(path), 1)
        got = self.here.get(path)
        self.assertEqual((got.status, sha256_of(got.body)), (200, sha256_of(content)))
        self.assert_gone(path)

    def test_a_download_that_is_aborted_long_before_its_last_piece_takes_none_though_the_kernel_had_it_all(self):
        for size in (300 * KIB, MIB, 8 * MIB):
            with self.subTest(size=size):
                path = self.limited(random_bytes(size, size))
                with self.here.connect(receive_buffer=4096) as wire:
                    wire.send(request("GET", path))
                    wire.take(1000)
                    with contextlib.suppress(AssertionError):  # the server has sent all that the kernel takes
                        wait_until(lambda: self.send("HEAD", path).status == 404, "it is taken", patience=0.3)
                    wire.reset()
                wait_until(lambda: self.send("HEAD", path).status == 200, "it is given back", patience=5)
                self.assertEqual(len(self.here.get(path).body), size)

    def test_what_is_left_outlives_a_restart_and_a_crash(self):
        path = self.limited(b"three", 3)
        self.here.get(path)
        wait_until(lambda: self.downloads_left(path) == 2, "two are left")
        self.here.restart()
        self.assertEqual(self.downloads_left(path), 2)
        self.assertEqual(self.here.get(path).status, 200)
        wait_until(lambda: self.downloads_left(path) == 1, "one is left")
        self.here.kill9()
        self.here.start()
        self.assertEqual(self.here.get(path).body, b"three")
        self.assert_gone(path)
        self.here.restart()
        self.assert_gone(path)

    def test_a_download_that_finds_none_left_at_its_end_is_cut_there(self):
        content = random_bytes(16 * MIB, "cut")
        path = self.limited(content)
        with self.here.connect(receive_buffer=4096) as slow:
            slow.send(request("GET", path))
            slow.take(1000)
            self.assertEqual(self.here.get(path).body, content)
            rest = read_what_comes(slow)
            self.assertLess(1000 + len(rest), len(content), "less than the whole file came")
        self.assert_gone(path)

    def test_head_tells_the_size_and_a_used_up_link_is_404_for_all_methods(self):
        path = self.limited(b"once")
        self.assertEqual(self.send("HEAD", path).get("Content-Length"), "4")
        self.here.get(path)
        for method in ("GET", "HEAD"):
            self.assertEqual(self.send(method, path).status, 404)

    def test_curl_downloads_once_and_is_refused_then(self):
        url = self.here.url + self.limited(b"once")
        self.assertEqual(self.curl_ok("-f", url), b"once")
        self.assertEqual(self.curl("-f", url).returncode, 22)

    @unittest.skipUnless(shutil.which("aria2c"), "aria2c is not installed")
    def test_aria2c_with_16_connections_takes_one_download(self):
        source = make_file(self.directory / "source", 64 * MIB)
        for options in ((), ("-k4M",)):
            with self.subTest(options=options):
                path = self.upload_limited(source, 2)
                self.aria2c(self.here.url + path, source, *options)
                self.assertEqual(self.downloads_left(path), 1)
                self.aria2c(self.here.url + path, source, *options)
                self.assert_gone(path, file_too=False)

    def upload_limited(self, source, downloads):
        url = self.curl_ok("-H", f"Max-Downloads: {downloads}", "-T", source, self.here.url + "/").decode()
        return url.strip().removeprefix(self.here.url)

    def aria2c(self, url, source, *options):
        target = self.directory / "out"
        target.unlink(missing_ok=True)
        done = subprocess.run(["aria2c", "-q", "-x16", "-s16", *options, "--file-allocation=none", "--all-proxy=",
                               "-d", self.directory, "-o", "out", url], capture_output=True, check=False,
                              stdin=subprocess.DEVNULL)
        self.assertEqual(done.returncode, 0, done)
        self.assertEqual(sha256_of(target), sha256_of(source))


if __name__ == "__main__":
    main()
