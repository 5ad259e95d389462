"""Rule text → tokens, and the sentence that says where a rule is wrong."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from b2b_idp.model.problem import Code, Problem

MAX_LENGTH = 3072
"""Characters of a rule, as Entra has it."""
_DASH = "-\u2010\u2011\u2012\u2013\u2014\u2015\u2212"
"""The hyphen and what word processors, and Entra's own documentation, make of it."""

TokenKind = Literal["word", "operator", "text", "number", "time", "(", ")", "[", "]", ",", "end"]

# possessive, so that a quote without an end is found in one pass
_TOKEN = re.compile(
    rf"""
    (?P<space>\s+)
  | (?P<double>"(?:[^"`]|`["`]?+)*+")
  | (?P<single>'(?:[^']|'')*+')
  | (?P<escaped>`"[^"`]*+`")
  | (?P<time>[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}(?:T[0-9:.]*(?:Z|[+-][0-9:]+)?)?)
  | (?P<number>-?[0-9]+(?:\.[0-9]+)?(?![\w.]))
  | (?P<operator>[{_DASH}][A-Za-z]\w*)
  | (?P<word>\$?[^\W0-9][\w.]*)
  | (?P<mark>[()\[\],])
    """,
    re.VERBOSE | re.IGNORECASE,
)
_HINTS = {
    '"': 'this string has no end; close it with ", and write a quote inside it as `"',
    "'": "this string has no end; close it with ', and write an apostrophe inside it as ''",
    "`": 'a backtick stands before a quote inside a string only, as in "a `"b`" c"',
    **dict.fromkeys("\u201c\u201d\u201e\u2018\u2019", 'strings stand in straight quotes, as in "Sales"'),
    "=": "did you mean -eq?",
    "!": "did you mean -ne or -not?",
    "&": "did you mean -and?",
    "|": "did you mean -or?",
    "{": 'lists stand in square brackets, as in ["US", "DE"]',
}
_FORM = 'a rule is made of property, operator, value, as in user.department -eq "Sales"'
_ESCAPE = re.compile("`([\"`])|''")


@dataclass(frozen=True, slots=True)
class Token:
    """One token: for strings `value` is what they mean, for operators the name with a plain hyphen."""

    kind: TokenKind
    value: str
    start: int
    end: int


def refused(text: str, at: int, what: str) -> Problem:
    """The Problem of a rule that is wrong at this character."""
    line = text.count("\n", 0, at) + 1
    column = at - (text.rfind("\n", 0, at) + 1) + 1
    return Problem(Code.BAD_REQUEST, f"membershipRule: line {line}, column {column}: {what}")


def shown(text: str, token: Token) -> str:
    """A token for a sentence: at most 40 characters of it, each printable."""
    if token.kind == "end":
        return "the end of the rule"
    piece = text[token.start : min(token.end, token.start + 40)]
    printable = "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in piece)
    return f"`{printable}{'…' if token.end - token.start > 40 else ''}`"


def tokens_of(text: str) -> list[Token]:
    """The tokens, an `end` last. Raises Problem(BAD_REQUEST) at the first character that begins none."""
    if len(text) > MAX_LENGTH:
        raise refused(text, MAX_LENGTH, f"a rule has at most {MAX_LENGTH} characters, this one has {len(text)}")
    for at, c in enumerate(text):
        if c == "\x00" or "\ud800" <= c <= "\udfff":
            raise refused(text, at, f"found the character U+{ord(c):04X}, which is no text; take it out")
    found, at = [], 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            wrong = shown(text, Token("word", "", at, at + 1))
            hint = _HINTS.get(text[at], _FORM)
            raise refused(text, at, f"found {wrong}; {hint}")
        if match.lastgroup != "space":
            found.append(_token(match))
        at = match.end()
    return [*found, Token("end", "", len(text), len(text))]


def _token(match: re.Match[str]) -> Token:
    written, start, end = match[0], match.start(), match.end()
    match match.lastgroup:
        case "double":
            return Token("text", _ESCAPE.sub(lambda m: m[1] or "'", written[1:-1]), start, end)
        case "single":
            return Token("text", written[1:-1].replace("''", "'"), start, end)
        case "escaped":
            # an escaped quote is a character of the value everywhere (docs/decisions/0011-membership-rules.md)
            return Token("text", f'"{written[2:-2]}"', start, end)
        case "operator":
            return Token("operator", "-" + written[1:], start, end)
        case "time":
            return Token("time", written, start, end)
        case "number":
            return Token("number", written, start, end)
        case "word":
            return Token("word", written, start, end)
        case _:
            return Token(_MARKS[written], written, start, end)


_MARKS: dict[str, TokenKind] = {"(": "(", ")": ")", "[": "[", "]": "]", ",": ","}
