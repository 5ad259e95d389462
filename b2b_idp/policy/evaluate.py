"""One question, answered whole: who asks for which app, on what evidence, under which policies."""

from __future__ import annotations

from dataclasses import dataclass

from b2b_idp.model.access import AccessPolicy, Allow, Because, Decision, Reason, Refuse, Requirement
from b2b_idp.model.evidence import Evidence, Vocabulary
from b2b_idp.model.home import Trust
from b2b_idp.policy.decide import History, decide
from b2b_idp.policy.requirement import AccessRequest, Required, required_by, requirement


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyView:
    """What was loaded for one question: all conditional access policies, and the home as we know it."""

    policies: tuple[AccessPolicy, ...] = ()
    trust: Trust
    vocabulary: Vocabulary
    home_enabled: bool = True


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The decision, what it was about, and what goes to the log beside it.

    `report_only` never touches the decision. `applied` has each policy's id and its result, in Graph's words
    (appliedConditionalAccessPolicyResult), in order of id.
    """

    decision: Decision
    requirement: Requirement
    report_only: tuple[Because, ...]
    applied: tuple[tuple[str, str], ...]


def evaluate(ask: AccessRequest, view: PolicyView, evidence: Evidence, history: History) -> Evaluation:
    """Whether `ask` may pass now; the same answer for a sign-in, a what-if and the log.

    What concerns home and app is said at once; what concerns the guest only when home has said who it is.
    """
    required = requirement(ask, view.policies)

    def decided(wanted: Requirement) -> Decision:
        return decide(wanted, evidence, view.trust, view.vocabulary, history, ask.at)

    refusal = _closed_door(ask, view)
    if refusal is None and evidence.statements:
        refusal = _unwelcome(ask, required)
    decision = refusal or decided(required.requirement)

    would: dict[str, Decision] = {
        w.policy_id: _blocked(w.policy_id) if w.block else decided(w.requirement) for w in required.report_only
    }
    applied: list[tuple[str, str]] = []
    for policy in sorted(view.policies, key=lambda p: p.id):
        if policy.state == "disabled":
            result = "notEnabled"
        elif policy.state == "enabledForReportingButNotEnforced":
            result = _reported(would.get(policy.id))
        elif policy.id not in required.applying:
            result = "notApplied"
        elif not policy.block and (isinstance(decision, Allow) or isinstance(decided(required_by(ask, policy)), Allow)):
            result = "success"
        else:
            result = "failure"
        applied.append((policy.id, result))
    reports = tuple(Because(Reason.REPORT_ONLY, id, {"result": _reported(said)}) for id, said in would.items())
    return Evaluation(decision, required.requirement, reports, tuple(applied))


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


def _unwelcome(ask: AccessRequest, required: Required) -> Refuse | None:
    if not ask.user_enabled:
        return _refuse(Reason.GUEST_DISABLED, "Ask the administrator or your sponsor to enable your account.")
    if required.blocks:
        return _blocked(required.blocks[0])
    if ask.assignment_required and not ask.assigned:
        return _refuse(Reason.NOT_ASSIGNED, "Ask the administrator of this app to assign you to it.")
    return None


def _blocked(policy_id: str) -> Refuse:
    return _refuse(Reason.BLOCKED_BY_POLICY, "Ask the administrator why this app is closed to you.", policy_id)


def _refuse(code: Reason, way_forward: str, policy_id: str | None = None) -> Refuse:
    return Refuse((Because(code, policy_id),), way_forward)


def _reported(decision: Decision | None) -> str:
    if decision is None:
        return "reportOnlyNotApplied"
    if isinstance(decision, Allow):
        return "reportOnlySuccess"
    return "reportOnlyFailure" if isinstance(decision, Refuse) else "reportOnlyInterrupted"
