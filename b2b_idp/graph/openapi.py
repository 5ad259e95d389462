"""The API's OpenAPI 3.1 description, made of the resource tables: the models in it are those that validate."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, Response, jsonify
from pydantic import BaseModel

from b2b_idp.graph.api import Route
from b2b_idp.graph.odata.options import LARGEST_PAGE
from b2b_idp.graph.schemas import Schema, answer_schemas, collection, properties, reference, single, sortable
from b2b_idp.graph.signin_reports import DEFAULT_LAST, LAST
from b2b_idp.version import __version__

_REF = "#/components/schemas/"
_GUID = "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"
_ABOUT = """The directory of guests and members, their applications, and what is required of them: the part of \
Microsoft Graph that concerns business-to-business guests.

An entity of a collection is also at `/collection('{id}')`; applications and service principals at \
`/applications(appId='{appId}')`. Types of a cast may be written `graph.user` for `microsoft.graph.user`."""

_FAILURES = {
    400: "The request cannot be carried out; the message says what is wrong.",
    401: "The access token is missing or no good.",
    403: "The caller lacks the permission.",
    404: "There is no such resource.",
    405: "The resource does not take this method; Allow names those that it takes.",
    409: "It exists, or differs from what exists.",
    410: "The delta token is too old: begin again without one.",
    412: "The resource was changed since it was read (If-Match).",
    413: "The body is larger than 1 MB.",
    415: "The body is not application/json.",
    429: "Too many requests; Retry-After says when to come back.",
    500: "Something went wrong here.",
    503: "Not available for the moment; Retry-After says when to come back.",
}
_EVERYWHERE = (400, 401, 403, 405, 429, 500, 503)
_TEXT: Schema = {"type": "string"}


def mount_openapi(blueprint: Blueprint, routes: Sequence[Route], issuer: str) -> None:
    """Adds GET /openapi.json, for everybody."""

    @cache
    def made() -> dict[str, Any]:
        return document(routes, urlsplit(issuer).path)

    def show() -> Response:
        return jsonify(made())

    blueprint.add_url_rule("/openapi.json", "openapi", show, methods=["GET"])


def document(routes: Sequence[Route], prefix: str) -> dict[str, Any]:
    """The description of the API at `{prefix}/v1.0`; `prefix` is the path of the issuer."""
    components = answer_schemas() | body_schemas(routes)
    components |= {f"{name}Collection": collection(name) for name in sorted(_listed(routes))}
    components |= {f"{name}Delta": collection(name, delta=True) for name in ("user", "group")}
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(template(route.path), {})[route.method.lower()] = _operation(route, routes)
    parameters = _shared(paths)
    paths["/$batch"] = {"post": _batch()}
    paths["/openapi.json"] = {"get": _itself()}
    credentials = {"tokenUrl": f"{prefix}/token", "scopes": {}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "b2b-idp", "version": __version__, "description": _ABOUT},
        "servers": [{"url": f"{prefix}/v1.0"}],
        "security": [{"bearer": []}, {"clientCredentials": []}],
        "paths": paths,
        "components": {
            "schemas": components,
            "parameters": parameters,
            "responses": {f"failure{status}": _failure(status) for status in _FAILURES},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
                "clientCredentials": {"type": "oauth2", "flows": {"clientCredentials": credentials}},
            },
        },
    }


def _shared(paths: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The parameters that many operations have, each said once; the operations then refer to them."""
    found: dict[str, Any] = {}
    for operation in (o for path in paths.values() for o in path.values()):
        references = []
        for parameter in operation["parameters"]:
            number, name = 1, parameter["name"].strip("$")
            while found.setdefault(f"{name}.{number}", parameter) != parameter:
                number += 1
            references.append({"$ref": f"#/components/parameters/{name}.{number}"})
        operation["parameters"] = references
    return found


def template(path: str) -> str:
    """A rule of the table as OpenAPI writes it: `/users/{key}`."""
    return path.replace("<", "{").replace(">", "}")


def operation_id(route: Route) -> str:
    words = re.sub(r"[^A-Za-z0-9]+", "_", route.path.replace("()", "_function").replace("$", "")).strip("_")
    return f"{route.method.lower()}_{words}"


