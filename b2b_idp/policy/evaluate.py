"""One question, answered whole: who asks for which app, on what evidence, under which policies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from b2b_idp.model.access import AccessPolicy, Allow, AskHere, Because, Decision, Reason, Refuse, Requirement
from b2b_idp.model.evidence import Evidence, Vocabulary
from b2b_idp.model.home import Trust
from b2b_idp.policy.decide import History, decide
from b2b_idp.policy.requirement import AccessRequest, Policies, Required, required_by, requirement


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyView:
    """What was loaded for one question: all conditional access policies, and the home as we know it."""

    policies: Policies = Policies()
    trust: Trust
    vocabulary: Vocabulary
    home_enabled: bool = True


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The decision, what it was about, and what goes to the log beside it. `report_only` never touches the decision."""

    decision: Decision
    requirement: Requirement
    report_only: tuple[Because, ...]
    persistent_browser: bool | None
    """Whether the session may outlive the browser's window, where a policy says so."""
    applied: Callable[[], tuple[tuple[AccessPolicy, str], ...]] = field(repr=False, compare=False)
    """Each policy and its result, in Graph's words (appliedConditionalAccessPolicyResult), in order of id."""


def evaluate(ask: AccessRequest, view: PolicyView, evidence: Evidence, history: History) -> Evaluation:
    """Whether `ask` may pass now; the same answer for a sign-in, a what-if and the log.

    What concerns home and app is said at once; what concerns the guest only when home has said who it is.
    """
    required = requirement(ask, view.policies)

    def decided(wanted: Requirement, instead: Requirement | None = None) -> Decision:
        decision = decide(wanted, evidence, view.trust, view.vocabulary, history, ask.at)
        if isinstance(decision, Refuse) and instead is not None:
            decision, wanted = decide(instead, evidence, view.trust, view.vocabulary, history, ask.at), instead
        if isinstance(decision, Allow) and wanted.terms:
            policy_id = next(iter(wanted.policy_ids), None)
            return AskHere((Because(Reason.TERMS_OF_USE_REQUIRED, policy_id),), (), wanted.terms)
        if isinstance(decision, Allow) and ask.contexts:
            counted = replace(decision.counted, contexts=tuple(sorted(ask.contexts, key=lambda c: (len(c), c))))
            return replace(decision, counted=counted)
        return decision

    refusal = _closed_door(ask, view)
    if refusal is None and evidence.statements:
        refusal = _unwelcome(ask, view, required)
    decision = refusal or decided(required.requirement, required.instead)
    would: dict[str, Decision] = {
        w.policy_id: _blocked(view, w.policy_id) if w.block else decided(w.requirement, w.instead)
        for w in required.report_only
    }

    def applied() -> tuple[tuple[AccessPolicy, str], ...]:
        return tuple((policy, result_of(policy)) for policy in view.policies.all)

    def result_of(policy: AccessPolicy) -> str:
        if policy.state == "disabled":
            return "notEnabled"
        if policy.state == "enabledForReportingButNotEnforced":
            return _reported(would.get(policy.id))
        if policy.id not in required.applying:
            return "notApplied"
        if policy.block:
            return "failure"
        instead = required_by(ask, policy, terms_instead=True) if policy.any_control else None
        holds = isinstance(decision, Allow) or isinstance(decided(required_by(ask, policy), instead), Allow)
        return "success" if holds else "failure"

    reports = tuple(Because(Reason.REPORT_ONLY, id, {"result": _reported(said)}) for id, said in would.items())
    return Evaluation(
        decision,
        required.requirement,
        reports,
        required.persistent_browser,
        applied,
    )


def _closed_door(ask: AccessRequest, view: PolicyView) -> Refuse | None:
    """What can be said before anyone is known: the home, the partner, the app."""
    if not view.home_enabled:
        return _refuse(Reason.HOME_DISABLED, "Ask the administrator whether your organisation may still sign in.")
    if ask.external and not _let_in(ask, view.trust):
        return _refuse(Reason.INBOUND_BLOCKED, "Ask the administrator to let your organisation into this app.")
    if not ask.app_enabled:
        return _refuse(Reason.APP_DISABLED, "Ask the administrator of this app whether it is still in use.")
    return None


def _let_in(ask: AccessRequest, trust: Trust) -> bool:
    users = trust.inbound.users
    if not trust.inbound.applications.permits(ask.app_id):
        return False
    if ask.home_subject is not None:
        return users.permits(ask.home_subject)
    # Nobody is known yet: only a setting that keeps everybody out can be applied.
    return users.access == "allowed" or "AllUsers" not in users.targets


def _unwelcome(ask: AccessRequest, view: PolicyView, required: Required) -> Refuse | None:
    if not ask.user_enabled:
        return _refuse(Reason.GUEST_DISABLED, "Ask the administrator or your sponsor to enable your account.")
    if required.blocks:
        return _blocked(view, required.blocks[0])
    if ask.assignment_required and not ask.assigned:
        return _refuse(Reason.NOT_ASSIGNED, "Ask the administrator of this app to assign you to it.")
    return None


def _blocked(view: PolicyView, policy_id: str) -> Refuse:
    policy = next(p for p in view.policies.all if p.id == policy_id)
    why = {} if policy.problem is None else {"problem": policy.problem}
    because = Because(Reason.BLOCKED_BY_POLICY, policy.id, why)
    return Refuse((because,), "Ask the administrator why this app is closed to you.")


def _refuse(code: Reason, way_forward: str, policy_id: str | None = None) -> Refuse:
    return Refuse((Because(code, policy_id),), way_forward)


def _reported(decision: Decision | None) -> str:
    if decision is None:
        return "reportOnlyNotApplied"
    if isinstance(decision, Allow):
        return "reportOnlySuccess"
    return "reportOnlyFailure" if isinstance(decision, Refuse) else "reportOnlyInterrupted"
