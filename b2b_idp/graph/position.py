"""Positions over the wire: `B2B-Position` says how far the database was after a write, `B2B-At-Least` asks to see that.

They are sealed: nobody learns or makes one, and only calls that are authenticated have theirs read.
"""

from __future__ import annotations

from contextlib import suppress

from b2b_idp.keys.vault import Vault
from b2b_idp.model.position import Position
from b2b_idp.model.problem import Code, Problem

GIVEN, WANTED = "B2B-Position", "B2B-At-Least"
_CONTEXT = "position"
_LONGEST = 300


def written(vault: Vault, position: Position) -> str:
    """The header's value."""
    return vault.seal_text(position.to_text().encode(), _CONTEXT)


def read(vault: Vault, text: str) -> Position:
    """The position in a header. Raises Problem(BAD_REQUEST) for one that is not of our making."""
    position = None
    if len(text) <= _LONGEST and text.isascii():
        with suppress(ValueError):
            position = Position.from_text(vault.open_text(text, _CONTEXT).decode())
    if position is None:
        raise not_ours()
    return position


def not_ours() -> Problem:
    """The answer to a position that was never given."""
    return Problem(Code.BAD_REQUEST, f"{WANTED} is not a position that this service gave. Send a {GIVEN} as it came.")
