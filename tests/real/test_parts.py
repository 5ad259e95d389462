"""The parts that nobody here wrote stand ready: a home tenant, a relying party, a browser."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
import urllib3

from tests.real.nodes import Browser, ForeignHome, Landing, NodeError, RelyingParty, foreign_home, landing

MFA = "https://refeds.org/profile/mfa"
PERSONS = {
    "ann": {"sub": "ann-1", "factors": "ask", "email": "ann@fabrikam.example"},
    "pat": {"sub": "pat-1", "factors": "pwd", "email": "pat@fabrikam.example"},
}
ANSWERS = {"login": "", "password": "password", "otp": "123456"}


@pytest.fixture(scope="module")
def app() -> Iterator[Landing]:
    with landing() as place:
        yield place


@pytest.fixture(scope="module")
def home(app: Landing) -> Iterator[ForeignHome]:
    with foreign_home(PERSONS, lambda _issuer: app.url) as running:
        yield running


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with Browser() as running:
        yield running


@pytest.fixture
def browser(chromium: Browser) -> Browser:
    chromium.ask("new")
    return chromium


@pytest.fixture
def rp() -> Iterator[RelyingParty]:
    with RelyingParty() as running:
        yield running


class Visit:
    """Signs people in at the foreign home, filling in every page it shows."""

    def __init__(self, browser: Browser, rp: RelyingParty, home: ForeignHome, app: Landing) -> None:
        self.browser, self.rp, self.home, self.app = browser, rp, home, app

    def __call__(self, login: str, **params: str) -> tuple[dict[str, Any], list[str]]:
        """The id_token's claims, and the factors asked for, in order."""
        before = len(self.home.log)
        start = self.rp.start(
            self.home.issuer,
            self.home.client_id,
            self.app.url,
            client_secret=self.home.client_secret,
            params=params | {"login_hint": login},
        )
        here = self.browser.goto(start)
        while not here["url"].startswith(self.app.url):
            html = self.browser.ask("html")["html"]
            for name, answer in ANSWERS.items():
                if f'name="{name}"' in html:
                    self.browser.fill(f"input[name={name}]", answer or login)
            here = self.browser.click("button[type=submit]")
        asked = [entry["factor"] for entry in self.home.log[before:] if entry["kind"] == "challenge"]
        return self.rp.finish(here["url"])["claims"], asked


@pytest.fixture
def visit(browser: Browser, rp: RelyingParty, home: ForeignHome, app: Landing) -> Visit:
    return Visit(browser, rp, home, app)


def test_foreign_home_announces_its_acr_values(home: ForeignHome) -> None:
    metadata = urllib3.request("GET", f"{home.issuer}/.well-known/openid-configuration").json()
    assert MFA in metadata["acr_values_supported"]


def test_foreign_home_says_one_factor_after_a_password(visit: Visit) -> None:
    claims, asked = visit("ann")
    assert (asked, claims["amr"], claims["acr"]) == (["pwd"], ["pwd"], "urn:x:1fa")


def test_foreign_home_steps_up_from_its_session_when_mfa_is_asked_for(visit: Visit) -> None:
    visit("ann")
    claims, asked = visit("ann", acr_values=MFA)
    assert (asked, claims["amr"], claims["acr"]) == (["otp"], ["pwd", "otp", "mfa"], MFA)


def test_foreign_home_dates_a_step_up_by_its_password(visit: Visit) -> None:
    first, _ = visit("ann")
    while time.time() < first["auth_time"] + 1:  # within the same second a wrong date would look right
        time.sleep(0.05)
    claims, asked = visit("ann", acr_values=MFA)
    assert (asked, claims["auth_time"]) == (["otp"], first["auth_time"])


def test_foreign_home_goes_on_with_one_factor_when_the_account_has_no_second(visit: Visit) -> None:
    visit("pat")
    claims, asked = visit("pat", acr_values=MFA)
    assert (asked, claims["acr"]) == ([], "urn:x:1fa")


def test_foreign_home_says_so_when_an_essential_acr_is_out_of_reach(visit: Visit) -> None:
    essential = f'{{"id_token":{{"acr":{{"essential":true,"values":["{MFA}"]}}}}}}'
    with pytest.raises(NodeError) as refused:
        visit("pat", claims=essential)
    assert refused.value.code == "unmet_authentication_requirements"


def test_foreign_home_remembers_what_each_request_asked(visit: Visit, home: ForeignHome) -> None:
    visit("ann", acr_values=MFA, max_age="600")
    asked = home.requests[-1]
    assert (asked["acr_values"], asked["max_age"]) == (MFA, "600")


def test_relying_party_names_the_code_of_a_refusal(rp: RelyingParty, home: ForeignHome, app: Landing) -> None:
    rp.start(home.issuer, home.client_id, app.url, client_secret=home.client_secret)
    with pytest.raises(NodeError):
        rp.finish(f"{app.url}?code=x&state=of-somebody-else")


def test_browser_names_the_page_it_shows(browser: Browser, app: Landing) -> None:
    assert browser.goto(app.url)["page"] == "app"
