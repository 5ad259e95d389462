"""A WSGI application on a loopback port, in a thread. Connections are kept, as a production server keeps them."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from b2b_idp.testing.wsgi import WsgiApp, exchange

POLL = 0.01
"""Seconds until a server sees that it is to stop."""
MAX_BODY = 16 * 1024 * 1024


class Loopback:
    """The port is taken from the beginning, and answers between `start` and `stop`; then again on the same port."""

    def __init__(self, app: WsgiApp, port: int = 0) -> None:
        self._app = app
        self._held: socket.socket | None = _taken(port)
        self.port: int = self._held.getsockname()[1]
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def running(self) -> bool:
        return self._server is not None

    def start(self) -> None:
        """Nothing where it answers already. Raises OSError when the port was given up by `release` and is somebody
        else's."""
        if self.running:
            return
        held, self._held = self._held or _taken(self.port), None
        self._server = _Server(held, self._app)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(POLL,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Answers no more, on kept connections neither, and keeps the port."""
        if self._server is None or self._thread is None:
            return
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._server.hang_up()
        self._server = self._thread = None
        self._held = _taken(self.port)

    def release(self) -> None:
        """Stops, and gives up the port."""
        self.stop()
        if self._held is not None:
            self._held.close()
            self._held = None


class Served(str):
    """The address of something that listens; as a context manager it stops at the end."""

    stop: Callable[[], None]

    def __new__(cls, address: str, stop: Callable[[], None]) -> Self:
        served = super().__new__(cls, address)
        served.stop = stop
        return served

    def __enter__(self) -> str:
        return str(self)

    def __exit__(self, *_: object) -> None:
        self.stop()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, held: socket.socket, app: WsgiApp) -> None:
        super().__init__(held.getsockname(), _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = held
        self.socket.listen(128)
        self.app = app
        self.connections: set[socket.socket] = set()

    def hang_up(self) -> None:
        for connection in tuple(self.connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), OSError):  # whoever called has gone
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.server.connections.add(self.connection)

    def finish(self) -> None:
        self.server.connections.discard(self.connection)
        with suppress(OSError):
            super().finish()

    def _answer(self) -> None:
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not length.isdecimal() or int(length) > MAX_BODY:
            self.close_connection = True
            self.send_error(411, "Say the body's length in Content-Length")
            return
        body = self.rfile.read(int(length)) if "Content-Length" in self.headers else None
        names = {name.lower() for name in self.headers}
        headers = {name: ", ".join(self.headers.get_all(name, ())) for name in names}
        host = headers.pop("host", f"127.0.0.1:{self.server.server_address[1]}")
        status, answered, data = exchange(self.server.app, self.command, f"http://{host}{self.path}", headers, body)
        self.send_response_only(status)
        for name, value in answered:
            self.send_header(name, value)
        if "content-length" not in {name.lower() for name, _ in answered} and status not in (204, 304):
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _answer

    def log_message(self, format: str, *args: Any) -> None:
        """Tests read what was asked, not a log."""


def _taken(port: int) -> socket.socket:
    """A loopback port (0: any that is free), taken and not listened to: who calls is refused."""
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        held.bind(("127.0.0.1", port))
    except OSError:
        held.close()
        raise
    return held
