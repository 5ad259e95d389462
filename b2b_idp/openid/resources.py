"""Userinfo (OpenID Connect Core §5.3), introspection (RFC 7662) and revocation (RFC 7009)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Response, request

from b2b_idp.model.moment import Moment
from b2b_idp.model.problem import Code, Problem
from b2b_idp.openid.client import Client, authenticate, form_of
from b2b_idp.openid.parts import OpenIdParts, form_pairs
from b2b_idp.openid.possession import certificate_at, proof_at
from b2b_idp.openid.responses import bearer_error, cors, json_response, jwt_response, token_error
from b2b_idp.signin import reconsider
from b2b_idp.store import Reader, Writer
from b2b_idp.store.grants import Grant
from b2b_idp.tokens.bearer import ACCESS_TOKEN_TYPE, Caller, read_bearer, standing
from b2b_idp.tokens.claims import userinfo as userinfo_claims
from b2b_idp.tokens.dpop import spend
from b2b_idp.tokens.gather import subject_of
from b2b_idp.tokens.names import pairwise
from b2b_idp.tokens.occasion import Occasion
from b2b_idp.tokens.possession import Presented, read_authorization
from b2b_idp.tokens.signing import is_for, issuer_for, signer_for, verified


def resource_routes(blueprint: Blueprint, parts: OpenIdParts) -> None:
    @blueprint.route("/userinfo", methods=["GET", "POST", "OPTIONS"])
    def userinfo() -> Response:
        if request.method == "OPTIONS":
            return cors(Response(status=204))
        try:
            return cors(_userinfo(parts))
        except Problem as problem:
            return cors(bearer_error(problem))

    @blueprint.post("/introspect")
    def introspect() -> Response:
        try:
            return json_response(_introspect(parts))
        except Problem as problem:
            return token_error(problem)

    @blueprint.post("/revoke")
    def revoke() -> Response:
        try:
            _revoke(parts)
        except Problem as problem:
            return token_error(problem)
        return json_response({})


def _presented(parts: OpenIdParts, moment: Moment) -> Presented:
    """The one access token of the request, in the header or in a form (RFC 6750 §2); never in the query."""
    header = request.headers.get("Authorization")
    if "access_token" in request.args:
        raise Problem(Code.INVALID_REQUEST, "An access token is not sent in the address.")
    if request.method == "POST" and request.mimetype == "application/x-www-form-urlencoded":
        sent = [value for name, value in form_pairs(request) if name == "access_token"]
        if sent and (header is not None or len(sent) > 1):
            raise Problem(Code.INVALID_REQUEST, "Send the access token in one way only.")
        if sent:
            return Presented(sent[0], certificate=certificate_at(parts))
    scheme, token = read_authorization(header)
    proof = proof_at(parts, "/userinfo", moment) if scheme == "dpop" else None
    return Presented(token, scheme, proof, certificate_at(parts))


def _userinfo(parts: OpenIdParts) -> Response:
    moment = parts.moment()
    presented = _presented(parts, moment)

    def look(r: Reader) -> Response:
        caller = read_bearer(r, parts.keys, presented, parts.issuer, moment)
        if presented.proof is not None:
            spend(r.writing(), parts.vault, presented.proof)
        if caller.user_id is None or "openid" not in caller.scopes:
            raise Problem(Code.INSUFFICIENT_SCOPE, "This token was not issued for a person with scope openid.")
        user, app = r.users.by_id(caller.user_id), r.apps.by_client_id(caller.app_id)
        if user is None or app is None:
            raise Problem(Code.INVALID_TOKEN, "The token is not valid.", "user or app is gone")
        home = r.configuration.homes.get(user.home_tenant_id or "")
        occasion = Occasion(
            issuer=parts.issuer,
            vault=parts.vault,
            client=app,
            client_auth="none",
            scope=sorted(caller.scopes),
            counted=None,
            address=_address(r, caller),
        )
        claims = userinfo_claims(subject_of(r, user, app, home, moment.at), occasion).claims
        if app.userinfo_alg is None:
            return json_response(claims)
        # OpenID Connect Core §5.3.2
        addressed = claims | {"iss": issuer_for(r, app, parts.issuer, moment.at), "aud": app.app_id}
        signer = signer_for(r, parts.keys, app, app.userinfo_alg, moment.at)
        return jwt_response(signer.sign(addressed, "JWT"))

    return parts.store.look(look) if presented.proof is None else parts.store.transact(look)


def _address(r: Reader, caller: Caller) -> str:
    """The browser's address at the sign-in that the token is of."""
    grant = r.grants.by_id(caller.grant_id or "")
    return "" if grant is None else str(grant.document.get("address", ""))


