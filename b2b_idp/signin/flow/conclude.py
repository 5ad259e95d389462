"""The OpenID side asks, at `/resume/<id>`, what a sign-in came to."""

from __future__ import annotations

from datetime import timedelta

from b2b_idp.logs import carry
from b2b_idp.model.moment import Moment
from b2b_idp.model.problem import Code, Problem
from b2b_idp.signin.facts import Known, Waiting
from b2b_idp.signin.flow.advance import advance
from b2b_idp.signin.flow.issue import end
from b2b_idp.signin.flow.parts import SignInParts
from b2b_idp.signin.flow.row import move, row_of
from b2b_idp.signin.flow.visit import Visit
from b2b_idp.signin.values import Browser, Granted, Landed, Refused, Show
from b2b_idp.store import Reader, Writer
from b2b_idp.tracing import traced

SHOWN_AGAIN = timedelta(seconds=60)
"""How long a concluded sign-in gives its answer again, as long as its code lives."""


@traced("sign-in: conclude")
def conclude(parts: SignInParts, id: str, browser: Browser, moment: Moment) -> Show | Granted | Landed:
    """What was granted or refused; what was not granted with the last step is judged again."""
    with parts.store.read() as r:
        granted = _granted(r, id, browser, moment)
    if granted is not None:
        return granted

    def take(w: Writer) -> Show | Granted | Landed:
        row = row_of(w, id, browser, moment)
        known = Known.from_json(row.known)
        if row.waiting == Waiting.REFUSED and known.refusal is not None:
            move(w, row, Waiting.DONE, known)
            code, say, error = known.refusal
            problem = Problem(Code(code), say, details={"error": error} if error else {})
            return Refused(problem, row.correlation_id, known.request)
        return advance(w, Visit.to(row, parts, browser, moment), row, known, end)

    return parts.store.transact(take)


def _granted(r: Reader, id: str, browser: Browser, moment: Moment) -> Granted | None:
    """The grant that the last step wrote, and once more when its answer got lost: the code is the same handle and still
    unused."""
    row = r.signins.by_id(id)
    if row is None or row.browser != browser.key or row.waiting != Waiting.DONE:
        return None
    carry(correlation_id=row.correlation_id)
    known = Known.from_json(row.known)
    grant = r.grants.by_id(known.granted[0]) if known.granted else None
    if known.granted is None or known.request is None or grant is None:
        return None
    fresh = grant.code_used_at is None and grant.revoked_at is None
    if not fresh or moment.at >= grant.created_at + SHOWN_AGAIN:
        return None
    app = r.apps.by_client_id(known.request.client_id)
    return Granted(known.request, *known.granted, known.persistent, app)
