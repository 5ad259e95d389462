"""Transactions that write what all of their kind write, one at a time: on PostgreSQL the second of two would come to
its end only to be undone.

A process keeps its own apart here, without asking the database. What is in the way of another process is undone and run
again, as anything is.
"""

from __future__ import annotations

from types import TracebackType

from b2b_idp.store.turns import Turns

_SECONDS = 5.0
"""How long one waits for the others. Then it goes on without: nothing but its own success depends on it."""


class OutOfTurn(Exception):
    """Others are under way, or were since this transaction began: it would be undone at its end."""


class Line:
    """Who has the turn in this process."""

    def __init__(self) -> None:
        self._turns = Turns()
        self.ended = 0
        """Another number each time that somebody is done."""

    def take(self, seconds: float) -> bool:
        """Whether it was given within so many seconds."""
        return self._turns.take(seconds)

    def release(self) -> None:
        self.ended += 1
        self._turns.release()


class Turn:
    """One transaction's. It is entered before the transaction begins and left when that has ended."""

    def __init__(self, line: Line, *, waits: bool = False) -> None:
        """`waits`: behind all others, from the beginning."""
        self._line = line
        self._waits = waits
        self._held = False
        self._ended_before = 0

    def __enter__(self) -> Turn:
        self._held = self._waits and self._line.take(_SECONDS)
        self._ended_before = self._line.ended
        return self

    def take(self) -> None:
        """Raises OutOfTurn where it is too late for it: the transaction must not have begun before another's end."""
        if self._waits or self._held:
            return
        self._held = self._line.take(0)
        if not self._held or self._line.ended != self._ended_before:
            raise OutOfTurn

    def __exit__(self, kind: type[BaseException] | None, e: BaseException | None, trace: TracebackType | None) -> None:
        if self._held:
            self._line.release()
