"""The token endpoint (RFC 6749 §3.2): authorization_code, refresh_token, client_credentials.

Everything is in one writing transaction: what is consumed and what is handed out land together, or neither. What a
refusal did is kept (a family revoked, an assertion spent); only a failure of ours undoes it.
"""

from __future__ import annotations

import hmac
import re
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from flask import Blueprint, Response, request

from b2b_idp.logs import log
from b2b_idp.model.audited import directory_audit
from b2b_idp.model.directory import GRAPH_APP_ID, App
from b2b_idp.model.moment import Moment
from b2b_idp.model.problem import Code, Problem
from b2b_idp.model.request import AuthorizeRequest
from b2b_idp.openid.client import Client, authenticate, form_of
from b2b_idp.openid.parts import OpenIdParts
from b2b_idp.openid.responses import cors, json_response, token_error
from b2b_idp.openid.scopes import GRAPH_SCOPES, GRAPH_URI, OIDC_SCOPES
from b2b_idp.signin import reconsider
from b2b_idp.signin.values import Standing
from b2b_idp.store import Reader, Writer
from b2b_idp.store.grants import Grant
from b2b_idp.tokens import claims
from b2b_idp.tokens.bearer import ACCESS_TOKEN_TYPE
from b2b_idp.tokens.gather import Subject, app_roles, subject_of
from b2b_idp.tokens.made import Made
from b2b_idp.tokens.occasion import Occasion, capabilities_of
from b2b_idp.tokens.preview import problems
from b2b_idp.tokens.signing import audience_for, issuer_for, signer_for

CODE_LIFETIME = timedelta(seconds=60)
SUCCESSOR_WINDOW = timedelta(seconds=10)
"""How long a rotated refresh token still gets its successor again, since answers get lost."""

_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")


_OUR_FAULT = (Code.UNAVAILABLE, Code.INTERNAL, Code.BAD_SETTING)


def token_routes(blueprint: Blueprint, parts: OpenIdParts) -> None:
    endpoint = f"{parts.issuer}/token"

    @blueprint.route("/token", methods=["POST", "OPTIONS"])
    def token() -> Response:
        if request.method == "OPTIONS":
            return cors(Response(status=204))
        try:
            form, moment = form_of(request), parts.moment()
            # an app's own token by its secret is read and signed: nothing is written, so no writer waits for it
            only_reads = form.get("grant_type") == "client_credentials" and "client_assertion" not in form

            def grant(r: Reader) -> Response:
                client = authenticate(r, parts.vault, request, form, (parts.issuer, endpoint), moment)
                try:
                    return json_response(_grant(parts, r, client, form, moment))
                except Problem as refused:
                    # what it wrote stays: a code used twice ends its family
                    if refused.code in _OUR_FAULT:
                        raise
                    return token_error(refused)

            return cors(parts.store.look(grant) if only_reads else parts.store.transact(grant))
        except Problem as problem:
            return cors(token_error(problem))


def _grant(parts: OpenIdParts, w: Reader, client: Client, form: Mapping[str, str], moment: Moment) -> dict[str, Any]:
    match form.get("grant_type"):
        case "authorization_code":
            return _code(parts, w.writing(), client, form, moment)
        case "refresh_token":
            return _refresh(parts, w.writing(), client, form, moment)
        case "client_credentials":
            return _for_itself(parts, w, client, form, moment)
        case None:
            raise Problem(Code.INVALID_REQUEST, "grant_type is missing.")
        case _:
            raise Problem(
                Code.UNSUPPORTED_GRANT_TYPE,
                "grant_type is authorization_code, refresh_token or client_credentials.",
            )


def _invalid_grant(why: str) -> Problem:
    return Problem(Code.INVALID_GRANT, "The code or token is not valid, or not valid any more. Sign in again.", why)


def _code(parts: OpenIdParts, w: Writer, client: Client, form: Mapping[str, str], moment: Moment) -> dict[str, Any]:
    """RFC 6749 §4.1.3 and RFC 7636 §4.6."""
    handle = parts.vault.read_handle("code", form.get("code", ""))
    grant = w.grants.by_id(handle.id) if handle else None
    if grant is None or grant.app_id != client.app.app_id:
        raise _invalid_grant("unknown code, or another client's")
    if grant.code_used_at is not None:
        raise _used_twice(w, grant, moment)
    if moment.at >= grant.created_at + CODE_LIFETIME:
        raise _invalid_grant("the code is too old")
    asked = AuthorizeRequest.from_json(grant.document["request"])
    if form.get("redirect_uri") != asked.redirect_uri:
        raise _invalid_grant("redirect_uri differs from the request's")
    _check_verifier(asked.code_challenge, form.get("code_verifier"))
    standing = reconsider(w, grant, moment)
    # refused tokens spend nothing: whoever tries again is no thief
    with w.savepoint():
        if w.grants.use_code(grant.id, moment.at):
            return _issue(parts, w, client, grant, standing, standing.scope, moment, nonce=standing.nonce, generation=0)
    raise _used_twice(w, grant, moment)


