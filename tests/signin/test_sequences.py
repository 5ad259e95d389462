"""Whatever the order in which guests, apps and homes come: the laws that hold for every sequence of sign-ins."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from freezegun import freeze_time
from sqlalchemy import select

from b2b_idp.signin.facts import evidence_from_json
from b2b_idp.store.tables import grants
from b2b_idp.testing.kit import Kit, KitApp, KitGuest, SignedIn

AMR = (None, ["pwd"], ["pwd", "otp"], ["pwd", "mfa"], ["otp"], ["hwk"], ["PWD", "MFA"])
STEP_UP = (None, ["pwd", "mfa"], ["pwd"])
PARAMETERS: tuple[dict[str, str], ...] = ({}, {}, {}, {"prompt": "login"}, {"max_age": "0"}, {"acr_values": "phr"})
STEPS = 8


class World:
    """A trusted and an untrusted home, an app that requires MFA and one that does not, and who passed what here."""

    def __init__(self, kit: Kit, seed: int) -> None:
        self.kit, self.chance = kit, random.Random(seed)
        kit.home_tenant("fabrikam.example", trust_mfa=True)
        kit.home_tenant("litware.example")
        self.apps = [kit.app("CRM", requires="mfa"), kit.app("Wiki")]
        self.guests = [kit.invite(f"maria@{domain}") for domain in ("fabrikam.example", "litware.example")]
        self.passed: dict[str, set[str]] = {guest.id: set() for guest in self.guests}

    def step(self) -> tuple[KitGuest, KitApp, dict[str, str], SignedIn]:
        guest, app = self.chance.choice(self.guests), self.chance.choice(self.apps)
        parameters = self.chance.choice(PARAMETERS)
        says: dict[str, Any] = {"amr": self.chance.choice(AMR), "step_up": self.chance.choice(STEP_UP)}
        return guest, app, parameters, self.kit.sign_in(guest, app, **says, **parameters)

    def evidence_of_last_grant(self) -> Any:
        with self.kit.idp.store.read() as r:
            row = r._c.execute(select(grants.c.document).order_by(grants.c.created_at.desc()).limit(1)).one()
            return evidence_from_json(row.document["evidence"])


@pytest.mark.parametrize("seed", range(12))
def test_every_sequence_keeps_the_laws(b2b_idp: Kit, seed: int) -> None:
    world = World(b2b_idp, seed)
    for minutes in range(STEPS):
        # an authenticator shows a new code, and nothing grows old
        with freeze_time(datetime.now(UTC) + timedelta(minutes=minutes), tick=True):
            guest, app, parameters, outcome = world.step()
        told = (guest.email, parameters, outcome.asked, outcome.error, outcome.pages)
        here = [a["method"] for a in outcome.asked if a["where"] == "here"]
        # nobody answers the same factor twice while it is fresh: only a demand for freshness asks again
        assert len(here) == len(set(here)), told
        if not parameters.keys() & {"prompt", "max_age"}:
            assert world.passed[guest.id].isdisjoint(here), told
        world.passed[guest.id] |= set(here)
        # a sign-in ends in a token, a refusal that says what to do, or at a page for a key that this guest has not
        if outcome.id_token is None:
            assert outcome.error in ("registration_needs_proof", "access-pass", "register-passkey"), told
            continue
        # `mfa` in a token has an accepted home MFA, or a challenge here, behind it in the database
        amr = outcome.id_token.get("amr", ())
        if "mfa" in amr:
            evidence = world.evidence_of_last_grant()
            at_home = guest.email.endswith("fabrikam.example") and any(
                "mfa" in (s.amr or ()) or {"pwd", "otp"} <= set(s.amr or ()) for s in evidence.statements
            )
            assert at_home or evidence.local, told
        if app.client_id == world.apps[0].client_id:
            assert "mfa" in amr, told
