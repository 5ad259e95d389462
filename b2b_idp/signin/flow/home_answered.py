"""The browser comes back from its home tenant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from b2b_idp.homes.oidc import Pending
from b2b_idp.logs import carry
from b2b_idp.model.home import Home
from b2b_idp.model.moment import Moment
from b2b_idp.model.problem import Code, Problem
from b2b_idp.signin.facts import Known, Waiting
from b2b_idp.signin.flow.advance import advance
from b2b_idp.signin.flow.issue import end_at_once, end_at_resume
from b2b_idp.signin.flow.parts import SignInParts
from b2b_idp.signin.flow.refuse import refuse
from b2b_idp.signin.flow.row import row_of
from b2b_idp.signin.flow.visit import Visit
from b2b_idp.signin.learning import learn, was_asked
from b2b_idp.signin.moves import Stop
from b2b_idp.signin.recording import sealed
from b2b_idp.signin.refusals import stranger, used
from b2b_idp.signin.values import Browser, Granted, Landed, Refused, Show
from b2b_idp.store import Writer
from b2b_idp.store.signins import SigninRow
from b2b_idp.tracing import traced


@traced("sign-in: home answered")
def home_answered(
    parts: SignInParts, tenant_id: str, query: Mapping[str, str], browser: Browser, moment: Moment
) -> Show | Landed | Granted:
    """The home's answer at the redirect URI of home `tenant_id`. The code is sent upstream once, whatever comes.
    Granted where nothing but an address is left to be sent to the browser; a page has one of its own."""
    handle = parts.vault.read_handle("state", query.get("state", ""))
    if handle is None:
        raise stranger("callback without a state of ours")

    def come_back(w: Writer) -> Refused | tuple[SigninRow, Known, Home | None]:
        # kept before the code is sent: sent twice, the home would take back what it gave (RFC 6749 §4.1.2)
        claim = w.signins.claim(handle.id, browser.key, Waiting.HOME.value, Waiting.EXCHANGE.value, moment.at)
        home = w.configuration.homes.get(tenant_id)
        claimed = claim()
        row = claimed or row_of(w, handle.id, browser, moment)
        carry(correlation_id=row.correlation_id)
        known = Known.from_json(row.known)
        if known.tenant_id != tenant_id or known.departures != handle.generation or known.pending is None:
            raise used("the state belongs to another departure or home")
        if claimed is None:
            # taken by another request, or by a server that was killed over it: the guest may begin again at home
            return Refused(used("the home's answer was already taken"), row.correlation_id, None, row.id)
        return claimed, known, home

    back = parts.store.transact(come_back)
    if isinstance(back, Refused):
        return back
    row, known, home = back
    visit = Visit.to(row, parts, browser, moment)
    assert known.pending is not None
    try:
        if home is None or not home.enabled:
            raise Problem(
                Code.HOME_DISABLED,
                "Sign-in through your organisation was switched off here meanwhile.",
                f"home tenant {tenant_id} is deleted or disabled",
            )
        answer = parts.homes.finish(home, Pending.from_json(known.pending), query, moment)
    except Problem as problem:
        return _home_failed(visit, row, known, problem)
    signed = sealed(answer.signed, parts.vault, row.id)

    def learned(w: Writer) -> Show | Landed | Granted:
        now = learn(w, parts.vault, known, home, answer, signed, moment)
        return advance(w, visit, row, now, end_at_once)

    return parts.store.transact(learned)


def _home_failed(visit: Visit, row: SigninRow, known: Known, problem: Problem) -> Show | Landed:
    """The answer is refused: nothing was learned. The guest may try again from the sign-in's page; only the home's own
    error is passed on to the app."""
    tell_app = problem.code is Code.HOME_SAID_ERROR and known.request is not None
    said_no = problem.code is Code.HOME_SAID_ERROR and was_asked(known)
    known = replace(known, pending=None, asked_home=known.asked_home or said_no)

    def fail(w: Writer) -> Show | Landed:
        if said_no and known.identity is not None:
            # the step-up failed at home: what the home proved before still stands
            return advance(w, visit, row, known, end_at_resume)
        return refuse(w, visit, row, known, visit.view(w, known), Stop(problem, tell_app))

    return visit.parts.store.transact(fail)
