"""Directory roles: Graph's directoryRoles and templates, and roleManagement, two views of the same assignments."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any, Literal

from b2b_idp.graph.api import Answer, Call, More, Reference, Route, not_found, object_id, reference_of, writer
from b2b_idp.graph.body import bad
from b2b_idp.graph.objects import OBJECT_PROPERTIES, object_row, object_rows, role_row, shown
from b2b_idp.graph.odata.query import Query, selected
from b2b_idp.guests.lifecycle import administrators_stay
from b2b_idp.guests.roles import ROLES, RoleTemplate
from b2b_idp.model.directory import DirectoryRoleAssignment
from b2b_idp.model.problem import Code, Problem
from b2b_idp.policy.documents import Document, Guid, parse


def _role_id(call: Call, template_id: str) -> str:
    """The object id of a directory role: the same whenever it is activated."""
    return str(uuid.uuid5(uuid.UUID(call.w.configuration.tenant.id), template_id))


def _activate(call: Call, template_id: str) -> str:
    id = _role_id(call, template_id)
    if template_id not in call.w.directory.activated_roles():
        writer(call).directory.activate_role(template_id, id)
    return id


def _template_of(call: Call, key: str) -> str:
    """The template of a directory role, named by its object id or its template's."""
    active = call.w.directory.activated_roles()
    for template_id, id in active.items():
        if key.lower() in (id, template_id):
            return str(template_id)
    raise not_found(key)


_ROLE_PROPERTIES = frozenset({"id", "displayName", "description", "roleTemplateId", "deletedDateTime"})
_TEMPLATE_PROPERTIES = frozenset({"id", "displayName", "description", "deletedDateTime"})


def _shown(call: Call, template_id: str) -> dict[str, Any]:
    row = role_row(template_id, _role_id(call, template_id))
    return {k: v for k, v in row.items() if k != "@odata.type"} | {"deletedDateTime": None}


def _roles(call: Call) -> Answer:
    rows = [_shown(call, t) for t in call.w.directory.activated_roles() if t in ROLES]
    return call.collection("directoryRoles", rows, call.query(_ROLE_PROPERTIES))


def _role(call: Call, id: str) -> Answer:
    row = _shown(call, _template_of(call, id))
    return call.entity("directoryRoles", row, call.query(_ROLE_PROPERTIES).select)


class Activation(Document):
    """The body of POST /directoryRoles."""

    roleTemplateId: Guid


def _activate_role(call: Call) -> Answer:
    template_id = parse(Activation, call.body()).roleTemplateId.lower()
    if template_id not in ROLES:
        raise bad("roleTemplateId names no directory role template.")
    if template_id in call.w.directory.activated_roles():
        raise bad("A conflicting object with one or more of the specified property values is present in the directory.")
    id = _activate(call, template_id)
    call.target("Role", id, ROLES[template_id].name)
    return call.entity("directoryRoles", _shown(call, template_id)), 201


def _template_row(template: RoleTemplate) -> dict[str, Any]:
    return {
        "id": template.id,
        "deletedDateTime": None,
        "displayName": template.name,
        "description": template.description,
    }


def _templates(call: Call) -> Answer:
    rows = [_template_row(t) for t in ROLES.values()]
    return call.collection("directoryRoleTemplates", rows, call.query(_TEMPLATE_PROPERTIES))


def _template(call: Call, id: str) -> Answer:
    if id.lower() not in ROLES:
        raise not_found(id)
    return call.entity(
        "directoryRoleTemplates", _template_row(ROLES[id.lower()]), call.query(_TEMPLATE_PROPERTIES).select
    )


def _members(call: Call, id: str) -> Answer:
    template_id = _template_of(call, id)
    ids = sorted(a.principal_id for a in call.w.directory.role_assignments(template_id=template_id))
    return object_rows(call, ids)


def _add_member(call: Call, id: str) -> Answer:
    template_id = _template_of(call, id)
    kinds = ("directoryObjects", "users", "groups", "servicePrincipals")
    _assign(call, object_id(reference_of(call.body()), kinds), template_id, "@odata.id")
    return None


