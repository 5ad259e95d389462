"""A circuit breaker: while something cannot be reached, one attempt at a time finds out, and nobody else waits."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

SHORTEST, LONGEST = 0.1, 1.0
"""Seconds after a failure in which nobody tries: as long as the failure took, within these. A refusal costs little."""


class Open(Exception):
    """The last attempt failed, and the next is not due, or under way."""


class Breaker:
    """Counts nothing and guesses nothing: closed after an attempt that succeeded, open after one that failed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._next_at: float | None = None
        """When the next attempt is due; None: at any time."""
        self._probing = False

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """One attempt, which an exception says has failed. Raises Open instead of an attempt that is not due."""
        probe, began = self._admit(), time.monotonic()
        try:
            yield
        except BaseException:
            now = time.monotonic()
            self._next_at = now + min(LONGEST, max(SHORTEST, now - began))
            raise
        else:
            self._next_at = None
        finally:
            if probe:
                self._probing = False

    def _admit(self) -> bool:
        """Whether this attempt is the only one."""
        with self._lock:
            if self._next_at is None:
                return False
            if self._probing or time.monotonic() < self._next_at:
                raise Open
            self._probing = True
            return True
