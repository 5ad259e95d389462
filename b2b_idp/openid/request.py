"""Parameters → AuthorizeRequest, or a Problem that says whether it may be redirected. Order is the security property:
client and redirect URI first; only what was proven ours is ever redirected to."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from b2b_idp.keys.ring import KeyRing
from b2b_idp.keys.vault import Vault
from b2b_idp.model.directory import App
from b2b_idp.model.moment import Moment
from b2b_idp.model.problem import Code, Problem
from b2b_idp.model.request import AuthorizeRequest
from b2b_idp.openid.parts import Pairs, once, repeated
from b2b_idp.policy.decide import ACR_VALUES
from b2b_idp.store import Reader

OIDC_SCOPES = ("openid", "profile", "email", "offline_access")
GRAPH_SCOPES = ("User.Read",)
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
_GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_PROMPTS = frozenset({"none", "login", "consent", "select_account"})
_LONGEST = 2048


@dataclass(frozen=True, slots=True)
class Bad:
    """A request that is refused; `to` is set when the app is to be told at its registered redirect URI."""

    problem: Problem
    to: AuthorizeRequest | None = None


def client_of(r: Reader, pairs: Pairs) -> App:
    """The registered client. Raises Problem(UNKNOWN_CLIENT), which never leads to a redirect."""
    client_id = once(pairs).get("client_id", "")
    app = r.apps.by_client_id(client_id.lower()) if _GUID.fullmatch(client_id) else None
    if "client_id" in repeated(pairs) or app is None or not app.enabled:
        raise Problem(
            Code.UNKNOWN_CLIENT,
            "The app that sent you here is not registered, or was switched off. Tell the people who run it.",
            "unknown, repeated or disabled client_id",
        )
    return app


def redirect_uri_of(app: App, pairs: Pairs) -> str:
    """The redirect URI, byte for byte one of the app's (RFC 9700 §2.1); the port of a loopback address is free
    (RFC 8252 §7.3) for public clients only. Raises Problem(UNREGISTERED_REDIRECT_URI)."""
    uri = once(pairs).get("redirect_uri", "")
    if uri in app.redirect_uris and "redirect_uri" not in repeated(pairs):
        return uri
    raise Problem(
        Code.UNREGISTERED_REDIRECT_URI,
        "The app that sent you here gave an address that is not registered for it. Tell the people who run it.",
        "redirect_uri missing, repeated or not registered",
    )


def parse(
    r: Reader,
    app: App,
    redirect_uri: str,
    pairs: Pairs,
    issuer: str,
    keys: KeyRing,
    vault: Vault,
    moment: Moment,
) -> AuthorizeRequest | Bad:
    """The rest of the request, every parameter checked."""
    given = once(pairs)
    mode = given.get("response_mode", "query")
    answer_to = AuthorizeRequest(
        client_id=app.app_id,
        redirect_uri=redirect_uri,
        scope=(),
        state=given.get("state"),
        response_mode="form_post" if mode == "form_post" else "query",
    )
    try:
        return _checked(r, app, answer_to, pairs, given, issuer, keys, vault, moment)
    except Problem as problem:
        return Bad(problem, answer_to)


def _bad(say: str) -> Problem:
    return Problem(Code.INVALID_REQUEST, say)


def _checked(
    r: Reader,
    app: App,
    to: AuthorizeRequest,
    pairs: Pairs,
    given: Mapping[str, str],
    issuer: str,
    keys: KeyRing,
    vault: Vault,
    moment: Moment,
) -> AuthorizeRequest:
    twice = repeated(pairs)
    if twice:
        raise _bad(f"Each parameter stands once; {sorted(twice)[0][:40]} is repeated.")
    if "request" in given:
        raise Problem(Code.REQUEST_NOT_SUPPORTED, "Request objects are not supported.")
    if "request_uri" in given:
        raise Problem(Code.REQUEST_URI_NOT_SUPPORTED, "request_uri is not supported.")
    if "response_type" not in given:
        raise _bad("response_type is missing; it is code.")
    if given["response_type"] != "code":
        raise Problem(Code.UNSUPPORTED_RESPONSE_TYPE, "response_type is code, nothing else.")
    if given.get("response_mode", "query") not in ("query", "form_post"):
        raise _bad("response_mode is query or form_post.")
    for name, value in given.items():
        if len(value) > _LONGEST and name != "claims":
            raise _bad(f"{name[:40]} is longer than {_LONGEST} characters.")
        if "\x00" in value:
            raise _bad(f"{name[:40]} holds a NUL.")
    prompt = frozenset(given.get("prompt", "").split())
    if not prompt <= _PROMPTS or ("none" in prompt and len(prompt) > 1):
        raise _bad("prompt is none, or some of login, consent and select_account.")
    claims = _claims(given.get("claims"))
    acr_values, essential = _acr(given, claims)
    return AuthorizeRequest(
        client_id=to.client_id,
        redirect_uri=to.redirect_uri,
        scope=scopes_of(r, app, given.get("scope", ""), issuer),
        state=to.state,
        nonce=given.get("nonce"),
        code_challenge=_pkce(app, given),
        response_mode=to.response_mode,
        prompt=prompt,
        max_age=_max_age(given.get("max_age")),
        acr_values=acr_values,
        acr_essential=essential,
        claims=claims,
        login_hint=given.get("login_hint"),
        domain_hint=given.get("domain_hint"),
        ui_locales=given.get("ui_locales"),
        hinted_user_id=_hinted(r, app, given.get("id_token_hint"), keys, vault, moment),
    )


def _pkce(app: App, given: Mapping[str, str]) -> str | None:
    challenge = given.get("code_challenge")
    if challenge is None:
        if app.require_pkce or app.public:
            raise _bad("PKCE is required: send code_challenge with code_challenge_method=S256 (RFC 7636).")
        if "nonce" not in given:
            raise _bad("A request without PKCE needs a nonce.")
        return None
    if given.get("code_challenge_method") != "S256":
        raise _bad("code_challenge_method is S256.")
    if not _CHALLENGE.fullmatch(challenge):
        raise _bad("code_challenge is 43 characters of base64url.")
    return challenge


def _max_age(text: str | None) -> int | None:
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise _bad("max_age is a number of seconds, 0 or more.")
    return int(text)


def _claims(text: str | None) -> Mapping[str, Any]:
    """The `claims` parameter (OpenID Connect Core §5.5)."""
    if text is None:
        return {}
    if len(text) > 8192:
        raise _bad("claims is longer than 8192 characters.")
    try:
        claims = json.loads(text)
    except (ValueError, RecursionError):
        raise _bad("claims is not JSON.") from None
    if not isinstance(claims, dict) or not all(
        isinstance(claims.get(part, {}), dict) for part in ("id_token", "userinfo", "access_token")
    ):
        raise _bad("claims is an object with id_token and userinfo members.")
    return claims


def _acr(given: Mapping[str, str], claims: Mapping[str, Any]) -> tuple[tuple[str, ...], bool]:
    """acr values in order of preference, and whether one of them is essential (OpenID Connect Core §5.5.1.1)."""
    asked = (claims.get("id_token") or {}).get("acr")
    if isinstance(asked, dict) and asked.get("essential") is True:
        values = asked.get("values", [asked["value"]] if "value" in asked else [])
        if not isinstance(values, list) or not all(isinstance(v, str) for v in values):
            raise _bad("claims.id_token.acr.values is an array of strings.")
        if values:
            if not any(v in ACR_VALUES for v in values):
                raise Problem(
                    Code.UNMET_AUTHENTICATION_REQUIREMENTS,
                    "None of the acr values that the app requires is one of acr_values_supported.",
                )
            return tuple(values), True
    return tuple(given.get("acr_values", "").split()), False


def scopes_of(r: Reader, app: App, text: str, issuer: str) -> tuple[str, ...]:
    """The scopes asked for, each known: OpenID's, User.Read, or `{identifier URI}/{scope}` of one API."""
    scopes = tuple(dict.fromkeys(text.split()))
    if "openid" not in scopes:
        raise Problem(Code.INVALID_SCOPE, "scope must contain openid.")
    audiences = set()
    for scope in scopes:
        if scope in OIDC_SCOPES or scope in GRAPH_SCOPES:
            continue
        uri, _, name = scope.rpartition("/")
        api = r.apps.by_identifier_uri(uri) if uri else None
        if api is None or (name not in api.scopes and name != ".default"):
            raise Problem(Code.INVALID_SCOPE, f"The scope {scope[:100]} is not known.")
        audiences.add(api.app_id)
    if len(audiences) > 1 or (audiences and set(scopes) & set(GRAPH_SCOPES)):
        raise Problem(Code.INVALID_SCOPE, "The scopes of one request belong to one API.")
    return scopes


def _hinted(r: Reader, app: App, hint: str | None, keys: KeyRing, vault: Vault, moment: Moment) -> str | None:
    """The user whom an id_token_hint of ours names; one that is not ours names nobody who could be signed in."""
    if hint is None:
        return None
    try:
        claims = keys.verify(hint, "JWT", moment.at, expired_too=True)
    except Problem:
        return "nobody"
    return str(claims.get("oid") or "nobody") if claims.get("aud") == app.app_id else "nobody"
