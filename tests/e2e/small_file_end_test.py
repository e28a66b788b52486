#!/usr/bin/env python3
"""How small files end, are refused, and are looked after: as if each had a file of its own on disk."""

import base64
import contextlib
import hashlib
import json
import re
import threading

from harness import KIB, MIB, Closed, chunked, main, path_of, random_bytes, request, sha256_of, wait_until
from http_tools import all_of, field_part, file_part, form_body, form_request, links_of, token_of
from small_file_test import CHUNKED, LIMIT, SMALL, SmallFileCase, chunk
from tus_tools import EXPECT, repr_digest, wait_taken


class Ends(SmallFileCase):
    """What ends takes its bytes with it, and what never was leaves none."""

    def test_a_deleted_one_is_gone_from_the_catalogue(self):
        server = self.server()
        links = [self.upload(server, bytes(size)) for size in SMALL]
        self.assertEqual(server.stored(), [bytes(size) for size in SMALL])
        for created in links:
            deleted = server.exchange(request("DELETE", re.sub(r"^http://[^/]+", "", created.get("X-Url-Delete"))))
            self.assertEqual(deleted.status, 200)
            self.assertEqual(server.get(path_of(created)).status, 404)
        self.wait_until_gone(server)
        server.restart()
        self.assert_nothing_kept(server)
        self.fsck(server, code=0)

    def test_an_expired_one_is_gone_from_the_catalogue_and_another_is_not(self):
        server = self.server()
        kept = random_bytes(4000, "kept")
        links = {server.put("kept", kept): kept}
        paths = [path_of(self.upload(server, bytes(size), "Expires-In: 300ms")) for size in SMALL]
        wait_until(lambda: len(server.stored_contents()) == 1, "the sweeper has found them")
        self.assertEqual({server.get(path).status for path in paths}, {404})
        self.assertEqual((self.count(server, "links"), self.count(server, "garbage")), (1, 0))
        self.assert_kept(server, links, files=0)

    def test_one_download_is_one_download(self):
        server = self.server()
        for size in SMALL:
            body = random_bytes(size, size)
            path = path_of(self.upload(server, body, "Max-Downloads: 1"))
            self.assertEqual(server.exchange(request("HEAD", path), to_head=True).status, 200)
            got = server.get(path)
            self.assertEqual((got.status, got.body), (200, body))
            self.assertEqual([server.get(path).status for _ in range(3)], [404] * 3)
        self.wait_until_gone(server)

    def test_of_many_at_a_time_one_gets_it(self):
        server = self.server()
        body = random_bytes(5000, "one")
        for _ in range(20):
            path = path_of(self.upload(server, body, "Max-Downloads: 1"))
            wires = [server.connect() for _ in range(8)]
            together = threading.Barrier(len(wires))
            threads = [threading.Thread(target=lambda wire=wire: (together.wait(), wire.send(request("GET", path))))
                       for wire in wires]
            for thread in threads:
                thread.start()
            answers = [wire.read_final() for wire in wires]
            for thread, wire in zip(threads, wires):
                thread.join()
                wire.close()
            self.assertEqual(sorted(answer.status for answer in answers), [200] + [404] * 7)
            self.assertEqual([answer.body for answer in answers if answer.status == 200], [body])
        self.wait_until_gone(server)

    def test_one_that_breaks_off_leaves_nothing(self):
        server = self.server()
        sized, of_chunks = request("PUT", "/f", "Content-Length: 5000"), request("PUT", "/f", CHUNKED)
        form = request("POST", "/", 'Content-Type: multipart/form-data; boundary="-----ringdrop-e2e"', CHUNKED)
        torn = form_body(file_part("a", b"whole" * 100), file_part("b", b"torn" * 100), closed=False)
        for part in (sized, sized + b"x", sized + b"x" * 4999, of_chunks, of_chunks + chunk(b"x" * 4000),
                     of_chunks + b"2000\r\n" + b"x" * 100, of_chunks + chunk(b"x" * LIMIT) + b"0\r\n",
                     form + chunk(torn), form + chunk(torn) + b"0\r\n\r\n"):
            for end in ("reset", "close", "half_close"):
                with self.subTest(part=part[:60], size=len(part), end=end):
                    with server.connect() as wire:
                        wire.send(part)
                        wait_taken(wire)
                        getattr(wire, end)()
                        if end == "half_close":
                            with contextlib.suppress(Closed, ConnectionResetError):
                                self.assertEqual(wire.read_final().status, 400)
        server.get("/healthz")  # accepted after them
        wait_until(lambda: server.open_sockets() <= 2, "the server has noticed")
        self.assert_nothing_kept(server)
        server.restart()
        self.assert_nothing_kept(server)

    def test_one_that_stalls_is_408_and_leaves_nothing(self):
        server = self.server("--stall-timeout", "300ms", "--linger-timeout", "100ms")
        parts = [request("PUT", "/f", "Content-Length: 5000") + b"x" * size for size in (0, 1, 4999)]
        parts.append(request("PUT", "/f", CHUNKED) + chunk(b"x" * 4000))
        wires = [server.connect().send(part) for part in parts]
        for wire in wires:
            answer = wire.read_final()
            self.assertEqual((answer.status, answer.get("Connection")), (408, "close"))
            wire.close()
        self.assert_nothing_kept(server)

    def test_a_kill_9_in_its_middle_leaves_nothing(self):
        server = self.server()
        with server.connect() as wire:
            wait_taken(wire.send(request("PUT", "/f", "Content-Length: 5000") + b"x" * 4000))
            server.kill9()
        server.start()
        self.assert_nothing_kept(server)
        self.assertIn(" 0 findings", self.fsck(server, code=0).stdout)


