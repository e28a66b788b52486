#!/usr/bin/env python3
"""ringdrop behind the real nginx and the real Caddy, each with the very snippet of deploy/ in its configuration.

Only addresses, ports and certificates of the snippets are changed. A proxy runs as the user who runs the test, with all
that it writes in the test's directory.
"""

import os
import pwd
import re
import shutil
import socket
import ssl
import subprocess
import unittest
from urllib.parse import quote

from harness import CHECKOUT, KIB, MIB, PATIENCE, EndToEnd, Wire, main, make_file, random_bytes, sha256_of, wait_until
from watch_tools import EventWatcher, WebsocketWatcher

BACKEND = "127.0.0.1:8080"  # in the snippets
ALONE = "files.example"
SHARED = "www.example"
PREFIX = "/drop"
# nginx is in a directory that the PATH of a user has not.
PATH = os.environ["PATH"] + ":/usr/sbin:/sbin:/usr/local/sbin"


def free_port():
    """A port that nobody listens on now. Somebody may a moment later: who uses it tries again."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def replaced(text, old, new):
    """All of `old`; that there is some is what keeps snippet and test together."""
    if old not in text:
        raise AssertionError(f"the snippet has no {old!r}")
    return text.replace(old, new)


class Proxy:
    """A proxy process with a directory of its own. A subclass says how it is configured and when it listens."""

    name = ""

    def __init__(self, directory, backend):
        self.directory = directory
        self.backend = backend
        self.port = 0
        self.process = None
        self.log_path = directory / f"{self.name}.log"

    def start(self):
        for _ in range(10):
            self.port = free_port()
            command = self.configure()
            environment = {"PATH": PATH, "HOME": str(self.directory), "XDG_DATA_HOME": str(self.directory / "data"),
                           "XDG_CONFIG_HOME": str(self.directory / "config")}
            with open(self.log_path, "wb") as log:
                self.process = subprocess.Popen(command, cwd=self.directory, stdin=subprocess.DEVNULL, stdout=log,
                                                stderr=log, env=environment)
            wait_until(lambda: self.listens() or self.process.poll() is not None, f"{self.name} listens:\n{self.log()}")
            if self.process.poll() is None:
                return self
            if "already in use" not in self.log().lower():
                break
        raise AssertionError(f"{self.name} ended with {self.process.returncode} at once:\n{self.log()}")

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def log(self):
        return self.log_path.read_text("utf-8", "replace")


class Nginx(Proxy):
    """nginx with deploy/nginx.conf.example in its http block."""

    name = "nginx"

    def configure(self):
        for host in (ALONE, SHARED):
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                            "-nodes", "-days", "2", "-subj", f"/CN={host}", "-keyout", self.directory / f"{host}.key",
                            "-out", self.directory / f"{host}.pem"], check=True, capture_output=True)
        snippet = (CHECKOUT / "deploy/nginx.conf.example").read_text("utf-8")
        snippet = replaced(snippet, BACKEND, self.backend)
        snippet = replaced(snippet, "listen 443", f"listen 127.0.0.1:{self.port}")
        snippet = re.sub(r"listen \[::\]:443.*", "", snippet)  # not every machine that tests has IPv6
        snippet = replaced(snippet, "/etc/ssl", str(self.directory))
        (self.directory / "snippet.conf").write_text(snippet, "utf-8")
        me = pwd.getpwuid(os.geteuid()).pw_name
        user = f"user {me};" if os.geteuid() == 0 else ""  # root's workers would be somebody who may not see our files
        (self.directory / "nginx.conf").write_text(f"""
            {user}
            daemon off;
            worker_processes 1;
            pid {self.directory}/nginx.pid;
            error_log stderr warn;
            events {{ worker_connections 512; }}
            http {{
              access_log off;
              gzip on;  # what a site may have, and must not touch us
              gzip_types *;
              gzip_proxied any;
              default_type application/octet-stream;
              client_body_temp_path {self.directory}/body;
              proxy_temp_path {self.directory}/proxy;
              fastcgi_temp_path {self.directory}/fastcgi;
              uwsgi_temp_path {self.directory}/uwsgi;
              scgi_temp_path {self.directory}/scgi;
              include {self.directory}/snippet.conf;
            }}""", "utf-8")
        (self.directory / "nginx.pid").unlink(missing_ok=True)
        return ["nginx", "-p", str(self.directory), "-e", "stderr", "-c", str(self.directory / "nginx.conf")]

    def listens(self):
        pid = self.directory / "nginx.pid"  # written when all ports are bound
        return pid.exists() and pid.stat().st_size > 0


class Caddy(Proxy):
    """Caddy with deploy/Caddyfile.example behind global options that need no Internet and no port below 1024."""

    name = "caddy"

    def configure(self):
        snippet = (CHECKOUT / "deploy/Caddyfile.example").read_text("utf-8")
        (self.directory / "snippet").write_text(replaced(snippet, BACKEND, self.backend), "utf-8")
        (self.directory / "Caddyfile").write_text(f"""{{
            admin off
            local_certs
            skip_install_trust
            auto_https disable_redirects
            https_port {self.port}
            default_bind 127.0.0.1
            servers {{
                protocols h1 h2
            }}
        }}
        import {self.directory}/snippet
        """, "utf-8")
        return ["caddy", "run", "--adapter", "caddyfile", "--config", str(self.directory / "Caddyfile")]

    def listens(self):
        log = self.log()  # it has its certificates a moment after it listens
        return "serving initial configuration" in log and log.count("certificate obtained successfully") == 2


class Behind:
    """What must hold behind each proxy. `proxy_class` is a Proxy."""

    proxy_class = None

    def alone(self, *options):
        """A server behind the proxy as https://files.example; (server, base URL of the proxy)."""
        server = self.server("--trusted-proxies", "127.0.0.1", *options)
        return server, f"https://{ALONE}:{self.start_proxy(server).port}"

    def start_proxy(self, server):
        directory = self.directory / self.proxy_class.name
        directory.mkdir()
        self.proxy = self.proxy_class(directory, server.authority)
        self.addCleanup(lambda: self._logs.append(self.proxy.log()))
        self.addCleanup(self.proxy.stop)
        return self.proxy.start()

    def curl_options(self):
        """curl's: the two hosts are the proxy, and its certificate is its own."""
        return ["-k", *(word for host in (ALONE, SHARED)
                        for word in ("--resolve", f"{host}:{self.proxy.port}:127.0.0.1"))]

    def through(self, *arguments, **keywords):
        """curl's standard output."""
        return self.curl_ok(*self.curl_options(), *arguments, **keywords)

    def status(self, *arguments):
        return int(self.through("-o", self.directory / "said", "-w", "%{http_code}", *arguments))

    def said(self):
        return (self.directory / "said").read_bytes()

    def fields(self, *arguments, stdin_bytes=None):
        """The fields of the last head that curl sees, names in lower case; the body goes to said()."""
        heads = self.directory / "heads"
        self.through("-D", heads, "-o", self.directory / "said", *arguments, input=stdin_bytes)
        head = heads.read_bytes().decode("latin-1").rstrip().split("\r\n\r\n")[-1]
        lines = [line.partition(":") for line in head.split("\r\n")[1:]]
        return {name.lower(): value.strip() for name, _, value in lines}

    def sha256_through(self, url):
        with subprocess.Popen(["curl", "-q", "-sSf", "--noproxy", "*", *self.curl_options(), url],
                              stdout=subprocess.PIPE) as process:
            digest = sha256_of(process.stdout)
        self.assertEqual(process.returncode, 0, f"curl {url}")
        return digest

    # The tests ------------------------------------------------------------------------------------------------------

    def test_64_mib_there_and_back_with_a_length_and_chunked_over_http_1_and_2(self):
        _, base = self.alone()
        file = make_file(self.directory / "file", 64 * MIB)
        expected = sha256_of(file)
        for version in ("--http1.1", "--http2"):
            with self.subTest(version=version):
                url = self.through(version, "-T", file, base + "/").decode().removesuffix("\n")
                self.assertRegex(url, rf"^{base}/[0-9A-Za-z]{{22}}/file$")
                self.assertEqual(self.sha256_through(url), expected)
                with open(file, "rb") as source:
                    url = self.through(version, "-T", "-", base + "/piped", stdin=source).decode().strip()
                self.assertEqual(self.sha256_through(url), expected)

    def test_an_upload_is_on_the_servers_disk_before_the_client_has_sent_it_all(self):
        server, base = self.alone()
        for version in ("--http1.1", "--http2"):
            with self.subTest(version=version):
                before = set(server.stored_files())
                body = random_bytes(8 * MIB, version)
                command = ["curl", "-q", "-sS", "--noproxy", "*", *self.curl_options(), version, "-T", "-",
                           base + "/slow"]
                with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as client:
                    client.stdin.write(body)
                    client.stdin.flush()

                    def arrived():
                        return sum((server.data / name).stat().st_size for name in set(server.stored_files()) - before)

                    wait_until(lambda: arrived() >= MIB, "a part of the upload is on the server's disk", patience=10)
                    self.assertIsNone(client.poll())
                    said, _ = client.communicate(b"the end")
                self.assertEqual(self.through(said.decode().strip()), body + b"the end")
        self.assertEqual(sorted(path for path in self.proxy.directory.rglob("*") if path.stat().st_size >= MIB), [],
                         "what the proxy keeps on its own disk")

    def test_of_an_upload_that_its_client_breaks_off_nothing_stays(self):
        server, base = self.alone()
        for version in ("--http1.1", "--http2"):
            with self.subTest(version=version):
                command = ["curl", "-q", "-sS", "--noproxy", "*", *self.curl_options(), version, "-T", "-",
                           base + "/torn"]
                with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as client:
                    client.stdin.write(bytes(2 * MIB))
                    client.stdin.flush()
                    wait_until(server.stored_files, "the upload has begun")
                    client.kill()
                wait_until(lambda: server.stored_files() == [], "the upload is thrown away", patience=20)

    def test_ranges_and_conditions_go_through(self):
        _, base = self.alone()
        body = random_bytes(300 * KIB, "range")
        url = self.through("-T", "-", base + "/film.mp4", input=body).decode().strip()
        whole = self.fields(url)
        self.assertEqual((whole["content-length"], whole["accept-ranges"]), (str(len(body)), "bytes"))
        self.assertRegex(whole["etag"], '^"[^"]+"$')
        part = self.fields("-r", "100-70000", url)
        self.assertEqual(part["content-range"], f"bytes 100-70000/{len(body)}")
        self.assertEqual(self.said(), body[100:70001])
        for status, arguments in ((206, ("-r", "0-1")), (206, ("-r", "-10")), (206, ("-r", "0-1,500-600")),
                                  (416, ("-r", "999999-")),
                                  (304, ("-H", f"If-None-Match: {whole['etag']}")),
                                  (304, ("-z", whole["last-modified"])), (412, ("-H", 'If-Match: "none"')),
                                  (206, ("-r", "0-1", "-H", f"If-Range: {whole['etag']}")),
                                  (200, ("-r", "0-1", "-H", 'If-Range: "none"'))):
            with self.subTest(status=status, arguments=arguments):
                self.assertEqual(self.status(*arguments, url), status)
        head = self.fields("-I", url)
        self.assertEqual((head["content-length"], head["etag"]), (str(len(body)), whole["etag"]))

    def test_a_compressible_file_keeps_its_length_and_etag_for_a_client_that_takes_gzip(self):
        _, base = self.alone()
        url = self.through("-T", "-", base + "/long.txt", input=b"text " * 20000).decode().strip()
        got = self.fields("-H", "Accept-Encoding: gzip, br", url)
        self.assertEqual(got["content-length"], "100000")
        self.assertNotIn("content-encoding", got)
        self.assertFalse(got["etag"].startswith("W/"))

    def test_links_begin_with_what_the_client_called_and_not_with_what_it_claims(self):
        server, base = self.alone()
        (self.directory / "x").write_bytes(b"x")
        claims = ([], ["-H", "Forwarded: proto=http;host=evil.example"], ["-H", "X-Forwarded-Host: evil.example"],
                  ["-H", "X-Forwarded-Proto: http"], ["-H", 'Forwarded: for="'])
        for claim in claims:
            with self.subTest(claim=claim):
                got = self.fields(*claim, "-T", self.directory / "x", base + "/x")
                self.assertTrue(got["location"].startswith(base + "/"), got["location"])
                self.assertTrue(got["x-url-delete"].startswith(base + "/"), got["x-url-delete"])
        self.assertIn(base.encode(), self.through(base + "/"), "the help")
        # Not through the proxy, and from an address that is trusted all the same: what the proxy would have to prevent.
        claim = "Forwarded: proto=https;host=evil.example"
        direct = self.curl_ok("-H", claim, "-T", self.directory / "x", server.url + "/x")
        self.assertTrue(direct.startswith(b"https://evil.example/"), direct)

    def test_a_resumable_upload_goes_through_whatever_version_its_client_says(self):
        _, base = self.alone()
        body = random_bytes(3 * MIB, "resumable")
        for version in (["-H", "Upload-Draft-Interop-Version: 8"], ["-H", "Upload-Draft-Interop-Version: 6"], []):
            for http in ("--http1.1", "--http2"):
                with self.subTest(version=version, http=http):
                    begun = self.fields(http, *version, "-m", "20", "-H", "Upload-Complete: ?0", "-T", "-", base + "/f",
                                        stdin_bytes=body[:2 * MIB])
                    self.assertEqual(begun["upload-complete"], "?0")
                    upload = base + begun["location"]
                    seen = self.fields(http, *version, "-m", "20", "-I", upload)
                    self.assertEqual(seen["upload-offset"], str(2 * MIB))
                    done = self.fields(http, *version, "-m", "20", "-X", "PATCH", "-H", "Upload-Complete: ?1",
                                       "-H", f"Upload-Offset: {2 * MIB}", "-T", "-",
                                       "-H", "Content-Type: application/partial-upload", upload,
                                       stdin_bytes=body[2 * MIB:])
                    self.assertEqual(self.through(done["upload-link"]), body)

    def watch_through(self, base, *fields):
        """A connection through the proxy that has asked for /watch/..., over TLS and HTTP/1.1."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        wire = Wire(("127.0.0.1", self.proxy.port))
        self.addCleanup(wire.close)
        host = base.removeprefix("https://").split(":")[0]
        wire.socket = context.wrap_socket(wire.socket, server_hostname=host)
        return wire

    def assert_is_watched(self, base, path, authority):
        watch_id = "watched-through-a-proxy"
        target = f"{path}/watch/{watch_id}"
        host = f"Host: {authority}"
        watchers = [WebsocketWatcher(self.watch_through(base), target, host, f"Origin: https://{authority}", host=None),
                    EventWatcher(self.watch_through(base), target, host, host=None)]
        for one in watchers:
            one.until("waiting")
        command = ["curl", "-q", "-sS", "--noproxy", "*", *self.curl_options(), "-H", f"Watch-Id: {watch_id}", "-T",
                   "-", base + "/film"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as curl:
            curl.stdin.write(bytes(2 * MIB))
            curl.stdin.flush()
            for one in watchers:
                while one.until("receiving")["bytes_stored"] == 0:
                    pass
            said, _ = curl.communicate(b"the end")
        for one in watchers:
            one.until("complete", url=said.decode().strip())
            self.assertIsNone(one.next())
        self.assertEqual(watchers[0].code, 1000)

    def test_an_upload_is_watched_by_a_websocket_and_by_events_while_it_runs(self):
        _, base = self.alone()
        self.assert_is_watched(base, "", base.removeprefix("https://"))

    def test_under_a_prefix_upload_download_and_both_ways_to_delete_work(self):
        server = self.server("--public-url", "https://set.later", start=False)
        server.start()
        proxy = self.start_proxy(server)
        base = f"https://{SHARED}:{proxy.port}{PREFIX}"
        # The proxy has to know the server's port and the server the proxy's.
        server.stop()
        server.listen = [server.authority]
        server.options = ["--public-url", base]
        server.start()
        (self.directory / "film.mkv").write_bytes(b"film")
        for turn, arguments in enumerate((["-T", self.directory / "film.mkv", base + "/"],
                                          ["-F", f"file=@{self.directory / 'film.mkv'}", base + "/"])):
            with self.subTest(turn=turn):
                created = self.fields(*arguments)
                url = self.said().decode().strip()
                self.assertRegex(url, rf"^{base}/[0-9A-Za-z]{{22}}/film\.mkv$")
                self.assertEqual((created["location"], self.through(url)), (url, b"film"))
                self.assertEqual(self.status("-r", "1-2", url), 206)
                if turn == 0:
                    self.assertTrue(created["x-url-delete"].startswith(url + "/"), created["x-url-delete"])
                    self.assertEqual(self.status("-X", "DELETE", created["x-url-delete"]), 200)
                else:
                    bearer = f"Authorization: Bearer {created['x-token']}"
                    self.assertEqual(self.status("-X", "DELETE", "-H", bearer, url.removesuffix("/film.mkv")), 204)
                self.assertEqual(self.status(url), 404)
                self.assertIn(b"ringdrop: 404 not_found: ", self.said())
        self.assertIn(base.encode(), self.through(base + "/"), "the help")
        self.assertEqual(self.status("-L", base), 200)
        self.assert_is_watched(base, PREFIX, f"{SHARED}:{proxy.port}")

    def test_names_go_through_as_they_are_with_and_without_a_prefix(self):
        names = ["a?b #%25 ü日本.txt", "%2e", "a+b&c=d;e", 'q"uo\\te', "<b>|^`{}", " ", "a%2Fb", "\r\nSet-Cookie: x",
                 "x" * 255]
        server, alone = self.alone()
        for base in (alone, f"https://{SHARED}:{self.proxy.port}{PREFIX}"):
            for name in names:
                with self.subTest(base=base, name=name[:20]):
                    encoded = quote(name, safe="")
                    url = self.through("--path-as-is", "-T", "-", f"{base}/{encoded}", input=b"named").decode()
                    self.assertTrue(url.endswith(f"/{encoded}\n"), url)
                    path = url.strip().split(f":{self.proxy.port}")[1]
                    self.assertEqual(self.through("--path-as-is", base + path), b"named")
        self.assertEqual(len(server.stored()), 2 * len(names))

    def refused_upload(self, base, *arguments):
        """curl's upload of 16 MiB where 1 MiB is the limit: (its CompletedProcess, how many bytes it has sent)."""
        file = make_file(self.directory / "large", 16 * MIB)
        with open(file, "rb") as source:
            done = self.curl(*self.curl_options(), "-w", "\n%{http_code} %{size_upload}", *arguments, base + "/large",
                             stdin=source)
        return done, int(done.stdout.split()[-1])

    def assert_413_is_seen(self, done):
        self.assertIn(b"ringdrop: 413 size_limit_exceeded: ", done.stdout, done)
        self.assertIn(b"\n413 ", done.stdout, done)

    def test_a_413_reaches_the_client_with_its_text(self):
        server, base = self.alone("--max-upload-size", "1MiB")
        file = make_file(self.directory / "large", 16 * MIB)
        for arguments in (["--http1.1", "-T", file], ["--http2", "-T", file], ["--http2", "-T", "-"]):
            with self.subTest(arguments=arguments):
                done, _ = self.refused_upload(base, *arguments)
                self.assert_413_is_seen(done)
        done, _ = self.refused_upload(base, "-H", "Accept: application/json", "-T", file)
        self.assertIn(b'"size_limit_exceeded"', done.stdout, done)
        wait_until(lambda: server.stored() == [], "nothing is kept")

    def test_the_proxy_keeps_its_connections_to_the_server(self):
        server, base = self.alone()
        url = self.through("-T", "-", base + "/x", input=b"x").decode().strip()
        before = server.open_sockets()
        for _ in range(10):
            self.assertEqual(self.through(url), b"x")
        self.assertLessEqual(server.open_sockets(), before + 1)
        self.assertGreater(server.open_sockets(), 1, "the listener, and a connection that is kept")


