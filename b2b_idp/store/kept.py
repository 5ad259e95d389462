"""What a process keeps of a database, for as long as it is the same database."""

from __future__ import annotations

from typing import Generic, TypeVar

T = TypeVar("T")


class Kept(Generic[T]):
    """One value, good in the history of the database that it was read of."""

    def __init__(self) -> None:
        self._held: tuple[object, T] | None = None
        self.history = object()
        """Taken before a value is read, and given with it to `hold`."""

    def forget(self) -> None:
        """Called when another database may have taken the place of the one that was read: one that lost the newest
        versions gives their numbers again. Takes no lock: whoever holds it may be the one that lost its connection."""
        self.history = object()

    def good(self) -> T | None:
        """The value, None where there is none of this history."""
        held = self._held
        return held[1] if held is not None and held[0] is self.history else None

    def hold(self, history: object, value: T) -> None:
        """Keeps a value that was read in `history`."""
        self._held = history, value
