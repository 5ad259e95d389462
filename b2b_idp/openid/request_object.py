"""Request objects by value (RFC 9101; FAPI 2.0 Message Signing §5.3): a JWT → the parameters in it."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import jwt

from b2b_idp.model.directory import App
from b2b_idp.model.problem import Code, Problem
from b2b_idp.model.strict_json import read_json
from b2b_idp.openid.client_keys import ALGORITHMS, algorithms_of, signed_payload
from b2b_idp.openid.parts import Pairs

REQUEST_OBJECT_ALGORITHMS = (*ALGORITHMS, "none")
_TYPES = frozenset({"jwt", "oauth-authz-req+jwt", "application/oauth-authz-req+jwt"})
_ABOUT_ITSELF = frozenset({"iss", "aud", "exp", "nbf", "iat", "jti", "sub"})
"""Claims that are about the object, not parameters."""
_LARGEST = 32 * 1024
_DEEPEST = 16
_SKEW = 30
_LONGEST = 3600
"""Seconds that an object of the profile fapi2 may be good for, and old."""


@dataclass(frozen=True, slots=True)
class RequestObject:
    """The parameters of a request object, and whether the client signed it."""

    pairs: Pairs
    signed: bool


def read_request_object(app: App, text: str, issuers: Collection[str], at: datetime) -> RequestObject:
    """What a client asks for in a request object. `issuers`: the names by which it knows us.

    Raises Problem(INVALID_REQUEST_OBJECT), or Problem(REQUEST_NOT_SUPPORTED) for an unsigned one of a client that
    registered nothing about them.
    """
    if len(text) > _LARGEST or text.count(".") != 2:
        raise _invalid("it is too large, encrypted, or no JWT")
    head, body, signature = text.split(".")
    header = _object(_decoded(head))
    alg = header.get("alg")
    if "crit" in header or str(header.get("typ", "JWT")).lower() not in _TYPES:
        raise _invalid("a JWT of another type, or with critical headers")
    if alg == "none":
        _check_unsigned(app, signature)
        claims = _object(_decoded(body))
    else:
        if not isinstance(alg, str) or alg not in algorithms_of(app) or app.request_object_alg not in (None, alg):
            raise _invalid("signed by an algorithm that is not accepted of this client")
        payload = signed_payload(app, text, header.get("kid"), alg)
        if payload is None:
            raise _invalid("no registered key of the client verifies it")
        claims = _object(payload)
    _check_parties(app, claims, issuers, signed=alg != "none")
    _check_times(claims, at.timestamp(), strict=app.profile is not None)
    return RequestObject(tuple(_parameters(app, claims)), alg != "none")


def key_id_of(text: str) -> str | None:
    """The `kid` that a request object names in its header, which nobody has verified yet."""
    try:
        kid = jwt.get_unverified_header(text).get("kid") if len(text) <= _LARGEST else None
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
        return None
    return kid if isinstance(kid, str) else None


def _check_unsigned(app: App, signature: str) -> None:
    if app.request_object_alg == "none" and not signature:
        return
    if app.request_object_alg is None and app.profile is None and not app.require_signed_request:
        raise Problem(
            Code.REQUEST_NOT_SUPPORTED, "Unsigned request objects are taken from apps that registered them only."
        )
    raise _invalid("it is not signed")


def _check_parties(app: App, claims: Mapping[str, Any], issuers: Collection[str], *, signed: bool) -> None:
    """Who made it, for whom. What is signed says so, lest it serve somewhere else (RFC 9101 §10.8)."""
    if claims.get("client_id", app.app_id) != app.app_id:
        raise _invalid("client_id differs from the one outside")
    if (signed or "iss" in claims) and claims.get("iss") != app.app_id:
        raise _invalid("iss is not the client")
    audience = claims.get("aud")
    named = audience if isinstance(audience, list) else [audience]
    if (signed or "aud" in claims) and not any(isinstance(a, str) and a in issuers for a in named):
        raise _invalid("it is for another audience")
    if claims.get("sub") == app.app_id:
        raise _invalid("sub is the client, as in an assertion that authenticates it")
    if "request" in claims or "request_uri" in claims:
        raise _invalid("a request object holds no other one")


def _check_times(claims: Mapping[str, Any], now: float, *, strict: bool) -> None:
    """exp, nbf and iat, where they are; `strict`: exp and nbf are needed, and an hour is the longest."""
    expires, begins = (_instant(claims, name) for name in ("exp", "nbf"))
    issued = _instant(claims, "iat")
    if expires is not None and expires <= now - _SKEW:
        raise _invalid("it is expired")
    if any(t is not None and t > now + _SKEW for t in (begins, issued)):
        raise _invalid("its nbf or iat lies ahead")
    if not strict:
        return
    if expires is None or begins is None:
        raise _invalid("the profile fapi2 needs exp and nbf")
    if begins < now - _LONGEST or expires > begins + _LONGEST:
        raise _invalid("older than an hour, or good for longer")


def _instant(claims: Mapping[str, Any], name: str) -> float | None:
    """A NumericDate (RFC 7519 §2)."""
    value = claims.get(name)
    if name in claims and (not isinstance(value, int | float) or isinstance(value, bool) or abs(value) > 1e12):
        raise _invalid(f"{name} is no number of seconds")
    return value


def _parameters(app: App, claims: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Parameters as if they had come by themselves: a number as its digits, other JSON as its text (RFC 9101 §4);
    `resource` may be several (RFC 8707 §2)."""
    yield "client_id", app.app_id
    for name, value in claims.items():
        if name in _ABOUT_ITSELF or name == "client_id":
            continue
        for one in value if name == "resource" and isinstance(value, list) else [value]:
            if one is not None:
                yield name, one if isinstance(one, str) else json.dumps(one, separators=(",", ":"))


def _decoded(part: str) -> bytes:
    try:
        return urlsafe_b64decode(part.encode("ascii") + b"=" * (-len(part) % 4))
    except ValueError:
        raise _invalid("it is not base64url") from None


def _object(raw: bytes) -> dict[str, Any]:
    value = read_json(raw, depth=_DEEPEST, fail=_invalid, quote=False)
    if not isinstance(value, dict):
        raise _invalid("it is no JSON object")
    return value


def _invalid(why: str) -> Problem:
    return Problem(Code.INVALID_REQUEST_OBJECT, f"The request object cannot be taken: {why}.", why)
