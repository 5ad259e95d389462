"""What a form's answer does to the facts: one function for each thing that a sign-in can wait for.

An answer to anything else is Problem(UNEXPECTED_STEP). A wrong answer is not an exception: it is counted, and the page
is shown again with a sentence, so its transaction must be committed.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from b2b_idp.factors import challenge, letters, mailed, passes, passkeys, totp
from b2b_idp.factors.passkeys import RelyingParty
from b2b_idp.guests.addresses import checked_address
from b2b_idp.keys.vault import Vault
from b2b_idp.model.directory import User
from b2b_idp.model.evidence import Evidence, LocalFactor, LocalMethod
from b2b_idp.model.moment import Moment
from b2b_idp.model.problem import Code, Problem
from b2b_idp.model.url import domain_of
from b2b_idp.signin import security
from b2b_idp.signin.challenging import on_home_word_alone
from b2b_idp.signin.facts import Known, TaskKind, Waiting
from b2b_idp.signin.learning import learn_mailed_code
from b2b_idp.signin.log import guest_audit
from b2b_idp.signin.mailing import CODES_IN_A_SIGNIN, Mail, is_told
from b2b_idp.signin.moves import Ask, CodeFor
from b2b_idp.signin.steps import SELF_CONSENT, next_step
from b2b_idp.signin.values import Browser
from b2b_idp.signin.view import View
from b2b_idp.store import Writer


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A form post: the sign-in it is for, its fields, and everything that judging it needs."""

    w: Writer
    vault: Vault
    party: RelyingParty
    signin_id: str
    known: Known
    view: View
    form: Mapping[str, str]
    browser: Browser
    moment: Moment


@dataclass(frozen=True, slots=True)
class Learned:
    """The facts afterwards; `error` is a sentence for the page when the answer was wrong."""

    known: Known
    error: Problem | None = None


def read(waiting: Waiting, answer: Answer) -> Learned:
    """The facts after this answer. Raises Problem(UNEXPECTED_STEP | ACCESS_DENIED)."""
    reader = _READERS.get(waiting)
    if reader is None:
        raise Problem(Code.UNEXPECTED_STEP, "This page is not what the sign-in waits for. Please go on from its start.")
    return reader(answer)


def _realm(a: Answer) -> Learned:
    email = a.form.get("email", "").strip()
    if not email or len(email) > 254 or "@" not in email or any(ord(c) < 32 for c in email):
        return Learned(a.known, Problem(Code.INVALID_REQUEST, "Please type your e-mail address."))
    configuration = a.view.configuration
    home = configuration.homes_by_domain.get(domain_of(email), configuration.mailed_home)
    if home.mailed and home.enabled:
        try:
            email = checked_address(email)
        except Problem:
            return Learned(a.known, Problem(Code.INVALID_REQUEST, "Please type your e-mail address."))
    if not home.enabled:
        raise Problem(
            Code.NO_HOME,
            "There is no sign-in for this address here yet. Ask the person who invited you, "
            "or go back and try another address.",
            f"no enabled home tenant is authoritative for the domain {domain_of(email)[:100]}",
        )
    return Learned(replace(a.known, email=email, tenant_id=home.tenant_id))


def _redeem(a: Answer) -> Learned:
    if a.form.get("decline"):
        raise Problem(Code.ACCESS_DENIED, "You declined the invitation. Its link works until it expires.")
    return Learned(replace(a.known, accepted=True))


def _consent(a: Answer) -> Learned:
    if a.form.get("decline"):
        raise Problem(Code.ACCESS_DENIED, "The guest declined to share what the app asks for.")
    request = a.known.request
    if a.view.user is not None and a.view.app is not None and request is not None:
        # what an administrator granted stays the administrator's to take back
        own = SELF_CONSENT.intersection(request.scope)
        a.w.grants.consent(a.view.user.id, a.view.app.app_id, own, a.moment.at)
    return Learned(replace(a.known, consent_given=True))


def _terms(a: Answer) -> Learned:
    if a.form.get("decline"):
        raise Problem(Code.ACCESS_DENIED, "You did not accept the terms of use, without which this app is closed.")
    user = _person(a)
    step = next_step(a.known, a.view, a.moment.at)
    agreement = (
        a.view.configuration.named.agreements.get(step.terms[0]) if isinstance(step, Ask) and step.terms else None
    )
    # the texts may have changed while they were read: only those that were shown are accepted
    if agreement is not None and a.form.get("terms") == f"{agreement.id}.{agreement.version}":
        a.w.agreements.accept(agreement, user.id, a.moment)
        activity = "Accept Terms Of Use"
        audit = guest_audit(
            user, a.moment, activity, service="Terms Of Use", operation="Accept", reason=agreement.display_name
        )
        a.w.logs.add_audit(audit, a.moment.at)
    return Learned(a.known)