def _listed(routes: Iterable[Route]) -> set[str]:
    names = {(r.gives or "").removesuffix("[]") for r in routes if (r.gives or "").endswith("[]")}
    return {n for n in names if not n.startswith("Edm.")}


# --- one operation ----------------------------------------------------------------------------------------------------


def _operation(route: Route, routes: Sequence[Route]) -> dict[str, Any]:
    needs = " or ".join(f"`{p}`" for p in route.permissions)
    said = [f"Needs {needs}."]
    if route.own or route.path.startswith("/me"):
        said.append(f"People may do it to themselves with {' or '.join(f'`{p}`' for p in route.own or ())}.")
    if route.owner:
        said.append("People may do it to groups that they own.")
    if route.fellow:
        said.append("People may do it to groups that they are members of.")
    made: dict[str, Any] = {
        "operationId": operation_id(route),
        "tags": [route.path.split("/")[1]],
        "summary": route.activity or _summary(route),
        "description": " ".join(said),
        "parameters": [*_path_parameters(route), *_options(route), *_headers(route, routes)],
        "responses": _responses(route, routes),
    }
    if route.body is not None:
        name = _body_name(route, routes)
        made["requestBody"] = {"required": True, "content": {"application/json": {"schema": reference(name)}}}
    return made


def _summary(route: Route) -> str:
    what = [s for s in route.path.split("/") if s and not s.startswith("<")]
    if what[-1] == "$count":
        return f"Count {what[-2]}"
    if route.method != "GET":
        return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", what[-1]).capitalize()
    return f"List {what[-1]}" if (route.gives or "").endswith("[]") else f"Get one of {what[-1]}"


def _path_parameters(route: Route) -> list[dict[str, Any]]:
    return [_path_parameter(name, route.path) for name in re.findall(r"<(\w+)>", route.path)]


def _path_parameter(name: str, path: str) -> dict[str, Any]:
    schema: Schema = {"type": "string", "pattern": _GUID}
    about = "Object id."
    if name == "key":
        schema, about = {"type": "string", "minLength": 1}, "Object id or user principal name."
    elif path.startswith("/domains/"):
        schema, about = {"type": "string", "minLength": 1}, "The domain's name."
    elif path.startswith("/oauth2PermissionGrants/"):
        schema, about = {"type": "string", "minLength": 1}, "The grant's id."
    return {"name": name, "in": "path", "required": True, "description": about, "schema": schema}


_EXPANDED = {
    "user": ["manager", "directReports", "sponsors", "memberOf", "transitiveMemberOf"],
    "group": ["members", "transitiveMembers", "owners", "memberOf"],
}
_WITH_NAVIGATION = ("/users", "/users/<key>", "/me", "/groups", "/groups/<id>")
_SEARCHED = ("/users", "/groups")
_WITHOUT_OPTIONS = ("/policies/crossTenantAccessPolicy", "/policies/crossTenantAccessPolicy/default", "/manager")
_SKIP_TOKEN = "From the @odata.nextLink of the page before."
_FILTER = "Such as `startswith(displayName,'A')`."


def _options(route: Route) -> list[dict[str, Any]]:
    if route.method != "GET" or route.gives is None or route.path.endswith(_WITHOUT_OPTIONS):
        return []
    gives = route.gives.removesuffix("[]")
    found = [_list_option("$select", properties(gives))]
    if route.path in _WITH_NAVIGATION:
        found.append(_list_option("$expand", _EXPANDED[gives]))
    if not route.gives.endswith("[]"):
        return found
    token = _option("$skiptoken", _TEXT, _SKIP_TOKEN)
    if "/delta" in route.path:
        return [found[0], token, _option("$deltatoken", _TEXT, "From @odata.deltaLink; `latest`: only what follows.")]
    orders = [f"{name}{way}" for name in sortable(gives) for way in ("", " desc")]
    found += [
        _option("$filter", _TEXT, _FILTER),
        _option("$top", {"type": "integer", "minimum": 1, "maximum": LARGEST_PAGE}, "Rows a page."),
        token,
        _option("$count", {"type": "boolean"}, "Whether @odata.count tells how many rows there are."),
        _list_option("$orderby", orders, most=8),
    ]
    if route.path.startswith("/reports/"):
        found.append(_option(LAST, {"type": "string", "default": DEFAULT_LAST}, "How far to look back (ISO 8601)."))
    if route.path in _SEARCHED:
        found.append(_option("$search", _TEXT, 'Such as `"displayName:Ali"`; with the header ConsistencyLevel.'))
    return found


