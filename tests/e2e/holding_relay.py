"""What stands between a client and a server: a TCP relay that cuts, holds and counts, with TLS on the client's side if
wanted. All on 127.0.0.1."""

import contextlib
import random
import socket
import ssl
import struct
import subprocess
import threading

from harness import PATIENCE


class Relay:
    """Forwards connections to `target`, which may be changed. `upward` counts bytes from clients that were passed on.

    cut(seed, most): ends each connection after a random number of bytes from the client, at most `most`.
    hold_after(n): passes n bytes on in all, then nothing until release().
    """

    def __init__(self, target, tls=None):
        self.target = target
        self.tls = tls
        self.upward = 0
        self.connections = 0
        self.cuts = 0
        self._chance = None
        self._most = 0
        self._hold_at = None
        self._released = threading.Event()
        self._lock = threading.Lock()
        self._open = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.authority = f"127.0.0.1:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self, seed, most):
        self._chance = random.Random(seed)
        self._most = most

    def let_all_through(self):
        self._chance = None

    def hold_after(self, size):
        self._released.clear()
        self._hold_at = size

    def holds(self):
        return self._hold_at is not None and self.upward >= self._hold_at

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
            for one in list(self._open):
                self._reset(one)

    @staticmethod
    def _reset(one):
        with contextlib.suppress(OSError):
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        server = None
        try:
            client.settimeout(PATIENCE)
            self.connections += 1
            if self.tls:
                client = self.tls.wrap_socket(client, server_side=True)
            server = socket.create_connection(self.target, PATIENCE)
            with self._lock:
                self._open |= {client, server}
            back = threading.Thread(target=self._pass_down, args=(server, client), daemon=True)
            back.start()
            self._pass_up(client, server)
            back.join(PATIENCE)
        except OSError:
            pass
        finally:
            with self._lock:
                self._open -= {client, server}
            client.close()
            if server:
                server.close()

    def _pass_up(self, client, server):
        with self._lock:
            left = self._chance.randrange(self._most) if self._chance else None
        while data := client.recv(64 * 1024 if left is None else min(64 * 1024, left + 1)):
            if left is not None and len(data) > left:
                server.sendall(data[:left])
                self.upward += left
                self.cuts += 1
                self._reset(client)
                self._reset(server)
                return
            if self._hold_at is not None:
                room = max(0, self._hold_at - self.upward)
                server.sendall(data[:room])
                self.upward += min(room, len(data))
                data = data[room:]
                if data:
                    self._released.wait(PATIENCE)
            server.sendall(data)
            self.upward += len(data)
            if left is not None:
                left -= len(data)
        with contextlib.suppress(OSError):
            server.shutdown(socket.SHUT_WR)

    @staticmethod
    def _pass_down(server, client):
        with contextlib.suppress(OSError):
            while data := server.recv(64 * 1024):
                client.sendall(data)
        with contextlib.suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)


class Authority:
    """A certificate authority in a directory, made by the openssl command."""

    def __init__(self, directory):
        self.directory = directory
        self.certificate = directory / "ca.pem"
        self._openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                      "-subj", "/CN=ringdrop test CA", "-keyout", "ca.key", "-out", "ca.pem")

    def _openssl(self, *arguments):
        subprocess.run(["openssl", *arguments], cwd=self.directory, check=True, capture_output=True)

    def context(self, alternative_names, days=2):
        """A server's side of TLS with a certificate for "DNS:localhost,IP:127.0.0.1" and the like."""
        (self.directory / "extensions").write_text(f"subjectAltName={alternative_names}\n", "ascii")
        self._openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=x",
                      "-keyout", "server.key", "-out", "server.csr")
        self._openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
                      "-days", str(days), "-extfile", "extensions", "-out", "server.pem")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.directory / "server.pem", self.directory / "server.key")
        return context