def _email_code(a: Answer) -> Learned:
    known = a.known
    step = next_step(known, a.view, a.moment.at)
    if not isinstance(step, Ask) or step.address is None:
        return Learned(known)
    if a.form.get("other") and step.or_pass:
        return Learned(replace(known, with_pass=True))
    first = step.code_for is CodeFor.FIRST_FACTOR
    if a.form.get("other") and known.invitation_id is None and not is_told(known, a.view, step):
        return Learned(replace(known, tenant_id=None, mailed_code=None))
    fact = known.mailed_code
    if a.form.get("resend"):
        if first and fact is not None and fact.number >= CODES_IN_A_SIGNIN:
            say = "No more codes are sent in this sign-in. Please type the one from the newest mail."
            return Learned(known, Problem(Code.TOO_MANY_ATTEMPTS, say))
        mail = Mail(a.w, a.vault, a.signin_id, known, a.view, step, a.browser, a.moment)
        return Learned(replace(known, mailed_code=mail.code()))
    if fact is None:
        return Learned(known, Problem(Code.WRONG_CODE, "Please ask for a new code."))
    held = mailed.MailedCode(fact.digest, fact.address, fact.sent_at, fact.tries)
    verdict, held = mailed.check(a.vault, a.signin_id, held, a.form.get("code", ""), a.moment.at)
    if verdict is mailed.Verdict.OK and first:
        assert a.view.home is not None
        return Learned(learn_mailed_code(known, a.view.home, fact.address, step.fresh, a.moment))
    if verdict is mailed.Verdict.OK and step.code_for is CodeFor.SECOND_FACTOR:
        factor = LocalFactor(LocalMethod.EMAIL, a.moment.at)
        return Learned(replace(_with_factor(known, factor), mailed_code=None, method=None))
    if verdict is mailed.Verdict.OK:
        return Learned(replace(known, mailed_code=None, address_proved=fact.address, mail_proved_at=a.moment.at))
    say = {
        mailed.Verdict.WRONG: "That is not the right code. Please look at the newest mail.",
        mailed.Verdict.EXPIRED: "That code is too old, or was tried too often. Please ask for a new one.",
    }[verdict]
    return Learned(replace(known, mailed_code=replace(fact, tries=held.tries)), Problem(Code.WRONG_CODE, say))


def _access_pass(a: Answer) -> Learned:
    user = _person(a)
    if a.form.get("other"):
        return Learned(replace(a.known, with_pass=False))
    try:
        spent = passes.answer(a.w, a.vault, user.id, a.browser.key, a.form.get("code", ""), a.moment)
    except Problem as problem:
        return Learned(a.known, problem)
    _audit(a, user, "Use Temporary Access Pass", "Update", f"pass {spent.id}, given by {spent.created_by}")
    return Learned(replace(a.known, with_pass=False, pass_id=spent.id))


def _challenge(a: Answer) -> Learned:
    user = _person(a)
    method = _asked(a, Waiting.CHALLENGE)
    if method is None:
        return Learned(a.known)
    if a.form.get("other") in (LocalMethod.RECOVERY_CODE.value, "recovery"):
        return Learned(replace(a.known, method=LocalMethod.RECOVERY_CODE))
    if a.form.get("other"):
        return Learned(replace(a.known, method=None, choosing=True))
    known, code = a.known, a.form.get("code", "")
    if method is LocalMethod.PASSKEY:
        answer = a.form.get("credential", "")
        if known.passkey_challenge is None or not answer:
            return Learned(known, _no_answer())
        over, known = known.passkey_challenge, replace(known, passkey_challenge=passkeys.new_challenge(a.moment))
        result = challenge.answer_passkey(a.w, a.vault, a.party, user.id, a.browser.key, over, answer, a.moment)
    elif method is LocalMethod.RECOVERY_CODE:
        result = challenge.answer_recovery(a.w, a.vault, user.id, a.browser.key, code, a.moment)
    else:
        result = challenge.answer_totp(a.w, a.vault, user.id, a.browser.key, code, a.moment)
    if isinstance(result, challenge.Failed):
        if result.copied is not None:
            _audit(a, user, "Passkey refused", "Update", failure="the sign count of a passkey went backwards")
        return Learned(known, result.problem)
    return Learned(replace(_with_factor(known, result.factor), method=None, passkey_challenge=None))


