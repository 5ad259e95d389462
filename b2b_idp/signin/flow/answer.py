"""A form of a sign-in's page comes back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from b2b_idp.logs import note
from b2b_idp.model.moment import Moment
from b2b_idp.model.problem import Code, Problem
from b2b_idp.signin.answers import Answer, read
from b2b_idp.signin.facts import Known, Waiting
from b2b_idp.signin.flow.advance import advance
from b2b_idp.signin.flow.issue import end_at_resume
from b2b_idp.signin.flow.page import page
from b2b_idp.signin.flow.parts import SignInParts
from b2b_idp.signin.flow.refuse import refuse
from b2b_idp.signin.flow.row import move, row_of
from b2b_idp.signin.flow.visit import Visit
from b2b_idp.signin.moves import Ask, Stop
from b2b_idp.signin.values import AtStep, Browser, Landed, Show
from b2b_idp.store import Writer
from b2b_idp.tracing import traced


@traced("sign-in: answer")
def answer(
    parts: SignInParts, id: str, version: int, form: Mapping[str, str], browser: Browser, moment: Moment
) -> Show | Landed:
    """A form post of the present page; `version` is what the page carried, so each step is taken once."""

    def take(w: Writer) -> Show | Landed:
        row = row_of(w, id, browser, moment)
        if row.version != version:
            return AtStep(id)
        visit = Visit.to(row, parts, browser, moment)
        known = Known.from_json(row.known)
        view = visit.view(w, known)
        given = Answer(
            w=w,
            vault=parts.vault,
            party=parts.party,
            signin_id=id,
            known=known,
            view=view,
            form=form,
            browser=browser,
            moment=moment,
        )
        try:
            learned = read(Waiting(row.waiting), given)
        except Problem as problem:
            if problem.code not in (Code.ACCESS_DENIED, Code.NO_HOME):
                raise
            tell_app = problem.code is Code.ACCESS_DENIED and known.request is not None
            return refuse(w, visit, row, known, view, Stop(problem, tell_app))
        if learned.error is not None:
            if learned.error.why:
                note("answer refused", code=learned.error.code.value, why=learned.error.why)
            if learned.known != known:
                move(w, row, Waiting(row.waiting), learned.known)
                row = replace(row, version=row.version + 1)
            step = visit.step(learned.known, view)
            if isinstance(step, Ask) and step.waiting == row.waiting:
                return page(visit, row, learned.known, view, step, learned.error)
        return advance(w, visit, row, learned.known, end_at_resume)

    return parts.store.transact(take)
