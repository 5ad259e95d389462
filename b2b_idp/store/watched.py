"""A transaction as it is seen: how long it took, its span, and the connection that it holds."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Literal

from b2b_idp.metrics import Metrics
from b2b_idp.tracing import span


class Watched:
    """Around one transaction. No generator: it is gone through a dozen times a sign-in."""

    __slots__ = ("_began", "_kind", "_metrics", "_span")

    def __init__(self, metrics: Metrics, kind: Literal["read", "write"], system: str) -> None:
        self._metrics, self._kind = metrics, kind
        self._span = span("transaction", {"db.operation.name": kind, "db.system.name": system})

    def __enter__(self) -> None:
        self._metrics.connections(1)
        self._began = time.perf_counter()
        self._span.__enter__()

    def __exit__(self, kind: type[BaseException] | None, e: BaseException | None, at: TracebackType | None) -> None:
        self._span.__exit__(kind, e, at)
        self._metrics.transaction(self._kind, time.perf_counter() - self._began)
        self._metrics.connections(-1)
