"""The names by which an app knows people and sessions; another app knows them by others."""

from __future__ import annotations

from b2b_idp.keys.vault import Vault
from b2b_idp.model.directory import App


def pairwise(vault: Vault, app: App, user_id: str) -> str:
    """`sub`: different for each app (OpenID Connect Core §8.1), or for each sector that apps registered, or the object
    id where the app is registered so."""
    if app.subject_type == "public":
        return user_id
    sector = app.registration.sector if app.registration is not None else None
    return vault.token("pairwise", sector or app.app_id, user_id)


def sid_of(vault: Vault, session_id: str, app: App) -> str:
    """`sid`: the session as this app knows it; another app knows it by another value."""
    return vault.token("sid", session_id, app.app_id)
