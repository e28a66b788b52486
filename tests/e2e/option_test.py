#!/usr/bin/env python3
"""What the operator configures and the client asks for beside the file: token, digests, CORS, origins, errors."""

import base64
import hashlib
import json
import re

from harness import KIB, MIB, EndToEnd, chunked, main, make_file, random_bytes, request, sha256_of
from http_tools import BOUNDARY, TOKEN, all_of, file_part, form_body, form_request, links_of, token_of

FORM = f"Content-Type: multipart/form-data; boundary={BOUNDARY}"
EXPECT = "Expect: 100-continue"


def digest_of(body, algorithm="sha-256"):
    """The member of a digest field (RFC 9530)."""
    raw = hashlib.new(algorithm.replace("-", ""), body).digest()
    return f"{algorithm}=:{base64.b64encode(raw).decode()}:"


class OptionCase(EndToEnd):
    """Asks servers and looks at refusals."""

    def assert_code(self, answer, status, code):
        self.assertEqual(answer.status, status, answer)
        self.assertIn(f"ringdrop: {status} {code}: ".encode(), answer.body)

    def first_answer(self, server, method, target, *fields, size=100):
        """The first answer to a head that expects a 100: a refusal comes instead of it."""
        with server.connect() as wire:
            return wire.send(request(method, target, *fields, EXPECT, f"Content-Length: {size}")).read_response()

    @staticmethod
    def listed(value):
        """The elements of a list field, in lower case."""
        return [element.strip().lower() for element in (value or "").split(",") if element.strip()]


class UploadToken(OptionCase):
    """Uploads need the secret; downloads do not."""

    def setUp(self):
        super().setUp()
        self.here = self.server("--upload-token", "s3cret:with:colons")
        self.good = ["Authorization: Bearer s3cret:with:colons",
                     "authorization: bEARER  s3cret:with:colons",
                     "Authorization: Basic " + base64.b64encode(b":s3cret:with:colons").decode(),
                     "Authorization: basic " + base64.b64encode(b"any name:s3cret:with:colons").decode()]

    def test_without_it_every_way_to_upload_is_401_before_a_byte_is_sent(self):
        wrong = [(), ["Authorization: Bearer wrong"], ["Authorization: Bearer"], ["Authorization: Bearer s3cret"],
                 ["Authorization: Basic " + base64.b64encode(b"s3cret:with:colons").decode()],
                 ["Authorization: Basic !!!"], ["Authorization: s3cret:with:colons"], ["Authorization: Digest x=y"],
                 ["Authorization: Bearer s3cret:with:colonsX"]]
        for fields in wrong:
            for method, target, more in (("PUT", "/f", ()), ("PUT", "/", ()), ("POST", "/", ()), ("POST", "/", [FORM])):
                with self.subTest(fields=fields, method=method, target=target):
                    answer = self.first_answer(self.here, method, target, *fields, *more)
                    self.assert_code(answer, 401, "unauthorized")
                    schemes = " ".join(all_of(answer, "WWW-Authenticate"))
                    self.assertIn("Basic realm=", schemes)
                    self.assertIn("Bearer", schemes)
        self.assertEqual(self.here.stored(), [])

    def test_bearer_and_basic_are_taken_and_the_link_is_free_for_all(self):
        for field in self.good:
            for data in (request("PUT", "/f", field, body=b"x"), form_request(file_part("f", b"x"), fields=[field])):
                with self.subTest(field=field):
                    answer = self.here.exchange(data)
                    [link] = links_of(answer)
                    self.assertEqual(self.here.get(link).body, b"x")
                    self.assertEqual(self.here.get(f"/api/links/{token_of(link)}").status, 200)
                    secret = f"Authorization: Bearer {answer.get('X-Token')}"
                    deleted = self.here.exchange(request("DELETE", f"/{token_of(link)}", secret))
                    self.assertEqual(deleted.status, 204, "deleting needs the delete token alone")

    def test_curl_sends_no_byte_without_it_and_all_with_it(self):
        file = make_file(self.directory / "f", 2 * MIB)
        done = self.curl("-T", file, "-w", "%{http_code} %{size_upload}", self.here.url + "/")
        self.assertTrue(done.stdout.endswith(b"401 0"), done)
        self.assertIn(b"ringdrop: 401 unauthorized", done.stdout)
        for arguments in (["-u", ":s3cret:with:colons"], ["-u", "me:s3cret:with:colons"],
                          ["--oauth2-bearer", "s3cret:with:colons"]):
            url = self.curl_ok("-f", *arguments, "-T", file, self.here.url + "/").decode().strip()
            self.assertEqual(self.fetch_sha256(url), sha256_of(file))

    def test_the_secret_is_in_no_answer_and_in_no_log(self):
        for path in ("/", "/metrics", "/nothing"):
            self.assertNotIn(b"s3cret", self.here.get(path).body)
        self.assertNotIn("s3cret", self.here.whole_log())


