"""A transaction that PostgreSQL undoes for another's sake, at every statement of every step: nobody notices."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import event

from b2b_idp.testing.values import KitApp, KitGuest
from tests.faults.faulty_kit import MFA, FaultyKit, at_each_statement

STATES = ("40001", "40P01")
"""serialization_failure and deadlock_detected"""


class Undoing:
    """Has the server itself raise an error in the place of the n-th statement that a writing transaction sends."""

    def __init__(self, kit: FaultyKit) -> None:
        self.sent, self._at, self.state = 0, 0, STATES[0]
        self.engine = kit.idp.store._database.engine
        event.listen(self.engine, "before_cursor_execute", self._send, retval=True)

    def undo(self, at: int) -> None:
        self.sent, self._at = 0, at

    def _send(self, connection: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool) -> Any:
        if not connection.get_execution_options().get("b2b_write"):
            return statement, parameters
        self.sent += 1
        if self.sent != self._at:
            return statement, parameters
        return f"DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{self.state}'; END $$", ()


@pytest.fixture(params=STATES)
def undoing(request: pytest.FixtureRequest, kit: FaultyKit, guest: KitGuest) -> Iterator[Undoing]:
    made = Undoing(kit)
    made.state = request.param
    yield made
    event.remove(made.engine, "before_cursor_execute", made._send)


def test_invitations_go_on(kit: FaultyKit, undoing: Undoing) -> None:
    def invite(n: int) -> None:
        email = f"guest{n}-{undoing.state}@fabrikam.example"
        status, _ = kit.post(
            "/invitations", {"invitedUserEmailAddress": email, "inviteRedirectUrl": "http://127.0.0.1"}
        )
        assert status == 201

    assert at_each_statement(kit, undoing.undo, lambda: undoing.sent, invite) == 0


def test_sign_ins_and_codes_go_on(kit: FaultyKit, app: KitApp, guest: KitGuest, undoing: Undoing) -> None:
    def sign_in(_n: int) -> None:
        assert kit.sign_in(guest, app, amr=MFA).error is None

    assert at_each_statement(kit, undoing.undo, lambda: undoing.sent, sign_in) == 0


def test_refreshes_go_on(kit: FaultyKit, app: KitApp, guest: KitGuest, undoing: Undoing) -> None:
    token = kit.come(guest, app, amr=MFA).tokens["refresh_token"]

    def refresh(_n: int) -> None:
        nonlocal token
        token = kit.refresh(app, token)["refresh_token"]

    assert at_each_statement(kit, undoing.undo, lambda: undoing.sent, refresh) == 0


@pytest.mark.parametrize("undoing", STATES[:1], indirect=True)
def test_a_first_sign_in_goes_on(kit: FaultyKit, app: KitApp, undoing: Undoing) -> None:
    for n in range(1, 250, 23):
        guest = kit.invite(f"guest{n}@northwind.example")
        undoing.undo(n)
        done = kit.sign_in(guest, app, amr=["pwd"])
        undoing.undo(0)
        assert done.error is None, done.pages
        kit.check_whole(guest)
