"""The page of a step."""

from __future__ import annotations

from b2b_idp.model.problem import Problem
from b2b_idp.signin.facts import Known
from b2b_idp.signin.flow.visit import Visit
from b2b_idp.signin.moves import Ask
from b2b_idp.signin.showing import page_of
from b2b_idp.signin.values import ShowPage
from b2b_idp.signin.view import View
from b2b_idp.store.signins import SigninRow


def page(visit: Visit, row: SigninRow, known: Known, view: View, step: Ask, error: Problem | None = None) -> ShowPage:
    """`error` is what was wrong with the last answer."""
    name, context = page_of(step, known, view, visit.parts.vault, visit.parts.party, row.id, error)
    return ShowPage(row.id, row.version, row.correlation_id, name, context)
