"""The values of comparisons: strings, Booleans, times, null."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Protocol

from b2b_idp.groups.syntax import Now, Value
from b2b_idp.groups.tokens import Token
from b2b_idp.groups.vocabulary import Kind
from b2b_idp.model.problem import Problem

_NULL = ("null", "$null")
_DURATION = re.compile(
    r"P(?=[0-9T])(?:([0-9]{1,5})Y)?(?:([0-9]{1,5})M)?(?:([0-9]{1,5})W)?(?:([0-9]{1,5})D)?"
    r"(?:T(?=[0-9])(?:([0-9]{1,5})H)?(?:([0-9]{1,5})M)?(?:([0-9]{1,5})S)?)?"
)
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,7})?)?(Z|[+-][0-9]{2}:[0-9]{2})")
_WRITE_TIME = (
    "expected a time as 2026-01-31T00:00:00Z, or system.now, perhaps with -plus or -minus and a duration as P30D"
)


class Reader(Protocol):
    """What reading values needs of the parser."""

    @property
    def token(self) -> Token: ...
    def take(self) -> Token: ...
    def wrong(self, expected: str, token: Token | None = None) -> Problem: ...


def value_of(reader: Reader, kind: Kind, operator: str) -> Value:
    """The value that comes next, of the property's type. Raises Problem(BAD_REQUEST)."""
    token = reader.token
    if token.kind == "word" and token.value.casefold() in _NULL:
        if operator not in ("-eq", "-ne"):
            raise reader.wrong(f"null is compared by -eq and -ne only, not by {operator}")
        reader.take()
        return None
    match kind:
        case "boolean":
            return _boolean(reader)
        case "time":
            return _moment(reader)
        case _:
            return text_of(reader, kind)


def text_of(reader: Reader, kind: Kind) -> str:
    """The string that comes next; for extension properties a number or Boolean, too. Raises Problem(BAD_REQUEST)."""
    token = reader.token
    loose = kind == "extension" and (token.kind == "number" or token.value.casefold() in ("true", "false"))
    if token.kind == "text":
        return reader.take().value
    if loose:
        return reader.take().value.lower()
    if token.kind == "word" and token.value.casefold() in _NULL:
        raise reader.wrong("null stands only directly after -eq or -ne; expected a string in quotes")
    if token.kind in ("word", "number", "time"):
        raise reader.wrong(f'expected a string in quotes: "{token.value[:40]}"')
    if token.kind == "[":
        raise reader.wrong("only -in and -notIn take a list; expected a string in quotes")
    raise reader.wrong("expected a string in quotes")


def _boolean(reader: Reader) -> bool:
    token = reader.token
    folded = token.value.casefold()
    if token.kind not in ("word", "text") or folded not in ("true", "false"):
        raise reader.wrong("expected true, false or null")
    reader.take()
    return folded == "true"


def _moment(reader: Reader) -> datetime | Now:
    token = reader.token
    if token.kind == "word" and token.value.casefold() == "system.now":
        reader.take()
        return _now(reader)
    if token.kind not in ("time", "text") or not _TIME.fullmatch(token.value.upper()):
        raise reader.wrong(_WRITE_TIME)
    try:
        found = datetime.fromisoformat(token.value.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise reader.wrong(f"there is no such time; {_WRITE_TIME}") from None
    reader.take()
    return found


def _now(reader: Reader) -> Now:
    token = reader.token
    folded = token.value.removeprefix("-").casefold()
    if token.kind not in ("operator", "word") or folded not in ("plus", "minus"):
        return Now()
    reader.take()
    duration = reader.token
    written = duration.value.upper()
    found = _DURATION.fullmatch(written) if duration.kind in ("word", "text") else None
    if found is None:
        raise reader.wrong("expected an ISO 8601 duration, as P30D, P1Y6M or PT12H")
    reader.take()
    years, months, weeks, days, hours, minutes, seconds = (int(n or 0) for n in found.groups())
    sign = 1 if folded == "plus" else -1
    time = timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds)
    return Now(sign * (12 * years + months), sign * time, f" -{folded} {written}")
