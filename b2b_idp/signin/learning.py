"""What a home's answer teaches, and the binding of an invitation to an identity."""

from __future__ import annotations

from dataclasses import replace

from b2b_idp.factors import letters
from b2b_idp.guests import lifecycle
from b2b_idp.homes.oidc import HomeAnswer
from b2b_idp.keys.vault import Vault
from b2b_idp.model.directory import HomeIdentity, User
from b2b_idp.model.evidence import Evidence, HomeStatement
from b2b_idp.model.home import Home
from b2b_idp.model.moment import Moment
from b2b_idp.signin.attributes import follow, may_follow, refresh, refresh_audit, refreshed
from b2b_idp.signin.facts import HomeProfile, Known
from b2b_idp.signin.log import guest_audit
from b2b_idp.signin.moves import Bind
from b2b_idp.signin.refusals import taken
from b2b_idp.signin.view import View, mailed_identity
from b2b_idp.store import Writer

_SIGNED_KEPT = 3
"""As many statements as a session remembers."""


def learn(
    w: Writer, vault: Vault, known: Known, home: Home, answer: HomeAnswer, signed: str | None, moment: Moment
) -> Known:
    """The facts with what the home said; the guest's own attributes follow it. `signed`: what it signed, sealed."""
    identity = HomeIdentity(answer.statement.issuer, answer.statement.subject)
    if known.identity not in (None, identity):
        known = _of_nobody(known)
    w.users.foresee(identity)
    p = answer.profile
    trust = w.configuration.trust(home)
    said = {name: value for name, value in p.attributes.items() if name in may_follow(trust)}
    user = w.users.by_identity(identity)
    if user is None:
        # it most likely ends in a redemption
        w.take_turn()
    invitation = w.invitations.by_id(known.invitation_id) if known.invitation_id else None
    others_link = user is not None and invitation is not None and invitation.user_id != user.id
    if user is not None:
        refresh(w, user, said, home, trust, moment)
    return replace(
        known,
        identity=identity,
        profile=HomeProfile(p.email, p.email_verified, said),
        pending=None,
        asked_home=known.asked_home or was_asked(known),
        # a link proves the mailbox of whom it was sent to
        mail_proved_at=None if others_link else known.mail_proved_at,
        evidence=replace(known.evidence, statements=(*known.evidence.statements, answer.statement)),
        signed=(*known.signed, *((signed,) if signed else ()))[-_SIGNED_KEPT:],
        home_session=home_session(vault, identity.issuer, answer.sid) if answer.sid else None,
    )


def home_session(vault: Vault, issuer: str, sid: str) -> str:
    """A home's session as it is kept: nobody can tell from it what the home calls it."""
    return vault.token("home-session", issuer, sid)


def _of_nobody(known: Known) -> Known:
    """The facts without all that was known of a person: another one came back from home than the session's. No proof,
    answer or choice of the first is the second's."""
    return replace(
        known,
        session_id=None,
        evidence=Evidence(),
        signed=(),
        home_session=None,
        mail_proved_at=None,
        redeemed_at=None,
        address_proved=None,
        mailed_code=None,
        pass_id=None,
        with_pass=False,
        method=None,
        choosing=False,
        totp_secret=None,
        passkey_challenge=None,
        recovery_codes=(),
        accepted=False,
        consent_given=False,
    )


def was_asked(known: Known) -> bool:
    """Whether the request that the home answers asked for MFA or for a fresh sign-in."""
    pending = known.pending or {}
    return bool(pending.get("asked_step_up")) or pending.get("max_age") is not None


def learn_mailed_code(known: Known, home: Home, address: str, fresh: bool, moment: Moment) -> Known:
    """The facts once a code mailed to the address was typed: this server's own word for one factor, done now.
    `fresh`: an earlier sign-in was too old for what is asked."""
    identity = mailed_identity(address)
    if known.identity not in (None, identity):
        known = _of_nobody(known)
    statement = HomeStatement(
        tenant_id=home.tenant_id,
        issuer=identity.issuer,
        subject=identity.subject,
        amr=("otp",),
        acr=None,
        auth_time=moment.epoch,
        at=moment.at,
        asked=fresh,
    )
    return replace(
        known,
        identity=identity,
        profile=HomeProfile(address, True),
        mailed_code=None,
        address_proved=address,
        asked_home=known.asked_home or fresh,
        evidence=replace(known.evidence, statements=(*known.evidence.statements, statement)),
    )


def bind(w: Writer, vault: Vault, known: Known, view: View, step: Bind, moment: Moment) -> tuple[Known, User]:
    """Binds the candidate to the identity, once: the facts, and the user as bound. Raises Problem(INVITATION_TAKEN)."""
    assert known.identity is not None and view.home is not None
    w.take_turn()
    if step.candidate.moves:
        return known, _move(w, vault, known, view, view.home, step, moment)
    was, home, invitation = step.candidate.user, view.home, step.candidate.invitation
    said = known.profile.attributes if known.profile is not None else {}
    newer = refreshed(was, said, home, view.trust, new_identity=True)
    bound = w.users.bind(newer, known.identity, home.tenant_id, step.proved_mail, moment.at)
    if bound is None:
        raise taken()
    if invitation is not None:
        w.invitations.set_status(invitation.id, "Completed")
    activity = "Redeem external user invite" if invitation is not None else "Bind member to the own provider"
    audits = [guest_audit(bound, moment, activity, service="Invited Users", operation="Update")]
    if newer is not was:
        audits.insert(0, refresh_audit(was, bound, home, moment))
    w.logs.add_audits(audits, moment.at)
    if newer is not was:
        follow(w, moment)
    from_link = invitation is not None and invitation.id == known.invitation_id
    return replace(known, redeemed_at=moment.at) if from_link else known, bound


def _move(w: Writer, vault: Vault, known: Known, view: View, home: Home, step: Bind, moment: Moment) -> User:
    """Binds a guest by mailed code to their home. What was begun by mailed code ends. Their local factors stay: home
    and mailbox may be in one hand, and it should not get past a factor that it does not hold."""
    assert known.identity is not None
    moved = w.users.rebind(step.candidate.user, known.identity, home.tenant_id, step.proved_mail)
    if moved is None:
        raise taken()
    moved = lifecycle.revoke_sessions(w, moved, moment)
    if known.profile is not None:
        moved = refresh(w, moved, known.profile.attributes, home, view.trust, moment, new_identity=True)
    organisation = view.configuration.tenant.name
    w.outbox.add(letters.moved_letter(vault, step.proved_mail, organisation, home.display_name, moved.id, moment))
    audit = guest_audit(
        moved, moment, "Move guest to a home tenant", service="Invited Users", operation="Update", reason=home.issuer
    )
    w.logs.add_audit(audit, moment.at)
    return moved
