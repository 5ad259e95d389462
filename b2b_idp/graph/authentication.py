"""authentication/methods of a user: what is registered here, one-time passes, and an administrator's reset."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Any

from pydantic import Field

from b2b_idp.factors import letters, passes
from b2b_idp.graph.api import Answer, Call, Handler, Route, not_found, writer
from b2b_idp.graph.body import bad, check_writable, instant
from b2b_idp.graph.users import KIND, OWN, find_user, guard_person
from b2b_idp.guests import lifecycle
from b2b_idp.model.directory import User
from b2b_idp.model.evidence import LocalMethod
from b2b_idp.model.moment import iso
from b2b_idp.model.problem import Code, Problem
from b2b_idp.policy.documents import Document, parse
from b2b_idp.store.factors import Registered
from b2b_idp.store.passes import AccessPass

Row = dict[str, Any]

_OATH, _FIDO2, _PASS = "softwareOathMethods", "fido2Methods", "temporaryAccessPassMethods"
_TYPES = {
    _OATH: "softwareOathAuthenticationMethod",
    _FIDO2: "fido2AuthenticationMethod",
    _PASS: "temporaryAccessPassAuthenticationMethod",
}
_PROPERTIES = {
    _OATH: frozenset({"id", "secretKey", "createdDateTime"}),
    _FIDO2: frozenset(
        {"id", "displayName", "createdDateTime", "aaGuid", "model", "attestationCertificates", "attestationLevel"}
    ),
    _PASS: frozenset(
        {
            "id",
            "temporaryAccessPass",
            "createdDateTime",
            "startDateTime",
            "lifetimeInMinutes",
            "isUsableOnce",
            "isUsable",
            "methodUsabilityReason",
        }
    ),
}


class NewAccessPass(Document):
    """The body of POST temporaryAccessPassMethods."""

    lifetimeInMinutes: (
        Annotated[int, Field(ge=passes.SHORTEST // timedelta(minutes=1), le=passes.LONGEST // timedelta(minutes=1))]
        | None
    ) = None
    isUsableOnce: bool | None = None
    startDateTime: str | None = None


def _factor_row(factor: Registered) -> Row:
    row: Row = {"id": factor.id, "createdDateTime": iso(factor.created_at)}
    if factor.method is not LocalMethod.PASSKEY:
        return {"@odata.type": _typed(_OATH), "secretKey": None} | row
    unattested: Row = {"model": None, "attestationCertificates": [], "attestationLevel": "notAttested"}
    return {"@odata.type": _typed(_FIDO2), "displayName": factor.name, "aaGuid": factor.aaguid} | row | unattested


def _pass_row(call: Call, held: AccessPass, code: str | None = None) -> Row:
    good = passes.is_good(held, call.moment.at)
    if good:
        why = "EnabledByPolicy"
    elif held.ends_at <= call.moment.at:
        why = "Expired"
    else:
        why = "NotYetValid" if call.moment.at < held.starts_at else "OneTimeUsed"
    return {
        "@odata.type": _typed(_PASS),
        "id": held.id,
        "temporaryAccessPass": code,
        "createdDateTime": iso(held.created_at),
        "startDateTime": iso(held.starts_at),
        "lifetimeInMinutes": (held.ends_at - held.starts_at) // timedelta(minutes=1),
        "isUsableOnce": held.usable_once,
        "isUsable": good,
        "methodUsabilityReason": why,
    }


def _typed(kind: str) -> str:
    return f"#microsoft.graph.{_TYPES[kind]}"


def _rows(call: Call, user: User, *kinds: str) -> list[Row]:
    found = [_factor_row(f) for f in call.w.factors.registered(user.id)]
    held = call.w.passes.of(user.id)
    if held is not None:
        found.append(_pass_row(call, held))
    wanted = [_typed(kind) for kind in kinds]
    return [row for row in found if row["@odata.type"] in wanted]


def _one_of(rows: Sequence[Row], id: str) -> Row:
    for row in rows:
        if row["id"] == id.lower():
            return row
    raise not_found(id)


def _entity(user: User, collection: str) -> str:
    return f"users('{user.id}')/authentication/{collection}"


def _listed(collection: str, *kinds: str) -> tuple[Handler, Handler]:
    """What answers a collection, and one of it."""
    properties = frozenset().union(*(_PROPERTIES[kind] for kind in kinds))

    def every(call: Call, key: str) -> Answer:
        user = find_user(call, key)
        return call.collection(_entity(user, collection), _rows(call, user, *kinds), call.query(properties))

    def one(call: Call, key: str, id: str) -> Answer:
        user = find_user(call, key)
        row = _one_of(_rows(call, user, *kinds), id)
        return call.entity(_entity(user, collection), row, call.query(properties).select)

    return every, one


def _remove(kind: str) -> Handler:
    """Takes one factor off a user; the last one takes recovery codes and sessions with it: none outlives the other."""

    def remove(call: Call, key: str, id: str) -> Answer:
        user, w = find_user(call, key), writer(call)
        guard_person(call, user)
        before = _rows(call, user, _OATH, _FIDO2)
        row = _one_of(_rows(call, user, kind), id)
        lifecycle.remove_factor(w, user, row["id"], call.moment)
        after = _rows(call, user, _OATH, _FIDO2)
        _told(
            call, user, "An administrator removed one of the ways in which you confirm that it is you at", before, after
        )
        return None

    return remove


def _reset(call: Call, key: str) -> Answer:
    """Takes every factor off a user, with recovery codes, passes and sessions: all is to be set up anew."""
    user = find_user(call, key)
    guard_person(call, user)
    before = _rows(call, user, *_TYPES)
    lifecycle.forget_factors(writer(call), user, call.moment)
    _told(call, user, "An administrator reset how you confirm that it is you at", before, [])
    return None


def _told(call: Call, user: User, what: str, before: Sequence[Row], after: Sequence[Row]) -> None:
    letters.tell(writer(call), call.parts.vault, user, what + " {organisation}.", call.moment)
    ids = [{"authenticationMethods": [row["id"] for row in rows]} for rows in (before, after)]
    call.target("User", user.id, user.display_name, *ids)


def _give_pass(call: Call, key: str) -> Answer:
    """A new one-time pass in place of the user's old one; its code is told this once."""
    user = find_user(call, key)
    guard_person(call, user)
    if user.id == call.caller_id:
        raise Problem(Code.FORBIDDEN, "Nobody gives a one-time pass to themselves. Ask another administrator.")
    body = call.body()
    check_writable(body, _PROPERTIES[_PASS] - set(NewAccessPass.model_fields))
    asked = parse(NewAccessPass, body)
    starts_at = None if asked.startDateTime is None else instant("startDateTime", asked.startDateTime)
    if starts_at is not None and starts_at > call.moment.at + passes.LONGEST:
        raise bad("startDateTime is at most 30 days ahead.")
    before = _rows(call, user, _PASS)
    given, code = passes.give(
        writer(call),
        call.parts.vault,
        user,
        call.caller_id,
        call.moment,
        starts_at=starts_at,
        lifetime=passes.LIFETIME if asked.lifetimeInMinutes is None else timedelta(minutes=asked.lifetimeInMinutes),
        usable_once=asked.isUsableOnce is not False,
    )
    call.target(
        "User", user.id, user.display_name, *({"accessPass": rows} for rows in (before, _rows(call, user, _PASS)))
    )
    return call.entity(_entity(user, _PASS), _pass_row(call, given, code)), 201


