#!/usr/bin/env python3
"""Websockets by raw bytes against ringdrop-echo: what well-behaved clients never send."""

import struct
import subprocess

import harness
from harness import MIB, EndToEnd, Wire, main, random_bytes
from websocket_tools import BINARY, CLOSE, PING, PONG, TEXT, Websocket, close_frame, frame


class EchoWebsocket(EndToEnd):
    def setUp(self):
        super().setUp()
        self.process = subprocess.Popen([harness.programs.echo], stdout=subprocess.PIPE, text=True)
        self.addCleanup(self.process.wait)
        self.addCleanup(self.process.kill)
        self.addCleanup(self.process.stdout.close)
        host, _, port = self.process.stdout.readline().split()[-1].rpartition(":")
        self.address = host, int(port)

    def open(self):
        wire = Wire(self.address)
        self.addCleanup(wire.close)
        websocket = Websocket(wire, "/")
        self.assertEqual((websocket.answer.status, websocket.answer.get("Sec-WebSocket-Accept")),
                         (101, websocket.accept))
        return websocket

    def assert_closes(self, code, *frames):
        websocket = self.open()
        websocket.send(*frames)
        opcode, payload = websocket.read()
        self.assertEqual((opcode, struct.unpack(">H", payload[:2])[0]), (CLOSE, code))
        with self.assertRaises((ConnectionError, OSError)):
            websocket.read()

    def test_messages_come_back_whatever_their_size_and_framing(self):
        websocket = self.open()
        for size in (0, 1, 125, 126, 65535, 65536, MIB, 16 * MIB):
            body = random_bytes(size, "echo")
            websocket.send(frame(BINARY, body))
            self.assertEqual(websocket.read(), (BINARY, body), size)
        websocket.send(frame(TEXT, b"a", fin=False), frame(PING, b"now"), frame(0, b"b"))
        self.assertEqual(websocket.read(), (PONG, b"now"))
        self.assertEqual(websocket.read(), (TEXT, b"ab"))
        websocket.send(close_frame(1000, b"bye"))
        self.assertEqual(websocket.read(), (CLOSE, struct.pack(">H", 1000) + b"bye"))

    def test_a_message_byte_by_byte(self):
        websocket = self.open()
        for byte in frame(TEXT, "€uro".encode()):
            websocket.send(bytes([byte]))
        self.assertEqual(websocket.read(), (TEXT, "€uro".encode()))

    def test_each_broken_rule_has_its_code(self):
        for code, *frames in (
                (1002, frame(TEXT, b"x", masked=False)),
                (1002, frame(TEXT, b"x", rsv=4)), (1002, frame(TEXT, b"x", rsv=1)),
                (1002, frame(3, b"x")), (1002, frame(15, b"x")),
                (1002, frame(PING, b"x", fin=False)), (1002, frame(PING, b"x" * 126)),
                (1002, frame(0, b"x")), (1002, frame(TEXT, b"a", fin=False), frame(TEXT, b"b")),
                (1002, frame(BINARY, b"x", length=1 << 63)),
                (1009, frame(BINARY, b"x", length=2 << 30)),
                (1009, frame(BINARY, b"x" * (8 * MIB), fin=False), frame(0, b"x" * (8 * MIB + 1))),
                (1007, frame(TEXT, b"\xff")), (1007, frame(TEXT, b"\xe2\x82")),
                (1002, frame(CLOSE, b"x")), (1002, close_frame(999)), (1002, close_frame(1005)),
                (1002, close_frame(1006)), (1002, close_frame(5000))):
            with self.subTest(code=code, frames=[one[:14] for one in frames]):
                self.assert_closes(code, *frames)

    def test_many_pings_and_many_tiny_fragments_cost_nothing_that_stays(self):
        websocket = self.open()
        pings = frame(PING, b"1") * 1000
        for _ in range(100):
            websocket.send(pings)
            for _ in range(1000):
                self.assertEqual(websocket.read(), (PONG, b"1"))
        websocket.send(frame(TEXT, b"", fin=False))
        for _ in range(100):
            websocket.send(frame(0, b"x", fin=False) * 1000)
        websocket.send(frame(0, b"y"))
        self.assertEqual(websocket.read(), (TEXT, b"x" * 100_000 + b"y"))

    def test_what_is_no_handshake_is_refused(self):
        for fields, status in ((["Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13"], 400),
                               (["Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 8",
                                 "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="], 426),
                               (["Upgrade: websocket", "Sec-WebSocket-Version: 13",
                                 "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="], 400)):
            with Wire(self.address) as wire:
                self.assertEqual(wire.send(harness.request("GET", "/", *fields)).read_final().status, status, fields)


if __name__ == "__main__":
    main()
