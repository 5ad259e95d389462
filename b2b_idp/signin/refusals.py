"""What a guest is told when a request does not fit the sign-in; `why` is for the administrator."""

from __future__ import annotations

from b2b_idp.model.problem import Code, Problem


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
