"""From an allowed sign-in to a session and a grant, and a grant judged again later."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from b2b_idp.model.access import Allow, Reason
from b2b_idp.model.directory import User
from b2b_idp.model.moment import Moment
from b2b_idp.model.problem import Code, Problem
from b2b_idp.model.request import AuthorizeRequest
from b2b_idp.policy.decide import History
from b2b_idp.policy.evaluate import Evaluation, evaluate
from b2b_idp.signin.facts import Known, evidence_from_json, evidence_to_json
from b2b_idp.signin.judging import access_request, evidence_of_session, offered, policy_view, standing
from b2b_idp.signin.moves import Issue
from b2b_idp.signin.steps import needs_administrator
from b2b_idp.signin.values import Standing
from b2b_idp.signin.view import View, has_a_home_now, load_view
from b2b_idp.store import Reader, Writer
from b2b_idp.store.grants import Grant
from b2b_idp.store.signins import SessionRow

MAILED_RECHECK = timedelta(hours=24)
"""How long a session lives after a mailed code, at most: a mailbox changes hands more easily than an account."""


def session_is_good(session: SessionRow, user: User, at: datetime) -> bool:
    """Whether a session still stands: not ended, not over, not revoked for its user."""
    return (
        session.ended_at is None
        and at < session.expires_at
        and (user.sessions_valid_from is None or session.created_at >= user.sessions_valid_from)
    )


def write_grant(
    w: Writer, known: Known, step: Issue, view: View, moment: Moment, home_recheck: timedelta
) -> tuple[str, str | None]:
    """Writes the session (a new one after any visit at home) and, for an app's request, the grant. Their ids."""
    evidence = evidence_of_session(standing(known.evidence, view))
    longest = min(home_recheck, MAILED_RECHECK) if step.home.mailed else home_recheck
    ends = max(s.at for s in evidence.statements) + longest
    document = evidence_to_json(evidence)
    if known.mail_proved_at is not None:
        document["mailProvedAt"] = known.mail_proved_at.timestamp()
    if known.redeemed_at is not None:
        document["redeemedAt"] = known.redeemed_at.timestamp()
    session_id = _session(w, known, step.user.id, document, ends, moment)
    if known.request is None or view.app is None:
        return session_id, None
    grant = Grant(
        id=moment.new_id(),
        user_id=step.user.id,
        app_id=view.app.app_id,
        session_id=session_id,
        document={
            "request": known.request.to_json(),
            "scope": list(step.scope),
            "evidence": document,
            "askedHome": known.asked_home,
            "beganAt": known.began_at.timestamp(),
            "address": view.address,
        },
        created_at=moment.at,
        expires_at=ends,
    )
    w.grants.add(grant)
    return session_id, grant.id


def mfa_at_home(evaluation: Evaluation) -> bool:
    """Whether the home's MFA was believed."""
    accepted = (Reason.HOME_MFA_ACCEPTED, Reason.HOME_STRENGTH_ACCEPTED)
    return any(r.code in accepted for r in evaluation.decision.reasons)


def _session(w: Writer, known: Known, user_id: str, document: Mapping[str, Any], ends: datetime, moment: Moment) -> str:
    """The session that remembers this evidence: the same one while nothing new was learned from home."""
    kept = w.signins.session(known.session_id) if known.session_id else None
    anew = known.departures > 0 or any(s.at > known.began_at for s in known.evidence.statements)
    if kept is not None and not anew:
        if kept.evidence != document:
            w.signins.update_session(kept.id, document, ends)
        return kept.id
    # a session's id changes at every sign-in at home, so that nobody can have planted it
    if kept is not None:
        w.signins.end_session(kept.id, moment.at)
    session_id = moment.new_id()
    row = SessionRow(id=session_id, user_id=user_id, evidence=document, created_at=moment.at, expires_at=ends)
    w.signins.add_session(row, known.home_session)
    return session_id


def reconsider(r: Reader, grant: Grant, moment: Moment, *, refresh: bool = False) -> Standing:
    """The grant judged again, by the trust, home, app and guest of now.

    At refresh the app's own max_age and prompt, which concerned that one sign-in, do not count again; policies do,
    and a sign-in frequency counts from now.
    Raises Problem(INVALID_GRANT) when it would not be allowed without asking.
    """
    r.around.foresee(grant.user_id, grant.app_id)
    user = r.users.by_id(grant.user_id)
    if user is None or user.identity is None:
        raise _over("the guest was deleted or reset")
    if user.sessions_valid_from is not None and grant.created_at < user.sessions_valid_from:
        raise _over("the guest's sessions were revoked")
    if grant.revoked_at is not None or moment.at >= grant.expires_at:
        raise _over("the grant is revoked or over")
    request = AuthorizeRequest.from_json(grant.document["request"])
    evidence = evidence_from_json(grant.document["evidence"])
    began_at = datetime.fromtimestamp(grant.document["beganAt"], moment.at.tzinfo)
    known = Known(
        began_at=began_at,
        request=request,
        tenant_id=user.home_tenant_id,
        identity=user.identity,
        evidence=evidence,
        asked_home=bool(grant.document["askedHome"]),
    )
    view = load_view(r, known, moment.at, grant.document.get("address", ""), user)
    if view.app is None or view.home is None:
        raise _over("the app or the home tenant is gone")
    if has_a_home_now(view.configuration, user.identity):
        raise _over("a home tenant became authoritative for the domain of a guest by mailed code")
    withdrawn = needs_administrator(grant.document["scope"], view.app)
    if withdrawn:
        raise _over("an administrator's consent was withdrawn: " + ", ".join(withdrawn)[:200])
    judged = replace(request, max_age=None, prompt=frozenset()) if refresh else request
    statement = evidence.statements[-1] if evidence.statements else None
    evaluation = evaluate(
        access_request(view, user, judged, statement, moment.at if refresh else began_at, moment.at),
        policy_view(view, judged),
        standing(evidence, view),
        History(asked_home=known.asked_home, local_methods=offered(view)),
    )
    decision = evaluation.decision
    if not isinstance(decision, Allow):
        last = decision.reasons[-1].code.value if decision.reasons else "asked again"
        raise _over(f"it would not be allowed now: {last}")
    return Standing(
        user=user,
        app=view.app,
        home=view.home,
        counted=decision.counted,
        reasons=decision.reasons,
        scope=tuple(grant.document["scope"]),
        nonce=request.nonce,
        session_id=grant.session_id,
        claims_request=request.claims,
    )


def _over(why: str) -> Problem:
    return Problem(Code.INVALID_GRANT, "This grant does not hold any more. Please sign in again.", why)
