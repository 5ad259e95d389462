"""The built-in authentication strengths (Graph authenticationStrengthPolicies), compared as sets."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from b2b_idp.model.access import Strength


def _strength(number: int, name: str, *combinations: str) -> Strength:
    return Strength(
        f"00000000-0000-0000-0000-{number:012d}",
        name,
        frozenset(frozenset(c.split(",")) for c in combinations),
    )


_PHISHING_RESISTANT = ("windowsHelloForBusiness", "fido2", "x509CertificateMultiFactor")
_SECOND_FACTORS = ("microsoftAuthenticatorPush", "softwareOath", "hardwareOath", "sms", "voice")

MULTIFACTOR = _strength(
    2,
    "Multifactor authentication",
    *_PHISHING_RESISTANT,
    "deviceBasedPush",
    "temporaryAccessPassOneTime",
    "temporaryAccessPassMultiUse",
    "federatedMultiFactor",
    *(f"{first},{second}" for first in ("password", "federatedSingleFactor") for second in _SECOND_FACTORS),
)
PASSWORDLESS = _strength(3, "Passwordless MFA", *_PHISHING_RESISTANT, "deviceBasedPush")
PHISHING_RESISTANT = _strength(4, "Phishing resistant MFA", *_PHISHING_RESISTANT)

BUILT_IN: Mapping[str, Strength] = MappingProxyType(
    {strength.id: strength for strength in (MULTIFACTOR, PASSWORDLESS, PHISHING_RESISTANT)}
)
"""By id."""
