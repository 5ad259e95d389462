"""invitations: made as Graph has it; listed, sent again and revoked beyond it."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, StringConstraints

from b2b_idp.graph.api import Answer, Call, Route, not_found, writer
from b2b_idp.graph.assignments import check_role
from b2b_idp.graph.body import bad, instant
from b2b_idp.graph.groups import guard_membership
from b2b_idp.graph.user_documents import InvitedProperties, Text
from b2b_idp.graph.users import KIND, READ, WRITE, guard_person
from b2b_idp.guests.addresses import checked_address
from b2b_idp.guests.groups import check_assigned
from b2b_idp.guests.invite import INVITE, InvitationRequest, check_inviter, invite, resend
from b2b_idp.model.directory import Invitation
from b2b_idp.model.moment import iso
from b2b_idp.model.problem import Code, Problem
from b2b_idp.policy.documents import Document, Guid, parse


class _EmailAddress(Document):
    name: Text | None = None
    address: str | None = None


class _Recipient(Document):
    emailAddress: _EmailAddress | None = None


class _MessageInfo(Document):
    ccRecipients: list[_Recipient] | None = Field(default=None, max_length=1)
    customizedMessageBody: Annotated[str, StringConstraints(max_length=4000)] | None = None
    messageLanguage: Annotated[str, StringConstraints(max_length=35)] | None = None


class _Ignored(Document):
    """A user or group named by id; its other properties are its own and not an invitation's to change."""

    model_config = ConfigDict(extra="ignore", strict=True)
    id: str | None = None


class _AppRole(Document):
    resourceId: Guid
    appRoleId: Guid = "00000000-0000-0000-0000-000000000000"


class _Gifts(Document):
    """b2bIdp: what the new guest gets at once; each as if it were asked for alone."""

    groups: list[Guid] = Field(default_factory=list, max_length=100)
    appRoles: list[_AppRole] = Field(default_factory=list, max_length=100)
    expirationDateTime: str | None = None
    properties: InvitedProperties | None = None


class InvitationDocument(Document):
    """Graph's invitation, as far as callers write it; read-only properties sent back are taken and ignored."""

    invitedUserEmailAddress: Any = None
    inviteRedirectUrl: Any = None
    invitedUserDisplayName: Text | None = None
    sendInvitationMessage: bool | None = None
    resetRedemption: bool | None = None
    invitedUserType: Literal["Guest", "Member"] | None = None
    invitedUserMessageInfo: _MessageInfo | None = None
    invitedUser: _Ignored | None = None
    invitedUserSponsors: list[_Ignored] = Field(default_factory=list, max_length=5)
    b2bIdp: _Gifts | None = None


def _invite(call: Call) -> Answer:
    asked = parse(InvitationDocument, call.body())
    check_inviter(call.w, call.user, call.roles, call.moment.at)
    if asked.invitedUserType == "Member" and not call.permits("User.ReadWrite.All", "Directory.ReadWrite.All"):
        raise Problem(Code.FORBIDDEN, "Inviting as Member needs User.ReadWrite.All.")
    info = asked.invitedUserMessageInfo or _MessageInfo()
    gifts = asked.b2bIdp or _Gifts()
    properties = _properties(call, gifts)
    invited = invite(
        writer(call),
        call.parts.vault,
        InvitationRequest(
            email=asked.invitedUserEmailAddress,
            redirect_url=asked.inviteRedirectUrl,
            display_name=asked.invitedUserDisplayName,
            send_message=bool(asked.sendInvitationMessage),
            message=_message(info),
            user_type=asked.invitedUserType or "Guest",
            reset_user_id=_reset_id(call, asked),
            properties=properties,
            sponsors=_sponsors(call, asked),
            groups=_groups(call, gifts),
            roles=_roles(call, gifts),
            expires_at=_expires_at(call, gifts),
            administrator=_administers(call, asked.invitedUserEmailAddress),
        ),
        by=call.caller_id,
        issuer=call.parts.issuer,
        moment=call.moment,
        inviter=call.user,
    )
    call.target("User", invited.user.id, invited.user.display_name, {}, _audited(invited.invitation, gifts))
    row = _row(invited.invitation) | {"inviteRedeemUrl": invited.redeem_url}
    del row["b2bIdp"]
    return call.entity("invitations", row), 201


