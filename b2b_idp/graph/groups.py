"""groups: assigned members (users, service principals, other groups), members by rule, owners."""

from __future__ import annotations

from typing import Any

from b2b_idp.graph.api import Answer, Call, More, Reference, Route, not_found, object_id, reference_of, writer
from b2b_idp.graph.body import bad, check_writable, without_annotations
from b2b_idp.graph.group_documents import GROUP_PROPERTIES, group_row
from b2b_idp.graph.objects import OBJECT_PROPERTIES, expanded, object_row, object_rows
from b2b_idp.graph.odata.query import Query
from b2b_idp.guests.group_documents import NO_NESTING, GroupDocument, checked_group, merged_group
from b2b_idp.guests.groups import add_group, check_assigned, save_group
from b2b_idp.guests.lifecycle import administrators_stay
from b2b_idp.model.directory import Group, RelationKind
from b2b_idp.model.problem import Code, Problem

_BINDS = frozenset({"members@odata.bind", "owners@odata.bind"})
_REFERENCES = ("directoryObjects", "users", "groups", "servicePrincipals")


def find_group(call: Call, id: str) -> Group:
    group: Group | None = call.w.apps.group(id.lower())
    if group is None:
        raise not_found(id)
    return group


def guard_membership(call: Call, group: Group) -> None:
    """Whoever puts somebody into a group that holds directory roles gives them these roles; whoever renames it has
    others do so."""
    if not group.properties.get("isAssignableToRole"):
        return
    if not call.permits("RoleManagement.ReadWrite.Directory"):
        raise Problem(
            Code.FORBIDDEN, "This group can hold directory roles: RoleManagement.ReadWrite.Directory is needed."
        )


def _list(call: Call) -> Answer:
    query = _query(call)
    return call.collection("groups", [group_row(g) for g in call.w.apps.all_groups()], query, _more(call, query))


_EXPANDABLE = dict.fromkeys(("members", "transitiveMembers", "owners", "memberOf"), OBJECT_PROPERTIES)


def _query(call: Call) -> Query:
    return call.query(GROUP_PROPERTIES, expandable=_EXPANDABLE, searchable=("displayName", "description"))


def _more(call: Call, query: Query) -> More | None:
    apps = call.w.apps
    return expanded(
        call,
        query,
        {
            "members": apps.members,
            "transitiveMembers": apps.members_below,
            "owners": lambda id: call.w.directory.related("groupOwner", id),
            "memberOf": apps.stored_groups_of,
        },
        frozenset({"members", "owners"}),
    )


def _get(call: Call, id: str) -> Answer:
    query = _query(call)
    row, more = group_row(find_group(call, id)), _more(call, query)
    return call.entity("groups", row, query.select, query.expand) | dict(more(row) if more else {})


def _member_of(call: Call, id: str) -> Answer:
    return object_rows(call, call.w.apps.stored_groups_of(find_group(call, id).id))


def _bound(call: Call) -> tuple[dict[str, Any], list[str], list[str]]:
    """The body without its binds, and the ids of members and owners that it binds."""
    body = call.body(binds=_BINDS)
    members, owners = (body.pop(f"{name}@odata.bind", []) for name in ("members", "owners"))
    for name, found in (("members", members), ("owners", owners)):
        if not isinstance(found, list) or len(found) > 20:
            raise bad(f"{name}@odata.bind is a list of at most 20 addresses.")
    return (
        without_annotations(body),
        [_referred(call, r, "members@odata.bind") for r in members],
        [_referred(call, r, "owners@odata.bind") for r in owners],
    )


def _referred(call: Call, reference: object, name: str = "@odata.id") -> str:
    id = object_id(reference, _REFERENCES)
    if not id or object_row(call, id) is None:
        raise bad(f"{name} names no user, group or service principal.")
    return id


def _add(call: Call) -> Answer:
    body, members, owners = _bound(call)
    document = checked_group(body)
    if document["isAssignableToRole"] and not call.permits("RoleManagement.ReadWrite.Directory"):
        raise Problem(Code.FORBIDDEN, "isAssignableToRole needs RoleManagement.ReadWrite.Directory.")
    id, w = call.moment.new_id(), writer(call)
    add_group(w, id, document, call.moment.at)
    group = find_group(call, id)
    for member in members:
        _join(call, group, member)
    for owner in dict.fromkeys([*owners, *([call.user.id] if call.user else [])]):
        w.directory.relate("groupOwner", id, owner)
    call.target("Group", id, group.display_name, {}, group_row(group))
    return call.entity("groups", group_row(group)), 201


_RULES = frozenset({"groupTypes", "membershipRule", "membershipRuleProcessingState"})
_READ_ONLY = frozenset({"id", "createdDateTime", "mail"})


def _change(call: Call, id: str) -> Answer:
    group = find_group(call, id)
    guard_membership(call, group)
    body, members, owners = _bound(call)
    check_writable(body, _READ_ONLY)
    if _RULES & set(body) and not call.permits(*_WRITE):
        # as at Entra; a rule is asked at every sign-in, whoever it is about
        raise Problem(Code.FORBIDDEN, "An owner keeps the members; its membershipRule takes Group.ReadWrite.All.")
    merged, w = merged_group(group.properties, body), writer(call)
    if body:
        save_group(w, group, merged, call.moment)
    for member in members:
        _join(call, find_group(call, id), member)
    for owner in owners:
        _relate(call, group, owner)
    call.target("Group", group.id, group.display_name, group_row(group), group_row(find_group(call, id)))
    return None


