"""Code → Graph's status and code, and the shape of an error; always JSON."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from flask import Response, g, jsonify, request

from b2b_idp.model.moment import Moment
from b2b_idp.model.problem import Code, Problem
from b2b_idp.tokens.dpop import DPOP_ALGORITHMS

GRAPH: Mapping[Code, tuple[int, str]] = dict.fromkeys(Code, (400, "Request_BadRequest")) | {
    Code.UNSUPPORTED_QUERY: (400, "Request_UnsupportedQuery"),
    Code.UNAUTHENTICATED: (401, "InvalidAuthenticationToken"),
    Code.INVALID_DPOP_PROOF: (401, "InvalidAuthenticationToken"),
    Code.INVALID_TOKEN: (401, "InvalidAuthenticationToken"),
    Code.FORBIDDEN: (403, "Authorization_RequestDenied"),
    Code.INSUFFICIENT_SCOPE: (403, "Authorization_RequestDenied"),
    Code.NOT_FOUND: (404, "Request_ResourceNotFound"),
    Code.UNKNOWN_VERSION: (404, "UnknownVersion"),
    Code.METHOD_NOT_ALLOWED: (405, "Request_BadRequest"),
    Code.CONFLICT: (409, "Request_MultipleObjectsWithSameKeyValue"),
    Code.SYNC_STATE_NOT_FOUND: (410, "syncStateNotFound"),
    Code.PRECONDITION_FAILED: (412, "Request_PreconditionFailed"),
    Code.BODY_TOO_LARGE: (413, "Request_BadRequest"),
    Code.UNSUPPORTED_MEDIA_TYPE: (415, "Request_BadRequest"),
    Code.FAILED_DEPENDENCY: (424, "FailedDependency"),
    Code.TOO_MANY_ATTEMPTS: (429, "TooManyRequests"),
    Code.TOO_MANY_REQUESTS: (429, "TooManyRequests"),
    Code.INTERNAL: (500, "InternalServerError"),
    Code.UNAVAILABLE: (503, "ServiceUnavailable"),
}


def client_request_id() -> str:
    """The caller's own id of the request, when it is a GUID."""
    try:
        return str(uuid.UUID(request.headers.get("client-request-id", "")))
    except ValueError:
        return request_id()


def request_id() -> str:
    """This request's id; the same in headers, errors and logs."""
    id: str = g.setdefault("b2b_idp_request_id", str(uuid.uuid4()))
    return id


def error_response(problem: Problem, moment: Moment) -> Response:
    """Graph's error object (innerError's date has no zone, as Graph writes it)."""
    status, code = GRAPH[problem.code]
    body: dict[str, Any] = {
        "error": {
            "code": code,
            "message": problem.say,
            "innerError": {
                "date": moment.at.strftime("%Y-%m-%dT%H:%M:%S"),
                "request-id": request_id(),
                "client-request-id": client_request_id(),
            },
        }
    }
    response = jsonify(body)
    response.status_code = status
    if status == 401:
        error = "invalid_dpop_proof" if problem.code is Code.INVALID_DPOP_PROOF else "invalid_token"
        response.headers.add("WWW-Authenticate", f'Bearer realm="", error="{error}"')
        response.headers.add("WWW-Authenticate", f'DPoP realm="", error="{error}", algs="{" ".join(DPOP_ALGORITHMS)}"')
    if "allow" in problem.details:
        response.headers["Allow"] = problem.details["allow"]
    if problem.retry_after is not None:
        response.headers["Retry-After"] = str(max(1, int(problem.retry_after.total_seconds())))
    return response
