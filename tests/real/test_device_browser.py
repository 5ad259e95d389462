"""The device's pages in a real browser: with the keyboard alone, and on the narrowest screen."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest

from b2b_idp.testing.home_tenant import Account
from b2b_idp.testing.kit import Kit
from b2b_idp.testing.wsgi import exchange
from tests.real.nodes import Browser

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class Device:
    """A device that asks for a guest, and then whether they said yes."""

    def __init__(self, kit: Kit, link: str) -> None:
        self.kit, self.link = kit, link
        self.app = kit.app("Meeting room screen", isFallbackPublicClient=True)
        asked = {"client_id": self.app.client_id, "scope": "openid profile email"}
        self.code: dict[str, Any] = self._post("device_authorization", asked)

    def polls(self) -> dict[str, Any]:
        grant = {"grant_type": "urn:ietf:params:oauth:grant-type:device_code", "device_code": self.code["device_code"]}
        return self._post("token", grant | {"client_id": self.app.client_id})

    def _post(self, endpoint: str, form: dict[str, str]) -> dict[str, Any]:
        url = f"{self.kit.issuer}/{endpoint}"
        said: dict[str, Any] = json.loads(exchange(self.kit.flask, "POST", url, FORM, urlencode(form).encode())[2])
        return said


@pytest.fixture
def device(b2b_idp: Kit) -> Iterator[Device]:
    """Its guest is Ada, who was invited."""
    home = b2b_idp.home_tenant("fabrikam.example", trust_mfa=True)
    ada = b2b_idp.invite("ada@fabrikam.example", display_name="Ada Alder")
    home.provider.script(Account(sub="ada", email="ada@fabrikam.example", name="Ada Alder"))
    with b2b_idp.serve():
        yield Device(b2b_idp, ada.redeem_url)


def press(browser: Browser, keys: str) -> None:
    browser.ask("press", keys=keys)


def enter(browser: Browser) -> str:
    page: str = browser.ask("press", keys="Enter", moves=True)["page"]
    return page


def typed(browser: Browser, device: Device, code: str) -> str:
    """Types a code in a browser in which Ada has a session; the field has the focus as the page comes."""
    browser.goto(device.link)
    browser.click("text=Accept and continue")
    assert browser.goto(device.code["verification_uri"])["page"] == "device"
    browser.ask("type", text=code)
    return enter(browser)


def asked(browser: Browser, device: Device) -> None:
    """To the question whether the device is hers, by way of what the app may know."""
    assert typed(browser, device, device.code["user_code"].lower()) == "consent"
    focus_on(browser, "Allow")
    assert enter(browser) == "device"


def focus_on(browser: Browser, words: str) -> None:
    for _ in range(20):
        press(browser, "Tab")
        if browser.ask("evaluate", script="document.activeElement.textContent.trim()")["value"] == words:
            return
    raise AssertionError(f"the keyboard does not come to {words}")


@pytest.mark.parametrize(
    ("answer", "heading", "told"),
    [
        ("Yes, it is mine", "Your device is signed in", "access_token"),
        ("No, do not let it in", "The device was not let in", "error"),
    ],
)
def test_a_device_is_let_in_or_not_with_the_keyboard_alone(browser, device, answer, heading, told) -> None:
    asked(browser, device)
    assert "Meeting room screen" in browser.text()
    assert "ada@fabrikam.example" in browser.text()
    focus_on(browser, answer)
    assert enter(browser) == "device"
    assert browser.text("h1") == heading
    assert told in device.polls()


def test_a_wrong_code_is_told_at_its_field(browser, device) -> None:
    assert typed(browser, device, "BBBBBBBB") == "device"
    described = browser.ask("evaluate", script="document.activeElement.getAttribute('aria-describedby')")["value"]
    assert browser.ask("evaluate", script="document.activeElement.getAttribute('aria-invalid')")["value"] == "true"
    assert any(browser.text(f"#{id}") for id in described.split())


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_scrolls_sideways_on_the_narrowest_screen(browser, device, scheme) -> None:
    browser.ask("new", options={"viewport": {"width": 320, "height": 640}, "colorScheme": scheme})
    wide = "document.documentElement.scrollWidth > innerWidth"
    asked(browser, device)
    assert not browser.ask("evaluate", script=wide)["value"]
    focus_on(browser, "Yes, it is mine")
    enter(browser)
    assert not browser.ask("evaluate", script=wide)["value"]