class Digests(OptionCase):
    """RFC 9530."""

    def setUp(self):
        super().setUp()
        self.here = self.server()

    def test_a_right_digest_is_taken_and_given_back(self):
        for size in (0, 1, 5 * MIB + 3):
            body = random_bytes(size, size)
            for name in ("Repr-Digest", "Content-Digest"):
                for algorithm in ("sha-256", "sha-512"):
                    with self.subTest(size=size, name=name, algorithm=algorithm):
                        answer = self.here.exchange(request("PUT", "/f", f"{name}: {digest_of(body, algorithm)}",
                                                            body=body))
                        [link] = links_of(answer)
                        self.assertEqual(answer.get("Repr-Digest"), digest_of(body, algorithm))
                        self.assertEqual(self.here.get(link).get("Repr-Digest"), digest_of(body, algorithm))
        body = b"both"
        both = f"{digest_of(body, 'sha-512')}, {digest_of(body)}"
        answer = self.here.exchange(request("PUT", "/f", f"Repr-Digest: {both}", f"Content-Digest: {both}", body=body))
        self.assertEqual(set(answer.get("Repr-Digest").split(", ")), set(both.split(", ")))

    def test_a_wrong_digest_is_400_and_nothing_stays(self):
        body = random_bytes(3 * MIB, "wrong")
        for fields in ([f"Repr-Digest: {digest_of(b'x')}"], [f"Content-Digest: {digest_of(b'x', 'sha-512')}"],
                       [f"Repr-Digest: {digest_of(body)}, {digest_of(b'x', 'sha-512')}"],
                       [f"Repr-Digest: {digest_of(body)}", f"Content-Digest: {digest_of(b'x')}"]):
            for data in (request("PUT", "/f", *fields, body=body),
                         request("PUT", "/f", *fields, "Transfer-Encoding: chunked") + chunked(body),
                         request("POST", "/", *fields, body=body)):
                with self.subTest(fields=fields):
                    self.assert_code(self.here.exchange(data), 400, "digest_mismatch")
                    self.assertEqual(self.here.stored(), [])

    def test_a_digest_of_a_form_is_that_of_its_body(self):
        body = form_body(file_part("f", b"x" * 100_000))
        for digest, status in ((digest_of(body), 201), (digest_of(b"x" * 100_000), 400)):
            for name in ("Content-Digest", "Repr-Digest"):
                answer = self.here.exchange(request("POST", "/", FORM, f"{name}: {digest}", body=body))
                self.assertEqual(answer.status, status, answer)
        self.assertEqual(len(self.here.stored_files()), 2)

    def test_what_is_no_digest_is_400_before_the_body_and_unknown_ones_are_ignored(self):
        for value in ("sha-256=:AAAA:", "sha-256=x", "sha-256", "sha-256=:!!!:", "nonsense;;", "sha-512=1", "=:AAAA:"):
            for name in ("Repr-Digest", "Content-Digest"):
                with self.subTest(value=value, name=name):
                    answer = self.first_answer(self.here, "PUT", "/f", f"{name}: {value}")
                    self.assert_code(answer, 400, "bad_digest")
        for value in ("sha-256=11", "sha-256=-1", "sha-256=:AAAA:", "((", "sha-512=1.5"):
            answer = self.first_answer(self.here, "PUT", "/f", f"Want-Repr-Digest: {value}")
            self.assert_code(answer, 400, "bad_want_digest")
        for field in ("Repr-Digest: md5=:AAAA:", "Content-Digest: crc32c=:AAAA:", "Want-Repr-Digest: md5=3"):
            answer = self.here.exchange(request("PUT", "/f", field, body=b"x"))
            self.assertEqual((answer.status, answer.get("Repr-Digest")), (201, None), field)

    def test_a_wanted_digest_is_computed_and_answered_from_then_on(self):
        body = random_bytes(MIB + 1, "wanted")
        for want, algorithm in (("sha-256=1", "sha-256"), ("sha-512=1", "sha-512"), ("sha-512=3, sha-256=7", "sha-256"),
                                ("sha-256=3, sha-512=7", "sha-512"), ("md5=10, sha-256=1", "sha-256"),
                                ("sha-256=0, sha-512=1", "sha-512")):
            with self.subTest(want=want):
                answer = self.here.exchange(request("PUT", "/f", f"Want-Repr-Digest: {want}", body=body))
                [link] = links_of(answer)
                self.assertEqual(answer.get("Repr-Digest"), digest_of(body, algorithm))
                for method in ("GET", "HEAD"):
                    got = self.here.exchange(request(method, link, "Want-Repr-Digest: sha-256=1, sha-512=1"),
                                             to_head=method == "HEAD")
                    self.assertEqual(got.get("Repr-Digest"), digest_of(body, algorithm))
                part = self.here.exchange(request("GET", link, "Range: bytes=0-1"))
                self.assertEqual(part.get("Repr-Digest"), digest_of(body, algorithm), "of the file, not of the part")
                told = json.loads(self.here.get(f"/api/links/{token_of(link)}").body)
                self.assertEqual(told["digest"], {algorithm: hashlib.new(algorithm.replace("-", ""), body).hexdigest()})
        for want in ("sha-256=0", "md5=1"):
            answer = self.here.exchange(request("PUT", "/f", f"Want-Repr-Digest: {want}", body=body))
            self.assertIsNone(answer.get("Repr-Digest"), want)

    def test_always_and_never(self):
        body = random_bytes(100 * KIB, "policy")
        always, never = self.server("--digest", "always"), self.server("--digest", "never")
        for server, fields, expected in ((always, [], digest_of(body)), (never, ["Want-Repr-Digest: sha-256=1"], None),
                                         (self.here, [], None)):
            answer = server.exchange(request("PUT", "/f", *fields, body=body))
            self.assertEqual(answer.get("Repr-Digest"), expected)
            form = server.exchange(form_request(file_part("f", body), fields=fields))
            self.assertEqual(form.get("Repr-Digest"), expected)
        for server in (always, never, self.here):
            wrong = server.exchange(request("PUT", "/f", f"Repr-Digest: {digest_of(b'x')}", body=body))
            self.assert_code(wrong, 400, "digest_mismatch")
        both = always.exchange(request("PUT", "/f", "Want-Repr-Digest: sha-512=1", body=body)).get("Repr-Digest")
        self.assertEqual(set(both.split(", ")), {digest_of(body), digest_of(body, "sha-512")})


