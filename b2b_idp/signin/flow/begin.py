"""A sign-in begins: for an app's request, from an invitation's link, for a change on one's security page."""

from __future__ import annotations

from collections.abc import Callable

from b2b_idp.model.moment import Moment
from b2b_idp.model.problem import Code, Problem
from b2b_idp.model.request import AuthorizeRequest
from b2b_idp.signin import account, security
from b2b_idp.signin.answers import prepare
from b2b_idp.signin.beginnings import facts_of_link, facts_of_request, facts_of_task
from b2b_idp.signin.facts import Known, Task, Waiting
from b2b_idp.signin.flow.depart import departure
from b2b_idp.signin.flow.issue import issue
from b2b_idp.signin.flow.parts import SignInParts
from b2b_idp.signin.flow.refuse import refuse
from b2b_idp.signin.flow.row import SIGNIN_LIFETIME
from b2b_idp.signin.flow.visit import Visit
from b2b_idp.signin.moves import Ask, Depart, Issue, Step, Stop
from b2b_idp.signin.values import AtStep, Browser, GoTo, Granted, Landed, Show
from b2b_idp.signin.view import View
from b2b_idp.store import Reader, Writer
from b2b_idp.store.signins import SigninRow
from b2b_idp.tracing import traced


@traced("sign-in: begin")
def begin(
    parts: SignInParts, asked: Callable[[Reader], AuthorizeRequest], browser: Browser, moment: Moment
) -> Show | Granted | Landed:
    """A sign-in for an app's request, which `asked` checks. With a live session it may be granted at once."""
    visit = Visit.first(parts, browser, moment)

    def look(r: Reader) -> Granted | Landed | tuple[Known, View, Step]:
        if browser.session_id:
            r.signins.foresee_session(browser.session_id)
        known = facts_of_request(r, asked(r), browser, moment)
        view = visit.view(r, known)
        step = visit.step(known, view)
        if isinstance(step, Issue):
            return issue(r.writing(), visit, known, view, step)
        return known, view, step

    # with a session it is most likely granted at once: read where it can be written
    found = parts.store.transact(look) if browser.session_id else parts.store.look(look)
    return _start(visit, *found) if isinstance(found, tuple) else found


@traced("sign-in: begin redemption")
def begin_redemption(parts: SignInParts, ticket: str, browser: Browser, moment: Moment) -> Show:
    """A sign-in from an invitation's link. Raises Problem(INVITATION_INVALID), the same for every bad link."""
    visit = Visit.first(parts, browser, moment)

    def look(r: Reader) -> tuple[Known, View]:
        known = facts_of_link(r, parts.vault, ticket, moment)
        return known, visit.view(r, known)

    known, view = parts.store.look(look)
    return _start(visit, known, view, visit.step(known, view))


@traced("sign-in: begin task")
def begin_task(parts: SignInParts, task: Task, browser: Browser, moment: Moment) -> Show | Landed:
    """A sign-in of its own for a change that the person of this session asked for on their security page: at once
    where the session holds young MFA, else after a step-up at home or a challenge here.

    Raises Problem as `account.signed_in`, and Problem(NOT_FOUND | CONFLICT | INVALID_REQUEST).
    """
    visit = Visit.first(parts, browser, moment)

    def look(w: Writer) -> Landed | tuple[Known, View, Step]:
        session, user = account.signed_in(w, browser, moment.at)
        security.check(w, user, task)
        known = facts_of_task(session, user, task, moment)
        view = visit.view(w, known)
        step = visit.step(known, view)
        if isinstance(step, Issue):
            done = issue(w, visit, known, view, step)
            assert isinstance(done, Landed)
            return done
        return known, view, step

    found = parts.store.transact(look)
    return _start(visit, *found) if isinstance(found, tuple) else found


def _start(visit: Visit, known: Known, view: View, step: Step) -> Show:
    """Takes the first step of a sign-in that is not granted at once."""
    if isinstance(step, Depart):
        try:
            departed, url = departure(visit, known, step)
        except Problem as problem:
            step = Stop(problem)
        else:
            visit.parts.store.transact(lambda w: _add_row(w, visit, Waiting.HOME, departed))
            return GoTo(url)
    first = step

    def start(w: Writer) -> Show:
        if isinstance(first, Ask):
            prepared = prepare(w, visit.parts.vault, visit.id, known, view, first, visit.browser, visit.moment)
            _add_row(w, visit, first.waiting, prepared)
            return AtStep(visit.id)
        assert isinstance(first, Stop)
        if first.tell_app or first.problem.code is not Code.REGISTRATION_NEEDS_PROOF:
            return refuse(w, visit, None, known, view, first)
        # a one-time pass would help, which is typed in this sign-in
        return refuse(w, visit, _add_row(w, visit, Waiting.ACCESS_PASS, known), known, view, first)

    return visit.parts.store.transact(start)


def _add_row(w: Writer, visit: Visit, waiting: Waiting, known: Known) -> SigninRow:
    row = SigninRow(
        id=visit.id,
        browser=visit.browser.key,
        version=0,
        waiting=waiting.value,
        known=known.to_json(),
        correlation_id=visit.correlation_id,
        created_at=visit.moment.at,
        expires_at=visit.moment.at + SIGNIN_LIFETIME,
    )
    w.signins.add(row)
    return row
