#!/usr/bin/env python3
"""Links that are asked for often come from memory, and nobody can tell: deletion, expiry, ranges and conditions are as for
any other, on every loop."""

import time

from harness import KIB, EndToEnd, main, path_of, random_bytes, request, wait_until

ASKED = 4  # times on each connection: the content is kept from the third download of a loop on


class Hot(EndToEnd):
    """Two loops, and connections to both."""

    def setUp(self):
        super().setUp()
        self.here = self.server("--loops", "2")
        self.wires = [self.here.connect() for _ in range(16)]
        for wire in self.wires:
            self.addCleanup(wire.close)

    def upload(self, body, *fields):
        answer = self.here.exchange(request("PUT", "/f", *fields, body=body))
        self.assertEqual(answer.status, 201, answer)
        return answer

    def heat(self, path, body):
        for wire in self.wires * ASKED:
            answer = wire.send(request("GET", path)).read_final()
            self.assertEqual((answer.status, answer.body), (200, body))

    def statuses(self, path):
        return {wire.send(request("GET", path)).read_final().status for wire in self.wires}

    def test_every_size_comes_back_equal_however_often(self):
        for size in (0, 1, 4 * KIB, 16 * KIB, 16 * KIB + 1, 64 * KIB, 64 * KIB + 1, 300 * KIB):
            with self.subTest(size=size):
                body = random_bytes(size, size)
                self.heat(path_of(self.upload(body)), body)

    def test_a_deleted_link_is_gone_on_every_connection_at_once(self):
        for size in (5 * KIB, 200 * KIB):
            body = random_bytes(size, "deleted")
            answer = self.upload(body)
            path = path_of(answer)
            self.heat(path, body)
            deleted = self.wires[0].send(request("DELETE", path + "/" + answer.get("X-Token"))).read_final()
            self.assertEqual(deleted.status, 200)
            self.assertEqual(self.statuses(path), {404})
            wait_until(lambda: not self.here.stored(), "its bytes are gone")
            wait_until(lambda: not [target for target in self.here.fd_targets() if "(deleted)" in target],
                       "nobody holds the deleted file")

    def test_a_link_expires_while_it_is_asked_for(self):
        body = random_bytes(5 * KIB, "expires")
        path = path_of(self.upload(body, "Expires-In: 2s"))
        begun = time.monotonic()
        self.heat(path, body)
        if time.monotonic() - begun > 1.5:
            self.skipTest("SKIPPED: too slow a machine to ask in time")
        wait_until(lambda: self.statuses(path) == {404}, "it has expired")

    def test_a_new_expiry_holds_on_every_connection_at_once(self):
        body = random_bytes(5 * KIB, "changed")
        answer = self.upload(body, "Expires-In: 1h")
        path = path_of(answer)
        self.heat(path, body)
        soon = int(time.time() * 1000) + 1500
        form = f"token={answer.get('X-Token')}&expires={soon}".encode()
        changed = self.here.exchange(request("POST", "/" + path.split("/")[1],
                                             "Content-Type: application/x-www-form-urlencoded", body=form))
        self.assertEqual(changed.status, 200, changed)
        wait_until(lambda: time.time() * 1000 > soon, "its new time is over")
        self.assertEqual(self.statuses(path), {404})

    def test_ranges_conditions_and_head_are_as_before(self):
        body = random_bytes(40 * KIB, "ranges")
        path = path_of(self.upload(body))
        cold = self.here.exchange(request("HEAD", path), to_head=True)
        self.heat(path, body)
        wire = self.wires[0]
        part = wire.send(request("GET", path, "Range: bytes=10000-29999")).read_final()
        self.assertEqual((part.status, part.body), (206, body[10000:30000]))
        two = wire.send(request("GET", path, "Range: bytes=0-9,-10")).read_final()
        self.assertEqual(two.status, 206)
        self.assertIn(body[:10], two.body)
        self.assertIn(body[-10:], two.body)
        same = wire.send(request("GET", path, f"If-None-Match: {cold.get('ETag')}")).read_final()
        self.assertEqual(same.status, 304)
        head = wire.send(request("HEAD", path)).read_final(to_head=True)
        for name in ("Content-Length", "Content-Type", "ETag", "Last-Modified", "Content-Disposition", "Vary"):
            self.assertEqual(head.get(name), cold.get(name), name)
        attachment = wire.send(request("GET", path + "?dl=1")).read_final()
        self.assertEqual((attachment.status, attachment.body), (200, body))

    def test_a_limited_link_is_counted_however_often_it_is_asked_for(self):
        body = random_bytes(5 * KIB, "limited")
        path = path_of(self.upload(body, "Max-Downloads: 20"))
        answers = [wire.send(request("GET", path)).read_final().status for wire in self.wires * 2]
        self.assertEqual((answers.count(200), answers.count(404)), (20, 12))

    def test_the_count_of_downloads_is_right(self):
        body = random_bytes(5 * KIB, "counted")
        path = path_of(self.upload(body))
        self.heat(path, body)
        known = "/api/links/" + path.split("/")[1]
        wanted = f'"downloads":{len(self.wires) * ASKED},'.encode()
        wait_until(lambda: wanted in self.here.get(known).body.replace(b" ", b""), "each was counted")

    def test_without_a_cache_it_is_the_same(self):
        bare = self.server("--cache-size", "0")
        body = random_bytes(5 * KIB, "bare")
        path = bare.put("f", body)
        for _ in range(5):
            self.assertEqual(bare.get(path).body, body)


if __name__ == "__main__":
    main()
