"""Token exchange (RFC 8693): an app that is an API calls another app's API for the guest who called it.

It is delegation: the new token says who acts (`act`), and who acts has what was granted to it there, not what was
granted to the app before it. The guest's sign-in stands behind both, and is judged again for each app on the way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from b2b_idp.model.directory import GRAPH_APP_ID, App
from b2b_idp.model.moment import Moment
from b2b_idp.model.problem import Code, Problem
from b2b_idp.openid.client import Client
from b2b_idp.openid.grants.issue import invalid_grant, signed_access_token
from b2b_idp.openid.parts import OpenIdParts
from b2b_idp.openid.resource_indicators import audience_of, invalid_target, target_of
from b2b_idp.openid.scopes import scopes_at
from b2b_idp.signin import reconsider
from b2b_idp.store import Reader, Writer
from b2b_idp.store.grants import Grant
from b2b_idp.tokens.bearer import ACCESS_TOKEN_TYPE, standing
from b2b_idp.tokens.claims import ACCESS_TOKEN_LIFETIME, lifetime_of
from b2b_idp.tokens.gather import subject_of
from b2b_idp.tokens.occasion import Occasion
from b2b_idp.tokens.signing import is_for, verified

_ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
_JWT = "urn:ietf:params:oauth:token-type:jwt"
_LONGEST_CHAIN = 5
"""How many apps may act one for another."""


def exchange(parts: OpenIdParts, w: Writer, client: Client, form: Mapping[str, str], moment: Moment) -> dict[str, Any]:
    """An access token for another API, for the guest of `subject_token`.

    Raises Problem(UNAUTHORIZED_CLIENT | INVALID_REQUEST | INVALID_GRANT | INVALID_TARGET | INVALID_SCOPE).
    """
    if client.method == "none":
        raise Problem(Code.UNAUTHORIZED_CLIENT, "A public client cannot exchange tokens.")
    _check_types(form)
    claims, origin = _subject(parts, w, client, form.get("subject_token", ""), moment)
    target, api = _target(w, client, form, parts.issuer)
    scope = scopes_at(w, client.app, form.get("scope", ""), parts.issuer, target)
    withheld = set(scope) - set(client.app.consent_granted) - w.grants.consented(origin.user_id, client.app.app_id)
    if withheld:
        raise Problem(Code.INVALID_SCOPE, "Nobody let this app have these scopes: " + ", ".join(sorted(withheld))[:200])
    reconsider(w, origin, moment, refresh=True)
    reconsider(w, _as_for(origin, client.app, ()), moment, refresh=True)
    stands = reconsider(w, _as_for(origin, api, scope), moment, refresh=True)
    ends = min(moment.at + ACCESS_TOKEN_LIFETIME, datetime.fromtimestamp(claims["exp"], UTC), origin.expires_at)
    grant = replace(
        _as_for(origin, client.app, scope, scope),
        id=moment.new_id(),
        created_at=moment.at,
        expires_at=ends,
        code_used_at=moment.at,
    )
    w.grants.add(grant)
    occasion = Occasion(
        issuer=parts.issuer,
        vault=parts.vault,
        client=client.app,
        client_auth=client.method,
        scope=scope,
        counted=stands.counted,
        session_id=origin.session_id,
        grant_id=grant.id,
        address=origin.document.get("address", ""),
        confirmation=client.confirmation,
        actor=_actor(client.app, claims.get("act")),
        not_after=ends,
        moment=moment,
    )
    subject = subject_of(w, stands.user, client.app, stands.home, moment.at)
    return {
        "access_token": signed_access_token(parts, w, occasion, stands, subject, target, moment.at),
        "issued_token_type": _ACCESS_TOKEN,
        "token_type": client.confirmation.token_type,
        "expires_in": int(lifetime_of(ends, moment).total_seconds()),
        "scope": " ".join(scope),
    }


def _check_types(form: Mapping[str, str]) -> None:
    if form.get("subject_token_type") not in (_ACCESS_TOKEN, _JWT):
        raise Problem(Code.INVALID_REQUEST, f"subject_token_type is {_ACCESS_TOKEN}.")
    if form.get("requested_token_type", _ACCESS_TOKEN) not in (_ACCESS_TOKEN, _JWT):
        raise Problem(Code.INVALID_REQUEST, f"requested_token_type is {_ACCESS_TOKEN}.")
    if "actor_token" in form or "actor_token_type" in form:
        raise Problem(Code.INVALID_REQUEST, "The actor is the app that authenticates: send no actor_token.")


def _subject(
    parts: OpenIdParts, w: Writer, client: Client, token: str, moment: Moment
) -> tuple[Mapping[str, Any], Grant]:
    """The claims of a token that a guest's app sent to this client as an API, and the grant behind it. What the grant
    says counts: a token that the client's own key signed may say anything."""
    try:
        claims = verified(w, parts.keys, token, ACCESS_TOKEN_TYPE, parts.issuer, moment.at)
        caller = standing(w, claims, moment)
    except Problem as refused:
        raise invalid_grant(f"subject_token: {refused.why}") from None
    grant = w.grants.by_id(caller.grant_id) if caller.grant_id else None
    if grant is None:
        raise invalid_grant("subject_token is of no person")
    granted = audience_of(parts.issuer, grant.document["scope"], grant.document["request"].get("resource"))
    if not is_for(w, token, claims, client.app) or granted not in (client.app.app_id, *client.app.identifier_uris):
        raise invalid_grant("subject_token is not for the app that sends it")
    return claims, grant


