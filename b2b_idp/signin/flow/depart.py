"""The way to a home tenant."""

from __future__ import annotations

from dataclasses import replace

from b2b_idp.signin.facts import Known
from b2b_idp.signin.flow.visit import Visit
from b2b_idp.signin.moves import Depart


def departure(visit: Visit, known: Known, step: Depart) -> tuple[Known, str]:
    """The facts with what is asked of the home, and the address by which it is asked. Not to be called within a
    transaction: it may speak to the home. Raises Problem(HOME_UNAVAILABLE | HOME_MISCONFIGURED)."""
    departures = known.departures + 1
    departure = visit.parts.homes.begin(
        step.home,
        redirect_uri=redirect_uri(visit.parts.issuer, step.home.tenant_id),
        state=visit.parts.vault.handle("state", visit.id, departures),
        step_up=step.step_up,
        max_age=step.max_age,
        prompt=step.prompt,
        login_hint=known.email,
        ui_locales=known.request.ui_locales if known.request else None,
        moment=visit.moment,
    )
    return replace(known, departures=departures, pending=departure.pending.to_json()), departure.url


def redirect_uri(issuer: str, tenant_id: str) -> str:
    """Our redirect URI at a home tenant: its own for each home (RFC 9700 §4.4)."""
    return f"{issuer}/federation/{tenant_id}/callback"
