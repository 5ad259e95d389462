"""Regular expressions as .NET writes them → RE2, which matches in linear time whatever the expression and the text."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

import re2

LONGEST = 2048
"""Of the expressions of a policy together, in characters: classes of all scripts take their time to compile."""
_MOST_GROUPS = 32
_WORD = r"\pL\p{Mn}\p{Nd}\p{Pc}"
_SPACE = r"\s\x{85}\pZ"
_IN_BRACKETS = {"w": _WORD, "d": r"\p{Nd}", "s": _SPACE, "D": r"\P{Nd}", "b": r"\x{8}", "e": r"\x{1b}"}
_OUTSIDE = {
    "w": f"[{_WORD}]",
    "W": f"[^{_WORD}]",
    "d": r"\p{Nd}",
    "D": r"\P{Nd}",
    "s": f"[{_SPACE}]",
    "S": f"[^{_SPACE}]",
    "Z": r"\z",
    "e": r"\x{1b}",
}
"""Escapes that mean something else in RE2: the classes of .NET know all scripts."""
_NAMED = re.compile(r"\(\?(?:'(?P<quoted>[A-Za-z_]\w*)'|<(?P<angled>[A-Za-z_]\w*)>)", re.ASCII)
_FLAGS = re.compile(r"\(\?[ims]*(?:-[ims]+)?[:)]")
_COMMENT = re.compile(r"\(\?#[^)]*\)")
_REFUSED = {
    "(?=": "lookahead",
    "(?!": "lookahead",
    "(?<=": "lookbehind",
    "(?<!": "lookbehind",
    "(?>": "an atomic group",
    "(?(": "a condition",
}
_CODE = re.compile(r"\\(?:u(?P<unicode>[0-9A-Fa-f]{4})|c(?P<control>[A-Za-z]))")


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
        compiled = re2.compile(_translated(expression).encode(), options)
    except re2.error as e:
        said = e.args[0].decode(errors="replace") if isinstance(e.args[0], bytes) else str(e)
        raise RegexError(f"is not a regular expression: {said[:200]}") from None
    return Regex(compiled.finditer, {name.decode(): n for name, n in compiled.groupindex.items()})


def _translated(expression: str) -> str:
    made: list[str] = []
    names: set[str] = set()
    at, brackets = 0, -1
    """`brackets`: where the content of the bracket expression begins, -1 outside of one."""
    while at < len(expression):
        c = expression[at]
        if c == "\\":
            piece, at = _escape(expression, at, brackets >= 0)
        elif brackets >= 0:
            if expression.startswith("-[", at):
                raise RegexError("has a class subtraction, which is not possible here")
            if c == "]" and at > brackets:
                brackets = -1
            # RE2 would read [: as the begin of a POSIX class
            piece, at = ("\\[" if c == "[" else c), at + 1
        elif expression.startswith("(?", at):
            piece, at = _group(expression, at, names)
        else:
            if c == "[":
                brackets = at + 1 + expression.startswith("^", at + 1)
            # only named groups can be referred to, and each that captures has its price at every match
            piece, at = ("(?:" if c == "(" else c), at + 1
        made.append(piece)
    return "".join(made)


def _group(expression: str, at: int, names: set[str]) -> tuple[str, int]:
    """What stands at `(?` in RE2's words, and where it ends; `names` has those of the groups before."""
    for begin, name in _REFUSED.items():
        if expression.startswith(begin, at):
            raise RegexError(f"has {name}, which cannot be matched in linear time")
    if found := _NAMED.match(expression, at):
        name = found["quoted"] or found["angled"]
        if name in names:
            raise RegexError(f"names two groups {name[:80]}")
        if len(names) == _MOST_GROUPS:
            raise RegexError(f"has more than {_MOST_GROUPS} named groups")
        names.add(name)
        return f"(?P<{name}>", found.end()
    if found := _FLAGS.match(expression, at):
        return found[0], found.end()
    if found := _COMMENT.match(expression, at):
        return "", found.end()
    raise RegexError(
        f"has a group that is not known at character {at + 1}: there are (?<name>…), (?'name'…), (?:…) and (?i) with "
        "the flags i, m and s"
    )


def _escape(expression: str, at: int, in_brackets: bool) -> tuple[str, int]:
    c = expression[at + 1 : at + 2]
    if found := _CODE.match(expression, at):
        code = int(found["unicode"], 16) if found["unicode"] else ord(found["control"].upper()) - 64
        return f"\\x{{{code:x}}}", found.end()
    if c and c in "k123456789":
        raise RegexError("has a backreference, which cannot be matched in linear time")
    if c == "G" or (in_brackets and c in ("W", "S")):
        raise RegexError(f"has \\{c}" + (" in brackets" if in_brackets else "") + ", which is not possible here")
    piece = (_IN_BRACKETS if in_brackets else _OUTSIDE).get(c, f"\\{c}" if c.isascii() else c)
    return piece, at + 2
