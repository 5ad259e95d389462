"""A person's own account: what they see of it, and what they may do to it and to the guests they answer for."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from b2b_idp.factors import passes
from b2b_idp.guests import lifecycle, upkeep
from b2b_idp.keys.vault import Vault
from b2b_idp.model.directory import App, User
from b2b_idp.model.home import Home, Trust
from b2b_idp.model.moment import Moment
from b2b_idp.model.problem import Code, Problem
from b2b_idp.model.url import origin_of
from b2b_idp.signin.grants import session_is_good
from b2b_idp.signin.log import guest_audit
from b2b_idp.signin.showing import SCOPE_SENTENCES
from b2b_idp.signin.values import Browser
from b2b_idp.signin.view import landing_app
from b2b_idp.store import Reader, Writer
from b2b_idp.store.apps import app_of
from b2b_idp.store.signins import SessionRow

MOST_GUESTS = 200
"""How many sponsored guests are shown."""
PASS_PAUSE = timedelta(minutes=5)
"""Between two passes that sponsors give a guest."""
_NEVER = datetime.max.replace(tzinfo=UTC)
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Inviter:
    """Who invited: a person or an app by name; None when it is not there any more."""

    name: str | None
    is_app: bool = False


@dataclass(frozen=True, slots=True)
class Shared:
    """What the person lets an app have."""

    app_id: str
    app_name: str
    sentences: tuple[str, ...]
    since: datetime


@dataclass(frozen=True, slots=True)
class Sponsored:
    """A guest whom the person answers for."""

    user: User
    home_name: str | None
    attested_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """All that a person is told about their account."""

    user: User
    home_name: str | None
    inviter: Inviter | None
    since: datetime
    signed_in_at: datetime
    apps: tuple[tuple[str | None, str], ...]
    """(where it begins, name) of each app that the person can open."""
    shared: tuple[Shared, ...]
    sponsored: tuple[Sponsored, ...]
    sponsored_in_all: int


def signed_in(r: Reader, browser: Browser, at: datetime) -> tuple[SessionRow, User]:
    """The browser's session and whose it is, as person, home and trust are now.

    Raises Problem(LOGIN_REQUIRED | GUEST_DISABLED | HOME_DISABLED | INBOUND_BLOCKED)."""
    session = r.signins.session(browser.session_id) if browser.session_id else None
    user = r.users.by_id(session.user_id) if session else None
    if session is None or user is None or user.identity is None or not session_is_good(session, user, at):
        raise Problem(Code.LOGIN_REQUIRED, "You are not signed in. Open one of your apps to sign in.")
    if not user.usable_at(at):
        raise Problem(Code.GUEST_DISABLED, "Your account here is switched off. Ask the person who invited you.")
    home, trust = _home_of(r, user)
    if user.home_tenant_id is not None and (home is None or not home.enabled):
        raise Problem(Code.HOME_DISABLED, "Ask an administrator whether your organisation may still sign in.")
    if not trust.inbound.users.permits(user.identity.subject):
        raise Problem(Code.INBOUND_BLOCKED, "Ask an administrator whether your organisation may still sign in.")
    return session, user


def _home_of(r: Reader, user: User) -> tuple[Home | None, Trust]:
    home = r.configuration.homes.get(user.home_tenant_id or "")
    return home, r.configuration.trust(home) if home is not None and not home.own else Trust()


def _name_of(home: Home | None) -> str | None:
    """The organisation where somebody signs in; None for whom codes are mailed."""
    return None if home is None or home.mailed else home.display_name


def account_of(r: Reader, session: SessionRow, user: User, at: datetime) -> Account:
    """The account of the person whose session it is, as it is now."""
    home, trust = _home_of(r, user)
    apps = [app for app in map(app_of, r.apps.rows()) if app.enabled]
    names = {app.app_id: app.display_name for app in apps}
    guests = _sponsored(r, user, at)
    redeemed = user.state_changed_at if user.state == "Accepted" else None
    return Account(
        user=user,
        home_name=_name_of(home),
        inviter=_inviter(r, user),
        since=redeemed or user.created_at,
        signed_in_at=session.created_at,
        apps=tuple((_start_of(app), app.display_name) for app in _open_to(r, user, apps, trust, at)),
        shared=tuple(
            Shared(id, names[id], tuple(SCOPE_SENTENCES.get(s, s) for s in scopes), since)
            for id, scopes, since in r.grants.consents_of(user.id)
            if id in names
        ),
        sponsored=tuple(guests[:MOST_GUESTS]),
        sponsored_in_all=len(guests),
    )


def _inviter(r: Reader, user: User) -> Inviter | None:
    invitation = r.invitations.latest(user.id)
    if invitation is None:
        return None
    person = r.users.by_id(invitation.invited_by)
    if person is not None:
        return Inviter(person.display_name)
    row = r.apps.row(invitation.invited_by)
    return Inviter(None) if row is None else Inviter(app_of(row).display_name, is_app=True)


def _open_to(r: Reader, user: User, apps: Iterable[App], trust: Trust, at: datetime) -> list[App]:
    """The apps that have a sign-in, let the person's organisation in, and are assigned where that is needed."""
    holders = _circle(r, user, at)
    return [
        app
        for app in apps
        if app.redirect_uris
        and trust.inbound.applications.permits(app.app_id)
        and (not app.assignment_required or r.apps.role_ids(app.sp_id, holders))
    ]


