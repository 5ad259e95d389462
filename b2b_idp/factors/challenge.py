"""Answers to challenges, judged inside the caller's transaction: a wrong one is counted, so it must be committed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from b2b_idp.factors import guessing, passkeys, recovery, totp
from b2b_idp.keys.vault import Vault
from b2b_idp.model.evidence import LocalFactor, LocalMethod
from b2b_idp.model.moment import Moment
from b2b_idp.model.problem import Code, Problem
from b2b_idp.store import Writer
from b2b_idp.store.factors import Passkey, TotpFactor


@dataclass(frozen=True, slots=True)
class Passed:
    """The factor now proven. `codes` (recovery codes, shown once) come with a first registration."""

    factor: LocalFactor
    codes: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Failed:
    """Not proven; the sentence for the page. `copied`: the passkey that two authenticators seem to hold."""

    problem: Problem
    copied: Passkey | None = None


def answer_totp(w: Writer, vault: Vault, user_id: str, browser: bytes, typed: str, moment: Moment) -> Passed | Failed:
    """A TOTP code of one of the user's authenticators; each code is good once (RFC 6238 §5.2)."""

    def proven() -> LocalFactor | Failed:
        for factor in w.factors.totp(user_id):
            step = totp.matching_step(factor.secret, typed, moment.at)
            if step is not None and w.factors.use_step(factor.id, step, moment.at):
                return LocalFactor(LocalMethod.TOTP, moment.at, factor_id=factor.id)
        return _wrong("That code is not right, or was used before. Please type the one your authenticator shows now.")

    return _guess(w, user_id, browser, moment, proven)


def answer_recovery(
    w: Writer, vault: Vault, user_id: str, browser: bytes, typed: str, moment: Moment
) -> Passed | Failed:
    """One of the user's recovery codes, good once."""

    def proven() -> LocalFactor | Failed:
        code = recovery.normalised(typed)
        if code is not None and w.factors.use_recovery_code(user_id, recovery.digest(vault, user_id, code), moment.at):
            return LocalFactor(LocalMethod.RECOVERY_CODE, moment.at)
        return _wrong("That is not one of your recovery codes, or it was used before.")

    return _guess(w, user_id, browser, moment, proven)


def answer_passkey(
    w: Writer,
    vault: Vault,
    party: passkeys.RelyingParty,
    user_id: str,
    browser: bytes,
    challenge: str,
    answer: str,
    moment: Moment,
) -> Passed | Failed:
    """An assertion by one of the user's passkeys over `challenge`, which is good for one answer.

    A sign count that does not go on is refused: a copy of the authenticator is in use (WebAuthn §7.2 step 22).
    """
    say = "That passkey could not be accepted. Please try again, with one that you set up here."

    def proven() -> LocalFactor | Failed:
        try:
            id = passkeys.credential_id_of(answer)
            held = next((p for p in w.factors.passkeys(user_id) if p.credential_id == id), None)
            if held is None:
                raise passkeys.RefusedAnswer("no passkey of this person")
            told = passkeys.verify_assertion(party, challenge, passkeys.user_handle(vault, user_id), held, answer)
        except passkeys.RefusedAnswer as refused:
            return _wrong(say, str(refused))
        if not w.factors.use_passkey(held.id, told.sign_count, told.backed_up, moment.at):
            return _wrong(say, "the sign count went backwards", copied=held)
        return LocalFactor(LocalMethod.PASSKEY, moment.at, held.aaguid, held.id)

    return _guess(w, user_id, browser, moment, proven)


def _guess(
    w: Writer, user_id: str, browser: bytes, moment: Moment, proven: Callable[[], LocalFactor | Failed]
) -> Passed | Failed:
    """What an answer proves, once the guess is counted."""
    try:
        guessing.take(w, user_id, browser, moment.at)
    except Problem as problem:
        return Failed(problem)
    result = proven()
    if isinstance(result, Failed):
        return result
    guessing.passed(w, user_id, browser, moment.at)
    return Passed(result)


def _wrong(say: str, why: str = "", copied: Passkey | None = None) -> Failed:
    return Failed(Problem(Code.WRONG_CODE, say, why), copied)


def register_totp(
    w: Writer, vault: Vault, user_id: str, browser: bytes, secret: bytes, typed: str, by_home: bool, moment: Moment
) -> Passed | Failed:
    """Registers an authenticator that shows the right code. `by_home`: on the home tenant's word alone."""
    step = totp.matching_step(secret, typed, moment.at)
    if step is None:
        return _wrong(
            "That code does not fit. Check that your phone's clock is right, then type the code it shows now."
        )
    factor = TotpFactor(moment.new_id(), user_id, secret, step, moment.at, by_home)
    w.factors.add_totp(factor)
    proven = LocalFactor(LocalMethod.TOTP, moment.at, factor_id=factor.id)
    return _registered(w, vault, user_id, browser, proven, moment)


def register_passkey(
    w: Writer,
    vault: Vault,
    party: passkeys.RelyingParty,
    user_id: str,
    browser: bytes,
    challenge: str,
    answer: str,
    name: str,
    aaguids: frozenset[str] | None,
    by_home: bool,
    moment: Moment,
) -> Passed | Failed:
    """Registers the passkey that an authenticator made over `challenge`, under the name its owner gave it. `aaguids`:
    the makes that would do here; None: any. `by_home`: on the home tenant's word alone."""
    try:
        made = passkeys.verify_registration(party, challenge, answer)
    except passkeys.RefusedAnswer as refused:
        return _wrong("That passkey could not be set up. Please try again.", str(refused))
    if aaguids is not None and made.aaguid not in aaguids:
        say = "This app takes passkeys of certain makes only, and that one is of another. Please use another one."
        return _wrong(say, f"the authenticator's AAGUID is {made.aaguid}")
    held = w.factors.passkeys(user_id)
    if len(held) >= passkeys.MOST:
        return Failed(
            Problem(Code.CONFLICT, f"You have {passkeys.MOST} passkeys here already. Please use one of them.")
        )
    passkey = Passkey(
        id=moment.new_id(),
        user_id=user_id,
        credential_id=made.credential_id,
        public_key=made.public_key,
        sign_count=made.sign_count,
        aaguid=made.aaguid,
        name=passkeys.clean_name(name, passkeys.next_name(len(held))),
        transports=made.transports,
        backed_up=made.backed_up,
        created_at=moment.at,
        by_home=by_home,
    )
    if not w.factors.add_passkey(passkey):
        return Failed(Problem(Code.CONFLICT, "That passkey is registered here already. Please use another one."))
    factor = LocalFactor(LocalMethod.PASSKEY, moment.at, made.aaguid, passkey.id)
    return _registered(w, vault, user_id, browser, factor, moment)


def _registered(w: Writer, vault: Vault, user_id: str, browser: bytes, factor: LocalFactor, moment: Moment) -> Passed:
    """With the first factor of any kind comes a list of recovery codes; a further one leaves the list alone."""
    has_codes = LocalMethod.RECOVERY_CODE in w.factors.methods(user_id)
    codes = () if has_codes else draw_recovery_codes(w, vault, user_id, moment)
    guessing.passed(w, user_id, browser, moment.at)
    return Passed(factor, codes)


def draw_recovery_codes(w: Writer, vault: Vault, user_id: str, moment: Moment) -> tuple[str, ...]:
    """A fresh list of recovery codes in place of the old one."""
    codes = recovery.new_codes(moment)
    w.factors.set_recovery_codes(user_id, [recovery.digest(vault, user_id, c.replace("-", "")) for c in codes])
    return tuple(codes)
