"""The demo in a real browser: what somebody sees who has just typed `b2b-idp demo`."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import pyotp
import pytest

from tests.ports import free_port
from tests.real.nodes import Browser

PASSWORD = "correct horse battery"
LAST_WORDS = "Stop with Ctrl-C"


@dataclass(frozen=True)
class Demo:
    """The running demo, known by what it printed."""

    told: str

    def address(self, name: str) -> str:
        """The address printed beside `name`."""
        found = re.search(rf"^{name}: +(\S+)", self.told, re.MULTILINE)
        assert found, self.told
        return found[1]

    @property
    def invitation(self) -> str:
        found = re.search(r"^ +(http\S+/redeem\S+)$", self.told, re.MULTILINE)
        assert found, self.told
        return found[1]


@pytest.fixture(scope="module")
def demo() -> Iterator[Demo]:
    for _ in range(3):  # the three ports after a free one may be taken
        command = [sys.executable, "-m", "b2b_idp.cli", "demo", "--port", str(free_port())]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert process.stdout
        told = ""
        for line in process.stdout:
            told += line
            if LAST_WORDS in line:
                break
        if LAST_WORDS in told:
            break
        process.wait()
    assert LAST_WORDS in told, told
    yield Demo(told)
    process.terminate()
    process.communicate(timeout=20)


def sign_in_at_home(browser: Browser, email: str) -> None:
    """From the app through the home-realm page and the home's own pages, as far as they go."""
    assert browser.click("text=Sign in with your organisation")["page"] == "home-realm"
    browser.fill("#email", email)
    assert browser.click("button")["page"] is None
    pass_home(browser, email)


def give_password(browser: Browser, email: str) -> None:
    browser.fill("#username", email)
    browser.fill("#password", PASSWORD)
    browser.click("button")


def pass_home(browser: Browser, email: str) -> None:
    give_password(browser, email)
    browser.fill("#code", "123456")
    browser.click("button")


def code_of_phone(browser: Browser, demo: Demo, email: str) -> str:
    """What the demo's phone shows now; the browser is then back where it was."""
    here = browser.where()["url"]
    browser.goto(demo.address("The phone"))
    code = browser.text(f"article:has-text('{email}') code")
    browser.goto(here)
    return code


def claims(browser: Browser) -> dict[str, tuple[str, str]]:
    """The app's table: claim to value and why."""
    rows = [line.split("\t") for line in browser.text("tbody").splitlines()]
    return {row[0]: (row[1], row[2]) for row in rows}


@pytest.mark.parametrize(
    ("email", "name"), [("ada@fabrikam.example", "Ada Alder"), ("ben@fabrikam.example", "Ben Birch")]
)
def test_a_guest_of_the_trusted_home_is_asked_nothing_here(browser, demo, email, name) -> None:
    browser.goto(demo.address("The SaaS app"))
    sign_in_at_home(browser, email)
    assert browser.text("h1") == f"Hello, {name}"


def test_a_guest_of_the_untrusted_home_confirms_here_with_the_code_on_the_demos_phone(browser, demo) -> None:
    browser.goto(demo.address("The SaaS app"))
    sign_in_at_home(browser, "nora@northwind.example")
    assert browser.where()["page"] == "challenge-totp"
    browser.fill("#code", code_of_phone(browser, demo, "nora@northwind.example"))
    browser.click("button:text-is('Confirm')")
    assert browser.text("h1") == "Hello, Nora Nut"


