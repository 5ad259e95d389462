"""The three ways, walked by three guests in plain browsers over HTTP."""

from __future__ import annotations

import json
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any

from b2b_idp.demo.world import PASSWORD, PEOPLE, Person, World
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
    driver = GuestDriver(Walker(), lambda: _mailed_code(world), lambda w, p: _at_home(w, p, person))
    before = len(home.asked)
    invited = driver.walk(world.redeem_links[person.email])
    signed_in = driver.walk(f"{world.app_url}/sign-in")
    asked = [{"where": "home", "method": "mfa"} for _ in home.asked[before:]]
    asked += [{"where": "here", "method": m} for m in (*invited.challenges, *signed_in.challenges)]
    entry = _log_entry(world, person)
    return Way(
        person,
        asked,
        entry["b2bIdp"]["outcome"],
        entry["b2bIdp"]["reasons"],
        entry["b2bIdp"]["homeEvidence"],
        claims_on(signed_in.end),
    )


def _log_entry(world: World, person: Person) -> dict[str, Any]:
    rows = world.graph("GET", "/auditLogs/signIns?$top=50")["value"]
    entry: dict[str, Any] = next(
        r
        for r in rows
        if r["userPrincipalName"] == person.email and r["appDisplayName"] == "Contoso Expenses"
    )
    return entry


def _mailed_code(world: World) -> str | None:
    with world.idp.store.read() as r:
        return next((c for letter in r.outbox.latest(5) if (c := code_in(letter.body))), None)


def _at_home(walker: Walker, page: Page, person: Person) -> Page:
    """Fills in whatever the home's page asks for: account, password, second factor."""
    known = {"username": person.email, "password": PASSWORD, "code": "123456"}
    fields = page.forms[0].fields
    return walker.submit(page, **{name: known[name] for name in fields if name in known})


def claims_on(page: Page) -> dict[str, Any]:
    """The claims that the sample app shows, read from its page's table."""
    reader = _Table()
    reader.feed(page.text)
    return {name: _value(text) for name, text in reader.rows}


def _value(text: str) -> Any:
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return text if isinstance(value, str) else value


class _Table(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.rows: list[tuple[str, str]] = []
        self._in: str | None = None
        self._name = ""
        self._value = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self._name = self._value = ""
        elif tag == "code":
            self._in = "name"
        elif tag == "td":
            self._in = "value" if ("class", "value") in attrs else None

    def handle_endtag(self, tag: str) -> None:
        if tag in ("code", "td"):
            self._in = None
        elif tag == "tr" and self._name:
            self.rows.append((self._name, self._value))

    def handle_data(self, data: str) -> None:
        if self._in == "name":
            self._name += data
        elif self._in == "value":
            self._value += data


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
