"""The Graph-shaped `/v1.0` API: a resource table, parsed queries, permissions."""

from __future__ import annotations

from flask import Blueprint

from b2b_idp.graph import apps, groups, policies, reports, users
from b2b_idp.graph.api import GraphParts, mount

__all__ = ["GraphParts", "graph_blueprint"]


def graph_blueprint(parts: GraphParts, name: str) -> Blueprint:
    """The API, to be mounted at `{issuer}/v1.0`."""
    blueprint = Blueprint(f"{name}_graph", __name__)
    tables = (users, groups, apps, policies, reports)
    mount(blueprint, parts, [route for table in tables for route in table.ROUTES])
    return blueprint
