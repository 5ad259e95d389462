"""invitations and users."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from b2b_idp.graph.api import Answer, Call, Route, not_found, writer
from b2b_idp.graph.body import without_annotations
from b2b_idp.guests import lifecycle
from b2b_idp.guests.addresses import checked_address
from b2b_idp.guests.invite import InvitationRequest, invite
from b2b_idp.model.directory import User
from b2b_idp.model.problem import Code, Problem
from b2b_idp.policy.documents import parse
from b2b_idp.signin.log import iso

_Short = Annotated[str, StringConstraints(max_length=256, pattern=r"^[^\x00-\x08\x0b-\x1f\x7f]*$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _EmailAddress(_Strict):
    name: _Short | None = None
    address: str | None = None


class _Recipient(_Strict):
    emailAddress: _EmailAddress | None = None


class _MessageInfo(_Strict):
    ccRecipients: list[_Recipient] = Field(default_factory=list, max_length=1)
    customizedMessageBody: Annotated[str, StringConstraints(max_length=4000)] | None = None
    messageLanguage: Annotated[str, StringConstraints(max_length=35)] | None = None


class _InvitedUser(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)
    id: str | None = None


class _Invitation(_Strict):
    """Graph's invitation, as far as callers write it; read-only properties sent back are taken and ignored."""

    invitedUserEmailAddress: Any = None
    inviteRedirectUrl: Any = None
    invitedUserDisplayName: _Short | None = None
    sendInvitationMessage: bool | None = None
    resetRedemption: bool | None = None
    invitedUserType: Literal["Guest", "Member"] | None = None
    invitedUserMessageInfo: _MessageInfo | None = None
    invitedUser: _InvitedUser | None = None


def _invite(call: Call) -> Answer:
    asked = parse(_Invitation, call.body())
    if asked.invitedUserType == "Member" and not call.permits("User.ReadWrite.All", "Directory.ReadWrite.All"):
        raise Problem(Code.FORBIDDEN, "Inviting as Member needs User.ReadWrite.All.")
    reset_id = None
    if asked.resetRedemption:
        if not call.permits("User.ReadWrite.All", "Directory.ReadWrite.All"):
            raise Problem(Code.FORBIDDEN, "resetRedemption needs User.ReadWrite.All.")
        reset_id = asked.invitedUser.id if asked.invitedUser else None
        if reset_id is None:
            raise Problem(Code.BAD_REQUEST, "resetRedemption needs invitedUser.id.")
    info = asked.invitedUserMessageInfo or _MessageInfo()
    invited = invite(
        writer(call),
        call.parts.vault,
        InvitationRequest(
            email=asked.invitedUserEmailAddress,
            redirect_url=asked.inviteRedirectUrl,
            display_name=asked.invitedUserDisplayName,
            send_message=bool(asked.sendInvitationMessage),
            message=info.model_dump(),
            user_type=asked.invitedUserType or "Guest",
            reset_user_id=reset_id,
        ),
        by=call.caller.sp_id,
        issuer=call.parts.issuer,
        moment=call.moment,
    )
    i = invited.invitation
    call.target("User", invited.user.id, invited.user.display_name)
    cc = [r.model_dump() for r in info.ccRecipients] or [{"emailAddress": {"name": None, "address": None}}]
    return call.entity(
        "invitations",
        {
            "id": i.id,
            "invitedUserDisplayName": i.display_name,
            "invitedUserEmailAddress": i.email,
            "invitedUserType": i.user_type,
            "sendInvitationMessage": i.send_message,
            "resetRedemption": i.reset_redemption,
            "inviteRedirectUrl": i.redirect_url,
            "inviteRedeemUrl": invited.redeem_url,
            "status": i.status,
            "invitedUserMessageInfo": {
                "messageLanguage": info.messageLanguage,
                "customizedMessageBody": info.customizedMessageBody,
                "ccRecipients": cc,
            },
            "invitedUser": {"id": invited.user.id},
        },
    ), 201


_TEXTS = (
    "displayName givenName surname jobTitle department companyName officeLocation mobilePhone preferredLanguage "
    "employeeId employeeType city state country postalCode streetAddress usageLocation faxNumber mailNickname ageGroup "
    "consentProvidedForMinor"
).split()
_LISTS = ("businessPhones", "otherMails")
_READ_ONLY = (
    "id createdDateTime creationType externalUserState externalUserStateChangeDateTime identities proxyAddresses "
    "signInSessionsValidFromDateTime deletedDateTime b2bIdp"
).split()
DEFAULT = (
    "businessPhones displayName givenName jobTitle mail mobilePhone officeLocation preferredLanguage surname "
    "userPrincipalName id userType externalUserState"
).split()
PROPERTIES = frozenset(
    [
        *_TEXTS,
        *_LISTS,
        *_READ_ONLY,
        "mail",
        "userPrincipalName",
        "userType",
        "accountEnabled",
        "onPremisesExtensionAttributes",
    ]
) - {"b2bIdp"}


