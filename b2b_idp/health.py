"""`/healthz`, `/readyz` and `/metrics`: how the instance does, for who runs it."""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from flask import Blueprint, Request, Response, request

from b2b_idp.keys.ring import ALGORITHMS, KeyRing
from b2b_idp.metrics import CONTENT_TYPE, Gauge, Metrics
from b2b_idp.model.moment import Moment
from b2b_idp.model.problem import Code, Problem
from b2b_idp.store import Store

_FORWARDED = ("X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP", "Forwarded", "Via")
"""Headers by which a proxy on this machine is known from somebody on this machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthParts:
    store: Store
    keys: KeyRing
    metrics: Metrics
    metrics_token: str
    moment: Callable[[], Moment]


_NEWER = "the database's schema is newer than this version, which works on it: install the newer one"


def health_blueprint(parts: HealthParts, name: str) -> Blueprint:
    blueprint = Blueprint(f"{name}_health", __name__)

    @blueprint.get("/healthz")
    def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @blueprint.get("/readyz")
    def readyz() -> tuple[dict[str, str], int]:
        wrong = _unready(parts)
        if wrong is not None:
            return wrong, 503
        return {"status": "ok"} | ({"detail": _NEWER} if parts.store.schema() == "newer" else {}), 200

    @blueprint.get("/metrics")
    def metrics() -> Response:
        if not may_read_metrics(request, parts.metrics_token):
            raise Problem(Code.NOT_FOUND, "There is no such page here.")
        return Response(parts.metrics.text(_now(parts)), content_type=CONTENT_TYPE)

    return blueprint


def may_read_metrics(asked: Request, token: str) -> bool:
    """Whether the request bears `token`; where there is none, whether it comes from this machine itself. Metrics name
    the partners, which is nobody else's business."""
    if token:
        scheme, _, sent = asked.headers.get("Authorization", "").partition(" ")
        return scheme.lower() == "bearer" and hmac.compare_digest(sent.strip().encode(), token.encode())
    forwarded = any(name in asked.headers for name in _FORWARDED)
    return not forwarded and _loopback(asked.remote_addr or "") and _loopback(_host(asked))


def _host(asked: Request) -> str:
    """The host that was asked for: one on loopback, unless a proxy passes on the name that the world uses."""
    try:
        return urlsplit(f"//{asked.headers.get('Host', '')}").hostname or ""
    except ValueError:
        return ""


def _loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _unready(parts: HealthParts) -> dict[str, str] | None:
    """Which part does not work, None where all do."""
    try:
        parts.store.ping()
        if parts.store.schema() in ("none", "older"):
            return {"status": "the database's schema is older than this version: run b2b-idp migrate"}
    except Problem as p:
        return {"status": "database unavailable", "detail": p.why}
    return None


def _now(parts: HealthParts) -> Iterator[Gauge]:
    """How things stand that are the same for every process. What cannot be looked up is left out."""
    at = parts.moment().at
    ready = _unready(parts) is None
    yield Gauge("b2b_idp_ready", float(ready))
    for alg in ALGORITHMS:
        since = parts.keys.signing_since(alg, at)
        if since is not None:
            yield Gauge("b2b_idp_signing_key_age_seconds", (at - since).total_seconds(), (alg,))
    for replica in parts.store.standings():
        yield Gauge("b2b_idp_replica_up", float(replica.lag is not None), (replica.name,))
        if replica.lag is not None:
            yield Gauge("b2b_idp_replica_lag_seconds", replica.lag, (replica.name,))
    if not ready:
        return
    with parts.store.read() as r:
        mails, notices = r.outbox.backlog(), r.notices.waiting()
    oldest = 0.0 if mails.oldest is None else max(0.0, (at - mails.oldest).total_seconds())
    yield Gauge("b2b_idp_outbox_waiting", mails.waiting)
    yield Gauge("b2b_idp_outbox_oldest_seconds", oldest)
    yield Gauge("b2b_idp_outbox_given_up", mails.given_up)
    yield Gauge("b2b_idp_notices_waiting", notices)
