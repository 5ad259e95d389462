"""Regular expressions of RegexReplace: where they match, and their named groups."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

import re2

from b2b_idp.model.dotnet_pattern import Unsupported, translated

LONGEST = 2048
"""Of the expressions of a policy together, in characters: classes of all scripts take their time to compile."""
_MOST_GROUPS = 32


class RegexError(ValueError):
    """Why an expression is not taken, as the rest of a sentence."""


class Match(Protocol):
    """One match in UTF-8: the bytes of a group by its number, None if the group took no part."""

    def __getitem__(self, group: int) -> bytes | None: ...
    def span(self) -> tuple[int, int]: ...


@dataclass(frozen=True, slots=True)
class Regex:
    """A compiled expression. `matches` finds them all in text as UTF-8, from left to right."""

    matches: Callable[[bytes], Iterator[Match]]
    groups: Mapping[str, int]
    """Named groups and their numbers."""


def compile_regex(expression: str) -> Regex:
    """Raises RegexError for what is wrong, too large, or not possible in linear time."""
    if len(expression) > LONGEST:
        raise RegexError(f"is longer than {LONGEST} characters")
    options = re2.Options()
    options.log_errors = False
    try:
        compiled = re2.compile(translated(expression, places=True).encode(), options)
    except Unsupported as e:
        raise RegexError(f"cannot be used, character {e.at + 1}: {e}") from None
    except re2.error as e:
        said = e.args[0].decode(errors="replace") if isinstance(e.args[0], bytes) else str(e)
        raise RegexError(f"is not a regular expression: {said[:200]}") from None
    if len(compiled.groupindex) > _MOST_GROUPS:
        raise RegexError(f"has more than {_MOST_GROUPS} named groups")
    return Regex(compiled.finditer, {name.decode(): n for name, n in compiled.groupindex.items()})
