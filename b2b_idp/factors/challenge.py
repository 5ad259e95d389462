"""Answers to challenges, judged inside the caller's transaction: a wrong one is counted, so it must be committed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from b2b_idp.factors import guessing, recovery, totp
from b2b_idp.keys.vault import Vault
from b2b_idp.model.evidence import LocalFactor, LocalMethod
from b2b_idp.model.moment import Moment
from b2b_idp.model.problem import Code, Problem
from b2b_idp.store import Writer
from b2b_idp.store.factors import TotpFactor


@dataclass(frozen=True, slots=True)
class Passed:
    """The factor now proven. `factor_id` and `codes` (recovery codes, shown once) come with a registration."""

    factor: LocalFactor
    factor_id: str = ""
    codes: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Failed:
    """Not proven; the sentence for the page."""

    problem: Problem


def answer_totp(w: Writer, vault: Vault, user_id: str, browser: bytes, typed: str, moment: Moment) -> Passed | Failed:
    """A TOTP code of one of the user's authenticators; each code is good once (RFC 6238 §5.2)."""

    def right() -> bool:
        for factor in w.factors.totp(user_id):
            step = totp.matching_step(factor.secret, typed, moment.at)
            if step is not None and w.factors.use_step(factor.id, step, moment.at):
                return True
        return False

    return _judge(
        w,
        user_id,
        browser,
        moment,
        right,
        LocalMethod.TOTP,
        "That code is not right, or was used before. Please type the one your authenticator shows now.",
    )


def answer_recovery(
    w: Writer, vault: Vault, user_id: str, browser: bytes, typed: str, moment: Moment
) -> Passed | Failed:
    """One of the user's recovery codes, good once."""

    def right() -> bool:
        code = recovery.normalised(typed)
        return code is not None and w.factors.use_recovery_code(
            user_id, recovery.digest(vault, user_id, code), moment.at
        )

    return _judge(
        w,
        user_id,
        browser,
        moment,
        right,
        LocalMethod.RECOVERY_CODE,
        "That is not one of your recovery codes, or it was used before.",
    )


def _judge(
    w: Writer,
    user_id: str,
    browser: bytes,
    moment: Moment,
    right: Callable[[], bool],
    method: LocalMethod,
    say: str,
) -> Passed | Failed:
    try:
        guessing.take(w, user_id, browser, moment.at)
    except Problem as problem:
        return Failed(problem)
    if not right():
        return Failed(Problem(Code.WRONG_CODE, say))
    guessing.passed(w, user_id, browser, moment.at)
    return Passed(LocalFactor(method, moment.at))


def register_totp(
    w: Writer, vault: Vault, user_id: str, browser: bytes, secret: bytes, typed: str, moment: Moment
) -> Passed | Failed:
    """Registers an authenticator that shows the right code; with the first factor comes a list of recovery codes."""
    step = totp.matching_step(secret, typed, moment.at)
    if step is None:
        return Failed(
            Problem(
                Code.WRONG_CODE,
                "That code does not fit. Check that your phone's clock is right, then type the code it shows now.",
            )
        )
    factor = TotpFactor(moment.new_id(), user_id, secret, step, moment.at)
    w.factors.add_totp(factor)
    has_codes = LocalMethod.RECOVERY_CODE in w.factors.methods(user_id)
    codes = () if has_codes else draw_recovery_codes(w, vault, user_id, moment)
    guessing.passed(w, user_id, browser, moment.at)
    return Passed(LocalFactor(LocalMethod.TOTP, moment.at), factor.id, codes)


def draw_recovery_codes(w: Writer, vault: Vault, user_id: str, moment: Moment) -> tuple[str, ...]:
    """A fresh list of recovery codes in place of the old one."""
    codes = recovery.new_codes(moment)
    w.factors.set_recovery_codes(user_id, [recovery.digest(vault, user_id, c.replace("-", "")) for c in codes])
    return tuple(codes)
