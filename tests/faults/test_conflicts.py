"""A transaction that PostgreSQL undoes for another's sake, at every statement of every step: nobody notices."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from b2b_idp.testing.values import KitApp, KitGuest
from tests.faults.faulty_kit import MFA, FaultyKit, at_each_statement
from tests.openid.openid_world import World
from tests.postgres import Cluster
from tests.wire import Wire

STATES = ("40001", "40P01")
"""serialization_failure and deadlock_detected"""


@pytest.fixture(params=STATES)
def undoing(request: pytest.FixtureRequest, kit: FaultyKit, guest: KitGuest, wire: Wire) -> Iterator[Wire]:
    """Has the server itself fail in the place of the n-th statement that a writing transaction sends."""
    wire.state = request.param
    yield wire
    wire.cut(0)


def test_invitations_go_on(kit: FaultyKit, undoing: Wire) -> None:
    def invite(n: int) -> None:
        email = f"guest{n}-{undoing.state}@fabrikam.example"
        status, _ = kit.post(
            "/invitations", {"invitedUserEmailAddress": email, "inviteRedirectUrl": "http://127.0.0.1"}
        )
        assert status == 201

    assert at_each_statement(kit, lambda n: undoing.cut(n, "undone"), lambda: undoing.sent, invite) == 0


def test_sign_ins_and_codes_go_on(kit: FaultyKit, app: KitApp, guest: KitGuest, undoing: Wire) -> None:
    def sign_in(_n: int) -> None:
        assert kit.sign_in(guest, app, amr=MFA).error is None

    assert at_each_statement(kit, lambda n: undoing.cut(n, "undone"), lambda: undoing.sent, sign_in) == 0


def test_refreshes_go_on(kit: FaultyKit, app: KitApp, guest: KitGuest, undoing: Wire) -> None:
    token = kit.come(guest, app, amr=MFA).tokens["refresh_token"]

    def refresh(_n: int) -> None:
        nonlocal token
        token = kit.refresh(app, token)["refresh_token"]

    assert at_each_statement(kit, lambda n: undoing.cut(n, "undone"), lambda: undoing.sent, refresh) == 0


@pytest.mark.parametrize("undoing", STATES[:1], indirect=True)
def test_a_first_sign_in_goes_on(kit: FaultyKit, app: KitApp, undoing: Wire) -> None:
    for n in range(1, 250, 23):
        guest = kit.invite(f"guest{n}@northwind.example")
        undoing.cut(n, "undone")
        done = kit.sign_in(guest, app, amr=["pwd"])
        undoing.cut(0)
        assert done.error is None, done.pages
        kit.check_whole(guest)


def test_of_those_who_use_a_token_at_once_one_is_given_more(postgres: Cluster, tmp_path: Path) -> None:
    world = World(tmp_path, postgres.database())
    servers = [world.another() for _ in range(4)]

    def at_once(use: Callable[[World], Any]) -> list[Any]:
        with ThreadPoolExecutor(len(servers)) as pool:
            return list(pool.map(use, servers))

    token = world.tokens()["refresh_token"]
    successors = [a.json["refresh_token"] for a in at_once(lambda server: server.refresh(token))]
    # as if the answer had got lost
    assert len(set(successors)) == 1

    code = world.code()
    answers = at_once(lambda server: server.exchange(code))
    assert sorted(a.status_code for a in answers) == [200, 400, 400, 400]
    [won] = [a.json for a in answers if a.status_code == 200]
    # a code used twice may be stolen: what it gave is taken back, whoever was first
    assert world.userinfo(won["access_token"]).status_code == 401
    assert world.refresh(won["refresh_token"]).json["error"] == "invalid_grant"
    world.store.close()
