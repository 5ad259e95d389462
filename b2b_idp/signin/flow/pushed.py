"""The pushed request that a sign-in is for (RFC 9126)."""

from __future__ import annotations

from b2b_idp.model.moment import Moment
from b2b_idp.signin.facts import Known
from b2b_idp.store import Writer


def answered_now(w: Writer, known: Known, moment: Moment) -> bool:
    """Spends the pushed request, if it is one; False when it was spent before. Until then it can be looked at as often
    as the browser likes."""
    pushed = known.request.pushed_id if known.request else None
    return pushed is None or w.pushed.answer(pushed, moment.at)
