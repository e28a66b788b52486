#!/usr/bin/env python3
"""Many clients at once: everybody's bytes stay everybody's own."""

import random
import subprocess
import threading

from harness import KIB, MIB, EndToEnd, main, path_of, random_bytes, request, sha256_of, wait_until

CONNECTIONS = 64
FILES_EACH = 30


class Concurrency(EndToEnd):
    """Uploads and downloads side by side."""

    def in_threads(self, work, count):
        """Runs work(n) in `count` threads; what it returned, in order."""
        results, troubles = [None] * count, []

        def run(n):
            try:
                results[n] = work(n)
            except BaseException as error:  # pylint: disable=broad-except
                troubles.append(error)

        threads = [threading.Thread(target=run, args=(n,)) for n in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if troubles:
            raise troubles[0]
        return results

    def test_64_connections_upload_4_kib_files_that_are_all_there_and_equal(self):
        server = self.server()

        def upload(n):
            links = []
            with server.connect() as wire:
                for turn in range(FILES_EACH):
                    body = random_bytes(4 * KIB, f"{n} {turn}")
                    created = wire.send(request("PUT", f"/{n}-{turn}", body=body)).read_final()
                    self.assertEqual(created.status, 201)
                    links.append((path_of(created), body))
            return links

        def check(links):
            with server.connect() as wire:
                for path, body in links:
                    self.assertEqual(wire.send(request("GET", path)).read_final().body, body)

        links = self.in_threads(upload, CONNECTIONS)
        self.assertEqual(len({path for each in links for path, _ in each}), CONNECTIONS * FILES_EACH)
        self.in_threads(lambda n: check(links[n]), CONNECTIONS)
        server.restart()
        self.in_threads(lambda n: check(links[n]), CONNECTIONS)

    def test_a_new_link_can_be_read_at_once_on_any_connection(self):
        server = self.server()
        wires = [server.connect() for _ in range(8)]
        for turn in range(100):
            body = random_bytes(100, turn)
            path = path_of(wires[turn % 8].send(request("PUT", "/x", body=body)).read_final())
            got = wires[(turn + 3) % 8].send(request("GET", path)).read_final()
            self.assertEqual((got.status, got.body), (200, body))
        for wire in wires:
            wire.close()

    def test_mixed_sizes_up_and_down_at_once_stay_apart(self):
        server = self.server()
        sizes = [1, 4095, 4097, 16 * KIB, 16 * KIB + 1, 100 * KIB, 2 * MIB, 2 * MIB + 1, 5 * MIB + 3]

        def transfer(n):
            chooser = random.Random(n)
            with server.connect() as wire:
                for turn in range(8):
                    body = random_bytes(chooser.choice(sizes), f"{n} {turn}")
                    if chooser.random() < 0.5:
                        wire.send(request("PUT", "/x", "Transfer-Encoding: chunked"))
                        middle = chooser.randrange(len(body) + 1)
                        for piece in filter(None, (body[:middle], body[middle:])):
                            wire.send(b"%x\r\n%b\r\n" % (len(piece), piece))
                        wire.send(b"0\r\n\r\n")
                    else:
                        wire.send(request("PUT", "/x", body=body))
                    path = path_of(wire.read_final())
                    got = wire.send(request("GET", path)).read_final()
                    self.assertEqual(sha256_of(got.body), sha256_of(body))

        self.in_threads(transfer, 24)

    def test_many_download_one_file_at_once(self):
        server = self.server()
        body = random_bytes(3 * MIB + 5, "one")
        path = server.put("one", body)
        digests = self.in_threads(lambda _: sha256_of(server.get(path).body), 40)
        self.assertEqual(set(digests), {sha256_of(body)})

    def test_a_slow_reader_gets_the_whole_file_and_delays_nobody(self):
        server = self.server("--memory-budget", "32MiB")
        body = random_bytes(24 * MIB, "slow")
        path = server.put("big", body)
        slow = [server.connect(receive_buffer=8 * KIB).send(request("GET", path)) for _ in range(30)]
        for wire in slow:
            wire.unread = wire.socket.recv(1000)
        with self.canary(server):
            digests = self.in_threads(lambda _: sha256_of(server.get(path).body), 10)
        self.assertEqual(set(digests), {sha256_of(body)})
        for wire in slow[:3]:
            self.assertEqual(sha256_of(wire.read_final().body), sha256_of(body))
        for wire in slow:
            wire.close()

    def test_uploads_that_stand_still_in_hundreds_delay_nobody(self):
        server = self.server("--memory-budget", "32MiB")
        begun = request("PUT", "/x", f"Content-Length: {MIB}") + bytes(20_000)
        still = [server.connect().send(begun) for _ in range(300)]
        with self.canary(server):
            for turn in range(20):
                body = random_bytes(MIB, turn)
                self.assertEqual(server.get(server.put("fast", body)).body, body)
        for wire in still:
            wire.close()

    def test_above_max_connections_it_is_503_with_retry_after_and_below_it_works_again(self):
        server = self.server("--max-connections", "8")
        wires = [server.connect() for _ in range(8)]
        for wire in wires:
            self.assertEqual(wire.send(request("GET", "/healthz")).read_final().status, 200)
        for _ in range(20):
            with server.connect() as wire:
                answer = wire.read_final()
                self.assertEqual((answer.status, answer.get("Connection")), (503, "close"))
                self.assertTrue(answer.get("Retry-After").isdigit())
                self.assertIn(b"ringdrop: 503 too_many_connections", answer.body)
                self.assertTrue(wire.is_closed())
        told = self.curl("-o", self.directory / "told", "-w", "%{http_code}", server.url + "/healthz")
        self.assertEqual(told.stdout, b"503")
        for wire in wires:
            self.assertEqual(wire.send(request("GET", "/healthz")).read_final().status, 200, "the others are unharmed")
            wire.close()
        wait_until(lambda: server.get("/healthz").status == 200, "there is room again")

    def test_curl_processes_at_once_each_get_their_own_link(self):
        server = self.server()
        bodies = [random_bytes(50_000 + n, n) for n in range(16)]
        processes = []
        for n, body in enumerate(bodies):
            (self.directory / f"{n}").write_bytes(body)
            processes.append(subprocess.Popen(["curl", "-q", "-sS", "-T", self.directory / f"{n}", server.url + "/"],
                                              stdout=subprocess.PIPE))
        urls = [process.communicate()[0].decode().strip() for process in processes]
        self.assertEqual(len(set(urls)), len(bodies))
        for url, body in zip(urls, bodies):
            self.assertEqual(self.fetch_sha256(url), sha256_of(body))


if __name__ == "__main__":
    main()
