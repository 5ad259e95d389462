"""Client credentials (RFC 6749 §4.4): an app for itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from b2b_idp.model.directory import GRAPH_APP_ID
from b2b_idp.model.moment import Moment
from b2b_idp.model.problem import Code, Problem
from b2b_idp.openid.client import Client
from b2b_idp.openid.parts import OpenIdParts
from b2b_idp.openid.resource_indicators import target_of
from b2b_idp.openid.scopes import GRAPH_URI
from b2b_idp.store import Reader
from b2b_idp.tokens import claims
from b2b_idp.tokens.bearer import ACCESS_TOKEN_TYPE
from b2b_idp.tokens.gather import app_roles
from b2b_idp.tokens.signing import audience_for, issuer_for, signer_for
from b2b_idp.tracing import traced


@traced("issue tokens")
def for_itself(
    parts: OpenIdParts, w: Reader, client: Client, form: Mapping[str, str], moment: Moment
) -> dict[str, Any]:
    """The application permissions granted on one API, by `{API}/.default`."""
    if client.method == "none":
        raise Problem(Code.UNAUTHORIZED_CLIENT, "A public client cannot act for itself.")
    resource = target_of(w, [form["resource"]], parts.issuer) if "resource" in form else None
    scope = form.get("scope", "")
    if resource is not None and scope in ("", ".default"):
        scope = f"{resource}/.default"
    uri, _, default = scope.rpartition("/")
    if default != ".default" or " " in scope:
        raise Problem(Code.INVALID_SCOPE, f"scope is {{API}}/.default, such as {parts.issuer}/.default.")
    if resource is not None and uri not in (resource, *([GRAPH_URI] if resource == parts.issuer else [])):
        raise Problem(Code.INVALID_TARGET, "scope is of another API than resource names.")
    ours = uri in (parts.issuer, GRAPH_URI)
    if ours and client.app.registration is not None:
        raise Problem(Code.UNAUTHORIZED_CLIENT, "An app that registered itself has no permissions on the Graph API.")
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
        confirmation=client.confirmation,
        moment=moment,
    )
    signer = parts.keys.signer("ES256", at) if ours else signer_for(w, parts.keys, api, "ES256", at)
    return {
        "access_token": signer.sign(made.claims, ACCESS_TOKEN_TYPE),
        "token_type": client.confirmation.token_type,
        "expires_in": int(claims.ACCESS_TOKEN_LIFETIME.total_seconds()),
    }
