"""What a home signed: a compact JWS whose algorithm its metadata names and one of its keys verifies (RFC 7515,
RFC 8725). What its claims must say is for who asked.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from jwt.algorithms import get_default_algorithms

from b2b_idp.homes.oidc.keys import HomeKey, the_key
from b2b_idp.homes.oidc.metadata import Metadata
from b2b_idp.homes.oidc.strict import refused, strict_json
from b2b_idp.keys.compact import decoded

MAX_TOKEN = 128 * 1024
"""Characters. Room for an absurd claim, which proves nothing and fails nothing."""
SKEW = 60
"""Seconds that a home's clock may be off."""
LONGEST_AGE = 3600
"""Seconds since `iat`: what we are sent was made just now."""
MAX_VALUE = 255
LATEST = 2**40
"""A NumericDate beyond this is none; it still fits every clock."""

_SEGMENT = re.compile(r"[A-Za-z0-9_-]+")
_ALGORITHMS = get_default_algorithms()


class Keys(Protocol):
    """A home's keys: as kept, and anew where those that were looked at do not do."""

    def get(self, at: datetime) -> tuple[HomeKey, ...]: ...
    def renewed(self, looked_at: tuple[HomeKey, ...], at: datetime) -> Sequence[HomeKey] | None: ...


@dataclass(frozen=True, slots=True)
class Signed:
    """The claims of a verified token, and what verified it."""

    claims: Mapping[str, Any]
    alg: str
    key: HomeKey


def read_signed(
    token: object, what: str, *, types: Sequence[str], metadata: Metadata, keys: Keys, at: datetime
) -> Signed:
    """The claims of `token`, called `what` where it is refused; its `typ`, if it has one, is one of `types` (in upper
    case). Raises Problem(HOME_ANSWER_REFUSED) and what fetching the keys may raise."""
    if not isinstance(token, str) or len(token) > MAX_TOKEN:
        raise refused(f"{what} is missing or too large")
    parts = token.split(".")
    if len(parts) != 3 or not all(_SEGMENT.fullmatch(p) for p in parts):
        raise refused(f"{what} is not a signed JWT in compact form")
    header = strict_json(_decoded(parts[0], what), lambda why: refused(f"{what} header: {why}"))
    claims = strict_json(_decoded(parts[1], what), lambda why: refused(f"{what} claims: {why}"))
    alg, kid = _checked_header(header, what, types, metadata)
    signed, signature = f"{parts[0]}.{parts[1]}".encode(), _decoded(parts[2], what)
    kept = keys.get(at)
    key = the_key(kept, kid, alg)
    if key is None or not _verifies(signed, signature, alg, key):
        # the home may have rotated its key since we looked
        key = the_key(keys.renewed(kept, at) or (), kid, alg)
        if key is None or not _verifies(signed, signature, alg, key):
            raise refused(f"no single key of the home verifies the {what}'s signature")
    return Signed(claims, alg, key)


def _decoded(segment: str, what: str) -> bytes:
    try:
        return decoded(segment)
    except ValueError:
        raise refused(f"{what} is not base64url") from None


def _checked_header(
    header: Mapping[str, Any], what: str, types: Sequence[str], metadata: Metadata
) -> tuple[str, str | None]:
    """Algorithm and kid. What else a header may say of keys (jwk, jku, x5u, x5c) is not read."""
    alg, kid, typ = header.get("alg"), header.get("kid"), header.get("typ", "JWT")
    if "crit" in header:
        raise refused(f"{what} header has crit, and no extension is understood")
    if not isinstance(typ, str) or typ.upper() not in types:
        raise refused(f"{what} header names another type of token")
    # pinned by metadata: `none`, HS* and whatever else a header says are not in it
    if not isinstance(alg, str) or alg not in metadata.algorithms:
        raise refused(f"{what} is signed with an algorithm that the home's metadata does not name")
    if not isinstance(kid, str | None):
        raise refused(f"{what} header has a kid that is no text")
    return alg, kid


def _verifies(signed: bytes, signature: bytes, alg: str, key: HomeKey) -> bool:
    return _ALGORITHMS[alg].verify(signed, key.public, signature)


def check_times(claims: Mapping[str, Any], what: str, now: float) -> None:
    """`exp` and `iat`, both needed, and `nbf`, in NumericDate."""
    iat = _date(claims, "iat")
    if now >= _date(claims, "exp") + SKEW:
        raise refused(f"exp: the {what} is over")
    if iat > now + SKEW:
        raise refused("iat lies ahead")
    if iat < now - LONGEST_AGE:
        raise refused("iat is too long ago")
    if "nbf" in claims and _date(claims, "nbf") > now + SKEW:
        raise refused("nbf lies ahead")


def check_audience(aud: object, azp: object, client_id: str) -> None:
    """That the token is for us, and for nobody beside."""
    listed = aud if isinstance(aud, list) else [aud]
    if client_id not in listed or not all(isinstance(a, str) for a in listed):
        raise refused("aud does not name us")
    if azp is not None and azp != client_id:
        raise refused("azp is not us")
    if len(listed) > 1 and azp is None:
        raise refused("several audiences and no azp")


def is_subject(value: object) -> bool:
    """Whether it may be a `sub`."""
    return isinstance(value, str) and 0 < len(value) <= MAX_VALUE and value.isascii() and value.isprintable()


def _date(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < LATEST:
        raise refused(f"{name} is missing or no date")
    return value