def user_row(user: User, tenant_domain: str) -> dict[str, Any]:
    """Every property of a user that Graph has."""
    identity = {
        "signInType": "federated",
        "issuer": user.identity.issuer if user.identity else tenant_domain,
        "issuerAssignedId": user.identity.subject if user.identity else None,
    }
    if user.identity is None:
        identity |= {"signInType": "userPrincipalName", "issuerAssignedId": user.upn}
    row: dict[str, Any] = {name: user.properties.get(name) for name in _TEXTS}
    row |= {name: list(user.properties.get(name) or []) for name in _LISTS}
    return row | {
        "id": user.id,
        "mail": user.mail,
        "userPrincipalName": user.upn,
        "userType": user.user_type,
        "accountEnabled": user.account_enabled,
        "creationType": user.creation_type,
        "externalUserState": user.state,
        "externalUserStateChangeDateTime": iso(user.state_changed_at) if user.state_changed_at else None,
        "createdDateTime": iso(user.created_at),
        "deletedDateTime": None,
        "identities": [identity],
        "proxyAddresses": [],
        "signInSessionsValidFromDateTime": iso(user.sessions_valid_from or user.created_at),
        "onPremisesExtensionAttributes": dict(user.properties.get("onPremisesExtensionAttributes") or {}),
    }


def find_user(call: Call, key: str) -> User:
    """By object id or user principal name."""
    user: User | None = call.w.users.by_id(key.lower()) or call.w.users.by_upn(key)
    if user is None:
        raise not_found(key)
    return user


def _domain(call: Call) -> str:
    return str(call.w.configuration.tenant.default_domain)


def _list(call: Call) -> Answer:
    query = call.query(PROPERTIES)
    rows, after = [], ""
    while found := call.w.users.page(after, 1000):
        rows += [user_row(u, _domain(call)) for u in found]
        after = found[-1].id
    if not query.select:
        answer = call.collection("users", rows, query)
        answer["value"] = [{k: row[k] for k in DEFAULT} for row in answer["value"]]
        return answer
    return call.collection("users", rows, query)


def _get(call: Call, key: str) -> Answer:
    query = call.query(PROPERTIES)
    row = user_row(find_user(call, key), _domain(call))
    return (
        call.entity("users", row, query.select) if query.select else call.entity("users", {k: row[k] for k in DEFAULT})
    )


def _changed(user: User, change: dict[str, Any]) -> User:
    """The user with the properties that a caller named. Raises Problem(BAD_REQUEST), then nothing is changed."""
    properties = dict(user.properties)
    for name, value in change.items():
        if name in _TEXTS:
            if value is not None and (not isinstance(value, str) or len(value) > 256 or "\n" in value):
                raise Problem(Code.BAD_REQUEST, f"{name} is a text of at most 256 characters, or null.")
            properties[name] = value
        elif name in _LISTS:
            if not isinstance(value, list) or len(value) > 250 or not all(isinstance(v, str) for v in value):
                raise Problem(Code.BAD_REQUEST, f"{name} is a list of texts.")
            properties[name] = [checked_address(v) for v in value] if name == "otherMails" else value
        elif name == "onPremisesExtensionAttributes":
            properties[name] = _extension(properties.get(name) or {}, value)
        elif name == "mail":
            user = replace(user, mail=None if value is None else checked_address(value))
        elif name == "userType":
            if value not in ("Guest", "Member"):
                raise Problem(Code.BAD_REQUEST, "userType is Guest or Member.")
            user = replace(user, user_type=value)
        elif name == "accountEnabled":
            if not isinstance(value, bool):
                raise Problem(Code.BAD_REQUEST, "accountEnabled is true or false.")
        elif name in _READ_ONLY:
            raise Problem(Code.BAD_REQUEST, f"{name} is read-only.")
        elif name != "passwordProfile":  # accepted and never stored
            raise Problem(Code.BAD_REQUEST, f"There is no property {name[:60]} that can be set here.")
    own = set(properties.get("b2bIdp.fromHome", ())) - set(change)
    if own != set(properties.get("b2bIdp.fromHome", ())):
        # what an administrator sets is no longer the home's
        properties["b2bIdp.fromHome"] = sorted(own)
    return replace(user, properties=properties)


