"""The text of a claimsMappingPolicy definition → a checked document. Hostile until here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from b2b_idp.model.problem import Code, Problem
from b2b_idp.model.strict_json import read_json

MAX_BYTES = 64 * 1024
MAX_DEPTH = 32


def bad(say: str) -> Problem:
    return Problem(Code.BAD_REQUEST, f"claimsMappingPolicy: {say}")


def read(definition: object) -> Mapping[str, Any]:
    """The inner `ClaimsMappingPolicy` object of a definition: an array of one JSON string, as Graph has it, or the
    same as an object. At most 64 KB and 32 deep; duplicate members are refused."""
    if isinstance(definition, list):
        if len(definition) != 1 or not isinstance(definition[0], str):
            raise bad("`definition` is an array of exactly one string of JSON.")
        document = _json(definition[0])
    else:
        document = definition
        if len(json.dumps(document)) > MAX_BYTES:
            raise bad("the definition is larger than 64 KB.")
    _check_depth(document, MAX_DEPTH)
    if not isinstance(document, dict) or set(document) != {"ClaimsMappingPolicy"}:
        raise bad("the definition holds exactly one member, ClaimsMappingPolicy.")
    inner = document["ClaimsMappingPolicy"]
    if not isinstance(inner, dict):
        raise bad("ClaimsMappingPolicy is an object.")
    return inner


def _json(text: str) -> object:
    if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise bad("the definition is larger than 64 KB.")
    return read_json(text, depth=MAX_DEPTH, fail=lambda why: bad(f"the definition {why}."))


def _check_depth(value: object, left: int) -> None:
    if left == 0:
        raise bad("the definition is nested deeper than 32 levels.")
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for child in children:
        _check_depth(child, left - 1)
