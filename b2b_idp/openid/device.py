"""Device authorization (RFC 8628 §3.1) and the page where its guest types the code and says yes."""

from __future__ import annotations

import hmac
from typing import Any, Literal

from flask import Blueprint, Response, request

from b2b_idp.model.problem import Code, Problem
from b2b_idp.openid.authorize import respond
from b2b_idp.openid.client import authenticate, form_of
from b2b_idp.openid.parts import OpenIdParts, form_pairs, once
from b2b_idp.openid.resource_indicators import target_of
from b2b_idp.openid.responses import cors, json_response, token_error
from b2b_idp.openid.scopes import scopes_of
from b2b_idp.redirecting import see_other
from b2b_idp.signin import devices
from b2b_idp.signin.flow.begin import begin
from b2b_idp.store import Writer


def device_routes(blueprint: Blueprint, parts: OpenIdParts) -> None:
    @blueprint.route("/device_authorization", methods=["POST", "OPTIONS"])
    def device_authorization() -> Response:
        if request.method == "OPTIONS":
            return cors(Response(status=204))
        try:
            return cors(json_response(_begin(parts)))
        except Problem as problem:
            return cors(token_error(problem))

    @blueprint.get("/device")
    def device() -> Response:
        return _code_page(parts, None)

    @blueprint.post("/device")
    def typed() -> Response:
        form = _form(parts, "code")
        moment, browser = parts.moment(), parts.browser()
        found = parts.store.transact(
            lambda w: devices.find(w, parts.vault, form.get("code", ""), parts.issuer, browser.ip_address, moment.at)
        )
        if isinstance(found, Problem):
            return _code_page(parts, found.say)
        return respond(parts, begin(parts.signin, lambda _: found, browser, moment))

    @blueprint.get("/device/<uuid:id>/<uuid:grant_id>")
    def ask(id: object, grant_id: object) -> Response:
        moment = parts.moment()
        with parts.store.read() as r:
            asked = devices.asked(r, str(id), str(grant_id), parts.browser(), moment.at)
        return parts.pages.device(
            step="confirm",
            action=f"{parts.issuer}/device/{id}/{grant_id}",
            csrf=_csrf(parts, str(grant_id)),
            error=None,
            asked=asked,
            correlation_id=moment.new_id(),
        )

    @blueprint.post("/device/<uuid:id>/<uuid:grant_id>")
    def answer(id: object, grant_id: object) -> Response:
        form = _form(parts, str(grant_id))
        moment, yes = parts.moment(), "decline" not in form

        def decide(w: Writer) -> None:
            asked = devices.asked(w, str(id), str(grant_id), parts.browser(), moment.at)
            devices.answer(w, asked, yes=yes, moment=moment)

        parts.store.transact(decide)
        # shown by an address of its own, so that reloading the page sends no answer again
        return see_other(f"{parts.issuer}/device/{'approved' if yes else 'denied'}")

    @blueprint.get("/device/<any(approved, denied):step>")
    def answered(step: Literal["approved", "denied"]) -> Response:
        id = parts.moment().new_id()
        return parts.pages.device(step=step, action="", csrf="", error=None, asked=None, correlation_id=id)


def _begin(parts: OpenIdParts) -> dict[str, Any]:
    form, moment, endpoint = form_of(request), parts.moment(), f"{parts.issuer}/device_authorization"

    def give(w: Writer) -> dict[str, Any]:
        audiences = (parts.issuer, f"{parts.issuer}/token", endpoint)
        app = authenticate(w, parts, request, form, audiences, moment).app
        if not app.device_flow:
            raise Problem(Code.UNAUTHORIZED_CLIENT, "This app is not registered for devices (isFallbackPublicClient).")
        resource = target_of(w, [form["resource"]] if "resource" in form else [], parts.issuer)
        scope = scopes_of(w, app, form.get("scope", "openid"), parts.issuer, resource)
        row, user_code = devices.begin(w, parts.vault, app, scope, resource, parts.browser().ip_address, moment)
        return {
            "device_code": parts.vault.handle("device", row.id),
            "user_code": user_code,
            "verification_uri": f"{parts.issuer}/device",
            "expires_in": int(devices.LIFETIME.total_seconds()),
            "interval": row.pause,
        }

    return parts.documents.having(moment.at, lambda: parts.store.transact(give))


def _code_page(parts: OpenIdParts, error: str | None) -> Response:
    return parts.pages.device(
        step="code",
        action=f"{parts.issuer}/device",
        csrf=_csrf(parts, "code"),
        error=error,
        asked=None,
        correlation_id=parts.moment().new_id(),
    )


def _csrf(parts: OpenIdParts, of: str) -> str:
    return parts.vault.token("csrf-device", of, parts.browser().key.hex())


def _form(parts: OpenIdParts, of: str) -> dict[str, str]:
    """The fields of a form of ours. Raises Problem(FORGED_FORM)."""
    form = once(form_pairs(request))
    if not hmac.compare_digest(form.get("csrf", "").encode(), _csrf(parts, of).encode()):
        raise Problem(
            Code.FORGED_FORM,
            "This form did not come from this page. Please go back, reload the page and try again.",
            "no or another csrf token",
        )
    return form
