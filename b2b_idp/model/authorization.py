"""Who may invite, what guests may read (authorizationPolicy), and whom nobody may invite (B2BManagementPolicy)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

InvitesFrom = Literal["none", "adminsAndGuestInviters", "adminsGuestInvitersAndAllMembers", "everyone"]

GUEST_AS_MEMBER = "a0b1b346-4d3e-4e8b-98f8-753987be4970"
GUEST_LIMITED = "10dae51f-b6af-4016-8d66-8c2a99b929b3"
GUEST_RESTRICTED = "2af84b1e-32c8-42b7-82bc-daa82404023b"
"""guestUserRoleId: guests read as members do, limited (as shipped), or their own objects only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationPolicy:
    """Graph's authorizationPolicy, as far as it counts here."""

    allow_invites_from: InvitesFrom = "everyone"
    guest_user_role_id: str = GUEST_LIMITED
    invitations_per_day: int | None = None
    """b2bIdp.invitationsPerDay: how many people without an administrative role may invite in 24 hours each."""
    guest_lifetime_days: int | None = None
    """b2bIdp.guestLifetimeDays: when new guests expire, unless their invitation says so itself."""
    redirect_origins: frozenset[str] = frozenset()
    """b2bIdp.redirectOrigins: where a browser may be sent after redemption beside the registered apps."""
    powers_need_local_factor: bool = True
    """b2bIdp.powersNeedLocalFactor: guests who hold a directory role, or let an app write to the directory for them,
    prove a second factor that is registered here, whatever the partner's trust."""
    properties: Mapping[str, Any] = field(default_factory=dict)
    """The policy as it was written, in Graph's shape."""


@dataclass(frozen=True, slots=True)
class DomainPolicy:
    """The one list of domains that may, or may not, be invited from. An entry covers its sub-domains."""

    kind: Literal["allow", "block"]
    domains: frozenset[str]

    def permits(self, domain: str) -> bool:
        """Whether an address of this domain (an A-label in lower case) may be invited."""
        labels = domain.split(".")
        listed = any(".".join(labels[n:]) in self.domains for n in range(len(labels)))
        return listed if self.kind == "allow" else not listed