def _take_pass_back(call: Call, key: str, id: str) -> Answer:
    user = find_user(call, key)
    guard_person(call, user)
    before = _rows(call, user, _PASS)
    _one_of(before, id)
    writer(call).passes.take_back(user.id)
    call.target("User", user.id, user.display_name, {"accessPass": before}, {"accessPass": []})
    return None


_READ = ("UserAuthenticationMethod.Read.All", "UserAuthenticationMethod.ReadWrite.All")
_WRITE = ("UserAuthenticationMethod.ReadWrite.All",)
_PATH = "/users/<key>/authentication"
_REMOVED = "Admin deleted security info"


def _reads(collection: str, gives: str, *kinds: str) -> list[Route]:
    every, one = _listed(collection, *kinds)
    return [
        Route("GET", f"{_PATH}/{collection}", _READ, every, own=OWN, gives=f"{gives}[]"),
        Route("GET", f"{_PATH}/{collection}/<id>", _READ, one, own=OWN, gives=gives),
    ]


ROUTES = [
    *_reads("methods", "authenticationMethod", *_TYPES),
    *(route for kind, gives in _TYPES.items() for route in _reads(kind, gives, kind)),
    *(Route("DELETE", f"{_PATH}/{k}/<id>", _WRITE, _remove(k), _REMOVED, KIND) for k in (_OATH, _FIDO2)),
    Route(
        "POST",
        f"{_PATH}/{_PASS}",
        _WRITE,
        _give_pass,
        "Create Temporary Access Pass",
        KIND,
        body=NewAccessPass,
        gives=_TYPES[_PASS],
    ),
    Route("DELETE", f"{_PATH}/{_PASS}/<id>", _WRITE, _take_pass_back, "Delete Temporary Access Pass", KIND),
    Route("POST", f"{_PATH}/reset", _WRITE, _reset, "Reset security info", KIND),
]
