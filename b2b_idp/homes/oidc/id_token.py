"""The home's id_token, validated wholly (OpenID Connect Core §3.1.3.7, RFC 7515, RFC 8725)."""

from __future__ import annotations

import hmac
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256, sha384, sha512
from typing import Any, Protocol

from jwt.algorithms import get_default_algorithms

from b2b_idp.homes.oidc.evidence import SignedStatement
from b2b_idp.homes.oidc.keys import HomeKey, the_key
from b2b_idp.homes.oidc.metadata import Metadata
from b2b_idp.homes.oidc.strict import refused, strict_json
from b2b_idp.model.home import Home

MAX_TOKEN = 128 * 1024
"""Characters. Room for an absurd claim, which proves nothing and fails nothing."""
SKEW = 60
"""Seconds that a home's clock may be off."""
LONGEST_AGE = 3600
"""Seconds since `iat`: the token was made for the code that we exchanged just now."""
MAX_AMR = 100
MAX_VALUE = 255
LATEST = 2**40
"""A NumericDate beyond this is none; it still fits every clock."""

_SEGMENT = re.compile(r"[A-Za-z0-9_-]+")
_ALGORITHMS = get_default_algorithms()
_HASHES = {"256": sha256, "384": sha384, "512": sha512, "DSA": sha512}


class Keys(Protocol):
    """A home's keys: as kept, and anew where those that were looked at do not do."""

    def get(self, at: datetime) -> tuple[HomeKey, ...]: ...
    def renewed(self, looked_at: tuple[HomeKey, ...], at: datetime) -> Sequence[HomeKey] | None: ...


@dataclass(frozen=True, slots=True)
class VerifiedClaims:
    """Claims of a validated id_token.

    `amr` is None unless it was an array of at most MAX_AMR strings, `acr` unless a string, `auth_time`
    (NumericDate) unless a whole number: what has the wrong type proves nothing and fails nothing.
    """

    subject: str
    amr: tuple[str, ...] | None
    acr: str | None
    auth_time: int | None
    claims: Mapping[str, Any]
    signed: SignedStatement | None
    """The token itself and the key that verified it."""


def verify(
    token: object,
    *,
    home: Home,
    metadata: Metadata,
    keys: Keys,
    nonce: str,
    access_token: str | None,
    at: datetime,
) -> VerifiedClaims:
    """The claims of `token`, each checked.

    Raises Problem(HOME_ANSWER_REFUSED) with the precise reason for the administrator, and what fetching the
    keys may raise.
    """
    if not isinstance(token, str) or len(token) > MAX_TOKEN:
        raise refused("id_token is missing or too large")
    parts = token.split(".")
    if len(parts) != 3 or not all(_SEGMENT.fullmatch(p) for p in parts):
        raise refused("id_token is not a signed JWT in compact form")
    header = strict_json(_decoded(parts[0]), lambda why: refused(f"id_token header: {why}"))
    claims = strict_json(_decoded(parts[1]), lambda why: refused(f"id_token claims: {why}"))
    alg, kid = _checked_header(header, metadata)
    signed, signature = f"{parts[0]}.{parts[1]}".encode(), _decoded(parts[2])
    kept = keys.get(at)
    key = the_key(kept, kid, alg)
    if key is None or not _signed(signed, signature, alg, key):
        # the home may have rotated its key since we looked
        key = the_key(keys.renewed(kept, at) or (), kid, alg)
        if key is None or not _signed(signed, signature, alg, key):
            raise refused("no single key of the home verifies the id_token's signature")
    _check_claims(claims, home, nonce, at.timestamp())
    if access_token is not None and "at_hash" in claims:
        _check_hash(claims["at_hash"], access_token, alg)
    amr, acr = claims.get("amr"), claims.get("acr")
    listed = isinstance(amr, list) and len(amr) <= MAX_AMR and all(_is_value(v) for v in amr)
    return VerifiedClaims(
        claims["sub"],
        tuple(amr) if listed and amr is not None else None,
        acr if _is_value(acr) else None,
        _whole_date(claims.get("auth_time")),
        claims,
        SignedStatement.of(token, alg, key),
    )


def _decoded(segment: str) -> bytes:
    """Of the one spelling that base64url has for its bytes (RFC 4648 §3.5)."""
    try:
        decoded = urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    except ValueError:
        raise refused("id_token is not base64url") from None
    if urlsafe_b64encode(decoded).rstrip(b"=") != segment.encode():
        raise refused("id_token is not base64url")
    return decoded


def _checked_header(header: Mapping[str, Any], metadata: Metadata) -> tuple[str, str | None]:
    """Algorithm and kid. What else a header may say of keys (jwk, jku, x5u, x5c) is not read."""
    alg, kid, typ = header.get("alg"), header.get("kid"), header.get("typ", "JWT")
    if "crit" in header:
        raise refused("id_token header has crit, and no extension is understood")
    if not isinstance(typ, str) or typ.upper() != "JWT":
        raise refused("id_token header names another type of token")
    # pinned by metadata: `none`, HS* and whatever else a header says are not in it
    if not isinstance(alg, str) or alg not in metadata.algorithms:
        raise refused("id_token is signed with an algorithm that the home's metadata does not name")
    if not isinstance(kid, str | None):
        raise refused("id_token header has a kid that is no text")
    return alg, kid


def _signed(signed: bytes, signature: bytes, alg: str, key: HomeKey) -> bool:
    return _ALGORITHMS[alg].verify(signed, key.public, signature)


def _check_claims(claims: Mapping[str, Any], home: Home, nonce: str, now: float) -> None:
    if claims.get("iss") != home.issuer:
        raise refused("iss is not the home's issuer")
    _check_audience(claims.get("aud"), claims.get("azp"), home.client_id)
    if claims.get("nonce") != nonce:
        raise refused("nonce is missing or not this sign-in's")
    iat = _date(claims, "iat")
    if now >= _date(claims, "exp") + SKEW:
        raise refused("exp: the id_token is over")
    if iat > now + SKEW:
        raise refused("iat lies ahead")
    if iat < now - LONGEST_AGE:
        raise refused("iat is too long ago")
    if "nbf" in claims and _date(claims, "nbf") > now + SKEW:
        raise refused("nbf lies ahead")
    sub = claims.get("sub")
    if not isinstance(sub, str) or not 0 < len(sub) <= MAX_VALUE or not (sub.isascii() and sub.isprintable()):
        raise refused("sub is missing or is not 1 to 255 printable ASCII characters")
    if "events" in claims:
        raise refused("a logout token is no id_token (OpenID Connect Back-Channel Logout §2.4)")


def _check_audience(aud: object, azp: object, client_id: str) -> None:
    listed = aud if isinstance(aud, list) else [aud]
    if client_id not in listed or not all(isinstance(a, str) for a in listed):
        raise refused("aud does not name us")
    if azp is not None and azp != client_id:
        raise refused("azp is not us")
    if len(listed) > 1 and azp is None:
        raise refused("several audiences and no azp")


def _check_hash(at_hash: object, access_token: str, alg: str) -> None:
    digest = _HASHES[alg[-3:]](access_token.encode()).digest()
    expected = urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=")
    if not isinstance(at_hash, str) or not hmac.compare_digest(at_hash.encode(), expected):
        raise refused("at_hash does not fit the access token")


def _date(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < LATEST:
        raise refused(f"{name} is missing or no date")
    return value


def _whole_date(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if 0 <= value < LATEST and value == int(value) else None


def _is_value(value: object) -> bool:
    return isinstance(value, str) and len(value) <= MAX_VALUE