def _target(r: Reader, client: Client, form: Mapping[str, str], issuer: str) -> tuple[str, App]:
    """The API to be called: its identifier URI (our issuer for Graph), and its application."""
    named = list(dict.fromkeys(form[name] for name in ("resource", "audience") if name in form))
    uris = [word.rpartition("/")[0] for word in form.get("scope", "").split() if "/" in word]
    target = target_of(r, named or uris[:1], issuer)
    if target is None:
        raise Problem(Code.INVALID_REQUEST, "Name the API to be called by resource, audience or scope.")
    api = r.apps.by_client_id(GRAPH_APP_ID) if target == issuer else r.apps.by_identifier_uri(target)
    if api is None or api.id == client.app.id:
        raise invalid_target("An app exchanges a token for another app's API.")
    return target, api


def _as_for(grant: Grant, app: App, scope: tuple[str, ...], granted: tuple[str, ...] = ()) -> Grant:
    """The sign-in behind a grant as one for another app, which asks for `scope`: what the first app asked of it
    concerned that app alone. `granted` are the scopes whose consent counts: none for the API, which asks for nothing.
    """
    asked = {"acr_values": [], "acr_essential": False, "contexts": [], "contexts_essential": False, "claims": {}}
    asked |= {"client_id": app.app_id, "scope": list(scope), "resource": None, "nonce": None, "dpop_jkt": None}
    # native or browser: how the first app runs says nothing of this one
    asked |= {"redirect_uri": ""}
    document = dict(grant.document) | {"request": grant.document["request"] | asked, "exchangedFrom": grant.id}
    return replace(grant, app_id=app.app_id, document=document | {"scope": list(granted)})


def _actor(app: App, before: object) -> dict[str, Any]:
    """The `act` claim: this app, for those that acted before it (RFC 8693 §4.1)."""
    actor: dict[str, Any] = {"sub": app.sp_id, "client_id": app.app_id}
    if isinstance(before, dict):
        depth, inner = 1, before
        while isinstance(inner.get("act"), dict):
            depth, inner = depth + 1, inner["act"]
        if depth >= _LONGEST_CHAIN:
            raise Problem(Code.INVALID_REQUEST, f"At most {_LONGEST_CHAIN} apps act one for another.")
        actor["act"] = before
    return actor
