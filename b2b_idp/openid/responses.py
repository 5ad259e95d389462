"""JSON answers of the OpenID endpoints: never cached, errors in their protocol's shape, CORS without credentials."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Response

from b2b_idp.model.json_text import json_bytes
from b2b_idp.model.problem import Code, Problem
from b2b_idp.openid.errors import BEARER, REGISTRATION, TOKEN
from b2b_idp.tokens.dpop import DPOP_ALGORITHMS
from b2b_idp.written import Written


def json_response(document: Mapping[str, Any] | bytes, status: int = 200, max_age: int | None = None) -> Response:
    body = document if isinstance(document, bytes) else json_bytes(document)
    response = Written(body, status, content_type="application/json")
    if max_age is None:
        response.headers["Cache-Control"] = "no-store"
        response.headers["Pragma"] = "no-cache"
    else:
        response.headers["Cache-Control"] = f"public, max-age={max_age}"
    return response


def jwt_response(token: str) -> Response:
    headers = {"Cache-Control": "no-store", "Pragma": "no-cache"}
    return Response(token, content_type="application/jwt", headers=headers)


def token_error(problem: Problem, words: Mapping[Code, tuple[int, str]] = TOKEN) -> Response:
    """RFC 6749 §5.2; `words` is the endpoint's table of errors."""
    status, error = words[problem.code]
    response = json_response({"error": error, "error_description": ascii_of(problem.say)}, status)
    if problem.code is Code.INVALID_CLIENT:
        response.headers["WWW-Authenticate"] = 'Basic realm="b2b-idp"'
    if "dpop_nonce" in problem.details:
        response.headers["DPoP-Nonce"] = problem.details["dpop_nonce"]
    if problem.retry_after is not None:
        response.headers["Retry-After"] = str(max(1, int(problem.retry_after.total_seconds())))
    return response


def registration_error(problem: Problem) -> Response:
    """RFC 7591 §3.2.2, and RFC 6750 §3 where the token is at fault."""
    response = token_error(problem, REGISTRATION)
    if response.status_code == 401:
        said = ', error="invalid_token"' if problem.code is not Code.UNAUTHENTICATED else ""
        response.headers["WWW-Authenticate"] = f'Bearer realm="b2b-idp"{said}'
    return response


def bearer_error(problem: Problem) -> Response:
    """RFC 6750 §3 and RFC 9449 §7.1: both schemes are taken, whatever a token is bound to."""
    status, error = BEARER[problem.code]
    response = json_response({"error": error, "error_description": ascii_of(problem.say)}, status)
    if status in (401, 403):
        said = f', error="{error}"' if problem.code is not Code.UNAUTHENTICATED else ""
        response.headers.add("WWW-Authenticate", f'Bearer realm="b2b-idp"{said}')
        response.headers.add("WWW-Authenticate", f'DPoP realm="b2b-idp"{said}, algs="{" ".join(DPOP_ALGORITHMS)}"')
    return response


def ascii_of(text: str) -> str:
    """error_description in its alphabet: printable ASCII without quote and backslash."""
    return "".join(c if " " <= c <= "~" and c not in '"\\' else "'" for c in text)[:500]


def cors(response: Response) -> Response:
    """Any origin may read it, without credentials."""
    response.headers["Access-Control-Allow-Origin"] = "*"
    response.headers["Access-Control-Allow-Headers"] = "Authorization, Content-Type, DPoP"
    response.headers["Access-Control-Allow-Methods"] = "GET, POST, OPTIONS"
    response.headers["Access-Control-Expose-Headers"] = "DPoP-Nonce, WWW-Authenticate"
    return response
