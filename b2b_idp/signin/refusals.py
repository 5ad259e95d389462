"""What a guest is told when a sign-in ends without a token; `why` is for the administrator."""

from __future__ import annotations

from datetime import timedelta

from b2b_idp.model.access import Because, Reason
from b2b_idp.model.home import MAILED_TENANT_ID
from b2b_idp.model.problem import Code, Problem
from b2b_idp.policy.reasons import sentence
from b2b_idp.signin.facts import Known
from b2b_idp.signin.view import View

MAILED_SILENCE = timedelta(days=180)
"""After so long without a sign-in a mailed code no longer opens the account: mail addresses change hands."""


def bad_link(why: str) -> Problem:
    return Problem(
        Code.INVITATION_INVALID,
        "This invitation link is not valid, or not valid any more. Ask the person who invited you for a new one.",
        why,
    )


def stranger(why: str) -> Problem:
    return Problem(
        Code.SIGNIN_UNKNOWN,
        "This page belongs to a sign-in that was begun in another browser or has ended. Please start again at the app.",
        why,
    )


def used(why: str) -> Problem:
    return Problem(Code.STEP_USED, "This step was already taken. Please go back to the app, or start there again.", why)


def taken() -> Problem:
    return Problem(
        Code.INVITATION_TAKEN,
        "This invitation has just been redeemed by another account. Ask the person who invited you for a new one.",
        "the user was bound, or the identity taken, by another request",
    )


def no_home(domain: str) -> Problem:
    return Problem(
        Code.NO_HOME,
        "Your organisation's sign-in is not connected here yet. Ask the person who invited you to connect it; "
        "this invitation stays good.",
        f"no home tenant is authoritative for the domain {domain}",
    )


def home_gone(tenant_id: str | None) -> Problem:
    if tenant_id == MAILED_TENANT_ID:
        return Problem(
            Code.HOME_DISABLED,
            "Sign-in by mailed code is switched off here. Ask the person who invited you how to sign in now.",
            "the authentication methods policy does not let guests sign in by mailed code",
        )
    return Problem(
        Code.HOME_DISABLED,
        "Sign-in through your organisation is switched off here. Ask the person who invited you.",
        f"home tenant {tenant_id} is deleted or disabled",
    )


def comes_from_home_now() -> Problem:
    return Problem(
        Code.LOGIN_REQUIRED,
        "Your organisation's own sign-in is connected here now, and codes are mailed to you no more. "
        "Please start again at the app: it leads you there.",
        "a home tenant became authoritative for the domain of a guest by mailed code",
    )


def away_too_long() -> Problem:
    return Problem(
        Code.INVITATION_INVALID,
        f"You have not signed in for {MAILED_SILENCE.days} days, and an address may have a new owner by then. "
        "Ask the person who invited you to have your invitation renewed.",
        f"a guest by mailed code did not sign in for {MAILED_SILENCE.days} days; reset the redemption to let them in",
    )


def domain_blocked(domain: str) -> Problem:
    return Problem(
        Code.INBOUND_BLOCKED,
        "Your organisation's domain may not be invited here any more. Ask the person who invited you.",
        f"the domain list (B2BManagementPolicy) does not permit {domain[:100]}",
    )


def not_invited(known: Known, view: View) -> Problem:
    if known.invitation_id is not None:
        return Problem(
            Code.INVITATION_TAKEN if view.invited is not None else Code.INVITATION_INVALID,
            "This invitation has already been redeemed by another account, or is not valid any more. "
            "Ask the person who invited you for a new one.",
            "the link's invitation is accepted by another identity, expired or revoked",
        )
    return Problem(
        Code.NOT_INVITED,
        "You are signed in at your organisation, but this account has not been invited here. "
        "Ask the person who runs the app to invite the address you signed in with.",
        "no user is bound to this identity and no pending invitation is for an address its home vouches for",
    )


def registration_needs_proof() -> Problem:
    because = sentence(Because(Reason.REGISTRATION_NEEDS_PROOF))
    return Problem(
        Code.REGISTRATION_NEEDS_PROOF,
        "Your organisation did not confirm a second factor, and none may be set up here without more proof. Ask the "
        "person who invited you, or an administrator, for a one-time pass; then go on from this page.",
        because,
    )


def unmet() -> Problem:
    return Problem(
        Code.UNMET_AUTHENTICATION_REQUIREMENTS,
        "The sign-in could not reach the authentication level that the app requires.",
        "essential acr not reached",
    )
