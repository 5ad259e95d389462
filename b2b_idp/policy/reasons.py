"""The one catalogue of what a reason says to people: a plain sentence a code."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from b2b_idp.model.access import Because, Reason

_SENTENCES: Mapping[Reason, str] = MappingProxyType(
    {
        Reason.NO_MFA_REQUIRED: "Nothing asks for a second factor here.",
        Reason.HOME_MFA_ACCEPTED: "The home tenant proved multi-factor authentication and is trusted for it.",
        Reason.HOME_STEP_UP: "The home tenant is trusted for multi-factor authentication and asked for it.",
        Reason.HOME_COULD_NOT: "The home tenant did not prove what is required.",
        Reason.BLOCKED_BY_PARTNER_POLICY: (
            "The partner's settings allow no challenge here in place of the home tenant's."
        ),
        Reason.PARTNER_NOT_TRUSTED: (
            "The home tenant is not trusted for multi-factor authentication; its word is only recorded."
        ),
        Reason.LOCAL_FACTOR_REQUIRED: (
            "Who holds a directory role, or lets an app write to the directory, proves a second factor that is "
            "registered here, whatever the home tenant is trusted for."
        ),
        Reason.LOCAL_MFA_ACCEPTED: "The guest passed multi-factor authentication here.",
        Reason.HOME_STRENGTH_ACCEPTED: "The methods used at home satisfy the authentication strength.",
        Reason.COMBINED_STRENGTH_ACCEPTED: (
            "First factor at home and challenge here together satisfy the authentication strength."
        ),
        Reason.STRENGTH_UNREACHABLE: "Nothing that the guest can use, here or at home, is enough.",
        Reason.INBOUND_BLOCKED: "Guests of this home tenant are not let in, or not into this app.",
        Reason.NOT_ASSIGNED: "The app is only for those who are assigned to it, and the guest is not.",
        Reason.GUEST_DISABLED: "The guest's account is disabled.",
        Reason.APP_DISABLED: "The app is disabled.",
        Reason.HOME_DISABLED: "The home tenant's sign-in is disabled.",
        Reason.BLOCKED_BY_POLICY: "A conditional access policy blocks this sign-in.",
        Reason.HOME_AUTHENTICATION_REQUIRED: "The guest has to sign in at the home tenant.",
        Reason.REPORT_ONLY: "A policy that only reports would have had a say.",
        Reason.REGISTRATION_NEEDS_PROOF: (
            "A first sign-in method is registered here only with more proof than a first factor at home."
        ),
        Reason.TERMS_OF_USE_REQUIRED: "The guest has to accept the terms of use.",
    }
)


def sentence(because: Because) -> str:
    """What `because` says, with its parameters in brackets behind it: `… (strength: Passwordless MFA)`."""
    said = _SENTENCES[because.code]
    if not because.parameters:
        return said
    more = "; ".join(f"{name}: {value}" for name, value in because.parameters.items())
    return f"{said[:-1]} ({more})."
