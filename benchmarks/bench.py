"""b2b-idp beside npm oidc-provider: the same work, the same core, in alternating rounds.

Both keep their state in SQLite (WAL, synchronous=FULL), sign access tokens with ES256 and id_tokens with RS256. The
servers share one core; this client and the home tenant have the other, and their CPU time is not counted.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sqlite3
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from client import WrongAnswer
from contenders import B2bIdp, Contender, Home, Peer


@dataclass(frozen=True)
class Round:
    """One scenario at one contender: operations a second, CPU milliseconds an operation, share of the core used.

    `commit_ms`: what one durable commit cost just before; disks of shared machines change from second to second.
    """

    per_second: float
    cpu_ms: float
    busy: float
    commit_ms: float


Operation = Callable[[], object]


def discovery(contender: Contender, guest: str) -> Operation:
    """The provider's metadata."""
    return contender.client().discover


def client_credentials(contender: Contender, guest: str) -> Operation:
    """A token for the app itself."""
    client, scope = contender.client(), contender.client_credentials_scope
    return lambda: client.token(grant_type="client_credentials", scope=scope)


def refresh(contender: Contender, guest: str) -> Operation:
    """A refresh with rotation: each token is used once, and the next is another one."""
    client = contender.client(offline=True)
    newest = client.sign_in(guest)["refresh_token"]

    def once() -> None:
        nonlocal newest
        spent, newest = newest, client.token(grant_type="refresh_token", refresh_token=newest)["refresh_token"]
        if newest == spent:
            raise WrongAnswer("the refresh token did not rotate")

    return once


def code_with_session(contender: Contender, guest: str) -> Operation:
    """Authorization code and token for a guest whose session here lives."""
    client = contender.client()
    client.sign_in(guest)
    return lambda: client.sign_in(guest)


def guest_through_home(contender: Contender, guest: str) -> Operation:
    """A returning guest without a session: app, provider, home, provider, app, token."""
    client = contender.client()

    def once() -> None:
        client.forget()
        client.sign_in(guest)

    return once


SCENARIOS = (discovery, client_credentials, refresh, code_with_session, guest_through_home)


def measure(contender: Contender, operations: list[Operation], seconds: float, disk: Disk) -> Round:
    """All `operations` at once, each in a thread of its own, over and over for `seconds`."""
    floor = disk.commit_ms()
    counts = [0] * len(operations)
    errors: list[Exception] = []
    until = time.perf_counter() + seconds

    def repeat(index: int) -> None:
        try:
            while time.perf_counter() < until:
                operations[index]()
                counts[index] += 1
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=repeat, args=(index,)) for index in range(len(operations))]
    began, cpu = time.perf_counter(), contender.server.cpu_seconds()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took, used = time.perf_counter() - began, contender.server.cpu_seconds() - cpu
    if errors:
        raise errors[0]
    done = sum(counts)
    return Round(done / took, used / done * 1000, used / took, floor)


class Disk:
    """The floor under everything that writes: a database like the contenders', beside theirs."""

    def __init__(self, folder: Path) -> None:
        self._db = sqlite3.connect(folder / "floor.sqlite", isolation_level=None)
        for statement in (
            "PRAGMA journal_mode = WAL",
            "PRAGMA synchronous = FULL",
            "CREATE TABLE t (n INTEGER)",
        ):
            self._db.execute(statement)

    def commit_ms(self) -> float:
        """Milliseconds of one durable commit, now: the median of 30."""
        taken = []
        for n in range(30):
            began = time.perf_counter()
            self._db.execute("INSERT INTO t VALUES (?)", (n,))
            taken.append((time.perf_counter() - began) * 1000)
        return statistics.median(taken)


def summary(rounds: list[Round]) -> dict[str, dict[str, float]]:
    """Of each number its median, lowest and highest."""
    columns = {field.name: [getattr(r, field.name) for r in rounds] for field in fields(Round)}
    return {
        name: {"median": statistics.median(values), "lowest": min(values), "highest": max(values)}
        for name, values in columns.items()
    }