@unittest.skipUnless(shutil.which("nginx", path=PATH) and shutil.which("openssl"), "nginx or openssl is not installed")
class BehindNginx(Behind, EndToEnd):
    """deploy/nginx.conf.example."""

    proxy_class = Nginx

    def test_a_413_in_the_midst_of_a_chunked_upload_over_http_1_reaches_the_client(self):
        _, base = self.alone("--max-upload-size", "1MiB")
        self.assert_413_is_seen(self.refused_upload(base, "--http1.1", "-T", "-")[0])


@unittest.skipUnless(shutil.which("caddy", path=PATH), "caddy is not installed")
class BehindCaddy(Behind, EndToEnd):
    """deploy/Caddyfile.example."""

    proxy_class = Caddy

    def test_a_declared_size_over_the_limit_is_refused_before_a_byte_is_sent(self):
        """nginx answers "Expect: 100-continue" itself."""
        _, base = self.alone("--max-upload-size", "1MiB")
        done, sent = self.refused_upload(base, "--http1.1", "-T", self.directory / "large")
        self.assert_413_is_seen(done)
        self.assertEqual((sent, done.returncode), (0, 0))

    def test_of_a_chunked_upload_over_the_limit_over_http_1_nothing_stays(self):
        """Caddy closes half a second behind the answer: whether curl sees it before the reset is chance."""
        server, base = self.alone("--max-upload-size", "1MiB")
        done, _ = self.refused_upload(base, "--http1.1", "-T", "-")
        self.assertNotIn(b"/large\n", done.stdout, "no link")
        wait_until(lambda: server.stored() == [], "nothing is kept")


if __name__ == "__main__":
    main()