def _option(name: str, schema: Schema, about: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": about, "schema": schema}


def _list_option(name: str, words: list[str], most: int | None = None) -> dict[str, Any]:
    schema: Schema = {"type": "array", "items": {"enum": words}, "minItems": 1}
    if most:
        schema["maxItems"] = most
    return {"name": name, "in": "query", "style": "form", "explode": False, "schema": schema}


def _headers(route: Route, routes: Sequence[Route]) -> list[dict[str, Any]]:
    found = [_header("client-request-id", "A GUID; comes back in the answer. A creation that repeats it is made once.")]
    if route.path in _SEARCHED and route.method == "GET":
        found.append(_header("ConsistencyLevel", "`eventual`: what $search needs."))
    if _guarded(route, routes):
        found.append(_header("If-Match", "The ETag that was read: the change is made only to that state."))
    if _cached(route):
        found.append(_header("If-None-Match", "The ETag that was read: 304 when nothing was changed since."))
    return found


def _header(name: str, about: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "description": about, "schema": _TEXT}


def _guarded(route: Route, routes: Sequence[Route]) -> bool:
    """Whether If-Match is looked at."""
    read = any(r.path == route.path and r.method == "GET" for r in routes)
    return route.activity is not None and route.method in ("PATCH", "DELETE") and read


def _cached(route: Route) -> bool:
    return route.method == "GET" and route.gives is not None and not route.gives.endswith("[]")


# --- answers ----------------------------------------------------------------------------------------------------------


def _responses(route: Route, routes: Sequence[Route]) -> dict[str, Any]:
    failures = {*_EVERYWHERE}
    if "<" in route.path or route.body is not None or route.path.startswith("/me"):
        failures.add(404)
    if route.method != "GET":
        failures.add(409)
    if route.body is not None:
        failures |= {413, 415}
    if route.path.endswith(("/delta", "/delta()")):
        failures.add(410)
    if _guarded(route, routes):
        failures.add(412)
    found = _success(route, routes)
    if _cached(route):
        found["304"] = {"description": "Unchanged since it was read (If-None-Match)."}
    return found | {str(status): {"$ref": f"#/components/responses/failure{status}"} for status in sorted(failures)}


def _success(route: Route, routes: Sequence[Route]) -> dict[str, Any]:
    if route.path.endswith("/$count"):
        return {"200": {"description": "How many.", "content": {"text/plain": {"schema": {"type": "integer"}}}}}
    if route.gives is None:
        return {"204": {"description": "Done."}}
    if route.gives.endswith("[]") and not route.gives.startswith("Edm."):
        kind = "Delta" if "/delta" in route.path else "Collection"
        schema = reference(route.gives.removesuffix("[]") + kind)
        return {"200": {"description": "A page.", "content": {"application/json": {"schema": schema}}}}
    content = {"application/json": {"schema": single(route.gives)}}
    if not _creates(route, routes):
        return {"200": {"description": "The answer.", "content": content}}
    links = _links(route, routes)
    return {"201": {"description": "Made.", "content": content} | ({"links": links} if links else {})}


def _creates(route: Route, routes: Sequence[Route]) -> bool:
    """Whether it adds to the collection that has the same address."""
    lists = {r.path for r in routes if r.method == "GET" and r.gives == f"{route.gives}[]"}
    return route.method == "POST" and route.path in lists


def _links(route: Route, routes: Sequence[Route]) -> dict[str, Any]:
    """Where what was made is found: every operation that takes its id, and no other."""
    start = f"{route.path}/<"
    here = set(re.findall(r"<(\w+)>", route.path))
    found = {}
    key = "tenantId" if route.gives == "crossTenantAccessPolicyConfigurationPartner" else "id"
    for other in routes:
        names = [n for n in re.findall(r"<(\w+)>", other.path) if n not in here]
        if other.path.startswith(start) and len(names) == 1:
            parameters = {n: f"$request.path.{n}" for n in sorted(here)} | {names[0]: f"$response.body#/{key}"}
            found[operation_id(other)] = {"operationId": operation_id(other), "parameters": parameters}
    if route.gives == "invitation":
        get = next(r for r in routes if r.path == "/users/<key>" and r.method == "GET")
        parameters = {"key": "$response.body#/invitedUser/id"}
        found["invitedUser"] = {"operationId": operation_id(get), "parameters": parameters}
    return found


def _failure(status: int) -> dict[str, Any]:
    made: dict[str, Any] = {
        "description": _FAILURES[status],
        "content": {"application/json": {"schema": reference("error")}},
    }
    name = {401: "WWW-Authenticate", 405: "Allow", 429: "Retry-After", 503: "Retry-After"}.get(status)
    return made | ({"headers": {name: {"schema": _TEXT}}} if name else {})


def _failures(*statuses: int) -> dict[str, Any]:
    return {str(status): {"$ref": f"#/components/responses/failure{status}"} for status in statuses}


def _batch() -> dict[str, Any]:
    about = "Up to twenty requests in one, each authorised, audited and answered as if it came alone."
    return {
        "operationId": "post_batch",
        "tags": ["$batch"],
        "summary": "Batch",
        "description": about,
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": reference("batchRequest")}},
        },
        "responses": {
            "200": {
                "description": "An answer for each request.",
                "content": {"application/json": {"schema": reference("batchResponse")}},
            }
        }
        | _failures(400, 401, 405, 413, 415, 429, 500, 503),
    }


