"""The browser comes to a sign-in that is under way."""

from __future__ import annotations

from b2b_idp.model.moment import Moment
from b2b_idp.model.problem import Problem
from b2b_idp.signin.facts import Known, Waiting
from b2b_idp.signin.flow.advance import advance
from b2b_idp.signin.flow.depart import departure
from b2b_idp.signin.flow.issue import end_at_resume
from b2b_idp.signin.flow.page import page
from b2b_idp.signin.flow.parts import SignInParts
from b2b_idp.signin.flow.refuse import refuse
from b2b_idp.signin.flow.row import move, row_of
from b2b_idp.signin.flow.visit import Visit
from b2b_idp.signin.moves import Ask, Depart, Stop
from b2b_idp.signin.values import Browser, GoTo, Landed, Show
from b2b_idp.signin.view import View
from b2b_idp.store import Reader
from b2b_idp.store.signins import SigninRow
from b2b_idp.tracing import traced


@traced("sign-in: look")
def look(parts: SignInParts, id: str, browser: Browser, moment: Moment) -> Show | Landed:
    """The present step of a sign-in, computed again: a page, or the way home."""

    def read(r: Reader) -> tuple[Visit, SigninRow, Known, View]:
        row = row_of(r, id, browser, moment)
        visit = Visit.to(row, parts, browser, moment)
        known = Known.from_json(row.known)
        return visit, row, known, visit.view(r, known)

    visit, row, known, view = parts.store.look(read)
    step = visit.step(known, view)
    if isinstance(step, Depart):
        try:
            departed, url = departure(visit, known, step)
        except Problem as problem:
            stop = Stop(problem)
            return parts.store.transact(lambda w: refuse(w, visit, row, known, view, stop))
        parts.store.transact(lambda w: move(w, row, Waiting.HOME, departed))
        return GoTo(url)
    if isinstance(step, Ask) and step.waiting == row.waiting and not _unprepared(known, step):
        return page(visit, row, known, view, step)
    return parts.store.transact(lambda w: advance(w, visit, row, known, end_at_resume))


def _unprepared(known: Known, step: Ask) -> bool:
    if step.waiting is Waiting.EMAIL_CODE:
        return known.mailed_code is None or known.mailed_code.address != step.address
    if step.waiting is Waiting.RECOVERY_CODES:
        return not known.recovery_codes
    if step.passkey:
        return known.passkey_challenge is None
    return step.totp_registration and known.totp_secret is None
