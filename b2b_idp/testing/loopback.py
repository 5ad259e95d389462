"""A WSGI application on a loopback port, in a thread."""

from __future__ import annotations

import socket
import threading
from typing import Any

from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from b2b_idp.testing.wsgi import WsgiApp

POLL = 0.01
"""Seconds until a server sees that it is to stop."""


class Loopback:
    """The port is taken from the beginning, and answers between `start` and `stop`; then again on the same port."""

    def __init__(self, app: WsgiApp, port: int = 0) -> None:
        self._app = app
        self._held: socket.socket | None = _taken(port)
        self.port: int = self._held.getsockname()[1]
        self._server: BaseWSGIServer | None = None
        self._thread: threading.Thread | None = None

    @property
    def running(self) -> bool:
        return self._server is not None

    def start(self) -> None:
        """Raises OSError when the port was given up by `release` and is somebody else's."""
        held = self._held or _taken(self.port)
        held.listen(128)
        self._server = make_server(
            "127.0.0.1", self.port, self._app, threaded=True, request_handler=_Silent, fd=held.fileno()
        )
        # the server has a socket of its own for the same port; two that listen would share the callers
        held.close()
        self._held = None
        self._thread = threading.Thread(target=self._server.serve_forever, args=(POLL,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Answers no more, and keeps the port."""
        if self._server is None or self._thread is None:
            return
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._server = self._thread = None
        self._held = _taken(self.port)

    def release(self) -> None:
        """Stops, and gives up the port."""
        self.stop()
        if self._held is not None:
            self._held.close()
            self._held = None


class _Silent(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:
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