def _delete(call: Call, id: str) -> Answer:
    group = find_group(call, id)
    guard_membership(call, group)
    w = writer(call)
    with administrators_stay(w, call.moment.at):
        w.apps.delete_group(group.id)
        w.directory.forget(group.id)
    call.target("Group", group.id, group.display_name, group_row(group), {})
    return None


def _members(call: Call, id: str) -> Answer:
    return object_rows(call, call.w.apps.members(find_group(call, id).id))


def _transitive_members(call: Call, id: str) -> Answer:
    return object_rows(call, call.w.apps.members_below(find_group(call, id).id))


def _join(call: Call, group: Group, member: str) -> None:
    guard_membership(call, group)
    check_assigned(group)
    if member == group.id:
        raise bad("A group is no member of itself.")
    if group.properties.get("isAssignableToRole") and call.w.apps.group(member) is not None:
        raise bad(NO_NESTING)
    if call.w.apps.is_member(group.id, member):
        raise bad("One or more added object references already exist for the following modified properties: 'members'.")
    writer(call).apps.add_member(group.id, member)


def _add_member(call: Call, id: str) -> Answer:
    group = find_group(call, id)
    member = _referred(call, reference_of(call.body()))
    _join(call, group, member)
    call.target("Group", group.id, group.display_name, {}, {"members": member})
    call.target("User", member)
    return None


def _remove_member(call: Call, id: str, member: str) -> Answer:
    group = find_group(call, id)
    guard_membership(call, group)
    check_assigned(group)
    if not call.w.apps.is_member(group.id, member.lower()):
        raise not_found(member)
    w = writer(call)
    with administrators_stay(w, call.moment.at):
        w.apps.remove_member(group.id, member.lower())
    call.target("Group", group.id, group.display_name, {"members": member.lower()}, {})
    return None


_OWNER: RelationKind = "groupOwner"


def _owners(call: Call, id: str) -> Answer:
    return object_rows(call, call.w.directory.related(_OWNER, find_group(call, id).id))


def _relate(call: Call, group: Group, owner: str) -> None:
    if owner in call.w.directory.related(_OWNER, group.id):
        raise bad("One or more added object references already exist for the following modified properties: 'owners'.")
    guard_membership(call, group)
    writer(call).directory.relate(_OWNER, group.id, owner)


def _add_owner(call: Call, id: str) -> Answer:
    group = find_group(call, id)
    owner = _referred(call, reference_of(call.body()))
    _relate(call, group, owner)
    call.target("Group", group.id, group.display_name, {}, {"owners": owner})
    return None


def _remove_owner(call: Call, id: str, owner: str) -> Answer:
    group = find_group(call, id)
    guard_membership(call, group)
    if not writer(call).directory.unrelate(_OWNER, group.id, owner.lower()):
        raise not_found(owner)
    call.target("Group", group.id, group.display_name, {"owners": owner.lower()}, {})
    return None


_READ = ("Group.Read.All", "Group.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All")
_READ_MEMBERS = (*_READ, "GroupMember.ReadWrite.All")
_WRITE = ("Group.ReadWrite.All", "Directory.ReadWrite.All")
_MEMBERS = (*_WRITE, "GroupMember.ReadWrite.All")
_KIND = "GroupManagement"
_ONE = "/groups/<id>"

ROUTES = [
    Route("GET", "/groups", _READ, _list, gives="group[]"),
    Route("POST", "/groups", _WRITE, _add, "Add group", _KIND, body=GroupDocument, gives="group"),
    Route("GET", _ONE, _READ, _get, fellow=True, gives="group"),
    Route("PATCH", _ONE, _WRITE, _change, "Update group", _KIND, owner=True, body=GroupDocument),
    Route("DELETE", _ONE, _WRITE, _delete, "Delete group", _KIND, owner=True),
    Route("GET", f"{_ONE}/members", _READ_MEMBERS, _members, fellow=True, gives="directoryObject[]"),
    Route("GET", f"{_ONE}/transitiveMembers", _READ_MEMBERS, _transitive_members, gives="directoryObject[]"),
    Route(
        "POST", f"{_ONE}/members/$ref", _MEMBERS, _add_member, "Add member to group", _KIND, owner=True, body=Reference
    ),
    Route(
        "DELETE",
        f"{_ONE}/members/<member>/$ref",
        _MEMBERS,
        _remove_member,
        "Remove member from group",
        _KIND,
        owner=True,
    ),
    Route("GET", f"{_ONE}/memberOf", _READ, _member_of, gives="directoryObject[]"),
    Route("GET", f"{_ONE}/owners", _READ, _owners, fellow=True, gives="directoryObject[]"),
    Route("POST", f"{_ONE}/owners/$ref", _WRITE, _add_owner, "Add owner to group", _KIND, owner=True, body=Reference),
    Route("DELETE", f"{_ONE}/owners/<owner>/$ref", _WRITE, _remove_owner, "Remove owner from group", _KIND, owner=True),
]
