"""Sign-ins as a table: under these policies, this guest with this evidence gets this answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from b2b_idp.testing.token_claims import assert_claims
from b2b_idp.testing.values import KitGuest, SignedIn


@dataclass(frozen=True, kw_only=True)
class Case:
    """One row: who signs in, what the home says, and what comes of it. What is None is not looked at.

    `amr`, `acr`, `mfa`, `step_up` as for `Kit.sign_in`; without `amr` the home speaks its make's words. `outcome` is
    allowed or refused, `reasons` the codes in order, `asked` the questions as "where method" ("home mfa", "here totp"),
    `claims` those of the id_token, as for `assert_claims`.
    """

    guest: KitGuest
    amr: Sequence[str] | None = None
    acr: str | None = None
    mfa: bool = False
    step_up: Sequence[str] | bool | None = None
    outcome: str | None = None
    reasons: Sequence[str] | None = None
    asked: Sequence[str] | None = None
    claims: Mapping[str, Any] | None = None


def differences(case: Case, done: SignedIn) -> list[str]:
    """What is not as the case says, as lines; none: all is."""
    said = f"amr={list(case.amr)}" if case.amr is not None else "mfa" if case.mfa else "one factor"
    here = f"{case.guest.email}, home says {said}{f', acr={case.acr}' if case.acr else ''}"
    outcome = done.decision.outcome
    reasons = [reason.code for reason in done.decision.reasons]
    asked = [f"{question['where']} {question['method']}" for question in done.asked]
    wanted = (("outcome", case.outcome, outcome), ("reasons", case.reasons, reasons), ("asked", case.asked, asked))
    wrong = [f"  {name}: expected {_plain(want)}, is {got}" for name, want, got in wanted if _differs(want, got)]
    if wrong:
        wrong += [f"    because {reason.code}: {reason.text}" for reason in done.decision.reasons]
        wrong += [f"    error: {done.error}"] if done.error else []
    if case.claims is not None:
        try:
            assert_claims(done.id_token, case.claims)
        except AssertionError as e:
            wrong.append(f"  {e}".replace("\n", "\n  "))
    return [f"{here}:", *wrong] if wrong else []


def _differs(want: str | Sequence[str] | None, got: str | Sequence[str]) -> bool:
    return want is not None and _plain(want) != got


def _plain(want: str | Sequence[str] | None) -> str | list[str] | None:
    return want if want is None or isinstance(want, str) else list(want)
