"""What a guest's sign-in costs in a small directory, and in such as have grown in one direction."""

from __future__ import annotations

import statistics
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

from benchmarks.contenders import B2bIdp
from benchmarks.contenders.b2b_idp import mfa_for
from benchmarks.filling import add_groups, add_guests, add_partners
from benchmarks.measure import Operation, measure
from benchmarks.works import RETURNING
from benchmarks.world import GUESTS, World

CONNECTIONS = 4
MORE_ROUNDS = 2
"""Beside those of the plan: a growth of a tenth must be seen through the noise."""


@dataclass(frozen=True)
class Size:
    """Of a directory; `groups`: how many a guest is in."""

    guests: int = 1_000
    partners: int = 10
    groups: int = 10


SMALL = Size()


def run(world: World) -> dict[str, Any]:
    """By database and direction: from what to what, CPU milliseconds of a sign-in before and after, their ratio."""
    grown = {
        "guests": replace(SMALL, guests=world.plan.guests),
        "partners": replace(SMALL, partners=world.plan.partners),
        "groups": replace(SMALL, groups=world.plan.groups),
    }
    return {kind.name: _grown(world, kind, grown) for kind in world.ours()}


def _grown(world: World, kind: type[B2bIdp], grown: dict[str, Size]) -> dict[str, Any]:
    taken: dict[str, list[float]] = {name: [] for name in ("small", *grown)}
    with ExitStack() as stack:
        ready = {name: _ready(world, kind, size, stack) for name, size in {"small": SMALL, **grown}.items()}
        for contender, operations in ready.values():
            measure(contender.cpu_seconds, operations, max(contender.warm_up * world.plan.warm_up, 0.1), world.disk)
        for number in range(world.plan.rounds + MORE_ROUNDS):
            for name in taken if number % 2 == 0 else reversed(taken):
                contender, operations = ready[name]
                found = measure(contender.cpu_seconds, operations, world.plan.seconds, world.disk)
                if found.errors:
                    raise RuntimeError(f"{kind.name}, {name}: {found.errors}")
                taken[name].append(found.cpu_ms)
    return {name: _compared(taken["small"], taken[name]) | _sizes(name, size) for name, size in grown.items()}


def _ready(world: World, kind: type[B2bIdp], size: Size, stack: ExitStack) -> tuple[B2bIdp, list[Operation]]:
    contender = kind(world.new_folder(), world.home, world.served)
    stack.callback(contender.stop)
    contender.start()
    guests = GUESTS[:CONNECTIONS]
    contender.furnish(guests)
    add_guests(contender, size.guests)
    add_partners(contender, size.partners)
    group = add_groups(contender, size.groups, guests)
    contender.graph("/identity/conditionalAccess/policies", mfa_for({"includeGroups": [group]}))
    return contender, RETURNING.begin(contender, guests, 0)


def _compared(small: list[float], large: list[float]) -> dict[str, float]:
    """The ratio is the median of each round's, which slow seconds of the machine are in twice."""
    return {
        "small_ms": statistics.median(small),
        "large_ms": statistics.median(large),
        "ratio": statistics.median(b / a for a, b in zip(small, large, strict=True)),
    }


def _sizes(name: str, size: Size) -> dict[str, int]:
    return {"from": getattr(SMALL, name), "to": getattr(size, name)}
