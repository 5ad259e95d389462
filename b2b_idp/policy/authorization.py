"""authorizationPolicy and B2BManagementPolicy documents → values. Problem(BAD_REQUEST) names what is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from b2b_idp.model.authorization import (
    GUEST_AS_MEMBER,
    GUEST_LIMITED,
    GUEST_RESTRICTED,
    AuthorizationPolicy,
    DomainPolicy,
    InvitesFrom,
)
from b2b_idp.model.problem import Code, Problem
from b2b_idp.model.url import origin_of
from b2b_idp.policy.documents import Document, parse

LONGEST_LIST = 25_000
"""Characters of a domain list in all (Entra)."""


class _Extension(Document):
    invitationsPerDay: Annotated[int, Field(ge=0, le=1_000_000)] | None = None
    guestLifetimeDays: Annotated[int, Field(ge=1, le=36_500)] | None = None
    redirectOrigins: list[Annotated[str, StringConstraints(max_length=2048)]] = Field(
        default_factory=list, max_length=100
    )
    powersNeedLocalFactor: bool = True


class _DefaultUserRole(Document):
    allowedToCreateApps: bool | None = None
    allowedToCreateSecurityGroups: bool | None = None
    allowedToCreateTenants: bool | None = None
    allowedToReadBitlockerKeysForOwnedDevice: bool | None = None
    allowedToReadOtherUsers: bool | None = None
    permissionGrantPoliciesAssigned: list[str] | None = None


class AuthorizationPolicyDocument(Document):
    """Graph's authorizationPolicy."""

    displayName: Annotated[str, StringConstraints(max_length=256)] | None = None
    description: Annotated[str, StringConstraints(max_length=1024)] | None = None
    allowInvitesFrom: InvitesFrom | None = None
    guestUserRoleId: Annotated[str, StringConstraints(max_length=36)] | None = None
    allowedToSignUpEmailBasedSubscriptions: bool | None = None
    allowedToUseSSPR: bool | None = None
    allowEmailVerifiedUsersToJoinOrganization: bool | None = None
    allowUserConsentForRiskyApps: bool | None = None
    blockMsolPowerShell: bool | None = None
    defaultUserRolePermissions: _DefaultUserRole | None = None
    b2bIdp: _Extension | None = None


def authorization_policy_of(document: Mapping[str, Any]) -> AuthorizationPolicy:
    """The policy that a document says. Raises Problem(BAD_REQUEST)."""
    policy = parse(AuthorizationPolicyDocument, document)
    ours = policy.b2bIdp or _Extension()
    role = (policy.guestUserRoleId or GUEST_LIMITED).lower()
    if role not in (GUEST_AS_MEMBER, GUEST_LIMITED, GUEST_RESTRICTED):
        raise _bad(f"guestUserRoleId is one of {GUEST_AS_MEMBER}, {GUEST_LIMITED}, {GUEST_RESTRICTED}.")
    return AuthorizationPolicy(
        allow_invites_from=policy.allowInvitesFrom or "everyone",
        guest_user_role_id=role,
        invitations_per_day=ours.invitationsPerDay,
        guest_lifetime_days=ours.guestLifetimeDays,
        redirect_origins=frozenset(_origin(text) for text in ours.redirectOrigins),
        powers_need_local_factor=ours.powersNeedLocalFactor,
        properties=dict(document),
    )


def _origin(text: str) -> str:
    origin = origin_of(text)
    if not origin.startswith(("https://", "http://")) or text.rstrip("/").lower() != origin:
        raise _bad(f"b2bIdp.redirectOrigins: {text[:100]} is no origin such as https://app.contoso.example.")
    return origin


class _Domains(Document):
    AllowedDomains: list[str] | None = None
    BlockedDomains: list[str] | None = None


class _Lists(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)
    InvitationsAllowedAndBlockedDomainsPolicy: _Domains | None = None


class _Definition(Document):
    B2BManagementPolicy: _Lists


class B2BManagementPolicyDocument(Document):
    """Graph's stsPolicy of the kind B2BManagementPolicy: its definition is JSON in a text."""

    displayName: Annotated[str, StringConstraints(min_length=1, max_length=256)]
    description: Annotated[str, StringConstraints(max_length=1024)] | None = None
    definition: list[Annotated[str, StringConstraints(max_length=64 * 1024)]] = Field(min_length=1, max_length=1)
    isOrganizationDefault: Literal[True] | None = None
    type: Literal["B2BManagementPolicy"] | None = None


def domain_policy_of(document: Mapping[str, Any], a_label: Callable[[str], str]) -> DomainPolicy | None:
    """The list that a B2BManagementPolicy says; None when it has none. `a_label` checks one domain and folds it.
    Raises Problem(BAD_REQUEST)."""
    policy = parse(B2BManagementPolicyDocument, document)
    try:
        content = json.loads(policy.definition[0])
    except (ValueError, RecursionError):
        raise _bad("definition: the text is not JSON.") from None
    lists = parse(_Definition, content if isinstance(content, dict) else {}).B2BManagementPolicy
    domains = lists.InvitationsAllowedAndBlockedDomainsPolicy or _Domains()
    if domains.AllowedDomains is not None and domains.BlockedDomains is not None:
        raise _bad("definition: a policy has AllowedDomains or BlockedDomains, never both.")
    listed = domains.AllowedDomains if domains.AllowedDomains is not None else domains.BlockedDomains
    if listed is None:
        return None
    if sum(map(len, listed)) > LONGEST_LIST:
        raise _bad(f"definition: the domains have more than {LONGEST_LIST} characters.")
    kind: Literal["allow", "block"] = "allow" if domains.AllowedDomains is not None else "block"
    return DomainPolicy(kind, frozenset(a_label(d.removeprefix("*.")) for d in listed))


def _bad(say: str) -> Problem:
    return Problem(Code.BAD_REQUEST, say)
