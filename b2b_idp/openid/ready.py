"""The two documents that every client fetches, answered as ready bytes before any request machinery (PEP 3333)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from flask import Response

from b2b_idp.openid.metadata import DISCOVERY, JWKS, MAX_AGE, ready_document
from b2b_idp.openid.parts import OpenIdParts
from b2b_idp.openid.responses import cors, json_response


class WsgiApp(Protocol):
    """A WSGI application."""

    def __call__(self, environ: dict[str, Any], start_response: Any, /) -> Iterable[bytes]: ...


class ReadyDocuments:
    """In front of an application that is nothing but the provider: a plain GET of its metadata or key set never reaches
    it. What the application would answer, byte for byte, but for the order of headers."""

    def __init__(self, app: WsgiApp, parts: OpenIdParts, prefix: str, secured: Callable[[Response], Response]) -> None:
        """`prefix`: of every path; `secured` gives a response the headers that all answers have."""
        metadata = ready_document(parts)
        self._app = app
        self._bodies: Mapping[str, Callable[[], bytes]] = {
            **{prefix + path: lambda: metadata for path in DISCOVERY},
            prefix + JWKS: parts.keys.jwks,
        }
        answer = secured(cors(json_response(b"", max_age=MAX_AGE)))
        self._headers: Sequence[tuple[str, str]] = [(k, v) for k, v in answer.headers if k != "Content-Length"]

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        body = self._bodies.get(environ["PATH_INFO"])
        if body is None or environ["REQUEST_METHOD"] != "GET" or environ.get("QUERY_STRING"):
            return self._app(environ, start_response)
        ready = body()
        start_response("200 OK", [*self._headers, ("Content-Length", str(len(ready)))])
        return [ready]
