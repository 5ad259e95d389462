"""The person's own page in a real browser: with the keyboard alone, without JavaScript, on the narrowest screen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from b2b_idp.testing.home_tenant import Account
from b2b_idp.testing.kit import Kit
from tests.real.nodes import Browser

ELSEWHERE = "https://elsewhere.example/a/very/long/address/that/no/app/is/registered/for?with=parameters"


@dataclass
class World:
    """A provider that listens, an app, and Ada, who answers for Ben."""

    kit: Kit
    link: str
    ben: str

    def enter(self, browser: Browser) -> None:
        """Ada redeems her invitation, which leads to no app: the browser is on her own page."""
        browser.goto(self.link)
        assert browser.where()["page"] == "redeem"
        assert browser.click("text=Accept and continue")["page"] == "me"


@pytest.fixture
def world(b2b_idp: Kit) -> Iterator[World]:
    home = b2b_idp.home_tenant("fabrikam.example", trust_mfa=True)
    crm = b2b_idp.app("CRM", web={"redirectUris": ["https://crm.example/cb"], "homePageUrl": "https://crm.example/"})
    ben = b2b_idp.invite("ben@fabrikam.example", display_name="Ben Birch")
    ada = b2b_idp.graph(
        "POST",
        "/invitations",
        {
            "invitedUserEmailAddress": "ada@fabrikam.example",
            "inviteRedirectUrl": ELSEWHERE,
            "invitedUserDisplayName": "Ada Alder",
        },
    )
    id = ada["invitedUser"]["id"]
    b2b_idp.graph(
        "POST", f"/users/{ben.id}/sponsors/$ref", {"@odata.id": f"{b2b_idp.issuer}/v1.0/directoryObjects/{id}"}
    )
    with b2b_idp.idp.store.write() as w:
        w.grants.consent(id, crm.client_id, frozenset({"openid", "email"}), b2b_idp.idp.moment().at)
    home.provider.script(Account(sub="ada", email="ada@fabrikam.example", name="Ada Alder"))
    with b2b_idp.serve():
        yield World(b2b_idp, ada["inviteRedeemUrl"], ben.id)


def focus_on(browser: Browser, words: str) -> None:
    """Presses Tab until something with these words has the focus."""
    seen = []
    for _ in range(30):
        browser.ask("press", keys="Tab")
        seen.append(browser.ask("evaluate", script="document.activeElement.textContent.trim()")["value"])
        if seen[-1].startswith(words):
            return
    raise AssertionError(seen)


def press(browser: Browser, words: str) -> str:
    """Goes to a link or button by keyboard and takes it; the next page's name."""
    focus_on(browser, words)
    page: str = browser.ask("press", keys="Enter", moves=True)["page"]
    return page


def test_all_of_it_can_be_done_with_the_keyboard_alone(browser, world) -> None:
    world.enter(browser)
    assert press(browser, "Still needed") == "me"
    assert "You answer for this guest from today on." in browser.text("[role=status]")
    assert press(browser, "No longer needed") == "me"
    assert "switched off" in browser.text(".cards")
    assert press(browser, "Withdraw permission") == "me"
    assert "What you share" not in browser.text()
    assert press(browser, "Leave Contoso") == "me"
    assert press(browser, "Stay") == "me"
    assert press(browser, "Leave Contoso") == "me"
    assert press(browser, "Leave Contoso") == "signed-out"
    assert browser.text("h1") == "You have left"
    assert [c["name"] for c in browser.ask("cookies")["cookies"] if c["name"].endswith("_session")] == []


def test_the_address_of_the_invitation_is_text_and_no_link(browser, world) -> None:
    world.enter(browser)
    assert ELSEWHERE in browser.text("[role=status]")
    assert "elsewhere" not in browser.ask("evaluate", script="[...document.links].map(l => l.href).join()")["value"]


def test_buttons_are_named_with_the_guest_for_those_who_hear_the_page(browser, world) -> None:
    world.enter(browser)
    said = browser.ask("evaluate", script="[...document.querySelectorAll('.answers button')].map(b => b.textContent)")
    assert said["value"] == ["Still needed: Ben Birch", "No longer needed: switch off the account of Ben Birch"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_scrolls_sideways_on_the_narrowest_screen(browser, world, scheme) -> None:
    browser.ask("new", options={"viewport": {"width": 320, "height": 640}, "colorScheme": scheme})
    wide = "document.documentElement.scrollWidth > innerWidth"
    world.enter(browser)
    assert not browser.ask("evaluate", script=wide)["value"]
    browser.click("a:has-text('Leave Contoso')")
    assert not browser.ask("evaluate", script=wide)["value"]
    browser.click("button")
    assert not browser.ask("evaluate", script=wide)["value"]


def test_all_of_it_can_be_done_without_javascript(world) -> None:
    with Browser(javascript=False) as browser:
        world.enter(browser)
        browser.click("button:has-text('Still needed')")
        browser.click("button:has-text('No longer needed')")
        browser.click("button:has-text('Withdraw permission')")
        browser.click("a:has-text('Leave Contoso')")
        assert browser.click("button")["page"] == "signed-out"
        assert browser.complaints() == []
