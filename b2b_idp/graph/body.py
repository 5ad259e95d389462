"""A JSON body from outside: one object, no larger than 1 MB, no deeper than 64, no member twice."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from flask import Request
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge

from b2b_idp.model.problem import Code, Problem
from b2b_idp.model.strict_json import read_json

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
    document = read_json(raw, depth=MAX_DEPTH, fail=lambda why: bad(f"The body {why}."))
    _check_binds(document, binds)
    if not isinstance(document, dict):
        raise bad("The body is a JSON object.")
    return document


def _check_binds(value: object, binds: frozenset[str] = frozenset()) -> None:
    if isinstance(value, list):
        for child in value:
            _check_binds(child)
    elif isinstance(value, dict):
        for name, child in value.items():
            if name.endswith("@odata.bind") and name not in binds:
                raise bad(f"{name[:80]} is not supported: add members and references by $ref.")
            _check_binds(child)


def check_writable(body: Mapping[str, Any], read_only: frozenset[str]) -> None:
    """Raises Problem(BAD_REQUEST) when the body names a read-only property, whatever it says of it (as Graph)."""
    for name in sorted(read_only & set(body)):
        raise bad(f"{name} is read-only.")


def without_annotations(document: dict[str, Any]) -> dict[str, Any]:
    """The members that are no OData control information."""
    return {k: v for k, v in document.items() if "@odata." not in k}


def instant(name: str, text: str) -> datetime:
    """A moment from outside, ISO 8601. Raises Problem(BAD_REQUEST)."""
    try:
        at = datetime.fromisoformat(text)
        at = (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise bad(f"{name} is an ISO 8601 time such as 2026-06-01T10:00:00Z.") from None
    if not 1970 <= at.year < 3000:
        raise bad(f"{name} lies between the years 1970 and 3000.")
    return at
