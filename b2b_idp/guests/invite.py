"""Inviting a guest: the user exists at once, the link works once, what is mailed lands with what is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from b2b_idp.guests.addresses import checked_address, checked_landing
from b2b_idp.guests.lifecycle import reset
from b2b_idp.keys.vault import Vault
from b2b_idp.model.directory import Invitation, User, UserType
from b2b_idp.model.moment import Moment
from b2b_idp.model.problem import Code, Problem
from b2b_idp.store import Writer
from b2b_idp.store.outbox import AN_HOUR, Letter

LIFETIME = timedelta(days=30)


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


@dataclass(frozen=True, slots=True)
class Invited:
    """The invitation, the user it is for, and the link, which is told this once."""

    invitation: Invitation
    user: User
    redeem_url: str | None


def invite(w: Writer, vault: Vault, ask: InvitationRequest, *, by: str, issuer: str, moment: Moment) -> Invited:
    """Invites an address: a new guest, a pending one again (a new link, the old one dead), or an accepted one
    (status Completed, no link). Raises Problem(BAD_REQUEST | TOO_MANY_ATTEMPTS)."""
    email, landing = checked_address(ask.email), checked_landing(ask.redirect_url)
    user = _user_for(w, ask, email, moment)
    completed = user.state == "Accepted"
    if not completed:
        w.users.end_invitations(user.id, moment.at)
    invitation = Invitation(
        id=moment.new_id(),
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
    w.users.add_invitation(invitation)
    if completed:
        return Invited(invitation, user, None)
    link = f"{issuer}/redeem?ticket={vault.handle('ticket', invitation.id, invitation.generation)}"
    if ask.send_message:
        _mail(w, vault, invitation, link, moment)
    return Invited(invitation, user, link)


def _user_for(w: Writer, ask: InvitationRequest, email: str, moment: Moment) -> User:
    if ask.reset_user_id is not None:
        return _reset(w, ask.reset_user_id, email, moment)
    domain = w.configuration.tenant.default_domain
    upn = f"{email.replace('@', '_')}#EXT#@{domain}"
    for user in w.users.by_mail(email):
        if user.state is None:
            raise Problem(Code.BAD_REQUEST, "This address belongs to a member of this organisation.")
        return user
    if w.users.by_upn(email) is not None:
        raise Problem(Code.BAD_REQUEST, "This address belongs to a member of this organisation.")
    if w.users.by_upn(upn) is not None:
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
        properties={"displayName": ask.display_name} if ask.display_name else {},
    )
    w.users.add(user)
    return user


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


def _mail(w: Writer, vault: Vault, invitation: Invitation, link: str, moment: Moment) -> None:
    key = vault.mail_key(invitation.email)
    if not w.outbox.may_have_another(key, moment.at):
        raise Problem(
            Code.TOO_MANY_ATTEMPTS,
            "Too many mails were sent to this address. Try again in an hour, or invite without sending.",
            retry_after=AN_HOUR,
        )
    organisation = w.configuration.tenant.name
    own = invitation.message.get("customizedMessageBody")
    body = f"{organisation} invites you to work together.\n\n"
    if isinstance(own, str) and own.strip():
        quoted = "\n".join("    " + line for line in own.strip().splitlines())
        body += f"A message from the person who invites you:\n\n{quoted}\n\n"
    body += (
        f"Accept the invitation:\n{link}\n\n"
        "You sign in with your own organisation's account; there is no new password. "
        "The link is good for 30 days, for you alone. If you do not know what this is about, ignore this mail.\n"
    )
    w.outbox.add(
        Letter(
            id=moment.new_id(),
            once=f"invitation:{invitation.id}",
            recipient=invitation.email,
            recipient_key=key,
            subject=f"{organisation} invites you",
            body=body,
            created_at=moment.at,
        )
    )
