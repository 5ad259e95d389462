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
_ABOUT_THE_PERSON = ("openid", "profile", "email")
_WITHOUT_CLAIMS = ("address", "phone")
"""Scopes of OpenID Connect Core §5.4 for which we hold no claims: no error, and not granted."""


def scopes_of(r: Reader, app: App, text: str, issuer: str, resource: str | None = None) -> tuple[str, ...]:
    """The scopes asked for, each known: OpenID's, Graph's, or `{identifier URI}/{scope}` of one API, where `.default`
    stands for exactly what an administrator granted this app there. With a `resource` (RFC 8707) its API's scopes go by
    their bare names too, and there are no others. Raises Problem(INVALID_SCOPE | INVALID_TARGET)."""
    scopes: dict[str, None] = {}
    named = r.apps.by_identifier_uri(resource) if resource not in (None, issuer) else None
    for word in text.split():
        _check_graph(app, word in GRAPH_SCOPES)
        if word == "offline_access" and not _may_refresh(app):
            continue
        if named is not None and (word in named.scopes or word == ".default"):
            scopes |= dict.fromkeys(_of_api(r, app, f"{resource}/{word}", issuer))
        elif word in OIDC_SCOPES or word in GRAPH_SCOPES:
            scopes[word] = None
        elif word not in _WITHOUT_CLAIMS:
            scopes |= dict.fromkeys(_of_api(r, app, word, issuer))
    if "openid" not in scopes:
        raise Problem(Code.INVALID_SCOPE, "scope must contain openid.")
    apis = {"" if s in GRAPH_SCOPES else s.rpartition("/")[0] for s in scopes if s not in OIDC_SCOPES}
    if len(apis) > 1:
        raise Problem(Code.INVALID_SCOPE, "The scopes of one request belong to one API.")
    if resource is not None and not apis <= {"" if resource == issuer else resource}:
        raise Problem(Code.INVALID_TARGET, "The scopes are of another API than resource names.")
    if named is not None and resource not in apis and named.id != app.id:
        # a token for an API says what the guest, or an administrator, let the app do there
        raise Problem(Code.INVALID_SCOPE, "Ask for a scope of the API that resource names.")
    return tuple(scopes)


def scopes_at(r: Reader, app: App, text: str, issuer: str, api: str) -> tuple[str, ...]:
    """The scopes of one API, by bare or whole name; without any, all that was granted there (`.default`).
    Raises Problem(INVALID_SCOPE)."""
    base = GRAPH_URI if api == issuer else api
    found: dict[str, None] = {}
    for word in text.split() or [".default"]:
        uri, _, name = word.rpartition("/")
        if word in _ABOUT_THE_PERSON:
            found[word] = None
        elif uri in ("", api, base):
            found |= dict.fromkeys(_of_api(r, app, f"{base}/{name}", issuer))
        else:
            raise Problem(Code.INVALID_SCOPE, "The scopes of one request belong to one API.")
    return tuple(found)


def _of_api(r: Reader, app: App, word: str, issuer: str) -> list[str]:
    uri, _, name = word.rpartition("/")
    known: tuple[str, ...]
    _check_graph(app, uri in (issuer, GRAPH_URI))
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


def _check_graph(app: App, ours: bool) -> None:
    """An app that registered itself has no Graph permissions, `User.Read` neither. Raises Problem(INVALID_SCOPE)."""
    if ours and app.registration is not None:
        raise Problem(Code.INVALID_SCOPE, "An app that registered itself has no permissions on the Graph API.")


def _may_refresh(app: App) -> bool:
    """Whether asking for offline_access counts: for who did not register refresh tokens it does not (OpenID Connect
    Core §11)."""
    return app.registration is None or "refresh_token" in app.registration.grant_types
