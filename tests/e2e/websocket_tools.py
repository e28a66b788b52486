"""A websocket client of a few lines, for what well-behaved clients do not send (RFC 6455)."""

import base64
import hashlib
import json
import os
import struct

from harness import request

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def frame(opcode, payload=b"", *, fin=True, rsv=0, masked=True, length=None):
    """One frame, as a client sends it; `length`: declared instead of the real one, in 64 bits."""
    first = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
    mask_bit = 0x80 if masked else 0
    size = len(payload)
    if length is not None:
        head = bytes([mask_bit | 127]) + struct.pack(">Q", length)
    elif size < 126:
        head = bytes([mask_bit | size])
    elif size < 65536:
        head = bytes([mask_bit | 126]) + struct.pack(">H", size)
    else:
        head = bytes([mask_bit | 127]) + struct.pack(">Q", size)
    if not masked:
        return first + head + payload
    mask = os.urandom(4)
    key = int.from_bytes((mask * (size // 4 + 1))[:size], "little") if size else 0
    return first + head + mask + (int.from_bytes(payload, "little") ^ key).to_bytes(size, "little")


def close_frame(code, reason=b""):
    return frame(CLOSE, struct.pack(">H", code) + reason)


class Websocket:
    """Over a Wire of the harness."""

    def __init__(self, wire, target, *fields, key=None, **keywords):
        self.wire = wire
        key = key or base64.b64encode(os.urandom(16)).decode()
        wire.send(request("GET", target, "Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Key: {key}",
                          "Sec-WebSocket-Version: 13", *fields, **keywords))
        self.answer = wire.read_response()
        self.accept = base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode()

    def take(self, size):
        while len(self.wire.unread) < size:
            piece = self.wire.socket.recv(256 * 1024)
            if not piece:
                raise ConnectionError("the connection has ended")
            self.wire.unread += piece
        taken, self.wire.unread = self.wire.unread[:size], self.wire.unread[size:]
        return taken

    def read(self):
        """(opcode, payload) of the next frame; frames of a server are whole and not masked."""
        first, second = self.take(2)
        if first & 0xF0 != 0x80 or second & 0x80:
            raise AssertionError(f"a frame of a server has no mask, no RSV, and FIN: {first:02x} {second:02x}")
        size = second
        if size == 126:
            size = struct.unpack(">H", self.take(2))[0]
        elif size == 127:
            size = struct.unpack(">Q", self.take(8))[0]
        return first & 0x0F, self.take(size)

    def send(self, *frames):
        self.wire.send(b"".join(frames))

    def messages(self):
        """Progress messages until the close; its code is kept in `code`."""
        while True:
            opcode, payload = self.read()
            if opcode == CLOSE:
                self.code = struct.unpack(">H", payload[:2])[0] if payload else None
                return
            if opcode == TEXT:
                yield json.loads(payload)
