"""The Graph-shaped `/v1.0` API: a resource table, parsed queries, permissions."""

from __future__ import annotations

from typing import NoReturn

from flask import Blueprint

from b2b_idp.graph import (
    apps,
    assignments,
    authentication,
    authentication_methods,
    authorization,
    claims_mapping,
    conditional_access,
    cross_tenant,
    delta,
    dynamic_groups,
    groups,
    homes,
    invitations,
    objects,
    people,
    policies,
    preview,
    registration_tokens,
    reports,
    roles,
    signin_reports,
    signing_keys,
    strengths,
    users,
)
from b2b_idp.graph.api import GraphParts, Route
from b2b_idp.graph.batch import mount_batch
from b2b_idp.graph.frame import frame, mount, spread
from b2b_idp.graph.openapi import mount_openapi
from b2b_idp.model.problem import Code, Problem

__all__ = ["GraphParts", "beta_blueprint", "graph_blueprint"]


TABLES = (
    invitations,
    delta,
    users,
    people,
    authentication,
    dynamic_groups,
    groups,
    objects,
    roles,
    apps,
    registration_tokens,
    signing_keys,
    preview,
    assignments,
    homes,
    cross_tenant,
    policies,
    claims_mapping,
    strengths,
    conditional_access,
    authorization,
    authentication_methods,
    reports,
    signin_reports,
)
"""The resource tables."""

ROUTES: list[Route] = [route for table in TABLES for route in table.ROUTES]


def described() -> list[Route]:
    """Every route that answers, each by one of its spellings: what the OpenAPI document describes."""
    return [r for r in spread(ROUTES) if "/graph." not in r.path]


def graph_blueprint(parts: GraphParts, name: str) -> Blueprint:
    """The API, to be mounted at `{issuer}/v1.0`."""
    blueprint = Blueprint(f"{name}_graph", __name__)
    mount_batch(blueprint, parts)
    mount_openapi(blueprint, described(), parts.issuer)
    mount(blueprint, parts, ROUTES)
    return blueprint


def beta_blueprint(parts: GraphParts, name: str) -> Blueprint:
    """What answers at `{issuer}/beta`: that there is no such version, whatever is asked of it."""
    blueprint = Blueprint(f"{name}_beta", __name__)

    def unknown(_path: str = "") -> NoReturn:
        raise Problem(Code.UNKNOWN_VERSION, "There is no version beta of this API. Use v1.0.")

    frame(blueprint, parts, unknown)
    return blueprint
