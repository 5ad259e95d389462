"""The file's bytes → one JSON object, and back. What could harm a parser, a reader or a database is refused."""

from __future__ import annotations

import json
from math import isfinite
from typing import Any

from b2b_idp.model.problem import Code, Problem

MAX_BYTES = 5_000_000
MAX_DEPTH = 64


def bad(say: str) -> Problem:
    return Problem(Code.BAD_REQUEST, say)


def read(raw: bytes) -> dict[str, Any]:
    """The object that a file holds. Raises Problem(BAD_REQUEST)."""
    if len(raw) > MAX_BYTES:
        raise bad("The file is larger than 5 MB.")
    try:
        document = json.loads(
            raw.decode("utf-8-sig"), object_pairs_hook=_members, parse_constant=_constant, parse_float=_number
        )
    except UnicodeDecodeError:
        raise bad("The file is not UTF-8.") from None
    except RecursionError:
        raise bad(f"The file is nested deeper than {MAX_DEPTH} levels.") from None
    except json.JSONDecodeError as e:
        raise bad(f"The file is not JSON at line {e.lineno}, column {e.colno}: {e.msg}.") from None
    except ValueError:
        raise bad("The file holds a number with too many digits.") from None
    _check(document, MAX_DEPTH)
    if not isinstance(document, dict):
        raise bad("The file holds one JSON object.")
    return document


def write(document: object) -> str:
    """The text of a file: two spaces deep, in the order given. What no screen shows is escaped."""
    return visible(json.dumps(document, indent=2, ensure_ascii=False)) + "\n"


def compact(value: object) -> str:
    """A value on one line, for people and for comparing; members in order of their names."""
    return visible(json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(", ", ": ")))


def visible(text: str) -> str:
    """JSON text with escapes for controls, direction marks and the like, which could hide what stands there."""
    return "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text)


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise bad(f"The member {compact(name)[:100]} stands twice in one object.")
        found[name] = value
    return found


def _constant(name: str) -> object:
    raise bad(f"{name} is not JSON.")


def _number(text: str) -> float:
    value = float(text)
    if not isfinite(value):
        raise bad(f"{text[:40]} is too large for a number.")
    return value


def _check(value: object, left: int) -> None:
    if left == 0:
        raise bad(f"The file is nested deeper than {MAX_DEPTH} levels.")
    if isinstance(value, str) and ("\x00" in value or any("\ud800" <= c <= "\udfff" for c in value)):
        raise bad("A text in the file holds a NUL or half of a surrogate pair.")
    if isinstance(value, dict):
        for name in value:
            _check(name, left)
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for child in children:
        _check(child, left - 1)
