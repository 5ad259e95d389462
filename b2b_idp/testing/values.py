"""What the test kit hands to a test."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from b2b_idp.testing.guest import GuestDriver
from b2b_idp.testing.home_tenant import ScriptedHome
from b2b_idp.testing.token_claims import TokenClaims

CALLBACK = "https://app.example/callback"
"""Where apps of the kit have sign-ins answered, unless they say where."""


@dataclass(frozen=True)
class KitHome:
    """A home tenant: a real OpenID provider on loopback that answers what the test says."""

    domain: str
    tenant_id: str
    provider: ScriptedHome


@dataclass(frozen=True)
class KitGuest:
    """An invited guest, with the browser that stays theirs over several sign-ins."""

    id: str
    email: str
    redeem_url: str
    driver: GuestDriver = field(repr=False)


@dataclass(frozen=True)
class KitApp:
    """A registered SaaS app."""

    client_id: str
    client_secret: str = field(repr=False)
    sp_id: str
    object_id: str
    scope: str = "openid profile email offline_access"
    name: str = ""
    redirect_uri: str = CALLBACK


@dataclass(frozen=True)
class KitGroup:
    """A group."""

    id: str
    name: str


@dataclass(frozen=True)
class Because:
    """A reason of a decision, as the sign-in log has it."""

    code: str
    text: str
    policy_id: str | None = None


@dataclass(frozen=True)
class KitDecision:
    """What was decided in the end: allowed or refused, and the ordered reasons."""

    outcome: str
    reasons: list[Because]


@dataclass(frozen=True, kw_only=True)
class Visit:
    """Where a guest's browser came to. `url` is the app's address with its parameters when `finished`, else that of the
    page that the guest could not pass."""

    url: str
    finished: bool
    status: int
    """HTTP status of the last page; 0 for an app's address, which is not called."""
    text: str = field(repr=False)
    asked: list[dict[str, str]]
    """Every question for another factor, in order: {"where": "home" | "here", "method": …}."""
    decision: KitDecision
    pages: list[str]
    """The pages of ours that the guest saw."""
    error: str | None
    """The OAuth error or the error page's code, when it was refused."""


@dataclass(frozen=True)
class SignedIn:
    """A finished sign-in. `id_token` and `access_token` are verified claims; both are None when it was refused."""

    id_token: TokenClaims | None
    access_token: TokenClaims | None
    tokens: dict[str, Any] = field(repr=False)
    """What the token endpoint answered, with the tokens as they were sent."""
    asked: list[dict[str, str]]
    """Every question for another factor, in order: {"where": "home" | "here", "method": …}."""
    decision: KitDecision
    error: str | None = None
    """The OAuth error or the error page's code, when it was refused."""
    pages: list[str] = field(default_factory=list)
    """The pages of ours that the guest saw."""
