"""The decision: requirement, evidence, trust, vocabulary and history in, one of four answers out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from b2b_idp.model.access import (
    Allow,
    AskHere,
    AskHome,
    Because,
    Counted,
    Decision,
    Reason,
    Refuse,
    Requirement,
    Strength,
)
from b2b_idp.model.evidence import Evidence, LocalFactor, LocalMethod, Vocabulary
from b2b_idp.model.home import Trust
from b2b_idp.policy.factors import LOCAL, MULTI_FACTOR_MODES, VALUE_KINDS
from b2b_idp.policy.judgement import Judged, judge, local_counts

SFA = "https://refeds.org/profile/sfa"
MFA = "https://refeds.org/profile/mfa"
PHR = "phr"
ACR_VALUES = (SFA, MFA, PHR)
"""Our `acr_values_supported`, weakest first (REFEDS SFA and MFA, OpenID EAP ACR Values 1.0)."""


def acr_satisfies(wanted: str, got: str | None) -> bool:
    """Whether `got`, one of ours, is at least what `wanted` asks. What is not ours is never satisfied."""
    return wanted in ACR_VALUES and got in ACR_VALUES and ACR_VALUES.index(got) >= ACR_VALUES.index(wanted)


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What happened in this sign-in, and what this server can do.

    `asked_home`: the home tenant has answered a request of this sign-in that asked for MFA or freshness, and
    is not asked so again. `local_methods`: what is offered here, whether the guest has registered it or may.
    """

    asked_home: bool = False
    home_can_ask: bool = True
    local_methods: frozenset[LocalMethod] = frozenset(
        {LocalMethod.PASSKEY, LocalMethod.TOTP, LocalMethod.RECOVERY_CODE}
    )


def decide(
    requirement: Requirement,
    evidence: Evidence,
    trust: Trust,
    vocabulary: Vocabulary,
    history: History,
    at: datetime,
) -> Decision:
    """The decision, with ordered reasons. Statements are judged alone; local factors add to any of them."""
    judged = [judge(s, requirement, trust, vocabulary, at) for s in evidence.statements]
    local = tuple(f for f in evidence.local if local_counts(f, requirement))
    stood = [(met, one) for one in judged if (met := _met(requirement, one, local)) is not None]
    path = _path(requirement, judged, trust, vocabulary, history)
    if stood:
        met, one = max(stood, key=lambda pair: (pair[1].mfa_counts, pair[1].first_counts, pair[1].time or 0))
        return Allow(_accepted(requirement, met, path, history.asked_home), _counted(one, local))
    if not judged or not path.settled:
        step_up = path.may_step_up
        code = Reason.HOME_STEP_UP if step_up else Reason.HOME_AUTHENTICATION_REQUIRED
        return AskHome((_because(code, requirement),), step_up, _max_age(requirement, trust, judged, at, step_up))
    reasons = tuple(_because(code, requirement) for code in path.so_far)
    if path.home_failed and requirement.anything and trust.mfa_accepted and trust.when_home_cannot == "block":
        return Refuse(
            (*reasons, _because(Reason.BLOCKED_BY_PARTNER_POLICY, requirement)),
            "Sign in at your organisation with a second factor, or ask its administrator to set that up.",
        )
    methods = _challenges(requirement, judged, local, history.local_methods, at)
    if methods:
        return AskHere(reasons, methods, aaguids=_makes(requirement))
    return Refuse((*reasons, _unreachable(requirement)), _ways(requirement))


def _challenges(
    requirement: Requirement,
    judged: Sequence[Judged],
    local: tuple[LocalFactor, ...],
    offered: frozenset[LocalMethod],
    at: datetime,
) -> tuple[LocalMethod, ...]:
    """The challenges to choose from, in order of preference: each completes what is required. Where none does alone
    but several do, the first of those that are all needed."""

    def hold(*methods: LocalMethod) -> bool:
        passed = (*local, *(LocalFactor(method, at, ANY_PASSKEY) for method in methods))
        return any(_met(requirement, one, passed) is not None for one in judged)

    able = [method for method in LOCAL if method in offered]
    alone = tuple(method for method in able if hold(method))
    if alone or not hold(*able):
        return alone
    needed = list(able)
    for method in reversed(able):
        rest = [m for m in needed if m is not method]
        if hold(*rest):
            needed = rest
    return tuple(needed[:1])


