"""What a home's answer teaches, and the binding of an invitation to an identity."""

from __future__ import annotations

from dataclasses import replace

from b2b_idp.homes.oidc import HomeAnswer
from b2b_idp.model.directory import HomeIdentity
from b2b_idp.model.evidence import Evidence
from b2b_idp.model.home import Home
from b2b_idp.model.moment import Moment
from b2b_idp.signin.attributes import may_follow, refresh
from b2b_idp.signin.facts import HomeProfile, Known
from b2b_idp.signin.log import guest_audit
from b2b_idp.signin.refusals import taken
from b2b_idp.signin.steps import Bind
from b2b_idp.signin.view import View
from b2b_idp.store import Writer

_SIGNED_KEPT = 3
"""As many statements as a session remembers."""


def learn(w: Writer, known: Known, home: Home, answer: HomeAnswer, signed: str | None, moment: Moment) -> Known:
    """The facts with what the home said; the guest's own attributes follow it. `signed`: what it signed, sealed."""
    identity = HomeIdentity(answer.statement.issuer, answer.statement.subject)
    other = known.identity is not None and known.identity != identity
    # another person at the home than the session's: nothing that was known of the first one holds
    evidence = Evidence() if other else known.evidence
    p = answer.profile
    trust = w.configuration.trust(home)
    said = {name: value for name, value in p.attributes.items() if name in may_follow(trust)}
    user = w.users.by_identity(identity)
    if user is not None:
        refresh(w, user, said, home, trust, moment)
    return replace(
        known,
        identity=identity,
        profile=HomeProfile(p.email, p.email_verified, said),
        pending=None,
        asked_home=known.asked_home or was_asked(known),
        session_id=None if other else known.session_id,
        evidence=replace(evidence, statements=(*evidence.statements, answer.statement)),
        signed=(*(() if other else known.signed), *((signed,) if signed else ()))[-_SIGNED_KEPT:],
    )


def was_asked(known: Known) -> bool:
    """Whether the request that the home answers asked for MFA or for a fresh sign-in."""
    pending = known.pending or {}
    return bool(pending.get("asked_step_up")) or pending.get("max_age") is not None


def bind(w: Writer, known: Known, view: View, step: Bind, moment: Moment) -> None:
    """Binds the candidate to the identity, once. Raises Problem(INVITATION_TAKEN)."""
    assert known.identity is not None and view.home is not None
    bound = w.users.bind(step.candidate.user, known.identity, view.home.tenant_id, step.proved_mail, moment.at)
    if bound is None:
        raise taken()
    if known.profile is not None:
        refresh(w, bound, known.profile.attributes, view.home, view.trust, moment, new_identity=True)
    invitation = step.candidate.invitation
    if invitation is not None:
        w.users.set_invitation_status(invitation.id, "Completed")
    activity = "Redeem external user invite" if invitation is not None else "Bind member to the own provider"
    audit = guest_audit(bound, moment, activity, service="Invited Users", operation="Update")
    w.logs.add_audit(audit, moment.at)
