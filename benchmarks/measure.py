"""Rounds: what a work costs a contender, and what the disk took of it."""

from __future__ import annotations

import sqlite3
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

Operation = Callable[[], object]


class NobodyLeft(Exception):
    """An operation that can be done only so often was done so often."""


@dataclass(frozen=True)
class Round:
    """One work at one contender. `latencies`: seconds of each operation that was right, in order of size; `errors`:
    what the others said, and how often. `commit_ms`: what one durable commit cost just before; disks of shared machines
    change from second to second."""

    seconds: float
    cpu_seconds: float
    latencies: Sequence[float]
    errors: Counter[str]
    commit_ms: float

    @property
    def per_second(self) -> float:
        return len(self.latencies) / self.seconds

    @property
    def cpu_ms(self) -> float:
        """CPU milliseconds an operation."""
        return self.cpu_seconds / len(self.latencies) * 1000

    def latency_ms(self, share: float) -> float:
        """Milliseconds within which this share of the operations was done."""
        return self.latencies[min(int(share * len(self.latencies)), len(self.latencies) - 1)] * 1000


class Disk:
    """The floor under everything that writes: a database like the contenders', beside theirs."""

    def __init__(self, folder: Path) -> None:
        self._db = sqlite3.connect(folder / "floor.sqlite", isolation_level=None)
        for statement in ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL", "CREATE TABLE t (n INTEGER)"):
            self._db.execute(statement)

    def commit_ms(self) -> float:
        """Milliseconds of one durable commit, now: the median of 30."""
        taken = []
        for n in range(30):
            began = time.perf_counter()
            self._db.execute("INSERT INTO t VALUES (?)", (n,))
            taken.append((time.perf_counter() - began) * 1000)
        return statistics.median(taken)


def measure(cpu_seconds: Callable[[], float], operations: Sequence[Operation], seconds: float, disk: Disk) -> Round:
    """All `operations` at once, each in a thread of its own, over and over for `seconds`; `cpu_seconds` tells what has
    been used so far."""
    commit_ms = disk.commit_ms()
    latencies: list[list[float]] = [[] for _ in operations]
    errors: Counter[str] = Counter()
    until = time.perf_counter() + seconds

    def repeat(operation: Operation, taken: list[float]) -> None:
        while (began := time.perf_counter()) < until:
            try:
                operation()
            except NobodyLeft:
                return
            except Exception as error:
                errors[f"{type(error).__name__}: {error}"] += 1
            else:
                taken.append(time.perf_counter() - began)

    threads = [threading.Thread(target=repeat, args=pair) for pair in zip(operations, latencies, strict=True)]
    began, cpu = time.perf_counter(), cpu_seconds()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took, used = time.perf_counter() - began, cpu_seconds() - cpu
    return Round(took, used, sorted(one for each in latencies for one in each), errors, commit_ms)
