"""What speaks TLS as a PostgreSQL server does, and never gets further."""

from __future__ import annotations

import contextlib
import socket
import ssl
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy.engine import URL

if TYPE_CHECKING:
    from typing import Self

#: It protects nothing.
KEY = """\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgXdx7/DmT8gOEgVjt
3IZXVoBniNZMoL5KU7zaD+d4F+WhRANCAARcVQB3YptuJyPMBFARHEPrmBdsUFY4
Dy94HGpvItBBFdOgp68rPU9rxQZVzBogyk6enTsYQ3dsrA0uxb9z7DSH
-----END PRIVATE KEY-----
"""

#: Of db.example, signed by itself, for the year 2000.
EXPIRED = """\
-----BEGIN CERTIFICATE-----
MIIBSjCB8aADAgECAgEBMAoGCCqGSM49BAMCMBUxEzARBgNVBAMMCmRiLmV4YW1w
bGUwHhcNMDAwMTAxMDAwMDAwWhcNMDEwMTAxMDAwMDAwWjAVMRMwEQYDVQQDDApk
Yi5leGFtcGxlMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEXFUAd2KbbicjzARQ
ERxD65gXbFBWOA8veBxqbyLQQRXToKevKz1Pa8UGVcwaIMpOnp07GEN3bKwNLsW/
c+w0h6MyMDAwDwYDVR0TAQH/BAUwAwEB/zAdBgNVHQ4EFgQUvkvNJv7c2W/IxlVh
DkMapz753gwwCgYIKoZIzj0EAwIDSAAwRQIhAOXgLGM1zdWOOM5AP3tSpAiwxzzI
uSee8y+XjHvVqe0pAiAQ6f0ECzjhx2R4kqsblLybAfmNbXzlaJIwJLcjz2BX0g==
-----END CERTIFICATE-----
"""

#: Of db.example, signed by itself, for good.
LASTING = """\
-----BEGIN CERTIFICATE-----
MIIBSzCB86ADAgECAgECMAoGCCqGSM49BAMCMBUxEzARBgNVBAMMCmRiLmV4YW1w
bGUwIBcNMDAwMTAxMDAwMDAwWhgPOTk5OTEyMzEyMzU5NTlaMBUxEzARBgNVBAMM
CmRiLmV4YW1wbGUwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAARcVQB3YptuJyPM
BFARHEPrmBdsUFY4Dy94HGpvItBBFdOgp68rPU9rxQZVzBogyk6enTsYQ3dsrA0u
xb9z7DSHozIwMDAPBgNVHRMBAf8EBTADAQH/MB0GA1UdDgQWBBS+S80m/tzZb8jG
VWEOQxqnPvneDDAKBggqhkjOPQQDAgNHADBEAiBWZefND/Fsfq+dOgTNwGNwlHmV
B/yttR38B2FtLwM+LwIgcy2wbrB0KKLHlNsXgqh9SgO8NXpkEKTrFO8VEraRHuU=
-----END CERTIFICATE-----
"""


class TlsServer:
    """Answers each client that TLS is spoken here, and closes when that is agreed on."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def show(self, certificate: str) -> None:
        """Show this certificate, one of those above, from now on."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "both.pem"
            file.write_text(KEY + certificate)
            self._context.load_cert_chain(file)

    def url(self, **parameters: str) -> URL:
        """Where it is."""
        port = self._listener.getsockname()[1]
        return URL.create("postgresql", "app", None, "127.0.0.1", port, "app", parameters)

    def _serve(self) -> None:
        with contextlib.suppress(OSError):  # the listener was shut down
            while True:
                peer, _ = self._listener.accept()
                with peer, contextlib.suppress(OSError):
                    self._answer(peer)

    def _answer(self, peer: socket.socket) -> None:
        peer.settimeout(10)
        peer.recv(8)  # the request for TLS
        peer.sendall(b"S")
        with self._context.wrap_socket(peer, server_side=True) as encrypted:
            encrypted.recv(1024)