def _client(w: Writer, parts: OpenIdParts, form: dict[str, str], endpoint: str) -> Client:
    audiences = (parts.issuer, f"{parts.issuer}/token", f"{parts.issuer}/{endpoint}")
    return authenticate(w, parts, request, form, audiences, parts.moment())


def _introspect(parts: OpenIdParts) -> dict[str, Any]:
    """Only the client a token was issued to, or the API it is for, learns anything of it."""
    form, moment = form_of(request), parts.moment()

    def look(w: Writer) -> dict[str, Any]:
        client = _client(w, parts, form, "introspect")
        if client.method == "none":
            raise Problem(Code.INVALID_CLIENT, "Introspection needs a client that authenticates.")
        token = form.get("token", "")
        refresh = parts.vault.read_handle("refresh", token)
        if refresh is not None:
            grant = w.grants.by_id(refresh.id)
            return _refresh_state(w, parts, client, grant, refresh.generation)
        try:
            claims = verified(w, parts.keys, token, ACCESS_TOKEN_TYPE, parts.issuer, moment.at)
            standing(w, claims, moment)
        except Problem:
            return {"active": False}
        mine = claims.get("client_id") == client.app.app_id
        if not (mine or is_for(w, token, claims, client.app)):
            return {"active": False}
        bound_to_key = "jkt" in claims.get("cnf", {})
        return claims | {"active": True, "token_type": "DPoP" if bound_to_key else "Bearer"}

    return parts.documents.having(moment.at, lambda: parts.store.transact(look))


def _refresh_state(
    r: Reader, parts: OpenIdParts, client: Client, grant: Grant | None, generation: int
) -> dict[str, Any]:
    """A refresh token is active if it would be taken now."""
    if grant is None or grant.app_id != client.app.app_id or generation != grant.generation:
        return {"active": False}
    try:
        now = reconsider(r, grant, parts.moment(), refresh=True)
    except Problem:
        return {"active": False}
    return {
        "active": True,
        "token_type": "refresh_token",
        "client_id": grant.app_id,
        "sub": pairwise(parts.vault, client.app, now.user.id),
        "scope": " ".join(grant.document["scope"]),
        "exp": int(grant.expires_at.timestamp()),
        "iss": parts.issuer,
    }


def _revoke(parts: OpenIdParts) -> None:
    """An unknown token, or another client's, changes nothing and is no error (RFC 7009 §2.2)."""
    form, moment = form_of(request), parts.moment()
    if "token" not in form:
        raise Problem(Code.INVALID_REQUEST, "token is missing.")

    def revoke(w: Writer) -> None:
        client = _client(w, parts, form, "revoke")
        handle = parts.vault.read_handle("refresh", form["token"])
        if handle is not None:
            grant = w.grants.by_id(handle.id)
            if grant is not None and grant.app_id == client.app.app_id:
                w.grants.revoke(grant.id, moment.at)
            return
        try:
            claims = verified(w, parts.keys, form["token"], ACCESS_TOKEN_TYPE, parts.issuer, moment.at)
        except Problem:
            return
        if claims.get("client_id") == client.app.app_id:
            w.grants.revoke_token(claims["jti"], datetime.fromtimestamp(claims["exp"], UTC))

    parts.documents.having(moment.at, lambda: parts.store.transact(revoke))
