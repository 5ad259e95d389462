"""applications and servicePrincipals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any

from pydantic import StringConstraints

from b2b_idp.graph.api import Answer, Call, Route, not_found, writer
from b2b_idp.graph.body import bad, check_writable, instant, without_annotations
from b2b_idp.graph.key_credentials import key_credentials, key_passwords
from b2b_idp.graph.self_registered import check_registration, check_scopes
from b2b_idp.guests.app_documents import Application, NewServicePrincipal, ServicePrincipal, checked_application
from b2b_idp.guests.app_keys import check_algorithm, replace_keys
from b2b_idp.guests.apps import add_password, check_identifier_uris, create_app, granting_stays
from b2b_idp.guests.permissions import PERMISSIONS, TIER_ZERO, role_id
from b2b_idp.model.directory import GRAPH_APP_ID, AppKey, AppSecret, all_tags
from b2b_idp.model.moment import iso
from b2b_idp.model.problem import Code, Problem
from b2b_idp.policy.documents import Document, Guid, parse
from b2b_idp.store.apps import AppRow, app_of

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
SP_PROPERTIES = frozenset(
    "id appId displayName appDisplayName accountEnabled appRoleAssignmentRequired appRoles servicePrincipalType tags "
    "servicePrincipalNames oauth2PermissionScopes replyUrls appOwnerOrganizationId notes description "
    "homepage loginUrl preferredSingleSignOnMode preferredTokenSigningKeyThumbprint keyCredentials "
    "passwordCredentials".split()
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


def sp_row(call: Call, row: AppRow) -> dict[str, Any]:
    """A service principal as Graph shows it."""
    application, own = row.application, row.service_principal
    api = application.get("api") or {}
    keys = call.w.app_keys.of(row.id)
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
        "tags": all_tags(application, own),
        "notes": own.get("notes"),
        "description": own.get("description"),
        "homepage": own.get("homepage"),
        "loginUrl": own.get("loginUrl"),
        "preferredSingleSignOnMode": own.get("preferredSingleSignOnMode"),
        "preferredTokenSigningKeyThumbprint": own.get("preferredTokenSigningKeyThumbprint"),
        "keyCredentials": key_credentials(keys),
        "passwordCredentials": key_passwords(keys),
        "appOwnerOrganizationId": call.w.configuration.tenant.id,
    }


def find_app(call: Call, key: str, *, sp: bool) -> AppRow:
    """By object id, or `appId=…` as Graph's alternate key."""
    alternate, wanted = key.startswith("appId="), key.removeprefix("appId=").lower()
    row: AppRow | None = call.w.apps.row(wanted)
    named = None if row is None else row.app_id if alternate else row.sp_id if sp else row.id
    if row is None or named != wanted:
        raise not_found(key)
    return row


def guard(call: Call, row: AppRow) -> None:
    """Whoever adds a secret or an address to an app becomes that app, or gets what people let it do: not to one that
    may more than the caller."""
    guard_permissions(call, row)
    if {s for s in app_of(row).consent_granted if s in PERMISSIONS} - call.permissions:
        raise Problem(Code.FORBIDDEN, "This application may ask people for permissions that the caller does not have.")


def guard_permissions(call: Call, row: AppRow) -> None:
    """Raises Problem(FORBIDDEN) for the Graph API itself and for apps whose own permissions the caller lacks."""
    if row.app_id == GRAPH_APP_ID:
        raise Problem(Code.FORBIDDEN, "The Graph API's own application cannot be changed.")
    graph = call.w.apps.by_client_id(GRAPH_APP_ID)
    held = set(call.w.apps.role_ids(graph.sp_id, [row.sp_id])) if graph else set()
    stronger = held - {role_id(p) for p in call.holds}
    if stronger:
        raise Problem(Code.FORBIDDEN, "This application holds permissions that the caller does not have.")


def check_consent(call: Call, before: Iterable[str], after: Iterable[str]) -> None:
    """Letting an app ask people for more is an administrator's grant, whichever way it is written; what is tier 0 is
    given by its holders only. Raises Problem(FORBIDDEN)."""
    more = set(after) - set(before)
    if more and not call.permits("DelegatedPermissionGrant.ReadWrite.All"):
        raise Problem(Code.FORBIDDEN, "b2bIdp.adminConsent needs DelegatedPermissionGrant.ReadWrite.All.")
    beyond = sorted({s.rpartition("/")[2] for s in more} & TIER_ZERO - call.holds)
    if beyond:
        raise Problem(Code.FORBIDDEN, f"Only a holder of {beyond[0]} can grant it. It is tier 0.")


