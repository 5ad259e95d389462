"""Conditional access policies, what they require, and what was decided."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_address
from types import MappingProxyType
from typing import Any, Literal

from b2b_idp.model.evidence import LocalMethod

PolicyState = Literal["enabled", "disabled", "enabledForReportingButNotEnforced"]


@dataclass(frozen=True, slots=True)
class GuestKinds:
    """conditionalAccessGuestsOrExternalUsers: kinds of guest, and of which home tenants (None: all)."""

    kinds: frozenset[str]
    tenants: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Strength:
    """An authentication strength: each combination is a set of modes; the order of its members says nothing.

    `aaguids`: makes of passkey (AAGUIDs) that alone do, for the combinations that are limited to some.
    """

    id: str
    display_name: str
    combinations: frozenset[frozenset[str]]
    aaguids: Mapping[frozenset[str], frozenset[str]] = field(default_factory=lambda: MappingProxyType({}), hash=False)


@dataclass(frozen=True, slots=True)
class NamedLocation:
    """A place on the network (Graph ipNamedLocation)."""

    id: str
    display_name: str
    trusted: bool
    networks: tuple[IPv4Network | IPv6Network, ...]


ALL_TRUSTED = "AllTrusted"
"""Stands for every trusted location."""


def locations_of(address: str, locations: Mapping[str, NamedLocation]) -> frozenset[str]:
    """Ids of the locations that an IP address is in, and AllTrusted if one of them is trusted. An address that is none
    is nowhere."""
    if not locations:
        return frozenset()
    try:
        ip = ip_address(address)
    except ValueError:
        return frozenset()
    ip = getattr(ip, "ipv4_mapped", None) or ip
    inside = [place for place in locations.values() if any(ip in network for network in place.networks)]
    return frozenset(place.id for place in inside) | ({ALL_TRUSTED} if any(p.trusted for p in inside) else frozenset())


@dataclass(frozen=True, slots=True)
class Agreement:
    """Terms of use (Graph agreement): `version` counts its texts; after `every` it has to be accepted again."""

    id: str
    display_name: str
    version: int
    every: timedelta | None = None
    properties: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AuthenticationContext:
    """An authentication context class reference, c1 … c99: a name by which apps ask for what policies then require."""

    id: str
    display_name: str
    available: bool
    properties: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessPolicy:
    """A conditional access policy (Graph conditionalAccessPolicy), parsed. Exclusion beats inclusion."""

    id: str
    display_name: str
    state: PolicyState
    include_users: frozenset[str] = frozenset()
    """Ids, or `All`, `None`, `GuestsOrExternalUsers`."""
    exclude_users: frozenset[str] = frozenset()
    include_groups: frozenset[str] = frozenset()
    exclude_groups: frozenset[str] = frozenset()
    include_roles: frozenset[str] = frozenset()
    exclude_roles: frozenset[str] = frozenset()
    include_guests: GuestKinds | None = None
    exclude_guests: GuestKinds | None = None
    include_apps: frozenset[str] = frozenset()
    """appIds, or `All`, `None`."""
    exclude_apps: frozenset[str] = frozenset()
    include_contexts: frozenset[str] = frozenset()
    """Authentication contexts; the policy then applies where one of them is asked for, whatever the app."""
    client_types: frozenset[str] = frozenset({"all"})
    include_locations: frozenset[str] = frozenset({"All"})
    """Ids of named locations, or `All`, `AllTrusted`."""
    exclude_locations: frozenset[str] = frozenset()
    block: bool = False
    mfa: bool = False
    strength: Strength | None = None
    terms: tuple[str, ...] = ()
    """Ids of agreements to accept."""
    any_control: bool = False
    """Operator OR: one of `mfa` (or `strength`) and `terms` is enough."""
    sign_in_frequency: timedelta | None = None
    """A factor older than this does not count; zero means every time."""
    frequency_covers_first_factor: bool = True
    persistent_browser: bool | None = None
    """Whether the session outlives the browser's window; None: as the browser's cookie does."""
    problem: str | None = None
    """Why a stored policy cannot be enforced as it was written: it blocks instead."""
    properties: Mapping[str, Any] = field(default_factory=dict)
    """The policy as it was written, in Graph's shape."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """What policy and the app's request want, laid together: all of it must hold."""

    mfa: bool = False
    strengths: tuple[Strength, ...] = ()
    not_before: datetime | None = None
    """Factors older than this do not count (max_age, prompt=login, signInFrequency). None: any age."""
    second_not_before: datetime | None = None
    """As `not_before`, for a signInFrequency that concerns the second factor only."""
    policy_ids: tuple[str, ...] = ()
    """The enabled policies that ask for it, in order of id."""
    asked_by_app: bool = False
    """The app itself asked for MFA by acr_values or claims (RFC 9470)."""
    terms: tuple[str, ...] = ()
    """Agreements that the guest has yet to accept."""

    @property
    def anything(self) -> bool:
        return self.mfa or bool(self.strengths)


class Reason(StrEnum):
    """Stable reason codes of a decision; their sentences stand in `policy.reasons`."""

    NO_MFA_REQUIRED = "no_mfa_required"
    HOME_MFA_ACCEPTED = "home_mfa_accepted"
    HOME_STEP_UP = "home_step_up"
    HOME_COULD_NOT = "home_could_not"
    BLOCKED_BY_PARTNER_POLICY = "blocked_by_partner_policy"
    PARTNER_NOT_TRUSTED = "partner_not_trusted"
    LOCAL_FACTOR_REQUIRED = "local_factor_required"
    LOCAL_MFA_ACCEPTED = "local_mfa_accepted"
    HOME_STRENGTH_ACCEPTED = "home_strength_accepted"
    COMBINED_STRENGTH_ACCEPTED = "combined_strength_accepted"
    STRENGTH_UNREACHABLE = "strength_unreachable"
    INBOUND_BLOCKED = "inbound_blocked"
    NOT_ASSIGNED = "not_assigned"
    GUEST_DISABLED = "guest_disabled"
    APP_DISABLED = "app_disabled"
    HOME_DISABLED = "home_disabled"
    BLOCKED_BY_POLICY = "blocked_by_policy"
    HOME_AUTHENTICATION_REQUIRED = "home_authentication_required"
    REPORT_ONLY = "report_only"
    REGISTRATION_NEEDS_PROOF = "registration_needs_proof"
    TERMS_OF_USE_REQUIRED = "terms_of_use_required"


@dataclass(frozen=True, slots=True)
class Because:
    """One reason of a decision: code, the policy that made it count, parameters for its sentence."""

    code: Reason
    policy_id: str | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Counted:
    """What the decision counted, and so what the token may say (contract of the guest token).

    `amr`: each value once, home's first; `auth_time`: NumericDate of the oldest factor counted, None when unknown;
    `acr`: one of `policy.ACR_VALUES`; `contexts`: the authentication contexts that were asked for, in order.
    """

    amr: tuple[str, ...] = ()
    acr: str | None = None
    auth_time: int | None = None
    mfa: bool = False
    contexts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Allow:
    reasons: tuple[Because, ...]
    counted: Counted


@dataclass(frozen=True, slots=True)
class AskHome:
    """Send the guest to the home tenant. `step_up` asks for MFA there; `max_age` (seconds) when freshness lacks."""

    reasons: tuple[Because, ...]
    step_up: bool
    max_age: int | None = None


@dataclass(frozen=True, slots=True)
class AskHere:
    """Challenge the guest here with one of `methods`, best first; which of them are registered is not said here.
    Without methods it is `terms` that are asked for: agreements to accept, all of them. `aaguids`: the makes of passkey
    that would do, None: any."""

    reasons: tuple[Because, ...]
    methods: tuple[LocalMethod, ...]
    terms: tuple[str, ...] = ()
    aaguids: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Refuse:
    """No. `way_forward` is a plain sentence for the guest; the last reason's code is the error's code."""

    reasons: tuple[Because, ...]
    way_forward: str


Decision = Allow | AskHome | AskHere | Refuse
