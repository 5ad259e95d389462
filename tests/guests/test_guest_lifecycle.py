"""What happens to a guest later."""

from __future__ import annotations

from guests_world import moment

from b2b_idp.guests.lifecycle import delete, delete_for_good, revoke_sessions, set_enabled
from b2b_idp.model.directory import RoleAssignment
from b2b_idp.store.signins import SessionRow

ALICE = "alice@fabrikam.example"


def with_session(directory):
    user = directory.invite(ALICE).user
    with directory.store.write() as w:
        w.signins.add_session(
            SessionRow(id="s", user_id=user.id, evidence={}, created_at=moment().at, expires_at=moment(hours=8).at)
        )
    return user


def test_revoking_ends_sessions_and_whatever_was_begun_before(directory):
    user = with_session(directory)
    with directory.store.write() as w:
        revoke_sessions(w, user, moment(hours=1))
    with directory.store.read() as r:
        assert r.signins.session("s").ended_at == moment(hours=1).at
    assert directory.user(user.id).sessions_valid_from == moment(hours=1).at


def test_a_disabled_guest_has_no_session_left(directory):
    user = with_session(directory)
    with directory.store.write() as w:
        set_enabled(w, user, False, moment(hours=1))
    with directory.store.read() as r:
        assert r.signins.session("s").ended_at is not None
    assert directory.user(user.id).account_enabled is False


def test_a_guest_may_be_enabled_again(directory):
    user = with_session(directory)
    with directory.store.write() as w:
        disabled = set_enabled(w, user, False, moment(hours=1))
        set_enabled(w, disabled, True, moment(hours=2))
    assert directory.user(user.id).account_enabled is True


def test_a_deleted_guest_leaves_no_membership_or_assignment(directory):
    user = with_session(directory)
    with directory.store.write() as w:
        w.apps.add_group("g", {"displayName": "Sales"}, moment().at)
        w.apps.add_member("g", user.id)
        w.apps.assign(RoleAssignment("a", user.id, "User", "sp", "r", moment().at))
    with directory.store.write() as w:
        delete(w, user, moment())
        deleted = w.users.deleted(user.id)
        delete_for_good(w, deleted, moment())
    with directory.store.read() as r:
        assert r.users.by_id(user.id) is r.users.deleted(user.id) is None
        assert (r.apps.members("g"), r.apps.assignments(principal_id=user.id)) == ([], [])
