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


def tenant_id_of(issuer: str) -> str:
    """The home tenant id that an issuer has unless one is given: UUIDv5 in the URL namespace (RFC 9562 §5.5)."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, issuer))


def iso(at: datetime) -> str:
    """ISO 8601 with `Z`, as Graph writes times."""
    return at.strftime("%Y-%m-%dT%H:%M:%S") + "Z"
