"""What passes between a sign-in and the conversation with its home."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from b2b_idp.homes.oidc.evidence import SignedStatement
from b2b_idp.model.evidence import HomeStatement


@dataclass(frozen=True, slots=True)
class Pending:
    """What must be remembered until the home answers. `begun_at` is a NumericDate, `max_age` in seconds."""

    tenant_id: str
    nonce: str
    code_verifier: str = field(repr=False)
    redirect_uri: str
    asked_step_up: bool
    max_age: int | None
    begun_at: int

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_json(document: Mapping[str, Any]) -> Pending:
        return Pending(**document)


@dataclass(frozen=True, slots=True)
class Departure:
    """Where to send the browser, and what to remember."""

    url: str
    pending: Pending


@dataclass(frozen=True, slots=True)
class Profile:
    """Who the home says it is. `email_verified` is None when the home does not say; `attributes` holds what
    it says of directory properties, None where it says that there is none."""

    email: str | None = None
    email_verified: bool | None = None
    attributes: Mapping[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class HomeAnswer:
    """A home's validated answer."""

    statement: HomeStatement
    profile: Profile
    signed: SignedStatement | None = None
    """What it was read from; None when that is too large to be kept."""
    sid: str | None = None
    """The guest's session there, as the home calls it to us (OpenID Connect Back-Channel Logout §2.1)."""


@dataclass(frozen=True, slots=True)
class HomeReport:
    """What a look at a home found: what it can do, and in plain words what is wrong. No key: it cannot be
    used."""

    issuer: str
    keys: int = 0
    step_up: str = "unknown"
    acr_values: tuple[str, ...] = ()
    claims_parameter: bool = False
    problems: tuple[str, ...] = ()
    offers: Mapping[str, str] = field(default_factory=dict)
    """By the names of `to_json`: what its metadata says that it takes."""
    uses: Mapping[str, str] = field(default_factory=dict)
    """What of that is used; empty where no way fits."""

    def to_json(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "keys": self.keys,
            "stepUp": self.step_up,
            "acrValuesSupported": list(self.acr_values),
            "claimsParameterSupported": self.claims_parameter,
            "problems": list(self.problems),
            "offers": dict(self.offers),
            "uses": dict(self.uses),
        }

    def lines(self) -> list[str]:
        if self.keys == 0:
            return list(self.problems)
        return [
            f"metadata of {self.issuer} is fine, usable keys: {self.keys}",
            f"step-up: {self.step_up}",
            *(f"{told}: {_row(row)}" for told, row in (("offers", self.offers), ("uses", self.uses)) if row),
            *self.problems,
        ]


def _row(row: Mapping[str, str]) -> str:
    return "; ".join(f"{_words(name)} {value}" for name, value in row.items())


def _words(name: str) -> str:
    """`pushedRequests` as `pushed requests`."""
    return "".join(f" {c.lower()}" if c.isupper() else c for c in name)
