"""Whether an answer is one that the API's own description announces: status, media type, schema."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any

from jsonschema_rs import Draft202012Validator

from b2b_idp.graph import described
from b2b_idp.graph.openapi import document

DOCUMENT: dict[str, Any] = document(described(), "/idp")


def _segment(text: str) -> str:
    return "[^/]+" if text.startswith("{") else re.escape(text)


_PATTERNS = {path: re.compile("/".join(_segment(s) for s in path.split("/"))) for path in DOCUMENT["paths"]}


def operation(method: str, path: str) -> dict[str, Any] | None:
    """What describes a request; the most literal address wins, as it does in the API."""
    plain = re.sub(r"^/(\w+)\((?:\w+=)?'([^']*)'\)", r"/\1/\2", path.partition("?")[0])
    plain = plain.replace("/graph.", "/microsoft.graph.")
    found = [p for p, pattern in _PATTERNS.items() if pattern.fullmatch(plain)]
    found = [p for p in found if method.lower() in DOCUMENT["paths"][p]]
    if not found:
        return None
    operation: dict[str, Any] = DOCUMENT["paths"][min(found, key=lambda p: p.count("{"))][method.lower()]
    return operation


def faults(method: str, path: str, answer: Any) -> list[str]:
    """Everything in an answer that its description does not say."""
    described = operation(method, path)
    if described is None:
        return [] if answer.status_code >= 400 else [f"{method} {path} is not described"]
    response = described["responses"].get(str(answer.status_code))
    if response is None:
        return [f"{method} {path}: {answer.status_code} is not described"]
    name = response.get("$ref", "").rpartition("/")[2]
    content = (DOCUMENT["components"]["responses"][name] if name else response).get("content", {})
    if not content:
        return [f"{method} {path}: a body that is not described"] if answer.data else []
    if answer.mimetype not in content:
        return [f"{method} {path}: {answer.mimetype}"]
    value = answer.get_json() if answer.is_json else int(answer.text)
    errors = _validator(json.dumps(content[answer.mimetype]["schema"])).iter_errors(value)
    return [f"{method} {path}: {list(e.instance_path)}: {e.message}"[:400] for e in errors]


@cache
def _validator(schema: str) -> Draft202012Validator:
    return Draft202012Validator(json.loads(schema) | {"components": DOCUMENT["components"]}, validate_formats=True)
