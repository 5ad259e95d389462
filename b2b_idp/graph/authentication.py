"""authentication/methods of a user: what is registered here, and an administrator's removal of it."""

from __future__ import annotations

from functools import partial
from typing import Any

from b2b_idp.graph.api import Answer, Call, Route, not_found, writer
from b2b_idp.graph.users import KIND, OWN, find_user, guard_person
from b2b_idp.guests import lifecycle
from b2b_idp.model.directory import User
from b2b_idp.model.moment import iso

_TOTP = "#microsoft.graph.softwareOathAuthenticationMethod"
_PASSKEY = "#microsoft.graph.fido2AuthenticationMethod"
_COLLECTIONS = {"softwareOathMethods": _TOTP, "fido2Methods": _PASSKEY}
_TOTP_PROPERTIES = frozenset({"id", "secretKey", "createdDateTime"})
_PASSKEY_PROPERTIES = frozenset(
    {"id", "displayName", "createdDateTime", "aaGuid", "model", "attestationCertificates", "attestationLevel"}
)
_PROPERTIES = {
    "methods": _TOTP_PROPERTIES | _PASSKEY_PROPERTIES,
    "softwareOathMethods": _TOTP_PROPERTIES,
    "fido2Methods": _PASSKEY_PROPERTIES,
}


def _rows(call: Call, user: User, collection: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = [
        {"@odata.type": _TOTP, "id": f.id, "secretKey": None, "createdDateTime": iso(f.created_at)}
        for f in call.w.factors.totp(user.id)
    ]
    rows += [
        {
            "@odata.type": _PASSKEY,
            "id": p.id,
            "displayName": p.name,
            "createdDateTime": iso(p.created_at),
            "aaGuid": p.aaguid,
            "model": None,  # the authenticator tells its make by aaGuid only
            "attestationCertificates": [],
            "attestationLevel": "notAttested",
        }
        for p in call.w.factors.passkeys(user.id)
    ]
    kind = _COLLECTIONS.get(collection)
    return [row for row in rows if kind in (None, row["@odata.type"])]


def _list(collection: str, call: Call, key: str) -> Answer:
    user = find_user(call, key)
    entity = f"users('{user.id}')/authentication/{collection}"
    return call.collection(entity, _rows(call, user, collection), call.query(_PROPERTIES[collection]))


def _get(collection: str, call: Call, key: str, id: str) -> Answer:
    user = find_user(call, key)
    query = call.query(_PROPERTIES[collection])
    for row in _rows(call, user, collection):
        if row["id"] == id.lower():
            return call.entity(f"users('{user.id}')/authentication/{collection}", row, query.select)
    raise not_found(id)


def _remove(collection: str, call: Call, key: str, id: str) -> Answer:
    """Takes one factor off the user; with the last one go recovery codes and sessions."""
    user = find_user(call, key)
    guard_person(call, user)
    if id.lower() not in [row["id"] for row in _rows(call, user, collection)]:
        raise not_found(id)
    before = _rows(call, user, "methods")
    lifecycle.remove_factor(writer(call), user, id.lower(), call.moment)
    after = _rows(call, user, "methods")
    states = [{"authenticationMethods": [row["id"] for row in rows]} for rows in (before, after)]
    call.target("User", user.id, user.display_name, *states)
    return None


_READ = ("UserAuthenticationMethod.Read.All", "UserAuthenticationMethod.ReadWrite.All")
_WRITE = ("UserAuthenticationMethod.ReadWrite.All",)
_PATH = "/users/<key>/authentication"
_ACTIVITY = "Admin deleted security info"
_OATH, _FIDO2 = "softwareOathMethods", "fido2Methods"

ROUTES = [
    Route("GET", f"{_PATH}/methods", _READ, partial(_list, "methods"), own=OWN, gives="authenticationMethod[]"),
    Route("GET", f"{_PATH}/{_OATH}", _READ, partial(_list, _OATH), own=OWN, gives="softwareOathAuthenticationMethod[]"),
    Route("DELETE", f"{_PATH}/{_OATH}/<id>", _WRITE, partial(_remove, _OATH), _ACTIVITY, KIND),
    Route("GET", f"{_PATH}/{_FIDO2}", _READ, partial(_list, _FIDO2), own=OWN, gives="fido2AuthenticationMethod[]"),
    Route("GET", f"{_PATH}/{_FIDO2}/<id>", _READ, partial(_get, _FIDO2), own=OWN, gives="fido2AuthenticationMethod"),
    Route("DELETE", f"{_PATH}/{_FIDO2}/<id>", _WRITE, partial(_remove, _FIDO2), _ACTIVITY, KIND),
]
