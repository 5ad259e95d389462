"""authorizationPolicy, the domain list (b2bManagementPolicies), and what administrators consented to for apps."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import StringConstraints

from b2b_idp.graph.api import Answer, Call, Route, not_found, writer
from b2b_idp.graph.apps import check_consent, consented, find_app, guard_permissions
from b2b_idp.graph.body import bad, without_annotations
from b2b_idp.graph.self_registered import check_scopes
from b2b_idp.guests.addresses import a_label
from b2b_idp.guests.permissions import PERMISSIONS
from b2b_idp.model.authorization import GUEST_LIMITED
from b2b_idp.model.directory import GRAPH_APP_ID
from b2b_idp.model.problem import Code, Problem
from b2b_idp.policy.authorization import (
    AuthorizationPolicyDocument,
    B2BManagementPolicyDocument,
    authorization_policy_of,
    domain_policy_of,
)
from b2b_idp.policy.documents import Document, Guid, parse
from b2b_idp.store.apps import AppRow, app_of
from b2b_idp.store.configuration import AUTHORIZATION, B2B_MANAGEMENT, PolicyRow

_AS_SHIPPED: dict[str, Any] = {
    "id": "authorizationPolicy",
    "deletedDateTime": None,
    "displayName": "Authorization Policy",
    "description": "Who may invite guests, and what guests may read of the directory.",
    "allowInvitesFrom": "everyone",
    "allowUserConsentForRiskyApps": None,
    "allowedToSignUpEmailBasedSubscriptions": False,
    "allowedToUseSSPR": False,
    "allowEmailVerifiedUsersToJoinOrganization": False,
    "blockMsolPowerShell": False,
    "guestUserRoleId": GUEST_LIMITED,
    "defaultUserRolePermissions": {
        "allowedToCreateApps": False,
        "allowedToCreateSecurityGroups": False,
        "allowedToCreateTenants": False,
        "allowedToReadBitlockerKeysForOwnedDevice": False,
        "allowedToReadOtherUsers": True,
        "permissionGrantPoliciesAssigned": [],
    },
}
_EXTENSION_AS_SHIPPED: dict[str, Any] = {
    "invitationsPerDay": None,
    "guestLifetimeDays": None,
    "redirectOrigins": [],
    "powersNeedLocalFactor": True,
}


def _authorization_row(call: Call) -> dict[str, Any]:
    document = dict(call.w.configuration.authorization.properties)
    ours = _EXTENSION_AS_SHIPPED | (document.pop("b2bIdp", None) or {})
    return _AS_SHIPPED | {k: v for k, v in document.items() if v is not None} | {"b2bIdp": ours}


def _authorization(call: Call) -> Answer:
    row = _authorization_row(call)
    return call.entity("policies/authorizationPolicy", row, call.query(frozenset(row)).select) | {
        "@odata.context": call.context("policies/authorizationPolicy/$entity")
    }


def _change_authorization(call: Call) -> Answer:
    change = without_annotations(call.body())
    for name in ("id", "deletedDateTime"):
        if name in change:
            raise bad(f"{name} is read-only.")
    before, w = _authorization_row(call), writer(call)
    document = dict(call.w.configuration.authorization.properties)
    for name, value in change.items():
        old = document.get(name)
        document[name] = old | value if isinstance(old, dict) and isinstance(value, dict) else value
    authorization_policy_of(document)
    rows = w.documents.policies(AUTHORIZATION)
    if rows:
        w.documents.save_policy(rows[0].id, document, call.moment.at)
    else:
        w.documents.add_policy(PolicyRow(call.moment.new_id(), AUTHORIZATION, call.moment.at, None, document))
    w.reload()
    call.target("Policy", "authorizationPolicy", "authorizationPolicy", before, _authorization_row(call))
    return None


# --- the domain list --------------------------------------------------------------------------------------------------

_LIST = "policies/b2bManagementPolicies"
_LIST_PROPERTIES = frozenset(
    {"id", "displayName", "description", "definition", "isOrganizationDefault", "deletedDateTime"}
)


def _list_row(row: PolicyRow) -> dict[str, Any]:
    shown = {"id": row.id, "deletedDateTime": None, "description": None, "isOrganizationDefault": True}
    return shown | {k: v for k, v in row.document.items() if k != "type"}


def _lists(call: Call) -> Answer:
    rows = [_list_row(r) for r in call.w.documents.policies(B2B_MANAGEMENT)]
    return call.collection(_LIST, rows, call.query(_LIST_PROPERTIES))


def _find_list(call: Call, id: str) -> PolicyRow:
    row: PolicyRow | None = call.w.documents.policy(B2B_MANAGEMENT, id.lower())
    if row is None:
        raise not_found(id)
    return row


def _get_list(call: Call, id: str) -> Answer:
    return call.entity(_LIST, _list_row(_find_list(call, id)), call.query(_LIST_PROPERTIES).select)


def _add_list(call: Call) -> Answer:
    document = without_annotations(call.body())
    domain_policy_of(document, a_label)
    w = writer(call)
    if w.documents.policies(B2B_MANAGEMENT):
        raise Problem(Code.CONFLICT, "There is one B2BManagementPolicy a tenant. Change the one that exists.")
    row = PolicyRow(call.moment.new_id(), B2B_MANAGEMENT, call.moment.at, None, document)
    w.documents.add_policy(row)
    call.target("Policy", row.id, document["displayName"], {}, document)
    return call.entity(_LIST, _list_row(row)), 201


def _change_list(call: Call, id: str) -> Answer:
    row = _find_list(call, id)
    merged = dict(row.document) | without_annotations(call.body())
    domain_policy_of(merged, a_label)
    writer(call).documents.save_policy(row.id, merged, call.moment.at)
    call.target("Policy", row.id, merged["displayName"], row.document, merged)
    return None


def _delete_list(call: Call, id: str) -> Answer:
    row = _find_list(call, id)
    writer(call).documents.delete_policy(row.id)
    call.target("Policy", row.id, row.document["displayName"], row.document, {})
    return None


# --- delegated permissions that an administrator consented to ---------------------------------------------------------

_GRANTS = "oauth2PermissionGrants"
_GRANT_PROPERTIES = frozenset({"id", "clientId", "consentType", "principalId", "resourceId", "scope"})


class GrantDocument(Document):
    """Graph's oauth2PermissionGrant; consent is always an administrator's, for everybody."""

    clientId: Guid
    consentType: Literal["AllPrincipals"]
    resourceId: Guid
    scope: Annotated[str, StringConstraints(max_length=4000)]
    principalId: None = None


class GrantChange(Document):
    """The body of PATCH."""

    scope: Annotated[str, StringConstraints(max_length=4000)]


def _prefixes(resource: AppRow) -> list[str]:
    """How scopes of this API begin; the Graph API's and OpenID's go by their bare names."""
    return [""] if resource.app_id == GRAPH_APP_ID else [u + "/" for u in app_of(resource).identifier_uris]


def _of_resource(scope: str, resource: AppRow) -> bool:
    if resource.app_id == GRAPH_APP_ID:
        return "/" not in scope
    return any(scope.startswith(p) for p in _prefixes(resource))


def _grant_row(client: AppRow, resource: AppRow) -> dict[str, Any] | None:
    names = [s.rpartition("/")[2] for s in consented(client.application) if _of_resource(s, resource)]
    if not names:
        return None
    return {
        "id": f"{client.sp_id}.{resource.sp_id}",
        "clientId": client.sp_id,
        "consentType": "AllPrincipals",
        "principalId": None,
        "resourceId": resource.sp_id,
        "scope": " ".join(names),
    }


def _grants(call: Call) -> Answer:
    apps = call.w.apps.rows()
    pairs = [_grant_row(client, resource) for client in apps if consented(client.application) for resource in apps]
    rows = [row for row in pairs if row is not None]
    return call.collection(_GRANTS, rows, call.query(_GRANT_PROPERTIES))


def _add_grant(call: Call) -> Answer:
    asked = parse(GrantDocument, call.body())
    client, resource = find_app(call, asked.clientId, sp=True), find_app(call, asked.resourceId, sp=True)
    if _grant_row(client, resource) is not None:
        raise Problem(Code.CONFLICT, "Permission entry already exists. Change it instead.")
    _set_consent(call, client, resource, asked.scope.split())
    row = _grant_row(find_app(call, client.sp_id, sp=True), resource)
    if row is None:
        raise bad("scope names nothing.")
    return call.entity(_GRANTS, row), 201


def _set_consent(call: Call, client: AppRow, resource: AppRow, names: list[str]) -> None:
    guard_permissions(call, client)
    known = set(_scopes_of(resource))
    for name in names:
        if name not in known:
            raise bad(f"scope: {name[:60]} is no delegated permission of {resource.application['displayName'][:60]}.")
    prefix = _prefixes(resource)[0]
    kept = [s for s in consented(client.application) if not _of_resource(s, resource)]
    before = consented(client.application)
    after = [*kept, *dict.fromkeys(prefix + n for n in names)]
    check_consent(call, before, after)
    check_scopes(client.application, after, call.parts.issuer)
    ours = dict(client.application.get("b2bIdp") or {}) | {"adminConsent": after}
    writer(call).apps.save(replace(client, application=dict(client.application) | {"b2bIdp": ours}))
    name = client.application["displayName"]
    call.target("ServicePrincipal", client.sp_id, name, {"adminConsent": before}, {"adminConsent": after})


def _scopes_of(resource: AppRow) -> list[str]:
    if resource.app_id == GRAPH_APP_ID:
        return [*PERMISSIONS, "User.Read", "openid", "profile", "email", "offline_access"]
    return list(app_of(resource).scopes) if app_of(resource).identifier_uris else []


def _find_grant(call: Call, id: str) -> tuple[AppRow, AppRow, dict[str, Any]]:
    client_id, _, resource_id = id.lower().partition(".")
    client, resource = call.w.apps.row(client_id), call.w.apps.row(resource_id)
    row = _grant_row(client, resource) if client is not None and resource is not None else None
    if client is None or resource is None or row is None:
        raise not_found(id)
    return client, resource, row


def _get_grant(call: Call, id: str) -> Answer:
    return call.entity(_GRANTS, _find_grant(call, id)[2], call.query(_GRANT_PROPERTIES).select)


def _change_grant(call: Call, id: str) -> Answer:
    client, resource, _ = _find_grant(call, id)
    _set_consent(call, client, resource, parse(GrantChange, call.body()).scope.split())
    return None


def _delete_grant(call: Call, id: str) -> Answer:
    client, resource, _ = _find_grant(call, id)
    _set_consent(call, client, resource, [])
    return None


_READ = ("Policy.Read.All", "Policy.ReadWrite.Authorization")
_WRITE = ("Policy.ReadWrite.Authorization",)
_POLICY = "/policies/authorizationPolicy"
_READ_GRANTS = ("DelegatedPermissionGrant.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All")
_WRITE_GRANTS = ("DelegatedPermissionGrant.ReadWrite.All",)
_CONSENT = "ApplicationManagement"

ROUTES = [
    Route("GET", _POLICY, _READ, _authorization, gives="authorizationPolicy"),
    Route(
        "PATCH", _POLICY, _WRITE, _change_authorization, "Update authorization policy", body=AuthorizationPolicyDocument
    ),
    Route("GET", f"/{_LIST}", _READ, _lists, gives="stsPolicy[]"),
    Route(
        "POST",
        f"/{_LIST}",
        _WRITE,
        _add_list,
        "Add policy",
        body=B2BManagementPolicyDocument,
        gives="stsPolicy",
    ),
    Route("GET", f"/{_LIST}/<id>", _READ, _get_list, gives="stsPolicy"),
    Route("PATCH", f"/{_LIST}/<id>", _WRITE, _change_list, "Update policy", body=B2BManagementPolicyDocument),
    Route("DELETE", f"/{_LIST}/<id>", _WRITE, _delete_list, "Delete policy"),
    Route("GET", f"/{_GRANTS}", _READ_GRANTS, _grants, gives="oAuth2PermissionGrant[]"),
    Route(
        "POST",
        f"/{_GRANTS}",
        _WRITE_GRANTS,
        _add_grant,
        "Add delegated permission grant",
        _CONSENT,
        body=GrantDocument,
        gives="oAuth2PermissionGrant",
    ),
    Route("GET", f"/{_GRANTS}/<id>", _READ_GRANTS, _get_grant, gives="oAuth2PermissionGrant"),
    Route(
        "PATCH",
        f"/{_GRANTS}/<id>",
        _WRITE_GRANTS,
        _change_grant,
        "Update delegated permission grant",
        _CONSENT,
        body=GrantChange,
    ),
    Route("DELETE", f"/{_GRANTS}/<id>", _WRITE_GRANTS, _delete_grant, "Remove delegated permission grant", _CONSENT),
]
