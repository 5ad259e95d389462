"""Many browsers at once: how long the slowest sign-ins take, how many fail, and how large the server has grown."""

from __future__ import annotations

import statistics
from collections import Counter
from typing import Any

from benchmarks.contenders import Contender
from benchmarks.measure import Operation, Round, measure
from benchmarks.works import RETURNING
from benchmarks.world import BROWSERS, GUESTS, World


def run(world: World) -> dict[str, Any]:
    """By contender: by number of browsers latencies (ms), sign-ins a second and errors; memory (MB) of each process,
    without the database's; seconds from start to ready."""
    plan = world.plan
    crowds: list[tuple[Contender, list[Operation]]] = [
        (contender, RETURNING.begin(contender, GUESTS, plan.seconds)) for contender in world.contenders()
    ]
    taken: dict[str, dict[int, list[Round]]] = {c.name: {browsers: [] for browsers in BROWSERS} for c, _ in crowds}
    for number in range(plan.rounds):
        for contender, operations in crowds if number % 2 == 0 else reversed(crowds):
            for browsers in BROWSERS if number == 0 else BROWSERS[:1]:
                measured = measure(contender.cpu_seconds, operations[:browsers], plan.seconds, world.disk)
                taken[contender.name][browsers].append(measured)
    return {
        contender.name: {
            "browsers": {browsers: _summary(rounds) for browsers, rounds in taken[contender.name].items()},
            "memory_mb": contender.server.memory_mb(),
            "ready_seconds": contender.server.ready_seconds,
        }
        for contender, _ in crowds
    }


def _summary(rounds: list[Round]) -> dict[str, Any]:
    right = [r for r in rounds if r.latencies]
    errors: Counter[str] = sum((r.errors for r in rounds), Counter())
    return {
        "p50_ms": statistics.median(r.latency_ms(0.5) for r in right) if right else None,
        "p99_ms": statistics.median(r.latency_ms(0.99) for r in right) if right else None,
        "per_second": statistics.median(r.per_second for r in rounds),
        "sign_ins": sum(len(r.latencies) for r in rounds),
        "errors": sum(errors.values()),
        "said": dict(errors.most_common(3)),
    }
