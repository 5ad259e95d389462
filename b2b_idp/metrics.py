"""Prometheus metrics of one instance, true for all its worker processes whichever is asked."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Literal

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from b2b_idp.cells import Cells
from b2b_idp.version import __version__

HOMES = 1000
"""Home tenants that are told apart at most; further ones are counted as `other`."""
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_DECISION = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1)
_TRANSACTION = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
_UPSTREAM = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_REQUEST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


@dataclass(frozen=True, slots=True)
class Family:
    """A metric. A histogram has upper bounds in seconds."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Gauge:
    """How something stands that is looked up when it is asked for, and the same for every process."""

    name: str
    value: float
    labels: tuple[str, ...] = ()


FAMILIES: Sequence[Family] = (
    Family("b2b_idp_signins", "counter", "Sign-ins ended, by home tenantId and outcome.", ("home", "outcome")),
    Family("b2b_idp_double_mfa", "counter", "Guests who did MFA at home and were challenged here too.", ("home",)),
    Family("b2b_idp_decision_seconds", "histogram", "Computing what a sign-in asks for next.", (), _DECISION),
    Family(
        "b2b_idp_upstream_seconds", "histogram", "Requests to home tenants.", ("home", "outcome"), buckets=_UPSTREAM
    ),
    Family("b2b_idp_request_seconds", "histogram", "Requests answered.", ("endpoint", "status"), buckets=_REQUEST),
    Family("b2b_idp_transaction_seconds", "histogram", "Database transactions.", ("kind",), buckets=_TRANSACTION),
    Family(
        "b2b_idp_transactions_undone", "counter", "Transactions undone by another or a lost connection.", ("reason",)
    ),
    Family("b2b_idp_transactions_given_up", "counter", "Transactions undone to the last attempt."),
    Family("b2b_idp_database_connections", "gauge", "Connections of the pool in use."),
    Family("b2b_idp_reads", "counter", "Statements answered by the primary or a replica.", ("from",)),
    Family(
        "b2b_idp_replica_fallbacks",
        "counter",
        "Transactions repeated at the primary, by why.",
        ("reason",),
    ),
    Family("b2b_idp_replica_lag_seconds", "gauge", "How far a replica is behind.", ("replica",)),
    Family("b2b_idp_replica_up", "gauge", "1 where a replica is read from.", ("replica",)),
    Family("b2b_idp_workers", "gauge", "Worker processes of this server."),
    Family("b2b_idp_ready", "gauge", "1 where the database answers and has this version's schema."),
    Family("b2b_idp_outbox_waiting", "gauge", "Mails that are to be sent."),
    Family("b2b_idp_outbox_oldest_seconds", "gauge", "How long the oldest mail waits."),
    Family("b2b_idp_outbox_given_up", "gauge", "Mails that were given up."),
    Family("b2b_idp_notices_waiting", "gauge", "Logout tokens that are to be delivered."),
    Family("b2b_idp_signing_key_age_seconds", "gauge", "How long the key that signs now does so.", ("alg",)),
)
_BY_NAME = {f.name: f for f in FAMILIES}


