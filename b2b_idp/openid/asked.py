"""Which parameters of an authorization request count: its own, those of a request object (RFC 9101 §6.3), or those that
were pushed (RFC 9126 §4). Whatever stands beside an object or a request_uri counts for nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from b2b_idp.model.directory import App
from b2b_idp.model.problem import Code, Problem
from b2b_idp.openid.parts import OpenIdParts, Pairs, once, repeated
from b2b_idp.openid.request_object import key_id_of, read_request_object
from b2b_idp.store import Reader
from b2b_idp.tokens.signing import issuer_for

REQUEST_URI = "urn:ietf:params:oauth:request_uri:"


@dataclass(frozen=True, slots=True)
class Asked:
    """The parameters that count; whether the client signed them; the pushed request that they are of."""

    pairs: Pairs
    signed: bool = False
    pushed_id: str | None = None


def asked_by(r: Reader, parts: OpenIdParts, app: App, pairs: Pairs, at: datetime) -> Asked:
    """What an app asks for at the authorization endpoint. Raises Problem(INVALID_REQUEST | INVALID_REQUEST_OBJECT |
    INVALID_REQUEST_URI | REQUEST_NOT_SUPPORTED | REQUEST_URI_NOT_SUPPORTED)."""
    uri = once(pairs).get("request_uri")
    if uri is None:
        return asked_directly(r, parts, app, pairs, at)
    if "request" in dict(pairs):
        raise Problem(Code.INVALID_REQUEST, "request and request_uri exclude each other.")
    if not uri.startswith(REQUEST_URI):
        raise Problem(Code.REQUEST_URI_NOT_SUPPORTED, "request_uri is one that the pushed request endpoint gave.")
    handle = parts.vault.read_handle("request_uri", uri.removeprefix(REQUEST_URI))
    pushed = r.pushed.by_id(handle.id) if handle else None
    if pushed is None or pushed.app_id != app.app_id:
        raise _over("unknown request_uri, or another client's")
    if pushed.answered_at is not None or at >= pushed.expires_at:
        raise _over("the request_uri was answered before, or is expired")
    return Asked(pushed.parameters, pushed.signed, pushed.id)


def asked_directly(r: Reader, parts: OpenIdParts, app: App, pairs: Pairs, at: datetime) -> Asked:
    """What an app asks for in its parameters, or in a request object among them. Raises KeysNeededError beside."""
    if {"request", "request_uri"} & repeated(pairs):
        raise Problem(Code.INVALID_REQUEST, "Each parameter stands once; request or request_uri is repeated.")
    text = once(pairs).get("request")
    if text is None:
        return Asked(pairs)
    issuers = {parts.issuer, issuer_for(r, app, parts.issuer, at)}
    found = read_request_object(parts.documents.with_keys(app, key_id_of(text), at), text, issuers, at)
    return Asked(found.pairs, found.signed)


def _over(why: str) -> Problem:
    return Problem(Code.INVALID_REQUEST_URI, "This request of the app is over. Please start again at the app.", why)
