"""How a sign-in ended: its line in the sign-in log, the metrics, and what the server's own log says of it."""

from __future__ import annotations

from b2b_idp.logs import detail, note
from b2b_idp.model.directory import User
from b2b_idp.model.problem import Problem
from b2b_idp.policy.evaluate import Evaluation
from b2b_idp.signin.facts import Known
from b2b_idp.signin.flow.visit import Visit
from b2b_idp.signin.log import signin_document
from b2b_idp.signin.recording import facts_of, opened
from b2b_idp.signin.view import View
from b2b_idp.store import Writer


def log_outcome(
    w: Writer,
    visit: Visit,
    known: Known,
    view: View,
    user: User | None,
    evaluation: Evaluation | None,
    problem: Problem | None = None,
) -> None:
    """One line of the sign-in log, in the transaction of what it tells; all else once that is committed. `problem`:
    None says that it succeeded."""
    document = signin_document(
        moment=visit.moment,
        correlation_id=visit.correlation_id,
        browser=visit.browser,
        known=known,
        view=view,
        user=user,
        evaluation=evaluation,
        problem=problem,
    )
    signed = opened(known.signed, visit.parts.vault, visit.id)
    facts = facts_of(known, view, user, evaluation, problem, signed, visit.moment.at)
    w.logs.add_signin(document, visit.moment.at, facts)
    twice = problem is None and bool(facts.home_mfa and facts.local_mfa)
    home, outcome = facts.home_tenant_id or "none", facts.outcome or ""
    w.after_commit(lambda: _ended(visit, home, outcome, twice, problem))


def _ended(visit: Visit, home: str, outcome: str, twice: bool, problem: Problem | None) -> None:
    visit.parts.metrics.signin(home, outcome, twice)
    if problem is None:
        detail("sign-in ended", home=home, outcome=outcome, correlation_id=visit.correlation_id)
    else:
        note("sign-in refused", home=home, code=outcome, why=problem.why, correlation_id=visit.correlation_id)
