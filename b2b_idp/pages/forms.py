"""Forms that come back: only from our own pages, small, and with the token that the page carried."""

from __future__ import annotations

import hmac

from flask import request

from b2b_idp.model.problem import Code, Problem
from b2b_idp.model.url import origin_of

MAX_FORM = 64 * 1024


def check_origin(issuer: str) -> None:
    """Raises Problem(FORGED_FORM) when the browser says that the form came from elsewhere; silence is no error.

    Raises Problem(BODY_TOO_LARGE) for more than a form of ours can hold."""
    origin = request.headers.get("Origin")
    if origin is not None and origin != origin_of(issuer):
        raise forged(f"the form came from {origin[:200]}")
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        raise forged("the form came from another site")
    if request.mimetype != "application/x-www-form-urlencoded":
        raise forged("not a form")
    check_size()


def check_size() -> None:
    """Raises Problem(BODY_TOO_LARGE) for more than a form that we read can hold."""
    request.max_content_length = MAX_FORM
    if (request.content_length or 0) > MAX_FORM:
        raise Problem(Code.BODY_TOO_LARGE, "The form is too large.")


def check_token(expected: str) -> None:
    """Raises Problem(FORGED_FORM) unless the form carries this token in its field `csrf`."""
    if not hmac.compare_digest(request.form.get("csrf", "").encode(), expected.encode()):
        raise forged("no or another csrf token")


def forged(why: str) -> Problem:
    return Problem(
        Code.FORGED_FORM,
        "This form did not come from this page. Please go back, reload the page and try again.",
        why,
    )
