"""Reading what a home sends: JSON without surprises, and the two refusals that may come of it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import Any

from b2b_idp.model.problem import Code, Problem

MAX_DEPTH = 32

_STRING = re.compile(r'"(?:[^"\\]|\\.)*+"?', re.DOTALL)
"""A string, or what begins as one; possessive, so that hostile text is walked once."""


def refused(why: str) -> Problem:
    """The home's answer cannot be accepted."""
    return Problem(
        Code.HOME_ANSWER_REFUSED,
        "Your organisation's answer could not be accepted. Please start again at the app; "
        "if it happens again, tell your administrator the number below.",
        why,
    )


def misconfigured(why: str) -> Problem:
    """The home cannot be used as it is."""
    return Problem(
        Code.HOME_MISCONFIGURED,
        "Your organisation's sign-in is not set up right here. Tell the person who invited you.",
        why,
    )


def unavailable(why: str) -> Problem:
    """The home does not answer as it should, which time may mend."""
    return Problem(
        Code.HOME_UNAVAILABLE,
        "Your organisation's sign-in does not answer right now. Please try again in a few minutes.",
        why,
    )


def strict_json(raw: bytes, fail: Callable[[str], Problem]) -> dict[str, Any]:
    """A JSON object in UTF-8 without duplicate members, NaN, infinities, lone surrogates or nesting over
    MAX_DEPTH (RFC 8259, RFC 8725 §2.4); else `fail` makes the Problem."""
    try:
        text = raw.decode("utf-8")
        if _depth(text) > MAX_DEPTH:
            raise fail("nested too deeply")
        value = json.loads(text, object_pairs_hook=_members, parse_float=_finite, parse_constant=_constant)
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError) as e:
        raise fail(str(e) if type(e) is _FlawError else "not JSON") from None
    if not isinstance(value, dict):
        raise fail("not a JSON object")
    return value


class _FlawError(ValueError):
    """What strictness forbids; its text holds nothing of the document."""


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _FlawError("a member stands twice in a JSON object")
    return found


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise _FlawError("a number is not finite")
    return value


def _constant(name: str) -> object:
    raise _FlawError(f"{name} is not JSON")


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
