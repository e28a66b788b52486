"""What the tests of watching share: watchers that check each message as it comes, uploads held in the middle."""

import json

from harness import EndToEnd, request
from websocket_tools import CLOSE, TEXT, Websocket

WATCH_ID = "watch-id-of-these-tests"
NAMED = f"Watch-Id: {WATCH_ID}"
EVENTS = "Accept: text/event-stream"
STATES = ("waiting", "receiving", "paused", "finishing", "complete", "failed", "cancelled")
ENDS = ("complete", "failed", "cancelled")


def check_message(message, before=None):
    """What holds for each message, and for each behind another."""
    extra = {"complete": {"url"}, "failed": {"reason"}}.get(message["state"], set())
    base = {"watch", "state", "bytes_stored", "bytes_total", "rate", "eta"}
    if message["state"] not in STATES or set(message) - {"url"} != base | extra - {"url"}:
        raise AssertionError(f"no progress message: {message}")
    total = message["bytes_total"]
    if total is not None and message["bytes_stored"] > total:
        raise AssertionError(f"more than there is: {message}")
    if before is None:
        return
    if before["state"] in ENDS:
        raise AssertionError(f"{message} behind the end {before}")
    if message == before:
        raise AssertionError(f"the same twice: {message}")
    if message["bytes_stored"] < before["bytes_stored"] and message["state"] not in ("failed", "cancelled"):
        raise AssertionError(f"{message} behind {before}")


class Watcher:
    """Over a Wire that is open: a websocket, or an event stream."""

    def __init__(self, wire):
        self.wire = wire
        self.last = None
        self.seen = []
        self.code = None

    def next(self):
        """The next message; None: the stream has ended."""
        text = self.read_text()
        if text is None:
            return None
        message = json.loads(text)
        check_message(message, self.last)
        self.last = message
        self.seen.append(message)
        return message

    def until(self, state, **also):
        """The first message from here on of that state, and with these values."""
        while (message := self.next()) is not None:
            if message["state"] == state and all(message[key] == value for key, value in also.items()):
                return message
        raise AssertionError(f"it ended before {state} {also}; the last messages: {self.seen[-3:]}")

    def states(self):
        """The states that were seen, each run of one as one."""
        return [one["state"] for at, one in enumerate(self.seen) if at == 0 or one["state"] != self.seen[at - 1]["state"]]


class WebsocketWatcher(Watcher):
    def __init__(self, wire, path, *fields, **keywords):
        super().__init__(wire)
        self.websocket = Websocket(wire, path, *fields, **keywords)
        if self.websocket.answer.status != 101:
            raise AssertionError(f"no websocket: {self.websocket.answer}")

    def read_text(self):
        opcode, payload = self.websocket.read()
        if opcode == CLOSE:
            self.code = int.from_bytes(payload[:2], "big")
            return None
        if opcode != TEXT:
            raise AssertionError(f"opcode {opcode} {payload}")
        return payload


class EventWatcher(Watcher):
    def __init__(self, wire, path, *fields, **keywords):
        super().__init__(wire)
        wire.send(request("GET", path, EVENTS, *fields, **keywords))
        while b"\r\n\r\n" not in wire.unread:
            wire._more()
        head, _, wire.unread = wire.unread.partition(b"\r\n\r\n")
        self.head = head.decode("latin-1")
        self.text = b""

    def read_text(self):
        while True:
            event, end, rest = self.text.partition(b"\n\n")
            if end:
                self.text = rest
                if event.startswith(b":"):
                    continue
                if not event.startswith(b"data: ") or b"\n" in event:
                    raise AssertionError(f"no event: {event}")
                return event.removeprefix(b"data: ")
            size = int(self.wire._line(), 16)
            if size == 0:
                self.wire._line()
                return None
            self.text += self.wire.take(size)
            self.wire._line()


class WatchCase(EndToEnd):
    def watcher(self, server, path=f"/watch/{WATCH_ID}", *fields, kind=WebsocketWatcher, **options):
        wire = server.connect(**options)
        self.addCleanup(wire.close)
        return kind(wire, path, *fields)

    def begin(self, server, size, *fields, target="/film", method="PUT"):
        """A connection whose upload of `size` bytes has begun: its 100 has come. Nothing of the body is sent."""
        wire = server.connect()
        self.addCleanup(wire.close)
        framing = "Transfer-Encoding: chunked" if size is None else f"Content-Length: {size}"
        wire.send(request(method, target, framing, "Expect: 100-continue", *fields))
        answer = wire.read_response()
        while answer.status == 104:
            answer = wire.read_response()
        self.assertEqual(answer.status, 100, answer)
        return wire

    def snapshot(self, server, path=f"/watch/{WATCH_ID}"):
        answer = server.exchange(request("GET", path))
        self.assertEqual((answer.status, answer.get("Content-Type"), answer.get("Cache-Control")),
                         (200, "application/json", "no-store"), answer)
        message = json.loads(answer.body)
        check_message(message)
        return message
