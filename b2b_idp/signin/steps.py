"""The next step of a sign-in, computed from facts and the policies as they are now. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum

from b2b_idp.model.access import Allow, AskHere, AskHome, Because, Counted, Decision, Reason, Refuse
from b2b_idp.model.directory import App, User
from b2b_idp.model.evidence import Evidence, HomeStatement, LocalMethod, Vocabulary
from b2b_idp.model.home import MAILED_TENANT_ID, Home, Targets
from b2b_idp.model.problem import Code, Problem
from b2b_idp.model.request import AuthorizeRequest
from b2b_idp.model.url import domain_of
from b2b_idp.policy.decide import ACR_VALUES, MFA, PHR, History, acr_satisfies, decide
from b2b_idp.policy.evaluate import Evaluation, PolicyView, evaluate
from b2b_idp.policy.factors import LOCAL
from b2b_idp.policy.reasons import sentence
from b2b_idp.policy.requirement import AccessRequest
from b2b_idp.signin.facts import Known, TaskKind, Waiting
from b2b_idp.signin.redemption import Proof, proof_of
from b2b_idp.signin.view import Candidate, View, bound_address, has_a_home_now
from b2b_idp.store.factors import Passkey

LOCAL_METHODS = frozenset({LocalMethod.PASSKEY, LocalMethod.TOTP, LocalMethod.RECOVERY_CODE, LocalMethod.EMAIL})
"""Challenges that this server offers."""

MAX_DEPARTURES = 10
"""How often one sign-in may send a browser home: first visit, step-up, and again after faults on the way."""

MAIL_PROOF_HOLDS = timedelta(minutes=15)
"""How long a mailed link or code, once used in a browser, proves the address there."""

TASK_MFA_AGE = timedelta(minutes=15)
"""How old the second factor may be with which a person changes how they confirm who they are."""
MAILED_SILENCE = timedelta(days=180)
"""After so long without a sign-in a mailed code no longer opens the account: mail addresses change hands."""

SELF_CONSENT = frozenset({"openid", "profile", "email", "offline_access", "User.Read"})
"""Scopes that people may consent to themselves; all else needs an administrator's grant."""


@dataclass(frozen=True, slots=True)
class Depart:
    """Send the browser to the home tenant."""

    home: Home
    step_up: bool
    max_age: int | None
    prompt: str | None


@dataclass(frozen=True, slots=True)
class Bind:
    """Bind the candidate to the identity, then compute again."""

    candidate: Candidate
    proved_mail: str


class CodeFor(Enum):
    """What a mailed code that is typed here is."""

    PROOF = "proof"
    """proof that the guest reads the address, no factor"""
    FIRST_FACTOR = "first_factor"
    SECOND_FACTOR = "second_factor"


@dataclass(frozen=True, slots=True)
class Ask:
    """Show the page that asks for what is waited for."""

    waiting: Waiting
    methods: tuple[LocalMethod, ...] = ()
    """What may be used or registered; of a challenge or registration, the first is the one asked for."""
    address: str | None = None
    terms: tuple[str, ...] = ()
    """Agreements to accept, one after another."""
    aaguids: frozenset[str] | None = None
    """The makes of passkey that would do; None: any."""
    or_pass: bool = False
    """Whether a one-time pass would do as well."""
    code_for: CodeFor = CodeFor.PROOF
    fresh: bool = False
    """Of a first factor: an earlier one was too old for what is asked."""

    @property
    def passkey(self) -> bool:
        """Whether a passkey is asked for."""
        return self.waiting in (Waiting.CHALLENGE, Waiting.REGISTRATION) and self.methods[0] is LocalMethod.PASSKEY

    @property
    def totp_registration(self) -> bool:
        """Whether an authenticator app is to be set up."""
        return self.waiting is Waiting.REGISTRATION and self.methods[0] is LocalMethod.TOTP


@dataclass(frozen=True, slots=True)
class Issue:
    """All is known and allowed."""

    user: User
    home: Home
    counted: Counted
    scope: tuple[str, ...]
    evaluation: Evaluation


@dataclass(frozen=True, slots=True)
class Stop:
    """Refused; `tell_app` when the app is redirected to, else a page says it."""

    problem: Problem
    tell_app: bool = False
    evaluation: Evaluation | None = None


Step = Depart | Bind | Ask | Issue | Stop