class Metrics:
    """Counts what happens in this process, and tells what happened in all that share `folder`. Instances in one process
    do not mix. No value from outside becomes a label: homes by tenantId, endpoints by their routes, outcomes by code.
    """

    def __init__(self, folder: Path | None = None, name: str = "cells") -> None:
        """`name`: of the instance, where several share a folder."""
        # of one version: the next may count in other buckets
        self._cells = Cells(folder, f"{name}-{__version__}", {f.name for f in FAMILIES if f.kind == "gauge"})
        self._homes: set[str] = set()

    # --- what happens ------------------------------------------------------------------------------------------------

    def working(self) -> None:
        """This process serves."""
        self._cells.put(("b2b_idp_workers",), 1.0)

    def signin(self, home: str, outcome: str, double_mfa: bool) -> None:
        """A sign-in ended. `home` is the tenantId of a configured home, or `none`."""
        home = self._known(home)
        self._cells.add(("b2b_idp_signins", home, outcome), 1, 0, 1.0)
        if double_mfa:
            self._cells.add(("b2b_idp_double_mfa", home), 1, 0, 1.0)

    def decision(self, seconds: float) -> None:
        """The next step of a sign-in was computed."""
        self._observe(("b2b_idp_decision_seconds",), _DECISION, seconds)

    def upstream(self, home: str, answered: bool, seconds: float) -> None:
        """A request to a home ended; `answered` with anything but an error of the home's server."""
        outcome = "answered" if answered else "failed"
        self._observe(("b2b_idp_upstream_seconds", self._known(home), outcome), _UPSTREAM, seconds)

    def request(self, endpoint: str, status: int, seconds: float) -> None:
        """A request to `endpoint`, one of our routes, was answered."""
        self._observe(("b2b_idp_request_seconds", endpoint, f"{status // 100}xx"), _REQUEST, seconds)

    def transaction(self, kind: Literal["read", "write"], seconds: float) -> None:
        """A transaction ended, waiting for its connection counted."""
        self._observe(("b2b_idp_transaction_seconds", kind), _TRANSACTION, seconds)

    def undone(self, reason: Literal["conflict", "lost"], given_up: bool) -> None:
        """Another transaction undid one, or its connection was lost; `given_up`: it was the last attempt."""
        self._cells.add(("b2b_idp_transactions_undone", reason), 1, 0, 1.0)
        if given_up:
            self._cells.add(("b2b_idp_transactions_given_up",), 1, 0, 1.0)

    def connections(self, more: int) -> None:
        """So many more connections are in use now; below 0: fewer."""
        self._cells.add(("b2b_idp_database_connections",), 1, 0, more)

    def reads(self, primary: int, replica: int) -> None:
        """So many statements of a transaction were answered there."""
        if primary:
            self._cells.add(("b2b_idp_reads", "primary"), 1, 0, primary)
        if replica:
            self._cells.add(("b2b_idp_reads", "replica"), 1, 0, replica)

    def replica_fallback(self, reason: Literal["stale", "failed", "refused"]) -> None:
        """The primary was asked again: a replica's answer was not proved, it failed, or it said no."""
        self._cells.add(("b2b_idp_replica_fallbacks", reason), 1, 0, 1.0)

    def _observe(self, key: tuple[str, ...], buckets: tuple[float, ...], seconds: float) -> None:
        """A histogram's block: how many fell into each bucket, how many above all, and the sum."""
        above = len(buckets)
        self._cells.add(key, above + 2, bisect_left(buckets, seconds), 1.0, above + 1, seconds)

    def _known(self, home: str) -> str:
        if home not in self._homes:
            if len(self._homes) >= HOMES:
                return "other"
            self._homes.add(home)
        return home

    # --- what is told ------------------------------------------------------------------------------------------------

    def text(self, now: Iterable[Gauge] = ()) -> bytes:
        """All metrics in Prometheus' text format, and how things stand `now`."""
        families = _added_up(self._cells.read())
        for gauge in now:
            families.setdefault(gauge.name, {})[gauge.labels] = [gauge.value]
        registry = CollectorRegistry()
        registry.register(_Collected([_metric(f, families.get(f.name, {})) for f in FAMILIES]))
        return generate_latest(registry)


_Numbers = dict[tuple[str, ...], list[float]]


def _added_up(blocks: Iterable[tuple[tuple[str, ...], list[float], bool]]) -> dict[str, _Numbers]:
    """Family → labels → numbers of all processes together; gauges only of those that live."""
    families: dict[str, _Numbers] = {f.name: {(): [0.0]} for f in FAMILIES if f.kind == "counter" and not f.labels}
    for (name, *values), numbers, lives in blocks:
        family = _BY_NAME.get(name)
        if family is None or (family.kind == "gauge" and not lives):
            continue
        found, labels = families.setdefault(name, {}), tuple(values)
        before = found.get(labels)
        found[labels] = numbers if before is None else [a + b for a, b in zip(before, numbers, strict=True)]
    return families


def _metric(family: Family, found: _Numbers) -> Metric:
    if family.kind == "histogram":
        histogram = HistogramMetricFamily(family.name, family.help, labels=family.labels)
        bounds = [*map(str, family.buckets), "+Inf"]
        for labels, numbers in sorted(found.items()):
            counts = accumulate(numbers[:-1])
            histogram.add_metric(labels, list(zip(bounds, counts, strict=True)), numbers[-1])
        return histogram
    kind = CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily
    metric = kind(family.name, family.help, labels=family.labels)
    for labels, numbers in sorted(found.items()):
        metric.add_metric(labels, numbers[0])
    return metric


class _Collected(Collector):
    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics
