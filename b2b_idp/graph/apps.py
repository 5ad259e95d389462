"""applications, servicePrincipals and appRoleAssignments."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from b2b_idp.graph.api import Answer, Call, Route, not_found, writer
from b2b_idp.graph.app_documents import ServicePrincipal, checked_application
from b2b_idp.graph.body import bad, without_annotations
from b2b_idp.graph.users import find_user
from b2b_idp.guests.apps import add_password, create_app
from b2b_idp.guests.permissions import PERMISSIONS, TIER_ZERO, role_id
from b2b_idp.model.directory import DEFAULT_APP_ROLE, GRAPH_APP_ID, AppSecret, RoleAssignment
from b2b_idp.model.problem import Code, Problem
from b2b_idp.policy.documents import parse
from b2b_idp.signin.log import iso
from b2b_idp.store.apps import AppRow, app_of
from b2b_idp.store.configuration import CLAIMS_MAPPING

_APP_DEFAULTS: dict[str, Any] = {
    "description": None,
    "signInAudience": "AzureADMyOrg",
    "identifierUris": [],
    "tags": [],
    "groupMembershipClaims": None,
    "isFallbackPublicClient": None,
    "web": {"redirectUris": [], "homePageUrl": None, "logoutUrl": None},
    "spa": {"redirectUris": []},
    "publicClient": {"redirectUris": []},
    "api": {"acceptMappedClaims": None, "oauth2PermissionScopes": []},
    "appRoles": [],
    "requiredResourceAccess": [],
    "optionalClaims": None,
    "keyCredentials": [],
}
_APP_PROPERTIES = frozenset(
    [*_APP_DEFAULTS, *"id appId displayName createdDateTime passwordCredentials b2bIdp notes".split()]
)
_SP_PROPERTIES = frozenset(
    "id appId displayName appDisplayName accountEnabled appRoleAssignmentRequired appRoles servicePrincipalType tags "
    "servicePrincipalNames oauth2PermissionScopes replyUrls createdDateTime appOwnerOrganizationId notes description "
    "homepage loginUrl preferredSingleSignOnMode".split()
)


def _credential(secret: AppSecret, text: str | None = None) -> dict[str, Any]:
    return {
        "customKeyIdentifier": None,
        "displayName": secret.display_name,
        "endDateTime": iso(secret.ends_at),
        "hint": secret.hint,
        "keyId": secret.key_id,
        "secretText": text,
        "startDateTime": iso(secret.starts_at),
    }


def _app_row(call: Call, row: AppRow) -> dict[str, Any]:
    shown: dict[str, Any] = {"id": row.id, "appId": row.app_id}
    shown |= _APP_DEFAULTS | dict(row.application)
    for name in ("web", "spa", "publicClient", "api"):
        shown[name] = _APP_DEFAULTS[name] | (shown[name] or {})
    shown["createdDateTime"] = iso(row.created_at)
    shown["passwordCredentials"] = [_credential(s) for s in call.w.apps.secrets(row.id)]
    return shown


def _sp_row(call: Call, row: AppRow) -> dict[str, Any]:
    application, own = row.application, row.service_principal
    api = application.get("api") or {}
    return {
        "id": row.sp_id,
        "appId": row.app_id,
        "displayName": application["displayName"],
        "appDisplayName": application["displayName"],
        "accountEnabled": own.get("accountEnabled", True),
        "appRoleAssignmentRequired": bool(own.get("appRoleAssignmentRequired")),
        "appRoles": application.get("appRoles") or [],
        "oauth2PermissionScopes": api.get("oauth2PermissionScopes") or [],
        "servicePrincipalType": "Application",
        "servicePrincipalNames": [row.app_id, *(application.get("identifierUris") or [])],
        "replyUrls": list(app_of(row).redirect_uris),
        "tags": own.get("tags") or [],
        "notes": own.get("notes"),
        "description": own.get("description"),
        "homepage": own.get("homepage"),
        "loginUrl": own.get("loginUrl"),
        "preferredSingleSignOnMode": own.get("preferredSingleSignOnMode"),
        "createdDateTime": iso(row.created_at),
        "appOwnerOrganizationId": call.w.configuration.tenant.id,
    }


def _find(call: Call, key: str, *, sp: bool) -> AppRow:
    """By object id, or `appId='…'` as Graph's alternate key."""
    row: AppRow | None = call.w.apps.row(key.lower())
    named = None if row is None else row.sp_id if sp else row.id
    if row is None or named != key.lower():
        raise not_found(key)
    return row


def _guard(call: Call, row: AppRow) -> None:
    """Whoever adds a secret to an app becomes that app: not to one that may more than the caller."""
    if row.app_id == GRAPH_APP_ID:
        raise Problem(Code.FORBIDDEN, "The Graph API's own application cannot be changed.")
    graph = call.w.apps.by_client_id(GRAPH_APP_ID)
    held = set(call.w.apps.role_ids(graph.sp_id, [row.sp_id])) if graph else set()
    stronger = held - {role_id(p) for p in call.caller.roles}
    if stronger:
        raise Problem(Code.FORBIDDEN, "This application holds permissions that the caller does not have.")


def _apps(call: Call) -> Answer:
    rows = [_app_row(call, r) for r in call.w.apps.rows() if r.app_id != GRAPH_APP_ID]
    return call.collection("applications", rows, call.query(_APP_PROPERTIES))


def _app(call: Call, id: str) -> Answer:
    row = _app_row(call, _find(call, id, sp=False))
    return call.entity("applications", row, call.query(_APP_PROPERTIES).select)


def _add_app(call: Call) -> Answer:
    body = call.body()
    for name in (
        "id",
        "appId",
        "createdDateTime",
        "publisherDomain",
        "passwordCredentials",
        "keyCredentials",
    ):
        if body.get(name):
            raise bad(f"{name} is read-only.")
    application = checked_application(body)
    w = writer(call)
    _check_identifier_uris(call, application, None)
    row = create_app(w, application, call.moment)
    call.target("Application", row.id, application["displayName"])
    return call.entity("applications", _app_row(call, row)), 201


def _check_identifier_uris(call: Call, application: dict[str, Any], id: str | None) -> None:
    for uri in application.get("identifierUris") or []:
        if uri.casefold().startswith((call.parts.issuer.casefold(), "https://graph.microsoft.com")):
            raise bad(f"identifierUris: {uri[:100]} belongs to this provider's own API.")
        owner = call.w.apps.by_identifier_uri(uri)
        if owner is not None and owner.id != id:
            raise Problem(Code.CONFLICT, f"Another application has the identifier URI {uri[:100]}.")


def _change_app(call: Call, id: str) -> Answer:
    row = _find(call, id, sp=False)
    _guard(call, row)
    change = without_annotations(call.body())
    for name in ("id", "appId", "createdDateTime", "publisherDomain", "passwordCredentials"):
        if name in change:
            raise bad(f"{name} is read-only.")
    merged = dict(row.application)
    for name, value in change.items():
        before = merged.get(name)
        nested = name in ("web", "spa", "publicClient", "api", "b2bIdp")
        merged[name] = before | value if nested and isinstance(before, dict) and isinstance(value, dict) else value
    application = checked_application(merged)
    _check_identifier_uris(call, application, row.id)
    writer(call).apps.save(replace(row, application=application))
    call.target("Application", row.id, application["displayName"])
    return None


def _delete_app(call: Call, id: str) -> Answer:
    row = _find(call, id, sp=False)
    _guard(call, row)
    if row.app_id == call.caller.app_id:
        raise bad("An application cannot delete itself.")
    writer(call).apps.delete(row)
    call.target("Application", row.id, row.application["displayName"])
    return None


def _add_password(call: Call, id: str) -> Answer:
    row = _find(call, id, sp=False)
    _guard(call, row)
    body = without_annotations(call.body())
    credential = body.pop("passwordCredential", None)
    credential = {} if credential is None else credential
    if body or not isinstance(credential, dict):
        raise bad("The body holds passwordCredential, an object.")
    credential = without_annotations(credential)
    name = credential.pop("displayName", None)
    if name is not None and (not isinstance(name, str) or len(name) > 256):
        raise bad("passwordCredential.displayName is a text of at most 256 characters.")
    times = {k: _time(k, credential.pop(k, None)) for k in ("startDateTime", "endDateTime")}
    if any(v is not None for v in credential.values()):
        raise bad(f"passwordCredential.{sorted(credential)[0][:40]} cannot be set.")
    secret, text = add_password(
        writer(call),
        row,
        call.parts.vault,
        call.moment,
        display_name=name,
        starts_at=times["startDateTime"],
        ends_at=times["endDateTime"],
    )
    call.target("Application", row.id, row.application["displayName"])
    return {"@odata.context": call.context("microsoft.graph.passwordCredential")} | _credential(secret, text)


def _time(name: str, value: Any) -> datetime | None:
    if value is None:
        return None
    try:
        at = datetime.fromisoformat(value)
        at = (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, TypeError, OverflowError):
        raise bad(f"passwordCredential.{name} is an ISO 8601 time.") from None
    if not 1970 <= at.year < 3000:
        raise bad(f"passwordCredential.{name} lies between the years 1970 and 3000.")
    return at


