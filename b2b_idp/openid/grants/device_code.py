"""The device code (RFC 8628 §3.4): a device asks again and again until its guest has said yes or no."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from b2b_idp.model.moment import Moment
from b2b_idp.model.problem import Code, Problem
from b2b_idp.openid.client import Client
from b2b_idp.openid.grants.issue import invalid_grant, issue, remember_confirmation
from b2b_idp.openid.parts import OpenIdParts
from b2b_idp.signin import reconsider
from b2b_idp.store import Writer
from b2b_idp.store.devices import DeviceCode

_SLOWER = 5
"""Seconds more between two polls, each time one comes too early (RFC 8628 §3.5)."""


def redeem_device_code(
    parts: OpenIdParts, w: Writer, client: Client, form: Mapping[str, str], moment: Moment
) -> dict[str, Any]:
    """The tokens of a device code, once. Raises Problem(AUTHORIZATION_PENDING | SLOW_DOWN | EXPIRED_TOKEN |
    ACCESS_DENIED | INVALID_GRANT)."""
    handle = parts.vault.read_handle("device", form.get("device_code", ""))
    row = w.devices.by_id(handle.id) if handle else None
    if row is None or row.app_id != client.app.app_id:
        raise invalid_grant("unknown device code, or another client's")
    if row.status == "denied":
        raise Problem(Code.ACCESS_DENIED, "The guest did not allow it.")
    if moment.at >= row.expires_at:
        raise Problem(Code.EXPIRED_TOKEN, "The device code is over. Ask for a new one.")
    if row.status == "pending":
        raise _waiting(w, row, moment)
    grant = w.grants.by_id(row.grant_id or "")
    if grant is None:
        raise invalid_grant("the grant is gone")
    if grant.code_used_at is not None:
        w.grants.revoke(grant.id, moment.at)
        raise invalid_grant("the device code was used before; its tokens are revoked")
    standing = reconsider(w, grant, moment)
    resource, scope = form.get("resource"), standing.scope
    # before the code is spent, as in `code`
    answer = issue(parts, w, client, grant, standing, scope, moment, resource=resource, nonce=None, generation=0)
    w.grants.use_code(grant.id, moment.at)
    remember_confirmation(w, grant, client)
    return answer


def _waiting(w: Writer, row: DeviceCode, moment: Moment) -> Problem:
    early = row.polled_at is not None and moment.at < row.polled_at + timedelta(seconds=row.pause)
    pause = row.pause + _SLOWER if early else row.pause
    w.devices.polled(row.id, pause, moment.at)
    if early:
        return Problem(Code.SLOW_DOWN, f"Ask every {pause} seconds.", retry_after=timedelta(seconds=pause))
    return Problem(Code.AUTHORIZATION_PENDING, "The guest has not said yes yet.")
