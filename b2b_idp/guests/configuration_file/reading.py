"""The file's bytes → one JSON object, and back. What could harm a parser, a reader or a database is refused."""

from __future__ import annotations

import codecs
import json
from typing import Any

from b2b_idp.model.problem import Code, Problem
from b2b_idp.model.strict_json import read_json

MAX_BYTES = 5_000_000
MAX_DEPTH = 64


def bad(say: str) -> Problem:
    return Problem(Code.BAD_REQUEST, say)


def read(raw: bytes) -> dict[str, Any]:
    """The object that a file holds. Raises Problem(BAD_REQUEST)."""
    if len(raw) > MAX_BYTES:
        raise bad("The file is larger than 5 MB.")
    text = raw.removeprefix(codecs.BOM_UTF8)
    document = read_json(text, depth=MAX_DEPTH, fail=lambda why: bad(f"The file {why}."))
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