def _makes(requirement: Requirement) -> frozenset[str] | None:
    """The makes of passkey that every strength takes, None where none is limited to some."""
    alone = frozenset({LOCAL[LocalMethod.PASSKEY].mode})
    limits = [strength.aaguids[alone] for strength in requirement.strengths if alone in strength.aaguids]
    return frozenset.intersection(*limits) if limits else None


# --- does it hold ---------------------------------------------------------------------------------


def _met(requirement: Requirement, one: Judged, local: Sequence[LocalFactor]) -> tuple[Reason, ...] | None:
    """The reason for each control (MFA, then each strength) if `one` and `local` meet them all, else None."""
    if not one.first_counts and not any(f.method is LocalMethod.PASSKEY for f in local):
        return None
    reasons = []
    if requirement.mfa:
        if one.mfa_counts:
            reasons.append(Reason.HOME_MFA_ACCEPTED)
        elif any(_second_factor(one, f) for f in local):
            reasons.append(Reason.LOCAL_MFA_ACCEPTED)
        else:
            return None
    for strength in requirement.strengths:
        first = one.first_counts and frozenset({one.shows.first_mode}) in strength.combinations
        if first or (one.mfa_counts and at_home(strength, one.shows.accounts)):
            reasons.append(Reason.HOME_STRENGTH_ACCEPTED)
        elif any(_combined(strength, one, f) for f in local):
            reasons.append(Reason.COMBINED_STRENGTH_ACCEPTED)
        else:
            return None
    return tuple(reasons)


def _second_factor(one: Judged, factor: LocalFactor) -> bool:
    """Whether `factor` makes MFA: by itself, or with a first factor of another or of an unexplained kind."""
    words = LOCAL[factor.method]
    if len(words.kinds) > 1:
        return True
    return bool(words.kinds) and one.first_counts and words.kinds.isdisjoint(one.shows.first_kinds)


def at_home(strength: Strength, accounts: Iterable[frozenset[str]]) -> bool:
    """Whether one account of a home's methods has all of a combination. A home does not tell the make of a passkey, so
    a combination that is limited to some is not met there."""
    return any(
        combination <= account
        for account in accounts
        for combination in strength.combinations
        if combination not in strength.aaguids
    )


ANY_PASSKEY = "any"
"""Stands for the AAGUID of a passkey that has yet to be chosen."""


def _combined(strength: Strength, one: Judged, factor: LocalFactor) -> bool:
    words = LOCAL[factor.method]
    if words.mode == "email" and one.shows.first_mode == "federatedSingleFactor":
        return False  # a mailed code adds nothing to an unexplained factor, whatever a strength lists
    alone = frozenset({words.mode})
    if alone in strength.combinations:
        makes = strength.aaguids.get(alone)
        return makes is None or factor.aaguid == ANY_PASSKEY or factor.aaguid in makes
    other_kind = words.kinds.isdisjoint(one.shows.first_kinds)
    return one.first_counts and other_kind and {one.shows.first_mode, words.mode} in strength.combinations


# --- the way so far, and what counted -------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Path:
    """Where the sign-in stands with its home.

    `so_far` are the reasons of the way; `settled`: home is not asked again; `may_step_up`: it is worth asking
    for MFA; `home_failed`: it did not give what was wanted.
    """

    so_far: tuple[Reason, ...]
    settled: bool
    may_step_up: bool
    home_failed: bool


def _path(
    requirement: Requirement, judged: Sequence[Judged], trust: Trust, vocabulary: Vocabulary, history: History
) -> _Path:
    wants_home_mfa = requirement.anything and trust.mfa_accepted
    asked = history.asked_home
    first_lacks = not any(one.first_counts for one in judged)
    only_age_lacks = any(one.shows.mfa and not one.mfa_counts for one in judged)
    can_answer = (vocabulary.step_up.how != "none" or only_age_lacks) and _could_show(requirement, vocabulary)
    may_step_up = wants_home_mfa and not asked and history.home_can_ask and can_answer
    fresh_first = first_lacks and not asked and history.home_can_ask
    if may_step_up or fresh_first:
        return _Path((), settled=False, may_step_up=may_step_up, home_failed=False)
    so_far: list[Reason] = []
    if requirement.anything and not trust.mfa_accepted:
        so_far.append(Reason.LOCAL_FACTOR_REQUIRED if trust.local_only else Reason.PARTNER_NOT_TRUSTED)
    if asked and (wants_home_mfa or first_lacks):
        so_far.append(Reason.HOME_STEP_UP if wants_home_mfa else Reason.HOME_AUTHENTICATION_REQUIRED)
    failed = wants_home_mfa or first_lacks
    if failed:
        so_far.append(Reason.HOME_COULD_NOT)
    return _Path(tuple(so_far), settled=True, may_step_up=False, home_failed=failed)