def _start_of(app: App) -> str | None:
    """Where an app begins: its home page."""
    home = (app.properties.get("web") or {}).get("homePageUrl")
    return home if isinstance(home, str) and urlsplit(home).scheme in ("https", "http") else None


def unsent_address(r: Reader, user: User) -> str | None:
    """The address in the person's accepted invitation, if no browser is sent there: it belongs to no registered app
    and no configured origin."""
    invitation = r.invitations.latest(user.id)
    if invitation is None or invitation.status != "Completed":
        return None
    address = invitation.redirect_url
    welcome = origin_of(address) in r.configuration.authorization.redirect_origins
    return None if welcome or landing_app(r, address) is not None else address


def withdraw(w: Writer, user: User, app_id: str, moment: Moment) -> None:
    """Takes back the person's consent to an app, whose grants for them end; it is told."""
    if not _ID.fullmatch(app_id) or not w.grants.withdraw_consent(user.id, app_id, moment):
        return
    row = w.apps.row(app_id)
    name = app_of(row).display_name if row else app_id
    _audit(w, user, moment, "Withdraw consent", reason=name[:500])


# --- leaving --------------------------------------------------------------------------------------------------------


def check_may_leave(r: Reader, user: User, at: datetime) -> None:
    """Raises Problem(FORBIDDEN) for the organisation's own people, Problem(CONFLICT) for its last administrator."""
    if user.state is None:
        raise Problem(
            Code.FORBIDDEN, "You belong to this organisation itself. Only an administrator can remove your account."
        )
    try:
        lifecycle.check_not_last_administrator(r, user, at)
    except Problem as problem:
        raise Problem(
            problem.code,
            "You are the only Global Administrator here. Give the role to somebody else first; then you can leave.",
            problem.say,
        ) from problem


def leave(w: Writer, user: User, moment: Moment) -> datetime:
    """The guest leaves the organisation; until when it can be undone."""
    check_may_leave(w, user, moment.at)
    lifecycle.delete(w, user, moment)
    _audit(w, user, moment, "Leave organization", operation="Delete")
    return moment.at + lifecycle.RESTORABLE


# --- sponsored guests -----------------------------------------------------------------------------------------------


def _sponsored(r: Reader, user: User, at: datetime) -> list[Sponsored]:
    """Guests whom the person, or a group with the person in it, answers for: who ends first comes first."""
    ids = {id for one in _circle(r, user, at) for id in r.directory.relating("sponsor", one)} - {user.id}
    guests = [g for g in r.users.by_ids(ids) if g.state is not None]
    guests.sort(key=lambda g: (not g.account_enabled, g.expires_at or _NEVER, g.display_name.casefold()))
    homes = r.configuration.homes
    found = []
    for guest in guests:
        home = homes.get(guest.home_tenant_id or "")
        attested = guest.properties.get("b2bIdp.attestedAt")
        since = datetime.fromisoformat(attested) if isinstance(attested, str) else None
        found.append(Sponsored(guest, _name_of(home), since))
    return found


