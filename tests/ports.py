"""Ports for servers that are told where to listen."""

from __future__ import annotations

import secrets
import socket

_FIRST, _LAST = 20_000, 32_767
"""Below those that the system gives to whoever connects: one of them may be taken before the server is there."""


def free_port() -> int:
    """A loopback port that nobody listens on just now."""
    while True:
        port = _FIRST + secrets.randbelow(_LAST - _FIRST + 1)
        with socket.socket() as listener:
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
