"""`$batch`: up to twenty requests in one, each authorised, audited and answered as if it came alone."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from flask import Blueprint, Response, current_app, jsonify, request

from b2b_idp.graph.api import GraphParts
from b2b_idp.graph.body import bad, json_body
from b2b_idp.graph.errors import error_response
from b2b_idp.graph.frame import called
from b2b_idp.graph.position import GIVEN
from b2b_idp.graph.possession import PRESENTED, presented
from b2b_idp.model.moment import Moment
from b2b_idp.model.problem import Code, Problem

MOST = 20
_METHODS = ("GET", "POST", "PATCH", "PUT", "DELETE")
_SHOWN = ("Content-Type", "Retry-After", "ETag", "Location", GIVEN)
_ELSEWHERE = "https://graph.microsoft.com/v1.0"
"""What SDKs write as the base of absolute addresses when they were told another one."""


@dataclass(frozen=True, slots=True)
class _Part:
    id: str
    method: str
    path: str
    headers: Mapping[str, str]
    body: Any
    after: tuple[str, ...]


def mount_batch(blueprint: Blueprint, parts: GraphParts) -> None:
    """Adds POST /$batch."""

    def batch() -> Response:
        presented(parts)
        with parts.store.read() as r:
            called(parts, r, parts.moment())
        asked = _parsed(json_body(request), f"{parts.issuer}/v1.0")
        prefix = request.path.removesuffix("/$batch")
        authorization = request.headers["Authorization"]
        answers: dict[str, dict[str, Any]] = {}
        for part in _in_order(asked):
            failed = [d for d in part.after if answers[d]["status"] >= 400]
            answers[part.id.casefold()] = (
                _dependency_failed(part, parts.moment()) if failed else _sent(part, prefix, authorization)
            )
        return jsonify({"responses": [answers[p.id.casefold()] for p in asked]})

    blueprint.add_url_rule("/$batch", "batch", batch, methods=["POST"])


def _parsed(document: dict[str, Any], base: str) -> list[_Part]:
    """The parts. Raises Problem(BAD_REQUEST): then none is carried out."""
    requests = document.get("requests")
    if set(document) - {"requests"} or not isinstance(requests, list) or not requests:
        raise bad("The body holds requests, a list.")
    if len(requests) > MOST:
        raise bad(f"A batch has at most {MOST} requests.")
    parts = [_part(r, base) for r in requests]
    ids = [p.id.casefold() for p in parts]
    if len(set(ids)) != len(ids):
        raise bad("requests: each id stands once.")
    for part in parts:
        if not set(part.after) <= set(ids) or part.id.casefold() in part.after:
            raise bad(f"requests: {part.id[:40]} depends on a request that is not in the batch.")
    return parts


def _part(document: Any, base: str) -> _Part:
    if not isinstance(document, dict):
        raise bad("requests: each is an object.")
    id, method, url = document.get("id"), document.get("method"), document.get("url")
    after, headers = document.get("dependsOn", document.get("depends_on")), document.get("headers")
    after, headers = [] if after is None else after, {} if headers is None else headers
    if not isinstance(id, str) or not id or not isinstance(method, str) or method.upper() not in _METHODS:
        raise bad("requests: each has an id and a method.")
    if not isinstance(url, str) or not isinstance(after, list) or not all(isinstance(d, str) for d in after):
        raise bad(f"requests: {id[:40]} has an url, and dependsOn is a list of ids.")
    if not isinstance(headers, dict) or not all(isinstance(v, str) and v.isprintable() for v in headers.values()):
        raise bad(f"requests: the headers of {id[:40]} are texts.")
    unknown = set(document) - {"id", "method", "url", "dependsOn", "depends_on", "headers", "body"}
    if unknown:
        raise bad(f"requests: there is no property {sorted(unknown)[0][:40]}.")
    folded = {str(k).casefold(): v for k, v in headers.items()}
    if document.get("body") is not None and "content-type" not in folded:
        raise bad(f"requests: {id[:40]} has a body and needs the header Content-Type.")
    path = _path(url, base, id)
    return _Part(id, method.upper(), path, folded, document.get("body"), tuple(d.casefold() for d in after))


def _path(url: str, base: str, id: str) -> str:
    """The address below the API's base. Raises Problem(BAD_REQUEST) for any other."""
    for own in (base, _ELSEWHERE, urlsplit(base).path):
        if url.startswith(own + "/"):
            url = url.removeprefix(own)
            break
    path = "/" + url.lstrip("/")
    place = unquote(path.partition("?")[0].partition("#")[0])
    segments = place.replace("\\", "/").split("/")
    hostile = "://" in place or ".." in segments or any(ord(c) < 32 for c in path)
    if hostile or url.startswith("//") or segments[1].casefold() == "$batch":
        raise bad(f"requests: the url of {id[:40]} is no address of this API that can stand in a batch.")
    return path


def _in_order(parts: Sequence[_Part]) -> list[_Part]:
    """The parts, each after those it depends on. Raises Problem(BAD_REQUEST) for a circle."""
    done: dict[str, _Part] = {}
    waiting = list(parts)
    while waiting:
        ready = [p for p in waiting if set(p.after) <= set(done)]
        if not ready:
            raise bad("requests: dependsOn goes round in a circle.")
        # in the order written, unless a dependency says otherwise
        done[ready[0].id.casefold()] = ready[0]
        waiting.remove(ready[0])
    return list(done.values())


def _dependency_failed(part: _Part, moment: Moment) -> dict[str, Any]:
    problem = Problem(Code.FAILED_DEPENDENCY, "A request that this one depends on failed.")
    response = error_response(problem, moment)
    headers = {"Content-Type": "application/json"}
    return {"id": part.id, "status": response.status_code, "headers": headers, "body": response.get_json()}


def _sent(part: _Part, prefix: str, authorization: str) -> dict[str, Any]:
    """The part's answer, from the very routes that a request of its own would reach."""
    headers = {k: v for k, v in part.headers.items() if k != "authorization"} | {"authorization": authorization}
    data = None if part.body is None else json.dumps(part.body).encode()
    outer = {k: v for k, v in request.environ.items() if k in ("REMOTE_ADDR", "wsgi.url_scheme", PRESENTED)}
    with current_app.test_request_context(
        prefix + part.path, method=part.method, headers=headers, data=data, environ_overrides=outer
    ):
        response = current_app.full_dispatch_request()
    answer: dict[str, Any] = {"id": part.id, "status": response.status_code}
    shown = {k: v for k, v in response.headers.items() if k in _SHOWN}
    body = response.get_data()
    if body:
        shown["Content-Type"] = response.content_type
        answer["body"] = response.get_json() if response.is_json else body.decode("utf-8", "replace")
    return answer | {"headers": shown}
