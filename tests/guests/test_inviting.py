"""Inviting: who comes to exist, which link is good, what is mailed."""

from __future__ import annotations

import uuid
from dataclasses import replace

import pytest
from guests_world import AT, ISSUER, moment

from b2b_idp.model.directory import HomeIdentity, User
from b2b_idp.model.evidence import LocalMethod
from b2b_idp.model.problem import Code, Problem
from b2b_idp.store.factors import TotpFactor
from b2b_idp.store.grants import Grant
from b2b_idp.store.signins import SessionRow

ALICE = "alice@fabrikam.example"


def refused(directory, *args, **more):
    with pytest.raises(Problem) as e:
        directory.invite(*args, **more)
    return e.value


def redeem(directory, invited, subject="1001"):
    """What redemption leaves behind: an identity, a session, a grant, a factor, a consent."""
    user_id, soon = invited.user.id, moment(hours=8).at
    with directory.store.write() as w:
        identity = HomeIdentity("https://home.example", subject)
        w.users.bind(w.users.by_id(user_id), identity, "h", invited.invitation.email, AT)
        w.signins.add_session(
            SessionRow(id="s" + user_id[1:], user_id=user_id, evidence={}, created_at=AT, expires_at=soon)
        )
        w.grants.add(
            Grant(
                id="g" + user_id[1:],
                user_id=user_id,
                app_id="a",
                session_id="s" + user_id[1:],
                document={},
                created_at=AT,
                expires_at=soon,
            )
        )
        w.factors.add_totp(TotpFactor(str(uuid.uuid4()), user_id, b"secret", 0, AT))
        w.grants.consent(user_id, "a", frozenset({"openid"}), AT)


def test_the_guest_exists_at_once_and_waits_for_acceptance(directory):
    user = directory.user(directory.invite(ALICE, display_name="Alice Alder").user.id)
    assert (user.user_type, user.state, user.creation_type) == ("Guest", "PendingAcceptance", "Invitation")
    assert (user.mail, user.display_name) == (ALICE, "Alice Alder")
    assert user.upn == "alice_fabrikam.example#EXT#@contoso.example"
    assert user.identity is None


def test_the_link_is_below_the_issuer_and_names_the_invitation(directory):
    invited = directory.invite(ALICE)
    assert invited.redeem_url.startswith(f"{ISSUER}/redeem?ticket=")
    handle = directory.vault.read_handle("ticket", invited.redeem_url.partition("=")[2])
    assert handle.id == invited.invitation.id


def test_two_addresses_that_make_the_same_name_are_two_guests(directory):
    first = directory.invite("a_b@fabrikam.example").user
    with directory.store.write() as w:
        w.users.save(replace(w.users.by_id(first.id), mail="other@fabrikam.example"))
    second = directory.invite("a_b@fabrikam.example").user
    assert first.id != second.id and first.upn != second.upn


def test_inviting_again_keeps_the_guest_and_ends_the_earlier_link(directory):
    first, second = directory.invite(ALICE), directory.invite(ALICE.upper())
    assert second.user.id == first.user.id
    assert not directory.is_open(first.redeem_url) and directory.is_open(second.redeem_url)


def test_inviting_again_only_resends(directory):
    first = directory.invite(ALICE, display_name="Alice")
    again = directory.invite(ALICE, display_name="Mallory", user_type="Member")
    user = directory.user(first.user.id)
    assert again.user.id == user.id and (user.display_name, user.user_type) == ("Alice", "Guest")


def test_a_guest_who_accepted_is_found_and_stays(directory):
    first = directory.invite(ALICE)
    redeem(directory, first)
    again = directory.invite(ALICE)
    assert (again.user.id, again.invitation.status) == (first.user.id, "Completed")
    assert directory.user(first.user.id).state == "Accepted"


@pytest.mark.parametrize("found_by", ["mail", "userPrincipalName"])
def test_n_072_a_member_is_not_invited(directory, found_by):
    upn, mail = ("bob@contoso.example", None) if found_by != "mail" else ("x@contoso.example", "bob@contoso.example")
    with directory.store.write() as w:
        w.users.add(User(id=str(uuid.uuid4()), user_type="Member", upn=upn, mail=mail, created_at=AT))
    assert refused(directory, "Bob@contoso.example").code is Code.BAD_REQUEST


def test_the_mail_carries_the_link_once_and_is_plain_text(directory):
    invited = directory.invite(ALICE, send_message=True)
    (letter,) = directory.letters()
    assert letter.recipient == ALICE and letter.body.count(invited.redeem_url) == 1
    assert "Contoso" in letter.subject and "\n" not in letter.subject


def test_no_mail_unless_asked_for(directory):
    directory.invite(ALICE)
    assert directory.letters() == []


def test_n_075_the_inviters_message_arrives_as_the_text_it_is(directory):
    own = 'Hi {{name}} <b onclick="x">%s</b>\r\nBcc: eve@evil.example'
    directory.invite(ALICE, send_message=True, message={"customizedMessageBody": own})
    (letter,) = directory.letters()
    assert 'Hi {{name}} <b onclick="x">%s</b>' in letter.body
    assert "\r" not in letter.body and letter.recipient == ALICE


def test_n_076_the_sixth_mail_within_an_hour_is_refused_with_a_time(directory):
    for _ in range(5):
        directory.invite(ALICE, send_message=True)
    problem = refused(directory, ALICE, send_message=True)
    assert problem.code is Code.TOO_MANY_ATTEMPTS and problem.retry_after is not None
    assert len(directory.letters()) == 5
    directory.invite(ALICE, send_message=True, at=moment(minutes=61))
    assert len(directory.letters()) == 6


def test_n_066_reset_takes_all_that_the_old_identity_had(directory):
    first = directory.invite(ALICE)
    redeem(directory, first)
    again = directory.invite(ALICE, reset_user_id=first.user.id, at=moment(hours=1))
    user = directory.user(first.user.id)
    assert again.user.id == user.id and user.upn == first.user.upn
    assert (user.state, user.identity, user.proved_mail) == ("PendingAcceptance", None, None)
    with directory.store.read() as r:
        assert r.signins.session("s" + user.id[1:]).ended_at is not None
        assert r.grants.by_id("g" + user.id[1:]).revoked_at is not None
        assert r.grants.consented(user.id, "a") == frozenset()
        assert LocalMethod.TOTP not in r.factors.methods(user.id)


def test_reset_to_another_of_the_guests_addresses(directory):
    first = directory.invite(ALICE)
    with directory.store.write() as w:
        user = w.users.by_id(first.user.id)
        w.users.save(replace(user, properties={"otherMails": ["alice@litware.example"]}))
    directory.invite("alice@litware.example", reset_user_id=first.user.id)
    user = directory.user(first.user.id)
    assert (user.mail, user.properties["otherMails"]) == ("alice@litware.example", [ALICE])


def test_reset_to_a_strange_address_changes_nothing(directory):
    first = directory.invite(ALICE)
    redeem(directory, first)
    problem = refused(directory, "eve@evil.example", reset_user_id=first.user.id)
    assert problem.code is Code.BAD_REQUEST and directory.user(first.user.id).state == "Accepted"
