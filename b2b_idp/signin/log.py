"""The sign-in log: one Graph `signIn` document for each outcome, with the decision's reasons and home's evidence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from b2b_idp.model.access import Because, Decision
from b2b_idp.model.audited import directory_audit, target_user
from b2b_idp.model.directory import User
from b2b_idp.model.evidence import HomeStatement
from b2b_idp.model.moment import Moment, iso
from b2b_idp.model.problem import Code, Problem
from b2b_idp.policy.evaluate import Evaluation
from b2b_idp.policy.reasons import sentence
from b2b_idp.signin.details import applied, authentication, context_references, session_lifetimes
from b2b_idp.signin.facts import Known
from b2b_idp.signin.judging import contexts_of
from b2b_idp.signin.values import Browser
from b2b_idp.signin.view import View

ERROR_CODES: Mapping[Code, int] = {
    Code.INBOUND_BLOCKED: 500213,
    Code.NOT_ASSIGNED: 50105,
    Code.GUEST_DISABLED: 50057,
    Code.BLOCKED_BY_POLICY: 53003,
    Code.BLOCKED_BY_PARTNER_POLICY: 50158,
    Code.STRENGTH_UNREACHABLE: 50158,
    Code.UNMET_AUTHENTICATION_REQUIREMENTS: 50161,
    Code.REGISTRATION_NEEDS_PROOF: 50072,
    Code.LOGIN_REQUIRED: 50058,
    Code.INTERACTION_REQUIRED: 50058,
    Code.CONSENT_REQUIRED: 65001,
    Code.ACCESS_DENIED: 65004,
    Code.NOT_INVITED: 50020,
    Code.INVITATION_INVALID: 50014,
    Code.INVITATION_TAKEN: 50014,
    Code.ADDRESS_NOT_VOUCHED: 50020,
    Code.HOME_DISABLED: 50107,
    Code.HOME_UNAVAILABLE: 90123,
    Code.HOME_MISCONFIGURED: 50107,
    Code.HOME_ANSWER_REFUSED: 50027,
    Code.HOME_SAID_ERROR: 90123,
    Code.WRONG_CODE: 50074,
    Code.TOO_MANY_ATTEMPTS: 50053,
}
"""AADSTS numbers of refusals, for `status.errorCode`; 50000 for any other."""


def guest_audit(
    user: User,
    moment: Moment,
    activity: str,
    *,
    service: str,
    operation: str,
    reason: str = "",
    failure: str | None = None,
    by: User | None = None,
) -> dict[str, Any]:
    """Graph's directoryAudit for what a guest did to their own account, or another person (`by`) to it; `failure` says
    why it was refused."""
    who = by or user
    return directory_audit(
        moment,
        activity,
        [target_user(user)],
        service=service,
        operation=operation,
        user={"id": who.id, "displayName": who.display_name},
        reason=reason,
        failure=failure,
    )


def reasons_of(reasons: tuple[Because, ...]) -> list[dict[str, Any]]:
    """Reasons as every edge shows them: code, its sentence, the policy that made it count."""
    return [{"code": r.code.value, "text": sentence(r), "policyId": r.policy_id} for r in reasons]


def evidence_of(statement: HomeStatement | None) -> dict[str, Any] | None:
    """What the home said, as it is recorded and shown; None when it said nothing yet."""
    if statement is None:
        return None
    return {
        "tenantId": statement.tenant_id,
        "issuer": statement.issuer,
        "amr": None if statement.amr is None else list(statement.amr),
        "acr": statement.acr,
        "authTime": statement.auth_time,
        "receivedDateTime": iso(statement.at),
        "stepUp": statement.asked,
    }


def outcome_of(decision: Decision) -> str:
    """allowed, askHome, askHere or refused."""
    return {"Allow": "allowed", "AskHome": "askHome", "AskHere": "askHere", "Refuse": "refused"}[
        type(decision).__name__
    ]


def signin_document(
    *,
    moment: Moment,
    correlation_id: str,
    browser: Browser,
    known: Known,
    view: View,
    user: User | None,
    evaluation: Evaluation | None,
    problem: Problem | None,
) -> dict[str, Any]:
    """The log entry of one outcome; `problem` None says that it succeeded."""
    app, home, evidence = view.app, view.home, known.evidence
    results = evaluation.applied() if evaluation else ()
    enforced = [r for _, r in results if r in ("success", "failure")]
    return {
        "id": moment.new_id(),
        "createdDateTime": iso(moment.at),
        "userId": user.id if user else None,
        "userDisplayName": user.display_name if user else None,
        "userPrincipalName": (user.mail or user.upn) if user else None,
        "userType": user.user_type.lower() if user else None,
        "appId": app.app_id if app else None,
        "appDisplayName": app.display_name if app else None,
        "resourceId": app.sp_id if app else None,
        "resourceDisplayName": app.display_name if app else None,
        "ipAddress": browser.ip_address,
        "userAgent": browser.user_agent[:512],
        "clientAppUsed": "Browser",
        "correlationId": correlation_id,
        "isInteractive": True,
        "homeTenantId": home.tenant_id if home else None,
        "homeTenantName": home.display_name if home else None,
        "resourceTenantId": view.configuration.tenant.id,
        "crossTenantAccessType": "b2bCollaboration" if home and not home.own else "none",
        "conditionalAccessStatus": ("failure" if "failure" in enforced else "success") if enforced else "notApplied",
        "appliedConditionalAccessPolicies": [applied(policy, result) for policy, result in results],
        **authentication(known, view, evaluation, moment.at),
        "sessionLifetimePolicies": session_lifetimes(results),
        "authenticationContextClassReferences": context_references(contexts_of(view, known.request), results),
        "status": {
            "errorCode": 0 if problem is None else ERROR_CODES.get(problem.code, 50000),
            "failureReason": None if problem is None else (problem.why or problem.say),
            "additionalDetails": None,
        },
        "deviceDetail": None,
        "location": None,
        "b2bIdp": {
            "outcome": "refused" if problem else outcome_of(evaluation.decision) if evaluation else "allowed",
            "code": problem.code.value if problem else None,
            "wayForward": problem.say if problem else None,
            "reasons": reasons_of(evaluation.decision.reasons if evaluation else ()),
            "reportOnly": reasons_of(evaluation.report_only) if evaluation else [],
            "homeEvidence": evidence_of(evidence.statements[-1] if evidence.statements else None),
            "localFactors": [{"method": f.method.value, "dateTime": iso(f.at)} for f in evidence.local],
        },
    }
