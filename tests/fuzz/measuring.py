"""A run of one target: so many inputs, each bounded in what it may do, in CPU time and in memory."""

from __future__ import annotations

import gc
import os
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Protocol

HANG = 0.2
"""Seconds of CPU that no input may take."""
GROWTH = 50.0
"""MB by which no run may grow."""
_WARM_UP = 2000
"""Inputs until caches that are bounded are full enough, and a run's growth is counted."""
_LOOK_EVERY = 1000
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Target(Protocol):
    """What is fed. The same `random` makes the same inputs, as far as the target keeps no clock."""

    def make(self, random: Random) -> Any:
        """The next input."""

    def give(self, made: Any) -> bool:
        """Feeds it; whether it was taken. Whatever it raises is a fault, and so a refusal is not raised."""

    def close(self) -> None: ...


@dataclass
class Found:
    """What a run found. `seconds` is its CPU time, `slowest` that of the slowest input, in seconds; `growth` in MB."""

    inputs: int = 0
    taken: int = 0
    seconds: float = 0.0
    slowest: float = 0.0
    growth: float = 0.0
    faults: dict[str, str] = field(default_factory=dict)
    """By kind and place, an input that does it."""

    @property
    def well(self) -> bool:
        return not self.faults and self.growth <= GROWTH

    def figures(self) -> dict[str, Any]:
        return {
            "inputs": self.inputs,
            "taken": round(self.taken / max(self.inputs, 1), 3),
            "a_second": round(self.inputs / max(self.seconds, 1e-9)),
            "slowest_ms": round(self.slowest * 1000, 1),
            "growth_mb": round(self.growth, 1),
            "faults": len(self.faults),
        }


def run(
    target: Target,
    inputs: int,
    seed: int = 1,
    *,
    until: float | None = None,
    tell: Callable[[Found], None] | None = None,
) -> Found:
    """Feeds the target so many inputs, or fewer where the clock (`time.monotonic`) reaches `until`. `tell` hears of it
    from time to time."""
    random, found, first = Random(seed), Found(), 0.0
    began = time.process_time()
    for n in range(inputs):
        _feed(target, target.make(random), found)
        if n == min(_WARM_UP, inputs // 2):
            gc.collect()
            first = resident()
        if n % _LOOK_EVERY == 0:
            found.seconds = time.process_time() - began
            found.growth = max(found.growth, resident() - first) if first else 0.0
            if tell is not None and n % (50 * _LOOK_EVERY) == 0:
                tell(found)
            if until is not None and time.monotonic() > until:
                break
    found.seconds = time.process_time() - began
    found.growth = max(found.growth, resident() - first) if first else 0.0
    return found


def _feed(target: Target, made: Any, found: Found) -> None:
    found.inputs += 1
    for attempt in (1, 2):
        began = time.process_time()
        try:
            found.taken += target.give(made) and attempt == 1
        except Exception as e:
            found.faults.setdefault(_where(e), repr(made)[:4000])
        took = time.process_time() - began
        if took <= HANG:
            break
        # once more: the machine, or the collector of garbage, may have had its moment
        if attempt == 2:
            found.faults.setdefault(f"took {took:.2f} s", repr(made)[:4000])
    found.slowest = max(found.slowest, took)


def _where(e: Exception) -> str:
    frames = traceback.extract_tb(e.__traceback__)
    return f"{type(e).__name__}: {str(e)[:80]} at {frames[-1].filename}:{frames[-1].lineno}"


def resident() -> float:
    """MB of this process in memory."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * _PAGE / 2**20
