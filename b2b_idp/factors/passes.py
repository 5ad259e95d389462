"""One-time passes: who holds one may register a first factor here; a pass is no factor itself."""

from __future__ import annotations

from datetime import datetime, timedelta

from b2b_idp.factors import guessing, letters, recovery
from b2b_idp.keys.vault import Vault
from b2b_idp.model.directory import User
from b2b_idp.model.moment import Moment
from b2b_idp.model.problem import Code, Problem
from b2b_idp.store import Writer
from b2b_idp.store.passes import AccessPass

SHORTEST = timedelta(minutes=10)
LIFETIME = timedelta(hours=1)
LONGEST = timedelta(days=30)
"""Of a pass's life, as Microsoft Entra has them; the last also of how far ahead it may begin."""


def give(
    w: Writer,
    vault: Vault,
    user: User,
    by: str,
    moment: Moment,
    *,
    starts_at: datetime | None = None,
    lifetime: timedelta = LIFETIME,
    usable_once: bool = True,
) -> tuple[AccessPass, str]:
    """A new pass for the user, in place of an older one, and its code: 80 random bits, told this once. The user has a
    mail about it. `by` is the object id of who gives it."""
    begins = max(moment.at, starts_at or moment.at)
    new = AccessPass(
        id=moment.new_id(),
        user_id=user.id,
        created_by=by,
        created_at=moment.at,
        starts_at=begins,
        ends_at=begins + lifetime,
        usable_once=usable_once,
    )
    [code] = recovery.new_codes(moment, 1)
    w.passes.give(new, _digest(vault, user.id, code.replace("-", "")))
    letters.tell(
        w,
        vault,
        user,
        "Somebody who may do so made a one-time pass for your guest account at {organisation}. Whoever has it and can "
        "sign in at your organisation can set up how your sign-in here is confirmed.",
        moment,
    )
    return new, code


def answer(w: Writer, vault: Vault, user_id: str, browser: bytes, typed: str, moment: Moment) -> AccessPass:
    """The user's pass, spent. Raises Problem(WRONG_CODE | TOO_MANY_ATTEMPTS), the same for a pass that is wrong, over
    or not there; the guess is counted, so the transaction must be committed."""
    guessing.take(w, user_id, browser, moment.at)
    code = recovery.normalised(typed)
    spent = None if code is None else w.passes.use(user_id, _digest(vault, user_id, code), moment.at)
    if spent is None:
        raise Problem(
            Code.WRONG_CODE, "That pass is not right, was used before, or is over. Ask for a new one if you need it."
        )
    guessing.passed(w, user_id, browser, moment.at)
    return spent


def stands(held: AccessPass, at: datetime) -> bool:
    """Whether a pass is good, or will be."""
    return at < held.ends_at and not (held.usable_once and held.used_at is not None)


def is_good(held: AccessPass, at: datetime) -> bool:
    return held.starts_at <= at and stands(held, at)


def _digest(vault: Vault, user_id: str, code: str) -> bytes:
    return vault.digest("access-pass", f"{user_id}:{code}")