def _remove_password(call: Call, id: str) -> Answer:
    row = _find(call, id, sp=False)
    _guard(call, row)
    key_id = call.body().get("keyId")
    if not isinstance(key_id, str) or not writer(call).apps.remove_secret(row.id, key_id.lower()):
        raise bad("keyId names no secret of this application.")
    call.target("Application", row.id, row.application["displayName"])
    return None


def _sps(call: Call) -> Answer:
    rows = [_sp_row(call, r) for r in call.w.apps.rows() if r.sp_explicit]
    return call.collection("servicePrincipals", rows, call.query(_SP_PROPERTIES))


def _sp(call: Call, id: str) -> Answer:
    row = _sp_row(call, _find(call, id, sp=True))
    return call.entity("servicePrincipals", row, call.query(_SP_PROPERTIES).select)


def _add_sp(call: Call) -> Answer:
    body = without_annotations(call.body())
    app_id = body.pop("appId", None)
    row = call.w.apps.row(app_id.lower()) if isinstance(app_id, str) else None
    if row is None or row.app_id != str(app_id).lower():
        raise bad("appId names no application.")
    if row.sp_explicit:
        raise Problem(Code.CONFLICT, "The service principal of this application exists.")
    changes = parse(ServicePrincipal, body).model_dump(exclude_unset=True)
    row = replace(row, sp_explicit=True, service_principal=dict(row.service_principal) | changes)
    writer(call).apps.save(row)
    call.target("ServicePrincipal", row.sp_id, row.application["displayName"])
    return call.entity("servicePrincipals", _sp_row(call, row)), 201


def _change_sp(call: Call, id: str) -> Answer:
    row = _find(call, id, sp=True)
    _guard(call, row)
    changes = parse(ServicePrincipal, without_annotations(call.body())).model_dump(exclude_unset=True)
    writer(call).apps.save(replace(row, service_principal=dict(row.service_principal) | changes))
    call.target("ServicePrincipal", row.sp_id, row.application["displayName"])
    return None


# --- app role assignments --------------------------------------------------------------------------------------------

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


def _assign(call: Call, **named: str) -> Answer:
    """POST of an assignment at the resource, or at the principal."""
    body = without_annotations(call.body())
    wanted = {}
    for name in ("principalId", "resourceId", "appRoleId"):
        value = body.pop(name, named.get(name))
        if not isinstance(value, str):
            raise bad(f"{name} is missing.")
        wanted[name] = value.lower()
    if body:
        raise bad(f"There is no property {sorted(body)[0][:60]} that can be set here.")
    for name, value in named.items():
        if wanted[name] != value.lower():
            raise bad(f"{name} differs from the one in the address.")
    resource = _find(call, wanted["resourceId"], sp=True)
    kind, name_of = _principal(call, wanted["principalId"])
    if kind is None:
        raise bad("principalId names no user, group or service principal.")
    _check_role(call, resource, wanted["appRoleId"], kind)
    w = writer(call)
    same = w.apps.assignments(resource_sp_id=resource.sp_id, principal_id=wanted["principalId"])
    if any(a.app_role_id == wanted["appRoleId"] for a in same):
        raise bad("Permission being assigned already exists on the object.")
    assignment = RoleAssignment(
        call.moment.new_id(), wanted["principalId"], kind, resource.sp_id, wanted["appRoleId"], call.moment.at
    )
    w.apps.assign(assignment)
    call.target(kind, wanted["principalId"], name_of)
    return call.entity("appRoleAssignments", _assignment_row(call, assignment)), 201


def _check_role(call: Call, resource: AppRow, role: str, kind: str) -> None:
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
        if permission not in call.caller.roles and permission in PERMISSIONS:
            tier = " It is tier 0." if permission in TIER_ZERO else ""
            raise Problem(Code.FORBIDDEN, f"Only a holder of {permission} can grant it.{tier}")


def _assigned_to(call: Call, id: str) -> Answer:
    row = _find(call, id, sp=True)
    rows = [_assignment_row(call, a) for a in call.w.apps.assignments(resource_sp_id=row.sp_id)]
    return call.collection("appRoleAssignments", rows, call.query(_ASSIGNMENT_PROPERTIES))


def _unassign_at_resource(call: Call, id: str, assignment: str) -> Answer:
    row = _find(call, id, sp=True)
    found = call.w.apps.assignment(assignment.lower())
    if found is None or found.resource_sp_id != row.sp_id:
        raise not_found(assignment)
    return _unassign(call, found)


def _unassign(call: Call, found: RoleAssignment) -> Answer:
    writer(call).apps.unassign(found.id)
    call.target(found.principal_type, found.principal_id, None)
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


# --- claims mapping policies of a service principal ------------------------------------------------------------------


