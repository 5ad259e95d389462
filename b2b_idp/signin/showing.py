"""What a page shows: the contexts of the sign-in's pages, from facts."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping
from typing import Any

from b2b_idp.factors import totp
from b2b_idp.keys.vault import Vault
from b2b_idp.model.evidence import LocalMethod
from b2b_idp.model.problem import Problem
from b2b_idp.policy.named_documents import terms_in
from b2b_idp.signin.facts import Known, Waiting
from b2b_idp.signin.steps import Ask
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
            assert view.candidate is not None and view.home is not None
            return "redeem", {
                "invited_email": view.candidate.address,
                "organisation": view.configuration.tenant.name,
                "app_name": app_name,
                "home_name": view.home.display_name,
            }
        case Waiting.EMAIL_CODE:
            return "email-code", {"masked_address": masked(step.address or ""), "error": said}
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
        case Waiting.TERMS:
            agreement = view.configuration.named.agreements[step.terms[0]]
            languages = (known.request.ui_locales or "").split() if known.request else []
            preferred = view.user.properties.get("preferredLanguage") if view.user else None
            language, text = terms_in(agreement, [*languages, *([preferred] if preferred else [])])
            return "terms", {
                "title": agreement.display_name,
                "organisation": view.configuration.tenant.name,
                "terms": f"{agreement.id}.{agreement.version}",
                "language": language,
                "paragraphs": [p for p in text.replace("\r\n", "\n").split("\n\n") if p.strip()],
            }
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
