"""How far a database had come when something was written: what a reader may ask to see at least."""

from __future__ import annotations

import re
from dataclasses import dataclass

_MOST = 2**63


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the log of one database. Places of different `cluster`s or `timeline`s say nothing of one another.

    `cluster` names the database, whatever address it has; `timeline` rises when another server takes over, or a backup
    is restored; `at` is how far its log had come (PostgreSQL: bytes of WAL).
    """

    cluster: str
    timeline: int
    at: int

    def to_text(self) -> str:
        return f"{self.cluster}.{self.timeline}.{self.at}"

    @classmethod
    def from_text(cls, text: str) -> Position | None:
        """None for what `to_text` never gives."""
        match = _TEXT.fullmatch(text)
        if match is None:
            return None
        position = cls(match[1], int(match[2]), int(match[3]))
        return position if position.timeline < _MOST and position.at < _MOST and position.to_text() == text else None

    def comparable(self, other: Position) -> bool:
        """Whether one of the two is before the other."""
        return (self.cluster, self.timeline) == (other.cluster, other.timeline)


_TEXT = re.compile(r"([0-9A-Za-z-]{1,40})\.([0-9]{1,19})\.([0-9]{1,19})")
