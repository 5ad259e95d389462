"""The next step of a sign-in, computed from facts and the policies as they are now. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from b2b_idp.model.access import Allow, AskHere, AskHome, Counted, Reason, Refuse
from b2b_idp.model.directory import App, User
from b2b_idp.model.home import Home
from b2b_idp.model.problem import Code, Problem
from b2b_idp.model.url import domain_of
from b2b_idp.policy.decide import acr_satisfies
from b2b_idp.policy.evaluate import Evaluation
from b2b_idp.policy.factors import LOCAL
from b2b_idp.policy.reasons import sentence
from b2b_idp.signin.challenging import ask_here, register
from b2b_idp.signin.facts import Known, TaskKind, Waiting
from b2b_idp.signin.judging import judge
from b2b_idp.signin.moves import Ask, Bind, CodeFor, Depart, Issue, Step, Stop
from b2b_idp.signin.redemption import Proof, proof_of
from b2b_idp.signin.refusals import (
    MAILED_SILENCE,
    away_too_long,
    comes_from_home_now,
    domain_blocked,
    home_gone,
    not_invited,
    unmet,
)
from b2b_idp.signin.view import View, bound_address, has_a_home_now

MAX_DEPARTURES = 10
"""How often one sign-in may send a browser home: first visit, step-up, and again after faults on the way."""

SELF_CONSENT = frozenset({"openid", "profile", "email", "offline_access", "User.Read"})
"""Scopes that people may consent to themselves; all else needs an administrator's grant."""


def next_step(known: Known, view: View, at: datetime) -> Step:
    """What comes next. No step trusts that an earlier page was visited: everything is asked of the facts again."""
    silent = known.request is not None and "none" in known.request.prompt
    step = _next(known, view, at)
    if not silent or isinstance(step, Issue) or view.app is None:
        return step
    # nobody looks at the pages of a silent request: whatever is in the way, the app is told
    return replace(step, tell_app=True) if isinstance(step, Stop) else Stop(_cannot_ask(step), tell_app=True)


def _next(known: Known, view: View, at: datetime) -> Step:
    request = known.request
    if request is not None and view.app is None:
        return Stop(Problem(Code.UNKNOWN_CLIENT, "This app is not known here any more."))
    if known.identity is None:
        return _before_home(known, view, at)
    if view.home is None or not view.home.enabled:
        return Stop(home_gone(known.tenant_id))
    if has_a_home_now(view.configuration, known.identity):
        return Stop(comes_from_home_now())
    if view.user is None:
        return _redeem(known, view, at)
    if request is not None and request.hinted_user_id not in (None, view.user.id):
        return Stop(Problem(Code.LOGIN_REQUIRED, "Another person is signed in than the app expects."), tell_app=True)
    if known.task is not None and known.task.user_id != view.user.id:
        return Stop(
            Problem(
                Code.LOGIN_REQUIRED,
                "You signed in at your organisation as another person. Nothing was changed.",
                "the sign-in for a change of security info ended with another user than asked for it",
            )
        )
    return _judge(known, view, view.user, at)


def _before_home(known: Known, view: View, at: datetime) -> Step:
    if known.tenant_id is None:
        return Ask(Waiting.REALM)
    if view.home is None or not view.home.enabled:
        return Stop(home_gone(known.tenant_id))
    evaluation = judge(known, view, None, at)
    decision = evaluation.decision
    if isinstance(decision, Refuse):
        return _refused(evaluation, decision)
    ask = decision if isinstance(decision, AskHome) else AskHome((), step_up=False)
    if view.home.mailed:
        if known.invitation_id is not None and not known.accepted:
            # nor is a code mailed for whoever fetches the link: mail filters do
            return Ask(Waiting.REDEEM, address=known.email)
        return _mailed_code(known.email or "", ask)
    return _depart(known, view.home, ask)


def _mailed_code(address: str, ask: AskHome) -> Ask:
    """At the built-in home: what others ask of theirs, a code mailed to the address answers here."""
    return Ask(
        Waiting.EMAIL_CODE, address=address, code_for=CodeFor.FIRST_FACTOR, fresh=ask.max_age is not None or ask.step_up
    )


def _redeem(known: Known, view: View, at: datetime) -> Step:
    candidate = view.candidate
    if candidate is None:
        return Stop(not_invited(known, view))
    listed = view.configuration.domains
    if candidate.invitation is not None and listed is not None and not listed.permits(domain_of(candidate.address)):
        return Stop(domain_blocked(domain_of(candidate.address)))
    if candidate.moves and _silent_too_long(candidate.user, at):
        return Stop(away_too_long())
    early = judge(known, view, candidate.user, at)
    if isinstance(early.decision, Refuse):
        return _refused(early, early.decision)
    try:
        proof = proof_of(known, view, candidate)
    except Problem as problem:
        return Stop(problem)
    if proof is Proof.MAILED_CODE:
        return Ask(Waiting.EMAIL_CODE, address=candidate.address)
    if candidate.invitation is not None and not known.accepted and not view.trust.automatic_consent:
        return Ask(Waiting.REDEEM)
    return Bind(candidate, candidate.address)


