"""Which API a token is for (RFC 8707): named by `resource`, else by the scopes; one at a time."""

from __future__ import annotations

from collections.abc import Sequence

from b2b_idp.model.problem import Code, Problem
from b2b_idp.openid.scopes import GRAPH_SCOPES, GRAPH_URI, OIDC_SCOPES
from b2b_idp.store import Reader


def invalid_target(say: str) -> Problem:
    return Problem(Code.INVALID_TARGET, say)


def target_of(r: Reader, named: Sequence[str], issuer: str) -> str | None:
    """The identifier URI of the API that the `resource` parameters name, our issuer for ourselves, None without any.
    Raises Problem(INVALID_TARGET)."""
    if not named:
        return None
    if len(named) > 1:
        raise invalid_target("A token is for one API: name one resource.")
    uri = named[0]
    if uri in (issuer, GRAPH_URI):
        return issuer
    api = r.apps.by_identifier_uri(uri)
    if api is None or not api.enabled or uri not in api.identifier_uris:
        raise invalid_target("resource is not the identifier URI of an API that is known here.")
    return uri


def audience_of(issuer: str, scope: Sequence[str], resource: str | None = None) -> str:
    """The API that a grant is for: what `resource` named, else that of the scopes, else ourselves, for userinfo and
    Graph."""
    if resource is not None:
        return resource
    return next((s.rpartition("/")[0] for s in scope if s not in OIDC_SCOPES and s not in GRAPH_SCOPES), issuer)


def narrowed(issuer: str, scope: Sequence[str], resource: str | None, asked: str | None) -> tuple[str, tuple[str, ...]]:
    """Audience and scopes of one token of a grant for `scope` and `resource`, where the token request `asked` for a
    resource: the grant's API, or ourselves, who are part of every grant. Raises Problem(INVALID_TARGET)."""
    granted = audience_of(issuer, scope, resource)
    if asked is None or asked == granted:
        return granted, tuple(scope)
    if asked in (issuer, GRAPH_URI):
        return issuer, tuple(s for s in scope if s in OIDC_SCOPES or s in GRAPH_SCOPES)
    raise invalid_target("The resource is another than the one that was granted.")
