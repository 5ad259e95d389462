"""Inviting a guest: the user exists at once, the link works once, what is mailed lands with what is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from b2b_idp.guests.addresses import checked_address, checked_landing
from b2b_idp.guests.letters import copy_letter, invitation_letter
from b2b_idp.guests.lifecycle import reset
from b2b_idp.guests.roles import INVITING_ADMINISTRATORS, may_invite
from b2b_idp.keys.vault import Vault
from b2b_idp.model.directory import Invitation, RoleAssignment, User, UserType
from b2b_idp.model.moment import Moment
from b2b_idp.model.problem import Code, Problem
from b2b_idp.model.provenance import written
from b2b_idp.model.url import domain_of, origin_of
from b2b_idp.store import Configuration, Reader, Writer
from b2b_idp.store.outbox import AN_HOUR

LIFETIME = timedelta(days=30)
INVITE = "Invite external user"
"""What inviting is called in the audit log, by which a person's invitations are counted, repeated ones too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InvitationRequest:
    """What an inviter asks for; hostile until `invite` has checked it."""

    email: object
    redirect_url: object
    display_name: str | None = None
    send_message: bool = False
    message: Mapping[str, Any] = field(default_factory=dict)
    user_type: UserType = "Guest"
    reset_user_id: str | None = None
    """The user whose redemption is reset (resetRedemption)."""
    properties: Mapping[str, Any] = field(default_factory=dict)
    """Directory properties that a new guest gets, checked by the edge."""
    sponsors: tuple[str, ...] = ()
    """Ids of users or groups; the inviting person is the sponsor when there are none."""
    groups: tuple[str, ...] = ()
    roles: tuple[tuple[str, str], ...] = ()
    """(service principal id, app role id) pairs that a new guest is assigned."""
    expires_at: datetime | None = None
    """When the guest expires; None: as the authorization policy says."""
    administrator: bool = False
    """Whether the inviter may write users: they get the link of a guest whom somebody else invited, too."""
    id: str | None = None
    """The invitation's id, for callers that must find it again; None: a new one."""


@dataclass(frozen=True, slots=True)
class Invited:
    """The invitation, the user it is for, and the link, which is told this once."""

    invitation: Invitation
    user: User
    redeem_url: str | None


def invite(
    w: Writer,
    vault: Vault,
    ask: InvitationRequest,
    *,
    by: str,
    issuer: str,
    moment: Moment,
    inviter: User | None = None,
) -> Invited:
    """Invites an address: a new guest, a pending one again (a new link, the old one dead), or an accepted one
    (status Completed, no link). `by` is the object id of who invites, `inviter` the person if it is one. Whom somebody
    else invited is only mailed again: the link proves the mailbox, and is not told to those who did not make the guest.

    What the invitation gives (groups, roles, properties, sponsors, expiry) goes to new guests only: inviting again
    resends. Raises Problem(BAD_REQUEST | TOO_MANY_ATTEMPTS).
    """
    email, landing = checked_address(ask.email), checked_landing(ask.redirect_url)
    check_domain(w.configuration, email)
    user, is_new = _user_for(w, ask, email, moment)
    if is_new:
        _give(w, ask, user, inviter, moment)
    completed = user.state == "Accepted"
    told = is_new or ask.administrator or ask.reset_user_id is not None
    earlier = None if told or completed else w.invitations.latest(user.id)
    if earlier is not None and earlier.invited_by != by:
        return Invited(resend(w, vault, earlier, issuer=issuer, moment=moment, inviter=inviter), user, None)
    if not (completed or is_new):
        w.invitations.end(user.id, moment.at)
    invitation = Invitation(
        id=ask.id or moment.new_id(),
        user_id=user.id,
        email=email,
        redirect_url=landing,
        display_name=ask.display_name,
        user_type=ask.user_type,
        send_message=ask.send_message,
        message=dict(ask.message),
        reset_redemption=ask.reset_user_id is not None,
        status="Completed" if completed else "PendingAcceptance",
        generation=0,
        created_at=moment.at,
        expires_at=moment.at + LIFETIME,
        invited_by=by,
    )
    w.invitations.add(invitation)
    if completed:
        return Invited(invitation, user, None)
    link = link_of(vault, invitation, issuer)
    if ask.send_message:
        mail(w, vault, invitation, link, moment, inviter)
    return Invited(invitation, user, link)