def _judge(known: Known, view: View, user: User, at: datetime) -> Step:
    evaluation = judge(known, view, user, at)
    decision = evaluation.decision
    mailed = view.home is not None and view.home.mailed
    if mailed and _silent_too_long(user, at):
        return Stop(away_too_long(), evaluation=evaluation)
    match decision:
        case Refuse():
            return _refused(evaluation, decision)
        case AskHome() if mailed:
            return _mailed_code(bound_address(user), decision)
        case AskHome():
            assert view.home is not None
            return _depart(known, view.home, decision)
        case AskHere():
            return ask_here(known, view, user, decision, evaluation, at)
        case Allow(counted=counted):
            return _finish(known, view, user, counted, evaluation)


def _finish(known: Known, view: View, user: User, counted: Counted, evaluation: Evaluation) -> Step:
    if known.recovery_codes:
        return Ask(Waiting.RECOVERY_CODES)
    if known.task is not None and not known.task.done:
        if known.task.kind is TaskKind.ADD:
            return register(known, LOCAL, None)
        if known.task.kind is TaskKind.CODES:
            return Ask(Waiting.RECOVERY_CODES)
    request = known.request
    assert view.home is not None
    if request is None:
        return Issue(user, view.home, counted, (), evaluation)
    assert view.app is not None
    reached = any(acr_satisfies(a, counted.acr) or a in counted.contexts for a in request.acr_values)
    if (request.acr_essential and not reached) or (
        request.contexts_essential and not set(request.contexts) <= set(counted.contexts)
    ):
        return Stop(unmet(), tell_app=True, evaluation=evaluation)
    wanted = [s for s in request.scope if s not in view.consented and s not in view.app.consent_granted]
    beyond = needs_administrator(request.scope, view.app)
    if beyond:
        return Stop(
            Problem(
                Code.ACCESS_DENIED,
                "An administrator has to allow this app what it asks for: " + ", ".join(beyond)[:200],
                "the app has no administrator's consent for these scopes",
            ),
            tell_app=True,
            evaluation=evaluation,
        )
    if not known.consent_given and (wanted or "consent" in request.prompt):
        return Ask(Waiting.CONSENT)
    return Issue(user, view.home, counted, request.scope, evaluation)


def needs_administrator(scope: Iterable[str], app: App) -> list[str]:
    """The scopes that nobody but an administrator could let the app have, and none does now."""
    return [s for s in scope if s not in SELF_CONSENT and s not in app.consent_granted]


def _silent_too_long(user: User, at: datetime) -> bool:
    # a redemption after a reset is younger than the last sign-in before it
    seen = [moment for moment in (user.last_signin_at, user.state_changed_at) if moment is not None]
    return bool(seen) and at - max(seen) > MAILED_SILENCE


def _depart(known: Known, home: Home, ask: AskHome) -> Step:
    if known.departures >= MAX_DEPARTURES:
        return Stop(
            Problem(
                Code.HOME_ANSWER_REFUSED,
                "Your organisation's sign-in did not give what this app needs. Please start again at the app.",
                "the browser was sent home too often in one sign-in",
            )
        )
    request = known.request
    prompts = request.prompt if request else frozenset()
    prompt = "login" if "login" in prompts else "select_account" if "select_account" in prompts else None
    return Depart(home, ask.step_up, ask.max_age, prompt)


def _cannot_ask(step: Depart | Bind | Ask) -> Problem:
    match step:
        case Ask(waiting=Waiting.CONSENT):
            return Problem(Code.CONSENT_REQUIRED, "The guest has not consented to this app yet.")
        case Ask(waiting=Waiting.REALM) | Ask(code_for=CodeFor.FIRST_FACTOR) | Depart():
            return Problem(Code.LOGIN_REQUIRED, "The guest has to sign in.")
        case _:
            return Problem(Code.INTERACTION_REQUIRED, "The guest has to be asked something first.")


def _refused(evaluation: Evaluation, decision: Refuse) -> Stop:
    last = decision.reasons[-1]
    wanted = evaluation.requirement
    if last.code is Reason.STRENGTH_UNREACHABLE and wanted.asked_by_app and not wanted.policy_ids:
        return Stop(unmet(), tell_app=True, evaluation=evaluation)
    code = Code(last.code.value) if last.code.value in Code._value2member_map_ else Code.ACCESS_DENIED
    return Stop(Problem(code, decision.way_forward, sentence(last)), evaluation=evaluation)
