"""JSON as we write it: compact, UTF-8. The reader of what comes from outside is `strict_json`."""

from __future__ import annotations

import json

import orjson

# what json does not know is a defect of ours here too
_OPTIONS = orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME


def json_bytes(document: object) -> bytes:
    """The text of `document`. Raises TypeError for what JSON has no word for."""
    try:
        return orjson.dumps(document, None, _OPTIONS)
    except TypeError:
        # numbers beyond 64 bits, half of a surrogate pair, names that are no texts
        return json.dumps(document, separators=(",", ":")).encode()


def from_json_text(text: str | bytes) -> object:
    """What `json_bytes` wrote, or json before it. Raises ValueError for what is no JSON."""
    try:
        return orjson.loads(text)
    except ValueError:
        return json.loads(text)
