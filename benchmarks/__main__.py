"""b2b-idp beside its peers: the same work, the same cores, in alternating rounds. `python -m benchmarks --help`.

The servers and their databases share one core; this client and the home tenant have another, and their CPU time is not
counted. Every database commits durably.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from benchmarks.contenders import ALL, Contender
from benchmarks.home import node_version
from benchmarks.manual import write
from benchmarks.parts import bound, crowd, growth, replica, servers, speed
from benchmarks.report import closing, tables
from benchmarks.world import QUICK, STANDARD, Plan, World

PARTS: dict[str, Callable[[World], dict[str, Any]]] = {
    "speed": speed.run,
    "crowd": crowd.run,
    "growth": growth.run,
    "servers": servers.run,
    "replica": replica.run,
    "bound": bound.run,
}
WITH_PEERS = ("speed", "crowd")
QUICKLY = [kind.client_id() for kind in ALL if kind.warm_up <= STANDARD.seconds]
"""Contenders that are warm soon."""


def measured(plan: Plan, parts: Sequence[str], wanted: Sequence[type[Contender]]) -> dict[str, Any]:
    """The report of these parts."""
    report: dict[str, Any] = {"machine": machine(), "plan": asdict(plan)}
    with World(plan, wanted) as world:
        for part in parts:
            began = time.perf_counter()
            if part not in WITH_PEERS:
                world.stop()  # who waits still costs a little
            report[part] = PARTS[part](world)
            print(f"{part}: {time.perf_counter() - began:.0f} s", file=sys.stderr)
        report["missing"] = world.missing
    return report


def machine() -> dict[str, Any]:
    """What it runs on, and how busy that was."""
    cpu = Path("/proc/cpuinfo").read_text()
    models = [line.partition(": ")[2] for line in cpu.splitlines() if line.startswith("model name")]
    return {
        "cores": len(os.sched_getaffinity(0)),
        "processor": models[0] if models else platform.machine(),
        "python": platform.python_version(),
        "node": node_version(),
        "load": os.getloadavg()[0],
    }


def main() -> None:
    names = {kind.client_id(): kind for kind in ALL}
    parser = argparse.ArgumentParser(prog="make bench", description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--quick", action="store_true", help="one short round of each, smaller directories, no Keycloak"
    )
    parser.add_argument(
        "--only", action="append", choices=PARTS, metavar="PART", help=f"{', '.join(PARTS)}; again for more"
    )
    parser.add_argument(
        "--with", action="append", choices=names, metavar="NAME", help=f"{', '.join(names)}; again for more"
    )
    parser.add_argument("--seconds", type=float, help="of each round")
    parser.add_argument("--write", action="store_true", help="write what was measured into docs/performance.*")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers to this file")
    asked = parser.parse_args()
    plan = QUICK if asked.quick else STANDARD
    plan = replace(plan, seconds=asked.seconds or plan.seconds)
    wanted = [names[name] for name in getattr(asked, "with") or (QUICKLY if asked.quick else names)]
    report = measured(plan, asked.only or list(PARTS), wanted)
    print("\n\n".join(table.text() for table in tables(report)), *closing(report), sep="\n\n")
    if asked.json:
        asked.json.write_text(json.dumps(report, indent=1) + "\n")
    if asked.write:
        write(report)


if __name__ == "__main__":
    main()
