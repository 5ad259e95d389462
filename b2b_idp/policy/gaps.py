"""Why a home's MFA did not spare a challenge here, and what would let in whoever was refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum
from types import MappingProxyType

from b2b_idp.model.access import Requirement
from b2b_idp.model.evidence import HomeStatement, LocalMethod
from b2b_idp.policy.decide import at_home
from b2b_idp.policy.evaluate import PolicyView
from b2b_idp.policy.factors import LOCAL
from b2b_idp.policy.judgement import judge
from b2b_idp.policy.recorded import Recorded
from b2b_idp.policy.replay import course
from b2b_idp.policy.requirement import requirement


class Gap(StrEnum):
    """What lies between a home's MFA and a sign-in without a challenge here."""

    TRUST_OFF = "trust_off"
    LOCAL_FACTOR_REQUIRED = "local_factor_required"
    UNKNOWN_VALUE = "unknown_value"
    AUTH_TIME_ABSENT = "auth_time_absent"
    TOO_OLD = "too_old"
    STRENGTH_NOT_NAMED = "strength_not_named"


GAPS: Mapping[Gap, str] = MappingProxyType(
    {
        Gap.TRUST_OFF: "MFA of this partner is not accepted (inboundTrust.isMfaAccepted).",
        Gap.LOCAL_FACTOR_REQUIRED: "Who holds a directory role proves a factor registered here.",
        Gap.UNKNOWN_VALUE: "The home names values that its authenticationContext does not map.",
        Gap.AUTH_TIME_ABSENT: "The home does not say when it authenticated the guest (auth_time), and policy asks.",
        Gap.TOO_OLD: "The authentication at home was older than allowed.",
        Gap.STRENGTH_NOT_NAMED: "An authentication strength wants methods that the home did not name.",
    }
)
"""Each gap's sentence."""


def gaps(recorded: Recorded, view: PolicyView) -> list[tuple[Gap, str | None]]:
    """What is missing, in the order in which to look at it, with the value or strength that it is about."""
    if not recorded.evidence.statements:
        return []
    found: list[tuple[Gap, str | None]] = []
    statement = recorded.evidence.statements[-1]
    wanted = requirement(recorded.ask, view.policies).requirement
    if recorded.local_only:
        found.append((Gap.LOCAL_FACTOR_REQUIRED, None))
    if not view.trust.mfa_accepted:
        found.append((Gap.TRUST_OFF, None))
    trust = replace(view.trust, mfa_accepted=True, local_only=False)
    one = judge(statement, wanted, trust, view.vocabulary, recorded.ask.at)
    if not one.shows.mfa:
        found += [(Gap.UNKNOWN_VALUE, value) for value in _unknown(statement, view)]
    elif not one.mfa_counts:
        found.append((Gap.AUTH_TIME_ABSENT if one.time is None else Gap.TOO_OLD, None))
    return found + [
        (Gap.STRENGTH_NOT_NAMED, strength.display_name)
        for strength in wanted.strengths
        if not at_home(strength, one.shows.accounts)
    ]


def _unknown(statement: HomeStatement, view: PolicyView) -> list[str]:
    said = [v for v in statement.amr or () if v not in view.vocabulary.amr]
    return said + ([statement.acr] if statement.acr is not None and statement.acr not in view.vocabulary.acr else [])


def spared_by_trust(recorded: Recorded, view: PolicyView) -> bool:
    """Whether accepting the home's MFA would have spared every challenge here, all else being as it was."""
    trusting = replace(view, trust=replace(view.trust, mfa_accepted=True))
    went = course(recorded, trusting)
    return went.outcome == "allowed" and went.asked_here == 0


class Way(StrEnum):
    """What would let in whoever could not meet a policy."""

    TRUST_PARTNER = "trust_partner"
    MAP_VALUE = "map_value"
    ALLOW_CHALLENGE_HERE = "allow_challenge_here"
    REGISTER_PASSKEY = "register_passkey"
    REGISTER_TOTP = "register_totp"
    ISSUE_ACCESS_PASS = "issue_access_pass"
    MFA_AT_HOME = "mfa_at_home"
    CHANGE_POLICY = "change_policy"


WAYS: Mapping[Way, str] = MappingProxyType(
    {
        Way.TRUST_PARTNER: "Accept the partner's MFA: what its guests proved at home is enough.",
        Way.MAP_VALUE: "Map the home's values in its authenticationContext, if they mean what is asked for.",
        Way.ALLOW_CHALLENGE_HERE: "Set the partner's whenHomeCannot to challengeHere.",
        Way.REGISTER_PASSKEY: "Have the guest register a passkey here.",
        Way.REGISTER_TOTP: "Have the guest register an authenticator app here.",
        Way.ISSUE_ACCESS_PASS: "Give the guest a one-time pass, with which a first factor may be registered here.",
        Way.MFA_AT_HOME: "Ask the guest's organisation for a sign-in with two kinds of factor.",
        Way.CHANGE_POLICY: "Exclude the guest from the policy, or ask for what they can do.",
    }
)
"""Each way's sentence."""


def ways(recorded: Recorded, view: PolicyView) -> list[Way]:
    """The ways on for a refused sign-in, those first that the policies of now say would be enough."""
    if recorded.outcome == "blocked_by_policy":
        return [Way.CHANGE_POLICY]
    found = []
    missing = {gap for gap, _ in gaps(recorded, view)}
    if Gap.TRUST_OFF in missing and not recorded.local_only and spared_by_trust(recorded, view):
        found.append(Way.TRUST_PARTNER)
    if Gap.UNKNOWN_VALUE in missing:
        found.append(Way.MAP_VALUE)
    if recorded.outcome == "blocked_by_partner_policy":
        found.append(Way.ALLOW_CHALLENGE_HERE)
    if recorded.outcome == "registration_needs_proof":
        found.append(Way.ISSUE_ACCESS_PASS)
    wanted = requirement(recorded.ask, view.policies).requirement
    if recorded.outcome != "blocked_by_partner_policy":
        found += [way for method, way in _REGISTERED if _does(method, wanted)]
    return [*found, Way.MFA_AT_HOME, Way.CHANGE_POLICY]


_REGISTERED = ((LocalMethod.PASSKEY, Way.REGISTER_PASSKEY), (LocalMethod.TOTP, Way.REGISTER_TOTP))


def _does(method: LocalMethod, wanted: Requirement) -> bool:
    """Whether a method registered here can be part of what is wanted."""
    mode = LOCAL[method].mode
    if wanted.strengths:
        return all(any(mode in c for c in strength.combinations) for strength in wanted.strengths)
    return wanted.mfa
