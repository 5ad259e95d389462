"""One request of a browser to one sign-in."""

from __future__ import annotations

import time
from dataclasses import dataclass

from b2b_idp.logs import carry
from b2b_idp.model.directory import User
from b2b_idp.model.moment import Moment
from b2b_idp.signin.facts import Known
from b2b_idp.signin.flow.parts import SignInParts
from b2b_idp.signin.moves import Step
from b2b_idp.signin.steps import next_step
from b2b_idp.signin.values import Browser
from b2b_idp.signin.view import View, load_view
from b2b_idp.store import Reader
from b2b_idp.store.signins import SigninRow
from b2b_idp.tracing import span


@dataclass(frozen=True, slots=True)
class Visit:
    """Whose request it is, to which sign-in, when, and what it is served with. `id` is the sign-in's, also while it has
    no row; its lines in the log carry `correlation_id`."""

    parts: SignInParts
    id: str
    correlation_id: str
    browser: Browser
    moment: Moment

    @staticmethod
    def first(parts: SignInParts, browser: Browser, moment: Moment) -> Visit:
        """That of a new sign-in."""
        visit = Visit(parts, moment.new_id(), moment.new_id(), browser, moment)
        carry(correlation_id=visit.correlation_id)
        return visit

    @staticmethod
    def to(row: SigninRow, parts: SignInParts, browser: Browser, moment: Moment) -> Visit:
        return Visit(parts, row.id, row.correlation_id, browser, moment)

    def view(self, r: Reader, known: Known, user: User | None = None) -> View:
        """As `load_view`."""
        return load_view(r, known, self.moment.at, self.browser.ip_address, user)

    def step(self, known: Known, view: View) -> Step:
        """As `next_step`, seen by metrics and traces."""
        began = time.perf_counter()
        with span("decision") as traced:
            step = next_step(known, view, self.moment.at)
            if traced is not None:
                traced.set({"b2b_idp.step": type(step).__name__})
        self.parts.metrics.decision(time.perf_counter() - began)
        return step
