"""The home's id_token, validated wholly (OpenID Connect Core §3.1.3.7)."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256, sha384, sha512
from typing import Any

from b2b_idp.homes.oidc.evidence import SignedStatement
from b2b_idp.homes.oidc.metadata import Metadata
from b2b_idp.homes.oidc.signed import LATEST, MAX_VALUE, Keys, check_audience, check_times, is_subject, read_signed
from b2b_idp.homes.oidc.strict import refused
from b2b_idp.keys.compact import encoded
from b2b_idp.model.home import Home

MAX_AMR = 100
_HASHES = {"256": sha256, "384": sha384, "512": sha512, "DSA": sha512}


@dataclass(frozen=True, slots=True)
class VerifiedClaims:
    """Claims of a validated id_token.

    `amr` is None unless it was an array of at most MAX_AMR strings, `acr` and `sid` unless strings, `auth_time`
    (NumericDate) unless a whole number: what has the wrong type proves nothing and fails nothing.
    """

    subject: str
    amr: tuple[str, ...] | None
    acr: str | None
    auth_time: int | None
    sid: str | None
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
    read = read_signed(token, "id_token", types=("JWT",), metadata=metadata, keys=keys, at=at)
    claims = read.claims
    _check_claims(claims, home, nonce, at.timestamp())
    if access_token is not None and "at_hash" in claims:
        _check_hash(claims["at_hash"], access_token, read.alg)
    amr, acr, sid = claims.get("amr"), claims.get("acr"), claims.get("sid")
    listed = isinstance(amr, list) and len(amr) <= MAX_AMR and all(_is_value(v) for v in amr)
    assert isinstance(token, str)
    return VerifiedClaims(
        claims["sub"],
        tuple(amr) if listed and amr is not None else None,
        acr if _is_value(acr) else None,
        _whole_date(claims.get("auth_time")),
        sid if sid and _is_value(sid) else None,
        claims,
        SignedStatement.of(token, read.alg, read.key),
    )


def _check_claims(claims: Mapping[str, Any], home: Home, nonce: str, now: float) -> None:
    if claims.get("iss") != home.issuer:
        raise refused("iss is not the home's issuer")
    check_audience(claims.get("aud"), claims.get("azp"), home.client_id)
    if claims.get("nonce") != nonce:
        raise refused("nonce is missing or not this sign-in's")
    check_times(claims, "id_token", now)
    if not is_subject(claims.get("sub")):
        raise refused("sub is missing or is not 1 to 255 printable ASCII characters")
    if "events" in claims:
        raise refused("a logout token is no id_token (OpenID Connect Back-Channel Logout §2.4)")


def _check_hash(at_hash: object, access_token: str, alg: str) -> None:
    digest = _HASHES[alg[-3:]](access_token.encode()).digest()
    expected = encoded(digest[: len(digest) // 2])
    if not isinstance(at_hash, str) or not hmac.compare_digest(at_hash.encode(), expected.encode()):
        raise refused("at_hash does not fit the access token")


def _whole_date(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if 0 <= value < LATEST and value == int(value) else None


def _is_value(value: object) -> bool:
    return isinstance(value, str) and len(value) <= MAX_VALUE
