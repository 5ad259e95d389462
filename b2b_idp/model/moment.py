"""Time and randomness, made once a request at the edge and handed down."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Moment:
    """One request's clock reading and its source of ids and secrets. `at` is aware, UTC."""

    at: datetime
    new_id: Callable[[], str]
    """A fresh version-4 UUID in canonical text."""
    new_secret: Callable[[], str]
    """A fresh URL-safe secret of 256 bits."""

    @property
    def epoch(self) -> int:
        """NumericDate of `at`: whole seconds since 1970 (RFC 7519 §2)."""
        return int(self.at.timestamp())


def uuid_text(raw: bytes) -> str:
    """The canonical text of a UUID's 16 bytes (RFC 9562 §4)."""
    digits = raw.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def uuid4_of(chance: bytes) -> str:
    """The version-4 UUID that 16 random bytes make (RFC 9562 §5.4); a tenth of what `uuid.UUID` and `str` take."""
    raw = bytearray(chance)
    raw[6] = raw[6] & 0x0F | 0x40
    raw[8] = raw[8] & 0x3F | 0x80
    return uuid_text(bytes(raw))


def tenant_id_of(issuer: str) -> str:
    """The home tenant id that an issuer has unless one is given: UUIDv5 in the URL namespace (RFC 9562 §5.5)."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, issuer))


def iso(at: datetime) -> str:
    """ISO 8601 with `Z`, as Graph writes times."""
    return at.strftime("%Y-%m-%dT%H:%M:%S") + "Z"
