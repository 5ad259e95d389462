"""base64url as JOSE has it (RFC 7515 §2): without padding, and read strictly, without spare bits."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode

_SEGMENT = re.compile(r"[A-Za-z0-9_-]*")
_LAST = {0: frozenset(), 2: frozenset("AQgw"), 3: frozenset("AEIMQUYcgkosw048")}
"""By the length of the last group, the characters that it may end in: those whose spare bits are zero."""


def encoded(raw: bytes) -> str:
    """`raw` as one segment."""
    return urlsafe_b64encode(raw).decode().rstrip("=")


def decoded(segment: str) -> bytes:
    """The bytes of one base64url segment (RFC 7515 §2). Raises ValueError unless it is the one way to write them."""
    rest = len(segment) % 4
    if rest not in _LAST or not _SEGMENT.fullmatch(segment) or (rest and segment[-1] not in _LAST[rest]):
        raise ValueError("not base64url")
    return urlsafe_b64decode(segment + "==="[: -rest % 4])
