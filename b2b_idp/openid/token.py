"""The token endpoint (RFC 6749 §3.2): authorization_code, refresh_token, client_credentials.

Everything is in one writing transaction: what is consumed and what is handed out land together, or neither. What a
refusal did is kept (a family revoked, an assertion spent); only a failure of ours undoes it.
"""

from __future__ import annotations

from flask import Blueprint, Response, request

from b2b_idp.model.problem import Code, Problem
from b2b_idp.openid.client import authenticate, form_of
from b2b_idp.openid.grants import grant
from b2b_idp.openid.parts import OpenIdParts
from b2b_idp.openid.possession import bound, proof_at
from b2b_idp.openid.responses import cors, json_response, token_error
from b2b_idp.store import Reader

_OUR_FAULT = (Code.UNAVAILABLE, Code.INTERNAL, Code.BAD_SETTING)


def token_routes(blueprint: Blueprint, parts: OpenIdParts) -> None:
    audiences = (parts.issuer, f"{parts.issuer}/token")

    @blueprint.route("/token", methods=["POST", "OPTIONS"])
    def token() -> Response:
        if request.method == "OPTIONS":
            return cors(Response(status=204))
        try:
            form, moment = form_of(request), parts.moment()
            # an app's own token by its secret is read and signed: nothing is written, so no writer waits for it
            proof = proof_at(parts, "/token", moment)
            by_secret = form.get("grant_type") == "client_credentials" and "client_assertion" not in form
            only_reads = by_secret and proof is None

            def answer(r: Reader) -> Response:
                client = authenticate(r, parts, request, form, audiences, moment)
                try:
                    client = bound(parts, r, client, proof, moment)
                    return json_response(grant(parts, r, client, form, moment))
                except Problem as refused:
                    # what it wrote stays: a code used twice ends its family
                    if refused.code in _OUR_FAULT:
                        raise
                    return token_error(refused)

            run = parts.store.look if only_reads else parts.store.transact
            return cors(parts.documents.having(moment.at, lambda: run(answer)))
        except Problem as problem:
            return cors(token_error(problem))
