"""Apps that register themselves (RFC 7591), and look after what they registered (RFC 7592)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from b2b_idp.guests.app_documents import checked_application
from b2b_idp.guests.app_keys import check_algorithm
from b2b_idp.guests.apps import add_password, create_app
from b2b_idp.guests.client_metadata import ClientMetadata
from b2b_idp.guests.registered_application import application_of
from b2b_idp.guests.registration_tokens import spend
from b2b_idp.keys.vault import Vault
from b2b_idp.model.audited import differences, directory_audit
from b2b_idp.model.directory import AppSecret
from b2b_idp.model.moment import Moment
from b2b_idp.model.problem import Code, Problem
from b2b_idp.store import Reader, Writer
from b2b_idp.store.apps import AppRow, app_of
from b2b_idp.store.registrations import InitialAccessToken

_KIND = "registration"
RENEWED_BEFORE = timedelta(days=30)
"""An update this long before the last secret ends, or later, brings a new one; the old one is good to its end."""


@dataclass(frozen=True, slots=True)
class Registered:
    """An app, and the secret that it was just given, if it was."""

    row: AppRow
    secret: AppSecret | None = None
    secret_text: str | None = field(default=None, repr=False)


def access_token_of(vault: Vault, row: AppRow) -> str:
    """The registration access token of an app (RFC 7592 §3): a handle, good for as long as the app is there."""
    return vault.handle(_KIND, row.id)


def register(
    w: Writer, vault: Vault, metadata: ClientMetadata, token: InitialAccessToken, moment: Moment
) -> Registered:
    """A new app. Raises Problem(INVALID_TOKEN) where the token is used up."""
    spend(w, token, moment.at)
    before = {"b2bIdp": {"requirePkce": token.require_pkce}}
    row = create_app(w, _checked(metadata, before), moment, service_principal={})
    made = _with_secret(w, vault, row, metadata, moment)
    details = [{"key": "registrationToken", "value": f"{token.id} {token.display_name}"}]
    _audit(w, row, "Add application", "Add", moment, {}, row.application, details)
    return made


def registered_by(r: Reader, vault: Vault, client_id: str, token: str) -> AppRow:
    """The app that this registration access token is of, whose client id is `client_id`.
    Raises Problem(INVALID_TOKEN), the same whatever is wrong."""
    handle = vault.read_handle(_KIND, token)
    row = r.apps.row(handle.id) if handle is not None else None
    if row is None or row.app_id != client_id:
        raise Problem(Code.INVALID_TOKEN, "The registration access token is not valid.", "unknown, or another app's")
    app = app_of(row)
    if app.registration is None or not app.enabled:
        raise Problem(Code.INVALID_TOKEN, "The registration access token is not valid.", "the app is disabled")
    return row


def update(w: Writer, vault: Vault, row: AppRow, metadata: ClientMetadata, moment: Moment) -> Registered:
    """The app with other metadata in place of those that it had; what administrators gave it stays."""
    after = replace(row, application=_checked(metadata, row.application, own_keys=bool(w.app_keys.of(row.id))))
    w.apps.save(after)
    _audit(w, after, "Update application", "Update", moment, row.application, after.application)
    return _with_secret(w, vault, after, metadata, moment)


def delete(w: Writer, row: AppRow, moment: Moment) -> None:
    """Ends the app: with it what it may do, its tokens and its refresh tokens."""
    w.grants.revoke_app(row.app_id, moment.at)
    w.apps.delete(row)
    _audit(w, row, "Delete application", "Delete", moment, row.application, {})


def _checked(metadata: ClientMetadata, before: Mapping[str, Any], *, own_keys: bool = False) -> dict[str, Any]:
    """The application, checked as one that an administrator writes; `own_keys`: it has signing keys of its own."""
    try:
        application = checked_application(application_of(metadata, before))
        check_algorithm(application, others=own_keys)
        return application
    except Problem as problem:
        raise Problem(Code.INVALID_CLIENT_METADATA, problem.say) from None


def _with_secret(w: Writer, vault: Vault, row: AppRow, metadata: ClientMetadata, moment: Moment) -> Registered:
    secrets = w.apps.secrets(row.id)
    if not metadata.has_secret:
        for secret in secrets:
            w.apps.remove_secret(row.id, secret.key_id)
        return Registered(row)
    if any(s.ends_at > moment.at + RENEWED_BEFORE for s in secrets):
        return Registered(row)
    for secret in secrets:
        if secret.ends_at <= moment.at:
            w.apps.remove_secret(row.id, secret.key_id)
    return Registered(row, *add_password(w, row, vault, moment, display_name="registration"))


def _audit(
    w: Writer,
    row: AppRow,
    activity: str,
    operation: str,
    moment: Moment,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    details: list[dict[str, str]] | None = None,
) -> None:
    name = row.application["displayName"]
    target = {"id": row.id, "displayName": name, "type": "Application"}
    by = {"appId": row.app_id, "servicePrincipalId": row.sp_id, "servicePrincipalName": None, "displayName": name}
    entry = directory_audit(
        moment,
        activity,
        [target | {"modifiedProperties": differences(before, after)}],
        category="ApplicationManagement",
        operation=operation,
        app=by,
        reason="by the app itself",
        details=details or [],
    )
    w.logs.add_audit(entry, moment.at)
