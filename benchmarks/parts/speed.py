"""The works at every contender, in alternating rounds on one core."""

from __future__ import annotations

import statistics
from collections import Counter
from typing import Any

from benchmarks.client import WrongAnswer
from benchmarks.contenders import OURS, Contender
from benchmarks.measure import Round, measure
from benchmarks.works import WORKS, Work
from benchmarks.world import GUESTS, World

CONNECTIONS = 4


def run(world: World) -> dict[str, Any]:
    """By work and contender the median, lowest and highest of each number, or why it cannot be done there."""
    return {work.name: _at_all(world, work) for work in WORKS}


def _at_all(world: World, work: Work) -> dict[str, Any]:
    plan, found = world.plan, {}
    taken: dict[Contender, list[Round]] = {}
    for contender in world.contenders():
        try:
            warmed = _round(world, work, contender, max(contender.warm_up * plan.warm_up, 0.1))
            if not warmed.latencies:
                raise WrongAnswer(str(dict(warmed.errors)))
        except (WrongAnswer, KeyError) as why:
            if isinstance(contender, OURS):
                raise
            found[contender.name] = {"cannot": f"{type(why).__name__}: {why}"[:500]}
        else:
            taken[contender] = []
    for number in range(plan.rounds):
        for contender in taken if number % 2 == 0 else reversed(taken):
            taken[contender].append(_round(world, work, contender, plan.seconds))
    return found | {contender.name: summary(rounds) for contender, rounds in taken.items()}


def _round(world: World, work: Work, contender: Contender, seconds: float) -> Round:
    operations = work.begin(contender, GUESTS[:CONNECTIONS], seconds)
    return measure(contender.cpu_seconds, operations, seconds, world.disk)


def summary(rounds: list[Round]) -> dict[str, Any]:
    """What rounds have in common, of those in which anything was right."""
    errors: Counter[str] = sum((r.errors for r in rounds), Counter())
    right = [r for r in rounds if r.latencies]
    if not right:
        return {"cannot": str(dict(errors))[:500]}
    columns = {name: [getattr(r, name) for r in right] for name in ("per_second", "cpu_ms", "commit_ms")}
    spread: dict[str, Any] = {
        name: {"median": statistics.median(values), "lowest": min(values), "highest": max(values)}
        for name, values in columns.items()
    }
    return spread | {"errors": dict(errors)}
