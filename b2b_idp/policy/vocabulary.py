"""What the vendors' `amr` and `acr` values mean: ready tables, to which a home tenant's entry adds its own.

A value with no mode is *known*: it may show a kind of factor (`policy.factors`), and a token may name it.
No table takes hwk, swk, pop, sc, rsa, fido, phr or phrh for two factors; only an administrator's entry can.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from b2b_idp.model.evidence import AuthTimeUse, StepUp, Vocabulary
from b2b_idp.model.problem import Code, Problem

MODES = frozenset(
    {
        *("password", "qrCodePin", "email", "federatedSingleFactor", "federatedMultiFactor"),
        *("voice", "sms", "hardwareOath", "softwareOath", "microsoftAuthenticatorPush", "deviceBasedPush"),
        *("fido2", "windowsHelloForBusiness", "x509CertificateSingleFactor", "x509CertificateMultiFactor"),
        *("temporaryAccessPassOneTime", "temporaryAccessPassMultiUse"),
    }
)
"""Graph's authenticationMethodModes."""

_MFA = ("federatedMultiFactor",)
_REFEDS_MFA = "https://refeds.org/profile/mfa"
_MULTIPLEAUTHN = "http://schemas.microsoft.com/claims/multipleauthn"
_PAPE_MFA = "http://schemas.openid.net/pape/policies/2007/06/multi-factor"

# RFC 8176 §2, all 21 values. `mfa` says that several factors were used; `mca` only several channels.
_RFC8176: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("face", "fpt", "geo", "hwk", "iris", "kba", "mca", "pin"), ()),
    **dict.fromkeys(("pop", "rba", "retina", "sc", "swk", "user", "vbm", "wia"), ()),
    "mfa": _MFA,
    "otp": ("softwareOath",),  # the RFC does not tell a software token from a hardware one
    "pwd": ("password",),
    "sms": ("sms",),
    "tel": ("voice",),
}

# Microsoft, "access token claims reference", table of amr. `rsa` and `fido` say how, not how many; `fed` and
# `wiaormfa` leave open whether anything but a federated or a Windows sign-in took place.
_ENTRA: Mapping[str, tuple[str, ...]] = {
    **_RFC8176,
    **dict.fromkeys(("rsa", "fido", "fed", "wiaormfa"), ()),
    "ngcmfa": _MFA,  # "equivalent to mfa", same table
    _MULTIPLEAUTHN: _MFA,  # older tokens, as AD FS
}


def _voluntary(*values: str) -> StepUp:
    """Asked by `acr_values`, which a home may overlook without failing; no values: by a plain request."""
    return StepUp("acr_values", values)


PROFILES: Mapping[str, Vocabulary] = MappingProxyType(
    {
        "rfc8176": Vocabulary(amr=_RFC8176, step_up=_voluntary()),
        # `otp` is "one-time passcode using an email or a text message" (same Microsoft table), so no kind is
        # sure; `acr` "0" and "1" say nothing of MFA. Asked as Entra's own clients do, by a claims request.
        "entra": Vocabulary(amr=_ENTRA, step_up=StepUp("claims", ("mfa",)), otp_is_mailed=True),
        # Okta, "Step-up authentication using ACR values", predefined; `…:ifpossible` may be one factor.
        "okta": Vocabulary(
            amr=_RFC8176,
            acr={
                "urn:okta:loa:1fa:any": ("federatedSingleFactor",),
                "urn:okta:loa:1fa:pwd": ("password",),
                "urn:okta:loa:2fa:any": _MFA,
            },
            step_up=_voluntary("urn:okta:loa:2fa:any"),
        ),
        # Keycloak's amr mapper says what each authenticator's configuration says, RFC 8176 by convention; its
        # levels of authentication are numbered by each realm, so no `acr` is known beforehand.
        "keycloak": Vocabulary(amr=_RFC8176, step_up=_voluntary()),
        # Google's id_tokens carry neither amr nor acr.
        "google": Vocabulary(step_up=_voluntary()),
        # PingAM documentation, "Authentication requirements": amr and acr are whatever the journey is given.
        "ping": Vocabulary(amr=_RFC8176, step_up=_voluntary()),
        # AD FS names methods by URI; multipleauthn is its word for MFA. Addresses come from Active Directory.
        "adfs": Vocabulary(
            amr={**_RFC8176, _MULTIPLEAUTHN: _MFA},
            acr={_MULTIPLEAUTHN: _MFA},
            step_up=_voluntary(),
            addresses_assigned=True,
        ),
        # Auth0, "Configure step-up authentication for web apps": amr has `mfa`; "Step-up with ACR": PAPE.
        "auth0": Vocabulary(amr=_RFC8176, acr={_PAPE_MFA: _MFA}, step_up=_voluntary(_PAPE_MFA)),
        "onelogin": Vocabulary(amr=_RFC8176, step_up=_voluntary()),
        # REFEDS MFA Profile: at least two factors of different kinds. The SFA profile: one.
        "refeds": Vocabulary(
            amr=_RFC8176,
            acr={_REFEDS_MFA: _MFA, "https://refeds.org/profile/sfa": ("federatedSingleFactor",)},
            step_up=_voluntary(_REFEDS_MFA),
        ),
        "none": Vocabulary(step_up=_voluntary()),
    }
)


def compile_vocabulary(
    profile: str,
    amr: Mapping[str, Sequence[str]],
    acr: Mapping[str, Sequence[str]],
    step_up: StepUp | None,
    auth_time: AuthTimeUse,
) -> Vocabulary:
    """`profile` with an entry's own values laid over it; an empty list of modes makes a value unknown.

    `step_up` None keeps the profile's way of asking. Problem(BAD_REQUEST) for an unknown profile or mode.
    """
    base = PROFILES.get(profile)
    if base is None:
        raise Problem(
            Code.BAD_REQUEST,
            f"authenticationContext.profile is one of {', '.join(PROFILES)}, not {profile[:80]!r}.",
        )
    return replace(
        base,
        amr=_laid_over(base.amr, amr, "amr"),
        acr=_laid_over(base.acr, acr, "acr"),
        step_up=base.step_up if step_up is None else step_up,
        auth_time=auth_time,
        otp_is_mailed=base.otp_is_mailed and "otp" not in amr,
    )


def _laid_over(
    base: Mapping[str, tuple[str, ...]], own: Mapping[str, Sequence[str]], member: str
) -> Mapping[str, tuple[str, ...]]:
    for value, modes in own.items():
        unknown = [mode for mode in modes if mode not in MODES]
        if unknown:
            raise Problem(
                Code.BAD_REQUEST,
                f"authenticationContext.{member}: {value[:80]!r} is mapped to {unknown[0][:80]!r}, "
                f"which is none of {', '.join(sorted(MODES))}.",
            )
    merged = {**base, **{value: tuple(modes) for value, modes in own.items()}}
    return MappingProxyType({value: modes for value, modes in merged.items() if modes or value not in own})