class Cors(OptionCase):
    """Which web pages' scripts may use this server."""

    ORIGIN = "https://app.example"
    EXPOSED = ("location, upload-offset, upload-length, upload-complete, upload-limit, upload-expires, "
               "upload-metadata, upload-link, upload-watch, x-url-delete, x-expires, repr-digest, tus-resumable, "
               "tus-version, tus-extension, tus-max-size, tus-checksum-algorithm").split(", ")

    def answers(self, server, origin):
        """One of each kind of answer to a request of that origin."""
        fields = [f"Origin: {origin}"] if origin else []
        created = server.exchange(request("PUT", "/f", *fields, body=b"x"))
        [link] = links_of(created)
        return {"201": created, "200": server.exchange(request("GET", link, *fields)),
                "206": server.exchange(request("GET", link, "Range: bytes=0-0", *fields)),
                "help": server.exchange(request("GET", "/", *fields)),
                "json": server.exchange(request("GET", f"/api/links/{token_of(link)}", *fields)),
                "404": server.exchange(request("GET", "/" + "A" * 22, *fields)),
                "400": server.exchange(request("PUT", "/f?expires=x", *fields, body=b"x")),
                "403": server.exchange(request("DELETE", link + "/" + "A" * 22, *fields)),
                "405": server.exchange(request("PATCH", "/", *fields)),
                "413": server.exchange(request("PUT", "/f", *fields, body=bytes(2 * KIB)))}

    def assert_allowed(self, answer, allowed):
        self.assertEqual(answer.get("Access-Control-Allow-Origin"), allowed)
        self.assertIsNone(answer.get("Access-Control-Allow-Credentials"))
        if allowed:
            exposed = self.listed(answer.get("Access-Control-Expose-Headers"))
            self.assertEqual([name for name in self.EXPOSED if name not in exposed], [])

    def test_a_listed_origin_is_allowed_on_every_answer(self):
        server = self.server("--cors-origins", self.ORIGIN, "--cors-origins", "http://127.0.0.1:3000",
                             "--max-upload-size", "1KiB")
        for origin, allowed in ((self.ORIGIN, self.ORIGIN), ("http://127.0.0.1:3000", "http://127.0.0.1:3000"),
                                ("https://app.example.evil", None), ("https://app.example:8443", None),
                                ("http://app.example", None), ("null", None), ("*", None), (None, None)):
            for what, answer in self.answers(server, origin).items():
                with self.subTest(origin=origin, what=what):
                    self.assert_allowed(answer, allowed)
                    vary = [name for value in all_of(answer, "Vary") for name in self.listed(value)]
                    self.assertIn("origin", vary)

    def test_a_star_allows_all_and_nothing_configured_none(self):
        for options, allowed in ((["--cors-origins", "*"], "*"), ([], None)):
            server = self.server("--max-upload-size", "1KiB", *options)
            for what, answer in self.answers(server, "https://any.example").items():
                with self.subTest(options=options, what=what):
                    self.assert_allowed(answer, allowed)

    def preflight(self, server, target, method, origin=ORIGIN, headers="content-type, x-custom, expires-in"):
        return server.exchange(request("OPTIONS", target, f"Origin: {origin}",
                                       f"Access-Control-Request-Method: {method}",
                                       f"Access-Control-Request-Headers: {headers}"))

    def test_a_preflight_of_every_request_that_we_take_is_granted(self):
        server = self.server("--cors-origins", self.ORIGIN)
        [link] = links_of(server.exchange(request("PUT", "/f", body=b"x")))
        token = "/" + token_of(link)
        for method, target in (("POST", "/"), ("PUT", "/"), ("PUT", "/film.mkv"), ("PUT", "/two%20words.txt"),
                               ("GET", link), ("GET", token), ("DELETE", token), ("DELETE", link + "/" + "A" * 22),
                               ("POST", token), ("GET", f"/api/links{token}"), ("PUT", "/healthz")):
            with self.subTest(method=method, target=target):
                answer = self.preflight(server, target, method)
                self.assertEqual(answer.status, 204, answer)
                self.assertEqual(answer.get("Access-Control-Allow-Origin"), self.ORIGIN)
                self.assertIn(method.lower(), self.listed(answer.get("Access-Control-Allow-Methods")))
                self.assertEqual(self.listed(answer.get("Access-Control-Allow-Headers")),
                                 ["content-type", "x-custom", "expires-in"])
                self.assertEqual(answer.get("Access-Control-Max-Age"), "86400")
                self.assertIsNone(answer.get("Access-Control-Allow-Credentials"))

    def test_a_preflight_of_others_is_not(self):
        for options in ([], ["--cors-origins", self.ORIGIN]):
            answer = self.preflight(self.server(*options), "/", "PUT", origin="https://evil.example")
            for name in ("Origin", "Methods", "Headers"):
                self.assertIsNone(answer.get(f"Access-Control-Allow-{name}"))

    def test_a_preflight_needs_no_upload_token(self):
        server = self.server("--cors-origins", "*", "--upload-token", "s")
        answer = self.preflight(server, "/", "POST", headers="authorization")
        self.assertEqual((answer.status, answer.get("Access-Control-Allow-Headers")), (204, "authorization"))


