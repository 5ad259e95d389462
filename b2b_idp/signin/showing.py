"""What a page shows: the contexts of the sign-in's pages, from facts."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping
from typing import Any

from b2b_idp.factors import passkeys, totp
from b2b_idp.factors.passkeys import RelyingParty
from b2b_idp.keys.vault import Vault
from b2b_idp.model.evidence import LocalMethod
from b2b_idp.model.problem import Problem
from b2b_idp.model.url import host_of
from b2b_idp.policy.named_documents import terms_in
from b2b_idp.signin.challenging import fitting
from b2b_idp.signin.facts import Known, Waiting
from b2b_idp.signin.mailing import is_told
from b2b_idp.signin.moves import Ask, CodeFor
from b2b_idp.signin.view import View

SCOPE_SENTENCES: Mapping[str, str] = {
    "openid": "Know that it is you",
    "profile": "See your name and user name",
    "email": "See your e-mail address",
    "offline_access": "Stay signed in while you are away",
    "User.Read": "Read your profile here",
}


def page_of(
    step: Ask,
    known: Known,
    view: View,
    vault: Vault,
    party: RelyingParty,
    signin_id: str,
    error: Problem | None,
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
                "can_use_pass": step.or_pass,
                "error": said,
            }
        case Waiting.ACCESS_PASS:
            return "access-pass", {"error": said, "can_mail_code": step.address is not None}
        case Waiting.CHOICE:
            registering = view.registered.isdisjoint(step.methods)
            return "challenge-choose", {
                "methods": _choices(step, registering),
                "registering": registering,
                "error": said,
            }
        case Waiting.CHALLENGE if step.passkey:
            assert known.passkey_challenge is not None
            options = passkeys.assertion_options(party, fitting(view.passkeys, step.aaguids), known.passkey_challenge)
            return "challenge-passkey", {"options": options, "error": said, "others": len(step.methods) > 1}
        case Waiting.CHALLENGE if step.methods[0] is LocalMethod.RECOVERY_CODE:
            return "challenge-recovery", {"error": said, "others": len(step.methods) > 1}
        case Waiting.CHALLENGE:
            others = set(step.methods[1:])
            return "challenge-totp", {
                "error": said,
                "can_use_recovery": others == {LocalMethod.RECOVERY_CODE},
                "others": bool(others - {LocalMethod.RECOVERY_CODE}),
            }
        case Waiting.REGISTRATION if step.passkey:
            assert known.passkey_challenge is not None and view.user is not None
            return "register-passkey", {
                "options": passkeys.registration_options(
                    party,
                    view.configuration.tenant.name,
                    passkeys.user_handle(vault, view.user.id),
                    view.user.mail or view.user.upn,
                    view.user.display_name,
                    view.passkeys,
                    known.passkey_challenge,
                ),
                "passkey_name": passkeys.next_name(len(view.passkeys)),
                "error": said,
                "others": len(step.methods) > 1,
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
                "others": len(step.methods) > 1,
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
            itself = view.app is not None and view.app.registration is not None
            return "consent", {
                "app_name": app_name,
                "scopes": scopes,
                "organisation": view.configuration.tenant.name,
                "unverified_at": host_of(known.request.redirect_uri) if itself else None,
            }
        case _:
            raise AssertionError(step.waiting)


_CHOICES: Mapping[LocalMethod, tuple[str, str, str]] = {
    LocalMethod.TOTP: (
        "Authenticator app",
        "A code from the app on your phone",
        "An app on your phone that shows codes",
    ),
    LocalMethod.PASSKEY: (
        "Passkey",
        "Fingerprint, face or PIN of your device, or a security key",
        "Kept on your device or security key, unlocked by fingerprint, face or PIN",
    ),
    LocalMethod.RECOVERY_CODE: ("Recovery code", "One of the codes you kept", ""),
}
"""In the order in which the page offers them: name, hint of the challenge, hint of the registration."""


def _choices(step: Ask, registering: bool) -> list[tuple[str, str, str]]:
    """(value, label, hint) of each method that may be chosen."""
    return [
        (method.value, name, to_register if registering else to_use)
        for method, (name, to_use, to_register) in _CHOICES.items()
        if method in step.methods
    ]


def masked(address: str) -> str:
    """The address as a page may show it: first letter and domain."""
    local, _, domain = address.rpartition("@")
    return f"{local[:1]}•••@{domain}"
