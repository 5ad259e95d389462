"""How a sign-in went, in Graph's words: authenticationDetails and what stands beside them in a signIn."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from b2b_idp.model.access import AccessPolicy, Reason
from b2b_idp.model.evidence import HomeStatement, LocalFactor, LocalMethod
from b2b_idp.model.moment import iso
from b2b_idp.policy.evaluate import Evaluation
from b2b_idp.policy.factors import says_mfa
from b2b_idp.policy.judgement import Judged, plausible
from b2b_idp.policy.judgement import judge as judged
from b2b_idp.signin.facts import Known
from b2b_idp.signin.judging import policy_view
from b2b_idp.signin.view import View

PRIMARY, MULTI = "Primary authentication", "Multifactor authentication"

_METHODS: Mapping[LocalMethod, tuple[str, str]] = {
    LocalMethod.PASSKEY: ("Passkey", "Passkey here"),
    LocalMethod.TOTP: ("Software OATH token", "Software OATH token here"),
    LocalMethod.RECOVERY_CODE: ("Recovery code", "Recovery code here, in place of the software OATH token"),
    LocalMethod.EMAIL: ("Email one-time passcode", "Code mailed to the guest's own address"),
}
_HAD_A_SAY = ("success", "failure", "reportOnlySuccess", "reportOnlyFailure", "reportOnlyInterrupted")


def authentication(known: Known, view: View, evaluation: Evaluation | None, at: datetime) -> dict[str, Any]:
    """authenticationDetails, in the order of the steps, and what sums them up. Without an `evaluation` nobody asked
    what is required."""
    steps = sorted(_steps(known, view, evaluation, at), key=lambda step: step[0])
    details = [step for _, step in steps]
    required = evaluation is not None and evaluation.requirement.anything
    return {
        "authenticationRequirement": "multiFactorAuthentication" if required else "singleFactorAuthentication",
        "authenticationDetails": details,
        "authenticationMethodsUsed": list(
            dict.fromkeys(d["authenticationMethod"] for d in details if d["succeeded"] and d["authenticationMethod"])
        ),
    }


def _steps(
    known: Known, view: View, evaluation: Evaluation | None, at: datetime
) -> Iterable[tuple[tuple[datetime, int], dict[str, Any]]]:
    """Each step with its place: when we heard of it, and its number within what we heard then."""
    name = view.home.display_name if view.home else "the home tenant"
    for statement in known.evidence.statements:
        earlier = statement.at < known.began_at
        yield (statement.at, 0), _first_at_home(statement, name, earlier)
        if view.home is None or evaluation is None:
            continue
        trust = policy_view(view, known.request).trust
        one = judged(statement, evaluation.requirement, trust, view.home.vocabulary, at)
        if says_mfa(statement, view.home.vocabulary):
            yield (statement.at, 1), _mfa_at_home(statement, one, trust.mfa_accepted, name, earlier)
        elif statement.asked and trust.mfa_accepted and evaluation.requirement.anything:
            result = "The home tenant was asked for MFA and did not prove it"
            yield (statement.at, 1), _step(None, f"at {name}", statement.at, MULTI, result, False)
    for factor in known.evidence.local:
        yield (factor.at, 0), _here(factor, factor.at < known.began_at)
    if evaluation is not None and _was_in_vain(known, evaluation):
        result = "The home tenant answered the request for MFA with an error"
        yield (at, 0), _step(None, f"at {name}", at, MULTI, result, False)


def _was_in_vain(known: Known, evaluation: Evaluation) -> bool:
    """Whether the home was asked in this sign-in and no statement came of it."""
    here = (s for s in known.evidence.statements if s.at >= known.began_at)
    return known.asked_home and evaluation.requirement.anything and not any(s.asked for s in here)


def _first_at_home(statement: HomeStatement, name: str, earlier: bool) -> dict[str, Any]:
    by_password = "pwd" in (statement.amr or ())
    time = _when(plausible(statement.auth_time, int(statement.at.timestamp())), statement)
    if earlier:
        result = "First factor satisfied earlier in this session"
        return _step("Previously satisfied", f"at {name}", time, PRIMARY, result)
    method = "Password" if by_password else "Federated"
    return _step(method, f"at {name}", time, PRIMARY, f"First factor at home: {method}")


def _mfa_at_home(statement: HomeStatement, one: Judged, trusted: bool, name: str, earlier: bool) -> dict[str, Any]:
    time = _when(one.time, statement)
    if one.mfa_counts and earlier:
        result = "MFA requirement satisfied by a claim of the external provider, earlier in this session"
        return _step("Previously satisfied", f"at {name}", time, MULTI, result)
    if one.mfa_counts:
        result = "MFA requirement satisfied by claim provided by external provider"
        return _step("Satisfied by token", f"at {name}", time, MULTI, result)
    result = "The claim does not count: "
    if not trusted:
        result += "the home tenant's MFA is not accepted here"
    elif not one.shows.mfa:
        result += "its values are not known for this home tenant"
    elif one.time is None:
        result += "it does not say when the guest authenticated"
    else:
        result += "it is too old"
    return _step("Satisfied by token", f"at {name}", time, MULTI, result, False)


def _here(factor: LocalFactor, earlier: bool) -> dict[str, Any]:
    method, result = _METHODS[factor.method]
    requirement = PRIMARY if factor.method is LocalMethod.EMAIL else MULTI
    if earlier:
        return _step("Previously satisfied", method, factor.at, requirement, "Passed here earlier in this session")
    return _step(method, "here", factor.at, requirement, result)


def _step(
    method: str | None, detail: str, at: datetime, requirement: str, result: str, succeeded: bool = True
) -> dict[str, Any]:
    return {
        "authenticationMethod": method,
        "authenticationMethodDetail": detail,
        "authenticationStepDateTime": iso(at),
        "authenticationStepRequirement": requirement,
        "authenticationStepResultDetail": result,
        "succeeded": succeeded,
    }


def _when(numeric_date: int | None, statement: HomeStatement) -> datetime:
    """A home's time or, where it told none, when we heard of it."""
    return statement.at if numeric_date is None else datetime.fromtimestamp(numeric_date, UTC)