def _mapping_of(call: Call, id: str) -> Answer:
    row = _find(call, id, sp=True)
    policy = call.w.documents.policy(CLAIMS_MAPPING, row.claims_policy_id) if row.claims_policy_id else None
    rows = [{"id": policy.id, **policy.document}] if policy else []
    properties = frozenset({"id", "displayName", "definition"})
    return call.collection("policies/claimsMappingPolicies", rows, call.query(properties))


def _set_mapping(call: Call, id: str) -> Answer:
    row = _find(call, id, sp=True)
    _guard(call, row)
    reference = call.body().get("@odata.id")
    policy_id = reference.rstrip("/").rpartition("/")[2].lower() if isinstance(reference, str) else ""
    if call.w.documents.policy(CLAIMS_MAPPING, policy_id) is None:
        raise bad("@odata.id names no claims mapping policy.")
    if row.claims_policy_id is not None:
        raise Problem(Code.CONFLICT, "This service principal has a claims mapping policy. Take it off first.")
    writer(call).apps.save(replace(row, claims_policy_id=policy_id))
    call.target("ServicePrincipal", row.sp_id, row.application["displayName"])
    return None


def _unset_mapping(call: Call, id: str, policy: str) -> Answer:
    row = _find(call, id, sp=True)
    if row.claims_policy_id != policy.lower():
        raise not_found(policy)
    writer(call).apps.save(replace(row, claims_policy_id=None))
    call.target("ServicePrincipal", row.sp_id, row.application["displayName"])
    return None


_READ = ("Application.Read.All", "Application.ReadWrite.All", "Directory.Read.All")
_WRITE = ("Application.ReadWrite.All",)
_ASSIGN = ("AppRoleAssignment.ReadWrite.All",)
_READ_ASSIGNED = (*_READ, *_ASSIGN)
_MAP = ("Policy.ReadWrite.ApplicationConfiguration",)
_SP = "/servicePrincipals"
_APPS = "ApplicationManagement"


def _assignments_of(collection: str, kind: str) -> list[Route]:
    """appRoleAssignments as seen from a principal."""
    path = f"/{collection}/<id>/appRoleAssignments"
    return [
        Route("GET", path, _READ_ASSIGNED, _of_principal),
        Route(
            "POST",
            path,
            _ASSIGN,
            lambda call, id: _assign(call, principalId=id),
            f"Add app role assignment to {kind}",
            _APPS,
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
    Route("GET", "/applications", _READ, _apps),
    Route("POST", "/applications", _WRITE, _add_app, "Add application", _APPS),
    Route("GET", "/applications/<id>", _READ, _app),
    Route("PATCH", "/applications/<id>", _WRITE, _change_app, "Update application", _APPS),
    Route("DELETE", "/applications/<id>", _WRITE, _delete_app, "Delete application", _APPS),
    Route("POST", "/applications/<id>/addPassword", _WRITE, _add_password, "Add application secret", _APPS),
    Route(
        "POST",
        "/applications/<id>/removePassword",
        _WRITE,
        _remove_password,
        "Remove application secret",
        _APPS,
    ),
    Route("GET", _SP, _READ, _sps),
    Route("POST", _SP, _WRITE, _add_sp, "Add service principal", _APPS),
    Route("GET", f"{_SP}/<id>", _READ, _sp),
    Route("PATCH", f"{_SP}/<id>", _WRITE, _change_sp, "Update service principal", _APPS),
    Route("GET", f"{_SP}/<id>/appRoleAssignedTo", _READ_ASSIGNED, _assigned_to),
    Route(
        "POST",
        f"{_SP}/<id>/appRoleAssignedTo",
        _ASSIGN,
        lambda call, id: _assign(call, resourceId=id),
        "Add app role assignment",
        _APPS,
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
    Route("GET", "/users/<key>/appRoleAssignments", _READ_ASSIGNED, _of_user),
    Route(
        "POST",
        "/users/<key>/appRoleAssignments",
        _ASSIGN,
        _assign_user,
        "Add app role assignment to user",
        _APPS,
    ),
    Route(
        "DELETE",
        "/users/<key>/appRoleAssignments/<assignment>",
        _ASSIGN,
        _unassign_user,
        "Remove app role assignment from user",
        _APPS,
    ),
    Route("GET", f"{_SP}/<id>/claimsMappingPolicies", ("Policy.Read.All", *_MAP), _mapping_of),
    Route(
        "POST",
        f"{_SP}/<id>/claimsMappingPolicies/$ref",
        _MAP,
        _set_mapping,
        "Add policy to service principal",
    ),
    Route(
        "DELETE",
        f"{_SP}/<id>/claimsMappingPolicies/<policy>/$ref",
        _MAP,
        _unset_mapping,
        "Remove policy from service principal",
    ),
]
