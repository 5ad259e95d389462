"""The frame of every Graph route: who calls, may they, in one transaction, audited, answered in Graph's shape."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn
from urllib.parse import quote

from flask import Blueprint, Response, jsonify, request
from werkzeug.exceptions import HTTPException

from b2b_idp.graph.body import json_body
from b2b_idp.graph.errors import client_request_id, error_response, request_id
from b2b_idp.graph.odata.query import Query, page, parse_query, selected
from b2b_idp.keys.ring import KeyRing
from b2b_idp.keys.vault import Vault
from b2b_idp.logs import log, traceback_of
from b2b_idp.model.moment import Moment
from b2b_idp.model.problem import Code, Problem
from b2b_idp.store import Reader, Store, Writer
from b2b_idp.tokens.bearer import Caller, read_bearer

Evaluate = Callable[..., dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphParts:
    """What the API needs; wired by the extension."""

    issuer: str
    store: Store
    vault: Vault
    keys: KeyRing
    moment: Callable[[], Moment]
    evaluate: Evaluate
    check_issuer: Callable[[str], None]
    """Raises Problem for an address that our HTTP client would not connect to."""


@dataclass(slots=True, kw_only=True)
class Call:
    """One authorised call. `w` is the transaction; it is a plain Reader for GET."""

    parts: GraphParts
    caller: Caller
    moment: Moment
    w: Any
    targets: list[dict[str, Any]] = field(default_factory=list)

    @property
    def base(self) -> str:
        return f"{self.parts.issuer}/v1.0"

    def body(self) -> dict[str, Any]:
        return json_body(request)

    def permits(self, *permissions: str) -> bool:
        return not self.caller.roles.isdisjoint(permissions)

    def target(self, kind: str, id: str, name: str | None = None) -> None:
        """Names what this call changed, for the audit log."""
        self.targets.append({"id": id, "displayName": name, "type": kind, "modifiedProperties": []})

    def context(self, entity: str) -> str:
        return f"{self.base}/$metadata#{entity}"

    def query(self, properties: frozenset[str]) -> Query:
        scope = f"{request.path}|{self.caller.sp_id}"
        return parse_query(request.args, properties, self.parts.vault, scope)

    def collection(self, entity: str, rows: list[dict[str, Any]], query: Query) -> dict[str, Any]:
        base = self.base + quote(request.path.split("/v1.0", 1)[1])
        scope = f"{request.path}|{self.caller.sp_id}"
        return page(rows, query, self.context(entity), base, self.parts.vault, scope)

    def entity(self, entity: str, row: Mapping[str, Any], select: tuple[str, ...] = ()) -> dict[str, Any]:
        suffix = f"({','.join(select)})" if select else ""
        return {"@odata.context": f"{self.context(entity)}{suffix}/$entity"} | selected(row, select)


Answer = dict[str, Any] | tuple[dict[str, Any] | None, int] | None
Handler = Callable[..., Answer]


@dataclass(frozen=True, slots=True)
class Route:
    """A line of the resource table. `activity` is its name in the audit log; routes without one only read."""

    method: str
    path: str
    permissions: tuple[str, ...]
    handler: Handler
    activity: str | None = None
    category: str = "Policy"


def not_found(id: str) -> Problem:
    return Problem(Code.NOT_FOUND, f"Resource '{id[:100]}' does not exist.")


def mount(blueprint: Blueprint, parts: GraphParts, routes: list[Route]) -> None:
    """Mounts the table: one rule a path, whose methods share it."""
    paths: dict[str, dict[str, Callable[..., Response]]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method] = _view(parts, route)
    for number, (path, views) in enumerate(paths.items()):
        blueprint.add_url_rule(path, f"p{number}", _by_method(views), methods=_METHODS, strict_slashes=True)

    def unknown(_path: str = "") -> NoReturn:
        raise Problem(Code.NOT_FOUND, "There is no such resource in this API.")

    frame(blueprint, parts, unknown)


def frame(blueprint: Blueprint, parts: GraphParts, unknown: Callable[..., NoReturn]) -> None:
    """Errors in Graph's shape, its headers, and `unknown` for every address that no route has."""
    blueprint.register_error_handler(Exception, lambda e: _failed(parts, e))
    blueprint.after_request(_headers)
    blueprint.add_url_rule("/", "root", unknown, methods=_METHODS)
    blueprint.add_url_rule("/<path:_path>", "unknown", unknown, methods=_METHODS)


_METHODS = frozenset({"GET", "POST", "PATCH", "PUT", "DELETE"})


