"""Which challenge here comes next, or which factor is set up, and on what proof. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from b2b_idp.model.access import Allow, AskHere, Because, Decision, Reason, Refuse
from b2b_idp.model.directory import User
from b2b_idp.model.evidence import LocalMethod
from b2b_idp.policy.decide import History, decide
from b2b_idp.policy.evaluate import Evaluation
from b2b_idp.policy.reasons import sentence
from b2b_idp.signin.facts import Known, Waiting
from b2b_idp.signin.judging import LOCAL_METHODS, policy_view, standing
from b2b_idp.signin.moves import Ask, CodeFor, Step, Stop
from b2b_idp.signin.refusals import registration_needs_proof
from b2b_idp.signin.view import View
from b2b_idp.store.factors import Passkey, Registered

MAIL_PROOF_HOLDS = timedelta(minutes=15)
"""How long a mailed link or code, once used in a browser, proves the address there."""


def _by_mail(known: Known, view: View, user: User, decision: AskHere) -> Ask | None:
    """A mailed code as the challenge, where it would do: chosen, or because nothing else that would is registered."""
    if LocalMethod.EMAIL not in decision.methods or user.proved_mail is None:
        return None
    others = tuple(m for m in decision.methods if m is not LocalMethod.EMAIL)
    if known.method is not LocalMethod.EMAIL and not view.registered.isdisjoint(others):
        return None
    methods = (LocalMethod.EMAIL, *others)
    return Ask(Waiting.EMAIL_CODE, methods, address=user.proved_mail, code_for=CodeFor.SECOND_FACTOR)


def _may_register_by_mail(known: Known, view: View, at: datetime) -> bool:
    """Whether a guest may prove by their mailbox alone who makes the first factor here: never whose first factor is
    the mailbox itself, but in the sign-in, and the session, that the mailed link redeemed."""
    if view.home is None or not view.home.mailed:
        return True
    return known.redeemed_at is not None and at - known.redeemed_at <= MAIL_PROOF_HOLDS


def ask_here(known: Known, view: View, user: User, decision: AskHere, evaluation: Evaluation, at: datetime) -> Step:
    """What is asked here: terms, a challenge by something registered, or that something be registered, on proof."""
    if decision.terms:
        return Ask(Waiting.TERMS, terms=decision.terms)
    by_mail = _by_mail(known, view, user, decision)
    if by_mail is not None:
        return by_mail
    decision = replace(decision, methods=tuple(m for m in decision.methods if m is not LocalMethod.EMAIL))
    challenge = _challenge(known, view, decision.methods, decision.aaguids)
    if challenge is not None:
        return challenge
    # nothing registered that would do: whoever holds only the first factor must not be able to make the second
    proof = _second_factor_in(known, view, evaluation, at)
    if isinstance(proof, Allow):
        return register(known, decision.methods, decision.aaguids)
    challenge = _challenge(known, view, proof.methods) if isinstance(proof, AskHere) else None
    if challenge is not None:
        return challenge
    home_failed = any(r.code is Reason.HOME_COULD_NOT for r in decision.reasons)
    mail_may_prove = user.proved_mail is not None and not (user.home_mfa_seen_at is not None and home_failed)
    # beside a factor that does not do here, only somebody else's word makes another one
    mail_may_prove = mail_may_prove and not _primary(view.registered) and _may_register_by_mail(known, view, at)
    if not view.pass_stands and not (mail_may_prove and _proved_by_mail(known, at)):
        if known.with_pass:
            return Ask(Waiting.ACCESS_PASS, address=user.proved_mail if mail_may_prove else None)
        if mail_may_prove:
            return Ask(Waiting.EMAIL_CODE, address=user.proved_mail, or_pass=True)
        return Stop(registration_needs_proof(), evaluation=_with(evaluation, Reason.REGISTRATION_NEEDS_PROOF))
    return register(known, decision.methods, decision.aaguids)


def _challenge(
    known: Known, view: View, methods: Iterable[LocalMethod], aaguids: frozenset[str] | None = None
) -> Ask | None:
    """Asks for one of `methods` that is registered: the chosen one, else the first; the others are told beside it."""
    none_fits = not fitting(view.passkeys, aaguids)
    usable = tuple(m for m in methods if m in view.registered and not (m is LocalMethod.PASSKEY and none_fits))
    if not _primary(usable):
        return None
    if known.choosing and len(usable) > 1:
        return Ask(Waiting.CHOICE, usable)
    return Ask(Waiting.CHALLENGE, _first(known.method, usable), aaguids=aaguids)


def fitting(passkeys: Iterable[Passkey], aaguids: frozenset[str] | None) -> tuple[Passkey, ...]:
    """The passkeys of the makes that would do; None: any make."""
    return tuple(p for p in passkeys if aaguids is None or p.aaguid in aaguids)


def register(known: Known, methods: Iterable[LocalMethod], aaguids: frozenset[str] | None) -> Ask:
    """Has one of `methods` registered: the chosen one, or the only one."""
    offered = _primary(methods)
    if len(offered) > 1 and known.method not in offered:
        return Ask(Waiting.CHOICE, offered)
    return Ask(Waiting.REGISTRATION, _first(known.method, offered), aaguids=aaguids)


def _primary(methods: Iterable[LocalMethod]) -> tuple[LocalMethod, ...]:
    """The methods that are registered by themselves: a recovery code stands in for one that is lost, a mailed code
    needs nothing but the address."""
    return tuple(m for m in methods if m in (LocalMethod.PASSKEY, LocalMethod.TOTP))


def _first(chosen: LocalMethod | None, methods: tuple[LocalMethod, ...]) -> tuple[LocalMethod, ...]:
    first = chosen if chosen in methods else methods[0]
    return (first, *(m for m in methods if m is not first))


def on_home_word_alone(known: Known, view: View, registered: Iterable[Registered], at: datetime) -> bool:
    """Whether nobody but the home tenant vouches for who sets up a factor now: neither a pass nor the mailbox nor a
    factor that was vouched for itself. `registered`: what the person has, of any worth."""
    vouched = {f.id for f in registered if not f.by_home}
    if view.pass_stands or any(f.factor_id in vouched for f in known.evidence.local):
        return False
    if view.home is not None and view.home.own:
        return False
    return bool(vouched) or not _proved_by_mail(known, at) or not _may_register_by_mail(known, view, at)


def _proved_by_mail(known: Known, at: datetime) -> bool:
    return known.mail_proved_at is not None and at - known.mail_proved_at <= MAIL_PROOF_HOLDS


def _second_factor_in(known: Known, view: View, evaluation: Evaluation, at: datetime) -> Decision:
    """Whether this session holds accepted MFA, or which challenge here would make it so: what a factor of a further
    kind may be registered on."""
    seen = policy_view(view, known.request)
    wanted = replace(evaluation.requirement, mfa=True, strengths=())
    history = History(asked_home=True, home_can_ask=False, local_methods=LOCAL_METHODS & view.registered)
    return decide(wanted, standing(known.evidence, view), seen.trust, seen.vocabulary, history, at)


def _with(evaluation: Evaluation, reason: Reason) -> Evaluation:
    reasons = (*evaluation.decision.reasons, Because(reason))
    return replace(evaluation, decision=Refuse(reasons, sentence(Because(reason))))
