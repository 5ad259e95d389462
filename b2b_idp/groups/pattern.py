"""Regular expressions of -match: .NET's syntax, matched by RE2 in linear time (https://github.com/google/re2/wiki/Syntax)."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import re2

from b2b_idp.model.problem import Problem

_OPTIONS = re2.Options()
_OPTIONS.case_sensitive = False
_OPTIONS.log_errors = False
# bytes; some twenty \w, so that no pattern makes each sign-in slow by its size
_OPTIONS.max_mem = 1 << 19

# .NET's \d, \w and \s are Unicode's, RE2's are ASCII
_SPACE = r"\t-\r\x{85}\p{Z}"
_CLASSES = {
    "d": r"\p{Nd}",
    "D": r"\P{Nd}",
    "w": r"\p{L}\p{Mn}\p{Nd}\p{Pc}",
    "W": r"\p{C}\p{Mc}\p{Me}\p{Nl}\p{No}\p{Pd}\p{Ps}\p{Pe}\p{Pi}\p{Pf}\p{Po}\p{S}\p{Z}",
    "s": _SPACE,
    "S": r"\p{L}\p{M}\p{N}\p{P}\p{S}\p{Cf}\p{Co}\x00-\x08\x0e-\x1f\x7f-\x{84}\x{86}-\x{9f}",
}
# the end, or just before a last line feed
_END = r"(?:\n?\z)"
_ESCAPES = {"e": r"\x1b", "Z": _END, **{c: "\\" + c for c in "abBfnrtvAz"}}
_IN_CLASS = {"e": r"\x1b", "b": r"\x08", **{c: "\\" + c for c in "afnrtv"}}
_PIECE = re.compile(
    r"""
    (?P<hex>\\x[0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4})
  | (?P<octal>\\0[0-7]{0,2})
  | (?P<control>\\c[A-Za-z\[\]^_])
  | (?P<property>\\[pP]\{\w+\})
  | (?P<escape>\\.)
  | (?P<comment>\(\?\#[^)]*\))
  | (?P<named>\(\?(?:<[A-Za-z_]\w*>|'[A-Za-z_]\w*'))
  | (?P<flags>\(\?[imsnx]*(?:-[imsnx]+)?(?P<flags_end>[:)]))
  | (?P<group>\((?:\?(?:<[=!]|[<>=!(])?)?)
  | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_GROUPS = {
    "(?=": "lookahead `(?=`",
    "(?!": "lookahead `(?!`",
    "(?<=": "lookbehind `(?<=`",
    "(?<!": "lookbehind `(?<!`",
    "(?>": "an atomic group `(?>`",
    "(?(": "a conditional `(?(`",
    "(?<": "a balancing group `(?<`",
}


class Unsupported(Exception):
    """A piece of a pattern, by its place, that is not matched in linear time or that .NET does not know."""

    def __init__(self, at: int, what: str) -> None:
        super().__init__(what)
        self.at = at


@lru_cache(maxsize=4096)
def compiled(pattern: str) -> Callable[[str], bool]:
    """Whether the pattern is found anywhere in a text, case-insensitively. Raises Unsupported or re2.error."""
    found: Any = re2.compile(translated(pattern).encode(), _OPTIONS)
    search = found.search
    # texts may hold lone surrogates, which UTF-8 has not
    return lambda text: search(text.encode("utf-8", "replace")) is not None


def check(pattern: str, refuse: Callable[[str], Problem]) -> None:
    """Raises the Problem that `refuse` makes of a sentence, if the pattern cannot be used."""
    try:
        compiled(pattern)
    except Unsupported as e:
        raise refuse(f"character {e.at + 1} of this pattern: {e}") from None
    except re2.error as e:
        said = e.args[0].decode("utf-8", "replace") if e.args and isinstance(e.args[0], bytes) else str(e)
        raise refuse(f"expected a regular expression, but {said[:120]}") from None


def translated(pattern: str) -> str:
    """A .NET pattern in RE2's syntax. Raises Unsupported."""
    out: list[str] = []
    at = 0
    multiline = False
    while at < len(pattern):
        if pattern[at] == "[":
            end, piece = _class(pattern, at)
            out.append(piece)
            at = end
            continue
        match = _PIECE.match(pattern, at)
        if match is None:
            raise Unsupported(at, "a backslash stands at the end; expected a character after it")
        kind, piece = match.lastgroup, match[0]
        kind = "flags" if kind == "flags_end" else kind
        if kind == "flags":
            piece = _flags(at, piece)
            multiline = multiline or "m" in piece.partition("-")[0]
        elif piece == "$" and not multiline:
            piece = _END
        else:
            piece = _outside(at, kind or "", piece)
        out.append(piece)
        at = match.end()
    return "".join(out)


def _outside(at: int, kind: str, piece: str) -> str:
    match kind:
        case "named":
            return f"(?P<{piece[3:-1]}>"
        case "comment":
            return ""
        case "group" if piece.startswith("(?"):
            what = _GROUPS.get(piece, "this kind of group")
            raise Unsupported(at, f"{what} is not supported: rules match in linear time")
        case "escape" if piece[1] in _CLASSES:
            negated = piece[1].isupper()
            return f"[{'^' if negated else ''}{_CLASSES[piece[1].lower()]}]"
        case "escape" if piece[1] in "123456789k":
            raise Unsupported(at, f"a backreference `{piece}` is not supported: rules match in linear time")
        case _:
            return _literal(at, kind, piece, _ESCAPES)


def _literal(at: int, kind: str, piece: str, escapes: dict[str, str]) -> str:
    match kind:
        case "hex":
            return rf"\x{{{piece[2:]}}}"
        case "octal":
            return rf"\x{{{int(piece[1:], 8):x}}}"
        case "control":
            return rf"\x{{{ord(piece[2].upper()) - 64:x}}}"
        case "escape":
            c = piece[1]
            if c in escapes:
                return escapes[c]
            if c.isalnum() or c == "_":
                raise Unsupported(at, f"there is no escape `{piece}`")
            return re.escape(c) if ord(c) < 128 else c
        case _:
            return piece


def _class(pattern: str, start: int) -> tuple[int, str]:
    """The end and the translation of the character class that begins here."""
    at, out = start + 1, "["
    if pattern[at : at + 1] == "^":
        at, out = at + 1, "[^"
    first = at
    while at < len(pattern):
        c = pattern[at]
        if c == "]" and at > first:
            return at + 1, out + "]"
        if c == "[" and out[-1] == "-" and at > first + 1:
            raise Unsupported(at - 1, "subtraction in a character class is not supported")
        match = _PIECE.match(pattern, at) if c == "\\" else None
        if match is None:
            if c == "\\":
                break
            out += "\\" + c if c in "[]" else c
            at += 1
            continue
        kind, piece = match.lastgroup or "", match[0]
        out += _CLASSES[piece[1]] if kind == "escape" and piece[1] in _CLASSES else _literal(at, kind, piece, _IN_CLASS)
        at = match.end()
    raise Unsupported(start, "this character class has no end; expected `]`")


def _flags(at: int, piece: str) -> str:
    if "x" in piece:
        raise Unsupported(at, "the flag x is not supported; write the pattern without spaces and comments")
    on, _, off = piece[2:-1].replace("n", "").partition("-")
    if not on and not off:
        return "(?:" if piece[-1] == ":" else ""
    return f"(?{on}{'-' + off if off else ''}{piece[-1]}"