class Origins(OptionCase):
    """With which scheme, host and prefix links begin."""

    def urls(self, server, *fields):
        """Every URL that an upload with these fields is told."""
        answer = server.exchange(request("PUT", "/f", *fields, body=b"x"))
        form = server.exchange(form_request(file_part("f", b"x"), fields=["Accept: application/json", *fields]))
        [file] = json.loads(form.body)["files"]
        return [answer.get("Location"), answer.body.decode().strip(), answer.get("X-Url-Delete"), form.get("Location"),
                file["url"], file["delete_url"]]

    def assert_base(self, server, base, *fields):
        with self.subTest(fields=fields):
            for url in self.urls(server, *fields):
                self.assertRegex(url, rf"^{re.escape(base)}/{TOKEN}/f(/{TOKEN})?$")
            text = server.exchange(request("GET", "/", *fields)).body.decode()
            self.assertIn(f"curl -T film.mkv {base}/\n", text)

    LIES = ["X-Forwarded-Proto: https", "X-Forwarded-Host: evil.example", "Forwarded: proto=https;host=evil.example"]

    def test_public_url_with_a_prefix_is_carried_by_every_url(self):
        server = self.server("--public-url", "https://files.example/drop/v1", "--trusted-proxies", "127.0.0.1")
        self.assert_base(server, "https://files.example/drop/v1")
        self.assert_base(server, "https://files.example/drop/v1", *self.LIES)

    def test_strangers_are_not_believed(self):
        for options in ([], ["--trusted-proxies", "10.0.0.0/8", "--trusted-proxies", "unix"]):
            server = self.server(*options)
            self.assert_base(server, "http://ringdrop.test", *self.LIES)
            self.assert_base(server, "http://ringdrop.test")

    def test_a_trusted_proxy_is_believed(self):
        for proxy in ("127.0.0.1", "127.0.0.0/8"):
            server = self.server("--trusted-proxies", proxy)
            for base, fields in (
                    ("https://evil.example", self.LIES), ("http://ringdrop.test", []),
                    ("https://ringdrop.test", ["X-Forwarded-Proto: https"]),
                    ("http://files.example:81", ["X-Forwarded-Host: files.example:81"]),
                    ("https://b.example", ["X-Forwarded-Proto: http, https", "X-Forwarded-Host: a.example, b.example"]),
                    ("https://f.example", ["Forwarded: for=1.2.3.4;proto=https;host=f.example"]),
                    ("https://f.example", ["Forwarded: proto=https;host=f.example", "X-Forwarded-Proto: http",
                                           "X-Forwarded-Host: x.example"]),
                    ("https://last.example", ["Forwarded: host=first.example",
                                              "Forwarded: proto=https;host=last.example"]),
                    ("https://[2001:db8::1]:8443", ['Forwarded: proto=https;host="[2001:db8::1]:8443"']),
                    ("http://ringdrop.test", ["X-Forwarded-Proto: javascript", "X-Forwarded-Host: a b"]),
                    ("http://ringdrop.test", ["X-Forwarded-Host: a/b", "X-Forwarded-Proto: "]),
                    ("http://ringdrop.test", ['Forwarded: host="a.example'])):
                self.assert_base(server, base, *fields)

    def test_a_unix_socket_can_be_a_trusted_proxy(self):
        for options, base in (([], "http://ringdrop.test"), (["--trusted-proxies", "unix"], "https://f.example")):
            socket = self.directory / f"s{len(options)}"
            server = self.server(*options, start=False, listen=[f"unix:{socket}"])
            server.start()
            self.assert_base(server, base, "X-Forwarded-Proto: https", "X-Forwarded-Host: f.example")


