#!/usr/bin/env python3
"""A client of latency_test.py, in a process of its own so that the test's work does not disturb its clock.

    latency_client.py probe HOST PORT PATH fresh|kept     small GETs until standard input ends; prints their ms as JSON
    latency_client.py trickle HOST PORT COUNT             so many uploads, a byte a second each, until then too
"""

import json
import select
import socket
import sys
import time


def ended():
    """Whether the test wants an end."""
    return bool(select.select([sys.stdin], [], [], 0)[0])


def exchange(connection, request):
    """One small GET; its answer is 200 and ends where Content-Length says."""
    connection.sendall(request)
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += connection.recv(65536)
    head, _, body = answer.partition(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
    while len(body) < length:
        body += connection.recv(65536)
    if not head.startswith(b"HTTP/1.1 200 "):
        raise AssertionError(head)


def probe(address, path, fresh):
    """Milliseconds of each GET, one after the other with a short pause so that the two cores are not ours alone."""
    request = f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    times = []
    connection = None
    while not ended():
        began = time.perf_counter()
        if connection is None:
            connection = socket.create_connection(address, 30)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        exchange(connection, request)
        times.append((time.perf_counter() - began) * 1000)
        if fresh:
            connection.close()
            connection = None
        time.sleep(0.005)
    print(json.dumps(times))


def trickle(address, count):
    """Opens the uploads, says so, then sends each its byte a second, spread over the second."""
    connections = []
    for n in range(count):
        connection = socket.create_connection(address, 30)
        connection.sendall(f"PUT /{n} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n".encode())
        connections.append(connection)
    print("trickling", flush=True)
    begin, sent = time.monotonic(), 0
    while not ended():
        due = int((time.monotonic() - begin) * count)
        while sent < due:
            connections[sent % count].sendall(b"x")
            sent += 1
        time.sleep(0.01)


if __name__ == "__main__":
    what, host, port, *rest = sys.argv[1:]
    if what == "probe":
        probe((host, int(port)), rest[0], rest[1] == "fresh")
    else:
        trickle((host, int(port)), int(rest[0]))
