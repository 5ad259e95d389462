"""Code → status and title of the error page; one line a code, none missing (a test walks them)."""

from __future__ import annotations

from collections.abc import Mapping

from b2b_idp.model.problem import Code

STATUS: Mapping[Code, int] = dict.fromkeys(Code, 400) | {
    Code.FORGED_FORM: 403,
    Code.FORBIDDEN: 403,
    Code.NOT_FOUND: 404,
    Code.METHOD_NOT_ALLOWED: 405,
    Code.BODY_TOO_LARGE: 413,
    Code.TOO_MANY_ATTEMPTS: 429,
    Code.INTERNAL: 500,
    Code.UNAVAILABLE: 503,
}

_TITLES: Mapping[Code, str] = {
    Code.UNKNOWN_CLIENT: "This app is not known here",
    Code.UNREGISTERED_REDIRECT_URI: "This app's address is not registered",
    Code.INVALID_REQUEST_URI: "This request is over",
    Code.SIGNIN_UNKNOWN: "This sign-in is not yours to continue",
    Code.SIGNIN_EXPIRED: "This sign-in took too long",
    Code.STEP_USED: "This step was already taken",
    Code.UNEXPECTED_STEP: "This page is not the next step",
    Code.FORGED_FORM: "This form could not be accepted",
    Code.NO_HOME: "No sign-in for this address yet",
    Code.HOME_UNAVAILABLE: "Your organisation's sign-in does not answer",
    Code.HOME_MISCONFIGURED: "Your organisation's sign-in is not set up right",
    Code.HOME_ANSWER_REFUSED: "Your organisation's answer could not be accepted",
    Code.HOME_SAID_ERROR: "Your organisation did not sign you in",
    Code.HOME_DISABLED: "Sign-in through your organisation is off",
    Code.INVITATION_INVALID: "This invitation is not valid",
    Code.INVITATION_TAKEN: "This invitation was already redeemed",
    Code.NOT_INVITED: "This account has not been invited",
    Code.ADDRESS_NOT_VOUCHED: "This invitation is for another account",
    Code.INBOUND_BLOCKED: "Your organisation is not let in here",
    Code.BLOCKED_BY_POLICY: "A policy does not let you in",
    Code.BLOCKED_BY_PARTNER_POLICY: "A stronger sign-in is needed",
    Code.NOT_ASSIGNED: "You have not been given this app",
    Code.GUEST_DISABLED: "Your account here is switched off",
    Code.STRENGTH_UNREACHABLE: "A stronger sign-in is needed",
    Code.REGISTRATION_NEEDS_PROOF: "A second proof is needed",
    Code.TOO_MANY_ATTEMPTS: "Too many attempts",
    Code.LOGIN_REQUIRED: "You are not signed in",
    Code.FORBIDDEN: "This is not yours to do",
    Code.NOT_FOUND: "There is no such page",
    Code.UNAVAILABLE: "Please try again in a moment",
    Code.INTERNAL: "Something went wrong on our side",
}


def title_of(code: Code) -> str:
    """The page's heading."""
    return _TITLES.get(code, "This did not work")
