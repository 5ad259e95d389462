"""What users are to one another and where they belong: managers, sponsors, memberships, deleted users."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import Field

from b2b_idp.graph.api import Answer, Call, Reference, Route, not_found, object_id, reference_of, writer
from b2b_idp.graph.body import bad
from b2b_idp.graph.objects import object_row, object_rows, role_row, shown
from b2b_idp.graph.user_documents import DEFAULT, PROPERTIES, default_row, user_row
from b2b_idp.graph.users import KIND, OWN, READ, WRITE, domain_of_tenant, find_user, guard_person
from b2b_idp.guests import lifecycle, upkeep
from b2b_idp.model.directory import RelationKind, User
from b2b_idp.model.problem import Code, Problem
from b2b_idp.policy.documents import Document, Guid, parse

_USERS = ("directoryObjects", "users")


def _manager(call: Call, key: str) -> Answer:
    found = call.w.directory.related("manager", find_user(call, key).id)
    row = object_row(call, found[0]) if found else None
    if row is None:
        raise Problem(
            Code.NOT_FOUND,
            "Resource 'manager' does not exist or one of its queried reference-property objects are not present.",
        )
    return call.entity("directoryObjects", shown(row))


def _set_manager(call: Call, key: str) -> Answer:
    user, w = find_user(call, key), writer(call)
    manager = object_id(reference_of(call.body()), _USERS)
    if w.users.by_id(manager) is None or manager == user.id:
        raise bad("@odata.id names no other user.")
    before = w.directory.related("manager", user.id)
    for id in before:
        w.directory.unrelate("manager", user.id, id)
    w.directory.relate("manager", user.id, manager)
    call.target("User", user.id, user.display_name, {"manager": before}, {"manager": [manager]})
    return None


def _unset_manager(call: Call, key: str) -> Answer:
    user, w = find_user(call, key), writer(call)
    before = w.directory.related("manager", user.id)
    if not before:
        raise not_found("manager")
    w.directory.unrelate("manager", user.id, before[0])
    call.target("User", user.id, user.display_name, {"manager": before}, {"manager": []})
    return None


def _reports(call: Call, key: str) -> Answer:
    return object_rows(call, call.w.directory.relating("manager", find_user(call, key).id))


_SPONSOR: RelationKind = "sponsor"


def _sponsors(call: Call, key: str) -> Answer:
    return object_rows(call, call.w.directory.related(_SPONSOR, find_user(call, key).id))


def _add_sponsor(call: Call, key: str) -> Answer:
    user, w = find_user(call, key), writer(call)
    sponsor = object_id(reference_of(call.body()), (*_USERS, "groups"))
    if w.users.by_id(sponsor) is None and w.apps.group(sponsor) is None:
        raise bad("@odata.id names no user or group.")
    before = w.directory.related(_SPONSOR, user.id)
    if sponsor in before:
        raise bad(
            "One or more added object references already exist for the following modified properties: 'sponsors'."
        )
    w.directory.relate(_SPONSOR, user.id, sponsor)
    call.target("User", user.id, user.display_name, {"sponsors": before}, {"sponsors": sorted([*before, sponsor])})
    return None


def _remove_sponsor(call: Call, key: str, sponsor: str) -> Answer:
    user, w = find_user(call, key), writer(call)
    before = w.directory.related(_SPONSOR, user.id)
    if not w.directory.unrelate(_SPONSOR, user.id, sponsor.lower()):
        raise not_found(sponsor)
    after = [id for id in before if id != sponsor.lower()]
    call.target("User", user.id, user.display_name, {"sponsors": before}, {"sponsors": after})
    return None


def _attest(call: Call, key: str) -> Answer:
    """A sponsor, or an administrator, says that the guest is still needed."""
    try:
        user = find_user(call, key)
    except Problem as problem:
        raise problem if call.permits(*READ) else _no_sponsor() from None
    if not call.permits(*WRITE):
        sponsors = call.w.directory.related(_SPONSOR, user.id)
        circles = [call.caller_id, *_circles(call)]
        # nobody answers for themselves, not even through a group
        if user.id == call.caller_id or not set(sponsors) & set(circles):
            raise _no_sponsor()
    after = upkeep.attest(writer(call), user, call.caller_id, call.moment)
    domain = domain_of_tenant(call)
    call.target("User", user.id, user.display_name, user_row(user, domain)["b2bIdp"], user_row(after, domain)["b2bIdp"])
    return None


def _circles(call: Call) -> list[str]:
    """The groups that the caller is in."""
    return call.w.apps.stored_groups_of(call.caller_id) if call.user is None else _groups_of(call, call.user)


def _no_sponsor() -> Problem:
    return Problem(Code.FORBIDDEN, "Only a sponsor of this guest, or an administrator, says so.")


# --- memberships ------------------------------------------------------------------------------------------------------


def _groups_of(call: Call, user: User) -> list[str]:
    found: list[str] = call.w.memberships.groups_of(user, call.moment.at)
    return found


def _member_of(call: Call, key: str) -> Answer:
    user = find_user(call, key)
    return object_rows(call, _groups_of(call, user), _roles(call, user))


def _transitive_member_of(call: Call, key: str) -> Answer:
    user = find_user(call, key)
    groups: list[str] = call.w.memberships.groups_around(user, call.moment.at)
    return object_rows(call, groups, _roles(call, user, _groups_of(call, user)))


def _roles(call: Call, user: User, groups: Sequence[str] = ()) -> list[dict[str, Any]]:
    active = call.w.directory.activated_roles()
    return [role_row(t, active[t]) for t in sorted(call.w.directory.roles_of(user.id, groups)) if t in active]


class SecurityOnly(Document):
    """The body of getMemberObjects and getMemberGroups."""

    securityEnabledOnly: bool | None = None


class GroupIds(Document):
    """The body of checkMemberGroups."""

    groupIds: list[Guid] = Field(max_length=20)


def _groups_around(call: Call, user: User, security_only: bool | None) -> list[str]:
    groups = [call.w.apps.group(id) for id in call.w.memberships.groups_around(user, call.moment.at)]
    return [g.id for g in groups if g is not None and (not security_only or g.security_enabled)]


def _member_groups(call: Call, key: str) -> Answer:
    asked = parse(SecurityOnly, call.body())
    ids = _groups_around(call, find_user(call, key), asked.securityEnabledOnly)
    return {"@odata.context": call.context("Collection(Edm.String)"), "value": ids}


def _member_objects(call: Call, key: str) -> Answer:
    asked, user = parse(SecurityOnly, call.body()), find_user(call, key)
    ids = _groups_around(call, user, asked.securityEnabledOnly)
    if not asked.securityEnabledOnly:
        ids += [r["id"] for r in _roles(call, user)]
    return {"@odata.context": call.context("Collection(Edm.String)"), "value": ids}


def _check_groups(call: Call, key: str) -> Answer:
    asked = parse(GroupIds, call.body())
    around = set(_groups_around(call, find_user(call, key), None))
    ids = [id.lower() for id in asked.groupIds if id.lower() in around]
    return {"@odata.context": call.context("Collection(Edm.String)"), "value": ids}


# --- deleted users ----------------------------------------------------------------------------------------------------


def _deleted(call: Call, id: str) -> User:
    user: User | None = call.w.users.deleted(id.lower())
    if user is None:
        raise not_found(id)
    return user


def _deleted_users(call: Call) -> Answer:
    query, domain = call.query(PROPERTIES), domain_of_tenant(call)
    found, page = call.w.users.listing(query.listing, deleted=True)
    rows = [user_row(u, domain) for u in found]
    shown_rows = rows if query.select else [{k: row[k] for k in (*DEFAULT, "deletedDateTime")} for row in rows]
    return call.page_of("directoryObjects/microsoft.graph.user", shown_rows, page, query)


def _get_deleted(call: Call, id: str) -> Answer:
    row = {"@odata.type": "#microsoft.graph.user"} | user_row(_deleted(call, id), domain_of_tenant(call))
    return call.entity("directoryObjects", row, call.query(PROPERTIES).select or (*DEFAULT, "deletedDateTime"))


def _restore(call: Call, id: str) -> Answer:
    user = _deleted(call, id)
    guard_person(call, user)
    restored = lifecycle.restore(writer(call), user, call.moment)
    call.target("User", user.id, user.display_name)
    return call.entity(
        "directoryObjects", {"@odata.type": "#microsoft.graph.user"} | default_row(restored, domain_of_tenant(call))
    )


def _delete_for_good(call: Call, id: str) -> Answer:
    user = _deleted(call, id)
    guard_person(call, user)
    lifecycle.delete_for_good(writer(call), user, call.moment)
    call.target("User", user.id, user.display_name)
    return None


_ONE = "/users/<key>"
_DELETED = "/directory/deletedItems"

ROUTES = [
    Route("GET", f"{_ONE}/manager", READ, _manager, gives="directoryObject"),
    Route("PUT", f"{_ONE}/manager/$ref", WRITE, _set_manager, "Set user manager", KIND, body=Reference),
    Route("DELETE", f"{_ONE}/manager/$ref", WRITE, _unset_manager, "Remove user manager", KIND),
    Route("GET", f"{_ONE}/directReports", READ, _reports, gives="directoryObject[]"),
    Route("GET", f"{_ONE}/sponsors", READ, _sponsors, gives="directoryObject[]"),
    Route("POST", f"{_ONE}/sponsors/$ref", WRITE, _add_sponsor, "Add sponsor", KIND, body=Reference),
    Route("DELETE", f"{_ONE}/sponsors/<sponsor>/$ref", WRITE, _remove_sponsor, "Remove sponsor", KIND),
    Route("POST", f"{_ONE}/attest", (*WRITE, "User.Read", "User.Invite.All"), _attest, "Attest guest", KIND),
    Route("GET", f"{_ONE}/memberOf", READ, _member_of, own=OWN, gives="directoryObject[]"),
    Route("GET", f"{_ONE}/transitiveMemberOf", READ, _transitive_member_of, own=OWN, gives="directoryObject[]"),
    Route("POST", f"{_ONE}/getMemberObjects", READ, _member_objects, own=OWN, body=SecurityOnly, gives="Edm.String[]"),
    Route("POST", f"{_ONE}/getMemberGroups", READ, _member_groups, own=OWN, body=SecurityOnly, gives="Edm.String[]"),
    Route("POST", f"{_ONE}/checkMemberGroups", READ, _check_groups, own=OWN, body=GroupIds, gives="Edm.String[]"),
    Route("GET", f"{_DELETED}/microsoft.graph.user", READ, _deleted_users, gives="user[]"),
    Route("GET", f"{_DELETED}/graph.user", READ, _deleted_users, gives="user[]"),
    Route("GET", f"{_DELETED}/<id>", READ, _get_deleted, gives="directoryObject"),
    Route("POST", f"{_DELETED}/<id>/restore", WRITE, _restore, "Restore user", KIND, gives="directoryObject"),
    Route("DELETE", f"{_DELETED}/<id>", WRITE, _delete_for_good, "Hard Delete user", KIND),
]
