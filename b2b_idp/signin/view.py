"""What is loaded for a sign-in before its next step is computed: one consistent reading of the store."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from b2b_idp.guests.addresses import normal_address
from b2b_idp.model.access import locations_of
from b2b_idp.model.directory import App, HomeIdentity, Invitation, User
from b2b_idp.model.evidence import LocalMethod
from b2b_idp.model.home import MAILED_ISSUER, Home, Trust
from b2b_idp.model.problem import Problem
from b2b_idp.model.request import AuthorizeRequest
from b2b_idp.model.url import domain_of, origin_of
from b2b_idp.signin.facts import Known
from b2b_idp.store import Reader
from b2b_idp.store.configuration import Configuration
from b2b_idp.store.factors import Passkey


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A user whom the identity may become: a guest who waits for redemption, with the invitation that stands for them,
    a member who never signed in, or (`moves`) a guest by mailed code whose domain has a home now. `address` is what
    has to be proved."""

    user: User
    invitation: Invitation | None
    address: str
    moves: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """The world of one sign-in. `app` is the app asked for or, for a mailed link, the app it leads to."""

    configuration: Configuration
    app: App | None
    home: Home | None
    trust: Trust
    user: User | None
    """Who the home's identity is here, already bound."""
    invitation: Invitation | None
    """The invitation whose link began this sign-in, while it is good."""
    invited: User | None
    candidate: Candidate | None
    """Whom the identity may become by redemption."""
    groups: frozenset[str] = frozenset()
    assigned: bool = False
    roles: frozenset[str] = frozenset()
    """Templates of the directory roles that the person holds."""
    consented: frozenset[str] = frozenset()
    registered: frozenset[LocalMethod] = frozenset()
    """What counts here. For power neither a factor that nobody but the home vouched for, nor a recovery code, which may
    be drawn on the home's word."""
    factor_ids: frozenset[str] = frozenset()
    """Ids of the authenticators and passkeys that count, loaded where the evidence has anything that was done here."""
    pass_stands: bool = False
    """The one-time pass that was used in this sign-in is still the person's: neither taken back nor replaced."""
    address: str = ""
    """The IP address that the browser has now."""
    locations: frozenset[str] = frozenset()
    accepted_terms: frozenset[str] = frozenset()
    passkeys: tuple[Passkey, ...] = ()


def load_view(r: Reader, known: Known, at: datetime, address: str, user: User | None = None) -> View:
    """Loads what `next_step` needs for these facts, and no more. `address` is the browser's IP address, `user` whom the
    facts' identity is bound to, where this transaction has read them."""
    configuration = r.configuration
    app = landing_app(r, known.landing) if known.request is None else r.apps.by_client_id(known.request.client_id)
    home = configuration.homes.get(known.tenant_id) if known.tenant_id else None
    if user is None and known.identity:
        user = r.users.by_identity(known.identity)
    invitation = r.invitations.by_id(known.invitation_id) if known.invitation_id else None
    if invitation is not None and not is_good(invitation, at):
        invitation = None
    invited = r.users.by_id(invitation.user_id) if invitation else None
    candidate = _candidate(r, known, home, invitation, invited, at) if known.identity and user is None else None
    groups = frozenset[str]()
    roles = frozenset[str]()
    pass_stands = False
    assigned, consented, registered = False, frozenset[str](), frozenset[LocalMethod]()
    terms, factor_ids = frozenset[str](), frozenset[str]()
    passkeys: list[Passkey] = []
    person = user or (candidate.user if candidate else None)
    if person is not None:
        around = r.around.of(person.id, app.app_id if app is not None else None)
        groups = r.memberships.set_of(person, at, around.listed)
        roles = around.roles | r.directory.roles_through(groups)
        registered, consented = around.methods, around.scopes
        held = r.passes.of(person.id) if known.pass_id is not None else None
        pass_stands = held is not None and held.id == known.pass_id
        powerful = gives_power(configuration, home, roles, known.request)
        if configuration.named.agreements:
            terms = r.agreements.accepted(person.id, configuration.named.agreements, at)
        if registered and (powerful or known.evidence.local):
            counting = [f for f in r.factors.registered(person.id) if not (powerful and f.by_home)]
            factor_ids = frozenset(f.id for f in counting)
            if powerful:
                registered = frozenset(f.method for f in counting)
        if LocalMethod.PASSKEY in registered:
            passkeys = [p for p in r.factors.passkeys(person.id) if not (powerful and p.by_home)]
        if app is not None:
            assigned = not app.assignment_required or bool(r.apps.role_ids(app.sp_id, [person.id, *groups]))
    return View(
        configuration=configuration,
        app=app,
        home=home,
        trust=configuration.trust(home) if home else Trust(),
        user=user,
        invitation=invitation,
        invited=invited,
        candidate=candidate,
        groups=groups,
        assigned=assigned,
        roles=roles,
        consented=consented,
        registered=registered,
        factor_ids=factor_ids,
        pass_stands=pass_stands,
        address=address,
        locations=locations_of(address, configuration.named.locations),
        accepted_terms=terms,
        passkeys=tuple(passkeys),
    )


