"""Parameters → AuthorizeRequest, or a Problem that says whether it may be redirected. Order is the security property:
client and redirect URI first; only what was proven ours is ever redirected to."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from b2b_idp.model.directory import App
from b2b_idp.model.problem import Code, Problem
from b2b_idp.model.request import AuthorizeRequest, ResponseMode
from b2b_idp.openid.asked import Asked
from b2b_idp.openid.claims_request import acr_in, claims_in, contexts_in, scopes_for
from b2b_idp.openid.parts import Pairs, once, repeated
from b2b_idp.openid.resource_indicators import target_of
from b2b_idp.openid.scopes import scopes_of
from b2b_idp.store import Reader

_CHALLENGE = _THUMBPRINT = re.compile(r"[A-Za-z0-9_-]{43}")
_GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_LOOPBACK = re.compile(r"(http://(?:127\.0\.0\.1|\[::1\]|localhost))(?::[0-9]{1,5})?((?:[/?].*)?)")
_PROMPTS = frozenset({"none", "login", "consent", "select_account"})
RESPONSE_MODES: Mapping[str, ResponseMode] = {
    "query": "query",
    "form_post": "form_post",
    "query.jwt": "query.jwt",
    "form_post.jwt": "form_post.jwt",
    "jwt": "query.jwt",
}
"""What an app may ask for; `jwt` alone is the signed form of a code's default, query (JARM §2.3.4)."""
_LONG = 2048
_LONGEST = {"claims": 8192, "id_token_hint": 16384}


@dataclass(frozen=True, slots=True)
class Bad:
    """A request that is refused; the app is told at the registered redirect URI of `to`."""

    problem: Problem
    to: AuthorizeRequest


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
    if "redirect_uri" not in repeated(pairs):
        if uri in app.redirect_uris:
            return uri
        portless = _portless(uri) if app.public else None
        if portless is not None and portless in map(_portless, app.redirect_uris):
            return uri
    raise Problem(
        Code.UNREGISTERED_REDIRECT_URI,
        "The app that sent you here gave an address that is not registered for it. Tell the people who run it.",
        "redirect_uri missing, repeated or not registered",
    )


def _portless(uri: str) -> str | None:
    """A loopback address without its port; None for any other address."""
    found = _LOOPBACK.fullmatch(uri)
    return None if found is None else found[1] + found[2]


def answer_to(app: App, redirect_uri: str, asked: Asked) -> AuthorizeRequest:
    """Where and how the app is answered, whatever else is wrong with its request."""
    given = once(asked.pairs)
    return AuthorizeRequest(
        client_id=app.app_id,
        redirect_uri=redirect_uri,
        scope=(),
        state=given.get("state"),
        response_mode=RESPONSE_MODES.get(given.get("response_mode", ""), "query"),
        pushed_id=asked.pushed_id,
    )


def parse(
    r: Reader, app: App, redirect_uri: str, asked: Asked, issuer: str, hinted: Callable[[str], str | None]
) -> AuthorizeRequest | Bad:
    """The rest of the request, every parameter checked. `hinted` tells the user whom an id_token_hint names."""
    to = answer_to(app, redirect_uri, asked)
    try:
        if app.require_signed_request and not asked.signed:
            raise _bad("This app has to sign what it asks for: send a request object (RFC 9101).")
        return _checked(r, app, to, asked.pairs, issuer, hinted)
    except Problem as problem:
        return Bad(problem, to)


def _bad(say: str) -> Problem:
    return Problem(Code.INVALID_REQUEST, say)


def _checked(
    r: Reader, app: App, to: AuthorizeRequest, pairs: Pairs, issuer: str, hinted: Callable[[str], str | None]
) -> AuthorizeRequest:
    given, twice = _defaults(app) | once(pairs), repeated(pairs) - {"resource"}
    if twice:
        raise _bad(f"Each parameter stands once; {sorted(twice)[0][:40]} is repeated.")
    if "response_type" not in given:
        raise _bad("response_type is missing; it is code.")
    if given["response_type"] != "code":
        raise Problem(Code.UNSUPPORTED_RESPONSE_TYPE, "response_type is code, nothing else.")
    if given.get("response_mode", "query") not in RESPONSE_MODES:
        raise _bad(f"response_mode is one of {', '.join(RESPONSE_MODES)}.")
    if "authorization_details" in given:
        raise Problem(Code.INVALID_AUTHORIZATION_DETAILS, "authorization_details are not supported; use scope.")
    for name, value in given.items():
        if len(value) > _LONGEST.get(name, _LONG):
            raise _bad(f"{name[:40]} is longer than {_LONGEST.get(name, _LONG)} characters.")
        if "\x00" in value:
            raise _bad(f"{name[:40]} holds a NUL.")
    prompt = frozenset(given.get("prompt", "").split())
    if not prompt <= _PROMPTS or ("none" in prompt and len(prompt) > 1):
        raise _bad("prompt is none, or some of login, consent and select_account.")
    claims = claims_in(given.get("claims"))
    acr_values, essential = acr_in(given, claims)
    contexts, contexts_essential = contexts_in(acr_values, claims)
    resource = target_of(r, [value for name, value in pairs if name == "resource" and value], issuer)
    scopes = scopes_of(r, app, given.get("scope", ""), issuer, resource)
    scope = dict.fromkeys(scopes) | dict.fromkeys(scopes_for(claims))
    hint = given.get("id_token_hint")
    return replace(
        to,
        scope=tuple(scope),
        nonce=given.get("nonce"),
        code_challenge=_pkce(app, given),
        prompt=prompt,
        max_age=_max_age(given.get("max_age")),
        acr_values=acr_values,
        acr_essential=essential,
        contexts=contexts,
        contexts_essential=contexts_essential,
        claims=claims,
        login_hint=given.get("login_hint"),
        domain_hint=given.get("domain_hint"),
        ui_locales=given.get("ui_locales"),
        resource=resource,
        dpop_jkt=_dpop_jkt(given.get("dpop_jkt")),
        hinted_user_id=None if hint is None else hinted(hint),
    )


def _defaults(app: App) -> dict[str, str]:
    """What an app registered for requests that do not say it (OpenID Connect Registration §2)."""
    registered = app.registration
    if registered is None:
        return {}
    age = {} if registered.default_max_age is None else {"max_age": str(registered.default_max_age)}
    return age | ({"acr_values": " ".join(registered.default_acr_values)} if registered.default_acr_values else {})


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


def _dpop_jkt(text: str | None) -> str | None:
    if text is not None and not _THUMBPRINT.fullmatch(text):
        raise _bad("dpop_jkt is 43 characters of base64url, the key's SHA-256 thumbprint.")
    return text


def _max_age(text: str | None) -> int | None:
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise _bad("max_age is a number of seconds, 0 or more.")
    return int(text)
