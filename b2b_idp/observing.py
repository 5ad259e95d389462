"""What is seen of each request: its id in every line that it logs, its span, and how long it took."""

from __future__ import annotations

import time
from functools import lru_cache

from flask import Response, g, request

from b2b_idp import tracing
from b2b_idp.graph.errors import client_request_id
from b2b_idp.logs import carry, correlation, detail, drop
from b2b_idp.metrics import Metrics
from b2b_idp.model.moment import Moment

_BEGAN, _SPAN = "b2b_idp.began", "b2b_idp.span"


class Observer:
    """Hooks of a blueprint: `begin` before a request and `end` after it."""

    def __init__(self, metrics: Metrics, url_prefix: str) -> None:
        self._metrics, self._url_prefix = metrics, url_prefix

    def begin(self, moment: Moment) -> None:
        """The request's lines carry an id of its own from now on, until a sign-in says its, and the caller's id."""
        # every attribute of `request` is looked up in this thread's context: asked for once
        environ = request.environ
        environ[_BEGAN] = time.perf_counter()
        g.b2b_idp_request_id = id = moment.new_id()
        carry(correlation_id=id)
        if "HTTP_CLIENT_REQUEST_ID" in environ:
            carry(client_request_id=client_request_id())
        if tracing.on():
            method, endpoint = _known(environ["REQUEST_METHOD"]), self._endpoint()
            about = {"http.request.method": method, "http.route": endpoint}
            span = tracing.server_span(f"{method} {endpoint}", about, environ.get("HTTP_TRACEPARENT", ""))
            environ[_SPAN] = span.__enter__() if span is not None else None

    def end(self, response: Response) -> Response:
        """Counts the request, and says of it what may be said."""
        environ = request.environ
        began: float | None = environ.pop(_BEGAN, None)
        if began is None:
            # the host answered in our stead
            return response
        seconds, endpoint, status = time.perf_counter() - began, self._endpoint(), response.status_code
        self._metrics.request(endpoint, status, seconds)
        detail(
            "request",
            endpoint=endpoint,
            method=_known(environ["REQUEST_METHOD"]),
            status=status,
            seconds=round(seconds, 6),
        )
        span: tracing.Span | None = environ.pop(_SPAN, None)
        if span is not None:
            span.set({"http.response.status_code": status, "b2b_idp.correlation_id": correlation()})
            if status >= 500:
                span.fail(str(status))
            span.__exit__(None, None, None)
        drop()
        return response

    def _endpoint(self) -> str:
        rule = request.url_rule
        return "unknown" if rule is None else endpoint_of(rule.rule.removeprefix(self._url_prefix))


@lru_cache(maxsize=2048)
def endpoint_of(rule: str) -> str:
    """A route as metrics tell it apart: `/signin/<id>`, and of the Graph API the collection alone, `/v1.0/users`."""
    parts = rule.split("/")
    if parts[1] in ("v1.0", "beta") and len(parts) > 2:
        collection = parts[2].partition("(")[0]
        return "unknown" if collection.startswith("<") else f"/{parts[1]}/{collection}"
    return rule


def _known(method: str) -> str:
    """An HTTP method; a word that somebody made up is none."""
    return method if method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS") else "_OTHER"
