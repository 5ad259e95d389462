"""SQLite: the disk is full, or another process holds the file. Nothing is half-made, and it goes on by itself."""

from __future__ import annotations

import resource
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import text

from b2b_idp.extension import system_moment
from b2b_idp.keys.ring import KeyRing
from b2b_idp.model.problem import Problem
from tests.faults.faulty_kit import MFA, FaultyKit

INVITATION = {"inviteRedirectUrl": "http://127.0.0.1:9"}


@pytest.fixture
def file_kit(tmp_path: Path) -> Iterator[FaultyKit]:
    made = FaultyKit(f"sqlite:///{tmp_path / 'b2b.sqlite3'}", tmp_path / "keys")
    made.home_tenant("fabrikam.example", trust_mfa=True)
    yield made
    made.close()


def test_a_full_disk_refuses_and_keeps_what_there_is(file_kit: FaultyKit) -> None:
    kit, app = file_kit, file_kit.app("CRM", requires="mfa")
    ada = kit.invite("ada@fabrikam.example")
    # SQLite keeps this limit by connection, and answers as for a disk without room: SQLITE_FULL
    with kit.idp.store._database.transaction(write=False) as connection:
        pages = connection.execute(text("PRAGMA page_count")).scalar_one()
    made: list[str] = []
    limit_each(kit, pages)
    for n in range(200):
        email = f"guest{n}@fabrikam.example"
        status, _ = kit.post("/invitations", INVITATION | {"invitedUserEmailAddress": email})
        if status == 503:
            break
        made.append(email)
    assert kit.refused >= 3
    users = [u["mail"] for u in kit.graph("GET", "/users?$select=mail&$top=999")["value"]]
    assert sorted(users) == sorted([ada.email, *made])

    limit_each(kit, 1 << 30)
    assert kit.post("/invitations", INVITATION | {"invitedUserEmailAddress": email})[0] == 201
    assert kit.sign_in(ada, app, amr=MFA).error is None


def test_n_161_a_full_disk_stops_sign_ins_and_a_rotation_and_spoils_nothing(
    file_kit: FaultyKit, tmp_path: Path
) -> None:
    kit, app, folder = file_kit, file_kit.app("CRM", requires="mfa"), tmp_path / "ring"
    ada, ring = kit.invite("ada@fabrikam.example"), KeyRing.load(folder)
    ring.ensure(system_moment())
    token = ring.signer("RS256", system_moment().at).sign({"exp": 1 << 40}, "at+jwt")
    before = {path: path.read_bytes() for path in folder.iterdir()}
    assert kit.sign_in(ada, app, amr=MFA).error is None

    # room for the first of the new keys, not for the second
    with no_room_for_a_file_of(1000), pytest.raises(Problem, match="cannot be written"):
        ring.rotate(system_moment())
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
    for there in (ring, KeyRing.load(folder)):
        assert {k.kid for k in there.list()} == {k.kid for k in KeyRing.load(folder).list()}
        assert there.verify(token, "at+jwt", system_moment().at)

    with no_room_for_a_file_of(1000):
        refused = kit.sign_in(ada, app, amr=MFA, prompt="login")
    assert refused.id_token is None
    assert kit.refused >= 1

    ring.rotate(system_moment())
    assert len(KeyRing.load(folder).list()) == 2 * len(before)
    assert kit.sign_in(ada, app, amr=MFA, prompt="login").error is None


@contextmanager
def no_room_for_a_file_of(size: int) -> Iterator[None]:
    """The operating system refuses to make any file of this process longer than that, bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def limit_each(kit: FaultyKit, pages: int) -> None:
    """How large the database may become: the one connection that is kept is told, since nothing here runs at once."""
    with kit.idp.store._database.transaction(write=False) as connection:
        connection.execute(text(f"PRAGMA max_page_count={pages}"))


def test_a_file_that_another_process_holds_is_waited_for_and_then_a_503(file_kit: FaultyKit, tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "b2b.sqlite3", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    body = INVITATION | {"invitedUserEmailAddress": "ben@fabrikam.example"}
    headers = {"Authorization": f"Bearer {file_kit.admin_token()}", "Content-Type": "application/json"}
    url = f"{file_kit.issuer}/v1.0/invitations"
    assert file_kit.call("POST", url, headers, b'{"invitedUserEmailAddress": "ben@fabrikam.example"}', most=1)[0] == 503
    # whoever only reads is in nobody's way
    assert file_kit.graph("GET", "/users")["value"] == []
    other.execute("ROLLBACK")
    assert file_kit.post("/invitations", body)[0] == 201