def next_step(known: Known, view: View, at: datetime) -> Step:
    """What comes next. No step trusts that an earlier page was visited: everything is asked of the facts again."""
    silent = known.request is not None and "none" in known.request.prompt
    step = _next(known, view, at)
    if not silent or isinstance(step, Issue) or view.app is None:
        return step
    # nobody looks at the pages of a silent request: whatever is in the way, the app is told
    return replace(step, tell_app=True) if isinstance(step, Stop) else Stop(_cannot_ask(step), tell_app=True)


def _next(known: Known, view: View, at: datetime) -> Step:
    request = known.request
    if request is not None and view.app is None:
        return Stop(Problem(Code.UNKNOWN_CLIENT, "This app is not known here any more."))
    if known.identity is None:
        return _before_home(known, view, at)
    if view.home is None or not view.home.enabled:
        return Stop(_home_gone(known.tenant_id))
    if has_a_home_now(view.configuration, known.identity):
        return Stop(_has_a_home_now())
    if view.user is None:
        return _redeem(known, view, at)
    if request is not None and request.hinted_user_id not in (None, view.user.id):
        return Stop(Problem(Code.LOGIN_REQUIRED, "Another person is signed in than the app expects."), tell_app=True)
    if known.task is not None and known.task.user_id != view.user.id:
        return Stop(
            Problem(
                Code.LOGIN_REQUIRED,
                "You signed in at your organisation as another person. Nothing was changed.",
                "the sign-in for a change of security info ended with another user than asked for it",
            )
        )
    return _judge(known, view, view.user, at)


def _before_home(known: Known, view: View, at: datetime) -> Step:
    if known.tenant_id is None:
        return Ask(Waiting.REALM)
    if view.home is None or not view.home.enabled:
        return Stop(_home_gone(known.tenant_id))
    evaluation = judge(known, view, None, at)
    decision = evaluation.decision
    if isinstance(decision, Refuse):
        return _refused(evaluation, decision)
    ask = decision if isinstance(decision, AskHome) else AskHome((), step_up=False)
    if view.home.mailed:
        if known.invitation_id is not None and not known.accepted:
            # nor is a code mailed for whoever fetches the link: mail filters do
            return Ask(Waiting.REDEEM, address=known.email)
        return _mailed_code(known.email or "", ask)
    return _depart(known, view.home, ask)


def _mailed_code(address: str, ask: AskHome) -> Ask:
    """At the built-in home: what others ask of theirs, a code mailed to the address answers here."""
    return Ask(
        Waiting.EMAIL_CODE, address=address, code_for=CodeFor.FIRST_FACTOR, fresh=ask.max_age is not None or ask.step_up
    )


def _redeem(known: Known, view: View, at: datetime) -> Step:
    candidate = view.candidate
    if candidate is None:
        return Stop(_not_invited(known, view))
    listed = view.configuration.domains
    if candidate.invitation is not None and listed is not None and not listed.permits(domain_of(candidate.address)):
        return Stop(_domain_blocked(domain_of(candidate.address)))
    if candidate.moves and _silent_too_long(candidate.user, at):
        return Stop(_silent())
    early = judge(known, view, candidate.user, at)
    if isinstance(early.decision, Refuse):
        return _refused(early, early.decision)
    try:
        proof = proof_of(known, view, candidate)
    except Problem as problem:
        return Stop(problem)
    if proof is Proof.MAILED_CODE:
        return Ask(Waiting.EMAIL_CODE, address=candidate.address)
    if candidate.invitation is not None and not known.accepted and not view.trust.automatic_consent:
        return Ask(Waiting.REDEEM)
    return Bind(candidate, candidate.address)


def _judge(known: Known, view: View, user: User, at: datetime) -> Step:
    evaluation = judge(known, view, user, at)
    decision = evaluation.decision
    mailed = view.home is not None and view.home.mailed
    if mailed and _silent_too_long(user, at):
        return Stop(_silent(), evaluation=evaluation)
    match decision:
        case Refuse():
            return _refused(evaluation, decision)
        case AskHome() if mailed:
            return _mailed_code(bound_address(user), decision)
        case AskHome():
            assert view.home is not None
            return _depart(known, view.home, decision)
        case AskHere():
            return _ask_here(known, view, user, decision, evaluation, at)
        case Allow(counted=counted):
            return _finish(known, view, user, counted, evaluation)


