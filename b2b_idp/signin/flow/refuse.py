"""A refusal: logged, and the sign-in ended or kept for another try."""

from __future__ import annotations

from dataclasses import replace

from b2b_idp.model.directory import User
from b2b_idp.model.problem import Code
from b2b_idp.signin.facts import Known, Waiting
from b2b_idp.signin.flow.outcome import log_outcome
from b2b_idp.signin.flow.pushed import answered_now
from b2b_idp.signin.flow.row import move
from b2b_idp.signin.flow.visit import Visit
from b2b_idp.signin.moves import Stop
from b2b_idp.signin.values import Conclude, Refused
from b2b_idp.signin.view import View
from b2b_idp.store import Writer
from b2b_idp.store.signins import SigninRow

_RETRY = frozenset({Code.HOME_UNAVAILABLE, Code.HOME_ANSWER_REFUSED, Code.NO_HOME, Code.REGISTRATION_NEEDS_PROOF})
"""Refusals after which the guest may try again in the same sign-in."""


def refuse(w: Writer, visit: Visit, row: SigninRow | None, known: Known, view: View, stop: Stop) -> Refused | Conclude:
    """Logs the refusal and ends the sign-in, or keeps it where its guest may try again. What the app is to be told
    waits in the row for the OpenID side. `row`: None when the sign-in was refused as it began."""
    problem = stop.problem
    may_retry = row is not None and problem.code in _RETRY
    tell_app = stop.tell_app and known.request is not None
    if tell_app:
        answered_now(w, known, visit.moment)
    if row is not None:
        waiting = Waiting.REFUSED if tell_app else Waiting(row.waiting) if may_retry else Waiting.DONE
        if may_retry and waiting is Waiting.EXCHANGE:
            waiting = Waiting.DEPARTURE
        if may_retry and problem.code is Code.REGISTRATION_NEEDS_PROOF:
            waiting, known = Waiting.ACCESS_PASS, replace(known, with_pass=True)
        told = (problem.code.value, problem.say, problem.details.get("error", ""))
        move(w, row, waiting, replace(known, refusal=told) if tell_app else known)
    log_outcome(w, visit, known, view, view.user or _meant(view, stop), stop.evaluation, problem)
    if row is not None and tell_app:
        return Conclude(row.id)
    return Refused(
        problem,
        visit.correlation_id,
        known.request if tell_app else None,
        row.id if row and may_retry else None,
    )


def _meant(view: View, stop: Stop) -> User | None:
    """Whom a policy refused before they were bound; what refuses the identity itself concerns nobody here."""
    return view.candidate.user if view.candidate is not None and stop.evaluation is not None else None
