"""Clients of every kind that keep a log of what the server has acknowledged, and the comparison of such a log with what a
server has after a crash: what was acknowledged is there, whole; what was not may be absent and is never torn."""

import json
import random
import re
import threading
import time
from datetime import datetime, timezone

from harness import Closed, path_of, request, sha256_of
from http_tools import all_of, file_part, form_request, links_of, token_of
from tus_tools import OFFSET_TYPE, TUS

SIZES = [0, 1, 4096, 8192, 8193, 70_000, 300_001]
FAR_MS = 4_000_000_000_000  # an expiry that no test lives to see
URLENCODED = "Content-Type: application/x-www-form-urlencoded"


class Link:
    """What a client knows of one link."""

    def __init__(self, path, body, delete_url=None, token=None):
        self.path, self.digest = path, sha256_of(body)
        self.delete_path = delete_url and re.sub(r"^http://[^/]+", "", delete_url)
        self.delete_token = token
        self.expiry = {None}  # one of these holds
        self.deleted = "no"   # or "perhaps", "yes"


class Upload:
    """What a client knows of one unfinished upload."""

    def __init__(self, url, body):
        self.url, self.body = url, body
        self.acknowledged = 0


class Client(threading.Thread):
    """Does one thing after the other until the server is gone."""

    def __init__(self, server, seed):
        super().__init__()
        self.server = server
        self.random = random.Random(seed)
        self.links = []
        self.uploads = []
        self.unexpected = None
        self.deaf = False  # what the server says from now on counts for nothing

    def run(self):
        try:
            while True:
                with self.server.connect() as wire:
                    for _ in range(self.random.randrange(1, 20)):
                        self.random.choice([self.put, self.put, self.form, self.create, self.append, self.append,
                                            self.delete, self.expire])(wire)
        except (OSError, Closed):
            pass  # the crash
        except Exception as error:  # pylint: disable=broad-except
            self.unexpected = error

    def ask(self, wire, data, *statuses):
        wire.socket.sendall(data)
        answer = wire.read_final()
        if self.deaf:
            raise Closed("the power is off")
        # A disk that has gone fails what needs it; nothing was acknowledged.
        if answer.status in (500, 503, 507):
            raise Closed(str(answer.status))
        if answer.status not in statuses:
            raise AssertionError(f"{answer.status} is none of {statuses}: {answer}")
        return answer

    def body(self):
        return self.random.randbytes(self.random.choice(SIZES))

    def put(self, wire):
        body = self.body()
        answer = self.ask(wire, request("PUT", "/put", body=body), 201)
        self.links.append(Link(path_of(answer), body, answer.get("X-Url-Delete"), answer.get("X-Token")))

    def form(self, wire):
        bodies = [self.body(), self.body()]
        answer = self.ask(wire, form_request(*[file_part(f"f{n}", body) for n, body in enumerate(bodies)]), 201)
        for link, body, url, token in zip(links_of(answer), bodies, all_of(answer, "X-Url-Delete"),
                                          all_of(answer, "X-Token")):
            self.links.append(Link(link, body, url, token))

    def create(self, wire):
        body = self.random.randbytes(self.random.choice([10_000, 100_000, 500_000]))
        answer = self.ask(wire, request("POST", "/uploads", TUS, f"Upload-Length: {len(body)}"), 201)
        self.uploads.append(Upload(answer.get("Location"), body))

    def append(self, wire):
        if not self.uploads:
            return
        upload = self.random.choice(self.uploads)
        at = upload.acknowledged
        piece = upload.body[at:at + self.random.choice([1, 999, 4096, 60_000])]
        answer = self.ask(wire, request("PATCH", upload.url, TUS, OFFSET_TYPE, f"Upload-Offset: {at}", body=piece), 204)
        upload.acknowledged = int(answer.get("Upload-Offset"))
        if upload.acknowledged == len(upload.body):
            self.uploads.remove(upload)
            self.links.append(Link(re.sub(r"^http://[^/]+", "", answer.get("Upload-Link")), upload.body))

    def known(self):
        links = [link for link in self.links if link.delete_token and link.deleted == "no"]
        return self.random.choice(links) if links else None

    def delete(self, wire):
        link = self.known()
        if not link:
            return
        link.deleted = "perhaps"
        self.ask(wire, request("DELETE", link.delete_path), 200, 204)
        link.deleted = "yes"

    def expire(self, wire):
        link = self.known()
        if not link:
            return
        at_ms = FAR_MS + 1000 * self.random.randrange(10**6)
        link.expiry.add(at_ms)
        body = f"token={link.delete_token}&expires={at_ms}".encode()
        self.ask(wire, request("POST", f"/{token_of(link.path)}", URLENCODED, body=body), 200, 204)
        link.expiry = {at_ms}


def crash_under_load(server, seconds, seed, crash, clients=6, deaf=False):
    """Lets the clients work for so long, crashes, and returns (links, uploads) of all their logs. `deaf`: what they read
    while crash() is at work is no acknowledgement."""
    threads = [Client(server, f"{seed} {number}") for number in range(clients)]
    for thread in threads:
        thread.start()
    time.sleep(seconds)  # no luck involved: any moment is right
    for thread in threads:
        thread.deaf = deaf
    crash()
    for thread in threads:
        thread.join()
        if thread.unexpected:
            raise thread.unexpected
    return [link for thread in threads for link in thread.links], [up for thread in threads for up in thread.uploads]


def check_links(test, server, links):
    with server.connect() as wire:
        for link in links:
            got = wire.send(request("GET", link.path)).read_final()
            if link.deleted == "yes" or (link.deleted == "perhaps" and got.status == 404):
                test.assertEqual(got.status, 404, f"{link.path} was deleted")
                continue
            test.assertEqual((got.status, sha256_of(got.body)), (200, link.digest), f"{link.path} was acknowledged")
            told = json.loads(wire.send(request("GET", f"/api/links/{token_of(link.path)}")).read_final().body)
            when = told["expires_at"]
            if when:
                at = datetime.strptime(when, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
                when = int(at.timestamp()) * 1000
            test.assertIn(when, link.expiry, f"the expiry of {link.path}")
            link.expiry = {when}


def check_uploads(test, server, uploads):
    """Each goes on where the server says, which is not before what it had acknowledged; the links that come of them."""
    links = []
    with server.connect() as wire:
        for upload in uploads:
            head = wire.send(request("HEAD", upload.url, TUS)).read_final(to_head=True)
            test.assertEqual(head.status, 200, f"{upload.url} at {upload.acknowledged} of {len(upload.body)}")
            at = int(head.get("Upload-Offset"))
            test.assertGreaterEqual(at, upload.acknowledged, upload.url)
            if at == len(upload.body):
                continue  # its last answer was on the way; its link is known to nobody
            fields = (TUS, OFFSET_TYPE, f"Upload-Offset: {at}")
            done = wire.send(request("PATCH", upload.url, *fields, body=upload.body[at:])).read_final()
            test.assertEqual(done.status, 204, done)
            links.append(Link(re.sub(r"^http://[^/]+", "", done.get("Upload-Link")), upload.body))
    check_links(test, server, links)
    return links
