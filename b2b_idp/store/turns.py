"""Writers of a SQLite database one after another, in the order in which they came.

SQLite has no queue: who finds another writing sleeps, longer each time, and looks again. Under load those who came last
look soonest, and some wait for seconds. So the threads of a process stand in line, and of all processes one at a time
waits for the database itself.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque

_LOOK_SECONDS = 0.001


class Turns:
    """A lock that threads get in the order in which they asked: who lets go hands it to the one that waits longest."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._taken = False
        self._waiting: deque[threading.Lock] = deque()

    def take(self, seconds: float) -> bool:
        """Whether it was given within so many seconds."""
        with self._mutex:
            if not self._taken:
                self._taken = True
                return True
            given = threading.Lock()
            given.acquire()
            self._waiting.append(given)
        if given.acquire(timeout=seconds):
            return True
        with self._mutex:
            if given not in self._waiting:
                # in the very last moment
                return True
            self._waiting.remove(given)
            return False

    def release(self) -> None:
        """Lets the next one have it."""
        with self._mutex:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._taken = False


class NextProcess:
    """Which process writes next: a lock on a file, which the system takes away from whoever dies. It is held only until
    the writer of now is done, so processes that all have something to write take turns. It keeps the order and nothing
    else: who cannot have it goes on without. Used by one thread at a time."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._file: int | None = None

    def take(self, seconds: float) -> None:
        """Returns when it is held, or after so many seconds: who has it may be stopped."""
        ends = None
        while not self._lock():
            now = time.monotonic()
            if ends is None:
                ends = now + seconds
            if now >= ends:
                return
            time.sleep(_LOOK_SECONDS)

    def _lock(self) -> bool:
        """False where another process has it."""
        import fcntl  # which Windows has not

        try:
            if self._file is None:
                self._file = os.open(self._name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            # nobody can have it here
            return True
        return True

    def release(self) -> None:
        if self._file is not None:
            import fcntl

            fcntl.flock(self._file, fcntl.LOCK_UN)

    def close(self) -> None:
        """Gives back the file."""
        file, self._file = self._file, None
        if file is not None:
            os.close(file)


class Alone:
    """In the place of NextProcess where there is no other process."""

    def take(self, seconds: float) -> None:
        pass

    def release(self) -> None:
        pass

    def close(self) -> None:
        pass