class Errors(OptionCase):
    """One line of text for a person, problem+json for a program; always the same code."""

    def setUp(self):
        super().setUp()
        self.here = self.server("--max-upload-size", "1MiB", "--upload-token", "t")
        self.auth = "Authorization: Bearer t"

    def test_each_refusal_comes_as_text_or_as_a_problem(self):
        [link] = links_of(self.here.exchange(request("PUT", "/f", self.auth, body=b"x")))
        table = [(404, "not_found", "GET", "/nothing", []), (404, "not_found", "GET", "/" + "A" * 22, []),
                 (405, "method_not_allowed", "PATCH", "/", []), (501, "unsupported_method", "PROPFIND", "/", []),
                 (401, "unauthorized", "PUT", "/f", []), (413, "size_limit_exceeded", "PUT", "/f",
                                                          [self.auth, f"Content-Length: {2 * MIB}", EXPECT]),
                 (400, "bad_expires", "PUT", "/f", [self.auth, "Expires-In: x"]),
                 (400, "bad_name", "PUT", "/%00", [self.auth]), (400, "content_range", "PUT", "/f",
                                                                 [self.auth, "Content-Range: bytes 0-0/1"]),
                 (400, "bad_multipart", "POST", "/", [self.auth, "Content-Type: multipart/form-data"]),
                 (400, "no_file", "POST", "/", [self.auth, FORM]), (412, "precondition_failed", "GET", link,
                                                                    ['If-Match: "x"']),
                 (416, "range_not_satisfiable", "GET", link, ["Range: bytes=5-"]),
                 (403, "wrong_delete_token", "DELETE", link + "/" + "A" * 22, [])]
        for status, code, method, target, fields in table:
            body = form_body() if code == "no_file" else b""
            for accept, is_json in ((None, False), ("*/*", False), ("application/json", True),
                                    ("application/problem+json", True), ("text/html, application/json;q=0.1", True)):
                more = [f"Accept: {accept}"] if accept else []
                with self.subTest(code=code, accept=accept):
                    answer = self.here.exchange(request(method, target, *fields, *more, body=body))
                    self.assertEqual(answer.status, status, answer)
                    self.assertEqual(answer.get("X-Content-Type-Options"), "nosniff")
                    if not is_json:
                        self.assertEqual(answer.get("Content-Type"), "text/plain; charset=utf-8")
                        self.assertRegex(answer.body.decode("ascii"), rf"^ringdrop: {status} {code}: [ -~]+\n$")
                        continue
                    self.assertEqual(answer.get("Content-Type"), "application/problem+json")
                    problem = json.loads(answer.body)
                    self.assertEqual((problem["status"], problem["code"]), (status, code))
                    self.assertTrue(problem["title"] and problem["detail"] and problem["type"])
                    self.assertIn(b"ringdrop", answer.body)

    def test_the_first_answer_is_the_refusal_and_no_100(self):
        full = self.server("--min-free-space", "1000TiB")
        for server, status, code, fields, size in (
                (self.here, 401, "unauthorized", [], 10), (self.here, 413, "size_limit_exceeded", [self.auth], MIB + 1),
                (self.here, 400, "bad_max_days", [self.auth, "Max-Days: x"], 10), (full, 507, "storage_full", [], 10)):
            with self.subTest(code=code):
                self.assert_code(self.first_answer(server, "PUT", "/f", *fields, size=size), status, code)
                self.assert_code(self.first_answer(server, "POST", "/", *fields, size=size), status, code)
                self.assertEqual(server.stored(), [])
        with self.here.connect() as wire:
            wire.send(request("PUT", "/f", self.auth, EXPECT, "Content-Length: 1"))
            self.assertEqual(wire.read_response().status, 100)
            self.assertEqual(wire.send(b"x").read_response().status, 201)

    def test_a_form_is_refused_before_its_body_where_the_head_tells_enough(self):
        for status, code, fields in ((401, "unauthorized", [FORM]),
                                     (400, "bad_expires", [FORM, self.auth, "Expires-In: -1"]),
                                     (400, "bad_digest", [FORM, self.auth, "Repr-Digest: sha-256=x"]),
                                     (400, "bad_multipart", ["Content-Type: multipart/form-data", self.auth])):
            self.assert_code(self.first_answer(self.here, "POST", "/", *fields), status, code)


