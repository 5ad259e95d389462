"""Where home tenants send what is over: logout tokens, and guests who signed out there."""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint, Response, request

from b2b_idp.logs import note
from b2b_idp.model.problem import Code, Problem
from b2b_idp.openid.logout import with_state
from b2b_idp.openid.parts import OpenIdParts, form_pairs, once
from b2b_idp.openid.responses import token_error
from b2b_idp.redirecting import see_other


def home_logout_routes(blueprint: Blueprint, parts: OpenIdParts) -> None:
    @blueprint.post("/federation/<uuid:tenant_id>/backchannel-logout")
    def backchannel_logout(tenant_id: UUID) -> Response:
        """OpenID Connect Back-Channel Logout 1.0 §2.5, §2.8."""
        try:
            token = once(form_pairs(request)).get("logout_token")
            if token is None:
                raise Problem(Code.INVALID_REQUEST, "The form needs logout_token, once.")
            parts.home_logouts.received(str(tenant_id), token, parts.moment())
        except Problem as problem:
            note("home logout refused", home=str(tenant_id), code=problem.code.value, why=problem.why or problem.say)
            return token_error(_told(problem))
        response = Response(status=200)
        response.headers["Cache-Control"] = "no-store"
        return response

    @blueprint.get("/federation/<uuid:tenant_id>/signed-out")
    def signed_out(tenant_id: UUID) -> Response:
        """RP-Initiated Logout 1.0 §3, as the one who began it."""
        states = request.args.getlist("state")
        state = states[0] if len(states) == 1 else ""
        name, on = parts.home_logouts.back(str(tenant_id), state, parts.browser(), parts.moment())
        if on is not None:
            return see_other(with_state(on))
        return parts.pages.signed_out(parts.moment().new_id(), ended_at=name)


def _told(problem: Problem) -> Problem:
    """What the home may know: a token that is wrong is its own, and its administrator looks for the reason there."""
    if problem.code is Code.HOME_ANSWER_REFUSED:
        return Problem(Code.INVALID_REQUEST, f"The logout token is refused: {problem.why}.")
    return problem