class Refused(SmallFileCase):
    """What is refused, and in which words."""

    def assert_refused(self, answer, status, code):
        self.assertEqual(answer.status, status, answer)
        self.assertIn(f"ringdrop: {status} {code}: ".encode(), answer.body)

    def test_a_digest_that_matches_is_told_and_one_that_does_not_is_400_and_nothing_stays(self):
        server = self.server()
        kept = []
        for size in SMALL:
            body = random_bytes(size, f"digest {size}")
            right, wrong = f"Repr-Digest: {repr_digest(body)}", f"Repr-Digest: {repr_digest(body + b'x')}"
            for framing, data in (([], body), ([CHUNKED], chunked(*([body] if body else [])))):
                with self.subTest(size=size, framing=framing):
                    refused = server.exchange(request("PUT", "/f", wrong, *framing, body=data))
                    self.assert_refused(refused, 400, "digest_mismatch")
                    self.assertEqual((server.stored(), self.count(server, "links")), (kept, len(kept)))
                    created = server.exchange(request("PUT", "/f", right, *framing, body=data))
                    self.assertEqual((created.status, created.get("Repr-Digest")), (201, repr_digest(body)), created)
                    got = server.get(path_of(created))
                    self.assertEqual((got.body, got.get("Repr-Digest")), (body, repr_digest(body)))
                    kept.append(body)
        self.scrub(server, code=0)

    def test_a_digest_that_is_wanted_is_made_of_each_small_file(self):
        server = self.server()
        body = random_bytes(4000, "wanted")
        sha512 = f"sha-512=:{base64.b64encode(hashlib.sha512(body).digest()).decode()}:"
        created = self.upload(server, body, "Want-Repr-Digest: sha-512=1")
        self.assertEqual(created.get("Repr-Digest"), sha512)
        bodies = [b"a" * 10, b"b" * 20_000, b"", b"c" * LIMIT]
        answer = server.exchange(form_request(*[file_part("f", one) for one in bodies],
                                              fields=["Want-Repr-Digest: sha-256=1", "Accept: application/json"]))
        told = [file["digest"]["sha-256"] for file in json.loads(answer.body)["files"]]
        self.assertEqual(told, [sha256_of(one) for one in bodies])
        server.restart()
        self.assertEqual(server.get(path_of(created)).get("Repr-Digest"), sha512)
        self.scrub(server, code=0)

    def test_a_wrong_digest_of_a_form_is_400_and_nothing_stays(self):
        server = self.server()
        parts = [file_part("a", b"a" * 10), file_part("b", b"b" * 20_000)]
        self.assert_refused(server.exchange(form_request(*parts, fields=[f"Repr-Digest: {repr_digest(b'x')}"])), 400,
                            "digest_mismatch")
        self.assert_nothing_kept(server)

    def test_max_upload_size_holds_below_the_limit(self):
        server = self.server("--max-upload-size", "1KiB")
        self.assert_refused(server.exchange(request("PUT", "/f", body=bytes(1025))), 413, "size_limit_exceeded")
        for pieces in ((bytes(1025),), (bytes(1000), bytes(25)), (bytes(1024), bytes(1))):
            with server.connect() as wire:
                wire.send(request("PUT", "/f", CHUNKED))
                for piece in pieces:
                    wire.send(chunk(piece))
                    wait_taken(wire)
                self.assert_refused(wire.read_final(), 413, "size_limit_exceeded")
        self.assert_refused(server.exchange(form_request(file_part("a", b"small"), file_part("b", bytes(1025)))), 413,
                            "size_limit_exceeded")
        self.assert_nothing_kept(server)
        self.assertEqual(server.get(server.put("f", bytes(1024))).body, bytes(1024))

    def test_without_room_it_is_507_before_its_body(self):
        server = self.server("--min-free-space", "1000TiB")
        for framing in ("Content-Length: 5", CHUNKED):
            with server.connect() as wire:
                wire.send(request("PUT", "/f", EXPECT, framing))
                self.assert_refused(wire.read_final(), 507, "storage_full")
        self.assert_refused(server.exchange(request("PUT", "/f")), 507, "storage_full")
        self.assert_refused(server.exchange(form_request(file_part("a", b"small"))), 507, "storage_full")
        self.assert_nothing_kept(server)

    def test_who_asks_first_is_told_to_go_on(self):
        server = self.server()
        for framing, body in (("Content-Length: 5", b"hello"), (CHUNKED, chunked(b"hello"))):
            with server.connect() as wire:
                wire.send(request("PUT", "/f", EXPECT, framing))
                self.assertEqual(wire.read_response().status, 100)
                created = wire.send(body).read_response()
                self.assertEqual(created.status, 201, created)
            self.assertEqual(server.get(path_of(created)).body, b"hello")

    def test_more_fields_of_a_form_hold_for_its_small_files(self):
        server = self.server()
        parts = [field_part("max_downloads", "1"), file_part("a", b"a"), file_part("b", b"")]
        answer = server.exchange(form_request(*parts))
        for path, body in zip(links_of(answer), (b"a", b"")):
            got = server.get(path)
            self.assertEqual((got.status, got.body), (200, body))
            self.assertEqual(server.get(path).status, 404)
        self.assertEqual(len(all_of(answer, "X-Url-Delete")), 2)
        self.wait_until_gone(server)