def _by_method(views: Mapping[str, Callable[..., Response]]) -> Callable[..., Response]:
    names = ", ".join(sorted(views))

    def view(**ids: str) -> Response:
        chosen = views.get("GET" if request.method == "HEAD" else request.method)
        if chosen is None:
            raise Problem(Code.METHOD_NOT_ALLOWED, f"This resource takes {names}.", details={"allow": names})
        return chosen(**ids)

    return view


def _view(parts: GraphParts, route: Route) -> Callable[..., Response]:
    def view(**ids: str) -> Response:
        moment = parts.moment()
        if route.activity is None:
            with parts.store.read() as r:
                call = _authorise(parts, route, r, moment)
                return _answer(route.handler(call, **ids))
        try:
            with parts.store.write() as w:
                call = _authorise(parts, route, w, moment)
                answer = route.handler(call, **ids)
                w.logs.add_audit(_audit(call, route, None), moment.at)
        except Problem as problem:
            _audit_refusal(parts, route, moment, problem)
            raise
        return _answer(answer)

    return view


def _authorise(parts: GraphParts, route: Route, r: Reader, moment: Moment) -> Call:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Problem(Code.UNAUTHENTICATED, "Access token is empty. Send Authorization: Bearer …")
    caller = read_bearer(r, parts.keys, token.strip(), parts.issuer, moment)
    if caller.roles.isdisjoint(route.permissions):
        raise Problem(
            Code.FORBIDDEN,
            "Insufficient privileges to complete the operation. It needs one of: " + ", ".join(route.permissions),
            f"the caller's roles: {', '.join(sorted(caller.roles)) or 'none'}",
        )
    return Call(parts=parts, caller=caller, moment=moment, w=r)


def _answer(answer: Answer) -> Response:
    body, status = answer if isinstance(answer, tuple) else (answer, 200 if answer is not None else 204)
    if body is None:
        return Response(status=status)
    response = jsonify(body)
    response.status_code = status
    return response


def _audit(call: Call, route: Route, problem: Problem | None) -> dict[str, Any]:
    app = call.w.apps.by_client_id(call.caller.app_id)
    return {
        "id": call.moment.new_id(),
        "activityDisplayName": route.activity or "",
        "activityDateTime": call.moment.at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "category": route.category,
        "correlationId": request_id(),
        "result": "failure" if problem else "success",
        "resultReason": problem.say[:500] if problem else "",
        "loggedByService": "Core Directory",
        "operationType": {"POST": "Add", "PATCH": "Update", "DELETE": "Delete"}.get(route.method, "Update"),
        "initiatedBy": {
            "user": None,
            "app": {
                "appId": call.caller.app_id,
                "servicePrincipalId": call.caller.sp_id,
                "displayName": app.display_name if app else None,
            },
        },
        "targetResources": call.targets,
        "additionalDetails": [],
    }


def _audit_refusal(parts: GraphParts, route: Route, moment: Moment, problem: Problem) -> None:
    """A refused attempt of an authenticated caller is in the audit log; of anybody else it is not."""
    if problem.code in (Code.UNAUTHENTICATED, Code.INVALID_TOKEN, Code.UNAVAILABLE):
        return
    token = request.headers.get("Authorization", "").partition(" ")[2].strip()
    with parts.store.write() as w:
        caller = read_bearer(w, parts.keys, token, parts.issuer, moment)
        call = Call(parts=parts, caller=caller, moment=moment, w=w)
        w.logs.add_audit(_audit(call, route, problem), moment.at)


def _failed(parts: GraphParts, e: Exception) -> Response:
    moment = parts.moment()
    if isinstance(e, Problem):
        return error_response(e, moment)
    if isinstance(e, HTTPException):
        codes = {
            404: Code.NOT_FOUND,
            405: Code.METHOD_NOT_ALLOWED,
            413: Code.BODY_TOO_LARGE,
            415: Code.UNSUPPORTED_MEDIA_TYPE,
        }
        return error_response(Problem(codes.get(e.code or 500, Code.BAD_REQUEST), e.description or e.name), moment)
    log.error("internal error", error=type(e).__name__, request_id=request_id(), exception=traceback_of(e))
    return error_response(Problem(Code.INTERNAL, "Something went wrong on our side. Try again."), moment)


def _headers(response: Response) -> Response:
    response.headers["request-id"] = request_id()
    response.headers["client-request-id"] = client_request_id()
    response.headers.setdefault("Cache-Control", "no-store")
    return response


def writer(call: Call) -> Writer:
    """The call's writing transaction."""
    assert isinstance(call.w, Writer)
    return call.w
