#!/usr/bin/env python3
"""The connections of those who watch: handshake, origins, frames, event streams, limits, slow readers, other clients."""

import contextlib
import json
import socket
import struct
import subprocess
import threading
import unittest

from harness import KIB, MIB, Wire, chunked, main, random_bytes, request, wait_until
from tus_tools import TUS
from watch_tools import EVENTS, NAMED, WATCH_ID, EventWatcher, WatchCase, WebsocketWatcher
from websocket_tools import BINARY, CLOSE, PING, PONG, TEXT, Websocket, close_frame, frame

KINDS = (WebsocketWatcher, EventWatcher)
PATH = f"/watch/{WATCH_ID}"
UPGRADE = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13",
           "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
DEBIAN_PYTHON = "/usr/bin/python3"  # the one that has python3-websockets; we may run on another


class Handshake(WatchCase):
    """Before the first message."""

    def setUp(self):
        super().setUp()
        self.here = self.server()

    def asked(self, *fields, path=PATH, **keywords):
        with self.here.connect() as wire:
            return wire.send(request("GET", path, *fields, **keywords)).read_response()

    def test_the_example_of_the_rfc(self):
        answer = self.asked(*UPGRADE)
        self.assertEqual([answer.status, *(answer.get(name) for name in ("Upgrade", "Connection",
                                                                         "Sec-WebSocket-Accept"))],
                         [101, "websocket", "Upgrade", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="])
        self.assertIsNone(answer.get("Sec-WebSocket-Extensions"))

    def test_what_is_no_handshake_is_refused(self):
        def without(name):
            return [field for field in UPGRADE if not field.startswith(name)]

        key = "Sec-WebSocket-Key"
        for status, fields, keywords in (
                (400, without(key), {}), (400, without("Connection"), {}),
                (400, [*without(key), f"{key}: c2hvcnQ="], {}), (400, [*without(key), f"{key}: not base64"], {}),
                (400, [*UPGRADE, f"{key}: dGhlIHNhbXBsZSBub25jZQ=="], {}),
                (400, UPGRADE, {"version": "HTTP/1.0"}), (400, UPGRADE, {"body": b"body"}),
                (426, without("Sec-WebSocket-Version"), {}),
                (426, [*without("Sec-WebSocket-Version"), "Sec-WebSocket-Version: 8"], {})):
            with self.subTest(fields=fields, keywords=keywords):
                answer = self.asked(*fields, **keywords)
                self.assertEqual(answer.status, status, answer)
                self.assertIn(b"bad_websocket" if status == 400 else b"websocket_version", answer.body)
                self.assertEqual(answer.get("Sec-WebSocket-Version"), None if status == 400 else "13")

    def test_ids_that_are_none_are_not_found(self):
        for path in ("/watch/short", "/watch/" + "x" * 21, "/watch/" + "x" * 65, "/watch/" + "x" * 21 + "%2F",
                     "/watch/" + "x" * 21 + "!", f"/uploads/{WATCH_ID}/progress", PATH + "/more", "/watch/"):
            for fields in (UPGRADE, [EVENTS], []):
                self.assertEqual(self.asked(*fields, path=path).status, 404, path)
        for path in ("/watch/" + "x" * 22, "/watch/" + "A-_9" * 16):
            self.assertEqual(self.asked(*UPGRADE, path=path).status, 101, path)

    def test_other_methods_are_not_allowed(self):
        for method in ("PUT", "POST", "DELETE", "PATCH"):
            answer = self.here.exchange(request(method, PATH))
            self.assertEqual(answer.status, 405, answer)
            self.assertIn("GET", answer.get("Allow"))

    def assert_origins(self, server, allowed, refused, host="ringdrop.test"):
        for origins, status in ((allowed, 101), (refused, 403)):
            for origin in origins:
                with server.connect() as wire, self.subTest(origin=origin):
                    fields = [] if origin is None else [f"Origin: {origin}"]
                    answer = wire.send(request("GET", PATH, *UPGRADE, *fields, host=host)).read_response()
                    self.assertEqual(answer.status, status, answer)
                    if status == 403:
                        self.assertIn(b"foreign_origin", answer.body)

    def test_pages_of_other_origins_may_not_watch(self):
        evil = ["https://evil.example", "null", "https://ringdrop.test.evil.example", "https://evil-ringdrop.test",
                "ringdrop.test", "", "https://ringdrop.test:8443", "https://user@ringdrop.test", "https://"]
        # A proxy may speak TLS: the scheme is not known here.
        same = [None, "http://ringdrop.test", "https://ringdrop.test", "https://RingDrop.test"]
        self.assert_origins(self.here, same, evil)
        public = self.server("--public-url", "https://files.example/drop")
        self.assert_origins(public, [*same, "https://files.example"], [*evil, "https://files.example:1"])
        self.assert_origins(public, ["https://files.example"], evil, host="127.0.0.1:9")
        listed = self.server("--cors-origins", "https://app.example")
        self.assert_origins(listed, [*same, "https://app.example"],
                            [*evil, "http://app.example", "https://app.example:444"])
        self.assert_origins(self.server("--cors-origins", "*"), [*same, *evil], [])


class Frames(WatchCase):
    """What a watcher sends."""

    def setUp(self):
        super().setUp()
        self.here = self.server()
        self.one = self.watcher(self.here)
        self.one.until("waiting")
        self.say = self.one.websocket.send

    def assert_closes(self, code, *frames):
        one = self.watcher(self.here)
        one.until("waiting")
        one.websocket.send(*frames)
        self.assertIsNone(one.next())
        self.assertEqual(one.code, code)
        self.assertTrue(one.wire.is_closed())

    def test_a_ping_is_answered_and_messages_of_up_to_1_kib_are_ignored(self):
        self.say(frame(TEXT, b"x" * KIB), frame(BINARY, b"y" * KIB), frame(TEXT, b"a" * 512, fin=False),
                 frame(PING, b"in between"), frame(0, b"b" * 512), frame(PING, b"1" * 125), frame(PONG, b"unasked"))
        self.assertEqual(self.one.websocket.read(), (PONG, b"in between"))
        self.assertEqual(self.one.websocket.read(), (PONG, b"1" * 125))
        # And the news come as before.
        self.here.exchange(request("PUT", "/f", NAMED, body=b"x"))
        self.one.until("complete")

    def test_longer_messages_are_too_big(self):
        self.assert_closes(1009, frame(TEXT, b"x" * (KIB + 1)))
        self.assert_closes(1009, frame(BINARY, b"x", length=1 << 40))
        self.assert_closes(1009, frame(TEXT, b"x" * KIB, fin=False), frame(0, b"x"))

    def test_broken_rules_have_their_codes(self):
        for code, *frames in ((1002, frame(TEXT, b"x", masked=False)), (1002, frame(TEXT, b"x", rsv=4)),
                              (1002, frame(3, b"x")), (1002, frame(PING, b"x" * 126)), (1002, frame(0, b"x")),
                              (1002, frame(PING, b"x", fin=False)), (1007, frame(TEXT, b"\xff")),
                              (1002, close_frame(1005)), (1002, frame(CLOSE, b"x"))):
            with self.subTest(code=code, frames=frames):
                self.assert_closes(code, *frames)

    def test_nothing_is_sent_behind_the_end(self):
        self.here.exchange(request("PUT", "/f", NAMED, body=b"x"))
        self.one.until("complete")
        self.assertIsNone(self.one.next())
        self.say(frame(PING, b"late"), close_frame(1000))
        self.assertEqual(self.one.wire.read_to_end(), b"")

    def test_a_close_is_answered_and_ends_the_connection(self):
        self.say(close_frame(1000, b"seen enough"))
        self.assertEqual(self.one.websocket.read(), (CLOSE, struct.pack(">H", 1000) + b"seen enough"))
        self.assertTrue(self.one.wire.is_closed())
        before = self.here.open_sockets()
        for end in ("close", "reset", "half_close"):
            gone = self.watcher(self.here)
            gone.until("waiting")
            getattr(gone.wire, end)()
        wait_until(lambda: self.here.open_sockets() <= before, "the watchers who have gone cost nothing")

    def test_whoever_sends_without_end_holds_up_nobody(self):
        loud = self.watcher(self.here)
        pings = frame(PING, b"x" * 125) * 1000

        def send():
            with contextlib.suppress(OSError):
                for _ in range(50):
                    loud.wire.socket.sendall(pings)

        thread = threading.Thread(target=send)
        thread.start()
        with self.canary(self.here):
            body = random_bytes(MIB, "loud")
            self.assertEqual(self.here.exchange(request("PUT", "/f", NAMED, body=body)).status, 201)
            self.one.until("complete")
        loud.wire.socket.shutdown(socket.SHUT_RDWR)
        thread.join()


class Streams(WatchCase):
    """Event streams and snapshots."""

    def test_the_head_of_an_event_stream(self):
        here = self.server("--watch-wait", "1s")
        one = self.watcher(here, kind=EventWatcher)
        for line in ("HTTP/1.1 200 OK", "Content-Type: text/event-stream", "Cache-Control: no-store",
                     "X-Accel-Buffering: no"):
            self.assertIn(line, one.head.split("\r\n"))
        one.until("failed")
        self.assertIsNone(one.next())
        self.assertTrue(one.wire.is_closed())
        head = here.exchange(request("HEAD", PATH, EVENTS), to_head=True)
        self.assertEqual((head.status, head.get("Content-Type")), (200, "text/event-stream"))
        # HTTP/1.0 knows no chunks: the stream ends with the connection.
        with here.connect() as wire:
            old = wire.send(request("GET", PATH, EVENTS, version="HTTP/1.0")).read_to_end()
        events = old.partition(b"\r\n\r\n")[2].split(b"\n\n")
        self.assertEqual([json.loads(event.removeprefix(b"data: "))["state"] for event in events if event],
                         ["waiting", "failed"])

    def test_curl_n_follows_an_upload(self):
        here = self.server()
        body = random_bytes(2 * MIB, "curl")
        wire = self.begin(here, len(body), NAMED)
        command = ["curl", "-q", "-sSN", "--noproxy", "*", "--max-time", "60", "-H", EVENTS, here.url + PATH]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as curl:
            first = json.loads(curl.stdout.readline().removeprefix(b"data: "))
            self.assertEqual((first["state"], first["bytes_total"]), ("receiving", len(body)))
            self.assertEqual(curl.stdout.readline(), b"\n")
            wire.send(body).read_final()
            lines = curl.stdout.read().decode().splitlines()
        self.assertEqual(curl.returncode, 0)
        self.assertEqual(json.loads(lines[-2].removeprefix("data: "))["state"], "complete")
        self.assertTrue(all(line == "" or line.startswith(("data: {", ":")) for line in lines), lines)

    def test_a_snapshot_is_one_json_object_whatever_the_upload_does(self):
        here = self.server()
        self.assertEqual(self.snapshot(here)["state"], "waiting")
        with self.begin(here, 10, NAMED) as wire:
            self.assertEqual(self.snapshot(here)["state"], "receiving")
            link = wire.send(b"0123456789").read_final().get("Location")
        # A Host of its own, and so a link of its own.
        self.assertEqual(self.snapshot(here)["url"], link)
        head = here.exchange(request("HEAD", PATH), to_head=True)
        self.assertEqual((head.status, head.get("Content-Type")), (200, "application/json"))
        for accept in ("*/*", "application/json", "text/event-stream;q=0, */*"):
            answer = here.exchange(request("GET", PATH, f"Accept: {accept}"))
            self.assertEqual(json.loads(answer.body)["state"], "complete", accept)


class Limits(WatchCase):
    """What nobody can use up."""

    def test_a_thousand_may_wait_for_what_nobody_has_announced(self):
        here = self.server("--watch-wait", "60s", "--loops", "2")
        made = here.exchange(request("POST", "/uploads", TUS, "Upload-Length: 10"))
        waiting = [self.watcher(here, f"/watch/nobody-knows-this-one-{at % 500:03}") for at in range(1000)]
        for one in waiting:
            one.until("waiting")
        for fields in (UPGRADE, [EVENTS]):
            answer = here.exchange(request("GET", PATH, *fields))
            self.assertEqual(answer.status, 503, answer)
            self.assertIsNotNone(answer.get("Retry-After"))
        # Uploads that are known can be watched all the same, and one place that is free is enough.
        self.watcher(here, made.get("Location") + "/progress").until("waiting")
        here.exchange(request("PUT", "/f", "Watch-Id: nobody-knows-this-one-007", body=b"x"))
        for one in (waiting[7], waiting[507]):
            one.until("complete")
        self.watcher(here).until("waiting")

    def flood(self, here):
        """An upload that runs until it is stopped: a function that does so and returns the answer."""
        wire = self.begin(here, None, NAMED)
        stop = threading.Event()
        piece = b"1000\r\n" + bytes(4 * KIB) + b"\r\n"

        def send():
            while not stop.is_set():
                wire.send(piece)
                stop.wait(0.01)

        thread = threading.Thread(target=send)
        thread.start()
        self.addCleanup(stop.set)

        def end():
            stop.set()
            thread.join()
            return wire.send(b"0\r\n\r\n").read_final()

        return end

    def test_who_reads_slowly_is_told_the_newest_and_nothing_that_is_broken(self):
        here = self.server()
        slow = [self.watcher(here, kind=kind, receive_buffer=1) for kind in KINDS]
        quick = self.watcher(here)
        end = self.flood(here)
        while len(quick.seen) < 45:
            quick.next()
        answer = end()
        self.assertEqual(answer.status, 201, answer)
        quick.until("complete")
        for one in slow:
            one.until("complete")
            # What fits into the smallest buffer of a socket, the one on its way, and the end.
            self.assertLess(len(one.seen), 30)
            self.assertIsNone(one.next())

    def test_who_never_reads_is_dropped_and_nobody_else_suffers(self):
        here = self.server("--stall-timeout", "1s", "--min-transfer-rate", "0B")
        before = here.open_sockets()
        deaf = [self.watcher(here, kind=kind, receive_buffer=1) for kind in KINDS]
        quick = self.watcher(here)
        end = self.flood(here)
        while here.open_sockets() > before + 2:  # the upload, and who reads
            quick.next()
        self.assertEqual(end().status, 201)
        quick.until("complete")
        for one in deaf:
            one.wire.close()


SCRIPT = """
import asyncio, json, sys, websockets

async def watch(url):
    async with websockets.connect(url, ping_interval=0.2) as socket:
        states = []
        async for message in socket:
            states.append(json.loads(message))
            print(states[-1]["state"], flush=True)
        print("closed", socket.close_code, states[-1].get("url"))

asyncio.run(watch(sys.argv[1]))
"""


def has_websockets():
    command = [DEBIAN_PYTHON, "-c", "import websockets"]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


class OtherClients(WatchCase):
    """A client that somebody else wrote."""

    @unittest.skipUnless(has_websockets(), "no python3-websockets")
    def test_python3_websockets_sees_an_upload_from_before_its_start_to_its_link(self):
        here = self.server()
        command = [DEBIAN_PYTHON, "-c", SCRIPT, f"ws://{here.authority}{PATH}"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as client:
            self.assertEqual(client.stdout.readline(), "waiting\n")
            wire = self.begin(here, None, NAMED)
            self.assertEqual(client.stdout.readline(), "receiving\n")
            made = wire.send(chunked(b"0123456789")).read_final()
            said, errors = client.communicate(timeout=60)
        link = made.get("Location").replace("ringdrop.test", here.authority)
        self.assertEqual((said.splitlines()[-2:], client.returncode), (["complete", f"closed 1000 {link}"], 0), errors)


if __name__ == "__main__":
    main()