def _circle(r: Reader, user: User, at: datetime) -> list[str]:
    """The person and the groups that they are in."""
    return [user.id, *r.memberships.groups_of(user, at)]


def _answers_for(r: Reader, user: User, guest_id: str, at: datetime) -> User:
    """The guest, if the person answers for them. Raises Problem(FORBIDDEN), the same for guests who are not there."""
    guest = r.users.by_id(guest_id) if _ID.fullmatch(guest_id) and guest_id != user.id else None
    if (
        guest is None
        or guest.state is None
        or set(_circle(r, user, at)).isdisjoint(r.directory.related("sponsor", guest.id))
    ):
        raise Problem(Code.FORBIDDEN, "You are not a sponsor of this guest.")
    return guest


def still_needed(w: Writer, user: User, guest_id: str, moment: Moment) -> None:
    """The sponsor answers for the guest once more. Raises Problem(FORBIDDEN)."""
    guest = _answers_for(w, user, guest_id, moment.at)
    upkeep.attest(w, guest, user.id, moment)
    _audit(w, guest, moment, "Attest guest", by=user)


def not_needed(w: Writer, user: User, guest_id: str, moment: Moment) -> None:
    """The sponsor says that the guest is needed no more: the account is switched off. Raises Problem(FORBIDDEN),
    also for guests with a directory role."""
    guest = _answers_for(w, user, guest_id, moment.at)
    if w.directory.roles_of(guest.id, w.memberships.groups_of(guest, moment.at)):
        raise Problem(
            Code.FORBIDDEN, "This guest holds an administrative role. Ask an administrator to switch the account off."
        )
    if guest.account_enabled:
        lifecycle.set_enabled(w, guest, False, moment)
        _audit(w, guest, moment, "Disable account", by=user, reason="no longer needed, says a sponsor")


def give_pass(w: Writer, vault: Vault, user: User, guest_id: str, moment: Moment) -> tuple[User, datetime, str]:
    """A one-time pass for a guest whom the person answers for: the guest, until when, and the code, told this once.

    Raises Problem(FORBIDDEN), also for guests with a directory role, Problem(CONFLICT) for accounts that are off and
    while a pass stands that somebody else gave, and Problem(TOO_MANY_ATTEMPTS) so soon after the guest's last pass:
    each is mailed about.
    """
    guest = _answers_for(w, user, guest_id, moment.at)
    if w.directory.roles_of(guest.id, w.memberships.groups_of(guest, moment.at)):
        raise Problem(Code.FORBIDDEN, "This guest holds an administrative role. Ask an administrator for the pass.")
    if not guest.usable_at(moment.at):
        raise Problem(Code.CONFLICT, "This guest's account is switched off.")
    held = w.passes.of(guest.id)
    if held is not None and moment.at < held.created_at + PASS_PAUSE:
        raise Problem(
            Code.TOO_MANY_ATTEMPTS,
            "This guest was given a one-time pass a moment ago. Please wait five minutes for another.",
            "a sponsor gives passes too fast",
            retry_after=held.created_at + PASS_PAUSE - moment.at,
        )
    if held is not None and held.created_by != user.id and passes.stands(held, moment.at):
        raise Problem(
            Code.CONFLICT,
            "This guest has a one-time pass that somebody else gave. If it is lost, ask an administrator for another.",
            "a sponsor would have replaced a pass that stands",
        )
    given, code = passes.give(w, vault, guest, user.id, moment)
    _audit(w, guest, moment, "Create Temporary Access Pass", by=user, operation="Add", reason=f"pass {given.id}")
    return guest, given.ends_at, code


def _audit(
    w: Writer,
    user: User,
    moment: Moment,
    activity: str,
    *,
    by: User | None = None,
    operation: str = "Update",
    reason: str = "",
) -> None:
    document = guest_audit(user, moment, activity, service="Core Directory", operation=operation, reason=reason, by=by)
    w.logs.add_audit(document, moment.at)
