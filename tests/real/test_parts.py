"""The parts that nobody here wrote stand ready: a home tenant, a relying party, a browser."""

from __future__ import annotations

import json
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest
import urllib3
from nodes import Browser, ForeignHome, NodeError, RelyingParty, foreign_home

CALLBACK = "http://127.0.0.1:9/callback"
MFA = "https://refeds.org/profile/mfa"
ACCOUNTS = {
    "ann@fabrikam.example": {"sub": "ann", "factors": "ask", "email": "ann@fabrikam.example"},
    "pat@fabrikam.example": {"sub": "pat", "factors": "pwd", "email": "pat@fabrikam.example"},
}


@pytest.fixture(scope="module")
def home() -> Iterator[ForeignHome]:
    with foreign_home(ACCOUNTS, lambda _issuer: CALLBACK) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser() as running:
        yield running


@pytest.fixture
def rp() -> Iterator[RelyingParty]:
    with RelyingParty() as running:
        yield running


def _sign_in(browser: Browser, rp: RelyingParty, home: ForeignHome, login: str, **params: str) -> dict[str, object]:
    """id_token claims of `login` at `home`, after filling in every page it shows."""
    url = rp.start(
        home.issuer, home.client_id, CALLBACK, client_secret=home.client_secret, params=params | {"login_hint": login}
    )
    browser.ask("goto_until_refused", url=url)
    while not (here := browser.ask("where")["url"]).startswith(CALLBACK):
        for field, value in (("login", login), ("password", "password"), ("otp", "123456")):
            if f'name="{field}"' in browser.ask("html")["html"]:
                browser.fill(f"input[name={field}]", value)
        browser.ask("click", selector="button[type=submit]")
    claims: dict[str, object] = rp.finish(here)["claims"]
    return claims