def _itself() -> dict[str, Any]:
    return {
        "operationId": "get_openapi",
        "tags": ["openapi.json"],
        "summary": "This description",
        "security": [],
        "responses": {
            "200": {"description": "OpenAPI 3.1.", "content": {"application/json": {"schema": {"type": "object"}}}}
        }
        | _failures(405, 500),
    }


# --- requests ---------------------------------------------------------------------------------------------------------


def _body_name(route: Route, routes: Sequence[Route]) -> str:
    """A change names only what it changes, where one model serves creation and change."""
    assert route.body is not None
    changes = route.method == "PATCH" and any(r.body is route.body and r.method == "POST" for r in routes)
    return f"{route.body.__name__}.Change" if changes else route.body.__name__


def body_schemas(routes: Sequence[Route]) -> dict[str, Schema]:
    """The schemas of the models that validate requests, and of their parts."""
    found: dict[str, Schema] = {}
    for route in routes:
        if route.body is None:
            continue
        if route.body.__name__ not in found:
            found |= _model(route.body)
        name = _body_name(route, routes)
        if name.endswith(".Change"):
            found |= _change(name.removesuffix(".Change"), found)
    return found


def _model(model: type[BaseModel]) -> dict[str, Schema]:
    name = model.__name__
    schema = model.model_json_schema(ref_template=f"{_REF}{name}.{{model}}")
    parts = schema.pop("$defs", {})
    named = {name: schema} | {f"{name}.{part}": inner for part, inner in parts.items()}
    return {_public(n): _open(s) for n, s in named.items()}


def _public(name: str) -> str:
    return name.replace("._", ".")


def _open(schema: Any) -> Any:
    """With the public names of parts; and what OData lets stand in every object, closed as it may be."""
    if isinstance(schema, list):
        return [_open(s) for s in schema]
    if not isinstance(schema, dict):
        return schema
    made = {k: _public(v) if k == "$ref" else _open(v) for k, v in schema.items()}
    if made.get("additionalProperties") is False and made.get("type") == "object":
        made["patternProperties"] = {"@odata\\.": {"description": "OData control information"}}
    return made


def _change(name: str, schemas: dict[str, Schema]) -> dict[str, Schema]:
    """The model with nothing required, and so its parts: what is not named stays as it is."""
    whole = schemas[name]
    made, members = {}, {}
    for member, schema in whole["properties"].items():
        part = _part(schema)
        if part and "required" in schemas[part]:
            made[f"{part}.Change"] = {k: v for k, v in schemas[part].items() if k != "required"}
            members[member] = reference(f"{part}.Change")
        else:
            members[member] = {k: v for k, v in schema.items() if k != "default"}
    return made | {f"{name}.Change": {k: v for k, v in whole.items() if k != "required"} | {"properties": members}}


def _part(schema: Schema) -> str | None:
    ref = schema.get("$ref")
    return str(ref).removeprefix(_REF) if ref else None