def _registration(a: Answer) -> Learned:
    user = _person(a)
    step = next_step(a.known, a.view, a.moment.at)
    if not isinstance(step, Ask) or step.waiting is not Waiting.REGISTRATION:
        return Learned(a.known)
    method = step.methods[0]
    if a.form.get("other"):
        return Learned(replace(a.known, method=None))
    known = a.known
    by_home = on_home_word_alone(known, a.view, a.w.factors.registered(user.id), a.moment.at)
    if method is LocalMethod.PASSKEY:
        answer = a.form.get("credential", "")
        if known.passkey_challenge is None or not answer:
            return Learned(known, _no_answer())
        over, known = known.passkey_challenge, replace(known, passkey_challenge=passkeys.new_challenge(a.moment))
        name = a.form.get("name", "")
        result = challenge.register_passkey(
            a.w, a.vault, a.party, user.id, a.browser.key, over, answer, name, step.aaguids, by_home, a.moment
        )
    elif known.totp_secret is None:
        return Learned(known)
    else:
        secret = a.vault.open(b64decode(known.totp_secret), "signins:" + a.signin_id)
        code = a.form.get("code", "")
        result = challenge.register_totp(a.w, a.vault, user.id, a.browser.key, secret, code, by_home, a.moment)
    if isinstance(result, challenge.Failed):
        return Learned(known, result.problem)
    if user.proved_mail:
        a.w.outbox.add(
            letters.factor_registered_letter(
                a.vault, user.proved_mail, a.view.configuration.tenant.name, result.factor, a.moment
            )
        )
    _audit(a, user, "User registered security info", "Add", reason=method.value)
    task = known.task
    if task is not None and task.kind is TaskKind.ADD:
        known = replace(known, task=replace(task, done=True))
    codes = _sealed(a.vault, a.signin_id, result.codes)
    known = replace(known, method=None, totp_secret=None, passkey_challenge=None, recovery_codes=codes)
    return Learned(_with_factor(known, result.factor))


def _choice(a: Answer) -> Learned:
    step = next_step(a.known, a.view, a.moment.at)
    offered = step.methods if isinstance(step, Ask) and step.waiting is Waiting.CHOICE else ()
    chosen = next((m for m in offered if m.value == a.form.get("method")), None)
    if chosen is None and offered:
        return Learned(a.known, Problem(Code.INVALID_REQUEST, "Please choose one of these."))
    return Learned(replace(a.known, method=chosen, choosing=False))


def _recovery_codes(a: Answer) -> Learned:
    return Learned(replace(a.known, recovery_codes=()))


_READERS: Mapping[Waiting, Callable[[Answer], Learned]] = {
    Waiting.REALM: _realm,
    Waiting.REDEEM: _redeem,
    Waiting.TERMS: _terms,
    Waiting.CONSENT: _consent,
    Waiting.EMAIL_CODE: _email_code,
    Waiting.CHOICE: _choice,
    Waiting.ACCESS_PASS: _access_pass,
    Waiting.CHALLENGE: _challenge,
    Waiting.REGISTRATION: _registration,
    Waiting.RECOVERY_CODES: _recovery_codes,
}


def _person(a: Answer) -> User:
    if a.view.user is None:
        raise Problem(Code.UNEXPECTED_STEP, "This page is not what the sign-in waits for.")
    return a.view.user


def _asked(a: Answer, waiting: Waiting) -> LocalMethod | None:
    """The method that this page asks for as facts and policies are now; None when another step comes first."""
    step = next_step(a.known, a.view, a.moment.at)
    return step.methods[0] if isinstance(step, Ask) and step.waiting is waiting else None


def _no_answer() -> Problem:
    return Problem(
        Code.INVALID_REQUEST, "Nothing came from your passkey. Please try again, with JavaScript switched on."
    )


def _audit(a: Answer, user: User, activity: str, operation: str, reason: str = "", failure: str | None = None) -> None:
    service = "Authentication Methods"
    audit = guest_audit(user, a.moment, activity, service=service, operation=operation, reason=reason, failure=failure)
    a.w.logs.add_audit(audit, a.moment.at)


def _sealed(vault: Vault, signin_id: str, codes: Iterable[str]) -> tuple[str, ...]:
    return tuple(b64encode(vault.seal(c.encode(), "signins:" + signin_id)).decode() for c in codes)


def _with_factor(known: Known, factor: LocalFactor) -> Known:
    return replace(known, evidence=Evidence(known.evidence.statements, (*known.evidence.local, factor)))


def prepare(
    w: Writer, vault: Vault, signin_id: str, known: Known, view: View, step: Ask, browser: Browser, moment: Moment
) -> Known:
    """What a page needs before it can be shown: a mailed code is on its way, a secret, challenge or list is drawn."""
    if step.waiting is Waiting.EMAIL_CODE:
        fact = known.mailed_code
        if fact is None or fact.address != step.address:
            mail = Mail(w, vault, signin_id, known, view, step, browser, moment)
            return replace(known, mailed_code=mail.code())
    if step.passkey and known.passkey_challenge is None:
        return replace(known, passkey_challenge=passkeys.new_challenge(moment))
    if step.totp_registration and known.totp_secret is None:
        sealed = vault.seal(totp.new_secret(moment), "signins:" + signin_id)
        return replace(known, totp_secret=b64encode(sealed).decode())
    if step.waiting is Waiting.RECOVERY_CODES and known.task is not None and not known.task.done:
        assert view.user is not None
        codes = security.draw_codes(w, vault, view.user, moment)
        return replace(known, task=replace(known.task, done=True), recovery_codes=_sealed(vault, signin_id, codes))
    return known
