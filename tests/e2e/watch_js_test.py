#!/usr/bin/env python3
"""npm's `ws` watches an upload."""

from harness import main, random_bytes
from node_tools import Script, packages
from watch_tools import NAMED, WATCH_ID, WatchCase


class WatchJs(WatchCase):
    @classmethod
    def setUpClass(cls):
        packages()

    def setUp(self):
        super().setUp()
        self.here = self.server("--loops", "2")

    def watch(self, **asked):
        script = Script("watch.mjs", {"url": f"ws://{self.here.authority}/watch/{WATCH_ID}", **asked})
        self.addCleanup(script.close)
        return script

    def test_from_before_the_start_to_the_link(self):
        watchers = [self.watch(), self.watch(says="x" * 1024), self.watch(origin=self.here.url)]
        for one in watchers:
            self.assertEqual(one.wait_for("message")["message"]["state"], "waiting")
        body = random_bytes(100_000, "ws")
        wire = self.begin(self.here, len(body), NAMED)
        for one in watchers:
            self.assertEqual(one.wait_for("message")["message"]["state"], "receiving")
        made = wire.send(body).read_final()
        for one in watchers:
            self.assertEqual(one.finish(), {"event": "closed", "code": 1000, "pongs": 1})
            last = one.told[-2]
            self.assertFalse(last["binary"])
            self.assertEqual((last["message"]["state"], last["message"]["url"], last["message"]["bytes_stored"]),
                             ("complete", made.get("Location").replace("ringdrop.test", self.here.authority), 100_000))

    def test_it_is_refused_with_a_foreign_origin_and_cut_off_when_it_says_too_much(self):
        self.assertEqual(self.watch(origin="https://evil.example").finish(), {"event": "error", "status": 403})
        loud = self.watch(says="x" * 1025)
        self.assertEqual(loud.finish(), {"event": "closed", "code": 1009, "pongs": 1})


if __name__ == "__main__":
    main()
