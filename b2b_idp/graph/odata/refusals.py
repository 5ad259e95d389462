"""The two ways in which a query is refused, and the reading of a text by a grammar that says where it failed."""

from __future__ import annotations

from collections.abc import Mapping

from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedInput, UnexpectedToken

from b2b_idp.model.problem import Code, Problem

MAX_LENGTH = 8192
MAX_DEPTH = 32
MAX_TOKENS = 1000


def bad(say: str) -> Problem:
    """What is no query at all."""
    return Problem(Code.BAD_REQUEST, say)


def unsupported(say: str) -> Problem:
    """What is a query that others may understand."""
    return Problem(Code.UNSUPPORTED_QUERY, say)


def read(parser: Lark, option: str, text: str, words: Mapping[str, str]) -> Tree[Token]:
    """The tree of an option's text; `words` says what each of the grammar's terminals is.

    Raises Problem(BAD_REQUEST) with the character and what was expected there. It stops at the first token too many,
    so that the work is bounded whatever the text is.
    """
    if len(text) > MAX_LENGTH:
        raise bad(f"{option} is longer than {MAX_LENGTH} characters.")
    reading = parser.parse_interactive(text)
    try:
        for number, token in enumerate(reading.iter_parse()):
            if number >= MAX_TOKENS:
                raise bad(f"{option} has more than {MAX_TOKENS} parts; the character {token.start_pos} is too many.")
        tree: Tree[Token] = reading.feed_eof()  # type: ignore[no-untyped-call]
    except UnexpectedInput as e:
        ended = isinstance(e, UnexpectedToken) and e.token.type == "$END"
        at = len(text) if ended or e.pos_in_stream is None else e.pos_in_stream
        accepted: set[str] = reading.accepts()  # type: ignore[no-untyped-call]
        raise bad(_said(option, text, at, {words[n] for n in accepted if n in words})) from None
    return tree


def _said(option: str, text: str, at: int, wanted: set[str]) -> str:
    expected = " or ".join(sorted(wanted)) or "nothing more"
    if at >= len(text.rstrip()):
        return f"{option} ends too early at character {len(text) + 1}: expected {expected}."
    return f"{option}: expected {expected} at character {at + 1}, found {text[at : at + 20]!r}."
