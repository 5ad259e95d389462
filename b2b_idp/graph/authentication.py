"""authentication/methods of a user: what is registered here, and an administrator's reset."""

from __future__ import annotations

from typing import Any

from b2b_idp.graph.api import Answer, Call, Route, not_found, writer
from b2b_idp.graph.users import KIND, OWN, find_user, guard_person
from b2b_idp.guests import lifecycle
from b2b_idp.model.directory import User
from b2b_idp.model.moment import iso

_TOTP = "#microsoft.graph.softwareOathAuthenticationMethod"
_PROPERTIES = frozenset({"id", "secretKey", "createdDateTime"})


def _rows(call: Call, user: User) -> list[dict[str, Any]]:
    return [
        {"@odata.type": _TOTP, "id": f.id, "secretKey": None, "createdDateTime": iso(f.created_at)}
        for f in call.w.factors.totp(user.id)
    ]


def _methods(call: Call, key: str) -> Answer:
    user = find_user(call, key)
    entity = f"users('{user.id}')/authentication/methods"
    return call.collection(entity, _rows(call, user), call.query(_PROPERTIES))


def _remove(call: Call, key: str, id: str) -> Answer:
    """Takes every local factor off the user, with recovery codes and sessions: none outlives the other."""
    user = find_user(call, key)
    guard_person(call, user)
    before = _rows(call, user)
    if id.lower() not in [row["id"] for row in before]:
        raise not_found(id)
    lifecycle.forget_factors(writer(call), user, call.moment)
    call.target("User", user.id, user.display_name, {"authenticationMethods": [r["id"] for r in before]}, {})
    return None


_READ = ("UserAuthenticationMethod.Read.All", "UserAuthenticationMethod.ReadWrite.All")
_WRITE = ("UserAuthenticationMethod.ReadWrite.All",)
_PATH = "/users/<key>/authentication"

ROUTES = [
    Route("GET", f"{_PATH}/methods", _READ, _methods, own=OWN, gives="authenticationMethod[]"),
    Route("GET", f"{_PATH}/softwareOathMethods", _READ, _methods, own=OWN, gives="softwareOathAuthenticationMethod[]"),
    Route("DELETE", f"{_PATH}/softwareOathMethods/<id>", _WRITE, _remove, "Admin deleted security info", KIND),
]
