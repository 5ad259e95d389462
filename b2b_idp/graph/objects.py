"""Directory objects of any type: how each shows itself in a collection that mixes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import Field

from b2b_idp.graph.api import Answer, Call, More, Route, not_found
from b2b_idp.graph.group_documents import group_row
from b2b_idp.graph.odata.query import Query, selected
from b2b_idp.graph.user_documents import PROPERTIES, user_row
from b2b_idp.guests.roles import ROLES
from b2b_idp.model.directory import Group, User
from b2b_idp.model.problem import Code, Problem
from b2b_idp.policy.documents import Document, Guid, parse
from b2b_idp.store.apps import AppRow

USER, GROUP, APP = "#microsoft.graph.user", "#microsoft.graph.group", "#microsoft.graph.servicePrincipal"
ROLE = "#microsoft.graph.directoryRole"


def object_row(call: Call, id: str) -> dict[str, Any] | None:
    """The user, group or service principal of this id with its @odata.type; None when there is none."""
    user = call.w.users.by_id(id)
    if user is not None:
        row = {"@odata.type": USER} | user_row(user, call.w.configuration.tenant.default_domain)
        return row if _reads(call, user) else {k: v if k in _KNOWN_TO_ALL else _blank(v) for k, v in row.items()}
    group = call.w.apps.group(id)
    if group is not None:
        return _group(group)
    row = call.w.apps.row(id)
    return _app(row) if row is not None and row.sp_id == id else None


def _reads(call: Call, user: User) -> bool:
    return user.id == call.caller_id or call.permits("User.Read.All")


_KNOWN_TO_ALL = frozenset("@odata.type id displayName givenName surname mail userPrincipalName userType".split())
"""What is told of people in a group to those who may not read users."""


def _blank(value: Any) -> Any:
    return [] if isinstance(value, list) else {} if isinstance(value, dict) else None


def _group(group: Group) -> dict[str, Any]:
    return {"@odata.type": GROUP} | group_row(group)


def _app(row: AppRow) -> dict[str, Any]:
    return {
        "@odata.type": APP,
        "id": row.sp_id,
        "appId": row.app_id,
        "displayName": row.application["displayName"],
        "servicePrincipalType": "Application",
    }


def role_row(template_id: str, id: str) -> dict[str, Any]:
    """An activated directory role."""
    template = ROLES[template_id]
    return {
        "@odata.type": ROLE,
        "id": id,
        "displayName": template.name,
        "description": template.description,
        "roleTemplateId": template_id,
    }


_GROUP_PROPERTIES = frozenset(
    "description mailEnabled mailNickname securityEnabled groupTypes visibility isAssignableToRole".split()
)
OBJECT_PROPERTIES = PROPERTIES | _GROUP_PROPERTIES | {"appId", "servicePrincipalType", "roleTemplateId"}
_SHORT = {
    USER: "id businessPhones displayName givenName jobTitle mail mobilePhone officeLocation preferredLanguage surname "
    "userPrincipalName userType externalUserState".split()
}


def rows_of(call: Call, ids: list[str]) -> list[dict[str, Any]]:
    return [row for id in ids if (row := object_row(call, id)) is not None]


def shown(row: dict[str, Any]) -> dict[str, Any]:
    """The default properties of an object."""
    names = _SHORT.get(row.get("@odata.type", ""))
    return row if names is None else {k: v for k, v in row.items() if k in names or k == "@odata.type"}


_ENTITIES = {USER: "users", GROUP: "groups", APP: "servicePrincipals", ROLE: "directoryRoles"}
CASTS = tuple(name.removeprefix("#microsoft.graph.") for name in _ENTITIES)
"""Types that a collection of directory objects can be narrowed to."""


def object_rows(call: Call, ids: list[str], rows: list[dict[str, Any]] | None = None) -> Answer:
    """A collection of directory objects, in order of id."""
    query = call.query(OBJECT_PROPERTIES)
    found = [r for r in rows_of(call, ids) + (rows or []) if call.cast in (None, r["@odata.type"])]
    answer = call.collection(_ENTITIES.get(call.cast or "", "directoryObjects"), found, query)
    if not query.select:
        answer["value"] = [shown(row) for row in answer["value"]]
    return answer


def expanded(
    call: Call, query: Query, sources: Mapping[str, Callable[[str], list[str]]], theirs: frozenset[str]
) -> More | None:
    """What $expand adds: of each navigation at most 20 objects, as Graph; `manager` is one object or null. `theirs` are
    what people may see of themselves and their groups without being let read the directory."""
    if not query.expand:
        return None
    if call.user is not None and not call.permits("Directory.Read.All", "User.Read.All", "Group.Read.All"):
        hidden = sorted(set(query.expand) - theirs)
        if hidden:
            raise Problem(Code.FORBIDDEN, f"$expand: {hidden[0]} needs Directory.Read.All.")

    def more(row: Mapping[str, Any]) -> dict[str, Any]:
        added: dict[str, Any] = {}
        for name, names in query.expand.items():
            found = rows_of(call, sources[name](str(row["id"]))[:_EXPANDED])
            objects = [selected(o, names) if names else shown(o) for o in found]
            added[name] = (objects[0] if objects else None) if name == "manager" else objects
        return added

    return more


_EXPANDED = 20


class Ids(Document):
    """The body of getByIds."""

    ids: list[Guid] = Field(max_length=1000)
    types: list[str] | None = None


def _by_ids(call: Call) -> Answer:
    asked = parse(Ids, call.body())
    rows = rows_of(call, [id.lower() for id in asked.ids])
    wanted = {f"#microsoft.graph.{t}" for t in asked.types or ()}
    kept = [
        shown(r)
        for r in rows
        if not wanted or r["@odata.type"] in wanted or wanted == {"#microsoft.graph.directoryObject"}
    ]
    return {"@odata.context": call.context("directoryObjects"), "value": kept}


def _get(call: Call, id: str) -> Answer:
    row = object_row(call, id.lower())
    if row is None:
        raise not_found(id)
    query = call.query(OBJECT_PROPERTIES)
    return call.entity("directoryObjects", row if query.select else shown(row), query.select)


_READ = ("Directory.Read.All", "Directory.ReadWrite.All")

ROUTES = [
    Route("GET", "/directoryObjects/<id>", _READ, _get, gives="directoryObject"),
    Route("POST", "/directoryObjects/getByIds", _READ, _by_ids, body=Ids, gives="directoryObject[]"),
]