# --- policies ---------------------------------------------------------------------------------------------------------


Results = Iterable[tuple[AccessPolicy, str]]
"""Each policy and Graph's word for how it went (`Evaluation.applied`)."""


def applied(policy: AccessPolicy, result: str) -> dict[str, Any]:
    """An appliedConditionalAccessPolicy: controls only where the policy had a say."""
    had_a_say = result in _HAD_A_SAY
    return {
        "id": policy.id,
        "displayName": policy.display_name,
        "result": result,
        "enforcedGrantControls": _grant_controls(policy) if had_a_say else [],
        "enforcedSessionControls": _session_controls(policy) if had_a_say else [],
    }


def _grant_controls(policy: AccessPolicy) -> list[str]:
    found = {
        "Block": policy.block,
        "Mfa": policy.mfa,
        "RequireAuthenticationStrength": policy.strength is not None,
        "TermsOfUse": bool(policy.terms),
    }
    return [name for name, is_wanted in found.items() if is_wanted]


def _session_controls(policy: AccessPolicy) -> list[str]:
    found = {
        "SignInFrequency": policy.sign_in_frequency is not None,
        "PersistentBrowserSessionMode": policy.persistent_browser is not None,
    }
    return [name for name, is_wanted in found.items() if is_wanted]


def session_lifetimes(results: Results) -> list[dict[str, Any]]:
    """sessionLifetimePolicies: the sign-in frequencies that applied."""
    return [
        {
            "expirationRequirement": "signInFrequencyPeriodicReauthentication"
            if policy.sign_in_frequency
            else "signInFrequencyEveryTime",
            "detail": f"The policy {policy.display_name} limits how old a sign-in may be",
        }
        for policy, result in results
        if policy.sign_in_frequency is not None and result in ("success", "failure")
    ]


def context_references(asked: Iterable[str], results: Results) -> list[dict[str, Any]]:
    """authenticationContextClassReferences: what the app asked for, and whether a policy wanted something for it."""
    required = {c for policy, result in results if result in _HAD_A_SAY for c in policy.include_contexts}
    return [{"id": c, "detail": "required" if c in required else "notApplicable"} for c in sorted(asked)]


def last_reason(evaluation: Evaluation | None) -> Reason | None:
    reasons = evaluation.decision.reasons if evaluation else ()
    return reasons[-1].code if reasons else None
