"""JSON from outside without surprises (RFC 8259, RFC 8725 §2.4): the one reader of every room."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import partial
from math import isfinite
from typing import Any

_STRING = re.compile(r'"(?:[^"\\]|\\.)*+"?', re.DOTALL)
"""A string, or what begins as one; possessive, so that hostile text is walked once."""


def read_json(
    raw: bytes | str, *, depth: int, fail: Callable[[str], Exception], quote: bool = True, nul: bool = False
) -> Any:
    """The value that `raw`, UTF-8 if bytes, holds: no member twice in an object, no NaN, infinities or numbers beyond
    range, no lone surrogate and (unless `nul`) no NUL in a text, arrays and objects nested at most `depth` deep.

    Else what `fail` makes of the reason is raised: the rest of a sentence, `holds …` or `is …`. Without `quote` it
    has nothing of the document in it. Size is the caller's to limit.
    """
    try:
        text = raw if isinstance(raw, str) else raw.decode("utf-8")
    except UnicodeDecodeError:
        raise fail("is not UTF-8") from None
    # so few brackets nest no deeper, wherever they stand
    if text.count("{") + text.count("[") > depth and _depth(text) > depth:
        raise fail(f"is nested deeper than {depth} levels")
    try:
        value = _DECODERS[quote].decode(text)
    except json.JSONDecodeError as e:
        raise fail(f"is not JSON at line {e.lineno}, column {e.colno}: {e.msg}" if quote else "is not JSON") from None
    except _FlawError as e:
        raise fail(str(e)) from None
    except (ValueError, RecursionError):
        raise fail("holds a number with too many digits") from None
    if "\\u" in text or not text.isprintable():
        _check_texts(value, fail, nul)
    return value


class _FlawError(ValueError):
    """What strictness forbids."""


def _members(pairs: list[tuple[str, Any]], quote: bool) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise _FlawError("holds a member twice in one object" + (f": {json.dumps(name)[:82]}" if quote else ""))
        found[name] = value
    return found


def _constant(name: str) -> object:
    raise _FlawError(f"holds {name}, which is not JSON")


def _number(text: str) -> float:
    value = float(text)
    if not isfinite(value):
        raise _FlawError("holds a number that is not finite")
    return value


def _depth(text: str) -> int:
    """How deep arrays and objects nest; known before the parser, which recurses, sees them."""
    depth = deepest = 0
    for c in _STRING.sub("", text):
        if c in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif c in "]}":
            depth -= 1
    return deepest


def _check_texts(value: object, fail: Callable[[str], Exception], nul: bool) -> None:
    if isinstance(value, str):
        if any("\ud800" <= c <= "\udfff" for c in value):
            raise fail("holds half of a surrogate pair, which is not JSON")
        if "\x00" in value and not nul:
            raise fail("holds a NUL")
    elif isinstance(value, list):
        for child in value:
            _check_texts(child, fail, nul)
    elif isinstance(value, dict):
        for name, child in value.items():
            _check_texts(name, fail, nul)
            _check_texts(child, fail, nul)


_DECODERS = {
    quote: json.JSONDecoder(
        object_pairs_hook=partial(_members, quote=quote), parse_constant=_constant, parse_float=_number
    )
    for quote in (True, False)
}
