"""What the tests of tus 1.0.0 share: the protocol by raw bytes, and when the server has taken what was sent."""

import base64
import hashlib
from pathlib import Path

from harness import EndToEnd, request, wait_until

TUS = "Tus-Resumable: 1.0.0"
OFFSET_TYPE = "Content-Type: application/offset+octet-stream"
EXPECT = "Expect: 100-continue"
NOBODY = "/uploads/" + "0" * 22


def base64_of(raw):
    return base64.b64encode(raw if isinstance(raw, bytes) else raw.encode()).decode()


def metadata(**values):
    """Upload-Metadata of those keys."""
    return "Upload-Metadata: " + ",".join(f"{key} {base64_of(value)}" for key, value in values.items())


def checksum(algorithm, body):
    return f"Upload-Checksum: {algorithm} {base64_of(hashlib.new(algorithm, body).digest())}"


def repr_digest(body):
    return f"sha-256=:{base64_of(hashlib.sha256(body).digest())}:"


def path_in(url):
    """The path of an absolute URL of ours."""
    return "/" + url.split("://", 1)[1].split("/", 1)[1]


def tcp_queues(local, remote):
    """(unsent or unacknowledged, unread) bytes of the IPv4 connection between the two ports."""
    for line in Path("/proc/net/tcp").read_text("ascii").splitlines()[1:]:
        words = line.split()
        if int(words[1].split(":")[1], 16) == local and int(words[2].split(":")[1], 16) == remote:
            sent, unread = words[4].split(":")
            return int(sent, 16), int(unread, 16)
    return 0, 0


def wait_taken(wire):
    """Until the server's program, and not only its kernel, has every byte that was sent."""
    ours, theirs = wire.socket.getsockname()[1], wire.socket.getpeername()[1]
    wait_until(lambda: tcp_queues(ours, theirs)[0] == 0 and tcp_queues(theirs, ours)[1] == 0, "all bytes are taken")


class TusCase(EndToEnd):
    """Speaks the protocol."""

    def assert_tus(self, answer, status, code=None):
        self.assertEqual(answer.status, status, answer)
        self.assertEqual(answer.get("Tus-Resumable"), "1.0.0", answer)
        if code:
            self.assertIn(f"ringdrop: {status} {code}: ".encode(), answer.body)
        return answer

    def ask(self, server, method, target, *fields, body=b""):
        """One request on a connection of its own, with Tus-Resumable."""
        return server.exchange(request(method, target, TUS, *fields, body=body), to_head=method == "HEAD")

    def create(self, server, length, *fields):
        """The path of a new upload; `length` None: deferred."""
        field = "Upload-Defer-Length: 1" if length is None else f"Upload-Length: {length}"
        return self.assert_tus(self.ask(server, "POST", "/uploads", field, *fields), 201).get("Location")

    def patch(self, server, upload, offset, body, *fields):
        return self.ask(server, "PATCH", upload, OFFSET_TYPE, f"Upload-Offset: {offset}", *fields, body=body)

    def offset(self, server, upload):
        answer = self.assert_tus(self.ask(server, "HEAD", upload), 200)
        self.assertRegex(answer.get("Upload-Offset"), r"^[0-9]+$")
        return int(answer.get("Upload-Offset"))

    def begin(self, server, upload, offset, size, *fields, is_chunked=False):
        """A connection with a PATCH that runs: its 100 has come."""
        framing = "Transfer-Encoding: chunked" if is_chunked else f"Content-Length: {size}"
        wire = server.connect()
        self.addCleanup(wire.close)
        wire.send(request("PATCH", upload, TUS, OFFSET_TYPE, f"Upload-Offset: {offset}", EXPECT, framing, *fields))
        answer = wire.read_response()
        self.assertEqual(answer.status, 100, f"PATCH at {offset}, which HEAD has reported: {answer}")
        return wire

    def finish(self, server, upload, body, offset=None):
        """Sends the rest and compares what the link has with `body`; the path of the link."""
        offset = self.offset(server, upload) if offset is None else offset
        answer = self.assert_tus(self.patch(server, upload, offset, body[offset:]), 204)
        self.assertEqual(answer.get("Upload-Offset"), str(len(body)))
        link = path_in(answer.get("Upload-Link"))
        self.assert_arrived(server, link, body)
        return link

    def assert_arrived(self, server, link, body):
        got = server.get(link)
        self.assertEqual(got.status, 200, got)
        self.assertTrue(got.body == body, f"{len(got.body)} bytes instead of {len(body)}, or others")

    def assert_stored(self, server, sizes):
        """The files below blobs/ have these sizes."""
        found = sorted((server.data / path).stat().st_size for path in server.stored_files())
        self.assertEqual(found, sorted(sizes))

    def wait_no_file(self, server):
        wait_until(lambda: not server.stored_files(), "the file is gone from disk")