def _administers(call: Call, address: object) -> bool:
    """Whether the caller may write the user who has this address."""
    if not call.permits(*WRITE):
        return False
    try:
        for user in call.w.users.by_mail(checked_address(address)):
            guard_person(call, user)
    except Problem:
        return False
    return True


def _audited(invitation: Invitation, gifts: _Gifts) -> dict[str, Any]:
    """What the audit log keeps of an invitation: never its link."""
    said = {"invitedUserEmailAddress": invitation.email, "invitedUserType": invitation.user_type}
    return said | gifts.model_dump(exclude_unset=True)


def _message(info: _MessageInfo) -> dict[str, Any]:
    for recipient in info.ccRecipients or ():
        if recipient.emailAddress is not None and recipient.emailAddress.address is not None:
            recipient.emailAddress.address = checked_address(recipient.emailAddress.address)
    return info.model_dump()


def _reset_id(call: Call, asked: InvitationDocument) -> str | None:
    if not asked.resetRedemption:
        return None
    if not call.permits("User.ReadWrite.All", "Directory.ReadWrite.All"):
        raise Problem(Code.FORBIDDEN, "resetRedemption needs User.ReadWrite.All.")
    id = asked.invitedUser.id if asked.invitedUser else None
    if id is None:
        raise bad("resetRedemption needs invitedUser.id.")
    user = call.w.users.by_id(id.lower())
    if user is not None:
        guard_person(call, user)
        groups = call.w.memberships.groups_of(user, call.moment.at)
        if call.user is None and call.w.directory.roles_of(user.id, groups):
            raise Problem(Code.FORBIDDEN, "An application does not reset a user who holds directory roles.")
    return id.lower()


def _sponsors(call: Call, asked: InvitationDocument) -> tuple[str, ...]:
    ids = [s.id.lower() for s in asked.invitedUserSponsors if s.id]
    others = [id for id in ids if id != call.caller_id]
    if others and not call.permits(*WRITE):
        raise Problem(Code.FORBIDDEN, "Naming others as sponsors needs User.ReadWrite.All.")
    for id in ids:
        if call.w.users.by_id(id) is None and call.w.apps.group(id) is None:
            raise bad(f"invitedUserSponsors: {id[:60]} is no user or group.")
    return tuple(ids)


def _groups(call: Call, gifts: _Gifts) -> tuple[str, ...]:
    if gifts.groups and not call.permits("Group.ReadWrite.All", "GroupMember.ReadWrite.All", "Directory.ReadWrite.All"):
        raise Problem(Code.FORBIDDEN, "b2bIdp.groups needs GroupMember.ReadWrite.All.")
    for id in gifts.groups:
        group = call.w.apps.group(id.lower())
        if group is None:
            raise bad(f"b2bIdp.groups: {id} is no group.")
        guard_membership(call, group)
        check_assigned(group)
    return tuple(id.lower() for id in gifts.groups)


def _roles(call: Call, gifts: _Gifts) -> tuple[tuple[str, str], ...]:
    if gifts.appRoles and not call.permits("AppRoleAssignment.ReadWrite.All"):
        raise Problem(Code.FORBIDDEN, "b2bIdp.appRoles needs AppRoleAssignment.ReadWrite.All.")
    for role in gifts.appRoles:
        row = call.w.apps.row(role.resourceId.lower())
        if row is None or row.sp_id != role.resourceId.lower():
            raise bad(f"b2bIdp.appRoles: {role.resourceId} is no service principal.")
        check_role(call, row, role.appRoleId.lower(), "User")
    return tuple((r.resourceId.lower(), r.appRoleId.lower()) for r in gifts.appRoles)


def _expires_at(call: Call, gifts: _Gifts) -> Any:
    if gifts.expirationDateTime is None:
        return None
    at = instant("b2bIdp.expirationDateTime", gifts.expirationDateTime)
    if at <= call.moment.at:
        raise bad("b2bIdp.expirationDateTime is in the past.")
    return at


def _properties(call: Call, gifts: _Gifts) -> dict[str, Any]:
    if gifts.properties is None:
        return {}
    if not call.permits(*WRITE):
        raise Problem(Code.FORBIDDEN, "b2bIdp.properties needs User.ReadWrite.All.")
    properties = gifts.properties.model_dump(exclude_unset=True, exclude_none=True)
    if "otherMails" in properties:
        properties["otherMails"] = [checked_address(a) for a in properties["otherMails"]]
    return properties


