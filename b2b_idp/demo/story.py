"""The three ways, walked by three guests in plain browsers over HTTP."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from b2b_idp.demo.phone import Authenticator
from b2b_idp.demo.world import PEOPLE, Person, World
from b2b_idp.testing.guest import GuestDriver
from b2b_idp.testing.kit import code_in
from b2b_idp.testing.walker import Page, Walker


@dataclass(frozen=True)
class Way:
    """What happened to one guest."""

    person: Person
    asked: list[dict[str, str]]
    outcome: str
    reasons: list[dict[str, Any]]
    home_evidence: dict[str, Any] | None
    id_token: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        return {
            "home": self.person.home,
            "guest": self.person.email,
            "homeEvidence": self.home_evidence,
            "asked": self.asked,
            "outcome": self.outcome,
            "reasons": self.reasons,
            "idToken": self.id_token,
        }


def walk_all(world: World) -> list[Way]:
    """Each guest opens the invitation, and comes out in the app."""
    return [_walk(world, person) for person in PEOPLE]


def _walk(world: World, person: Person) -> Way:
    home = world.homes[person.home]

    def at_home(walker: Walker, page: Page) -> Page | None:
        return world.sign_in_at_home(walker, page, person) if page.url.startswith(home.issuer) else None

    walker = Walker()
    driver = GuestDriver(walker, lambda: _mailed_code(world), at_home)
    before = len(home.asked)
    invited = driver.walk(world.redeem_links[person.email])
    signed_in = driver.walk(f"{world.app_url}/sign-in")
    if driver.authenticator is not None:
        world.phone.append(Authenticator(person.email, driver.authenticator.secret, driver.last_step))
    asked = [{"where": "home", "method": "mfa"} for _ in home.asked[before:]]
    asked += [{"where": "here", "method": m} for m in (*invited.challenges, *signed_in.challenges)]
    entry = _log_entry(world, person)
    return Way(
        person,
        asked,
        entry["b2bIdp"]["outcome"],
        entry["b2bIdp"]["reasons"],
        entry["b2bIdp"]["homeEvidence"],
        json.loads(walker.get(f"{world.app_url}/claims").text),
    )


def _log_entry(world: World, person: Person) -> dict[str, Any]:
    """The sign-in that took up the invitation: factors were asked for there; later ones find them in the session."""
    rows = world.graph("GET", "/auditLogs/signIns?$top=50")["value"]
    mine = [r for r in rows if r["userPrincipalName"] == person.email and r["appDisplayName"] == "Contoso Expenses"]
    entry: dict[str, Any] = mine[-1]
    return entry


def _mailed_code(world: World) -> str | None:
    with world.idp.store.read() as r:
        return next((c for letter in r.outbox.latest(5) if (c := code_in(letter.body))), None)


def tell(way: Way) -> list[str]:
    """The way as lines for a person."""
    evidence = way.home_evidence or {}
    questions = [f"{q['method']} {'at home' if q['where'] == 'home' else 'here'}" for q in way.asked]
    lines = [
        f"{way.person.name} ({way.person.email}) {way.person.habit}",
        f"  home says   amr={evidence.get('amr')} acr={evidence.get('acr')}",
        f"  was asked   {', '.join(questions) or 'nothing more'}",
        f"  decision    {way.outcome}",
        *(f"    because   {r['code']}: {r['text']}" for r in way.reasons),
        "  guest token",
    ]
    lines += [f"    {name:<20}{json.dumps(value)}" for name, value in way.id_token.items()]
    return lines