def test_the_invited_newcomer_accepts_sets_up_an_authenticator_and_is_in_the_app(browser, demo) -> None:
    browser.goto(demo.invitation)
    give_password(browser, "nils@northwind.example")
    assert browser.where()["page"] == "redeem"
    assert browser.click("text=Accept and continue")["page"] == "challenge-choose"
    assert browser.click("text=Authenticator app")["page"] == "register-totp"
    browser.ask("click", selector="summary", stays=True)
    browser.fill("#code", pyotp.TOTP(browser.text(".secret").replace(" ", "")).now())
    assert browser.click("button")["page"] == "recovery-codes"
    assert browser.click("text=I have kept them")["url"] == demo.address("The SaaS app") + "/"
    browser.click("text=Sign in with your organisation")  # the session is there already
    assert browser.where()["page"] == "consent"
    browser.click("button:text-is('Allow')")
    assert browser.text("h1") == "Hello, Nils Nord"


def test_the_app_shows_each_claim_and_why_it_says_what_it_says(browser, demo) -> None:
    browser.goto(demo.address("The SaaS app"))
    sign_in_at_home(browser, "ada@fabrikam.example")
    shown = claims(browser)
    assert shown["amr"] == (
        '["pwd", "otp", "mfa"]',
        "How you proved who you are: at home as far as it is trusted, and here",
    )
    assert shown["company"] == ("Fabrikam", "Mapped for this app by its claims mapping policy")
    mapped = {claim for claim, (_, why) in shown.items() if why.startswith("Mapped for this app")}
    assert mapped == {"company", "department"}


def test_who_signs_out_is_back_in_the_app_and_asked_again_at_the_next_sign_in(browser, demo) -> None:
    app = demo.address("The SaaS app")
    browser.goto(app)
    sign_in_at_home(browser, "ada@fabrikam.example")
    assert browser.click("text=Sign out")["url"] == f"{app}/"
    assert browser.click("text=Sign in with your organisation")["page"] == "home-realm"


def test_the_whole_way_can_be_gone_with_the_keyboard_alone(browser, demo) -> None:
    browser.goto(demo.address("The SaaS app"))
    browser.ask("press", keys="Tab")
    assert browser.ask("press", keys="Enter", moves=True)["page"] == "home-realm"
    browser.ask("type", text="ben@fabrikam.example")  # the field has the focus already
    browser.ask("press", keys="Enter", moves=True)
    browser.ask("press", keys="Tab")
    browser.ask("press", keys="Tab")
    browser.ask("type", text=PASSWORD)
    browser.ask("press", keys="Enter", moves=True)
    browser.ask("type", text="123456")
    browser.ask("press", keys="Enter", moves=True)
    assert browser.text("h1") == "Hello, Ben Birch"
    browser.ask("press", keys="Tab")
    browser.ask("press", keys="Enter", moves=True)
    assert browser.text("h1") == "Receipts in, money back."


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_of_the_way_scrolls_sideways_on_the_narrowest_screen(browser, demo, scheme) -> None:
    browser.ask("new", options={"viewport": {"width": 320, "height": 640}, "colorScheme": scheme})
    app, email = demo.address("The SaaS app"), "nora@northwind.example"
    wide = []

    def look() -> None:
        if browser.ask("evaluate", script="document.documentElement.scrollWidth > innerWidth")["value"]:
            wide.append(browser.where()["url"])

    browser.goto(app)
    look()
    browser.click("text=Sign in with your organisation")
    look()
    browser.fill("#email", email)
    browser.click("button")
    look()
    pass_home(browser, email)
    look()
    for name in ("The phone", "The mailbox"):
        browser.goto(demo.address(name))
        look()
    browser.ask("new", options={"viewport": {"width": 320, "height": 640}, "colorScheme": scheme})
    browser.goto(app)
    sign_in_at_home(browser, "ada@fabrikam.example")
    look()
    assert wide == []


def test_the_whole_way_can_be_gone_without_javascript(demo) -> None:
    with Browser(javascript=False) as browser:
        browser.goto(demo.address("The SaaS app"))
        sign_in_at_home(browser, "ada@fabrikam.example")
        assert browser.text("h1") == "Hello, Ada Alder"
        browser.click("text=Sign out")
        assert browser.text("h1") == "Receipts in, money back."
        assert browser.complaints() == []
