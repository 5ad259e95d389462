"""Our own access tokens, as userinfo and Graph accept them: type, issuer, audience, tenant, life and standing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from b2b_idp.keys.ring import KeyRing
from b2b_idp.model.moment import Moment
from b2b_idp.model.problem import Code, Problem
from b2b_idp.store import Reader
from b2b_idp.store.grants import Grant
from b2b_idp.tokens.possession import Presented, check_possession

ACCESS_TOKEN_TYPE = "at+jwt"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who holds the token: an app for itself (`user_id` None, `roles`), or an app for a user (`scopes`)."""

    app_id: str
    sp_id: str
    user_id: str | None
    roles: frozenset[str]
    scopes: frozenset[str]
    grant_id: str | None
    claims: Mapping[str, Any]


def read_bearer(r: Reader, keys: KeyRing, presented: Presented, issuer: str, moment: Moment) -> Caller:
    """The caller behind an access token for our own audience, which holds what the token is bound to.
    Raises Problem(INVALID_TOKEN | INVALID_DPOP_PROOF)."""
    claims = keys.verify(presented.token, ACCESS_TOKEN_TYPE, moment.at)
    check_possession(claims, presented)
    if claims.get("iss") != issuer or claims.get("aud") != issuer:
        raise _invalid("another issuer or audience")
    if claims.get("tid") != r.configuration.tenant.id:
        raise _invalid("another tenant")
    return standing(r, claims, moment)


def standing(r: Reader, claims: Mapping[str, Any], moment: Moment) -> Caller:
    """The caller of verified claims, if app, user and grant still stand. Raises Problem(INVALID_TOKEN)."""
    jti, client_id = claims.get("jti"), claims.get("client_id")
    if not isinstance(jti, str) or not isinstance(client_id, str):
        raise _invalid("no jti or client_id")
    if r.grants.is_revoked(jti):
        raise _invalid("revoked")
    app = r.apps.by_client_id(client_id)
    if app is None or not app.enabled:
        raise _invalid("the app is gone or disabled")
    roles, scp = claims.get("roles", []), claims.get("scp", "")
    if not isinstance(roles, list) or not isinstance(scp, str):
        raise _invalid("roles or scp of another type")
    if claims.get("idtyp") == "app":
        return Caller(app.app_id, app.sp_id, None, frozenset(map(str, roles)), frozenset(), None, claims)
    grant = r.grants.by_id(jti.partition(".")[0])
    if grant is None or not _stands(r, grant) or grant.app_id != client_id:
        raise _invalid("the grant is revoked or gone, or another app's")
    user = r.users.by_id(grant.user_id)
    if user is None or not user.usable_at(moment.at):
        raise _invalid("the user is gone or disabled")
    if user.sessions_valid_from is not None and grant.created_at < user.sessions_valid_from:
        raise _invalid("the user's sessions were revoked")
    return Caller(app.app_id, app.sp_id, user.id, frozenset(), frozenset(scp.split()), grant.id, claims)


def _stands(r: Reader, grant: Grant) -> bool:
    """Whether neither the grant is revoked nor one that it came from by token exchange."""
    origin: Grant | None = grant
    while origin is not None and origin.revoked_at is None:
        before = origin.document.get("exchangedFrom")
        if before is None:
            return True
        origin = r.grants.by_id(before)
    return False


def _invalid(why: str) -> Problem:
    return Problem(Code.INVALID_TOKEN, "The token is not valid.", why)
