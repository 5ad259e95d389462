"""A home tenant: how it speaks (Graph oidcIdentityProvider) and whether we believe it (crossTenantAccessPolicy)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Literal

from b2b_idp.model.evidence import StepUp, Vocabulary
from b2b_idp.model.moment import tenant_id_of

MAILED_ISSUER = "mail"
"""The issuer of who signs in by mailed code, as in Graph's `identities`."""
MAILED_TENANT_ID = tenant_id_of(MAILED_ISSUER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """A home tenant's OpenID provider as this resource tenant knows it. `client_secret` is decrypted on load and
    excluded from repr; None with private_key_jwt."""

    tenant_id: str
    issuer: str
    display_name: str
    client_id: str
    client_auth: Literal["client_secret", "private_key_jwt"] = "client_secret"
    client_secret: str | None = field(default=None, repr=False)
    well_known: str
    scope: str = "openid profile email"
    domains: tuple[str, ...] = ()
    """Mail domains, as A-labels in lower case, for which this home is authoritative."""
    own: bool = False
    """The resource tenant's own provider: its people are members."""
    mailed: bool = False
    """The built-in home of guests whose domain has no other: a code is mailed, and this server itself says so."""
    enabled: bool = True
    end_session: Literal["offered", "always"] = "offered"
    """b2bIdp.endSession: who signs out here may sign out there as well, or does."""
    claim_mapping: Mapping[str, str] = field(default_factory=dict)
    """inboundClaimMapping: OpenID Connect's name (sub, name, email, address.locality …) or, for a property that it
    has no name for, the directory's (department, jobTitle …) → the home's claim."""
    overwrites: frozenset[str] = frozenset()
    """inboundClaimMapping.b2bIdp.overwrites: properties for which the home wins over everybody else."""
    profile: str = "rfc8176"
    """authenticationContext.profile: whose product this provider is, as far as that matters."""
    vocabulary: Vocabulary = Vocabulary()
    properties: Mapping[str, Any] = field(default_factory=dict)
    """The identityProvider as it was written, without its secret."""


def mailed_home(enabled: bool) -> Home:
    """The built-in home. It has no provider to go to; what it says of a guest is one factor, `otp`."""
    return Home(
        tenant_id=MAILED_TENANT_ID,
        issuer=MAILED_ISSUER,
        display_name="Email One Time Passcode",
        client_id="",
        well_known="",
        mailed=True,
        enabled=enabled,
        vocabulary=Vocabulary(amr={"otp": ("email",)}, step_up=StepUp("none"), otp_is_mailed=True, our_own=True),
    )


@dataclass(frozen=True, slots=True)
class Targets:
    """One half of Graph's crossTenantAccessPolicyB2BSetting: `allowed` or `blocked`, and for what.

    Targets are ids or the keywords AllUsers and AllApplications."""

    access: Literal["allowed", "blocked"] = "allowed"
    targets: frozenset[str] = frozenset({"AllUsers", "AllApplications"})

    def permits(self, *names: str) -> bool:
        """Whether something known under any of `names` is let in."""
        named = not self.targets.isdisjoint({"AllUsers", "AllApplications", *names})
        return named if self.access == "allowed" else not named


@dataclass(frozen=True, slots=True)
class Collaboration:
    """b2bCollaborationInbound: who of the home (subjects or home group ids) may enter, and into which apps."""

    users: Targets = Targets()
    applications: Targets = Targets()


@dataclass(frozen=True, slots=True, kw_only=True)
class Partner:
    """A home tenant's entry in the cross-tenant access policy; the default configuration has tenant_id `default`.

    None inherits the default's, property by property at the top level.
    """

    tenant_id: str
    mfa_accepted: bool | None = None
    """inboundTrust.isMfaAccepted; None when inboundTrust is null."""
    inbound: Collaboration | None = None
    automatic_consent: bool | None = None
    when_home_cannot: Literal["challengeHere", "block"] | None = None
    mfa_max_age: timedelta | None = None
    trusted_attributes: frozenset[str] | None = None
    """b2bIdp.trustedAttributes: directory properties that follow the home's claims."""
    properties: Mapping[str, Any] = field(default_factory=dict)
    """The entry as it was written, in Graph's shape."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """What holds for one home tenant once its partner entry and the default are laid together (`effective_trust`)."""

    mfa_accepted: bool = False
    inbound: Collaboration = Collaboration()
    automatic_consent: bool = False
    when_home_cannot: Literal["challengeHere", "block"] = "challengeHere"
    mfa_max_age: timedelta | None = None
    trusted_attributes: frozenset[str] = frozenset()
    local_only: bool = False
    """The home's MFA does not count for this sign-in, however trusted: a factor registered here is needed."""

    def for_power(self) -> Trust:
        """What is left of it for somebody with power over the directory."""
        return replace(self, mfa_accepted=False, local_only=True)


def mailed_trust(default: Partner) -> Trust:
    """What holds for the built-in home: the default's inbound setting, and never MFA."""
    return Trust(inbound=default.inbound or Collaboration())


def effective_trust(partner: Partner | None, default: Partner) -> Trust:
    """The partner's word where it has one, else the default's, else as shipped: trust off, `challengeHere`, no age."""

    def of(name: str) -> Any:
        for entry in (partner, default):
            if entry is not None and getattr(entry, name) is not None:
                return {name: getattr(entry, name)}
        return {}

    names = (
        "mfa_accepted",
        "inbound",
        "automatic_consent",
        "when_home_cannot",
        "mfa_max_age",
        "trusted_attributes",
    )
    given: dict[str, Any] = {}
    for name in names:
        given |= of(name)
    return Trust(**given)