def _extension(before: dict[str, Any], value: Any) -> dict[str, Any]:
    known = {f"extensionAttribute{n}" for n in range(1, 16)}
    if not isinstance(value, dict) or set(value) - known:
        raise Problem(Code.BAD_REQUEST, "onPremisesExtensionAttributes holds extensionAttribute1 to 15.")
    if not all(v is None or (isinstance(v, str) and len(v) <= 1024) for v in value.values()):
        raise Problem(Code.BAD_REQUEST, "An extension attribute is a text of at most 1024 characters, or null.")
    return before | value


def _patch(call: Call, key: str) -> Answer:
    user = find_user(call, key)
    change = without_annotations(call.body())
    if not change:
        raise Problem(Code.BAD_REQUEST, "The body names nothing to change.")
    if "userPrincipalName" in change and change.pop("userPrincipalName") != user.upn:
        raise Problem(Code.BAD_REQUEST, "userPrincipalName cannot be changed here.")
    if "userType" in change and not call.permits("User.ReadWrite.All"):
        raise Problem(Code.FORBIDDEN, "Changing userType needs User.ReadWrite.All.")
    w = writer(call)
    changed = _changed(user, change)
    if "accountEnabled" in change:
        changed = lifecycle.set_enabled(w, changed, change["accountEnabled"], call.moment)
    w.users.save(changed)
    call.target("User", user.id, user.display_name)
    return None


def _create(call: Call) -> Answer:
    """A member; guests are invited."""
    body = without_annotations(call.body())
    upn, name = body.pop("userPrincipalName", None), body.get("displayName")
    if not isinstance(upn, str) or not isinstance(name, str) or not name:
        raise Problem(Code.BAD_REQUEST, "A user needs displayName and userPrincipalName.")
    address = checked_address(upn)
    w = writer(call)
    if w.users.by_upn(address) is not None:
        raise Problem(Code.CONFLICT, "Another object has the same userPrincipalName.")
    enabled = body.get("accountEnabled", True)
    user = User(id=call.moment.new_id(), user_type="Member", upn=address, mail=None, created_at=call.moment.at)
    user = replace(_changed(user, body), account_enabled=enabled)
    if user.user_type == "Guest":
        raise Problem(Code.BAD_REQUEST, "Guests are invited: POST /invitations.")
    w.users.add(user)
    call.target("User", user.id, user.display_name)
    row = user_row(user, _domain(call))
    return call.entity("users", {k: row[k] for k in DEFAULT}), 201


def _delete(call: Call, key: str) -> Answer:
    user = find_user(call, key)
    lifecycle.delete(writer(call), user)
    call.target("User", user.id, user.display_name)
    return None


def _revoke(call: Call, key: str) -> Answer:
    user = find_user(call, key)
    lifecycle.revoke_sessions(writer(call), user, call.moment)
    call.target("User", user.id, user.display_name)
    return {"@odata.context": call.context("Edm.Boolean"), "value": True}


def _member_of(call: Call, key: str) -> Answer:
    user = find_user(call, key)
    groups = [call.w.apps.group(id) for id in call.w.apps.groups_of(user.id)]
    rows = [{"@odata.type": "#microsoft.graph.group", "id": g.id, "displayName": g.display_name} for g in groups if g]
    return call.collection("directoryObjects", rows, call.query(frozenset({"id", "displayName"})))


def _member_objects(call: Call, key: str) -> Answer:
    user = find_user(call, key)
    return {"@odata.context": call.context("Collection(Edm.String)"), "value": call.w.apps.groups_of(user.id)}


_READ = ("User.Read.All", "User.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All")
_WRITE = ("User.ReadWrite.All", "Directory.ReadWrite.All")

ROUTES = [
    Route(
        "POST",
        "/invitations",
        ("User.Invite.All", *_WRITE),
        _invite,
        "Invite external user",
        "UserManagement",
    ),
    Route("GET", "/users", _READ, _list),
    Route("POST", "/users", _WRITE, _create, "Add user", "UserManagement"),
    Route("GET", "/users/<key>", _READ, _get),
    Route("PATCH", "/users/<key>", _WRITE, _patch, "Update user", "UserManagement"),
    Route("DELETE", "/users/<key>", _WRITE, _delete, "Delete user", "UserManagement"),
    Route(
        "POST",
        "/users/<key>/revokeSignInSessions",
        (*_WRITE, "User.RevokeSessions.All"),
        _revoke,
        "Update StsRefreshTokenValidFrom Timestamp",
        "UserManagement",
    ),
    Route("GET", "/users/<key>/memberOf", _READ, _member_of),
    Route("POST", "/users/<key>/getMemberObjects", _READ, _member_objects),
]
