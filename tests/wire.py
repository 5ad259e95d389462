"""A wire to a server that a test cuts: TCP on loopback, passed on chunk by chunk until the chunk that it was told."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import Literal

When = Literal["before", "after", "undone"]
"""Cut before a chunk reaches the server, or after the server has answered it and before that answer is heard. `undone`:
not cut, but the server is given a statement in its place that fails as a lost transaction does."""


class Wire:
    """Listens on `port`, passes on to another. A chunk is what a client sends at once: to PostgreSQL, a statement."""

    def __init__(self, upstream: int) -> None:
        self._upstream = upstream
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._cut_at, self._every = 0, 0
        self._when: When = "before"
        self.state = "40001"
        """PostgreSQL's error code of a transaction that is undone."""
        self.sent = 0
        """Chunks since the wire was last told to `cut`, each connection's greeting not counted; where they are undone,
        only those of one statement within a writing transaction."""
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self, at: int, when: When = "before", every: int = 0) -> None:
        """Cuts the connection that carries the `at`-th chunk from now on, and each that carries another `every` chunks
        later; 0: never."""
        with self._lock:
            self.sent, self._cut_at, self._when, self._every = 0, at, when, every

    def close(self) -> None:
        self._listening.close()
        with self._lock:
            left = list(self._open)
        for s in left:
            _shut(s)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def _carry(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(("127.0.0.1", self._upstream))
        except OSError:
            _shut(client)
            client.close()
            return
        for s in (client, server):
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._lock:
            self._open |= {client, server}
        last_words = threading.Event()
        back = threading.Thread(target=self._back, args=(server, client, last_words), daemon=True)
        back.start()
        self._forth(client, server, last_words)
        back.join()
        with self._lock:
            self._open -= {client, server}
        client.close()
        server.close()

    def _forth(self, client: socket.socket, server: socket.socket, last_words: threading.Event) -> None:
        greeted = writing = False
        while chunk := _heard(client):
            when = self._when
            cut = greeted and (when != "undone" or (writing and _is_one_question(chunk))) and self._counted()
            greeted = True
            writing = _BEGINS in chunk or (writing and not any(end in chunk for end in _ENDS))
            if cut and when == "before":
                break
            if cut and when == "undone":
                chunk = _failing(self.state)
            elif cut:
                last_words.set()
            try:
                server.sendall(chunk)
            except OSError:
                break
        _shut(client)
        _shut(server)

    def _counted(self) -> bool:
        with self._lock:
            self.sent += 1
            cut = self.sent == self._cut_at
            if cut and self._every:
                self._cut_at += self._every
            return cut

    def _back(self, server: socket.socket, client: socket.socket, last_words: threading.Event) -> None:
        while (chunk := _heard(server)) and not last_words.is_set():
            try:
                client.sendall(chunk)
            except OSError:
                break
        _shut(client)
        _shut(server)


_BEGINS = b"BEGIN ISOLATION LEVEL SERIALIZABLE"
_ENDS = (b"COMMIT\0", b"ROLLBACK\0")


def _is_one_question(chunk: bytes) -> bool:
    """Whether it ends in waiting for an answer, of one statement or of some that fail together."""
    kinds, at = [], 0
    while at + 5 <= len(chunk):
        kinds.append(chunk[at : at + 1])
        at += 1 + int.from_bytes(chunk[at + 1 : at + 5], "big")
    return kinds == [b"Q"] or (b"E" in kinds and kinds.count(b"S") == 1 and kinds[-1] == b"S")


def _failing(state: str) -> bytes:
    """A statement that fails, in the place of another."""
    sql = f"DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{state}'; END $$".encode()
    messages = ((b"P", b"\0" + sql + b"\0" + bytes(2)), (b"B", bytes(8)), (b"E", bytes(5)), (b"S", b""))
    return b"".join(kind + (len(body) + 4).to_bytes(4, "big") + body for kind, body in messages)


def _heard(s: socket.socket) -> bytes:
    try:
        return s.recv(1 << 16)
    except OSError:
        return b""


def _shut(s: socket.socket) -> None:
    with suppress(OSError):
        s.shutdown(socket.SHUT_RDWR)
