"""Directory roles, and what a person may do through the API: permissions that their roles and the policy give them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from b2b_idp.guests.permissions import PERMISSIONS
from b2b_idp.model.authorization import GUEST_AS_MEMBER, AuthorizationPolicy
from b2b_idp.model.directory import User


@dataclass(frozen=True, slots=True)
class RoleTemplate:
    """A built-in directory role. Ids and names are Microsoft Entra's; `permissions` is what it lets its holders do."""

    id: str
    name: str
    description: str
    permissions: frozenset[str]


_IMPLIED: Mapping[str, tuple[str, ...]] = {
    "Directory.Read.All": (
        "User.Read.All",
        "Group.Read.All",
        "Application.Read.All",
        "Organization.Read.All",
        "Domain.Read.All",
        "RoleManagement.Read.Directory",
    ),
    "Group.ReadWrite.All": ("GroupMember.ReadWrite.All",),
    "User.ReadWrite.All": ("User.Invite.All", "User.RevokeSessions.All"),
}


def implied(permissions: Iterable[str]) -> frozenset[str]:
    """The permissions with all that they include: writing includes reading, the directory's include its parts'."""
    found: set[str] = set()
    waiting = list(permissions)
    while waiting:
        one = waiting.pop()
        if one in found:
            continue
        found.add(one)
        waiting += _IMPLIED.get(one, ())
        reading = one.replace(".ReadWrite.", ".Read.")
        if reading in PERMISSIONS:
            waiting.append(reading)
    return frozenset(found)


_READ_DIRECTORY = ("Directory.Read.All",)
_READ_ALL = (*_READ_DIRECTORY, "Policy.Read.All", "AuditLog.Read.All", "IdentityProvider.Read.All")
_USERS = ("User.ReadWrite.All", "User.Invite.All", "User.RevokeSessions.All")
_GROUPS = ("Group.ReadWrite.All", "GroupMember.ReadWrite.All")
_APPS = (
    "Application.ReadWrite.All",
    "AppRoleAssignment.ReadWrite.All",
    "DelegatedPermissionGrant.ReadWrite.All",
    "Policy.ReadWrite.ApplicationConfiguration",
)


def _role(id: str, name: str, description: str, *permissions: str) -> RoleTemplate:
    return RoleTemplate(id, name, description, implied((*_READ_DIRECTORY, *permissions)))


GLOBAL_ADMINISTRATOR = "62e90394-69f5-4237-9190-012177145e10"
GUEST_INVITER = "95e79109-95c0-4d8e-aee3-d01accf2d47b"
USER_ADMINISTRATOR = "fe930be7-5e62-47db-91af-98c3a49a38b1"
HELPDESK_ADMINISTRATOR = "729827e3-9c14-49f7-bb1b-9608f156bbb8"
PRIVILEGED_ROLE_ADMINISTRATOR = "e8611ab8-c189-46e8-94e1-60213ab1f814"

ROLES: Mapping[str, RoleTemplate] = MappingProxyType(
    {
        role.id: role
        for role in (
            _role(GLOBAL_ADMINISTRATOR, "Global Administrator", "May do everything.", *PERMISSIONS),
            _role(USER_ADMINISTRATOR, "User Administrator", "Manages users and groups.", *_USERS, *_GROUPS),
            _role(GUEST_INVITER, "Guest Inviter", "May invite guests, whatever members may.", "User.Invite.All"),
            _role(
                HELPDESK_ADMINISTRATOR,
                "Helpdesk Administrator",
                "Resets redemptions and ends sessions of people without administrative roles.",
                "User.RevokeSessions.All",
            ),
            _role(
                PRIVILEGED_ROLE_ADMINISTRATOR,
                "Privileged Role Administrator",
                "Manages who holds directory roles.",
                "RoleManagement.ReadWrite.Directory",
                "AppRoleAssignment.ReadWrite.All",
            ),
            _role("fdd7a751-b60b-444a-984c-02652fe8fa1c", "Groups Administrator", "Manages groups.", *_GROUPS),
            _role("9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3", "Application Administrator", "Manages apps.", *_APPS),
            _role("158c047a-c907-4556-b7ef-446551a6b5f7", "Cloud Application Administrator", "Manages apps.", *_APPS),
            _role(
                "b1be1c3e-b65d-4f19-8427-f6fa0d97feb9",
                "Conditional Access Administrator",
                "Manages conditional access.",
                "Policy.Read.All",
                "Policy.ReadWrite.ConditionalAccess",
            ),
            _role(
                "194ae4cb-b126-40b2-bd5b-6091b380977d",
                "Security Administrator",
                "Manages policies and reads the logs.",
                *_READ_ALL,
                "Policy.ReadWrite.ConditionalAccess",
                "Policy.ReadWrite.CrossTenantAccess",
                "Policy.ReadWrite.AuthenticationMethod",
            ),
            _role(
                "be2f45a1-457d-42af-a067-6ec1fa63bc45",
                "External Identity Provider Administrator",
                "Manages home tenants' providers.",
                "IdentityProvider.ReadWrite.All",
            ),
            _role("5d6b6bb7-de71-4623-b4af-96380a352509", "Security Reader", "Reads policies and logs.", *_READ_ALL),
            _role("f2ef992c-3afb-46b9-b7cf-a126ee74c451", "Global Reader", "Reads everything.", *_READ_ALL),
            _role("4a5d8f65-41da-4de4-8968-e035b65339cf", "Reports Reader", "Reads the logs.", "AuditLog.Read.All"),
            _role("88d8e3e3-8f55-4a1e-953a-9b9898b8876b", "Directory Readers", "Read the directory."),
            _role(
                "9360feb5-f418-4baa-8175-e2a00bac4301",
                "Directory Writers",
                "Write users and groups.",
                "User.ReadWrite.All",
                *_GROUPS,
            ),
        )
    }
)
"""Role templates by id."""

INVITING_ADMINISTRATORS = frozenset({GLOBAL_ADMINISTRATOR, USER_ADMINISTRATOR, GUEST_INVITER})


def may_invite(policy: AuthorizationPolicy, user: User | None, roles: frozenset[str]) -> bool:
    """Whether the policy lets this person, or an application for itself (None), invite (facts: allowInvitesFrom)."""
    match policy.allow_invites_from:
        case "none":
            return False
        case "adminsAndGuestInviters":
            return user is not None and not roles.isdisjoint(INVITING_ADMINISTRATORS)
        case "adminsGuestInvitersAndAllMembers":
            return user is None or not user.is_guest or not roles.isdisjoint(INVITING_ADMINISTRATORS)
        case "everyone":
            return True


def permissions_of(user: User, roles: frozenset[str], policy: AuthorizationPolicy) -> frozenset[str]:
    """What this person may do in the directory: what their roles give, members' reading, and the inviting that the
    policy lets them do. An app acts for them within these and its own scopes."""
    found: set[str] = set()
    for id in roles:
        if id in ROLES:
            found |= ROLES[id].permissions
    if not user.is_guest or policy.guest_user_role_id == GUEST_AS_MEMBER:
        found |= implied(_READ_DIRECTORY)
    if may_invite(policy, user, roles):
        found.add("User.Invite.All")
    else:
        found.discard("User.Invite.All")
    return frozenset(found)
