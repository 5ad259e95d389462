"""Delta queries on users and groups: everything once, then what changed since; tokens are positions, MAC'd."""

from __future__ import annotations

import hmac
from typing import Any
from urllib.parse import quote

from werkzeug.datastructures import MultiDict

from b2b_idp.graph.api import Answer, Call, Route
from b2b_idp.graph.body import bad
from b2b_idp.graph.group_documents import GROUP_PROPERTIES, group_row
from b2b_idp.graph.odata.query import selected
from b2b_idp.graph.user_documents import DEFAULT, PROPERTIES, user_row
from b2b_idp.model.problem import Code, Problem

PAGE = 200
LIFETIME = 30 * 86_400
"""Seconds that a token is good for; each answer gives a new one."""


class _Token:
    """Where a reader stands: `i.{position}.{id}` on the first way through, then `d.{position}`; with it, when it was
    given, as a NumericDate."""

    def __init__(self, call: Call, kind: str, select: str) -> None:
        self._vault, self._scope, self._now = call.parts.vault, f"{kind}|{select}", call.moment.epoch

    def write(self, *parts: str) -> str:
        text = ".".join((*parts, str(self._now)))
        return f"{text}.{self._vault.token('delta', self._scope, text)}"

    def read(self, text: str) -> list[str]:
        body, _, mac = text.rpartition(".")
        expected = self._vault.token("delta", self._scope, body)
        if not hmac.compare_digest(mac.encode(), expected.encode()):
            raise bad("This token was not given for this query.")
        *parts, given = body.split(".")
        if not given.isdecimal() or self._now > int(given) + LIFETIME:
            raise Problem(
                Code.SYNC_STATE_NOT_FOUND,
                "This token is older than 30 days. Begin again without one: everything comes once, then what changes.",
            )
        return parts


def _options(call: Call, properties: frozenset[str]) -> tuple[tuple[str, ...], str, str | None]:
    """Selected properties, their spelling, and the token."""
    given = {("" if k.startswith("$") else "$") + k.lower(): v for k, v in call.args.items()}
    token = given.pop("$skiptoken", given.pop("$deltatoken", None))
    unknown = [k for k in given if k not in ("$select", "$deltatoken", "$skiptoken")]
    if unknown:
        raise Problem(Code.UNSUPPORTED_QUERY, f"{unknown[0][:40]} is not supported in delta queries.")
    select = given.get("$select", "")
    call.args = MultiDict({"$select": select} if select else {})
    return call.query(properties).select, select, token


def _page(
    call: Call, entity: str, select: str, rows: list[dict[str, Any]], *, following: str | None, delta: str | None
) -> Answer:
    answer: dict[str, Any] = {"@odata.context": call.context(entity)}
    chosen = f"$select={quote(select, safe=',')}&" if select else ""
    if following is not None:
        answer["@odata.nextLink"] = f"{call.address}?{chosen}$skiptoken={following}"
    if delta is not None:
        answer["@odata.deltaLink"] = f"{call.address}?{chosen}$deltatoken={delta}"
    return answer | {"value": rows}


def _users(call: Call) -> Answer:
    select, spelling, token = _options(call, PROPERTIES)
    tokens, here = _Token(call, "users", spelling), str(call.w.directory.position())
    if token == "latest":
        return _page(call, "users", spelling, [], following=None, delta=tokens.write("d", here))
    place = ["i", here, ""] if token is None else tokens.read(token)
    names = (*select, "id") if select else tuple(DEFAULT)
    domain = call.w.configuration.tenant.default_domain
    if place[0] == "i":
        found = call.w.users.page(place[2], PAGE)
        rows = [selected(user_row(u, domain), names) for u in found]
        if len(found) == PAGE:
            return _page(call, "users", spelling, rows, following=tokens.write("i", place[1], found[-1].id), delta=None)
        return _page(call, "users", spelling, rows, following=None, delta=tokens.write("d", place[1]))
    changes = call.w.directory.changes("user", int(place[1]), PAGE)
    rows = []
    for change in changes:
        user = None if change.gone else call.w.users.by_id(change.object_id)
        rows.append(_gone(call, change.object_id) if user is None else selected(user_row(user, domain), names))
    if len(changes) == PAGE:
        return _page(call, "users", spelling, rows, following=tokens.write("d", str(changes[-1].seq)), delta=None)
    return _page(call, "users", spelling, rows, following=None, delta=tokens.write("d", here))


def _gone(call: Call, id: str) -> dict[str, Any]:
    """A removed object: `changed` while it can be restored, then `deleted`."""
    restorable = call.w.users.deleted(id) is not None
    return {"id": id, "@removed": {"reason": "changed" if restorable else "deleted"}}


_MEMBER = {"@odata.type": "#microsoft.graph.user"}
_EVERY = 1_000_000


def _groups(call: Call) -> Answer:
    """Groups are few: each answer is whole, with `members@delta`."""
    select, spelling, token = _options(call, GROUP_PROPERTIES | {"members"})
    tokens, here = _Token(call, "groups", spelling), str(call.w.directory.position())
    names = (*(n for n in select if n != "members"), "id") if select else ()
    with_members = not select or "members" in select
    if token == "latest":
        return _page(call, "groups", spelling, [], following=None, delta=tokens.write("d", here))
    rows: list[dict[str, Any]] = []
    if token is None:
        for group in call.w.apps.all_groups():
            members = [_MEMBER | {"id": id} for id in call.w.apps.members(group.id)] if with_members else []
            rows.append(selected(group_row(group), names) | ({"members@delta": members} if members else {}))
        return _page(call, "groups", spelling, rows, following=None, delta=tokens.write("d", here))
    since = int(tokens.read(token)[1])
    changed = {c.object_id: c.gone for c in call.w.directory.changes("group", since, _EVERY)}
    members_of: dict[str, list[dict[str, Any]]] = {}
    for change in call.w.directory.changes("member", since, _EVERY) if with_members else ():
        removed = {"@removed": {"reason": "deleted"}} if change.gone else {}
        members_of.setdefault(change.object_id, []).append(_MEMBER | {"id": change.member_id} | removed)
    for id in sorted({*changed, *members_of}):
        found = None if changed.get(id) else call.w.apps.group(id)
        if found is None:
            rows.append({"id": id, "@removed": {"reason": "deleted"}})
            continue
        row = selected(group_row(found), names) if id in changed else {"id": id}
        rows.append(row | ({"members@delta": members_of[id]} if id in members_of else {}))
    return _page(call, "groups", spelling, rows, following=None, delta=tokens.write("d", here))


_READ_USERS = ("User.Read.All", "User.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All")
_READ_GROUPS = ("Group.Read.All", "Group.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All")

ROUTES = [
    Route("GET", "/users/delta", _READ_USERS, _users, gives="user[]"),
    Route("GET", "/users/delta()", _READ_USERS, _users, gives="user[]"),
    Route("GET", "/groups/delta", _READ_GROUPS, _groups, gives="group[]"),
    Route("GET", "/groups/delta()", _READ_GROUPS, _groups, gives="group[]"),
]