def _assign(call: Call, principal: str, template_id: str, name: str) -> DirectoryRoleAssignment:
    row = object_row(call, principal) if principal else None
    if row is None:
        raise bad(f"{name} names no user, group or service principal.")
    if row["@odata.type"] == "#microsoft.graph.group" and not row["isAssignableToRole"]:
        raise bad("Only a group with isAssignableToRole can hold a directory role.")
    directory = writer(call).directory
    held = directory.role_assignments(principal_id=principal, template_id=template_id)
    if held:
        raise bad("One or more added object references already exist: the principal holds this role.")
    _activate(call, template_id)
    made = DirectoryRoleAssignment(call.moment.new_id(), principal, template_id, call.moment.at)
    directory.assign_role(made)
    call.target("Role", _role_id(call, template_id), ROLES[template_id].name, {}, {"members": principal})
    call.target(_kind(row), principal, row.get("displayName"))
    return made


def _kind(row: dict[str, Any]) -> str:
    return {"group": "Group", "servicePrincipal": "ServicePrincipal"}.get(row["@odata.type"].rpartition(".")[2], "User")


def _remove_member(call: Call, id: str, member: str) -> Answer:
    template_id = _template_of(call, id)
    held = call.w.directory.role_assignments(principal_id=member.lower(), template_id=template_id)
    if not held:
        raise not_found(member)
    return _unassign(call, held[0])


def _unassign(call: Call, assignment: DirectoryRoleAssignment) -> Answer:
    w = writer(call)
    with administrators_stay(w, call.moment.at):
        w.directory.unassign_role(assignment.id)
    name = ROLES[assignment.template_id].name
    call.target("Role", _role_id(call, assignment.template_id), name, {"members": assignment.principal_id}, {})
    return None


# --- roleManagement ---------------------------------------------------------------------------------------------------

_DEFINITION_PROPERTIES = frozenset(
    "id description displayName isBuiltIn isEnabled resourceScopes rolePermissions templateId version".split()
)


def _definition_row(template: RoleTemplate) -> dict[str, Any]:
    return {
        "id": template.id,
        "description": template.description,
        "displayName": template.name,
        "isBuiltIn": True,
        "isEnabled": True,
        "resourceScopes": ["/"],
        "templateId": template.id,
        "version": "1",
        "rolePermissions": [{"allowedResourceActions": sorted(template.permissions), "condition": None}],
    }


def _definitions(call: Call) -> Answer:
    rows = [_definition_row(t) for t in ROLES.values()]
    return call.collection("roleManagement/directory/roleDefinitions", rows, call.query(_DEFINITION_PROPERTIES))


def _definition(call: Call, id: str) -> Answer:
    if id.lower() not in ROLES:
        raise not_found(id)
    row = _definition_row(ROLES[id.lower()])
    return call.entity("roleManagement/directory/roleDefinitions", row, call.query(_DEFINITION_PROPERTIES).select)


_ASSIGNMENT_PROPERTIES = frozenset(
    {"id", "principalId", "roleDefinitionId", "directoryScopeId", "appScopeId", "condition"}
)
_ASSIGNMENTS = "roleManagement/directory/roleAssignments"


def _assignment_row(a: DirectoryRoleAssignment) -> dict[str, Any]:
    return {
        "id": a.id,
        "principalId": a.principal_id,
        "roleDefinitionId": a.template_id,
        "directoryScopeId": "/",
        "appScopeId": None,
        "condition": None,
    }


def _assignments(call: Call) -> Answer:
    rows = [_assignment_row(a) for a in call.w.directory.role_assignments()]
    query = _assignment_query(call)
    return call.collection(_ASSIGNMENTS, rows, query, _assignment_more(call, query))


def _assignment_query(call: Call) -> Query:
    expandable = {"principal": OBJECT_PROPERTIES, "roleDefinition": _DEFINITION_PROPERTIES}
    return call.query(_ASSIGNMENT_PROPERTIES, expandable=expandable)


