"""How many threads may be at one thing that may be slow: so that it takes few of those that serve everybody."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

PATIENCE = 0.5
"""Seconds after which a thing that nobody came back from is taken for slow."""


class Full(Exception):
    """There is no room, and none will be soon."""


class Gate:
    """Lets `room` threads in. As many more may wait for `wait` seconds; any number waits as long as others keep coming
    back, which a crowd at a swift thing needs, and nobody else where none did for `PATIENCE`."""

    def __init__(self, room: int, wait: float) -> None:
        self._room = room
        self._wait = wait
        self._changed = threading.Condition()
        self._inside = self._waiting = 0
        self._came_back = 0.0
        """When somebody came back last, or came in where nobody was."""

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Raises Full."""
        with self._changed:
            self._enter()
        try:
            yield
        finally:
            with self._changed:
                self._inside -= 1
                self._came_back = time.monotonic()
                self._changed.notify()

    def _enter(self) -> None:
        if self._inside == 0:
            self._came_back = time.monotonic()
        ends, patient = time.monotonic() + self._wait, self._waiting < self._room
        self._waiting += 1
        try:
            while self._inside >= self._room:
                until = ends if patient else min(ends, self._came_back + PATIENCE)
                left = until - time.monotonic()
                if left <= 0:
                    raise Full
                self._changed.wait(left)
        finally:
            self._waiting -= 1
        self._inside += 1
