"""A TCP relay between a client and a server: the network as it is at its worst. It cuts where it is told, holds and
counts, with TLS on the client's side if wanted. All on 127.0.0.1."""

import contextlib
import random
import socket
import struct
import threading

from harness import PATIENCE

PIECE = 16 * 1024  # bytes: a cut is at a byte, and this is what is in flight at most beyond it


def random_cuts(seed, most):
    """Cuts without end, each at most so many bytes behind the one before."""
    chance = random.Random(seed)
    at = 0
    while True:
        at += chance.randrange(most)
        yield at


class Relay:
    """`target()` is where each new connection goes, so that the server may move meanwhile.

    `cuts`, ascending: after so many bytes from clients, summed over all connections, the connection that they came by
    is cut, by "reset" or "close" as `kinds` have it in turn. What was read before the cut is delivered, what comes
    behind it never is.
    hold_after(n): passes n bytes from clients on in all, then nothing until release().
    """

    def __init__(self, target, cuts=(), kinds=("reset",), tls=None):
        self.target = target
        self.tls = tls
        self.relayed = 0  # bytes from clients
        self.connections = 0
        self.cut_at = []
        self._cuts = iter(cuts)
        self._next_cut = next(self._cuts, None)
        self._kinds = kinds
        self._hold_at = None
        self._released = threading.Event()
        self._lock = threading.Lock()
        self._open = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.authority = f"127.0.0.1:{self.port}"
        self.url = f"http://{self.authority}"
        threading.Thread(target=self._accept, daemon=True).start()

    def has_cuts_left(self):
        return self._next_cut is not None

    def let_all_through(self):
        self._next_cut = None

    def hold_after(self, size):
        self._released.clear()
        self._hold_at = size

    def holds(self):
        return self._hold_at is not None and self.relayed >= self._hold_at

    def release(self):
        self._hold_at = None
        self._released.set()

    def close(self):
        self.release()
        # A blocked accept() is not woken by close() alone.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.break_all()

    def break_all(self):
        """Resets every connection that is open."""
        with self._lock:
            for one in self._open:
                self._end(one, "reset")

    @staticmethod
    def _end(one, kind):
        with contextlib.suppress(OSError):
            if kind == "reset":
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            one.shutdown(socket.SHUT_RDWR)

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        with contextlib.ExitStack() as ends, contextlib.suppress(OSError):
            ends.enter_context(client)
            client.settimeout(PATIENCE)
            self.connections += 1
            if self.tls:
                client = ends.enter_context(self.tls.wrap_socket(client, server_side=True))
            server = ends.enter_context(socket.create_connection(self.target(), PATIENCE))
            with self._lock:
                self._open |= {client, server}
            ends.callback(self._forget, client, server)
            back = threading.Thread(target=self._pass_down, args=(server, client), daemon=True)
            back.start()
            self._pass_up(client, server)
            back.join(PATIENCE)

    def _forget(self, client, server):
        with self._lock:
            self._open -= {client, server}

    def _pass_up(self, client, server):
        while data := client.recv(PIECE):
            while data:
                size, kind = self._budget(len(data))
                server.sendall(data[:size])
                data = data[size:]
                if kind:
                    self._end(client, kind)
                    self._end(server, kind)
                    return
                if data:
                    self._released.wait(PATIENCE)
        with contextlib.suppress(OSError):
            server.shutdown(socket.SHUT_WR)

    def _budget(self, size):
        """How many of these bytes may pass now, and how the connection is cut behind them (None: not at all)."""
        with self._lock:
            for end in (self._next_cut, self._hold_at):
                if end is not None:
                    size = min(size, max(end - self.relayed, 0))
            self.relayed += size
            if self._next_cut is None or self.relayed < self._next_cut:
                return size, None
            kind = self._kinds[len(self.cut_at) % len(self._kinds)]
            self.cut_at.append((self.relayed, kind))
            self._next_cut = next(self._cuts, None)
            return size, kind

    def _pass_down(self, server, client):
        with contextlib.suppress(OSError):
            while data := server.recv(PIECE):
                client.sendall(data)
        with contextlib.suppress(OSError):
            client.shutdown(socket.SHUT_RDWR if self.tls else socket.SHUT_WR)
