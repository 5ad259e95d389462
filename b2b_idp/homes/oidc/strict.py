"""Reading what a home sends: JSON without surprises, and the two refusals that may come of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from b2b_idp.model.problem import Code, Problem
from b2b_idp.model.strict_json import read_json

MAX_DEPTH = 32


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
    """A JSON object, strictly read; else `fail` makes the Problem, with nothing of the document in it."""
    value = read_json(raw, depth=MAX_DEPTH, fail=fail, quote=False, nul=True)
    if not isinstance(value, dict):
        raise fail("is not a JSON object")
    return value
