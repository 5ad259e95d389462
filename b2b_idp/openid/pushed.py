"""The pushed authorization request endpoint (RFC 9126)."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

from flask import Blueprint, Response, request

from b2b_idp.model.problem import Code, Problem
from b2b_idp.openid.asked import REQUEST_URI, asked_directly
from b2b_idp.openid.client import Client, authenticate, form_of
from b2b_idp.openid.errors import PUSHED
from b2b_idp.openid.parts import OpenIdParts
from b2b_idp.openid.possession import proof_at, pushed_key
from b2b_idp.openid.request import Bad, parse, redirect_uri_of
from b2b_idp.openid.responses import cors, json_response, token_error
from b2b_idp.store import Writer
from b2b_idp.store.pushed import PushedRequest
from b2b_idp.tokens.dpop import Proof

LIFETIME = timedelta(seconds=90)
"""From here to the browser's arrival; the sign-in that begins there lasts as any other."""
_PROOF = frozenset({"client_secret", "client_assertion", "client_assertion_type"})
"""What authenticates the client is no part of its request, and is not kept."""
_OUR_FAULT = (Code.UNAVAILABLE, Code.INTERNAL, Code.BAD_SETTING)


def pushed_routes(blueprint: Blueprint, parts: OpenIdParts) -> None:
    @blueprint.route("/par", methods=["POST", "OPTIONS"])
    def push() -> Response:
        if request.method == "OPTIONS":
            return cors(Response(status=204))
        try:
            form = form_of(request)
            step = partial(parts.store.transact, lambda w: _pushed(parts, w, form))
            return cors(parts.documents.having(parts.moment().at, step))
        except Problem as problem:
            return cors(token_error(problem, PUSHED))


def _pushed(parts: OpenIdParts, w: Writer, form: dict[str, str]) -> Response:
    moment, issuer = parts.moment(), parts.issuer
    proof = proof_at(parts, "/par", moment)
    # RFC 9126 §2: clients may name any of the three
    audiences = (issuer, f"{issuer}/token", f"{issuer}/par")
    client = authenticate(w, parts, request, form, audiences, moment)
    try:
        kept = _checked(parts, w, client, form, proof)
    except Problem as refused:
        # the client's assertion stays used
        if refused.code in _OUR_FAULT:
            raise
        return token_error(refused, PUSHED)
    w.pushed.add(kept)
    uri = REQUEST_URI + parts.vault.handle("request_uri", kept.id)
    return json_response({"request_uri": uri, "expires_in": int(LIFETIME.total_seconds())}, 201)


def _checked(parts: OpenIdParts, w: Writer, client: Client, form: dict[str, str], proof: Proof | None) -> PushedRequest:
    """The request, checked as it will be when the browser brings it; whom an id_token_hint names is asked then."""
    moment, app, client_id = parts.moment(), client.app, client.app.app_id
    if "request_uri" in form:
        raise Problem(Code.INVALID_REQUEST, "A pushed request holds no request_uri.")
    pairs = [("client_id", client_id), *((k, v) for k, v in form.items() if k not in _PROOF | {"client_id"})]
    asked = asked_directly(w, parts, app, pairs, moment.at)
    found = parse(w, app, redirect_uri_of(app, asked.pairs), asked, parts.issuer, lambda _: None)
    if isinstance(found, Bad):
        raise found.problem
    key = pushed_key(parts, w, client, proof, found.dpop_jkt, moment)
    bound_to = [] if key is None else [("dpop_jkt", key)]
    return PushedRequest(
        id=moment.new_id(),
        app_id=client_id,
        parameters=[*((name, value) for name, value in asked.pairs if name != "dpop_jkt"), *bound_to],
        signed=asked.signed,
        expires_at=moment.at + LIFETIME,
    )