# --- beyond Graph: invitations can be looked at, sent again, revoked --------------------------------------------------

_NO_RECIPIENT = [{"emailAddress": {"name": None, "address": None}}]


def _row(i: Invitation) -> dict[str, Any]:
    """An invitation without its link, which only the answer to its making tells."""
    return {
        "id": i.id,
        "invitedUserDisplayName": i.display_name,
        "invitedUserEmailAddress": i.email,
        "invitedUserType": i.user_type,
        "sendInvitationMessage": i.send_message,
        "resetRedemption": i.reset_redemption,
        "inviteRedirectUrl": i.redirect_url,
        "inviteRedeemUrl": None,
        "status": "Error" if i.status != "Completed" and i.revoked_at is not None else i.status,
        "invitedUserMessageInfo": {
            "messageLanguage": i.message.get("messageLanguage"),
            "customizedMessageBody": i.message.get("customizedMessageBody"),
            "ccRecipients": i.message.get("ccRecipients") or _NO_RECIPIENT,
        },
        "invitedUser": {"id": i.user_id},
        "b2bIdp": {
            "createdDateTime": iso(i.created_at),
            "expirationDateTime": iso(i.expires_at),
            "revokedDateTime": iso(i.revoked_at) if i.revoked_at else None,
            "invitedBy": i.invited_by,
        },
    }


_PROPERTIES = frozenset(
    "id invitedUserDisplayName invitedUserEmailAddress invitedUserType sendInvitationMessage resetRedemption "
    "inviteRedirectUrl inviteRedeemUrl status invitedUserMessageInfo invitedUser b2bIdp".split()
)


def _list(call: Call) -> Answer:
    query = call.query(_PROPERTIES)
    found, page = call.w.invitations.listing(query.listing)
    return call.page_of("invitations", [_row(i) for i in found], page, query)


def _find(call: Call, id: str) -> Invitation:
    invitation: Invitation | None = call.w.invitations.by_id(id.lower())
    if invitation is None:
        raise not_found(id)
    return invitation


def _get(call: Call, id: str) -> Answer:
    row = _row(_find(call, id)) | {"b2bIdp": _row(_find(call, id))["b2bIdp"] | {"mail": _mail_of(call, id)}}
    return call.entity("invitations", row, call.query(_PROPERTIES).select)


def _mail_of(call: Call, id: str) -> list[dict[str, Any]]:
    """What became of the invitation's mails."""
    return [
        {"kind": letter.kind, "status": letter.status, "attempts": letter.attempts, "lastError": letter.last_error}
        for letter in call.w.outbox.about(id.lower())
    ]


def _resend(call: Call, id: str) -> Answer:
    """By who made it, or an administrator: sending again ends the earlier link."""
    invitation = _find(call, id)
    if invitation.invited_by != call.caller_id and not call.permits(*WRITE):
        raise not_found(id)
    check_inviter(call.w, call.user, call.roles, call.moment.at)
    again = resend(
        writer(call), call.parts.vault, invitation, issuer=call.parts.issuer, moment=call.moment, inviter=call.user
    )
    call.target("User", invitation.user_id, invitation.display_name, _row(invitation), _row(again))
    return None


def _revoke(call: Call, id: str) -> Answer:
    """The link opens nothing any more; the guest, if still pending, stays in the directory and can be invited anew."""
    invitation = _find(call, id)
    if invitation.status == "Completed":
        raise bad("The invitation was redeemed. Delete or disable the guest instead.")
    if invitation.revoked_at is None:
        revoked = replace(invitation, revoked_at=call.moment.at)
        writer(call).invitations.save(revoked)
        call.target("User", invitation.user_id, invitation.display_name, _row(invitation), _row(revoked))
    return None


_INVITE = ("User.Invite.All", *WRITE)

ROUTES = [
    Route(
        "POST",
        "/invitations",
        _INVITE,
        _invite,
        INVITE,
        KIND,
        body=InvitationDocument,
        gives="invitation",
    ),
    Route("GET", "/invitations", READ, _list, gives="invitation[]"),
    Route("GET", "/invitations/<id>", READ, _get, gives="invitation"),
    Route("POST", "/invitations/<id>/resend", _INVITE, _resend, "Resend invitation", KIND),
    Route("POST", "/invitations/<id>/revoke", WRITE, _revoke, "Revoke invitation", KIND),
]
