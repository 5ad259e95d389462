"""The security page and one-time passes in a real browser: by keyboard, without JavaScript, on the narrowest screen."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from urllib.parse import parse_qs, urlencode, urlsplit

import pyotp
import pytest

from b2b_idp.testing.home_tenant import Account, ScriptedHome
from b2b_idp.testing.kit import CALLBACK, Kit, KitApp
from tests.real.nodes import Browser

NORA = Account(sub="nora", email="nora@northwind.example", name="Nora North")
WIDE = "document.documentElement.scrollWidth > innerWidth"
UNNAMED = """[...document.querySelectorAll('a, button, input:not([type=hidden])')]
  .filter(e => !(e.textContent.trim() || (e.labels && e.labels.length))).map(e => e.outerHTML)"""
HEADINGS = "[...document.querySelectorAll('h1, h2, h3')].map(h => Number(h.tagName[1]))"


@dataclass
class World:
    """A provider that listens; Nora, a guest of an untrusted home; a sponsor who answers for her."""

    kit: Kit
    home: ScriptedHome
    link: str
    nora: str
    app: KitApp

    def enter(self, browser: Browser) -> None:
        """Nora redeems her invitation, which leads to no app, and goes to her security page."""
        browser.goto(self.link)
        assert browser.click("text=Accept and continue")["page"] == "me"
        assert browser.click("text=How you confirm that it is you")["page"] == "me-security"

    def set_up(self, browser: Browser) -> None:
        """She sets up an authenticator; the mail of the link proved the address."""
        browser.click("button:has-text('Set up')")
        self.register(browser)

    def register(self, browser: Browser) -> None:
        """From the page of choices, over the one that sets up an authenticator, to wherever the sign-in goes."""
        assert browser.where()["page"] == "challenge-choose"
        assert browser.click("button:has-text('Authenticator app')")["page"] == "register-totp"
        link = browser.ask("evaluate", script="document.querySelector('a[href^=otpauth]').href")["value"]
        secret = parse_qs(urlsplit(link).query)["secret"][0]
        browser.fill("#code", pyotp.TOTP(secret).at(datetime.now(UTC)))
        assert browser.click("button:has-text('Confirm')")["page"] == "recovery-codes"

    def authorize(self) -> str:
        asked = {
            "client_id": self.app.client_id,
            "redirect_uri": CALLBACK,
            "response_type": "code",
            "scope": "openid",
            "code_challenge": "x" * 43,
            "code_challenge_method": "S256",
            "login_hint": "nora@northwind.example",
        }
        return f"{self.kit.issuer}/authorize?{urlencode(asked)}"


@pytest.fixture
def world(b2b_idp: Kit) -> Iterator[World]:
    home = b2b_idp.home_tenant("northwind.example").provider
    app = b2b_idp.app("CRM", requires="mfa")
    link, nora = invited(b2b_idp, "nora")
    home.script(NORA)
    with b2b_idp.serve():
        yield World(b2b_idp, home, link, nora, app)


def invited(kit: Kit, name: str) -> tuple[str, str]:
    """The link of an invitation that leads to no app, and who is invited."""
    asked = {"invitedUserEmailAddress": f"{name}@northwind.example", "inviteRedirectUrl": "https://elsewhere.example/"}
    made = kit.graph("POST", "/invitations", asked | {"invitedUserDisplayName": name.title()})
    return made["inviteRedeemUrl"], made["invitedUser"]["id"]


def sound(browser: Browser) -> None:
    """What can be said of every page: nothing scrolls sideways or is unnamed, headings skip no level, no complaint."""
    assert not browser.ask("evaluate", script=WIDE)["value"]
    assert browser.ask("evaluate", script=UNNAMED)["value"] == []
    levels = browser.ask("evaluate", script=HEADINGS)["value"]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert browser.complaints() == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_is_sound_on_the_narrowest_screen(browser, world, scheme) -> None:
    browser.ask("new", options={"viewport": {"width": 320, "height": 640}, "colorScheme": scheme})
    world.enter(browser)
    sound(browser)
    world.set_up(browser)
    sound(browser)
    assert browser.click("text=I have kept them")["page"] == "me-security"
    sound(browser)
    browser.click("a:has-text('Remove')")
    sound(browser)
    browser.click("button:has-text('Remove it')")
    assert "Done. It is removed." in browser.text("[role=status]")


def test_all_of_it_can_be_done_without_javascript(world) -> None:
    with Browser(javascript=False) as browser:
        world.enter(browser)
        browser.click("button:has-text('Set up')")
        assert browser.where()["page"] == "challenge-choose"
        assert browser.click("button:has-text('Authenticator app')")["page"] == "register-totp"
        assert browser.complaints() == []


def test_a_pass_is_given_by_the_sponsor_and_typed_by_the_guest(browser, world) -> None:
    kit = world.kit
    link, sam = invited(kit, "sam")
    body = {"@odata.id": f"{kit.issuer}/v1.0/directoryObjects/{sam}"}
    kit.graph("POST", f"/users/{world.nora}/sponsors/$ref", body)
    browser.goto(world.link)
    browser.click("text=Accept and continue")
    world.home.script(Account(sub="sam", email="sam@northwind.example", name="Sam"))
    with Browser() as at_sam:
        at_sam.goto(link)
        at_sam.click("text=Accept and continue")
        # a pass is given by who has just shown a second factor
        at_sam.goto(f"{kit.issuer}/me/security")
        at_sam.click("button:has-text('Set up')")
        world.register(at_sam)
        assert at_sam.click("button[type=submit]")["page"] == "me-security"
        at_sam.goto(f"{kit.issuer}/me")
        sound(at_sam)
        assert at_sam.click("button:has-text('Give a one-time pass')")["page"] == "me"
        sound(at_sam)
        code = at_sam.text(".secret")
    assert re.fullmatch(r"([0-9a-z]{4}-){3}[0-9a-z]{4}", code)
    world.home.script(NORA)
    with Browser() as elsewhere:  # the link proves nothing there
        elsewhere.goto(world.authorize())
        assert elsewhere.where()["page"] == "email-code"
        sound(elsewhere)
        assert elsewhere.click("button:has-text('one-time pass')")["page"] == "access-pass"
        sound(elsewhere)
        elsewhere.fill("#code", code)
        assert elsewhere.click("button:has-text('Continue')")["page"] == "challenge-choose"
        world.register(elsewhere)
