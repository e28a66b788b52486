#!/usr/bin/env python3
"""Memory follows the configuration: not the size of a file, not the number of clients."""

from harness import GIB, KIB, MIB, EndToEnd, main, make_file, random_bytes, request, sha256_of, wait_until

SMALL = 40 * MIB
HUGE = 4 * GIB
MOST_GROWTH = 8 * MIB  # the bound for a file a hundred times as large
BUDGET = 64 * MIB  # memory_budget's default
SLOW_CLIENTS = 1000
SLOW_BYTES = 48 * KIB
SLOW_PIECE = 4 * KIB


class FlatMemory(EndToEnd):
    """The peak resident size (VmHWM) of a fresh process for each transfer."""

    def peaks_of(self, size):
        """Peak resident bytes of a server that takes a file of that size in each way, and gives it, whole and in parts."""
        file = make_file(self.directory / "file", size)
        peaks = {}
        server = self.server()
        url = self.curl_ok("-T", file, server.url + "/").decode().strip()
        peaks["upload"] = server.peak_rss()
        path = url.removeprefix(server.url)
        server.restart()
        self.assertEqual(self.fetch_sha256(server.url + path), sha256_of(file))
        peaks["download"] = server.peak_rss()
        server.restart()
        # All of it but one byte, in two parts (one of them could be sent as a plain 206).
        middle = size // 2
        parts = self.curl_ok("-r", f"0-{middle - 1},{middle + 1}-", "-o", "/dev/null", "-w", "%{http_code} %{size_download}",
                             server.url + path).decode().split()
        self.assertEqual(parts[0], "206")
        self.assertGreater(int(parts[1]), size - 1)
        peaks["download of two parts"] = server.peak_rss()
        server.stop()
        server = self.server()
        url = self.curl_ok("-F", f"f=@{file}", server.url + "/").decode().strip()
        peaks["form"] = server.peak_rss()
        self.assertEqual(self.fetch_sha256(url), sha256_of(file))
        server.stop()
        server = self.server()
        with open(file, "rb") as source:
            self.curl_ok("-T", "-", server.url + "/file", stdin=source)
        peaks["chunked upload"] = server.peak_rss()
        server.stop()
        file.unlink()
        return peaks

    def test_a_file_of_4_gib_costs_at_most_8_mib_more_than_one_of_40_mib(self):
        small = self.peaks_of(SMALL)
        huge = self.peaks_of(HUGE)
        print({way: f"{small[way] / MIB:.1f} -> {huge[way] / MIB:.1f} MiB" for way in huge})
        for way in huge:
            with self.subTest(way=way):
                self.assertLessEqual(huge[way] - small[way], MOST_GROWTH, f"peaks: {small[way]} and {huge[way]} bytes")


class ManyClients(EndToEnd):
    """A thousand clients share the budget of one server."""

    def test_1000_slow_uploads_stay_within_the_memory_budget(self):
        server = self.server()
        server.put("first", bytes(SLOW_BYTES))  # what a first upload makes resident is no client's
        body = random_bytes(SLOW_BYTES, "slow")
        wires = [server.connect() for _ in range(SLOW_CLIENTS)]
        try:
            for wire in wires:
                self.assertEqual(wire.send(request("GET", "/healthz")).read_final().status, 200)
            base = server.peak_rss()  # with the connections themselves
            with self.canary(server):
                for n, wire in enumerate(wires):
                    wire.send(request("PUT", f"/{n}", f"Content-Length: {SLOW_BYTES}"))
                # All of them are in the middle of their body all the time.
                for offset in range(0, SLOW_BYTES, SLOW_PIECE):
                    for wire in wires:
                        wire.send(body[offset:offset + SLOW_PIECE])
                created = [wire.read_final() for wire in wires]
        finally:
            for wire in wires:
                wire.close()
        growth = server.peak_rss() - base
        print(f"1000 slow uploads: {base / MIB:.1f} MiB + {growth / MIB:.1f} MiB")
        self.assertEqual({response.status for response in created}, {201})
        self.assertLessEqual(growth, BUDGET)
        wait_until(lambda: len(server.stored_files()) == SLOW_CLIENTS + 1, "each upload has its file, but the canary")

    def test_1000_idle_connections_hold_no_buffer(self):
        server = self.server()
        server.put("first", b"x")
        base = server.peak_rss()
        wires = [server.connect() for _ in range(1000)]
        try:
            for wire in wires:
                self.assertEqual(wire.send(request("GET", "/healthz")).read_final().status, 200)
            growth = server.rss() - base
        finally:
            for wire in wires:
                wire.close()
        print(f"1000 idle connections: {base / MIB:.1f} MiB + {growth / MIB:.1f} MiB")
        self.assertLessEqual(growth, 15 * MIB, "a buffer of 16 KiB each would be more")


if __name__ == "__main__":
    main()
