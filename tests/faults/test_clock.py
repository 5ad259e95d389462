"""Clocks that are ten minutes off: of a home, of one of two servers, and of all during a sign-in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from freezegun import freeze_time

from b2b_idp.extension import system_moment
from b2b_idp.model.moment import Moment
from b2b_idp.testing.kit import Kit
from b2b_idp.testing.values import KitApp, KitGuest

both_ways = pytest.mark.parametrize("off", [timedelta(minutes=-10), timedelta(minutes=10)], ids=["behind", "ahead"])

REFUSALS = ("home_answer_refused", "invalid_grant", "step_used", "signin_expired")
"""What is said, rightly, of times that do not fit: begin again."""


@pytest.fixture
def app(b2b_idp: Kit) -> KitApp:
    b2b_idp.home_tenant("fabrikam.example", trust_mfa=True)
    b2b_idp.home_tenant("northwind.example")
    return b2b_idp.app("CRM", requires="mfa")


def comes_in_whole(kit: Kit, guest: KitGuest, app: KitApp, **said: Any) -> None:
    done = kit.sign_in(guest, app, **said)
    assert done.error is None, done.pages
    assert done.id_token is not None
    assert done.id_token["oid"] == guest.id
    assert kit.graph("GET", f"/users/{guest.id}?$select=externalUserState")["externalUserState"] == "Accepted"


@both_ways
def test_a_home_whose_clock_is_wrong_is_refused_until_it_is_right(b2b_idp: Kit, app: KitApp, off: timedelta) -> None:
    home, ada = b2b_idp.home("fabrikam.example"), b2b_idp.invite("ada@fabrikam.example")

    def shift(made: dict[str, Any]) -> None:
        for name in ("iat", "exp"):
            made["claims"][name] += int(off.total_seconds())

    home.provider.tamper["id_token"] = shift
    refused = b2b_idp.sign_in(ada, app, mfa=True)
    assert refused.error == "home_answer_refused"
    state = b2b_idp.graph("GET", f"/users/{ada.id}?$select=externalUserState")["externalUserState"]
    assert state == "PendingAcceptance"

    home.provider.tamper.clear()
    comes_in_whole(b2b_idp, ada, app, mfa=True)


@pytest.fixture
def wrong_every_second_time(b2b_idp: Kit) -> Iterator[Callable[[timedelta], None]]:
    """Has every second request be answered by a server whose clock is off."""
    requests = count()

    def set_off(off: timedelta) -> None:
        def moment() -> Moment:
            now = system_moment()
            return now if next(requests) % 2 else Moment(now.at + off, now.new_id, now.new_secret)

        b2b_idp.idp.moment = moment

    yield set_off
    b2b_idp.idp.moment = system_moment


@both_ways
def test_one_of_two_servers_whose_clock_is_wrong_gives_no_wrong_answer(
    b2b_idp: Kit, app: KitApp, off: timedelta, wrong_every_second_time: Callable[[timedelta], None]
) -> None:
    guests = [b2b_idp.invite(f"guest{n}@fabrikam.example") for n in range(4)]
    wrong_every_second_time(off)
    for guest in guests:
        done = b2b_idp.sign_in(guest, app, mfa=True)
        assert done.error in (None, *REFUSALS), done.pages
    b2b_idp.idp.moment = system_moment
    for guest in guests:
        comes_in_whole(b2b_idp, guest, app, mfa=True)


@both_ways
def test_a_jump_in_the_middle_of_a_sign_in_stops_nobody(b2b_idp: Kit, app: KitApp, off: timedelta) -> None:
    nora = b2b_idp.invite("nora@northwind.example")
    b2b_idp.script(nora)
    browser = nora.driver.walker
    browser.stop_at = b2b_idp._is_outside
    page = browser.submit(browser.get(nora.redeem_url))
    assert page.name == "challenge-choose"
    with freeze_time(datetime.now(UTC) + off, tick=True):
        assert nora.driver.walk(page.url).finished
        comes_in_whole(b2b_idp, nora, app)
