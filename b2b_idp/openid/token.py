"""The token endpoint (RFC 6749 §3.2): authorization_code, refresh_token, client_credentials.

Everything is in one writing transaction: what is consumed and what is handed out land together, or neither. What a
refusal did is kept (a family revoked, an assertion spent); only a failure of ours undoes it. An app's own token by its
secret is read and signed, so no writer waits for it: that its DPoP proof was used is written when the answer is ready.
"""

from __future__ import annotations

from flask import Blueprint, Response, request

from b2b_idp.model.problem import Code, Problem
from b2b_idp.openid.client import authenticate, form_of
from b2b_idp.openid.grants import foresee, grant
from b2b_idp.openid.parts import OpenIdParts
from b2b_idp.openid.possession import bound, proof_at
from b2b_idp.openid.responses import cors, json_response, token_error
from b2b_idp.store import Reader
from b2b_idp.tokens.dpop import spend, spend_alone

_OUR_FAULT = (Code.UNAVAILABLE, Code.INTERNAL, Code.BAD_SETTING)


def token_routes(blueprint: Blueprint, parts: OpenIdParts) -> None:
    audiences = (parts.issuer, f"{parts.issuer}/token")

    @blueprint.route("/token", methods=["POST", "OPTIONS"])
    def token() -> Response:
        if request.method == "OPTIONS":
            return cors(Response(status=204))
        try:
            form, moment = form_of(request), parts.moment()
            proof = proof_at(parts, "/token", moment)
            only_reads = form.get("grant_type") == "client_credentials" and "client_assertion" not in form

            def answer(r: Reader) -> Response:
                foresee(parts, r, form)
                client = authenticate(r, parts, request, form, audiences, moment)
                try:
                    client = bound(parts, client, proof, moment)
                    if proof is not None and not only_reads:
                        spend(r.writing(), parts.vault, proof)
                    return json_response(grant(parts, r, client, form, moment))
                except Problem as refused:
                    # what it wrote stays: a code used twice ends its family
                    if refused.code in _OUR_FAULT:
                        raise
                    return token_error(refused)

            run = parts.store.look if only_reads else parts.store.transact
            answered = parts.documents.having(moment.at, lambda: run(answer))
            if proof is not None and only_reads:
                spend_alone(parts.store, parts.vault, proof)
            return cors(answered)
        except Problem as problem:
            return cors(token_error(problem))
