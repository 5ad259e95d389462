"""What a process keeps of a database, for as long as it is the same database."""

from __future__ import annotations

from typing import Generic, TypeVar

T = TypeVar("T")


class History:
    """Of the database that is read. `now` is taken before a value is read, and given with it to `Kept.hold`."""

    def __init__(self) -> None:
        self.now = object()

    def end(self) -> None:
        """Called when another database may have taken the place of the one that was read: one that lost the newest
        versions gives their numbers again. Takes no lock: whoever holds it may be the one that lost its connection."""
        self.now = object()


class Kept(Generic[T]):
    """One value, good in the history that it was read in."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._held: tuple[object, T] | None = None

    def good(self) -> T | None:
        """The value, None where there is none of this history."""
        held = self._held
        return held[1] if held is not None and held[0] is self._history.now else None

    def hold(self, read_in: object, value: T) -> None:
        """Keeps a value."""
        self._held = read_in, value
