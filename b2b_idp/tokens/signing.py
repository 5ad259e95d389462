"""Which key signs a token, which issuer it names, and whose key signed one that comes back.

An application may have signing keys of its own: they sign what is for it, id_tokens and access tokens to it as an API.
Whatever is for ourselves (userinfo, Graph) is signed by the instance's keys alone, so that no application's key can
make a token that we would believe.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from b2b_idp.claims.mapping import ClaimsMapping
from b2b_idp.keys import app_keys
from b2b_idp.keys.app_keys import signing_now
from b2b_idp.keys.ring import LONGEST_TOKEN, KeyRing, Signer
from b2b_idp.model.directory import App, AppKey
from b2b_idp.model.problem import Code, Problem
from b2b_idp.store import Reader
from b2b_idp.store.apps import app_of
from b2b_idp.tokens.bearer import ACCESS_TOKEN_TYPE


def own_key(r: Reader, app: App, at: datetime) -> AppKey | None:
    """The application's own key that signs now: the one it prefers, else the youngest, among those whose time has come
    and is not over. Says nothing of the private half."""
    return signing_now(r.app_keys.of(app.id), app.preferred_key, at)


def signer_for(r: Reader, keys: KeyRing, app: App, alg: str, at: datetime) -> Signer:
    """What signs a token for this application: its own key, else the instance's key of `alg`."""
    own = own_key(r, app, at)
    return keys.signer(alg, at) if own is None else app_keys.signer_of(r.app_keys.private(own), own.kid)


def issuer_for(r: Reader, app: App, issuer: str, at: datetime) -> str:
    """`iss` of tokens for this application: with its id where its policy asks for that and it has a key of its own."""
    mapping = _policy(r, app)
    wanted = mapping is not None and mapping.issuer_with_application_id and own_key(r, app, at) is not None
    return f"{issuer}/{app.app_id}" if wanted else issuer


def audience_for(r: Reader, app: App, audience: str, at: datetime) -> str:
    """`aud` of access tokens for this application: what its policy says in its place, if it has a key of its own."""
    override = mapping.audience_override if (mapping := _policy(r, app)) is not None else None
    return override if override is not None and own_key(r, app, at) is not None else audience


def _policy(r: Reader, app: App) -> ClaimsMapping | None:
    return r.configuration.claims_mappings.get(app.claims_policy_id) if app.claims_policy_id else None


def verified(
    r: Reader, keys: KeyRing, token: str, typ: str, issuer: str, at: datetime, *, expired_too: bool = False
) -> dict[str, Any]:
    """The claims of a token of ours, whichever key signed it. What an application's own key signed is believed only if
    it is for that application alone and as we make tokens: whoever gave us the key may have signed it. Raises
    Problem(INVALID_TOKEN)."""
    own = r.app_keys.by_kid(app_keys.kid_in(token))
    if not own:
        claims = keys.verify(token, typ, at, expired_too=expired_too)
        owners: set[str] = set()
    else:
        # a hint proves nothing, and may be as old as its session
        own = own if expired_too else app_keys.published(own, at)
        if not own:
            raise _invalid("signed by an application's key that is over")
        claims = app_keys.verify(own[0].certificate, token, typ, at, expired_too=expired_too)
        rows = [row for key in own if (row := r.apps.row(key.app)) is not None]
        named = set(_listed(claims.get("aud")))
        if not named or not any(named <= set(audiences(r, app_of(row))) for row in rows):
            raise _invalid("signed by an application's key, for another audience")
        _check_forgeable(claims, typ, at)
        owners = {f"{issuer}/{row.app_id}" for row in rows}
    said = claims.get("iss")
    if said != issuer and said not in owners:
        raise _invalid("another issuer")
    return claims


_ID = re.compile(r"[!-~]{1,128}")


def _check_forgeable(claims: Mapping[str, Any], typ: str, at: datetime) -> None:
    """Raises Problem(INVALID_TOKEN) unless what is looked up of these claims has the form that ours have."""
    if claims["exp"] > (at + LONGEST_TOKEN).timestamp():
        raise _invalid("it lives longer than any token of ours")
    ids = [claims.get("jti"), claims.get("client_id")] if typ == ACCESS_TOKEN_TYPE else []
    if not all(isinstance(id, str) and _ID.fullmatch(id) for id in ids):
        raise _invalid("no jti or client_id")


def is_for(r: Reader, token: str, claims: Mapping[str, Any], app: App) -> bool:
    """Whether a verified token is for this application as an API. What another application's policy or key says does
    not make it so."""
    own = r.app_keys.by_kid(app_keys.kid_in(token))
    named = audiences(r, app) if own else (app.app_id, *app.identifier_uris)
    return claims.get("aud") in named and (not own or any(key.app == app.id for key in own))


def audiences(r: Reader, app: App) -> tuple[str, ...]:
    """Every name by which a token for this application may call it."""
    mapping = _policy(r, app)
    override = mapping.audience_override if mapping else None
    return (app.app_id, *app.identifier_uris, *([override] if override else []))


def _listed(audience: object) -> list[str]:
    return [a for a in audience if isinstance(a, str)] if isinstance(audience, list) else [str(audience)]


def _invalid(why: str) -> Problem:
    return Problem(Code.INVALID_TOKEN, "The token is not valid.", why)
