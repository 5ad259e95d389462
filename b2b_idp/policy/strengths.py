"""Authentication strengths (Graph authenticationStrengthPolicies), built-in and custom; combinations are sets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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

MOST_CUSTOM = 15
"""How many custom strengths a tenant may have, as in Entra."""

_FIRST = ("password", "federatedSingleFactor", "x509CertificateSingleFactor", "qrCodePin", "sms")
"""Modes that may stand alone as one factor."""

COMBINATIONS = frozenset(
    {
        *(combination for strength in (MULTIFACTOR, PASSWORDLESS) for combination in strength.combinations),
        *(frozenset({mode}) for mode in _FIRST),
        frozenset({"x509CertificateSingleFactor", "password"}),
        frozenset({"x509CertificateSingleFactor", "federatedSingleFactor"}),
        frozenset({"password", "email"}),
    }
)
"""The combinations that a custom strength may list. Entra's, and a password with a mailed code as second channel."""

_ONE_FACTOR = frozenset(frozenset({mode}) for mode in _FIRST)


def is_mfa(combinations: Iterable[frozenset[str]]) -> bool:
    """Whether each combination is more than one factor (requirementsSatisfied `mfa`)."""
    return all(combination not in _ONE_FACTOR and "email" not in combination for combination in combinations)


BUILT_IN: Mapping[str, Strength] = MappingProxyType(
    {strength.id: strength for strength in (MULTIFACTOR, PASSWORDLESS, PHISHING_RESISTANT)}
)
"""By id."""