def consented(application: Mapping[str, Any]) -> list[str]:
    """The delegated permissions that administrators consented to, in b2bIdp.adminConsent."""
    return list((application.get("b2bIdp") or {}).get("adminConsent") or [])


def _apps(call: Call) -> Answer:
    rows = [_app_row(call, r) for r in call.w.apps.rows() if r.app_id != GRAPH_APP_ID]
    return call.collection("applications", rows, call.query(_APP_PROPERTIES))


def _app(call: Call, id: str) -> Answer:
    row = _app_row(call, find_app(call, id, sp=False))
    return call.entity("applications", row, call.query(_APP_PROPERTIES).select)


def _add_app(call: Call) -> Answer:
    body = without_annotations(call.body())
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
    check_registration({}, body)
    application = checked_application(body)
    check_consent(call, (), consented(application))
    w = writer(call)
    check_identifier_uris(w, application, None, call.parts.issuer)
    row = create_app(w, application, call.moment)
    call.target("Application", row.id, application["displayName"], {}, application)
    return call.entity("applications", _app_row(call, row)), 201


_READ_ONLY = frozenset({"id", "appId", "createdDateTime", "publisherDomain", "passwordCredentials"})


def _change_app(call: Call, id: str) -> Answer:
    row = find_app(call, id, sp=False)
    guard(call, row)
    change = without_annotations(call.body())
    check_writable(change, _READ_ONLY)
    merged = dict(row.application)
    for name, value in change.items():
        before = merged.get(name)
        nested = name in ("web", "spa", "publicClient", "api", "b2bIdp")
        merged[name] = before | value if nested and isinstance(before, dict) and isinstance(value, dict) else value
    check_registration(row.application, merged)
    application = checked_application(merged)
    check_algorithm(application, others=bool(call.w.app_keys.of(row.id)))
    check_consent(call, consented(row.application), consented(application))
    check_scopes(application, consented(application), call.parts.issuer)
    check_identifier_uris(call.w, application, row.id, call.parts.issuer)
    w = writer(call)
    with granting_stays(w, call.moment.at):
        w.apps.save(replace(row, application=application))
    call.target("Application", row.id, application["displayName"], row.application, application)
    return None


def _delete_app(call: Call, id: str) -> Answer:
    row = find_app(call, id, sp=False)
    guard(call, row)
    if row.app_id == call.caller.app_id:
        raise bad("An application cannot delete itself.")
    w = writer(call)
    with granting_stays(w, call.moment.at):
        w.apps.delete(row)
    call.target("Application", row.id, row.application["displayName"], row.application, {})
    return None


class _NewCredential(Document):
    displayName: Annotated[str, StringConstraints(max_length=256)] | None = None
    startDateTime: str | None = None
    endDateTime: str | None = None
    customKeyIdentifier: None = None
    hint: None = None
    keyId: None = None
    secretText: None = None


class AddPassword(Document):
    """The body of addPassword; what is made here can only be null."""

    passwordCredential: _NewCredential | None = None


class RemovePassword(Document):
    """The body of removePassword."""

    keyId: Guid


def _add_password(call: Call, id: str) -> Answer:
    row = find_app(call, id, sp=False)
    guard(call, row)
    asked = parse(AddPassword, call.body()).passwordCredential or _NewCredential()
    secret, text = add_password(
        writer(call),
        row,
        call.parts.vault,
        call.moment,
        display_name=asked.displayName,
        starts_at=_time("startDateTime", asked.startDateTime),
        ends_at=_time("endDateTime", asked.endDateTime),
    )
    shown = {"passwordCredentials": _credential(secret)}
    call.target("Application", row.id, row.application["displayName"], {}, shown)
    return {"@odata.context": call.context("microsoft.graph.passwordCredential")} | _credential(secret, text)


def _time(name: str, value: str | None) -> datetime | None:
    return None if value is None else instant(f"passwordCredential.{name}", value)


def _remove_password(call: Call, id: str) -> Answer:
    row = find_app(call, id, sp=False)
    guard(call, row)
    key_id = parse(RemovePassword, call.body()).keyId
    w = writer(call)
    with granting_stays(w, call.moment.at):
        if not w.apps.remove_secret(row.id, key_id):
            raise bad("keyId names no secret of this application.")
    call.target("Application", row.id, row.application["displayName"], {"passwordCredentials": key_id}, {})
    return None


def _sps(call: Call) -> Answer:
    rows = [sp_row(call, r) for r in call.w.apps.rows() if r.sp_explicit]
    return call.collection("servicePrincipals", rows, call.query(SP_PROPERTIES))


