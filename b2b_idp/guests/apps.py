"""Registering applications, their secrets, and the Graph API's own service principal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from b2b_idp.guests.permissions import PERMISSIONS, role_id
from b2b_idp.keys.vault import Vault, client_secret
from b2b_idp.model.directory import GRAPH_APP_ID, AppSecret, RoleAssignment
from b2b_idp.model.moment import Moment
from b2b_idp.model.problem import Code, Problem
from b2b_idp.store import Reader, Writer
from b2b_idp.store.apps import AppRow

SECRET_LIFETIME = timedelta(days=2 * 365)
MAX_SECRETS = 20


def create_app(
    w: Writer,
    application: Mapping[str, Any],
    moment: Moment,
    *,
    app_id: str | None = None,
    service_principal: Mapping[str, Any] | None = None,
) -> AppRow:
    """Registers an application (checked, in Graph's shape). Its service principal is there at once; it is listed when
    `service_principal` gives it, or when it is added by itself later."""
    row = AppRow(
        id=moment.new_id(),
        app_id=app_id or moment.new_id(),
        sp_id=moment.new_id(),
        sp_explicit=service_principal is not None,
        created_at=moment.at,
        version=0,
        application=dict(application),
        service_principal=dict(service_principal or {}),
    )
    w.apps.add(row)
    return row


def check_identifier_uris(r: Reader, application: Mapping[str, Any], id: str | None, issuer: str) -> None:
    """No other application (than the one whose object id is `id`) has these, nor the provider itself.
    Raises Problem(BAD_REQUEST | CONFLICT)."""
    for uri in application.get("identifierUris") or []:
        if uri.casefold().startswith((issuer.casefold(), "https://graph.microsoft.com")):
            raise Problem(Code.BAD_REQUEST, f"identifierUris: {uri[:100]} belongs to this provider's own API.")
        owner = r.apps.by_identifier_uri(uri)
        if owner is not None and owner.id != id:
            raise Problem(Code.CONFLICT, f"Another application has the identifier URI {uri[:100]}.")


def add_password(
    w: Writer,
    row: AppRow,
    vault: Vault,
    moment: Moment,
    *,
    display_name: str | None = None,
    starts_at: datetime | None = None,
    ends_at: datetime | None = None,
) -> tuple[AppSecret, str]:
    """A new secret for an application; its text is returned this once and kept as a keyed hash."""
    if len(w.apps.secrets(row.id)) >= MAX_SECRETS:
        raise Problem(Code.BAD_REQUEST, f"An application has at most {MAX_SECRETS} secrets. Remove one first.")
    text = client_secret(moment.new_secret())
    starts = starts_at or moment.at
    secret = AppSecret(
        key_id=moment.new_id(),
        secret_hash=vault.digest("client-secret", text),
        hint=text.removeprefix("b2bs_")[:3],
        display_name=display_name,
        starts_at=starts,
        ends_at=ends_at or starts + SECRET_LIFETIME,
    )
    if secret.ends_at <= secret.starts_at:
        raise Problem(Code.BAD_REQUEST, "passwordCredential.endDateTime lies after startDateTime.")
    w.apps.add_secret(row.id, secret)
    return secret, text


def _can_grant(r: Reader, at: datetime) -> bool:
    """Whether an enabled app that can prove itself holds the permission to grant permissions."""
    graph, wanted = r.apps.row(GRAPH_APP_ID), role_id("AppRoleAssignment.ReadWrite.All")
    held = r.apps.assignments(resource_sp_id=graph.sp_id) if graph is not None else []
    rows = [r.apps.row(a.principal_id) for a in held if a.app_role_id == wanted]
    return any(_proves_itself(r, row, at) for row in rows if row is not None)


def _proves_itself(r: Reader, row: AppRow, at: datetime) -> bool:
    keys = ((row.application.get("b2bIdp") or {}).get("jwks") or {}).get("keys")
    enabled = row.service_principal.get("accountEnabled", True) is not False
    return enabled and (bool(keys) or any(s.starts_at <= at < s.ends_at for s in r.apps.secrets(row.id)))


@contextmanager
def granting_stays(w: Writer, at: datetime) -> Iterator[None]:
    """Around a change of apps, their secrets or permissions: Problem(CONFLICT) when after it nothing can grant
    permissions any more."""
    before = _can_grant(w, at)
    yield
    if before and not _can_grant(w, at):
        raise Problem(
            Code.CONFLICT,
            "Nothing could grant permissions any more: keep an app that has AppRoleAssignment.ReadWrite.All and a "
            "secret or key.",
        )


def _hand_on_new_permissions(w: Writer, graph: AppRow, moment: Moment) -> None:
    """Who holds every permission that there was holds every one that there is: else nobody could grant the new ones."""
    earlier = {r["id"] for r in graph.application.get("appRoles") or ()}
    held: dict[str, set[str]] = {}
    for a in w.apps.assignments(resource_sp_id=graph.sp_id):
        if a.principal_type == "ServicePrincipal":
            held.setdefault(a.principal_id, set()).add(a.app_role_id)
    for principal, roles in held.items():
        if earlier and earlier <= roles:
            for id in sorted(set(PERMISSIONS.values()) - roles):
                w.apps.assign(
                    RoleAssignment(moment.new_id(), principal, "ServicePrincipal", graph.sp_id, id, moment.at)
                )


def graph_service_principal(w: Writer, moment: Moment) -> AppRow:
    """The Graph API itself, whose app roles are the permissions: made at first use, completed by later versions."""
    row = w.apps.row(GRAPH_APP_ID)
    roles = [
        {
            "id": role_id(name),
            "value": name,
            "displayName": name,
            "description": name,
            "isEnabled": True,
            "allowedMemberTypes": ["Application"],
        }
        for name in PERMISSIONS
    ]
    if row is not None:
        if row.application.get("appRoles") != roles:
            _hand_on_new_permissions(w, row, moment)
            w.apps.save(replace(row, application=dict(row.application) | {"appRoles": roles}))
        return row
    return create_app(
        w,
        {"displayName": "Microsoft Graph", "appRoles": roles},
        moment,
        app_id=GRAPH_APP_ID,
        service_principal={"appRoleAssignmentRequired": False},
    )


def create_admin_app(w: Writer, vault: Vault, moment: Moment) -> tuple[AppRow, str]:
    """The first administrator app, which holds every application permission, and its secret."""
    graph = graph_service_principal(w, moment)
    row = create_app(w, {"displayName": "Administrator"}, moment, service_principal={})
    _, text = add_password(w, row, vault, moment, display_name="init")
    for name in PERMISSIONS:
        w.apps.assign(
            RoleAssignment(moment.new_id(), row.sp_id, "ServicePrincipal", graph.sp_id, role_id(name), moment.at)
        )
    return row, text
