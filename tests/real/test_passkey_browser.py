"""Passkeys in a real browser with a virtual authenticator: with the keyboard alone, read out, cancelled, refused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlencode

import pytest

from b2b_idp.store.factors import Passkey
from b2b_idp.testing.home_tenant import Account
from b2b_idp.testing.kit import Kit, KitApp, KitGuest
from tests.real.nodes import Browser, landing
from tests.real.test_me_browser import focus_on, press

PLATFORM = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}
"""A laptop whose fingerprint reader knows its owner."""
EMAIL = "nora@northwind.example"


@dataclass
class World:
    """A provider that listens at a name, an app that wants MFA, and Nora of an untrusted home."""

    kit: Kit
    app: KitApp
    nora: KitGuest
    callback: str

    def sign_in(self, browser: Browser) -> str:
        """Begins a sign-in at the app; the page that it comes to."""
        query = {
            "client_id": self.app.client_id,
            "redirect_uri": self.callback,
            "response_type": "code",
            "scope": "openid",
            "prompt": "login",
            "code_challenge": "A" * 43,
            "code_challenge_method": "S256",
            "login_hint": EMAIL,
        }
        page: str = browser.goto(f"{self.kit.issuer}/authorize?{urlencode(query)}")["page"]
        return page

    def passkeys(self) -> list[Passkey]:
        with self.kit.idp.store.read() as r:
            return r.factors.passkeys(self.nora.id)


@pytest.fixture
def world() -> Iterator[World]:
    kit = Kit(host="localhost")
    home = kit.home_tenant("northwind.example")
    with landing() as place, kit.serve():
        app = kit.app("CRM", requires="mfa", web={"redirectUris": [place.url]})
        nora = kit.invite(EMAIL)
        home.provider.script(Account(sub="nora", email=EMAIL, name="Nora Nut"))
        yield World(kit, app, nora, place.url)
    kit.close()


def authenticator(browser: Browser, **options: object) -> str:
    """Plugs a virtual authenticator in; its id."""
    answer = browser.ask("webauthn", method="addVirtualAuthenticator", params={"options": PLATFORM | options})
    id: str = answer["authenticatorId"]
    return id


def verified(browser: Browser, id: str, yes: bool) -> None:
    """Whether the authenticator knows the finger that touches it from now on."""
    browser.ask("webauthn", method="setUserVerified", params={"authenticatorId": id, "isUserVerified": yes})


def enter(browser: Browser) -> str:
    page: str = browser.ask("press", keys="Enter", moves=True)["page"]
    return page


def to_registration(browser: Browser, world: World) -> None:
    """By keyboard from the app to the page that sets up a passkey."""
    assert world.sign_in(browser) == "redeem"
    assert press(browser, "Accept and continue") == "email-code"
    browser.ask("type", text=world.kit._mailed_code())
    assert enter(browser) == "challenge-choose"
    assert press(browser, "Passkey") == "register-passkey"


def registered(browser: Browser, world: World) -> None:
    to_registration(browser, world)
    assert enter(browser) == "recovery-codes"
    assert press(browser, "I have kept them") == "consent"
    assert press(browser, "Allow") == "app"


def alerts(browser: Browser) -> str:
    browser.ask("wait", selector="[role=alert] p")
    return browser.text("[role=alert]")


def test_a_passkey_is_set_up_and_used_with_the_keyboard_alone(browser, world) -> None:
    authenticator(browser)
    registered(browser, world)
    [passkey] = world.passkeys()
    assert (passkey.name, passkey.transports) == ("Passkey", ("internal",))
    assert world.sign_in(browser) == "challenge-passkey"
    assert enter(browser) == "app"
    assert world.passkeys()[0].last_used_at is not None


def test_a_passkey_has_the_name_that_its_owner_types(browser, world) -> None:
    authenticator(browser)
    to_registration(browser, world)
    browser.ask("press", keys="Shift+Tab")
    browser.ask("type", text="Blue laptop")
    assert enter(browser) == "recovery-codes"
    assert [p.name for p in world.passkeys()] == ["Blue laptop"]


def test_the_pages_say_their_names_to_those_who_hear_them(browser, world) -> None:
    authenticator(browser)
    to_registration(browser, world)
    heard = browser.ask("names")
    assert heard["focused"] == ["button", "Set up a passkey"]
    assert ["heading", "Set up a passkey"] in heard["names"]
    assert ["textbox", "Name of this passkey"] in heard["names"]
    assert ["button", "Choose another way"] in heard["names"]
    assert {"status", "alert"} <= {role for role, _ in heard["names"]}
    enter(browser)
    press(browser, "I have kept them")
    press(browser, "Allow")
    world.sign_in(browser)
    heard = browser.ask("names")
    assert heard["focused"] == ["button", "Use your passkey"]
    nameless = [role for role, name in heard["names"] if role in ("button", "link", "textbox", "heading") and not name]
    assert nameless == []


def test_who_is_not_recognised_is_told_so_in_plain_words_and_may_try_again(browser, world) -> None:
    id = authenticator(browser)
    verified(browser, id, False)
    to_registration(browser, world)
    browser.ask("press", keys="Enter")
    assert "cancelled, or took too long" in alerts(browser)
    assert browser.ask("names")["focused"] == ["button", "Set up a passkey"]
    verified(browser, id, True)
    assert enter(browser) == "recovery-codes"
    press(browser, "I have kept them")
    press(browser, "Allow")
    verified(browser, id, False)
    assert world.sign_in(browser) == "challenge-passkey"
    browser.ask("press", keys="Enter")
    assert "cancelled, or took too long" in alerts(browser)
    verified(browser, id, True)
    assert enter(browser) == "app"


def test_of_two_passkeys_the_one_at_hand_is_used(browser, world) -> None:
    authenticator(browser)
    registered(browser, world)
    lost = Passkey(
        id="3f0c0d7e-5b0d-4c55-9b0e-0d5a4ad0a001",
        user_id=world.nora.id,
        credential_id=b"lost" * 8,
        public_key=b"key",
        sign_count=0,
        aaguid="00000000-0000-0000-0000-000000000000",
        name="Lost key",
        transports=("usb",),
        backed_up=False,
        created_at=datetime(2020, 1, 1, tzinfo=UTC),
    )
    with world.kit.idp.store.write() as w:
        w.factors.add_passkey(lost)
    assert world.sign_in(browser) == "challenge-passkey"
    assert enter(browser) == "app"
    assert [p.name for p in world.passkeys() if p.last_used_at] == ["Passkey"]


def test_a_device_without_the_passkey_leads_to_another_way(browser, world) -> None:
    id = authenticator(browser)
    registered(browser, world)
    browser.ask("webauthn", method="clearCredentials", params={"authenticatorId": id})
    assert world.sign_in(browser) == "challenge-passkey"
    browser.ask("press", keys="Enter")
    assert alerts(browser)
    assert press(browser, "Choose another way") == "challenge-choose"
    focus_on(browser, "Recovery code")
    assert enter(browser) == "challenge-recovery"


def test_without_javascript_the_page_says_so_and_offers_the_other_ways(world) -> None:
    with Browser(javascript=False) as browser:
        assert world.sign_in(browser) == "redeem"
        browser.click("button")
        browser.fill("#code", world.kit._mailed_code() or "")
        assert browser.click("button")["page"] == "challenge-choose"
        assert browser.click("text=Passkey")["page"] == "register-passkey"
        assert "JavaScript, which is switched off" in browser.text("noscript")
        assert browser.click("text=Set up a passkey >> nth=-1")["page"] == "register-passkey"
        assert "Nothing came from your passkey" in browser.text("[role=alert]")
        assert browser.click("text=Choose another way")["page"] == "challenge-choose"
        assert browser.click("text=Authenticator app")["page"] == "register-totp"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_of_passkeys_scrolls_sideways_on_the_narrowest_screen(browser, world, scheme) -> None:
    browser.ask("new", options={"viewport": {"width": 320, "height": 640}, "colorScheme": scheme})
    authenticator(browser)
    wide = "document.documentElement.scrollWidth > innerWidth"
    to_registration(browser, world)
    assert not browser.ask("evaluate", script=wide)["value"]
    enter(browser)
    press(browser, "I have kept them")
    press(browser, "Allow")
    world.sign_in(browser)
    assert not browser.ask("evaluate", script=wide)["value"]
