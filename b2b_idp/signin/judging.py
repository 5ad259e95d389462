"""What the policy engine is asked about a sign-in: who wants in where, from where, under which trust."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from b2b_idp.model.directory import App, User
from b2b_idp.model.evidence import Evidence, HomeStatement, LocalFactor, LocalMethod, Vocabulary
from b2b_idp.model.home import Home, Targets, Trust
from b2b_idp.model.request import AuthorizeRequest
from b2b_idp.policy.decide import ACR_VALUES, MFA, PHR, History, acr_satisfies
from b2b_idp.policy.evaluate import Evaluation, PolicyView, evaluate
from b2b_idp.policy.requirement import AccessRequest
from b2b_idp.signin.facts import Known
from b2b_idp.signin.view import View, gives_power
from b2b_idp.store import Configuration

LOCAL_METHODS = frozenset({LocalMethod.PASSKEY, LocalMethod.TOTP, LocalMethod.RECOVERY_CODE, LocalMethod.EMAIL})
"""Challenges that this server offers."""

TASK_MFA_AGE = timedelta(minutes=15)
"""How old the second factor may be with which a person changes how they confirm who they are."""


def judge(known: Known, view: View, user: User | None, at: datetime) -> Evaluation:
    """The decision for these facts: for the app asked for, for the one that the invitation's link leads to, or for a
    change of how one confirms who one is."""
    return evaluate(*question(known, view, user, at))


def question(
    known: Known, view: View, user: User | None, at: datetime
) -> tuple[AccessRequest, PolicyView, Evidence, History]:
    """What these facts ask, of which policies, and on what evidence."""
    request = known.request
    statement = known.evidence.statements[-1] if known.evidence.statements else None
    ask = access_request(view, user, request, statement, known.began_at, at)
    policies = policy_view(view, request)
    if known.task is not None:
        ask = replace(ask, app_wants_mfa=True, second_max_age=TASK_MFA_AGE)
        # no app is entered: it does not matter which ones the partner's people may enter
        inbound = replace(policies.trust.inbound, applications=Targets())
        policies = replace(policies, trust=replace(policies.trust, inbound=inbound))
    history = History(asked_home=known.asked_home, local_methods=offered(view))
    return ask, policies, standing(known.evidence, view), history


def standing(evidence: Evidence, view: View) -> Evidence:
    """The evidence without what was done here with a factor that is gone: it counts nowhere any more."""
    return replace(evidence, local=tuple(f for f in evidence.local if _still_here(f, view)))


def _still_here(factor: LocalFactor, view: View) -> bool:
    match factor.method:
        case LocalMethod.EMAIL:
            return True
        case LocalMethod.RECOVERY_CODE:
            return bool(view.factor_ids)  # it stood in for one of these
        case _:
            return factor.factor_id in view.factor_ids


def offered(view: View) -> frozenset[LocalMethod]:
    """The challenges that may be put: all, less what the authentication methods policy switches off."""
    off = frozenset() if view.configuration.email_method.second_factor else {LocalMethod.EMAIL}
    return LOCAL_METHODS - off


def is_powerful(view: View, request: AuthorizeRequest | None) -> bool:
    """Whether somebody from another organisation holds a directory role, or lets the app write to the directory: they
    prove a second factor that is registered here (a shipped policy, `powersNeedLocalFactor`)."""
    return gives_power(view.configuration, view.home, view.roles, request)


def policy_view(view: View, request: AuthorizeRequest | None) -> PolicyView:
    """The part of the view that the decision sees."""
    trust = view.trust.for_power() if is_powerful(view, request) else view.trust
    return view_of(view.configuration, view.home, trust)


def view_of(configuration: Configuration, home: Home | None, trust: Trust) -> PolicyView:
    """A home as policies see it; None: one that is not chosen yet, or not there any more."""
    return PolicyView(
        policies=configuration.policies,
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
        group_ids=view.groups,
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
    is_native = request is not None and (request.redirect_uri in native or request.device is not None)
    return "mobileAppsAndDesktopClients" if is_native else "browser"


def contexts_of(view: View, request: AuthorizeRequest | None) -> frozenset[str]:
    """The authentication contexts that the app asked for and that are there for apps."""
    return available(view, request.contexts if request else ())


def available(view: View, contexts: Iterable[str]) -> frozenset[str]:
    """Those of the authentication contexts that are there for apps."""
    known = view.configuration.named.contexts
    return frozenset(c for c in contexts if c in known and known[c].available)


def wants(request: AuthorizeRequest, level: str) -> bool:
    """Whether every level the app would take is `level`, one of ours, or a higher one (RFC 9470 §4)."""
    known = [a for a in request.acr_values if a in ACR_VALUES]
    return bool(known) and all(acr_satisfies(level, a) for a in known)


def evidence_of_session(evidence: Evidence, keep: int = 3) -> Evidence:
    """What a session remembers: the newest statements and local factors."""
    return Evidence(evidence.statements[-keep:], evidence.local[-keep:])
