"""What administrators may not do to apps that registered themselves (RFC 7591): speak for them, or let them in here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from b2b_idp.graph.body import bad
from b2b_idp.guests.permissions import PERMISSIONS
from b2b_idp.model.directory import GRAPH_APP_ID
from b2b_idp.store.apps import AppRow

_BASES = ("", "https://graph.microsoft.com")


def registration_of(application: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """What the app registered; None for an app that an administrator registered."""
    registration: Mapping[str, Any] | None = (application.get("b2bIdp") or {}).get("registration")
    return registration


def check_registration(before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """That an app registered itself, and as what, is not an administrator's to say. Raises Problem(BAD_REQUEST)."""
    if registration_of(before) != registration_of(after):
        raise bad("b2bIdp.registration is read-only.")


def check_scopes(application: Mapping[str, Any], scopes: Iterable[str], issuer: str) -> None:
    """It gets no delegated permission on this API. Raises Problem(BAD_REQUEST)."""
    if registration_of(application) is not None and any(_is_ours(s, issuer) for s in scopes):
        raise _none()


def check_permission(principal: AppRow | None, resource: AppRow) -> None:
    """It gets no application permission on this API. Raises Problem(BAD_REQUEST)."""
    itself = principal is not None and registration_of(principal.application) is not None
    if itself and resource.app_id == GRAPH_APP_ID:
        raise _none()


def _is_ours(scope: str, issuer: str) -> bool:
    base, _, name = scope.rpartition("/")
    return base in (*_BASES, issuer) and (name in PERMISSIONS or name == "User.Read")


def _none() -> Exception:
    return bad("An app that registered itself has no permissions on the Graph API.")
