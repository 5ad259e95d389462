"""HTTP/1.1 on kept connections, with as little work as a client can have: it shares its core with the home tenant."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, Any

SECONDS = 30.0
"""How long an answer may take."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A response; names of headers are in lower case."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key == name), None)

    def json(self) -> Any:
        return json.loads(self.body)


class Connection:
    """To the server at `netloc`, which it calls `host`; opened when first needed, and again where the server closed it
    while it was idle."""

    def __init__(self, host: str, netloc: str) -> None:
        address, _, port = netloc.partition(":")
        self._address = (address, int(port))
        self._host_line = f"Host: {host}\r\n"
        self._socket: socket.socket | None = None
        self._file: IO[bytes]

    def request(self, method: str, target: str, headers: Mapping[str, str], body: bytes = b"") -> Answer:
        """One exchange. Raises OSError or EOFError where there was none."""
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        length = f"Content-Length: {len(body)}\r\n" if method == "POST" else ""
        head = f"{method} {target} HTTP/1.1\r\n{self._host_line}{lines}{length}\r\n"
        try:
            self._open().sendall(head.encode("latin-1") + body)
            answer = self._read()
        except BaseException:
            self.close()
            raise
        if (answer.header("connection") or "").lower() == "close":
            self.close()
        return answer

    def close(self) -> None:
        if self._socket is not None:
            self._file.close()
            self._socket.close()
            self._socket = None

    def _open(self) -> socket.socket:
        if self._socket is not None and self._is_stale(self._socket):
            self.close()
        if self._socket is None:
            self._socket = socket.create_connection(self._address, SECONDS)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._file = self._socket.makefile("rb")
        return self._socket

    @staticmethod
    def _is_stale(kept: socket.socket) -> bool:
        """Whether the other end closed a connection on which nothing is waited for."""
        try:
            kept.setblocking(False)
            kept.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            return True
        finally:
            kept.settimeout(SECONDS)
        return True

    def _read(self) -> Answer:
        status = int(self._line().split(b" ", 2)[1])
        headers = []
        length, chunked = 0, False
        while line := self._line():
            name, _, value = line.decode("latin-1").partition(":")
            name, value = name.lower(), value.strip()
            headers.append((name, value))
            if name == "content-length":
                length = int(value)
            elif name == "transfer-encoding":
                chunked = value.lower() == "chunked"
        return Answer(status, headers, self._chunks() if chunked else self._exactly(length))

    def _chunks(self) -> bytes:
        found = []
        while size := int(self._line().partition(b";")[0], 16):
            found.append(self._exactly(size))
            self._line()
        self._line()
        return b"".join(found)

    def _line(self) -> bytes:
        line = self._file.readline()
        if not line:
            raise EOFError("the server closed the connection")
        return line.rstrip(b"\r\n")

    def _exactly(self, size: int) -> bytes:
        body = self._file.read(size)
        if len(body) != size:
            raise EOFError("the server closed the connection within an answer")
        return body
