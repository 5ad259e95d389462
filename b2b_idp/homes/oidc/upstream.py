"""Requests to one home, timed and traced."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from b2b_idp.metrics import Metrics
from b2b_idp.net.http import Answer, Http
from b2b_idp.tracing import client_span


class Upstream:
    """`Http` towards the home `tenant_id`. Our trace is not told to it: it is another organisation's business."""

    def __init__(self, http: Http, tenant_id: str, metrics: Metrics) -> None:
        self._http, self._tenant_id, self._metrics = http, tenant_id, metrics

    def check_url(self, url: str) -> None:
        """As `Http.check_url`."""
        self._http.check_url(url)

    def get(self, url: str, headers: Mapping[str, str] | None = None) -> Answer:
        """As `Http.get`."""
        return self._watched("GET", url, lambda: self._http.get(url, headers))

    def post_form(self, url: str, form: Mapping[str, str], headers: Mapping[str, str] | None = None) -> Answer:
        """As `Http.post_form`."""
        return self._watched("POST", url, lambda: self._http.post_form(url, form, headers))

    def _watched(self, method: str, url: str, send: Callable[[], Answer]) -> Answer:
        began, answered = time.perf_counter(), False
        host = urlsplit(url).hostname or ""
        about = {"http.request.method": method, "server.address": host, "b2b_idp.home": self._tenant_id}
        try:
            with client_span(f"{method} home", about) as span:
                answer = send()
                answered = answer.status < 500
                if span is not None:
                    span.set({"http.response.status_code": answer.status})
                    if not answered:
                        span.fail(str(answer.status))
                return answer
        finally:
            self._metrics.upstream(self._tenant_id, answered, time.perf_counter() - began)
