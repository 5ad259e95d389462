"""The next step of a sign-in, computed and taken in one transaction."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from b2b_idp.signin.answers import prepare
from b2b_idp.signin.facts import Known, Waiting
from b2b_idp.signin.flow.refuse import refuse
from b2b_idp.signin.flow.row import move
from b2b_idp.signin.flow.visit import Visit
from b2b_idp.signin.learning import bind
from b2b_idp.signin.moves import Bind, Depart, Issue, Stop
from b2b_idp.signin.values import AtStep, Conclude, Refused
from b2b_idp.signin.view import View
from b2b_idp.store import Writer
from b2b_idp.store.signins import SigninRow

T = TypeVar("T")
End = Callable[[Writer, Visit, SigninRow, Known, View, Issue], T]
"""Takes the last step; those that there are stand in `issue`."""


def advance(w: Writer, visit: Visit, row: SigninRow, known: Known, end: End[T]) -> AtStep | Conclude | Refused | T:
    """From the facts as they are now to the next page, home, a refusal, or by `end` to the end."""
    view = visit.view(w, known)
    step = visit.step(known, view)
    if isinstance(step, Bind):
        known, bound = bind(w, visit.parts.vault, known, view, step, visit.moment)
        view = visit.view(w, known, bound)
        step = visit.step(known, view)
    if isinstance(step, Issue):
        return end(w, visit, row, known, view, step)
    if isinstance(step, Stop):
        return refuse(w, visit, row, known, view, step)
    if isinstance(step, Depart):
        # the home's metadata may have to be fetched, which no transaction waits for: `look` departs
        move(w, row, Waiting.DEPARTURE, known)
        return AtStep(row.id)
    assert not isinstance(step, Bind)
    move(w, row, step.waiting, prepare(w, visit.parts.vault, row.id, known, view, step, visit.browser, visit.moment))
    return AtStep(row.id)