def gives_power(
    configuration: Configuration, home: Home | None, roles: frozenset[str], request: AuthorizeRequest | None
) -> bool:
    """Whether somebody from another organisation holds a directory role, or lets the app write to the directory."""
    if home is None or home.own or not configuration.authorization.powers_need_local_factor:
        return False
    return bool(roles) or (request is not None and any(_writes_directory(s) for s in request.scope))


def _writes_directory(scope: str) -> bool:
    """Whether a scope is a Graph permission that changes something."""
    return "/" not in scope and (".ReadWrite." in scope or scope in ("User.Invite.All", "User.RevokeSessions.All"))


def is_good(invitation: Invitation, at: datetime) -> bool:
    """Whether the invitation's link still opens something."""
    return invitation.revoked_at is None and at < invitation.expires_at


def landing_app(r: Reader, landing: str | None) -> App | None:
    """The app whose origin an invitation leads to: only to such an origin is a browser sent after redemption."""
    return r.apps.by_origin(origin_of(landing)) if landing else None


def _candidate(
    r: Reader,
    known: Known,
    home: Home | None,
    invitation: Invitation | None,
    invited: User | None,
    at: datetime,
) -> Candidate | None:
    if invitation is not None and invited is not None:
        if invited.state == "PendingAcceptance":
            return Candidate(user=invited, invitation=invitation, address=invitation.email)
        mover = _mover(r, known, home)
        return mover if mover is not None and mover.user.id == invited.id else None
    profile = known.profile
    if home is None or profile is None or profile.email is None:
        return None
    # just in time: only the home that is authoritative for the address may name the invitation
    authority = r.configuration.homes_by_domain.get(domain_of(profile.email))
    if home.own and authority in (home, None):
        return _member(r, profile.email)
    if authority != (None if home.mailed else home):
        return None
    return waiting_guest(r, profile.email, at) or _mover(r, known, home)


def waiting_guest(r: Reader, address: str, at: datetime) -> Candidate | None:
    """The guest who waits for redemption by this address."""
    for user, invitation in r.users.waiting(address):
        if is_good(invitation, at):
            return Candidate(user=user, invitation=invitation, address=invitation.email)
    return None


def _mover(r: Reader, known: Known, home: Home | None) -> Candidate | None:
    """The guest by mailed code whom the home that is now authoritative for their domain means."""
    address = known.profile.email if known.profile is not None else None
    if address is None or home is None or home.mailed:
        return None
    if r.configuration.homes_by_domain.get(domain_of(address)) != home:
        return None
    try:
        user = r.users.by_identity(mailed_identity(address))
    except Problem:
        return None
    return None if user is None else Candidate(user=user, invitation=None, address=bound_address(user), moves=True)


def mailed_identity(address: str) -> HomeIdentity:
    """Who signs in by a code mailed to this address. Raises Problem(BAD_REQUEST) when it is none."""
    return HomeIdentity(MAILED_ISSUER, normal_address(address))


def has_a_home_now(configuration: Configuration, identity: HomeIdentity) -> bool:
    """Whether a mailed code no longer signs in: a home became authoritative for the address's domain."""
    return identity.issuer == MAILED_ISSUER and domain_of(identity.subject) in configuration.homes_by_domain


def bound_address(user: User) -> str:
    """Where the codes of a guest by mailed code go: the address proved at redemption, whatever their `mail` says."""
    assert user.identity is not None
    return user.proved_mail or user.identity.subject


def _member(r: Reader, address: str) -> Candidate | None:
    """The one member whom the organisation's own provider means: by user principal name or, where nobody has or had
    that, by mail."""
    if r.users.upn_taken(address):
        named = r.users.by_upn(address)
        meant = [named] if named is not None else []
    else:
        meant = r.users.by_mail(address)
    members = [user for user in meant if user.state is None]
    if len(members) != 1 or members[0].identity is not None:
        return None
    return Candidate(user=members[0], invitation=None, address=address)
