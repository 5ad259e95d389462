"""Client metadata as an application in Graph's shape, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from b2b_idp.guests.client_metadata import DEVICE_CODE, ClientMetadata

_OURS = {
    "post_logout_redirect_uris": "postLogoutRedirectUris",
    "id_token_signed_response_alg": "idTokenSignedResponseAlg",
    "userinfo_signed_response_alg": "userinfoSignedResponseAlg",
    "authorization_signed_response_alg": "authorizationSignedResponseAlg",
    "request_object_signing_alg": "requestObjectSigningAlg",
    "require_signed_request_object": "requireSignedRequestObject",
    "require_pushed_authorization_requests": "requirePushedAuthorizationRequests",
    "token_endpoint_auth_signing_alg": "tokenEndpointAuthSigningAlg",
    "jwks": "jwks",
    "jwks_uri": "jwksUri",
    "tls_client_certificate_bound_access_tokens": "tlsClientCertificateBoundAccessTokens",
    "dpop_bound_access_tokens": "dpopBoundAccessTokens",
    "frontchannel_logout_session_required": "frontchannelLogoutSessionRequired",
    "backchannel_logout_uri": "backchannelLogoutUri",
}
"""Members that any application has below b2bIdp."""


def application_of(metadata: ClientMetadata, before: Mapping[str, Any]) -> dict[str, Any]:
    """The application in Graph's shape: `before`, in which what the metadata say takes the place of what they said."""
    ours = dict(before.get("b2bIdp") or {})
    for name, property in _OURS.items():
        ours.pop(property, None)
        if (value := getattr(metadata, name)) is not None:
            ours[property] = value
    ours.pop("tlsClientAuth", None)
    if (tls := metadata.tls_client_auth()) is not None:
        ours["tlsClientAuth"] = tls.model_dump(exclude_none=True)
    ours["registration"] = {"metadata": metadata.registered()}
    public = metadata.token_endpoint_auth_method == "none"
    native = metadata.application_type == "native"
    part = "publicClient" if native else "spa" if public else "web"
    uris = {
        name: dict(before.get(name) or {}) | {"redirectUris": list(metadata.redirect_uris) if name == part else []}
        for name in ("web", "spa", "publicClient")
    }
    uris["web"].pop("logoutUrl", None)
    if metadata.frontchannel_logout_uri is not None:
        uris["web"]["logoutUrl"] = metadata.frontchannel_logout_uri
    return {
        **before,
        **uris,
        "displayName": metadata.client_name or _unnamed(metadata),
        "isFallbackPublicClient": DEVICE_CODE in metadata.grant_types,
        "b2bIdp": ours,
    }


def _unnamed(metadata: ClientMetadata) -> str:
    return (metadata.client_uri or (metadata.redirect_uris or ["An app without a name"])[0])[:256]


def metadata_of(application: Mapping[str, Any]) -> dict[str, Any]:
    """What an app registered, as it is now: what an administrator changed of it is told as changed."""
    ours = application["b2bIdp"]
    found: dict[str, Any] = dict(ours["registration"]["metadata"])
    for name, property in _OURS.items():
        found.pop(name, None)
        if property in ours and ours[property] is not None:
            found[name] = ours[property]
    uris = [
        u for part in ("web", "spa", "publicClient") for u in (application.get(part) or {}).get("redirectUris") or ()
    ]
    found.pop("frontchannel_logout_uri", None)
    if (logout := (application.get("web") or {}).get("logoutUrl")) is not None:
        found["frontchannel_logout_uri"] = logout
    named = {"client_name": application["displayName"]} if "client_name" in found else {}
    return found | named | {"redirect_uris": list(dict.fromkeys(uris))}
