"""What is known of how a guest authenticated, in words of RFC 8176 (`amr`) and OpenID Connect Core (`acr`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Literal


class Kind(StrEnum):
    """The three kinds of authentication factor."""

    KNOWLEDGE = "knowledge"
    POSSESSION = "possession"
    INHERENCE = "inherence"


class LocalMethod(StrEnum):
    """Challenges that the resource tenant itself can put to a guest."""

    TOTP = "totp"
    PASSKEY = "passkey"
    RECOVERY_CODE = "recovery_code"
    EMAIL = "email"


@dataclass(frozen=True, slots=True)
class HomeStatement:
    """What a home tenant *says* in one validated id_token, unweighed; it proves nothing until trust and vocabulary
    have been applied (`b2b_idp.policy`).

    `amr` is None when the claim was absent or not an array of strings; `auth_time` is a NumericDate, None when
    absent or not a number; `at` is when we received it. `asked` tells that this answers a step-up request.
    """

    tenant_id: str
    issuer: str
    subject: str
    amr: tuple[str, ...] | None
    acr: str | None
    auth_time: int | None
    at: datetime
    asked: bool = False


@dataclass(frozen=True, slots=True)
class LocalFactor:
    """A challenge that this guest passed here, in this session; `aaguid` tells the make of a passkey.

    `factor_id` is the authenticator or passkey that answered: what it proved counts as long as it is registered.
    """

    method: LocalMethod
    at: datetime
    aaguid: str | None = None
    factor_id: str | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything a session knows: statements are judged one by one and never united, local factors add to one."""

    statements: tuple[HomeStatement, ...] = ()
    local: tuple[LocalFactor, ...] = ()


AuthTimeUse = Literal["required", "used", "ignored"]


@dataclass(frozen=True, slots=True)
class StepUp:
    """How MFA is asked of a home tenant: by `acr_values` or an Entra-style `claims` request, or not at all."""

    how: Literal["acr_values", "claims", "none"] = "none"
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """A home tenant's words: which authentication method modes (Graph `authenticationMethodModes`) a value means.

    Values are case-sensitive. A value that is not in `amr`/`acr` is kept as evidence and proves nothing.
    """

    amr: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    acr: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    step_up: StepUp = StepUp()
    auth_time: AuthTimeUse = "used"
    otp_is_mailed: bool = False
    """The vendor's `otp` is a code sent by e-mail: it is no factor kind of its own."""
    our_own: bool = False
    """The words are this server's own, about a code that it mailed itself: believed as they stand."""
    addresses_assigned: bool = False
    """The vendor's addresses are assigned by its administrators, so an absent `email_verified` is not a doubt."""
