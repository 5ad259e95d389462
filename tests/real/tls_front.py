"""A TLS front as an administrator would put one before the server, with a certificate of its own."""

from __future__ import annotations

import http.client
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from b2b_idp.demo.certificate import make_certificate


def certificate(folder: Path) -> Path:
    """A file with a new key and its certificate for 127.0.0.1, valid for a day."""
    key, made, both = folder / "key.pem", folder / "certificate.pem", folder / "front.pem"
    make_certificate(key, made)
    both.write_bytes(key.read_bytes() + made.read_bytes())
    return both


@contextmanager
def tls_front(port: int, backend: int, pem: Path) -> Iterator[None]:
    """Answers https on `port` with what http on `backend` says."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            upstream = http.client.HTTPConnection("127.0.0.1", backend, timeout=20)
            upstream.request(self.command, self.path, body, dict(self.headers))
            answer = upstream.getresponse()
            said = answer.read()
            self.send_response(answer.status)
            for header, value in answer.getheaders():
                if header.lower() not in ("transfer-encoding", "connection", "content-length", "date", "server"):
                    self.send_header(header, value)
            if answer.status not in (204, 304):
                self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)
            upstream.close()

        do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _pass_on

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield
        finally:
            server.shutdown()
