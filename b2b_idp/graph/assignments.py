"""appRoleAssignments."""

from __future__ import annotations

from typing import Any

from b2b_idp.graph.api import Answer, Call, Route, not_found, writer
from b2b_idp.graph.apps import find_app
from b2b_idp.graph.body import bad
from b2b_idp.graph.self_registered import check_permission
from b2b_idp.graph.users import find_user
from b2b_idp.guests.apps import granting_stays
from b2b_idp.guests.permissions import PERMISSIONS, TIER_ZERO
from b2b_idp.model.directory import DEFAULT_APP_ROLE, GRAPH_APP_ID, RoleAssignment
from b2b_idp.model.moment import iso
from b2b_idp.model.problem import Code, Problem
from b2b_idp.policy.documents import Document, Guid, parse
from b2b_idp.store.apps import AppRow

_ASSIGNMENT_PROPERTIES = frozenset(
    "id appRoleId createdDateTime principalDisplayName principalId principalType resourceDisplayName resourceId".split()
)


def _assignment_row(call: Call, a: RoleAssignment) -> dict[str, Any]:
    resource = call.w.apps.row(a.resource_sp_id)
    return {
        "id": a.id,
        "deletedDateTime": None,
        "appRoleId": a.app_role_id,
        "createdDateTime": iso(a.created_at),
        "principalDisplayName": _principal(call, a.principal_id)[1],
        "principalId": a.principal_id,
        "principalType": a.principal_type,
        "resourceDisplayName": resource.application["displayName"] if resource else None,
        "resourceId": a.resource_sp_id,
    }


def _principal(call: Call, id: str) -> tuple[Any, str | None]:
    """(type, name) of the user, group or service principal with this id; (None, None) when there is none."""
    user = call.w.users.by_id(id)
    if user is not None:
        return "User", user.display_name
    group = call.w.apps.group(id)
    if group is not None:
        return "Group", group.display_name
    row = call.w.apps.row(id)
    if row is not None and row.sp_id == id:
        return "ServicePrincipal", row.application["displayName"]
    return None, None


class AppRoleAssignmentDocument(Document):
    """Graph's appRoleAssignment; what the address names may be left out."""

    principalId: Guid | None = None
    resourceId: Guid | None = None
    appRoleId: Guid


def _assign(call: Call, **named: str) -> Answer:
    """POST of an assignment at the resource, or at the principal."""
    asked = parse(AppRoleAssignmentDocument, call.body()).model_dump(exclude_none=True)
    wanted: dict[str, str] = {k: v.lower() for k, v in (named | asked).items()}
    for name in ("principalId", "resourceId"):
        if name not in wanted:
            raise bad(f"{name} is missing.")
    for name, value in named.items():
        if wanted[name] != value.lower():
            raise bad(f"{name} differs from the one in the address.")
    resource = find_app(call, wanted["resourceId"], sp=True)
    kind, name_of = _principal(call, wanted["principalId"])
    if kind is None:
        raise bad("principalId names no user, group or service principal.")
    check_role(call, resource, wanted["appRoleId"], kind)
    check_permission(call.w.apps.row(wanted["principalId"]), resource)
    w = writer(call)
    same = w.apps.assignments(resource_sp_id=resource.sp_id, principal_id=wanted["principalId"])
    if any(a.app_role_id == wanted["appRoleId"] for a in same):
        raise bad("Permission being assigned already exists on the object.")
    assignment = RoleAssignment(
        call.moment.new_id(), wanted["principalId"], kind, resource.sp_id, wanted["appRoleId"], call.moment.at
    )
    w.apps.assign(assignment)
    call.target(kind, wanted["principalId"], name_of, {}, _assignment_row(call, assignment))
    return call.entity("appRoleAssignments", _assignment_row(call, assignment)), 201


def check_role(call: Call, resource: AppRow, role: str, kind: str) -> None:
    """Raises Problem(BAD_REQUEST) when the application has no such role for this kind of principal, Problem(FORBIDDEN)
    when it is a permission that the caller does not hold."""
    roles = {r["id"].lower(): r for r in resource.application.get("appRoles") or [] if r.get("isEnabled", True)}
    wanted = "Application" if kind == "ServicePrincipal" else "User"
    if role == DEFAULT_APP_ROLE:
        if any(wanted in r["allowedMemberTypes"] for r in roles.values()):
            raise bad("This application declares roles: assign one of them.")
        return
    if role not in roles or wanted not in roles[role]["allowedMemberTypes"]:
        raise bad(f"appRoleId is no role of this application for a {kind}.")
    if resource.app_id == GRAPH_APP_ID:
        permission = roles[role]["value"]
        if permission not in call.holds and permission in PERMISSIONS:
            tier = " It is tier 0." if permission in TIER_ZERO else ""
            raise Problem(Code.FORBIDDEN, f"Only a holder of {permission} can grant it.{tier}")