def _used_twice(w: Writer, grant: Grant, moment: Moment) -> Problem:
    """Whoever uses a code twice may have stolen it: what it gave is taken back (RFC 6749 §4.1.2)."""
    w.grants.revoke(grant.id, moment.at)
    return _invalid_grant("the code was used before; its tokens are revoked")


def _check_verifier(challenge: str | None, verifier: str | None) -> None:
    if challenge is None:
        if verifier is not None:
            raise _invalid_grant("a verifier without a challenge")
        return
    if verifier is None or not _VERIFIER.fullmatch(verifier):
        raise _invalid_grant("code_verifier missing or malformed")
    made = urlsafe_b64encode(sha256(verifier.encode()).digest()).decode().rstrip("=")
    if not hmac.compare_digest(made, challenge):
        raise _invalid_grant("code_verifier does not fit")


def _refresh(parts: OpenIdParts, w: Writer, client: Client, form: Mapping[str, str], moment: Moment) -> dict[str, Any]:
    """RFC 6749 §6, with rotation and reuse detection (RFC 9700 §4.14.2)."""
    handle = parts.vault.read_handle("refresh", form.get("refresh_token", ""))
    grant = w.grants.by_id(handle.id) if handle else None
    if handle is None or grant is None or grant.app_id != client.app.app_id:
        raise _invalid_grant("unknown refresh token, or another client's")
    current = handle.generation == grant.generation
    if not current and not _lost_answer(grant, handle.generation, moment):
        # before all else: a thief's try ends the family even while the guest could not use it
        w.grants.revoke(grant.id, moment.at)
        w.logs.add_audit(_reuse_audit(grant, client.app, moment), moment.at)
        raise _invalid_grant("the refresh token was used before; its family is revoked")
    granted = tuple(grant.document["scope"])
    scope = tuple(dict.fromkeys(form["scope"].split())) if "scope" in form else granted
    if not set(scope) <= set(granted):
        raise Problem(Code.INVALID_SCOPE, "A refreshed token has the granted scopes or fewer.")
    standing = reconsider(w, grant, moment, refresh=True)
    with w.savepoint():
        if current:
            if not w.grants.rotate(grant.id, grant.generation, moment.at):
                raise _invalid_grant("the refresh token was just rotated")
            if set(scope) != set(granted):
                narrowed = {"generation": handle.generation, "scope": scope}
                w.grants.amend(grant.id, dict(grant.document) | {"narrowed": narrowed})
        elif set(scope) != _first_scope(grant, handle.generation):
            raise Problem(Code.INVALID_SCOPE, "A lost answer is given again for the same scope only.")
        generation = handle.generation + 1
        return _issue(parts, w, client, grant, standing, scope, moment, nonce=None, generation=generation)


def _first_scope(grant: Grant, generation: int) -> set[str]:
    """The scope that a used refresh token was first used for."""
    narrowed = grant.document.get("narrowed", {})
    return set(narrowed["scope"] if narrowed.get("generation") == generation else grant.document["scope"])


def _lost_answer(grant: Grant, generation: int, moment: Moment) -> bool:
    """Whether a used token's successor is still unused and young, so that its answer may have been lost."""
    return (
        generation == grant.generation - 1
        and grant.rotated_at is not None
        and moment.at < grant.rotated_at + SUCCESSOR_WINDOW
    )


def _reuse_audit(grant: Grant, app: App, moment: Moment) -> dict[str, Any]:
    return directory_audit(
        moment,
        "Refresh token reuse detected",
        [{"id": grant.user_id, "displayName": None, "type": "User", "modifiedProperties": []}],
        category="Authentication",
        service="Authentication",
        app={"appId": app.app_id, "displayName": app.display_name},
        failure="the family was revoked",
    )


