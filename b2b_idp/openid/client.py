"""Client authentication (RFC 6749 §2.3, OpenID Connect Core §9): basic, post, private_key_jwt, none."""

from __future__ import annotations

import hmac
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote_plus

import jwt
from flask import Request

from b2b_idp.keys.vault import Vault, is_client_secret
from b2b_idp.model.directory import App, ClientAuth
from b2b_idp.model.moment import Moment
from b2b_idp.model.problem import Code, Problem
from b2b_idp.openid.client_keys import algorithms_of, signed_payload
from b2b_idp.openid.parts import form_pairs, once, repeated
from b2b_idp.store import Reader, Writer

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_SKEW = 30
_LONGEST_ASSERTION = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Client:
    """An authenticated client, and how."""

    app: App
    method: ClientAuth


def form_of(request: Request) -> dict[str, str]:
    """The form of a token-like request: a form, no larger than 64 KB, no parameter twice."""
    if request.mimetype != "application/x-www-form-urlencoded":
        raise Problem(Code.INVALID_REQUEST, "Send the parameters as application/x-www-form-urlencoded.")
    pairs = form_pairs(request)
    twice = repeated(pairs)
    if twice:
        raise Problem(Code.INVALID_REQUEST, f"Each parameter stands once; {sorted(twice)[0][:40]} is repeated.")
    return once(pairs)


def authenticate(
    w: Reader,
    vault: Vault,
    request: Request,
    form: Mapping[str, str],
    audiences: tuple[str, ...],
    moment: Moment,
) -> Client:
    """The client that sent the request; `audiences` are our names in assertions, the issuer first.

    Raises Problem(INVALID_CLIENT | INVALID_REQUEST).
    """
    client = _authenticated(w, vault, request, form, audiences, moment)
    if client.app.profile is not None and client.method in ("client_secret", "none"):
        raise _invalid("FAPI 2.0 takes no shared secrets and no public clients")
    return client


def _authenticated(
    w: Reader,
    vault: Vault,
    request: Request,
    form: Mapping[str, str],
    audiences: tuple[str, ...],
    moment: Moment,
) -> Client:
    header = request.headers.get("Authorization", "")
    basic = header[:6].lower() == "basic "
    assertion = form.get("client_assertion")
    if sum((basic, "client_secret" in form, assertion is not None)) > 1:
        raise Problem(Code.INVALID_REQUEST, "Authenticate in one way only.")
    if basic:
        client_id, secret = _basic(header)
        if form.get("client_id", client_id) != client_id:
            raise Problem(Code.INVALID_REQUEST, "client_id differs from the one in the Authorization header.")
        return _by_secret(w, vault, client_id, secret, moment)
    if "client_secret" in form:
        return _by_secret(w, vault, form.get("client_id", ""), form["client_secret"], moment)
    if assertion is not None:
        if form.get("client_assertion_type") != ASSERTION_TYPE:
            raise _invalid("client_assertion_type is not jwt-bearer")
        return _by_assertion(w.writing(), vault, form.get("client_id"), assertion, audiences, moment)
    app = _app(w, form.get("client_id", ""))
    if not app.public:
        raise _invalid("a confidential client sent no credentials")
    return Client(app, "none")


def _invalid(why: str) -> Problem:
    return Problem(Code.INVALID_CLIENT, "The client could not be authenticated.", why)


def _app(r: Reader, client_id: str) -> App:
    app = r.apps.by_client_id(client_id.lower()) if len(client_id) == 36 and client_id.isascii() else None
    if app is None or not app.enabled:
        raise _invalid("unknown or disabled client")
    return app


def _basic(header: str) -> tuple[str, str]:
    try:
        text = b64decode(header[6:].strip(), validate=True).decode()
    except ValueError:
        raise _invalid("the Basic header cannot be decoded") from None
    client_id, colon, secret = text.partition(":")
    if not colon:
        raise _invalid("the Basic header has no colon")
    # both halves are form-urlencoded (RFC 6749 §2.3.1)
    return unquote_plus(client_id), unquote_plus(secret)


def _by_secret(r: Reader, vault: Vault, client_id: str, secret: str, moment: Moment) -> Client:
    app = _app(r, client_id)
    if app.public or not is_client_secret(secret):
        raise _invalid("not a client secret of ours")
    digest = vault.digest("client-secret", secret)
    for kept in r.apps.secrets(app.id):
        if hmac.compare_digest(kept.secret_hash, digest) and kept.starts_at <= moment.at < kept.ends_at:
            return Client(app, "client_secret")
    raise _invalid("wrong, removed or expired secret")


def _by_assertion(
    w: Writer, vault: Vault, client_id: str | None, assertion: str, audiences: tuple[str, ...], moment: Moment
) -> Client:
    """RFC 7523 §3: iss and sub are the client, aud is us, exp is near, jti was never seen."""
    if len(assertion) > 16 * 1024:
        raise _invalid("the assertion is too large")
    try:
        header = jwt.get_unverified_header(assertion)
        claimed = jwt.decode(assertion, options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
        raise _invalid("the assertion is no JWT") from None
    subject = claimed.get("sub")
    if not isinstance(subject, str) or claimed.get("iss") != subject or client_id not in (None, subject):
        raise _invalid("iss, sub and client_id differ")
    app = _app(w, subject)
    alg = header.get("alg")
    if alg not in algorithms_of(app) or "crit" in header:
        raise _invalid("the assertion's algorithm is not accepted")
    if signed_payload(app, assertion, header.get("kid"), str(alg)) is None:
        raise _invalid("no registered key of the client verifies the assertion")
    now = moment.at.timestamp()
    expires, jti, audience = claimed.get("exp"), claimed.get("jti"), claimed.get("aud")
    if app.profile is not None:
        # FAPI 2.0 §5.3.2.1: our issuer, as a string
        meant = audience == audiences[0]
    else:
        meant = audience in audiences or (isinstance(audience, list) and bool(set(map(str, audience)) & set(audiences)))
    if not meant:
        raise _invalid("the assertion is for another audience")
    if expires is None or not _number(expires) or not now - _SKEW < expires < now + _LONGEST_ASSERTION.total_seconds():
        raise _invalid("the assertion is expired or lives too long")
    for name in ("nbf", "iat"):
        if name in claimed and (not _number(claimed[name]) or claimed[name] > now + _SKEW):
            raise _invalid(f"the assertion's {name} lies ahead")
    if not isinstance(jti, str) or not jti:
        raise _invalid("the assertion has no jti")
    until = datetime.fromtimestamp(expires + _SKEW, UTC)
    if not w.grants.use_assertion(vault.digest("assertion", f"{app.app_id}:{jti}"), until):
        raise _invalid("the assertion was used before")
    return Client(app, "private_key_jwt")


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e12
