"""What a page shows: the contexts of the sign-in's pages, from facts."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping
from typing import Any

from b2b_idp.factors import totp
from b2b_idp.keys.vault import Vault
from b2b_idp.model.evidence import LocalMethod
from b2b_idp.model.problem import Problem
from b2b_idp.signin.facts import Known, Waiting
from b2b_idp.signin.mailing import is_told
from b2b_idp.signin.steps import Ask, CodeFor
from b2b_idp.signin.view import View

SCOPE_SENTENCES: Mapping[str, str] = {
    "openid": "Know that it is you",
    "profile": "See your name and user name",
    "email": "See your e-mail address",
    "offline_access": "Stay signed in while you are away",
    "User.Read": "Read your profile here",
}


def page_of(
    step: Ask, known: Known, view: View, vault: Vault, signin_id: str, error: Problem | None
) -> tuple[str, dict[str, Any]]:
    """Name and context of the page for a step; `error` is what was wrong with the last answer."""
    said = error.say if error else None
    app_name = view.app.display_name if view.app else None
    match step.waiting:
        case Waiting.REALM:
            return "home-realm", {"email": known.email or "", "app_name": app_name, "error": said}
        case Waiting.REDEEM:
            assert view.home is not None
            return "redeem", {
                "invited_email": view.candidate.address if view.candidate else step.address,
                "organisation": view.configuration.tenant.name,
                "app_name": app_name,
                "home_name": None if view.home.mailed else view.home.display_name,
            }
        case Waiting.EMAIL_CODE:
            unproved = not is_told(known, view, step)
            return "email-code", {
                # who typed it may read it, and should, since nobody says whether it is known here
                "address": step.address if unproved else masked(step.address or ""),
                "is_factor": step.code_for is not CodeFor.PROOF,
                "unproved": unproved,
                "can_change": unproved and known.invitation_id is None,
                "error": said,
            }
        case Waiting.CHALLENGE if known.method is LocalMethod.RECOVERY_CODE:
            return "challenge-recovery", {"error": said}
        case Waiting.CHALLENGE:
            return "challenge-totp", {
                "error": said,
                "can_use_recovery": LocalMethod.RECOVERY_CODE in step.methods,
            }
        case Waiting.REGISTRATION:
            assert known.totp_secret is not None and view.user is not None
            secret = vault.open(b64decode(known.totp_secret), "signins:" + signin_id)
            uri = totp.uri(secret, view.user.mail or view.user.upn, view.configuration.tenant.name)
            return "register-totp", {
                "otpauth_uri": uri,
                "qr_svg": totp.qr_svg(uri),
                "secret": totp.text_of(secret),
                "error": said,
            }
        case Waiting.RECOVERY_CODES:
            codes = [vault.open(b64decode(c), "signins:" + signin_id).decode() for c in known.recovery_codes]
            return "recovery-codes", {"codes": codes}
        case Waiting.CONSENT:
            assert known.request is not None
            scopes = [(s, SCOPE_SENTENCES.get(s, s)) for s in known.request.scope]
            return "consent", {"app_name": app_name, "scopes": scopes}
        case _:
            raise AssertionError(step.waiting)


def masked(address: str) -> str:
    """The address as a page may show it: first letter and domain."""
    local, _, domain = address.rpartition("@")
    return f"{local[:1]}•••@{domain}"