def link_of(vault: Vault, invitation: Invitation, issuer: str) -> str:
    """The link that the invitation is redeemed by."""
    return f"{issuer}/redeem?ticket={vault.handle('ticket', invitation.id, invitation.generation)}"


def resend(
    w: Writer, vault: Vault, invitation: Invitation, *, issuer: str, moment: Moment, inviter: User | None = None
) -> Invitation:
    """Mails a pending invitation again: a new link, good for another 30 days; the earlier one opens nothing any more.

    Raises Problem(BAD_REQUEST) when it is accepted or revoked, Problem(TOO_MANY_ATTEMPTS)."""
    if invitation.status != "PendingAcceptance" or invitation.revoked_at is not None:
        raise Problem(Code.BAD_REQUEST, "Only a pending invitation is sent again.")
    check_domain(w.configuration, invitation.email)
    again = replace(invitation, generation=invitation.generation + 1, expires_at=moment.at + LIFETIME)
    w.invitations.save(again)
    mail(w, vault, again, link_of(vault, again, issuer), moment, inviter)
    return again


def check_domain(configuration: Configuration, email: str) -> None:
    """Raises Problem(BAD_REQUEST) when the domain list or the partner's inbound setting keeps everybody of the
    address's domain out."""
    domain = domain_of(email)
    if configuration.domains is not None and not configuration.domains.permits(domain):
        how = (
            "is not in the list of domains that may be invited"
            if configuration.domains.kind == "allow"
            else ("is in the list of domains that may not be invited")
        )
        raise Problem(Code.BAD_REQUEST, f"{domain} {how} (B2BManagementPolicy).")
    home = configuration.homes_by_domain.get(domain, configuration.mailed_home)
    users = None if home.own else configuration.trust(home).inbound.users
    if users is not None and users.access == "blocked" and "AllUsers" in users.targets:
        raise Problem(
            Code.BAD_REQUEST,
            f"Nobody from {domain} is let in: the cross-tenant access policy blocks all users of that partner.",
        )


def check_inviter(r: Reader, user: User | None, roles: frozenset[str], at: datetime) -> None:
    """Whether the authorization policy lets a person, or an app for itself (None), invite now.

    Raises Problem(FORBIDDEN | TOO_MANY_ATTEMPTS)."""
    policy = r.configuration.authorization
    if not may_invite(policy, user, roles):
        raise Problem(
            Code.FORBIDDEN,
            "Inviting guests is not allowed for you here: the authorization policy's allowInvitesFrom is "
            f"{policy.allow_invites_from}.",
        )
    if user is None or policy.invitations_per_day is None or roles & INVITING_ADMINISTRATORS:
        return
    if r.logs.done_by(user.id, INVITE, at - timedelta(days=1)) >= policy.invitations_per_day:
        raise Problem(
            Code.TOO_MANY_ATTEMPTS,
            f"You invited {policy.invitations_per_day} people in the last 24 hours, which is the limit here.",
            retry_after=AN_HOUR,
        )


def _give(w: Writer, ask: InvitationRequest, user: User, inviter: User | None, moment: Moment) -> None:
    """What the invitation gives a new guest beside the account."""
    for id in dict.fromkeys(ask.sponsors or ((inviter.id,) if inviter else ())):
        w.directory.relate("sponsor", user.id, id)
    for id in dict.fromkeys(ask.groups):
        w.apps.add_member(id, user.id)
    for resource, role in dict.fromkeys(ask.roles):
        w.apps.assign(RoleAssignment(moment.new_id(), user.id, "User", resource, role, moment.at))


