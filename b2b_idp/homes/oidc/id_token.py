"""The home's id_token, validated wholly (OpenID Connect Core §3.1.3.7, RFC 8725)."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from hashlib import sha256, sha384, sha512
from typing import Any

import jwt

from b2b_idp.homes.oidc.documents import HomeKey, Metadata, candidates, refused, strict_json
from b2b_idp.model.home import Home

MAX_TOKEN = 64 * 1024
SKEW = 60
LONGEST_AGE = 24 * 3600
"""How old `iat` may be; home's clock and a slow page explain minutes, not days."""

_HASHES = {"256": sha256, "384": sha384, "512": sha512, "DSA": sha512}


def verify(
    token: object,
    *,
    home: Home,
    metadata: Metadata,
    keys: Sequence[HomeKey],
    renewed: Callable[[], Sequence[HomeKey] | None],
    nonce: str,
    access_token: str | None,
    at: datetime,
) -> dict[str, Any]:
    """The claims, each checked. `renewed` fetches the key set again for a key that is not in it.

    Raises Problem(HOME_ANSWER_REFUSED) with the precise reason for the administrator.
    """
    if not isinstance(token, str) or len(token) > MAX_TOKEN or not token.isascii():
        raise refused("id_token missing, too large or no text")
    parts = token.split(".")
    if len(parts) != 3:
        raise refused("id_token is not a signed JWT")
    header = strict_json(_decoded(parts[0]), lambda why: refused(f"id_token header: {why}"))
    claims = strict_json(_decoded(parts[1]), lambda why: refused(f"id_token: {why}"))
    alg, kid = header.get("alg"), header.get("kid")
    if "crit" in header:
        raise refused("id_token header has crit")
    if header.get("typ", "JWT") not in ("JWT", "jwt", "id_token+jwt"):
        raise refused("id_token header says another type of token")
    # the algorithm is pinned by metadata: none, HS* and whatever else a header says are not in it
    if not isinstance(alg, str) or alg not in metadata.algorithms:
        raise refused("id_token is signed with an algorithm that the home's metadata does not name")
    if kid is not None and (not isinstance(kid, str) or len(kid) > 1024):
        raise refused("id_token header has a strange kid")
    _check_signature(token, alg, kid, keys, renewed)
    _check_claims(claims, home, nonce, at)
    if access_token is not None and "at_hash" in claims:
        digest = _HASHES[alg[-3:]](access_token.encode()).digest()
        if claims["at_hash"] != urlsafe_b64encode(digest[: len(digest) // 2]).decode().rstrip("="):
            raise refused("at_hash does not fit the access token")
    return claims


def _decoded(part: str) -> bytes:
    try:
        return urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except ValueError:
        raise refused("id_token is not base64url") from None


def _check_signature(
    token: str,
    alg: str,
    kid: str | None,
    keys: Sequence[HomeKey],
    renewed: Callable[[], Sequence[HomeKey] | None],
) -> None:
    found = candidates(keys, kid, alg)
    if not found or not any(_signed_by(token, alg, k) for k in found):
        # the home may have rotated its key since we looked
        newer = renewed()
        found = candidates(newer, kid, alg) if newer is not None else found
    verified = [k for k in found if _signed_by(token, alg, k)]
    if len(verified) != 1:
        raise refused("no key of the home verifies the id_token's signature")


def _signed_by(token: str, alg: str, key: HomeKey) -> bool:
    try:
        jwt.decode(
            token,
            key.key,
            algorithms=[alg],
            options={
                "verify_exp": False,
                "verify_nbf": False,
                "verify_iat": False,
                "verify_aud": False,
                "verify_iss": False,
                "verify_sub": False,
                "verify_jti": False,
            },
        )
    except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError):
        return False
    return True


def _check_claims(claims: Mapping[str, Any], home: Home, nonce: str, at: datetime) -> None:
    if claims.get("iss") != home.issuer:
        raise refused("iss is not the home's issuer")
    _check_audience(claims, home.client_id)
    if claims.get("nonce") != nonce:
        raise refused("nonce is missing or not this sign-in's")
    now = at.timestamp()
    exp, iat = _date(claims, "exp"), _date(claims, "iat")
    if now >= exp + SKEW:
        raise refused("id_token is expired")
    if iat > now + SKEW:
        raise refused("iat lies ahead")
    if iat < now - LONGEST_AGE:
        raise refused("iat is too long ago")
    if "nbf" in claims and _date(claims, "nbf") > now + SKEW:
        raise refused("nbf lies ahead")
    sub = claims.get("sub")
    if not isinstance(sub, str) or not 0 < len(sub) <= 255 or any(ord(c) < 32 or ord(c) == 127 for c in sub):
        raise refused("sub is missing or malformed")
    if "events" in claims:
        raise refused("this is a logout token")


def _check_audience(claims: Mapping[str, Any], client_id: str) -> None:
    aud, azp = claims.get("aud"), claims.get("azp")
    listed = aud if isinstance(aud, list) else [aud]
    if client_id not in listed or not all(isinstance(a, str) for a in listed):
        raise refused("aud is not us")
    if azp is not None and azp != client_id:
        raise refused("azp is not us")
    if len(listed) > 1 and azp is None:
        raise refused("several audiences and no azp")


def _date(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e12:
        raise refused(f"{name} is missing or no date")
    return float(value)
