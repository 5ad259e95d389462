"""Prometheus metrics of one instance."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, generate_latest


class Metrics:
    """A registry of its own, so that instances in one process do not mix."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.answers = Counter(
            "b2b_idp_answers",
            "Answers by room and status class.",
            ("room", "status"),
            registry=self._registry,
        )

    def text(self) -> bytes:
        return generate_latest(self._registry)
