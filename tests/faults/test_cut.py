"""The connection to PostgreSQL cut at every statement of every step, before it gets there and after it was done:
nothing is lost, half-made or done twice, and what changes something is answered as if nothing had happened."""

from __future__ import annotations

import pytest

from b2b_idp.testing.values import KitApp, KitGuest
from tests.faults.faulty_kit import MFA, FaultyKit, at_each_statement
from tests.wire import When, Wire

BOTH: tuple[When, ...] = ("before", "after")


@pytest.mark.parametrize("when", BOTH)
def test_an_invitation_is_made_once_and_answered(kit: FaultyKit, wire: Wire, app: KitApp, when: When) -> None:
    made: dict[str, str] = {}

    def invite(n: int) -> None:
        email = f"guest{n}-{when}@fabrikam.example"
        body = {"invitedUserEmailAddress": email, "inviteRedirectUrl": "http://127.0.0.1:9"}
        status, invitation = kit.post("/invitations", body)
        assert status == 201
        made[email] = invitation["invitedUser"]["id"]

    assert at_each_statement(kit, lambda n: wire.cut(n, when), lambda: wire.sent, invite) == 0
    users = kit.graph("GET", "/users?$filter=startswith(mail,'guest')&$select=id,mail")["value"]
    assert sorted((u["mail"], u["id"]) for u in users if f"-{when}@" in u["mail"]) == sorted(made.items())


@pytest.mark.parametrize("when", BOTH)
def test_a_code_is_redeemed_once_and_answered(
    kit: FaultyKit, wire: Wire, app: KitApp, guest: KitGuest, when: When
) -> None:
    def sign_in(_n: int) -> None:
        done = kit.sign_in(guest, app, amr=MFA)
        assert done.error is None, done.pages

    # a page that is only looked at says that it comes in a moment; whatever changes something just goes on
    assert at_each_statement(kit, lambda n: wire.cut(n, when), lambda: wire.sent, sign_in) <= 8


@pytest.mark.parametrize("when", BOTH)
def test_a_refresh_token_is_rotated_once_and_answered(
    kit: FaultyKit, wire: Wire, app: KitApp, guest: KitGuest, when: When
) -> None:
    tokens = [kit.come(guest, app, amr=MFA).tokens["refresh_token"]]
    wire.cut(0)

    def refresh(_n: int) -> None:
        tokens.append(kit.refresh(app, tokens[-1])["refresh_token"])

    assert at_each_statement(kit, lambda n: wire.cut(n, when), lambda: wire.sent, refresh) == 0
    assert len(set(tokens)) == len(tokens)


EVERY = 61
"""A first sign-in has some three hundred statements, each transaction fewer than these."""


@pytest.mark.parametrize("when", BOTH)
def test_a_guest_whose_connections_keep_breaking_comes_in(kit: FaultyKit, wire: Wire, app: KitApp, when: When) -> None:
    for n in range(BOTH.index(when) + 1, EVERY + 1, 7):
        guest = kit.invite(f"guest{n}-{when}@northwind.example")
        wire.cut(n, when, EVERY)
        done = kit.come(guest, app, amr=["pwd"])
        assert wire.sent > 100
        wire.cut(0)
        assert done.id_token is not None
        assert done.id_token["oid"] == guest.id
        kit.check_whole(guest)
