"""private_key_jwt (RFC 7523, OpenID Connect Core §9): a client authenticates by an assertion that its key signed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import jwt

from b2b_idp.model.directory import App
from b2b_idp.model.moment import Moment
from b2b_idp.model.problem import Code, Problem
from b2b_idp.openid.client_keys import algorithms_of, signed_payload
from b2b_idp.openid.parts import OpenIdParts
from b2b_idp.store import Writer

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_SKEW = 30
_LONGEST_ASSERTION = timedelta(hours=1)


def invalid_client(why: str) -> Problem:
    return Problem(Code.INVALID_CLIENT, "The client could not be authenticated.", why)


def issuer_of(assertion: str, client_id: str | None) -> str:
    """Who says to have made the assertion, unverified: the client, by both `iss` and `sub`."""
    if len(assertion) > 16 * 1024:
        raise invalid_client("the assertion is too large")
    try:
        claimed = jwt.decode(assertion, options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
        raise invalid_client("the assertion is no JWT") from None
    subject = claimed.get("sub")
    if not isinstance(subject, str) or claimed.get("iss") != subject or client_id not in (None, subject):
        raise invalid_client("iss, sub and client_id differ")
    return subject


def check_assertion(
    w: Writer, parts: OpenIdParts, app: App, assertion: str, audiences: tuple[str, ...], moment: Moment
) -> None:
    """RFC 7523 §3: a key of the client signed it, aud is us, exp is near, jti was never seen. `audiences` begins with
    the issuer, which alone counts for FAPI 2.0 (§5.3.2.1). Raises Problem(INVALID_CLIENT)."""
    header = jwt.get_unverified_header(assertion)
    alg, fapi = header.get("alg"), app.profile == "fapi2"
    if alg not in algorithms_of(app) or app.assertion_alg not in (None, alg) or "crit" in header:
        raise invalid_client("the assertion's algorithm is not accepted")
    app = parts.documents.with_keys(app, header.get("kid"), moment.at)
    if signed_payload(app, assertion, header.get("kid"), str(alg)) is None:
        raise invalid_client("no registered key of the client verifies the assertion")
    claims = jwt.decode(assertion, options={"verify_signature": False})
    _check_audience(claims.get("aud"), audiences[:1] if fapi else audiences, listed=not fapi)
    now = moment.at.timestamp()
    expires, jti = claims.get("exp"), claims.get("jti")
    if expires is None or not _number(expires) or not now - _SKEW < expires < now + _LONGEST_ASSERTION.total_seconds():
        raise invalid_client("the assertion is expired or lives too long")
    for name in ("nbf", "iat"):
        if name in claims and (not _number(claims[name]) or claims[name] > now + _SKEW):
            raise invalid_client(f"the assertion's {name} lies ahead")
    if not isinstance(jti, str) or not jti:
        raise invalid_client("the assertion has no jti")
    until = datetime.fromtimestamp(expires + _SKEW, UTC)
    if not w.grants.use_assertion(parts.vault.digest("assertion", f"{app.app_id}:{jti}"), until):
        raise invalid_client("the assertion was used before")


def _check_audience(audience: object, audiences: tuple[str, ...], *, listed: bool) -> None:
    """`listed`: it may be one of several, as JWTs have it (RFC 7519 §4.1.3)."""
    one_of = isinstance(audience, list) and bool(set(map(str, audience)) & set(audiences))
    if audience not in audiences and not (listed and one_of):
        raise invalid_client("the assertion is for another audience")


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e12
