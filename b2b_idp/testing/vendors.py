"""How the makes of home tenant speak: the words of their id_tokens, what makes them ask for MFA, what else they say.

The other side of `policy/vocabulary.py`, which says what these words prove; the sources stand there. A vendor that is
not asked for MFA in a way it knows, or has no words for it, is as silent here as it is in life.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

MFA_ACR = "https://refeds.org/profile/mfa"
SFA_ACR = "https://refeds.org/profile/sfa"
_MULTIPLEAUTHN = "http://schemas.microsoft.com/claims/multipleauthn"
_PAPE_MFA = "http://schemas.openid.net/pape/policies/2007/06/multi-factor"
_ADFS_PASSWORD = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"


@dataclass(frozen=True)
class Words:
    """`amr` and `acr` of an id_token; None: the claim is not there."""

    amr: tuple[str, ...] | None = None
    acr: str | None = None


def _nothing_more(email: str, domain: str) -> Mapping[str, Any]:
    return {}


def _preferred_username(email: str, domain: str) -> Mapping[str, Any]:
    return {"preferred_username": email}


@dataclass(frozen=True, kw_only=True)
class Vendor:
    """One make of home tenant."""

    one_factor: Words
    """What it says of a password alone."""
    mfa: Words
    """What it says of a password and a second factor."""
    only_when_asked: bool = False
    """It tells of MFA only in answer to a request for MFA."""
    asked_by: frozenset[str] = frozenset()
    """Values that ask it for MFA; empty: out of the box there is no way to ask."""
    reads: frozenset[str] = frozenset({"acr_values", "claims"})
    """Where in a request it looks for them."""
    context: Mapping[str, Any] = field(default_factory=dict)
    """What an entry's `authenticationContext` adds to the profile for such a home."""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """Members of its discovery document."""
    says_email_verified: bool = True
    claims: Callable[[str, str], Mapping[str, Any]] = _nothing_more
    """Further claims, by address and domain."""


_RFC_ONE, _RFC_MFA = ("pwd",), ("pwd", "otp", "mfa")
_REFEDS: Mapping[str, Any] = {"acr_values_supported": [SFA_ACR, MFA_ACR], "claims_parameter_supported": True}
_NO_CLAIMS: Mapping[str, Any] = {"claims_parameter_supported": False}

VENDORS: Mapping[str, Vendor] = MappingProxyType(
    {
        "rfc8176": Vendor(
            one_factor=Words(_RFC_ONE),
            mfa=Words(_RFC_MFA),
            asked_by=frozenset({MFA_ACR, "mfa"}),
            context={"stepUp": {"with": "acr_values", "values": [MFA_ACR]}},
            metadata=_REFEDS,
        ),
        "refeds": Vendor(
            one_factor=Words(_RFC_ONE, SFA_ACR),
            mfa=Words(_RFC_MFA, MFA_ACR),
            asked_by=frozenset({MFA_ACR}),
            metadata=_REFEDS,
        ),
        # v2 id_tokens have no amr unless a claims request asks for it, and no email_verified
        "entra": Vendor(
            one_factor=Words(),
            mfa=Words(("pwd", "mfa")),
            only_when_asked=True,
            asked_by=frozenset({"mfa"}),
            reads=frozenset({"claims"}),
            metadata={"claims_parameter_supported": True},
            says_email_verified=False,
            claims=lambda email, domain: {"preferred_username": email, "ver": "2.0"},
        ),
        "okta": Vendor(
            one_factor=Words(_RFC_ONE, "urn:okta:loa:1fa:any"),
            mfa=Words(("pwd", "otp", "mfa"), "urn:okta:loa:2fa:any"),
            asked_by=frozenset({"urn:okta:loa:2fa:any"}),
            reads=frozenset({"acr_values"}),
            metadata={**_NO_CLAIMS, "acr_values_supported": ["urn:okta:loa:1fa:any", "urn:okta:loa:2fa:any"]},
            claims=_preferred_username,
        ),
        # a realm set up as docs/how-to/keycloak-as-a-home.md says
        "keycloak": Vendor(
            one_factor=Words(("pwd",), "1fa"),
            mfa=Words(("pwd", "otp"), "2fa"),
            asked_by=frozenset({"2fa"}),
            reads=frozenset({"acr_values"}),
            context={
                "acr": {"2fa": ["federatedMultiFactor"]},
                "stepUp": {"with": "acr_values", "values": ["2fa"]},
            },
            metadata={"claims_parameter_supported": True, "acr_values_supported": ["1fa", "2fa"]},
            claims=_preferred_username,
        ),
        "google": Vendor(
            one_factor=Words(),
            mfa=Words(),
            metadata=_NO_CLAIMS,
            claims=lambda email, domain: {"hd": domain},
        ),
        "ping": Vendor(one_factor=Words(_RFC_ONE), mfa=Words(_RFC_MFA), metadata=_NO_CLAIMS),
        # addresses are the organisation's own, so it says no email_verified
        "adfs": Vendor(
            one_factor=Words((_ADFS_PASSWORD,)),
            mfa=Words((_ADFS_PASSWORD, _MULTIPLEAUTHN)),
            metadata=_NO_CLAIMS,
            says_email_verified=False,
            claims=lambda email, domain: {"upn": email, "unique_name": email},
        ),
        "auth0": Vendor(
            one_factor=Words(),
            mfa=Words(("mfa",), _PAPE_MFA),
            asked_by=frozenset({_PAPE_MFA}),
            reads=frozenset({"acr_values"}),
            metadata=_NO_CLAIMS,
        ),
        "onelogin": Vendor(
            one_factor=Words(_RFC_ONE), mfa=Words(_RFC_MFA), metadata=_NO_CLAIMS, claims=_preferred_username
        ),
        "none": Vendor(one_factor=Words(), mfa=Words(), metadata=_NO_CLAIMS),
    }
)
"""By the name of the profile (`authenticationContext.profile`)."""