def run(rounds: int, seconds: float, connections: int) -> dict[str, Any]:
    """All scenarios at both; the numbers that are printed."""
    cores = sorted(os.sched_getaffinity(0))
    served, ours = cores[0], cores[-1]
    os.sched_setaffinity(0, {ours})
    guests = [f"guest{number}@home.example" for number in range(connections)]
    report: dict[str, Any] = {
        "rounds": rounds,
        "seconds": seconds,
        "connections": connections,
        "python": platform.python_version(),
        "node": subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip(),
        "load_before": os.getloadavg()[0],
        "idle": {},
        "scenarios": {},
    }
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="b2b-idp-bench-")))
        disk = Disk(folder)
        home = Home(ours)
        stack.callback(home.server.stop)
        contenders: list[Contender] = [B2bIdp(folder / "b2b-idp", home), Peer(folder / "peer", home)]
        for contender in contenders:
            contender.start(served)
            stack.callback(contender.server.stop)
            time.sleep(1)
            report["idle"][contender.name] = {
                "ready_seconds": contender.server.ready_seconds,
                "memory_mb": contender.server.memory_mb(),
            }
            contender.furnish(guests)
        for scenario in SCENARIOS:
            prepared = [(c, [scenario(c, guest) for guest in guests]) for c in contenders]
            taken: dict[str, list[Round]] = {c.name: [] for c in contenders}
            for contender, operations in prepared:
                measure(contender, operations, min(1.0, seconds), disk)  # to get warm
            for number in range(rounds):
                for contender, operations in prepared if number % 2 == 0 else reversed(prepared):
                    taken[contender.name].append(measure(contender, operations, seconds, disk))
            report["scenarios"][scenario.__name__] = {name: summary(found) for name, found in taken.items()}
    return report


def table(report: dict[str, Any]) -> str:
    """The report for people: medians, and the range of operations a second. Ratios over 1: b2b-idp is better."""
    ours, theirs = B2bIdp.name, Peer.name
    lines = [
        f"{'':19}{'operations/s':^58}{'CPU ms/operation':^30}{'commit':>7}",
        f"{'':19}{ours:>8} {'(range)':13} {theirs:>14} {'(range)':13} ratio {ours:>8} {theirs:>14} ratio{'ms':>8}",
    ]
    for scenario, by_name in report["scenarios"].items():
        a, b = by_name[ours], by_name[theirs]
        speed, cost = (a["per_second"], b["per_second"]), (a["cpu_ms"], b["cpu_ms"])
        spans = [f"({s['lowest']:.0f}-{s['highest']:.0f})" for s in speed]
        commit = statistics.mean((a["commit_ms"]["median"], b["commit_ms"]["median"]))
        lines.append(
            f"{scenario.replace('_', ' '):19}{speed[0]['median']:8.0f} {spans[0]:13} {speed[1]['median']:14.0f}"
            f" {spans[1]:13} {speed[0]['median'] / speed[1]['median']:5.2f} {cost[0]['median']:8.2f}"
            f" {cost[1]['median']:14.2f} {cost[1]['median'] / cost[0]['median']:5.2f}{commit:8.2f}"
        )
    for name, idle in report["idle"].items():
        lines.append(f"{name}: ready in {idle['ready_seconds']:.2f} s, {idle['memory_mb']:.0f} MB when idle")
    lines.append(
        f"medians of {report['rounds']} alternating rounds of {report['seconds']} s, {report['connections']}"
        f" connections; Python {report['python']}, node {report['node']}; load before: {report['load_before']:.1f}"
    )
    if report["load_before"] > 0.5:
        lines.append("The machine was busy with other things: do not quote these numbers.")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each round")
    parser.add_argument("--connections", type=int, default=4, help="keep-alive connections, a guest on each")
    parser.add_argument("--json", type=Path, help="also write the numbers to this file")
    asked = parser.parse_args()
    report = run(asked.rounds, asked.seconds, asked.connections)
    print(table(report))
    if asked.json:
        asked.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
