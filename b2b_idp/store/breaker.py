"""A circuit breaker: while something cannot be reached, one attempt a second finds out, and nobody else waits."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

PAUSE = 1.0
"""Seconds after a failure in which nobody tries."""


class Open(Exception):
    """The last attempt failed, and the next is not due, or under way."""


class Breaker:
    """Counts nothing and guesses nothing: closed after an attempt that succeeded, open after one that failed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failed_at: float | None = None
        self._probing = False

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """One attempt, which an exception says has failed. Raises Open instead of an attempt that is not due."""
        probe = self._admit()
        try:
            yield
        except BaseException:
            with self._lock:
                self._failed_at = time.monotonic()
            raise
        else:
            self._failed_at = None
        finally:
            if probe:
                self._probing = False

    def _admit(self) -> bool:
        """Whether this attempt is the only one."""
        with self._lock:
            if self._failed_at is None:
                return False
            if self._probing or time.monotonic() - self._failed_at < PAUSE:
                raise Open
            self._probing = True
            return True