def _finish(known: Known, view: View, user: User, counted: Counted, evaluation: Evaluation) -> Step:
    if known.recovery_codes:
        return Ask(Waiting.RECOVERY_CODES)
    if known.task is not None and not known.task.done:
        if known.task.kind is TaskKind.ADD:
            return _register(known, LOCAL, None)
        if known.task.kind is TaskKind.CODES:
            return Ask(Waiting.RECOVERY_CODES)
    request = known.request
    assert view.home is not None
    if request is None:
        return Issue(user, view.home, counted, (), evaluation)
    assert view.app is not None
    reached = any(acr_satisfies(a, counted.acr) or a in counted.contexts for a in request.acr_values)
    if (request.acr_essential and not reached) or (
        request.contexts_essential and not set(request.contexts) <= set(counted.contexts)
    ):
        return Stop(_unmet(), tell_app=True, evaluation=evaluation)
    wanted = [s for s in request.scope if s not in view.consented and s not in view.app.consent_granted]
    beyond = needs_administrator(request.scope, view.app)
    if beyond:
        return Stop(
            Problem(
                Code.ACCESS_DENIED,
                "An administrator has to allow this app what it asks for: " + ", ".join(beyond)[:200],
                "the app has no administrator's consent for these scopes",
            ),
            tell_app=True,
            evaluation=evaluation,
        )
    if not known.consent_given and (wanted or "consent" in request.prompt):
        return Ask(Waiting.CONSENT)
    return Issue(user, view.home, counted, request.scope, evaluation)


def needs_administrator(scope: Iterable[str], app: App) -> list[str]:
    """The scopes that nobody but an administrator could let the app have, and none does now."""
    return [s for s in scope if s not in SELF_CONSENT and s not in app.consent_granted]


def _silent_too_long(user: User, at: datetime) -> bool:
    # a redemption after a reset is younger than the last sign-in before it
    seen = [moment for moment in (user.last_signin_at, user.state_changed_at) if moment is not None]
    return bool(seen) and at - max(seen) > MAILED_SILENCE


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


def _ask_here(known: Known, view: View, user: User, decision: AskHere, evaluation: Evaluation, at: datetime) -> Step:
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
        return _register(known, decision.methods, decision.aaguids)
    challenge = _challenge(known, view, proof.methods) if isinstance(proof, AskHere) else None
    if challenge is not None:
        return challenge
    if _primary(view.registered):
        return Stop(_registration_needs_proof(), evaluation=_with(evaluation, Reason.REGISTRATION_NEEDS_PROOF))
    home_failed = any(r.code is Reason.HOME_COULD_NOT for r in decision.reasons)
    mail_may_prove = user.proved_mail is not None and not (user.home_mfa_seen_at is not None and home_failed)
    mail_may_prove = mail_may_prove and _may_register_by_mail(known, view, at)
    proved_by_mail = known.mail_proved_at is not None and at - known.mail_proved_at <= MAIL_PROOF_HOLDS
    if known.pass_id is None and not (mail_may_prove and proved_by_mail):
        if known.with_pass:
            return Ask(Waiting.ACCESS_PASS, address=user.proved_mail if mail_may_prove else None)
        if mail_may_prove:
            return Ask(Waiting.EMAIL_CODE, address=user.proved_mail, or_pass=True)
        return Stop(_registration_needs_proof(), evaluation=_with(evaluation, Reason.REGISTRATION_NEEDS_PROOF))
    return _register(known, decision.methods, decision.aaguids)


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


def _register(known: Known, methods: Iterable[LocalMethod], aaguids: frozenset[str] | None) -> Ask:
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


def _second_factor_in(known: Known, view: View, evaluation: Evaluation, at: datetime) -> Decision:
    """Whether this session holds accepted MFA, or which challenge here would make it so: what a factor of a further
    kind may be registered on."""
    seen = policy_view(view, known.request)
    wanted = replace(evaluation.requirement, mfa=True, strengths=())
    history = History(asked_home=True, home_can_ask=False, local_methods=LOCAL_METHODS & view.registered)
    return decide(wanted, known.evidence, seen.trust, seen.vocabulary, history, at)


def _depart(known: Known, home: Home, ask: AskHome) -> Step:
    if known.departures >= MAX_DEPARTURES:
        return Stop(
            Problem(
                Code.HOME_ANSWER_REFUSED,
                "Your organisation's sign-in did not give what this app needs. Please start again at the app.",
                "the browser was sent home too often in one sign-in",
            )
        )
    request = known.request
    prompts = request.prompt if request else frozenset()
    prompt = "login" if "login" in prompts else "select_account" if "select_account" in prompts else None
    return Depart(home, ask.step_up, ask.max_age, prompt)