def _assigned_to(call: Call, id: str) -> Answer:
    row = find_app(call, id, sp=True)
    rows = [_assignment_row(call, a) for a in call.w.apps.assignments(resource_sp_id=row.sp_id)]
    return call.collection("appRoleAssignments", rows, call.query(_ASSIGNMENT_PROPERTIES))


def _unassign_at_resource(call: Call, id: str, assignment: str) -> Answer:
    row = find_app(call, id, sp=True)
    found = call.w.apps.assignment(assignment.lower())
    if found is None or found.resource_sp_id != row.sp_id:
        raise not_found(assignment)
    return _unassign(call, found)


def _unassign(call: Call, found: RoleAssignment) -> Answer:
    before, w = _assignment_row(call, found), writer(call)
    with granting_stays(w, call.moment.at):
        w.apps.unassign(found.id)
    call.target(found.principal_type, found.principal_id, before["principalDisplayName"], before, {})
    return None


def _of_principal(call: Call, id: str) -> Answer:
    if _principal(call, id.lower())[0] is None:
        raise not_found(id)
    rows = [_assignment_row(call, a) for a in call.w.apps.assignments(principal_id=id.lower())]
    return call.collection("appRoleAssignments", rows, call.query(_ASSIGNMENT_PROPERTIES))


def _of_user(call: Call, key: str) -> Answer:
    return _of_principal(call, find_user(call, key).id)


def _assign_user(call: Call, key: str) -> Answer:
    return _assign(call, principalId=find_user(call, key).id)


def _unassign_user(call: Call, key: str, assignment: str) -> Answer:
    return _unassign_of_principal(call, find_user(call, key).id, assignment)


def _unassign_of_principal(call: Call, id: str, assignment: str) -> Answer:
    found = call.w.apps.assignment(assignment.lower())
    if found is None or found.principal_id != id.lower():
        raise not_found(assignment)
    return _unassign(call, found)


_READ_ASSIGNED = (
    "Application.Read.All",
    "Application.ReadWrite.All",
    "Directory.Read.All",
    "AppRoleAssignment.ReadWrite.All",
)
_ASSIGN = ("AppRoleAssignment.ReadWrite.All",)
_SP = "/servicePrincipals"
_APPS = "ApplicationManagement"


def _assignments_of(collection: str, kind: str) -> list[Route]:
    """appRoleAssignments as seen from a principal."""
    path = f"/{collection}/<id>/appRoleAssignments"
    return [
        Route("GET", path, _READ_ASSIGNED, _of_principal, gives="appRoleAssignment[]"),
        Route(
            "POST",
            path,
            _ASSIGN,
            lambda call, id: _assign(call, principalId=id),
            f"Add app role assignment to {kind}",
            _APPS,
            body=AppRoleAssignmentDocument,
            gives="appRoleAssignment",
        ),
        Route(
            "DELETE",
            f"{path}/<assignment>",
            _ASSIGN,
            _unassign_of_principal,
            f"Remove app role assignment from {kind}",
            _APPS,
        ),
    ]


ROUTES = [
    Route("GET", f"{_SP}/<id>/appRoleAssignedTo", _READ_ASSIGNED, _assigned_to, gives="appRoleAssignment[]"),
    Route(
        "POST",
        f"{_SP}/<id>/appRoleAssignedTo",
        _ASSIGN,
        lambda call, id: _assign(call, resourceId=find_app(call, id, sp=True).sp_id),
        "Add app role assignment",
        _APPS,
        body=AppRoleAssignmentDocument,
        gives="appRoleAssignment",
    ),
    Route(
        "DELETE",
        f"{_SP}/<id>/appRoleAssignedTo/<assignment>",
        _ASSIGN,
        _unassign_at_resource,
        "Remove app role assignment",
        _APPS,
    ),
    *_assignments_of("servicePrincipals", "service principal"),
    *_assignments_of("groups", "group"),
    Route("GET", "/users/<key>/appRoleAssignments", _READ_ASSIGNED, _of_user, gives="appRoleAssignment[]"),
    Route(
        "POST",
        "/users/<key>/appRoleAssignments",
        _ASSIGN,
        _assign_user,
        "Add app role assignment to user",
        _APPS,
        body=AppRoleAssignmentDocument,
        gives="appRoleAssignment",
    ),
    Route(
        "DELETE",
        "/users/<key>/appRoleAssignments/<assignment>",
        _ASSIGN,
        _unassign_user,
        "Remove app role assignment from user",
        _APPS,
    ),
]