def _assignment_more(call: Call, query: Query) -> More | None:
    """What $expand adds: who holds the role, and the role."""
    if not query.expand:
        return None

    def more(row: Mapping[str, Any]) -> dict[str, Any]:
        found = {
            "principal": object_row(call, row["principalId"]),
            "roleDefinition": _definition_row(ROLES[row["roleDefinitionId"]]),
        }
        return {name: selected(shown(o), names) if (o := found[name]) else None for name, names in query.expand.items()}

    return more


def _find(call: Call, id: str) -> DirectoryRoleAssignment:
    found: DirectoryRoleAssignment | None = call.w.directory.role_assignment(id.lower())
    if found is None:
        raise not_found(id)
    return found


def _assignment(call: Call, id: str) -> Answer:
    query, row = _assignment_query(call), _assignment_row(_find(call, id))
    more = _assignment_more(call, query)
    return call.entity(_ASSIGNMENTS, row, query.select, query.expand) | dict(more(row) if more else {})


class AssignmentDocument(Document):
    """The body of POST /roleManagement/directory/roleAssignments."""

    principalId: Guid
    roleDefinitionId: Guid
    directoryScopeId: Literal["/"] = "/"
    appScopeId: None = None
    condition: None = None


def _add_assignment(call: Call) -> Answer:
    asked = parse(AssignmentDocument, call.body())
    if asked.roleDefinitionId.lower() not in ROLES:
        raise bad("roleDefinitionId names no role definition.")
    if call.w.directory.role_assignments(
        principal_id=asked.principalId.lower(), template_id=asked.roleDefinitionId.lower()
    ):
        raise Problem(Code.CONFLICT, "A conflicting object is present: the principal holds this role.")
    made = _assign(call, asked.principalId.lower(), asked.roleDefinitionId.lower(), "principalId")
    return call.entity(_ASSIGNMENTS, _assignment_row(made)), 201


def _remove_assignment(call: Call, id: str) -> Answer:
    return _unassign(call, _find(call, id))


_READ = (
    "RoleManagement.Read.Directory",
    "RoleManagement.ReadWrite.Directory",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
)
_WRITE = ("RoleManagement.ReadWrite.Directory",)
_KIND = "RoleManagement"
_ONE = "/directoryRoles/<id>"
_MANAGED = "/roleManagement/directory"

ROUTES = [
    Route("GET", "/directoryRoles", _READ, _roles, gives="directoryRole[]"),
    Route(
        "POST",
        "/directoryRoles",
        _WRITE,
        _activate_role,
        "Activate role",
        _KIND,
        body=Activation,
        gives="directoryRole",
    ),
    Route("GET", _ONE, _READ, _role, gives="directoryRole"),
    Route("GET", f"{_ONE}/members", _READ, _members, gives="directoryObject[]"),
    Route("POST", f"{_ONE}/members/$ref", _WRITE, _add_member, "Add member to role", _KIND, body=Reference),
    Route("DELETE", f"{_ONE}/members/<member>/$ref", _WRITE, _remove_member, "Remove member from role", _KIND),
    Route("GET", "/directoryRoleTemplates", _READ, _templates, gives="directoryRoleTemplate[]"),
    Route("GET", "/directoryRoleTemplates/<id>", _READ, _template, gives="directoryRoleTemplate"),
    Route("GET", f"{_MANAGED}/roleDefinitions", _READ, _definitions, gives="unifiedRoleDefinition[]"),
    Route("GET", f"{_MANAGED}/roleDefinitions/<id>", _READ, _definition, gives="unifiedRoleDefinition"),
    Route("GET", f"{_MANAGED}/roleAssignments", _READ, _assignments, gives="unifiedRoleAssignment[]"),
    Route(
        "POST",
        f"{_MANAGED}/roleAssignments",
        _WRITE,
        _add_assignment,
        "Add member to role",
        _KIND,
        body=AssignmentDocument,
        gives="unifiedRoleAssignment",
    ),
    Route("GET", f"{_MANAGED}/roleAssignments/<id>", _READ, _assignment, gives="unifiedRoleAssignment"),
    Route("DELETE", f"{_MANAGED}/roleAssignments/<id>", _WRITE, _remove_assignment, "Remove member from role", _KIND),
]
