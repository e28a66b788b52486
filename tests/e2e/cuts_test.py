#!/usr/bin/env python3
"""One upload, cut 500 times at random bytes by whatever can cut it, by tus and the IETF draft in turn.

After each cut: the offset that is told never decreases, never exceeds what was sent, and is accepted by the next
request. An append with a checksum leaves nothing, since it is cut. In the end every byte is right. RINGDROP_SEED repeats
the choices, RINGDROP_CUTS makes more of them.
"""

import hashlib
import os
import random
import threading

from harness import KIB, MIB, EndToEnd, main, request
from http_tools import read_what_comes
from tus_tools import EXPECT, OFFSET_TYPE, TUS, base64_of, path_in, wait_taken

CUTS = int(os.environ.get("RINGDROP_CUTS", "500"))
SIZE = 96 * MIB
INTEROP = "Upload-Draft-Interop-Version: 8"
PART = "Content-Type: application/partial-upload"
# Of 25: how often each is chosen. `head` and `blind`, a PATCH at the last offset that was told, come while the request
# before them still sends; `known` is a PATCH that goes on at the byte where that stands.
KINDS = {"reset": 8, "close": 4, "half close": 2, "head": 5, "blind": 3, "known": 2, "kill": 1}


class Cuts(EndToEnd):
    def setUp(self):
        super().setUp()
        seed = int(os.environ.get("RINGDROP_SEED", random.SystemRandom().randrange(10**6)))
        print(f"seed {seed} (RINGDROP_SEED={seed} repeats the choices)")
        self.chance = random.Random(seed)
        self.here = self.server("--loops", "2", "--digest", "always", "--supersede-timeout", "10s")
        self.body = self.chance.randbytes(SIZE + self.chance.randrange(4096))
        self.told = 0  # the highest offset that any answer has told
        self.sent = 0  # no byte behind this one has ever been sent
        self.all_or_nothing = False  # the PATCH that runs, or ran last, has a checksum
        self.history = []

    def test_what_tus_began_arrives_whatever_cuts_it(self):
        made = self.here.exchange(request("POST", "/uploads", TUS, f"Upload-Length: {len(self.body)}"))
        self.cut_and_finish(made, own=self.tus)

    def test_what_the_draft_began_arrives_whatever_cuts_it(self):
        length = [f"Upload-Length: {len(self.body)}"] if self.chance.random() < 0.5 else []
        made = self.here.exchange(request("PUT", "/film.mkv", INTEROP, "Upload-Complete: ?0", *length))
        self.cut_and_finish(made, own=self.draft)

    # The two protocols, as fields of a PATCH.

    def tus(self, offset):
        return [TUS, OFFSET_TYPE, f"Upload-Offset: {offset}", f"Upload-Length: {len(self.body)}"]

    def draft(self, offset):
        return [INTEROP, PART, f"Upload-Offset: {offset}", "Upload-Complete: ?1"]

    def checksum(self, protocol):
        """A field that makes all of a PATCH count or nothing. It is never found out that it is wrong."""
        digest = base64_of(bytes(32))
        return f"Upload-Checksum: sha256 {digest}" if protocol == self.tus else f"Content-Digest: sha-256=:{digest}:"

    def any_protocol(self, own):
        return self.chance.choice((own, own, own, self.tus, self.draft))

    # What the answers say.

    def learn(self, answer):
        """The offset of an answer, which must be possible."""
        offset = int(answer.get("Upload-Offset"))
        self.assertGreaterEqual(offset, self.told, f"the offset decreased after {self.history[-3:]}: {answer}")
        self.assertLessEqual(offset, self.sent, f"more than was sent after {self.history[-3:]}: {answer}")
        if self.all_or_nothing:
            self.assertEqual(offset, self.told, f"bytes without their checksum count after {self.history[-3:]}")
        self.told = offset
        return offset

    def ask(self, protocol):
        """The offset by HEAD, which ends what runs."""
        fields = [TUS] if protocol == self.tus else [INTEROP]
        answer = self.here.exchange(request("HEAD", self.upload, *fields), to_head=True)
        self.assertEqual(answer.status, 200 if protocol == self.tus else 204, f"{self.history[-3:]}: {answer}")
        return self.learn(answer)

    def try_patch(self, protocol, offset):
        """A connection with a PATCH of all the rest, and the first answer to it that is not about progress."""
        self.is_chunked = self.chance.random() < 0.3
        framing = "Transfer-Encoding: chunked" if self.is_chunked else f"Content-Length: {len(self.body) - offset}"
        checked = self.chance.random() < 0.1
        fields = [*protocol(offset), *([self.checksum(protocol)] if checked else [])]
        wire = self.here.connect()
        self.addCleanup(wire.close)
        wire.send(request("PATCH", self.upload, *fields, EXPECT, framing))
        while (answer := wire.read_response()).status == 104:
            pass
        if answer.status == 100:
            self.told, self.all_or_nothing = offset, checked
        return wire, answer

    def patch(self, protocol, offset):
        """The same, where it must be accepted."""
        wire, answer = self.try_patch(protocol, offset)
        self.assertEqual(answer.status, 100, f"PATCH at {offset}, which was told, after {self.history[-3:]}: {answer}")
        return wire

    # The cuts.

    def framed(self, data):
        """The bytes as they go over the wire of the PATCH that runs."""
        pieces, at = [], 0
        while self.is_chunked and at < len(data):
            piece = data[at:at + self.chance.randrange(1, 100 * KIB)]
            pieces.append(b"%x\r\n%b\r\n" % (len(piece), piece))
            at += len(piece)
        return b"".join(pieces) if self.is_chunked else data

    def cut_and_finish(self, made, own):
        self.assertEqual(made.status, 201, made)
        self.upload = made.get("Location")
        kinds = self.chance.choices(list(KINDS), KINDS.values(), k=CUTS)
        cuts = sorted(self.chance.sample(range(1, len(self.body)), CUTS))
        wire, offset = None, 0
        for cut, kind in zip(cuts, kinds, strict=True):
            if wire is None:
                offset = self.ask(self.any_protocol(own))
                wire = self.patch(self.any_protocol(own), offset)
            self.history.append(f"{kind} at {cut}, begun at {offset}, checked: {self.all_or_nothing}")
            data = self.framed(self.body[offset:cut])
            self.sent = max(self.sent, cut)
            wire, offset = getattr(self, kind.replace(" ", "_"))(wire, data, cut, self.any_protocol(own))
        if wire is not None:
            wire.reset()
        self.finish(self.any_protocol(own), self.any_protocol(own))

    def finish(self, asks, ends):
        offset = self.ask(asks)
        answer = self.here.exchange(request("PATCH", self.upload, *ends(offset), body=self.body[offset:]))
        self.assertEqual(answer.status, 204 if ends == self.tus else 201, answer)
        got = self.here.get(path_in(answer.get("Upload-Link")))
        self.assertEqual(got.status, 200, got)
        self.assertTrue(got.body == self.body, f"{len(got.body)} bytes instead of {len(self.body)}, or others")
        digest = base64_of(hashlib.sha256(self.body).digest())
        self.assertEqual(got.get("Repr-Digest"), f"sha-256=:{digest}:")
        self.assertEqual(len(self.here.stored_files()), 1)

    # Each ends the request; (connection, offset) of the one that runs then, or (None, 0).

    def reset(self, wire, data, _cut, _protocol):
        wire.send(data).reset()
        return None, 0

    def close(self, wire, data, _cut, _protocol):
        wire.send(data).close()
        return None, 0

    def half_close(self, wire, data, _cut, _protocol):
        wire.send(data).half_close()
        self.assert_not_done(wire)
        wire.close()
        return None, 0

    def kill(self, wire, data, _cut, _protocol):
        wire.send(data)
        self.here.kill9()
        wire.close()
        self.here.start()
        return None, 0

    def head(self, wire, data, _cut, protocol):
        with self.still_sending(wire, data):
            offset = self.ask(protocol)
        return self.patch(protocol, offset), offset

    def blind(self, wire, data, _cut, protocol):
        begun = self.told
        with self.still_sending(wire, data):
            newer, answer = self.try_patch(protocol, begun)
        if answer.status == 100:
            return newer, begun
        self.assertEqual(answer.status, 409, f"{self.history[-3:]}: {answer}")
        if protocol == self.tus:
            return None, 0
        offset = self.learn(answer)  # what the 409 tells is accepted too
        return self.patch(protocol, offset), offset

    def known(self, wire, data, cut, protocol):
        wire.send(data)
        wait_taken(wire)
        offset = self.told if self.all_or_nothing else cut
        newer = self.patch(protocol, offset)
        self.assert_not_done(wire)
        wire.close()
        return newer, offset

    def assert_not_done(self, wire):
        rest = read_what_comes(wire)
        self.assertNotRegex(rest, rb"HTTP/1\.1 2", f"a request that was cut has succeeded: {self.history[-3:]}")

    def still_sending(self, wire, data):
        return StillSending(self, wire, data, self.chance.randrange(len(data) + 1))


class StillSending:
    """For the block what is behind `at` is still being sent; afterwards the server must have ended the request."""

    def __init__(self, case, wire, data, at):
        self.case, self.wire, self.rest = case, wire, data[at:]
        wire.send(data[:at])
        self.sender = threading.Thread(target=wire.send, args=(self.rest,))

    def __enter__(self):
        self.sender.start()

    def __exit__(self, kind, *_):
        self.sender.join()
        if kind is None:
            self.case.assert_not_done(self.wire)
        self.wire.close()


if __name__ == "__main__":
    main()
