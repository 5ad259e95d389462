"""A statement after trust, vocabulary and age: what of it counts towards a requirement."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from b2b_idp.model.access import Requirement
from b2b_idp.model.evidence import HomeStatement, LocalFactor, Vocabulary
from b2b_idp.model.home import Trust
from b2b_idp.policy.factors import Shown, shown

SKEW = timedelta(seconds=30)
"""How far a home's clock may be off ours."""
_SKEW_SECONDS = int(SKEW.total_seconds())


@dataclass(frozen=True, slots=True)
class Judged:
    """What a statement shows, when (NumericDate, None unknown), and if its first factor and its MFA count."""

    shows: Shown
    time: int | None
    first_counts: bool
    mfa_counts: bool


def judge(
    statement: HomeStatement, requirement: Requirement, trust: Trust, vocabulary: Vocabulary, at: datetime
) -> Judged:
    """`statement` at the moment `at`. An unknown time never meets a demanded age."""
    shows = shown(statement, vocabulary, trust.mfa_accepted or vocabulary.our_own)
    time = _time(statement, vocabulary)
    first = _since(requirement.not_before, time, statement)
    mfa = (
        shows.mfa
        and first
        and _since(requirement.second_not_before, time, statement)
        and (vocabulary.auth_time != "required" or time is not None)
        and (trust.mfa_max_age is None or (time is not None and time >= (at - trust.mfa_max_age).timestamp()))
    )
    return Judged(shows, time, first, mfa)


def local_counts(factor: LocalFactor, requirement: Requirement) -> bool:
    """Whether a challenge passed here is young enough."""
    moments = (requirement.not_before, requirement.second_not_before)
    return all(moment is None or factor.at >= moment for moment in moments)


def _time(statement: HomeStatement, vocabulary: Vocabulary) -> int | None:
    """When the home authenticated the guest, None where that is unknown: never "now".

    In the future beyond SKEW, zero or less is unknown; within SKEW it is when we heard it.
    """
    return None if vocabulary.auth_time == "ignored" else plausible(statement.auth_time, int(statement.at.timestamp()))


def plausible(time: int | None, heard: int) -> int | None:
    """An auth_time that was heard of at `heard` (both NumericDates), if it can be true."""
    return None if time is None or not 0 < time <= heard + _SKEW_SECONDS else min(time, heard)


def _since(moment: datetime | None, time: int | None, statement: HomeStatement) -> bool:
    """Whether `time` is not before `moment`. An answer to our own request since then may be SKEW off."""
    if moment is None:
        return True
    if time is None:
        return False
    answer = statement.asked and statement.at >= moment
    return time >= moment.timestamp() - (SKEW.total_seconds() if answer else 0)
