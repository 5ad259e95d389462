"""Discovery (OpenID Connect Discovery 1.0, RFC 8414) and the key set, as ready bytes."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, request

from b2b_idp.keys.app_keys import ALG, jwk_of, published
from b2b_idp.keys.ring import ALGORITHMS, JWKS_MAX_AGE
from b2b_idp.model.directory import App
from b2b_idp.model.problem import Code, Problem
from b2b_idp.openid.client_keys import ALGORITHMS as CLIENT_ALGORITHMS
from b2b_idp.openid.parts import OpenIdParts
from b2b_idp.openid.request import RESPONSE_MODES
from b2b_idp.openid.request_object import REQUEST_OBJECT_ALGORITHMS
from b2b_idp.openid.responses import cors, json_response, token_error
from b2b_idp.openid.scopes import GRAPH_SCOPES, OIDC_SCOPES
from b2b_idp.policy.decide import ACR_VALUES
from b2b_idp.store import Reader
from b2b_idp.tokens.certificates import MutualTls
from b2b_idp.tokens.dpop import DPOP_ALGORITHMS
from b2b_idp.tokens.signing import issuer_for, own_key

_AUTH_METHODS = ["client_secret_basic", "client_secret_post", "private_key_jwt", "none"]


def document(issuer: str) -> dict[str, Any]:
    """The metadata: what is there, and nothing that is not."""
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/authorize",
        "token_endpoint": f"{issuer}/token",
        "userinfo_endpoint": f"{issuer}/userinfo",
        "jwks_uri": f"{issuer}/jwks",
        "introspection_endpoint": f"{issuer}/introspect",
        "revocation_endpoint": f"{issuer}/revoke",
        "device_authorization_endpoint": f"{issuer}/device_authorization",
        "end_session_endpoint": f"{issuer}/logout",
        "registration_endpoint": f"{issuer}/register",
        "scopes_supported": [*OIDC_SCOPES, *GRAPH_SCOPES],
        "response_types_supported": ["code"],
        "grant_types_supported": [
            "authorization_code",
            "refresh_token",
            "client_credentials",
            "urn:ietf:params:oauth:grant-type:device_code",
            "urn:ietf:params:oauth:grant-type:token-exchange",
        ],
        "acr_values_supported": list(ACR_VALUES),
        "subject_types_supported": ["pairwise", "public"],
        "id_token_signing_alg_values_supported": list(ALGORITHMS),
        "userinfo_signing_alg_values_supported": list(ALGORITHMS),
        "token_endpoint_auth_methods_supported": _AUTH_METHODS,
        "token_endpoint_auth_signing_alg_values_supported": list(CLIENT_ALGORITHMS),
        "introspection_endpoint_auth_methods_supported": _AUTH_METHODS[:-1],
        "introspection_endpoint_auth_signing_alg_values_supported": list(CLIENT_ALGORITHMS),
        "revocation_endpoint_auth_methods_supported": _AUTH_METHODS,
        "revocation_endpoint_auth_signing_alg_values_supported": list(CLIENT_ALGORITHMS),
        "dpop_signing_alg_values_supported": list(DPOP_ALGORITHMS),
        "code_challenge_methods_supported": ["S256"],
        "claim_types_supported": ["normal"],
        "claims_supported": (
            "iss sub aud exp iat nbf nonce auth_time amr acr acrs at_hash sid name given_name family_name "
            "preferred_username email oid tid idp acct groups roles wids ver uti ctry ipaddr login_hint onprem_sid upn "
            "verified_primary_email xms_edov xms_pl"
        ).split(),
        "prompt_values_supported": ["none", "login", "consent", "select_account"],
        "claims_parameter_supported": True,
        "authorization_response_iss_parameter_supported": True,
        "backchannel_logout_supported": True,
        "backchannel_logout_session_supported": True,
        "frontchannel_logout_supported": True,
        "frontchannel_logout_session_supported": True,
        "ui_locales_supported": ["en"],
        **_requests(issuer),
    }


def _requests(issuer: str) -> dict[str, Any]:
    """What an authorization request may be, and how it is answered (RFC 9126, RFC 9101, JARM)."""
    return {
        "pushed_authorization_request_endpoint": f"{issuer}/par",
        "require_pushed_authorization_requests": False,
        "request_parameter_supported": True,
        # a request_uri is one that the endpoint above gave: none is ever fetched
        "request_uri_parameter_supported": False,
        "require_signed_request_object": False,
        "request_object_signing_alg_values_supported": list(REQUEST_OBJECT_ALGORITHMS),
        "response_modes_supported": list(RESPONSE_MODES),
        "authorization_signing_alg_values_supported": list(ALGORITHMS),
    }


def auth_methods(mutual_tls: MutualTls | None) -> list[str]:
    """How clients may authenticate at the token endpoint; by certificates where they arrive (RFC 8705 §2)."""
    if mutual_tls is None:
        return _AUTH_METHODS
    by_authority = ["tls_client_auth"] if mutual_tls.authorities else []
    return [*_AUTH_METHODS, *by_authority, "self_signed_tls_client_auth"]


def mutual_tls_members(parts: OpenIdParts) -> dict[str, Any]:
    """What is true where client certificates arrive, and nowhere else (RFC 8705 §2.1.1, §3.3, §5)."""
    mutual_tls = parts.mutual_tls
    if mutual_tls is None:
        return {}
    methods = auth_methods(mutual_tls)
    names = ("token", "introspection", "revocation")
    found: dict[str, Any] = {"tls_client_certificate_bound_access_tokens": True}
    found |= {f"{name}_endpoint_auth_methods_supported": methods for name in names}
    found["introspection_endpoint_auth_methods_supported"] = [m for m in methods if m != "none"]
    if mutual_tls.url:
        paths = {"token": "token", "introspection": "introspect", "revocation": "revoke", "userinfo": "userinfo"}
        found["mtls_endpoint_aliases"] = {f"{n}_endpoint": f"{mutual_tls.url}/{path}" for n, path in paths.items()}
    return found


def document_of(r: Reader, app: App, issuer: str, at: datetime) -> dict[str, Any]:
    """The metadata for one app, which may have signing keys and an issuer of its own, and be held to more."""
    signs = [ALG] if own_key(r, app, at) is not None else list(ALGORITHMS)
    return document(issuer) | {
        "issuer": issuer_for(r, app, issuer, at),
        "jwks_uri": f"{issuer}/jwks?appid={app.app_id}",
        "id_token_signing_alg_values_supported": signs,
        "userinfo_signing_alg_values_supported": signs,
        "require_pushed_authorization_requests": app.require_pushed,
        "require_signed_request_object": app.require_signed_request,
    }


DISCOVERY = ("/.well-known/openid-configuration", "/.well-known/oauth-authorization-server")
JWKS = "/jwks"
MAX_AGE = int(JWKS_MAX_AGE.total_seconds())
"""Seconds that metadata and key set may be kept."""


def ready_document(parts: OpenIdParts) -> bytes:
    """The metadata as it is sent."""
    whole = document(parts.issuer) | mutual_tls_members(parts)
    return json.dumps(whole, separators=(",", ":")).encode()


def metadata_routes(blueprint: Blueprint, parts: OpenIdParts) -> None:
    ready = ready_document(parts)

    def discovery() -> Response:
        if "appid" in request.args:
            return for_app(request.args["appid"])
        return cors(json_response(ready, max_age=MAX_AGE))

    for path in DISCOVERY:
        blueprint.add_url_rule(path, view_func=discovery, methods=["GET", "OPTIONS"])

    @blueprint.route("/<uuid:app_id>/.well-known/openid-configuration", methods=["GET", "OPTIONS"])
    def discovery_below_issuer(app_id: UUID) -> Response:
        """Where clients look that know an issuer with the app's id (Discovery 1.0 §4)."""
        return for_app(str(app_id))

    def for_app(app_id: str) -> Response:
        with parts.store.read() as r:
            app = r.apps.by_client_id(app_id.lower())
            if app is None:
                return cors(token_error(_UNKNOWN))
            found, own = document_of(r, app, parts.issuer, parts.moment().at), r.app_keys.of(app.id)
            found |= mutual_tls_members(parts)
        return cors(json_response(found, max_age=MAX_AGE if own else 0))

    @blueprint.route(JWKS, methods=["GET", "OPTIONS"])
    def jwks() -> Response:
        if "appid" not in request.args:
            return cors(json_response(parts.keys.jwks(), max_age=MAX_AGE))
        with parts.store.read() as r:
            app = r.apps.by_client_id(request.args["appid"].lower())
            if app is None:
                return cors(token_error(_UNKNOWN))
            own = published(r.app_keys.of(app.id), parts.moment().at)
        ours = json.loads(parts.keys.jwks())["keys"]
        # an app's first key signs at once: until then nobody should keep the set
        return cors(
            json_response({"keys": [*(jwk_of(k.certificate) for k in own), *ours]}, max_age=MAX_AGE if own else 0)
        )


_UNKNOWN = Problem(Code.INVALID_REQUEST, "No app has this appid.")