def _sp(call: Call, id: str) -> Answer:
    row = sp_row(call, find_app(call, id, sp=True))
    return call.entity("servicePrincipals", row, call.query(SP_PROPERTIES).select)


def _add_sp(call: Call) -> Answer:
    asked = parse(NewServicePrincipal, call.body())
    row = call.w.apps.row(asked.appId)
    if row is None or row.app_id != asked.appId:
        raise bad("appId names no application.")
    guard(call, row)
    if row.sp_explicit:
        raise Problem(Code.CONFLICT, "The service principal of this application exists.")
    for name in ("keyCredentials", "passwordCredentials", "preferredTokenSigningKeyThumbprint"):
        if getattr(asked, name):
            raise bad(f"{name}: add signing keys once the service principal is there.")
    keys = {"keyCredentials", "passwordCredentials"}
    changes = asked.model_dump(exclude_unset=True, exclude={"appId", *keys})
    row = replace(row, sp_explicit=True, service_principal=dict(row.service_principal) | changes)
    writer(call).apps.save(row)
    call.target("ServicePrincipal", row.sp_id, row.application["displayName"])
    return call.entity("servicePrincipals", sp_row(call, row)), 201


def _change_sp(call: Call, id: str) -> Answer:
    row = find_app(call, id, sp=True)
    guard(call, row)
    asked = parse(ServicePrincipal, without_annotations(call.body()))
    changes = asked.model_dump(exclude_unset=True, exclude={"keyCredentials", "passwordCredentials"})
    after = dict(row.service_principal) | changes
    w = writer(call)
    keys = w.app_keys.of(row.id)
    if asked.keyCredentials is not None:
        replace_keys(w, row, asked.keyCredentials, asked.passwordCredentials or [], call.moment)
    elif asked.passwordCredentials:
        raise bad("passwordCredentials: send them with the keyCredentials that they open.")
    keys_after = w.app_keys.of(row.id)
    if _PREFERRED in after:
        after[_PREFERRED] = _preferred(after[_PREFERRED], keys_after, asked=_PREFERRED in changes)
    with granting_stays(w, call.moment.at):
        w.apps.save(replace(row, service_principal=after))
    call.target(
        "ServicePrincipal",
        row.sp_id,
        row.application["displayName"],
        dict(row.service_principal) | {"keyCredentials": key_credentials(keys)},
        after | {"keyCredentials": key_credentials(keys_after)},
    )
    return None


_PREFERRED = "preferredTokenSigningKeyThumbprint"


def _preferred(thumbprint: str | None, keys: Iterable[AppKey], *, asked: bool) -> str | None:
    """The thumbprint of the preferred signing key; one that is gone is preferred no more."""
    wanted = (thumbprint or "").upper()
    if not wanted or any(k.thumbprint == wanted for k in keys):
        return wanted or None
    if asked:
        raise bad(f"{_PREFERRED} names no signing key of this service principal.")
    return None


_READ = ("Application.Read.All", "Application.ReadWrite.All", "Directory.Read.All")
_WRITE = ("Application.ReadWrite.All",)
_SP = "/servicePrincipals"
_APPS = "ApplicationManagement"

ROUTES = [
    Route("GET", "/applications", _READ, _apps, gives="application[]"),
    Route("POST", "/applications", _WRITE, _add_app, "Add application", _APPS, body=Application, gives="application"),
    Route("GET", "/applications/<id>", _READ, _app, gives="application"),
    Route("PATCH", "/applications/<id>", _WRITE, _change_app, "Update application", _APPS, body=Application),
    Route("DELETE", "/applications/<id>", _WRITE, _delete_app, "Delete application", _APPS),
    Route(
        "POST",
        "/applications/<id>/addPassword",
        _WRITE,
        _add_password,
        "Add application secret",
        _APPS,
        body=AddPassword,
        gives="passwordCredential",
    ),
    Route(
        "POST",
        "/applications/<id>/removePassword",
        _WRITE,
        _remove_password,
        "Remove application secret",
        _APPS,
        body=RemovePassword,
    ),
    Route("GET", _SP, _READ, _sps, gives="servicePrincipal[]"),
    Route(
        "POST", _SP, _WRITE, _add_sp, "Add service principal", _APPS, body=NewServicePrincipal, gives="servicePrincipal"
    ),
    Route("GET", f"{_SP}/<id>", _READ, _sp, gives="servicePrincipal"),
    Route("PATCH", f"{_SP}/<id>", _WRITE, _change_sp, "Update service principal", _APPS, body=ServicePrincipal),
]
