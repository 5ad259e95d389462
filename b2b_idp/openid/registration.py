"""Dynamic client registration (RFC 7591, OpenID Connect Registration) and its management (RFC 7592)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, request

from b2b_idp.guests import registration
from b2b_idp.guests.client_metadata import ClientMetadata, parse_metadata
from b2b_idp.guests.registered_application import metadata_of
from b2b_idp.guests.registration import Registered, registered_by
from b2b_idp.guests.registration_tokens import read_token
from b2b_idp.model.problem import Code, Problem
from b2b_idp.openid.metadata import auth_methods
from b2b_idp.openid.parts import OpenIdParts, json_object
from b2b_idp.openid.responses import json_response, registration_error
from b2b_idp.store import Reader, Writer
from b2b_idp.throttle import Throttle
from b2b_idp.tokens.possession import read_authorization

ATTEMPTS = 20
"""How many writes one token may make in ten seconds, whatever comes of them: each may have us visit an address."""
_OURS = ("registration_access_token", "registration_client_uri", "client_secret_expires_at", "client_id_issued_at")
"""What an update does not say (RFC 7592 §2.2)."""


def registration_routes(blueprint: Blueprint, parts: OpenIdParts) -> None:
    throttle = Throttle(ATTEMPTS)

    @blueprint.post("/register")
    def register() -> Response:
        return _answered(lambda: _register(parts, throttle))

    @blueprint.get("/register/<client_id>")
    def read(client_id: str) -> Response:
        return _answered(lambda: _read(parts, client_id))

    @blueprint.put("/register/<client_id>")
    def update(client_id: str) -> Response:
        return _answered(lambda: _update(parts, throttle, client_id))

    @blueprint.delete("/register/<client_id>")
    def delete(client_id: str) -> Response:
        return _answered(lambda: _delete(parts, client_id))


def _answered(act: Callable[[], Response]) -> Response:
    try:
        return act()
    except Problem as problem:
        return registration_error(problem)


def _token() -> str:
    scheme, token = read_authorization(request.headers.get("Authorization"))
    if scheme != "bearer":
        raise Problem(Code.INVALID_TOKEN, "This token is sent as Authorization: Bearer.")
    return token


def _register(parts: OpenIdParts, throttle: Throttle) -> Response:
    text, moment = _token(), parts.moment()
    with parts.store.read() as r:
        token = read_token(r, parts.vault, text, moment.at)
    throttle.check(token.id, moment)
    metadata = _metadata(parts, json_object(request))
    made = parts.store.transact(lambda w: registration.register(w, parts.vault, metadata, token, moment))
    return json_response(_document(parts, made), 201)


def _read(parts: OpenIdParts, client_id: str) -> Response:
    text = _token()

    def look(r: Reader) -> dict[str, Any]:
        return _document(parts, Registered(registered_by(r, parts.vault, client_id, text)))

    return json_response(parts.store.look(look))


def _update(parts: OpenIdParts, throttle: Throttle, client_id: str) -> Response:
    text, moment = _token(), parts.moment()
    with parts.store.read() as r:
        registered_by(r, parts.vault, client_id, text)
    throttle.check(client_id, moment)
    document = json_object(request)
    for name in _OURS:
        if name in document:
            raise Problem(Code.INVALID_CLIENT_METADATA, f"{name} is the server's to say (RFC 7592 §2.2): leave it out.")
    if document.get("client_id") != client_id:
        raise Problem(Code.INVALID_CLIENT_METADATA, "client_id is the one that was registered (RFC 7592 §2.2).")
    metadata = _metadata(parts, document)

    def change(w: Writer) -> Registered:
        row = registered_by(w, parts.vault, client_id, text)
        _check_secret(parts, w, row.id, document.get("client_secret"))
        return registration.update(w, parts.vault, row, metadata, moment)

    return json_response(_document(parts, parts.store.transact(change)))


def _delete(parts: OpenIdParts, client_id: str) -> Response:
    text, moment = _token(), parts.moment()
    parts.store.transact(lambda w: registration.delete(w, registered_by(w, parts.vault, client_id, text), moment))
    return Response(status=204, headers={"Cache-Control": "no-store", "Pragma": "no-cache"})


def _metadata(parts: OpenIdParts, document: dict[str, Any]) -> ClientMetadata:
    """What the app says of itself, all of it checked. An address of its own is visited, so no transaction is open."""
    methods = frozenset(auth_methods(parts.mutual_tls))
    metadata = parse_metadata(document, methods, parts.documents.check_url)
    if metadata.sector_identifier_uri is not None:
        parts.documents.check_sector(metadata.sector_identifier_uri, tuple(metadata.redirect_uris))
    return metadata


def _check_secret(parts: OpenIdParts, r: Reader, id: str, secret: object) -> None:
    """An update may repeat the secret, and cannot choose one (RFC 7592 §2.2)."""
    digest = None if secret is None else parts.vault.digest("client-secret", str(secret))
    if digest is not None and all(kept.secret_hash != digest for kept in r.apps.secrets(id)):
        raise Problem(Code.INVALID_CLIENT_METADATA, "client_secret is not the app's. Leave it out.")


def _document(parts: OpenIdParts, registered: Registered) -> dict[str, Any]:
    """The client information response (RFC 7591 §3.2.1, RFC 7592 §3). A secret is told once: its hash alone is kept."""
    row = registered.row
    found = metadata_of(row.application) | {
        "client_id": row.app_id,
        "client_id_issued_at": int(row.created_at.timestamp()),
        "registration_access_token": registration.access_token_of(parts.vault, row),
        "registration_client_uri": f"{parts.issuer}/register/{row.app_id}",
    }
    if registered.secret is not None:
        found["client_secret"] = registered.secret_text
        found["client_secret_expires_at"] = int(registered.secret.ends_at.timestamp())
    return found
