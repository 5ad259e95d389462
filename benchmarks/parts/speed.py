"""The works at every contender, in alternating rounds on one core."""

from __future__ import annotations

import statistics
from collections import Counter
from typing import Any

from benchmarks.client import WrongAnswer
from benchmarks.contenders import OURS, Contender
from benchmarks.measure import Operation, Round, measure
from benchmarks.works import WORKS, Work
from benchmarks.world import GUESTS, World

CONNECTIONS = 4


def run(world: World) -> dict[str, Any]:
    """By work and contender the median, lowest and highest of each number, or why it cannot be done there."""
    return {work.name: _at_all(world, work) for work in WORKS}


def _at_all(world: World, work: Work) -> dict[str, Any]:
    plan, found = world.plan, {}
    ready: list[tuple[Contender, list[Operation]]] = []
    for contender in world.contenders():
        warm_up = max(contender.warm_up * plan.warm_up, 0.1)
        try:
            operations = work.begin(contender, GUESTS[:CONNECTIONS], warm_up + plan.rounds * plan.seconds)
            warmed = measure(contender.cpu_seconds, operations, warm_up, world.disk)
            if not warmed.latencies:
                raise WrongAnswer(str(dict(warmed.errors)))
        except (WrongAnswer, KeyError) as why:
            if isinstance(contender, OURS):
                raise
            found[contender.name] = {"cannot": f"{type(why).__name__}: {why}"[:500]}
        else:
            ready.append((contender, operations))
    taken: dict[str, list[Round]] = {contender.name: [] for contender, _ in ready}
    for number in range(plan.rounds):
        for contender, operations in ready if number % 2 == 0 else reversed(ready):
            taken[contender.name].append(measure(contender.cpu_seconds, operations, plan.seconds, world.disk))
    return found | {name: summary(rounds) for name, rounds in taken.items()}


def summary(rounds: list[Round]) -> dict[str, Any]:
    """What rounds have in common."""
    columns = {name: [getattr(r, name) for r in rounds] for name in ("per_second", "cpu_ms", "commit_ms")}
    spread: dict[str, Any] = {
        name: {"median": statistics.median(values), "lowest": min(values), "highest": max(values)}
        for name, values in columns.items()
    }
    errors: Counter[str] = sum((r.errors for r in rounds), Counter())
    return spread | {"errors": dict(errors)}
