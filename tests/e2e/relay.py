"""A TCP relay between a client and a server that cuts connections where it is told: the network as it is at its worst."""

import contextlib
import select
import socket
import struct
import threading

PIECE = 16 * 1024  # bytes: a cut is at a byte, and this is what is in flight at most beyond it


class Relay:
    """Listens on 127.0.0.1; `target()` is where each new connection goes, so that the server may move meanwhile.

    `cuts`: after so many bytes from clients, summed over all connections, the connection that they came by is cut. What
    was read before the cut is delivered, what comes behind it never is.
    """

    def __init__(self, target, cuts=(), kinds=("reset",)):
        self.target = target
        self.cuts = sorted(cuts)
        self.kinds = list(kinds)
        self.relayed = 0
        self.cut_at = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self._lock = threading.Lock()
        self._open = set()
        self._stopped = False
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.listener.getsockname()[1]}"

    def close(self):
        self._stopped = True
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for end in list(self._open):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()

    def _accept(self):
        while not self._stopped:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(client,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, client):
        with client:
            try:
                server = socket.create_connection(self.target())
            except OSError:
                return  # it is not up at the moment
            with server:
                self._open |= {client, server}
                with contextlib.suppress(OSError):
                    self._forward(client, server)
                self._open -= {client, server}

    def _forward(self, client, server):
        peers = {client: server, server: client}
        while peers:
            for source in select.select(list(peers), [], [])[0]:
                piece = source.recv(PIECE)
                if not piece:  # half closed, or closed
                    peers[source].shutdown(socket.SHUT_WR)
                    del peers[source]
                    break
                if source is client:
                    keep, kind = self._budget(len(piece))
                    server.sendall(piece[:keep])
                    if kind:
                        self._cut(client, server, kind)
                        return
                else:
                    client.sendall(piece)

    def _budget(self, size):
        """How many of these bytes may pass, and how the connection is cut behind them (None: not at all)."""
        with self._lock:
            if self.cuts and self.relayed + size >= self.cuts[0]:
                keep = self.cuts.pop(0) - self.relayed
                self.relayed += max(keep, 0)
                kind = self.kinds[len(self.cut_at) % len(self.kinds)]
                self.cut_at.append((self.relayed, kind))
                return max(keep, 0), kind
            self.relayed += size
            return size, None

    @staticmethod
    def _cut(client, server, kind):
        for end in (client, server):
            if kind == "reset":
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        # `with` closes both: a FIN, or an RST where that was asked for.