def _user_for(w: Writer, ask: InvitationRequest, email: str, moment: Moment) -> tuple[User, bool]:
    """The user that the invitation is for, and whether it is a new one."""
    if ask.reset_user_id is not None:
        return _reset(w, ask.reset_user_id, email, moment), False
    domain = w.configuration.tenant.default_domain
    upn = f"{email.replace('@', '_')}#EXT#@{domain}"
    for user in w.users.by_mail(email):
        if user.state is None:
            raise Problem(Code.BAD_REQUEST, "This address belongs to a member of this organisation.")
        return user, False
    if w.users.by_upn(email) is not None:
        raise Problem(Code.BAD_REQUEST, "This address belongs to a member of this organisation.")
    if w.users.upn_taken(upn):
        upn = f"{email.replace('@', '_')}_{moment.new_id()[:8]}#EXT#@{domain}"
    user = User(
        id=moment.new_id(),
        user_type=ask.user_type,
        upn=upn,
        mail=email,
        creation_type="Invitation",
        state="PendingAcceptance",
        state_changed_at=moment.at,
        created_at=moment.at,
        expires_at=ask.expires_at or _expiry(w.configuration, moment.at),
        properties=written({}, dict(ask.properties) | {"displayName": ask.display_name}, "invitation"),
    )
    w.users.add(user)
    return user, True


def _expiry(configuration: Configuration, at: datetime) -> datetime | None:
    days = configuration.authorization.guest_lifetime_days
    return None if days is None else at + timedelta(days=days)


def _reset(w: Writer, user_id: str, email: str, moment: Moment) -> User:
    user = w.users.by_id(user_id)
    if user is None or user.state is None:
        raise Problem(Code.BAD_REQUEST, "invitedUser.id is not a guest of this organisation.")
    known = {a.casefold() for a in (user.mail or "", *user.properties.get("otherMails", ()))}
    if email.casefold() not in known:
        raise Problem(Code.BAD_REQUEST, "The address must be in the guest's mail or otherMails first.")
    others = [a for a in (user.mail, *user.properties.get("otherMails", ())) if a and a.casefold() != email.casefold()]
    properties = dict(user.properties) | ({"otherMails": others} if others else {})
    return reset(w, replace(user, mail=email, properties=properties), moment)


def mail(
    w: Writer, vault: Vault, invitation: Invitation, link: str, moment: Moment, inviter: User | None = None
) -> None:
    """Puts the invitation's mail into the outbox, and the first time a copy without the link for the one reader in
    ccRecipients. Raises Problem(TOO_MANY_ATTEMPTS)."""
    organisation, name = w.configuration.tenant.name, inviter.display_name if inviter else None
    app = w.apps.by_origin(origin_of(invitation.redirect_url))
    _check_mails(w, vault, invitation.email, moment)
    w.outbox.add(
        invitation_letter(
            vault,
            invitation=invitation,
            organisation=organisation,
            inviter=name,
            link=link,
            app_name=app.display_name if app else None,
            moment=moment,
            once=f"invitation:{invitation.id}:{invitation.generation}",
        )
    )
    for address in _copied(invitation) if invitation.generation == 0 else ():
        _check_mails(w, vault, address, moment)
        w.outbox.add(
            copy_letter(
                vault, address=address, invitation=invitation, organisation=organisation, inviter=name, moment=moment
            )
        )


def _copied(invitation: Invitation) -> list[str]:
    recipients = invitation.message.get("ccRecipients") or ()
    addresses = [(r.get("emailAddress") or {}).get("address") for r in recipients]
    return [a for a in addresses if a and a.casefold() != invitation.email.casefold()]


def _check_mails(w: Writer, vault: Vault, address: str, moment: Moment) -> None:
    if not w.outbox.may_have_another(vault.mail_key(address), moment.at):
        raise Problem(
            Code.TOO_MANY_ATTEMPTS,
            "Too many mails were sent to this address. Try again in an hour, or invite without sending.",
            retry_after=AN_HOUR,
        )
