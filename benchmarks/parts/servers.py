"""Two servers over one PostgreSQL on two cores beside one server and its PostgreSQL on one.

A browser's requests go to the two in turn. Where the machine has no third core for this client and the home, what they
used is taken off: the rate is that of two whole cores.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from benchmarks.contenders import B2bIdpPostgres
from benchmarks.measure import Operation, measure
from benchmarks.processes import free_port
from benchmarks.works import returning
from benchmarks.world import GUESTS, World

CONNECTIONS = 16
"""Enough that neither of two servers waits for a browser: of 8, each of which goes to either in turn, a server has none
a ninth of the time."""


def run(world: World) -> dict[str, Any]:
    """Sign-ins a second of one server and of two, their ratio, and errors; or why not."""
    if len(world.cores) < 2:
        return {"cannot": "this machine has one core"}
    if B2bIdpPostgres not in world.ours():
        return {"cannot": "PostgreSQL is not installed, or not wanted"}
    with ExitStack() as stack:
        one = _started(world, world.served, stack)
        two = _started(world, world.cores[:2], stack)
        port = free_port()
        stack.callback(two.serve(two.cores, port).stop)
        servers = [f"127.0.0.1:{two.port}", f"127.0.0.1:{port}"]
        alone, together = _operations(one, ()), _operations(two, servers)
        rates: dict[str, list[float]] = {"one": [], "two": []}
        errors = 0
        for number in range(world.plan.rounds + 1):
            for name, contender, operations in (("one", one, alone), ("two", two, together)):
                ours = _ours(world)
                found = measure(contender.cpu_seconds, operations, world.plan.seconds, world.disk)
                left = 1.0
                if world.cores[-1] in contender.cores:
                    left = 1 - (_ours(world) - ours) / found.seconds / len(contender.cores)
                if number > 0:  # the first is to get warm
                    rates[name].append(found.per_second / left)
                    errors += sum(found.errors.values())
    return {name: statistics.median(rate) for name, rate in rates.items()} | {
        "ratio": statistics.median(b / a for a, b in zip(rates["one"], rates["two"], strict=True)),
        "errors": errors,
    }


def _started(world: World, cores: Sequence[int], stack: ExitStack) -> B2bIdpPostgres:
    contender = B2bIdpPostgres(world.new_folder(), world.home, cores)
    stack.callback(contender.stop)
    contender.start()
    contender.furnish(GUESTS[:CONNECTIONS])
    return contender


def _operations(contender: B2bIdpPostgres, servers: Sequence[str]) -> list[Operation]:
    return [returning(contender.client(servers=servers), guest) for guest in GUESTS[:CONNECTIONS]]


def _ours(world: World) -> float:
    """CPU seconds that this process and the home have used."""
    return time.process_time() + world.home.server.cpu_seconds()
