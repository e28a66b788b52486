"""A certificate authority for tests of TLS."""

import ssl
import subprocess


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