def judge(known: Known, view: View, user: User | None, at: datetime) -> Evaluation:
    """The decision for these facts: for the app asked for, for the one that the invitation's link leads to, or for a
    change of how one confirms who one is."""
    ask, policies, history = question(known, view, user, at)
    return evaluate(ask, policies, known.evidence, history)


def question(known: Known, view: View, user: User | None, at: datetime) -> tuple[AccessRequest, PolicyView, History]:
    """What these facts ask, and of which policies."""
    request = known.request
    statement = known.evidence.statements[-1] if known.evidence.statements else None
    ask = access_request(view, user, request, statement, known.began_at, at)
    policies = policy_view(view, request)
    if known.task is not None:
        ask = replace(ask, app_wants_mfa=True, second_max_age=TASK_MFA_AGE)
        # no app is entered: it does not matter which ones the partner's people may enter
        inbound = replace(policies.trust.inbound, applications=Targets())
        policies = replace(policies, trust=replace(policies.trust, inbound=inbound))
    return ask, policies, History(asked_home=known.asked_home, local_methods=offered(view))


def offered(view: View) -> frozenset[LocalMethod]:
    """The challenges that may be put: all, less what the authentication methods policy switches off."""
    off = frozenset() if view.configuration.email_method.second_factor else {LocalMethod.EMAIL}
    return LOCAL_METHODS - off


def is_powerful(view: View, request: AuthorizeRequest | None) -> bool:
    """Whether somebody from another organisation holds a directory role, or lets the app write to the directory: they
    prove a second factor that is registered here (a shipped policy, `powersNeedLocalFactor`)."""
    if view.home is None or view.home.own or not view.configuration.authorization.powers_need_local_factor:
        return False
    return bool(view.roles) or (request is not None and any(writes_directory(s) for s in request.scope))


def writes_directory(scope: str) -> bool:
    """Whether a scope is a Graph permission that changes something."""
    return "/" not in scope and (".ReadWrite." in scope or scope in ("User.Invite.All", "User.RevokeSessions.All"))


def policy_view(view: View, request: AuthorizeRequest | None) -> PolicyView:
    """The part of the view that the decision sees."""
    home, trust = view.home, view.trust
    if is_powerful(view, request):
        trust = replace(trust, mfa_accepted=False, local_only=True)
    return PolicyView(
        policies=view.configuration.policies,
        trust=trust,
        vocabulary=home.vocabulary if home else Vocabulary(),
        home_enabled=home is not None and home.enabled,
    )


def access_request(
    view: View,
    user: User | None,
    request: AuthorizeRequest | None,
    statement: HomeStatement | None,
    began_at: datetime,
    at: datetime,
) -> AccessRequest:
    """Who wants in where, as the decision sees it. Without an app (a link that leads to none) only user and home do."""
    app = view.app
    return AccessRequest(
        user_id=user.id if user else "",
        user_type=user.user_type if user else "Guest",
        external=view.home is not None and not view.home.own,
        group_ids=frozenset(view.groups),
        role_ids=view.roles,
        home_tenant_id=view.home.tenant_id if view.home else None,
        home_subject=statement.subject if statement else None,
        user_enabled=user is None or user.usable_at(at),
        app_id=app.app_id if app else "",
        app_enabled=app is None or app.enabled,
        assignment_required=app is not None and app.assignment_required,
        assigned=view.assigned,
        client_type=client_type_of(app, request),
        location_ids=view.locations,
        contexts=contexts_of(view, request),
        accepted_terms=view.accepted_terms,
        max_age=request.max_age if request else None,
        reauthenticate_after=began_at if request and "login" in request.prompt else None,
        app_wants_mfa=(request is not None and wants(request, MFA)) or is_powerful(view, request),
        app_wants_phishing_resistant=request is not None and wants(request, PHR),
        at=at,
        began=began_at,
    )


def client_type_of(app: App | None, request: AuthorizeRequest | None) -> str:
    """Graph's clientAppTypes: a native app comes back by a redirect URI of its publicClient, all else by a browser."""
    native = ((app.properties.get("publicClient") or {}) if app else {}).get("redirectUris") or ()
    return "mobileAppsAndDesktopClients" if request is not None and request.redirect_uri in native else "browser"


def contexts_of(view: View, request: AuthorizeRequest | None) -> frozenset[str]:
    """The authentication contexts that the app asked for and that are there for apps."""
    known = view.configuration.named.contexts
    return frozenset(c for c in (request.contexts if request else ()) if c in known and known[c].available)


