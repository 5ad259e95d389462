"""groups with assigned membership."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from b2b_idp.graph.api import Answer, Call, Route, not_found, writer
from b2b_idp.graph.body import bad, without_annotations
from b2b_idp.graph.users import DEFAULT, user_row
from b2b_idp.model.directory import Group
from b2b_idp.policy.documents import parse
from b2b_idp.signin.log import iso


class _GroupDocument(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    displayName: Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=r"^[^\x00-\x1f\x7f]*$")]
    description: Annotated[str, StringConstraints(max_length=1024)] | None = None
    mailEnabled: bool = False
    mailNickname: Annotated[str, StringConstraints(max_length=64)] | None = None
    securityEnabled: bool = True
    groupTypes: list[str] = Field(default_factory=list)
    visibility: str | None = None
    isAssignableToRole: bool | None = None


_PROPERTIES = frozenset([*_GroupDocument.model_fields, "id", "createdDateTime", "mail"])


def _row(group: Group) -> dict[str, Any]:
    document = _GroupDocument.model_validate(dict(group.properties)).model_dump()
    return {"id": group.id, "createdDateTime": iso(group.created_at), "mail": None} | document


def _checked(document: dict[str, Any]) -> dict[str, Any]:
    if document.pop("membershipRule", None) is not None:
        raise bad("Dynamic membership is not supported by this version.")
    document.pop("membershipRuleProcessingState", None)
    group = parse(_GroupDocument, document)
    if group.groupTypes:
        raise bad("groupTypes is empty: only groups with assigned members are supported by this version.")
    return group.model_dump()


def _find(call: Call, id: str) -> Group:
    group: Group | None = call.w.apps.group(id.lower())
    if group is None:
        raise not_found(id)
    return group


def _list(call: Call) -> Answer:
    return call.collection("groups", [_row(g) for g in call.w.apps.all_groups()], call.query(_PROPERTIES))


def _get(call: Call, id: str) -> Answer:
    return call.entity("groups", _row(_find(call, id)), call.query(_PROPERTIES).select)


def _add(call: Call) -> Answer:
    document = _checked(without_annotations(call.body()))
    id = call.moment.new_id()
    writer(call).apps.add_group(id, document, call.moment.at)
    call.target("Group", id, document["displayName"])
    return call.entity("groups", _row(_find(call, id))), 201


def _change(call: Call, id: str) -> Answer:
    group = _find(call, id)
    merged = _checked(dict(group.properties) | without_annotations(call.body()))
    writer(call).apps.save_group(group.id, merged)
    call.target("Group", group.id, merged["displayName"])
    return None


def _delete(call: Call, id: str) -> Answer:
    group = _find(call, id)
    writer(call).apps.delete_group(group.id)
    call.target("Group", group.id, group.display_name)
    return None


def _members(call: Call, id: str) -> Answer:
    group = _find(call, id)
    domain = call.w.configuration.tenant.default_domain
    users = [call.w.users.by_id(m) for m in call.w.apps.members(group.id)]
    rows = []
    for user in users:
        if user is not None:
            row = user_row(user, domain)
            rows.append({"@odata.type": "#microsoft.graph.user"} | {k: row[k] for k in DEFAULT})
    return call.collection("directoryObjects", rows, call.query(frozenset(DEFAULT)))


def _add_member(call: Call, id: str) -> Answer:
    group = _find(call, id)
    reference = call.body().get("@odata.id")
    member = reference.rstrip("/").rpartition("/")[2].lower() if isinstance(reference, str) else ""
    if call.w.users.by_id(member) is None:
        raise bad("@odata.id names no user.")
    if member in call.w.apps.members(group.id):
        raise bad("One or more added object references already exist for: 'members'.")
    writer(call).apps.add_member(group.id, member)
    call.target("Group", group.id, group.display_name)
    call.target("User", member)
    return None


def _remove_member(call: Call, id: str, member: str) -> Answer:
    group = _find(call, id)
    if not writer(call).apps.remove_member(group.id, member.lower()):
        raise not_found(member)
    call.target("Group", group.id, group.display_name)
    return None


_READ = ("Group.Read.All", "Group.ReadWrite.All", "Directory.Read.All")
_WRITE = ("Group.ReadWrite.All", "Directory.ReadWrite.All")
_MEMBERS = (*_WRITE, "GroupMember.ReadWrite.All")
_KIND = "GroupManagement"

ROUTES = [
    Route("GET", "/groups", _READ, _list),
    Route("POST", "/groups", _WRITE, _add, "Add group", _KIND),
    Route("GET", "/groups/<id>", _READ, _get),
    Route("PATCH", "/groups/<id>", _WRITE, _change, "Update group", _KIND),
    Route("DELETE", "/groups/<id>", _WRITE, _delete, "Delete group", _KIND),
    Route("GET", "/groups/<id>/members", (*_READ, "GroupMember.ReadWrite.All"), _members),
    Route("POST", "/groups/<id>/members/$ref", _MEMBERS, _add_member, "Add member to group", _KIND),
    Route(
        "DELETE",
        "/groups/<id>/members/<member>/$ref",
        _MEMBERS,
        _remove_member,
        "Remove member from group",
        _KIND,
    ),
]
