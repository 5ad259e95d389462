"""registrationTokens, our own: initial access tokens, by which apps register themselves (RFC 7591)."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, StringConstraints

from b2b_idp.graph.api import Answer, Call, Route, not_found, writer
from b2b_idp.graph.body import instant
from b2b_idp.guests.registration_tokens import MOST_USES, make_token
from b2b_idp.model.moment import iso
from b2b_idp.policy.documents import Document, Text, parse
from b2b_idp.store.registrations import InitialAccessToken

_PROPERTIES = frozenset(
    "id displayName createdDateTime createdBy expirationDateTime maximumUses usesRemaining requirePkce "
    "secretText".split()
)


class RegistrationToken(Document):
    """What a caller says of a new token."""

    displayName: Text
    expirationDateTime: Annotated[str, StringConstraints(max_length=40)] | None = None
    maximumUses: Annotated[int, Field(ge=1, le=MOST_USES)] = 1
    requirePkce: bool = True


def _row(token: InitialAccessToken, text: str | None = None) -> dict[str, Any]:
    """`text` is told where the token is made, and never again."""
    return {
        "id": token.id,
        "displayName": token.display_name,
        "createdDateTime": iso(token.created_at),
        "createdBy": token.created_by,
        "expirationDateTime": iso(token.expires_at),
        "maximumUses": token.uses,
        "usesRemaining": token.uses_left,
        "requirePkce": token.require_pkce,
        "secretText": text,
    }


def _find(call: Call, id: str) -> InitialAccessToken:
    token: InitialAccessToken | None = call.w.registrations.token(id.lower())
    if token is None:
        raise not_found(id)
    return token


def _list(call: Call) -> Answer:
    rows = [_row(t) for t in call.w.registrations.tokens()]
    return call.collection("registrationTokens", rows, call.query(_PROPERTIES))


def _get(call: Call, id: str) -> Answer:
    return call.entity("registrationTokens", _row(_find(call, id)), call.query(_PROPERTIES).select)


def _add(call: Call) -> Answer:
    asked = parse(RegistrationToken, call.body())
    ends = None if asked.expirationDateTime is None else instant("expirationDateTime", asked.expirationDateTime)
    token, text = make_token(
        writer(call),
        call.parts.vault,
        call.moment,
        display_name=asked.displayName,
        by=call.caller_id,
        expires_at=ends,
        uses=asked.maximumUses,
        require_pkce=asked.requirePkce,
    )
    call.target("RegistrationToken", token.id, token.display_name, {}, _row(token))
    return call.entity("registrationTokens", _row(token, text)), 201


def _revoke(call: Call, id: str) -> Answer:
    token = _find(call, id)
    writer(call).registrations.revoke(token.id)
    call.target("RegistrationToken", token.id, token.display_name, _row(token), {})
    return None


_READ = ("Application.Read.All", "Application.ReadWrite.All")
_WRITE = ("Application.ReadWrite.All",)
_PATH = "/registrationTokens"
_APPS = "ApplicationManagement"

ROUTES = [
    Route("GET", _PATH, _READ, _list, gives="registrationToken[]"),
    Route(
        "POST", _PATH, _WRITE, _add, "Add registration token", _APPS, body=RegistrationToken, gives="registrationToken"
    ),
    Route("GET", f"{_PATH}/<id>", _READ, _get, gives="registrationToken"),
    Route("DELETE", f"{_PATH}/<id>", _WRITE, _revoke, "Revoke registration token", _APPS),
]