def wants(request: AuthorizeRequest, level: str) -> bool:
    """Whether every level the app would take is `level`, one of ours, or a higher one (RFC 9470 §4)."""
    known = [a for a in request.acr_values if a in ACR_VALUES]
    return bool(known) and all(acr_satisfies(level, a) for a in known)


def evidence_of_session(evidence: Evidence, keep: int = 3) -> Evidence:
    """What a session remembers: the newest statements and local factors."""
    return Evidence(evidence.statements[-keep:], evidence.local[-keep:])


def _refused(evaluation: Evaluation, decision: Refuse) -> Stop:
    last = decision.reasons[-1]
    wanted = evaluation.requirement
    if last.code is Reason.STRENGTH_UNREACHABLE and wanted.asked_by_app and not wanted.policy_ids:
        return Stop(_unmet(), tell_app=True, evaluation=evaluation)
    code = Code(last.code.value) if last.code.value in Code._value2member_map_ else Code.ACCESS_DENIED
    return Stop(Problem(code, decision.way_forward, sentence(last)), evaluation=evaluation)


def _with(evaluation: Evaluation, reason: Reason) -> Evaluation:
    reasons = (*evaluation.decision.reasons, Because(reason))
    return replace(evaluation, decision=Refuse(reasons, sentence(Because(reason))))


def _cannot_ask(step: Depart | Bind | Ask) -> Problem:
    match step:
        case Ask(waiting=Waiting.CONSENT):
            return Problem(Code.CONSENT_REQUIRED, "The guest has not consented to this app yet.")
        case Ask(waiting=Waiting.REALM) | Ask(code_for=CodeFor.FIRST_FACTOR) | Depart():
            return Problem(Code.LOGIN_REQUIRED, "The guest has to sign in.")
        case _:
            return Problem(Code.INTERACTION_REQUIRED, "The guest has to be asked something first.")


def _home_gone(tenant_id: str | None) -> Problem:
    if tenant_id == MAILED_TENANT_ID:
        return Problem(
            Code.HOME_DISABLED,
            "Sign-in by mailed code is switched off here. Ask the person who invited you how to sign in now.",
            "the authentication methods policy does not let guests sign in by mailed code",
        )
    return Problem(
        Code.HOME_DISABLED,
        "Sign-in through your organisation is switched off here. Ask the person who invited you.",
        f"home tenant {tenant_id} is deleted or disabled",
    )


def _has_a_home_now() -> Problem:
    return Problem(
        Code.LOGIN_REQUIRED,
        "Your organisation's own sign-in is connected here now, and codes are mailed to you no more. "
        "Please start again at the app: it leads you there.",
        "a home tenant became authoritative for the domain of a guest by mailed code",
    )


def _silent() -> Problem:
    return Problem(
        Code.INVITATION_INVALID,
        f"You have not signed in for {MAILED_SILENCE.days} days, and an address may have a new owner by then. "
        "Ask the person who invited you to have your invitation renewed.",
        f"a guest by mailed code did not sign in for {MAILED_SILENCE.days} days; reset the redemption to let them in",
    )


def _domain_blocked(domain: str) -> Problem:
    return Problem(
        Code.INBOUND_BLOCKED,
        "Your organisation's domain may not be invited here any more. Ask the person who invited you.",
        f"the domain list (B2BManagementPolicy) does not permit {domain[:100]}",
    )


def _not_invited(known: Known, view: View) -> Problem:
    if known.invitation_id is not None:
        return Problem(
            Code.INVITATION_TAKEN if view.invited is not None else Code.INVITATION_INVALID,
            "This invitation has already been redeemed by another account, or is not valid any more. "
            "Ask the person who invited you for a new one.",
            "the link's invitation is accepted by another identity, expired or revoked",
        )
    return Problem(
        Code.NOT_INVITED,
        "You are signed in at your organisation, but this account has not been invited here. "
        "Ask the person who runs the app to invite the address you signed in with.",
        "no user is bound to this identity and no pending invitation is for an address its home vouches for",
    )


def _registration_needs_proof() -> Problem:
    because = sentence(Because(Reason.REGISTRATION_NEEDS_PROOF))
    return Problem(
        Code.REGISTRATION_NEEDS_PROOF,
        "Your organisation did not confirm a second factor, and none may be set up here without more proof. Ask the "
        "person who invited you, or an administrator, for a one-time pass; then go on from this page.",
        because,
    )


def _unmet() -> Problem:
    return Problem(
        Code.UNMET_AUTHENTICATION_REQUIREMENTS,
        "The sign-in could not reach the authentication level that the app requires.",
        "essential acr not reached",
    )
