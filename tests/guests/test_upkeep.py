"""What is due in the guest directory: found first, then done with the very same list."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from guests_world import moment

from b2b_idp.guests import lifecycle
from b2b_idp.guests.roles import GUEST_INVITER
from b2b_idp.guests.upkeep import attest, carry_out, due
from b2b_idp.model.directory import DirectoryRoleAssignment
from b2b_idp.store.configuration import AUTHORIZATION, PolicyRow

MONTH = timedelta(days=30)


def later(days):
    return moment(days=days)


def redeemed(directory, user, last_signin_at=None):
    with directory.store.write() as w:
        w.users.save(replace(user, state="Accepted", last_signin_at=last_signin_at))


def found(directory, days, **ages):
    with directory.store.read() as r:
        return [(d.user.mail, d.action, d.reason) for d in due(r, later(days).at, **ages)]


def test_who_never_came_is_deleted_and_can_be_restored(directory):
    user = directory.invite("alice@fabrikam.example").user
    assert found(directory, 29, unredeemed=MONTH) == []
    assert found(directory, 31, unredeemed=MONTH) == [("alice@fabrikam.example", "delete", "unredeemed")]
    with directory.store.write() as w:
        carry_out(w, due(w, later(31).at, unredeemed=MONTH), later(31))
        assert w.users.by_id(user.id) is None and w.users.deleted(user.id) is not None


def test_looking_changes_nothing(directory):
    user = directory.invite("alice@fabrikam.example").user
    assert found(directory, 400, unredeemed=MONTH, inactive=MONTH)
    with directory.store.read() as r:
        assert r.users.by_id(user.id) == user


def test_who_stayed_away_is_disabled(directory):
    one, two = (directory.invite(f"{n}@fabrikam.example").user for n in ("away", "here"))
    redeemed(directory, one)
    redeemed(directory, two, last_signin_at=later(80).at)
    assert found(directory, 100, inactive=3 * MONTH) == [("away@fabrikam.example", "disable", "inactive")]
    with directory.store.write() as w:
        carry_out(w, due(w, later(100).at, inactive=3 * MONTH), later(100))
        assert w.users.by_id(one.id).account_enabled is False


def test_who_expired_is_disabled(directory):
    user = directory.invite("alice@fabrikam.example").user
    with directory.store.write() as w:
        lifecycle.set_expiry(w, user, later(10).at)
    assert found(directory, 9) == []
    assert found(directory, 11) == [("alice@fabrikam.example", "disable", "expired")]


def test_who_was_deleted_a_month_ago_is_deleted_for_good(directory):
    user = directory.invite("alice@fabrikam.example").user
    with directory.store.write() as w:
        lifecycle.delete(w, user, later(0))
    assert found(directory, 29) == []
    assert found(directory, 31) == [("alice@fabrikam.example", "deleteForGood", "deleted")]
    with directory.store.write() as w:
        carry_out(w, due(w, later(31).at), later(31))
        assert w.users.deleted(user.id) is None


def test_holders_of_roles_and_members_are_never_among_them(directory):
    user = directory.invite("alice@fabrikam.example").user
    with directory.store.write() as w:
        w.directory.assign_role(DirectoryRoleAssignment("a", user.id, GUEST_INVITER, moment().at))
    assert found(directory, 400, unredeemed=MONTH, inactive=MONTH) == []


def test_a_sponsors_word_lets_a_guest_live_on(directory):
    user = directory.invite("alice@fabrikam.example").user
    with directory.store.write() as w:
        attested = attest(w, lifecycle.set_expiry(w, user, later(10).at), "nina", later(5))
    assert attested.properties["b2bIdp.attestedBy"] == "nina"
    assert attested.expires_at == later(10).at


def test_a_sponsors_word_does_not_bring_back_whose_end_has_come(directory):
    user = directory.invite("alice@fabrikam.example").user
    document = {"b2bIdp": {"guestLifetimeDays": 90}}
    with directory.store.write() as w:
        w.documents.add_policy(PolicyRow("p", AUTHORIZATION, moment().at, None, document))
    with directory.store.write() as w:
        ended = attest(w, lifecycle.set_expiry(w, user, later(10).at), "nina", later(11))
        alive = attest(w, lifecycle.set_expiry(w, user, later(10).at), "nina", later(9))
    assert ended.expires_at == later(10).at
    assert alive.expires_at == later(99).at
