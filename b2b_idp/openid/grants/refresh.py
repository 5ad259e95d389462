"""The refresh token (RFC 6749 §6), with rotation and reuse detection (RFC 9700 §4.14.2)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from b2b_idp.model.audited import directory_audit
from b2b_idp.model.directory import App
from b2b_idp.model.moment import Moment
from b2b_idp.model.problem import Code, Problem
from b2b_idp.openid.client import Client
from b2b_idp.openid.grants.issue import invalid_grant, issue, remember_confirmation
from b2b_idp.openid.parts import OpenIdParts
from b2b_idp.signin import reconsider
from b2b_idp.store import Writer
from b2b_idp.store.grants import Grant

SUCCESSOR_WINDOW = timedelta(seconds=10)
"""How long a rotated refresh token still gets its successor again, since answers get lost."""


def refresh(parts: OpenIdParts, w: Writer, client: Client, form: Mapping[str, str], moment: Moment) -> dict[str, Any]:
    """The tokens of a refresh token, and its successor. Raises Problem(INVALID_GRANT | INVALID_SCOPE)."""
    handle = parts.vault.read_handle("refresh", form.get("refresh_token", ""))
    grant = w.grants.by_id(handle.id) if handle else None
    if handle is None or grant is None or grant.app_id != client.app.app_id:
        raise invalid_grant("unknown refresh token, or another client's")
    current = handle.generation == grant.generation
    if not current and not _lost_answer(grant, handle.generation, moment):
        # before all else: a thief's try ends the family even while the guest could not use it
        w.grants.revoke(grant.id, moment.at)
        w.logs.add_audit(_reuse_audit(grant, client.app, moment), moment.at)
        raise invalid_grant("the refresh token was used before; its family is revoked")
    _check_confirmation(grant, client, current=current)
    granted = tuple(grant.document["scope"])
    scope = tuple(dict.fromkeys(form["scope"].split())) if "scope" in form else granted
    if not set(scope) <= set(granted):
        raise Problem(Code.INVALID_SCOPE, "A refreshed token has the granted scopes or fewer.")
    resource = form.get("resource")
    standing = reconsider(w, grant, moment, refresh=True)
    if not current and (set(scope), resource) != _first_time(grant, handle.generation):
        raise Problem(Code.INVALID_SCOPE, "A lost answer is given again for the same scope and resource only.")
    generation = handle.generation + 1
    # before the token is rotated: refused tokens spend nothing
    answer = issue(
        parts, w, client, grant, standing, scope, moment, resource=resource, nonce=None, generation=generation
    )
    if current:
        w.grants.rotate(grant.id, generation, moment.at)
        less = set(scope) != set(granted) or resource is not None
        first = {"generation": handle.generation, "scope": scope, "resource": resource}
        remember_confirmation(w, grant, client, **({"narrowed": first} if less else {}))
    return answer


def _check_confirmation(grant: Grant, client: Client, *, current: bool) -> None:
    """What was bound stays bound: a public client's token to the one key that it was given to (RFC 9449 §5, RFC 8705
    §4), any lost answer to the key that it was for. A client that authenticates may change its key."""
    before, now = grant.document.get("cnf", {}), client.confirmation.claim
    if not set(before) <= set(now):
        raise invalid_grant("bound to a key or certificate, and none was proved")
    if before != now and (not current or (before and client.method == "none")):
        raise invalid_grant("bound to another key or certificate")


def _first_time(grant: Grant, generation: int) -> tuple[set[str], str | None]:
    """The scope and resource that a used refresh token was first used for."""
    first = grant.document.get("narrowed", {})
    if first.get("generation") != generation:
        return set(grant.document["scope"]), None
    return set(first["scope"]), first.get("resource")


def _lost_answer(grant: Grant, generation: int, moment: Moment) -> bool:
    """Whether a used token's successor is still unused and young, so that its answer may have been lost."""
    return (
        generation == grant.generation - 1
        and grant.rotated_at is not None
        and moment.at < grant.rotated_at + SUCCESSOR_WINDOW
    )


def _reuse_audit(grant: Grant, app: App, moment: Moment) -> dict[str, Any]:
    return directory_audit(
        moment,
        "Refresh token reuse detected",
        [{"id": grant.user_id, "displayName": None, "type": "User", "modifiedProperties": []}],
        category="Authentication",
        service="Authentication",
        app={"appId": app.app_id, "displayName": app.display_name},
        failure="the family was revoked",
    )