def _could_show(requirement: Requirement, vocabulary: Vocabulary) -> bool:
    """Whether the home has words for every strength required. Plain MFA is always worth asking for."""
    if not requirement.strengths:
        return True
    says = frozenset(m for words in (vocabulary.amr, vocabulary.acr) for modes in words.values() for m in modes)
    kinds = {VALUE_KINDS[value] for value in vocabulary.amr if value in VALUE_KINDS}
    if len(kinds) > 1 or not MULTI_FACTOR_MODES.isdisjoint(says):
        says |= {"federatedMultiFactor"}
    return all(at_home(strength, (says,)) for strength in requirement.strengths)


def _accepted(requirement: Requirement, met: Sequence[Reason], path: _Path, asked_home: bool) -> tuple[Because, ...]:
    """The way so far and why it ends well. What home could not do is told where a factor here stood in."""
    by_home = {Reason.HOME_MFA_ACCEPTED, Reason.HOME_STRENGTH_ACCEPTED}
    if not met:
        way = path.so_far
        met = (Reason.NO_MFA_REQUIRED,)
    elif by_home.issuperset(met):
        way = (Reason.HOME_STEP_UP,) if asked_home else ()
    else:
        way = path.so_far
    strengths = iter(requirement.strengths)
    named = [_because(code, requirement, next(strengths) if code in _OF_STRENGTH else None) for code in (*way, *met)]
    return tuple(named)


_OF_STRENGTH = frozenset({Reason.HOME_STRENGTH_ACCEPTED, Reason.COMBINED_STRENGTH_ACCEPTED})


def _counted(one: Judged, local: Sequence[LocalFactor]) -> Counted:
    values: tuple[str, ...] = ()
    if one.first_counts:
        values = one.shows.known if one.mfa_counts or not one.shows.mfa else one.shows.first_amr
    values += tuple(value for f in local for value in LOCAL[f.method].amr)
    mfa = one.mfa_counts or any(_second_factor(one, f) for f in local)
    amr = tuple(dict.fromkeys(value for value in values if value != "mfa")) + (("mfa",) if mfa else ())
    resistant = one.mfa_counts and one.shows.phishing_resistant
    resistant = resistant or any(f.method is LocalMethod.PASSKEY for f in local)
    acr = PHR if resistant else MFA if mfa else SFA
    times = [int(f.at.timestamp()) for f in local]
    if one.first_counts:
        times.append(-1 if one.time is None else one.time)
    oldest = min(times)
    return Counted(amr, acr, None if oldest < 0 else oldest, mfa)


# --- words ----------------------------------------------------------------------------------------


def _max_age(
    requirement: Requirement, trust: Trust, judged: Sequence[Judged], at: datetime, step_up: bool
) -> int | None:
    """Seconds that an authentication at home may be old, if what we have is too old for it, else None.

    Asked beside `acr_values` it costs the guest both factors again, so not without need.
    """
    moments = [requirement.not_before]
    if step_up:
        moments.append(requirement.second_not_before)
        moments.append(None if trust.mfa_max_age is None else at - trust.mfa_max_age)
    latest = max((m for m in moments if m is not None), default=None)
    if latest is None or any(one.time is not None and one.time >= latest.timestamp() for one in judged):
        return None
    return max(0, int((at - latest).total_seconds()))


def _because(code: Reason, requirement: Requirement, strength: Strength | None = None) -> Because:
    """`code`, by the first policy that asks for something."""
    policy_id = next(iter(requirement.policy_ids), None) if code is not Reason.NO_MFA_REQUIRED else None
    return Because(code, policy_id, {} if strength is None else {"strength": strength.display_name})


def _unreachable(requirement: Requirement) -> Because:
    return _because(
        Reason.STRENGTH_UNREACHABLE, requirement, requirement.strengths[0] if requirement.strengths else None
    )


def _ways(requirement: Requirement) -> str:
    if not requirement.strengths:
        return (
            "Sign in again at your organisation, with a second factor of another kind than the first, "
            "or ask the administrator of this app."
        )
    ways = sorted(" with ".join(sorted(c)) for c in requirement.strengths[0].combinations)
    return f"One of these would do: {', '.join(ways)}. Ask the administrator of this app which you can use."