class Service(OptionCase):
    """What machines ask."""

    def test_robots_health_readiness_and_metrics(self):
        server = self.server("--loops", "2")
        robots = server.get("/robots.txt")
        self.assertEqual((robots.status, robots.body), (200, b"User-agent: *\nDisallow: /\n"))
        self.assertTrue(robots.get("Content-Type").startswith("text/plain"))
        self.assertEqual([server.get(path).status for path in ("/healthz", "/readyz")], [200, 200])
        metrics = server.get("/metrics")
        self.assertEqual((metrics.status, metrics.get("Content-Type")), (200, "text/plain; version=0.0.4"))
        lines = metrics.body.decode("ascii").splitlines()
        samples = [line for line in lines if not line.startswith("#")]
        for line in samples:
            self.assertRegex(line, r'^[a-z_]+(\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\})? [-+.0-9e]+$')
        values = {name: float(value) for name, value in (line.rsplit(" ", 1) for line in samples)}
        for name in ("longest_busy_seconds", "long_turns_total", "most_ready"):
            for loop in "01":
                self.assertGreaterEqual(values[f'ringdrop_loop_{name}{{loop="{loop}"}}'], 0)
        for loop in "01":  # of the default memory_budget
            self.assertEqual(values[f'ringdrop_buffer_pool_bytes{{loop="{loop}"}}'], 32 * MIB)
            self.assertLessEqual(values[f'ringdrop_buffer_pool_lent_bytes{{loop="{loop}"}}'], 32 * MIB)
        self.assertGreaterEqual(values["ringdrop_kernel_workers"], 1)  # an open goes to one
        for path in ("/robots.txt", "/healthz", "/readyz", "/metrics"):
            head = server.exchange(request("HEAD", path), to_head=True)
            self.assertEqual(head.status, 200)
            if path != "/metrics":  # what is measured moves
                self.assertEqual(head.get("Content-Length"), str(len(server.get(path).body)))
            self.assertEqual(server.exchange(request("DELETE", path)).status, 405)


if __name__ == "__main__":
    main()