def _issue(
    parts: OpenIdParts,
    w: Writer,
    client: Client,
    grant: Grant,
    standing: Standing,
    scope: Sequence[str],
    moment: Moment,
    *,
    nonce: str | None,
    generation: int,
) -> dict[str, Any]:
    at = moment.at
    subject = subject_of(w, standing.user, standing.app, standing.home, at)
    audience = _audience(parts.issuer, scope)
    ours = audience == parts.issuer
    to = subject if ours else _for_api(w, audience, standing, at)
    occasion = Occasion(
        issuer=parts.issuer,
        vault=parts.vault,
        client=standing.app,
        client_auth=client.method,
        scope=scope,
        counted=standing.counted,
        nonce=nonce,
        session_id=grant.session_id,
        grant_id=grant.id,
        address=grant.document.get("address", ""),
        capabilities=capabilities_of(standing.claims_request),
        moment=moment,
    )
    access = claims.access_token(to, occasion, audience)
    signer = parts.keys.signer("ES256", at) if ours else signer_for(w, parts.keys, to.app, "ES256", at)
    access_token = signer.sign(access.claims, ACCESS_TOKEN_TYPE)
    if not ours:
        _log_left_out("access token", to, access)
    answer: dict[str, Any] = {
        "access_token": access_token,
        "token_type": "Bearer",
        "expires_in": int(claims.ACCESS_TOKEN_LIFETIME.total_seconds()),
        "scope": " ".join(scope),
    }
    if "openid" in scope:
        made = claims.id_token(subject, occasion, access_token)
        signer = signer_for(w, parts.keys, standing.app, standing.app.id_token_alg, at)
        answer["id_token"] = signer.sign(made.claims, "JWT")
        _log_left_out("id_token", subject, made)
    if "offline_access" in grant.document["scope"]:
        answer["refresh_token"] = parts.vault.handle("refresh", grant.id, generation)
    return answer


def _log_left_out(kind: str, subject: Subject, made: Made) -> None:
    """What an administrator's rules should have made and did not: names and reasons, no values."""
    wrong = problems(subject)
    if wrong or made.failed:
        policy = subject.app.claims_policy_id
        log.warning(
            "claims left out", token=kind, app_id=subject.app.app_id, policy_id=policy, claims=made.failed, why=wrong
        )


def _for_api(w: Writer, audience: str, standing: Standing, at: datetime) -> Subject:
    """The person as the API sees them: its own application's roles, groups and assignments count."""
    api = w.apps.by_identifier_uri(audience)
    if api is None or not api.enabled:
        raise _invalid_grant("the API is gone or disabled")
    subject = subject_of(w, standing.user, api, standing.home, at)
    if not subject.assigned:
        raise _invalid_grant("the API requires an assignment, which the person does not have")
    return subject


def _audience(issuer: str, scope: Sequence[str]) -> str:
    """The API that the scopes are of: its identifier URI, or ourselves for userinfo and Graph."""
    for s in scope:
        if s not in OIDC_SCOPES and s not in GRAPH_SCOPES:
            return s.rpartition("/")[0]
    return issuer


def _for_itself(
    parts: OpenIdParts, w: Reader, client: Client, form: Mapping[str, str], moment: Moment
) -> dict[str, Any]:
    """RFC 6749 §4.4: the application permissions granted on one API, by `{API}/.default`."""
    if client.method == "none":
        raise Problem(Code.UNAUTHORIZED_CLIENT, "A public client cannot act for itself.")
    scope = form.get("scope", "")
    uri, _, default = scope.rpartition("/")
    if default != ".default" or " " in scope:
        raise Problem(Code.INVALID_SCOPE, f"scope is {{API}}/.default, such as {parts.issuer}/.default.")
    ours = uri in (parts.issuer, GRAPH_URI)
    api = w.apps.by_client_id(GRAPH_APP_ID) if ours else w.apps.by_identifier_uri(uri)
    if api is None or not api.enabled:
        raise Problem(Code.INVALID_SCOPE, "The API in scope is not known.")
    roles = app_roles(w, client.app, api)
    if api.assignment_required and not roles:
        raise Problem(Code.UNAUTHORIZED_CLIENT, "This app was not given any permission on that API.")
    at = moment.at
    made = claims.app_token(
        client.app,
        issuer=parts.issuer if ours else issuer_for(w, api, parts.issuer, at),
        tenant_id=w.configuration.tenant.id,
        audience=parts.issuer if ours else audience_for(w, api, uri, at),
        roles=roles,
        client_auth=client.method,
        moment=moment,
    )
    signer = parts.keys.signer("ES256", at) if ours else signer_for(w, parts.keys, api, "ES256", at)
    return {
        "access_token": signer.sign(made.claims, ACCESS_TOKEN_TYPE),
        "token_type": "Bearer",
        "expires_in": int(claims.ACCESS_TOKEN_LIFETIME.total_seconds()),
    }
