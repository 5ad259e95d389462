"""The row of a sign-in: read for the browser that began it, moved on by one conditional update."""

from __future__ import annotations

from datetime import timedelta

from b2b_idp.logs import carry
from b2b_idp.model.moment import Moment
from b2b_idp.model.problem import Code, Problem
from b2b_idp.signin.facts import Known, Waiting
from b2b_idp.signin.refusals import stranger, used
from b2b_idp.signin.values import Browser
from b2b_idp.store import Reader, Writer
from b2b_idp.store.signins import SigninRow

SIGNIN_LIFETIME = timedelta(hours=1)
"""A sign-in outlives two slow pages and the Back button."""


def row_of(r: Reader, id: str, browser: Browser, moment: Moment) -> SigninRow:
    """Raises Problem(SIGNIN_UNKNOWN | STEP_USED | SIGNIN_EXPIRED)."""
    row = r.signins.by_id(id)
    if row is None or row.browser != browser.key:
        raise stranger("no such sign-in in this browser")
    carry(correlation_id=row.correlation_id)
    if row.waiting == Waiting.DONE:
        raise used("the sign-in is over")
    if moment.at >= row.expires_at:
        raise Problem(Code.SIGNIN_EXPIRED, "This sign-in took too long. Please start again at the app.")
    return row


def move(w: Writer, row: SigninRow, waiting: Waiting, known: Known) -> None:
    """Takes a step: the facts, and what is waited for now. Raises Problem(STEP_USED) when another request took it."""
    if not w.signins.move(row.id, row.version, waiting.value, known.to_json()):
        raise step_taken()


def step_taken() -> Problem:
    return used("another request took this step")
