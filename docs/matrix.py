"""The table of who is asked what, and where: every cell is signed in through the whole provider, and written down.

Used by `docs/tables.py`; the tests assert over the same cells that nobody is asked twice or left without a way.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

from b2b_idp.testing.kit import Kit, KitApp, SignedIn
from b2b_idp.testing.passkey import SoftwarePasskey

PHISHING_RESISTANT = "00000000-0000-0000-0000-000000000004"
TRUSTS = {
    "trusted": {"trust_mfa": True},
    "trusted, and its partner entry says `block`": {"trust_mfa": True, "when_home_cannot": "block"},
    "not trusted": {"trust_mfa": False},
}
REQUIREMENTS = ("nothing", "MFA", "phishing-resistant MFA")


@dataclass(frozen=True)
class Proof:
    """What a home proves: `amr` unasked, `step_up` when it is asked for more (None: it cannot)."""

    says: str
    amr: tuple[str, ...] | None = None
    step_up: tuple[str, ...] | None = None
    mailed: bool = False


PROOFS = (
    Proof("nothing but who it is"),
    Proof("a password, and cannot do more", ("pwd",)),
    Proof("a password, and a code when asked", ("pwd",), ("pwd", "otp")),
    Proof("MFA, without saying how", ("pwd", "mfa")),
    Proof("a passkey (`fpk`, which the entry maps to `fido2`)", ("fpk", "mfa")),
    Proof("no home tenant: a mailed code", mailed=True),
)


@dataclass(frozen=True)
class Cell:
    """One cell, signed in: the first time, and later afresh (prompt=login); what was asked, each in order."""

    trust: str
    requirement: str
    proof: Proof
    first: tuple[str, ...]
    again: tuple[str, ...]
    at_once: tuple[str, ...]
    """What another app that requires the same asked right afterwards."""
    outcome: str
    reasons: tuple[str, ...]
    way_forward: str


_HERE = {
    "email-code": "mailed code",
    "register-totp": "sets up an authenticator app",
    "register-passkey": "sets up a passkey",
    "challenge-totp": "authenticator code",
    "challenge-passkey": "passkey",
}


@cache
def cells() -> tuple[Cell, ...]:
    """Every cell, in the table's order."""
    found = []
    for trust, settings in TRUSTS.items():
        for proof in PROOFS:
            if not proof.mailed or trust == "not trusted":
                found += _cells(trust, settings, proof)
    order = {r: n for n, r in enumerate(REQUIREMENTS)}
    return tuple(sorted(found, key=lambda c: (list(TRUSTS).index(c.trust), order[c.requirement])))


def _cells(trust: str, settings: dict[str, Any], proof: Proof) -> Iterator[Cell]:
    for requirement in REQUIREMENTS:
        with _kit() as kit:
            if not proof.mailed:
                context = {"amr": {"fpk": ["fido2"]}}
                if proof.step_up is None:
                    context |= {"stepUp": {"with": "acr_values", "values": ["https://refeds.org/profile/mfa"]}}
                kit.home_tenant("fabrikam.example", authentication_context=context, **settings)
            apps = [_app(kit, name, requirement) for name in ("CRM", "Wiki")]
            yield _signed_in(kit, apps, trust, requirement, proof)


@contextmanager
def _kit() -> Iterator[Kit]:
    kit = Kit()
    try:
        yield kit
    finally:
        kit.close()


def _app(kit: Kit, name: str, requirement: str) -> KitApp:
    app = kit.app(name, requires="mfa" if requirement == "MFA" else None)
    if requirement == "phishing-resistant MFA":
        kit.graph(
            "POST",
            "/identity/conditionalAccess/policies",
            {
                "displayName": f"Phishing-resistant MFA for {name}",
                "state": "enabled",
                "conditions": {
                    "users": {"includeUsers": ["GuestsOrExternalUsers"]},
                    "applications": {"includeApplications": [app.client_id]},
                },
                "grantControls": {"operator": "OR", "authenticationStrength": {"id": PHISHING_RESISTANT}},
            },
        )
    return app


def _signed_in(kit: Kit, apps: list[KitApp], trust: str, requirement: str, proof: Proof) -> Cell:
    address = "maria@mailbox.example" if proof.mailed else "maria@fabrikam.example"
    guest = kit.invite(address)
    if requirement == "phishing-resistant MFA":
        guest.driver.passkey = SoftwarePasskey()
    says: dict[str, Any] = {} if proof.mailed else {"amr": proof.amr, "step_up": proof.step_up}
    # who has no home tenant comes by the mailed link, where a factor can be set up
    redeemed = guest.driver.walk(guest.redeem_url).pages if proof.mailed else []
    first = kit.sign_in(guest, apps[0], **says)
    other = kit.sign_in(guest, apps[1], **says)
    again = kit.sign_in(guest, apps[0], prompt="login", **says)
    way = "" if first.error is None else _way_forward(kit)
    return Cell(
        trust=trust,
        requirement=requirement,
        proof=proof,
        first=_here(redeemed) + _asked(first),
        again=_asked(again),
        at_once=_asked(other),
        outcome="in" if again.error is None else f"refused: `{again.error}`",
        reasons=tuple(r.code for r in again.decision.reasons),
        way_forward=way,
    )


def _asked(outcome: SignedIn) -> tuple[str, ...]:
    at_home = tuple("home: MFA" for a in outcome.asked if a["where"] == "home")
    return at_home + _here(outcome.pages)


def _here(pages: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"here: {_HERE[page]}" for page in pages if page in _HERE)


def _way_forward(kit: Kit) -> str:
    (row,) = kit.graph("GET", "/auditLogs/signIns?$top=1")["value"]
    return str(row["b2bIdp"]["wayForward"])


def table() -> str:
    """The cells as Markdown, a table for each trust."""
    parts = []
    for trust in TRUSTS:
        rows = [f"## The home tenant is {trust}", ""]
        heads = ("the app requires", "home proves", "asked the first time", "asked later", "how it ends, and why")
        rows += ["| " + " | ".join(heads) + " |", "|---|---|---|---|---|"]
        for cell in (c for c in cells() if c.trust == trust):
            because = ", ".join(f"`{code}`" for code in cell.reasons)
            end = f"{cell.outcome}: {because}" + (f". {cell.way_forward}" if cell.way_forward else "")
            first, again = (", then ".join(asked) or "nothing" for asked in (cell.first, cell.again))
            rows.append(f"| {cell.requirement} | {cell.proof.says} | {first} | {again} | {end} |")
        parts.append("\n".join(rows))
    return "\n\n".join(parts)
