"""A JSON body from outside: one object, no larger than 1 MB, no deeper than 64, no member twice."""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import isfinite
from typing import Any

from flask import Request
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge

from b2b_idp.model.problem import Code, Problem

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 64


def bad(say: str) -> Problem:
    return Problem(Code.BAD_REQUEST, say)


def json_body(request: Request, binds: frozenset[str] = frozenset()) -> dict[str, Any]:
    """The request's JSON object, in which the `@odata.bind` members `binds` may stand.

    Raises Problem(BODY_TOO_LARGE | UNSUPPORTED_MEDIA_TYPE | BAD_REQUEST).
    """
    if (request.content_length or 0) > MAX_BYTES:
        raise Problem(Code.BODY_TOO_LARGE, "The body is larger than 1 MB.")
    if request.mimetype != "application/json":
        raise Problem(Code.UNSUPPORTED_MEDIA_TYPE, "Send Content-Type: application/json.")
    try:
        raw = request.get_data()
    except (RequestEntityTooLarge, ClientDisconnected):
        raise Problem(Code.BODY_TOO_LARGE, "The body is larger than 1 MB.") from None
    if len(raw) > MAX_BYTES:
        raise Problem(Code.BODY_TOO_LARGE, "The body is larger than 1 MB.")
    try:
        document = json.loads(
            raw.decode("utf-8"), object_pairs_hook=_members, parse_constant=_constant, parse_float=_number
        )
    except UnicodeDecodeError:
        raise bad("The body is not UTF-8.") from None
    except RecursionError:
        raise bad("The body is nested too deeply.") from None
    except ValueError as e:
        raise bad(f"The body is not JSON: {e}"[:300]) from None
    _check(document, MAX_DEPTH, binds)
    if not isinstance(document, dict):
        raise bad("The body is a JSON object.")
    return document


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise bad("A member stands twice in one object of the body.")
    return found


def _constant(name: str) -> object:
    raise bad(f"{name} is not JSON.")


def _number(text: str) -> float:
    value = float(text)
    if not isfinite(value):
        raise bad(f"{text[:40]} is too large for a number.")
    return value


def _check(value: object, left: int, binds: frozenset[str] = frozenset()) -> None:
    """Depth, and texts that no database or answer could hold."""
    if left == 0:
        raise bad("The body is nested too deeply.")
    if isinstance(value, str):
        _check_text(value)
    elif isinstance(value, list):
        for child in value:
            _check(child, left - 1)
    elif isinstance(value, dict):
        for name, child in value.items():
            _check_text(name)
            if name.endswith("@odata.bind") and name not in binds:
                raise bad(f"{name[:80]} is not supported: add members and references by $ref.")
            _check(child, left - 1)


def _check_text(text: str) -> None:
    if "\x00" in text or any("\ud800" <= c <= "\udfff" for c in text):
        raise bad("A text in the body holds a NUL or half of a surrogate pair.")


def check_writable(body: Mapping[str, Any], read_only: frozenset[str]) -> None:
    """Raises Problem(BAD_REQUEST) when the body names a read-only property, whatever it says of it (as Graph)."""
    for name in sorted(read_only & set(body)):
        raise bad(f"{name} is read-only.")


def without_annotations(document: dict[str, Any]) -> dict[str, Any]:
    """The members that are no OData control information."""
    return {k: v for k, v in document.items() if "@odata." not in k}