class Tools(SmallFileCase):
    """fsck, scrub and backup."""

    def test_scrub_finds_a_flipped_bit_and_names_the_link(self):
        for options in ((), ("--digest", "always")):
            server, links = self.stopped_with(b"sound" * 100, b"rotten" * 1000, b"", b"large" * 5000, options=options)
            with self.catalogue(server) as database:
                [number, content] = database.execute(
                    "SELECT link, bytes FROM contents JOIN links ON id = link WHERE token = ?",
                    (token_of(links[1]),)).fetchone()
                database.execute("UPDATE contents SET bytes = ? WHERE link = ?",
                                 (content[:3000] + bytes([content[3000] ^ 1]) + content[3001:], number))
            done = self.scrub(server, code=1)
            self.assert_line(done, f"link {number} ", token_of(links[1])[:6], "rot")
            self.assertIn(": 1 findings", done.stdout)
            self.assertNotIn(token_of(links[1]), done.stdout)
            self.fsck(server, code=0)

    def test_fsck_names_a_content_of_the_wrong_length_and_everybody_else_is_served(self):
        server, links = self.stopped_with(b"a" * 5000, b"b" * 5000)
        with self.catalogue(server) as database:
            [number] = database.execute("SELECT id FROM links WHERE token = ?", (token_of(links[0]),)).fetchone()
            database.execute("UPDATE contents SET bytes = substr(bytes, 2) WHERE link = ?", (number,))
        done = self.fsck(server, code=1)
        self.assert_line(done, f"link {number}:", "size")
        self.assertIn(": 1 findings", done.stdout)
        server.start()
        self.assertEqual(server.get(links[0]).status, 500)
        self.assertEqual(server.get(links[1]).body, b"b" * 5000)
        self.assertEqual(server.get("/readyz").status, 200)
        server.put("more", b"more")

    def test_fsck_names_rows_without_their_other_half(self):
        server, links = self.stopped_with(b"a" * 5000, b"b" * 5000, b"c" * 5000)
        with self.catalogue(server) as database:
            numbers = [database.execute("SELECT id FROM links WHERE token = ?", (token_of(link),)).fetchone()[0]
                       for link in links]
            database.execute("DELETE FROM contents WHERE link = ?", (numbers[0],))
            database.execute("DELETE FROM links WHERE id = ?", (numbers[1],))
        done = self.fsck(server, code=1)
        self.assert_line(done, f"link {numbers[0]}:", "neither")
        self.assert_line(done, f"link {numbers[1]}:", "does not exist")
        self.assertIn(": 2 findings", done.stdout)

    def test_repair_beside_small_files_alone_removes_what_nobody_has(self):
        server = self.server()
        kept = server.put("kept", b"kept")
        with server.connect() as wire:
            wire.send(request("PUT", "/sized", f"Content-Length: {MIB}") + bytes(300 * KIB))
            wait_until(server.stored_files, "the body has a file")
            server.kill9()
        self.assertIn("1 unfinished files", self.fsck(server, code=0).stdout)
        self.assertIn("1 files removed", self.fsck(server, "--repair", code=0).stdout)
        self.assertEqual(server.stored_files(), [])
        server.start()
        self.assertEqual(server.get(kept).body, b"kept")

    def test_repair_beside_small_files_removes_nothing_when_the_rows_of_the_others_are_lost(self):
        server, _ = self.stopped_with(b"small", b"large" * 5000)
        files = server.stored_files()
        self.assertEqual(len(files), 1)
        with self.catalogue(server) as database:
            database.execute("UPDATE links SET file = NULL")
        done = self.fsck(server, "--repair", "--drop-broken", code=1)
        self.assert_line(done, "neither extents nor content")
        self.assertIn("nothing was repaired", done.stdout)
        self.assertEqual(server.stored_files(), files)

    def test_a_backup_has_them_and_a_server_on_it_serves_them(self):
        server = self.server("--digest", "always")
        bodies = [random_bytes(size, f"copy {size}") for size in (*SMALL, 20_000)]
        links = {server.put("f", body): body for body in bodies}
        limited = path_of(self.upload(server, b"once", "Max-Downloads: 1"))
        self.backup(server, self.directory / "copy")
        self.fsck(server, code=0)  # beside the running server
        self.scrub(server, code=0)
        server.stop()
        copy = self.restored(self.directory / "copy")
        self.scrub(copy, code=0)
        copy.start()
        self.assertEqual([copy.get(limited).status for _ in range(2)], [200, 404])
        wait_until(lambda: len(copy.stored_contents()) == len(SMALL), "what is used up is swept")
        self.assert_kept(copy, links, files=1)


if __name__ == "__main__":
    main()
