"""The OpenID provider's endpoints. They alone hand codes and tokens to clients."""

from __future__ import annotations

from flask import Blueprint

from b2b_idp.openid.authorize import authorize_routes, respond
from b2b_idp.openid.device import device_routes
from b2b_idp.openid.home_logout import home_logout_routes
from b2b_idp.openid.logout import logout_routes
from b2b_idp.openid.metadata import metadata_routes
from b2b_idp.openid.parts import OpenIdParts
from b2b_idp.openid.pushed import pushed_routes
from b2b_idp.openid.ready import ReadyDocuments
from b2b_idp.openid.registration import registration_routes
from b2b_idp.openid.resources import resource_routes
from b2b_idp.openid.token import token_routes

__all__ = ["FOR_MACHINES", "OpenIdParts", "ReadyDocuments", "openid_blueprint", "respond"]

FOR_MACHINES = frozenset(
    {
        "/token",
        "/par",
        "/userinfo",
        "/introspect",
        "/revoke",
        "/device_authorization",
        "/register",
        "/jwks",
        "/.well-known/openid-configuration",
        "/.well-known/oauth-authorization-server",
    }
)
"""The endpoints that no browser shows: their errors are JSON."""


def openid_blueprint(parts: OpenIdParts, name: str) -> Blueprint:
    blueprint = Blueprint(f"{name}_openid", __name__)
    for routes in (
        metadata_routes,
        authorize_routes,
        pushed_routes,
        token_routes,
        device_routes,
        resource_routes,
        logout_routes,
        home_logout_routes,
        registration_routes,
    ):
        routes(blueprint, parts)
    return blueprint
