"""What a scripted home tenant is asked, who works there, and what it says of how they signed in."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from b2b_idp.policy.factors import VALUE_KINDS
from b2b_idp.testing.vendors import MFA_ACR, SFA_ACR, VENDORS, Vendor

__all__ = ["MFA_ACR", "SFA_ACR", "Account", "HomeRequest", "evidence_claims", "now", "parse_request", "proves_mfa"]


@dataclass(frozen=True)
class Account:
    """Somebody who works at the home. `mfa_always`: the home asks for the second factor at every sign-in."""

    sub: str
    email: str
    name: str
    given_name: str | None = None
    family_name: str | None = None
    password: str = field(default="password", repr=False)
    can_mfa: bool = True
    mfa_always: bool = False

    def claims(self) -> dict[str, Any]:
        known = {
            "sub": self.sub,
            "email": self.email,
            "email_verified": True,
            "name": self.name,
            "given_name": self.given_name,
            "family_name": self.family_name,
        }
        return {name: value for name, value in known.items() if value is not None}


@dataclass(frozen=True, kw_only=True)
class HomeRequest:
    """What an authorization request asked of the home: its `parameters`, and those read that the home acts on."""

    parameters: Mapping[str, str]
    redirect_uri: str
    state: str
    nonce: str
    code_challenge: str
    acr_values: tuple[str, ...] = ()
    claims: Mapping[str, Any] = field(default_factory=dict)
    max_age: int | None = None
    prompt: str | None = None
    login_hint: str | None = None
    asks_mfa_by: frozenset[str] = frozenset()
    """The values that the home takes for a request for MFA."""
    reads: frozenset[str] = frozenset()
    """Where the home looks for them: `acr_values`, `claims`."""

    @property
    def wants_mfa(self) -> bool:
        """Whether the home is asked for MFA in a way that it knows."""
        wanted = self.claims.get("id_token") or {}
        by_claims = [v for name in ("amr", "acr") for v in (wanted.get(name) or {}).get("values", ())]
        heard = (
            *(self.acr_values if "acr_values" in self.reads else ()),
            *(by_claims if "claims" in self.reads else ()),
        )
        return not self.asks_mfa_by.isdisjoint(heard)


def parse_request(
    parameters: Mapping[str, str],
    client_id: str,
    *,
    pushed: bool = False,
    vendor: Vendor = VENDORS["rfc8176"],
    asked_by: frozenset[str] | None = None,
) -> HomeRequest | str:
    """The request, or what is wrong with it. `asked_by`: values that ask for MFA, other than the vendor's."""
    if parameters.get("client_id", client_id if pushed else None) != client_id:
        return "This app is not known here."
    needed = ("redirect_uri", "state", "nonce", "code_challenge")
    missing = [name for name in needed if not parameters.get(name)]
    fixed = (parameters.get("response_type"), parameters.get("code_challenge_method"))
    if missing or fixed != ("code", "S256"):
        return f"The app's request is not complete: {', '.join(missing) or 'response_type or PKCE'}."
    try:
        claims = json.loads(parameters.get("claims", "{}"))
        max_age = int(parameters["max_age"]) if "max_age" in parameters else None
    except ValueError:
        return "The app's request cannot be read."
    return HomeRequest(
        parameters=parameters,
        **{name: parameters[name] for name in needed},
        acr_values=tuple(parameters.get("acr_values", "").split()),
        claims=claims,
        max_age=max_age,
        prompt=parameters.get("prompt"),
        login_hint=parameters.get("login_hint"),
        asks_mfa_by=vendor.asked_by if asked_by is None else asked_by,
        reads=vendor.reads,
    )


def evidence_claims(amr: Sequence[str] | None, acr: str | None, auth_time: int | None) -> dict[str, Any]:
    """id_token claims of how somebody signed in; `auth_time` None: now."""
    said = {"amr": None if amr is None else list(amr), "acr": acr}
    known = {name: value for name, value in said.items() if value is not None}
    return {**known, "auth_time": now() if auth_time is None else auth_time}


def proves_mfa(asked: HomeRequest, amr: Sequence[str] | None, acr: str | None) -> bool:
    """Whether the home itself would call this MFA."""
    kinds = {kind for value in amr or () for kind in VALUE_KINDS.get(value, ())}
    words = {MFA_ACR, "mfa", *asked.asks_mfa_by, *asked.acr_values}
    return len(kinds) > 1 or not words.isdisjoint({*(amr or ()), acr})


def now() -> int:
    return int(datetime.now(UTC).timestamp())
