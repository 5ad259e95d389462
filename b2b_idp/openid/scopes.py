"""The scopes that an app may ask for: OpenID's, Graph's, or those of one other API."""

from __future__ import annotations

from b2b_idp.guests.permissions import PERMISSIONS
from b2b_idp.model.directory import App
from b2b_idp.model.problem import Code, Problem
from b2b_idp.store import Reader

OIDC_SCOPES = ("openid", "profile", "email", "offline_access")
GRAPH_SCOPES = ("User.Read", *PERMISSIONS)
GRAPH_URI = "https://graph.microsoft.com"
"""Another name of ourselves as an API, as Graph's SDKs say it."""
_WITHOUT_CLAIMS = ("address", "phone")
"""Scopes of OpenID Connect Core §5.4 for which we hold no claims: no error, and not granted."""


def scopes_of(r: Reader, app: App, text: str, issuer: str) -> tuple[str, ...]:
    """The scopes asked for, each known: OpenID's, Graph's, or `{identifier URI}/{scope}` of one API, where `.default`
    stands for exactly what an administrator granted this app there."""
    scopes: dict[str, None] = {}
    for word in text.split():
        if word in OIDC_SCOPES or word in GRAPH_SCOPES:
            scopes[word] = None
        elif word not in _WITHOUT_CLAIMS:
            scopes |= dict.fromkeys(_of_api(r, app, word, issuer))
    if "openid" not in scopes:
        raise Problem(Code.INVALID_SCOPE, "scope must contain openid.")
    apis = {"" if s in GRAPH_SCOPES else s.rpartition("/")[0] for s in scopes if s not in OIDC_SCOPES}
    if len(apis) > 1:
        raise Problem(Code.INVALID_SCOPE, "The scopes of one request belong to one API.")
    return tuple(scopes)


def _of_api(r: Reader, app: App, word: str, issuer: str) -> list[str]:
    uri, _, name = word.rpartition("/")
    known: tuple[str, ...]
    if uri in (issuer, GRAPH_URI):
        prefix, known = "", GRAPH_SCOPES
    else:
        api = r.apps.by_identifier_uri(uri) if uri else None
        prefix, known = uri + "/", api.scopes if api is not None and api.enabled else ()
    if name == ".default":
        granted = [prefix + s for s in known if prefix + s in app.consent_granted]
        if granted:
            return granted
        raise Problem(Code.INVALID_SCOPE, f"Nothing was granted to this app for {word[:100]}.")
    if name not in known:
        raise Problem(Code.INVALID_SCOPE, f"The scope {word[:100]} is not known.")
    return [prefix + name]
