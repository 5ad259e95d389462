"""From a grant that stands to the tokens of one answer."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from b2b_idp.logs import log
from b2b_idp.model.moment import Moment
from b2b_idp.model.problem import Code, Problem
from b2b_idp.openid.client import Client
from b2b_idp.openid.parts import OpenIdParts
from b2b_idp.openid.resource_indicators import narrowed
from b2b_idp.signin.values import Standing
from b2b_idp.store import Writer
from b2b_idp.store.grants import Grant
from b2b_idp.tokens import claims
from b2b_idp.tokens.bearer import ACCESS_TOKEN_TYPE
from b2b_idp.tokens.gather import Subject, subject_of
from b2b_idp.tokens.made import Made
from b2b_idp.tokens.occasion import Occasion, capabilities_of
from b2b_idp.tokens.preview import problems
from b2b_idp.tokens.signing import signer_for


def invalid_grant(why: str) -> Problem:
    return Problem(Code.INVALID_GRANT, "The code or token is not valid, or not valid any more. Sign in again.", why)


def remember_confirmation(w: Writer, grant: Grant, client: Client, **more: Any) -> None:
    """Keeps what the tokens of this answer are bound to, and `more`: the refresh token beside them is held to it."""
    claim = client.confirmation.claim
    if more or claim != grant.document.get("cnf", {}):
        w.grants.amend(grant.id, dict(grant.document) | more | {"cnf": claim})


def issue(
    parts: OpenIdParts,
    w: Writer,
    client: Client,
    grant: Grant,
    standing: Standing,
    scope: Sequence[str],
    moment: Moment,
    *,
    resource: str | None,
    nonce: str | None,
    generation: int,
) -> dict[str, Any]:
    """The answer for a grant's `scope`, for the `resource` that this request names, if it does (RFC 8707).
    Raises Problem(INVALID_TARGET | INVALID_GRANT)."""
    at = moment.at
    subject = subject_of(w, standing.user, standing.app, standing.home, at)
    audience, scope = narrowed(parts.issuer, scope, grant.document["request"].get("resource"), resource)
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
        confirmation=client.confirmation,
        capabilities=capabilities_of(standing.claims_request),
        moment=moment,
    )
    access_token = signed_access_token(parts, w, occasion, standing, subject, audience, at)
    answer: dict[str, Any] = {
        "access_token": access_token,
        "token_type": client.confirmation.token_type,
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


def signed_access_token(
    parts: OpenIdParts,
    w: Writer,
    occasion: Occasion,
    standing: Standing,
    subject: Subject,
    audience: str,
    at: datetime,
) -> str:
    """An access token for `audience`; `subject` is the person for the occasion's client.
    Raises Problem(INVALID_GRANT) where the API has not that person."""
    if audience == parts.issuer:
        made = claims.access_token(subject, occasion, audience)
        return parts.keys.signer("ES256", at).sign(made.claims, ACCESS_TOKEN_TYPE)
    to = _for_api(w, audience, standing, at)
    made = claims.access_token(to, occasion, audience)
    _log_left_out("access token", to, made)
    return signer_for(w, parts.keys, to.app, "ES256", at).sign(made.claims, ACCESS_TOKEN_TYPE)


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
        raise invalid_grant("the API is gone or disabled")
    subject = subject_of(w, standing.user, api, standing.home, at)
    if not subject.assigned:
        raise invalid_grant("the API requires an assignment, which the person does not have")
    return subject
