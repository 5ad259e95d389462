"""b2b-idp beside npm oidc-provider: the same work, the same core, in alternating rounds.

Both keep their state in SQLite (WAL, synchronous=FULL), sign access tokens with ES256 and id_tokens with RS256. The
servers share one core; this client and the home tenant have the other, and their CPU time is not counted.
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

from client import Client
from contenders import SCOPE, B2bIdp, Contender, Home, Peer


@dataclass(frozen=True)
class Round:
    """One scenario at one contender: operations a second, CPU milliseconds an operation, share of the core used."""

    per_second: float
    cpu_ms: float
    busy: float


Operation = Callable[[], object]


def discovery(client: Client, contender: Contender, guest: str) -> Operation:
    """The provider's metadata."""
    return client.discover


def client_credentials(client: Client, contender: Contender, guest: str) -> Operation:
    """A token for the app itself."""
    return lambda: client.token(grant_type="client_credentials", scope=contender.client_credentials_scope)


def refresh(client: Client, contender: Contender, guest: str) -> Operation:
    """A refresh with rotation: each token is used once."""
    newest = client.sign_in(f"{SCOPE} offline_access", guest)["refresh_token"]

    def once() -> None:
        nonlocal newest
        newest = client.token(grant_type="refresh_token", refresh_token=newest)["refresh_token"]

    return once


def code_with_session(client: Client, contender: Contender, guest: str) -> Operation:
    """Authorization code and token for a guest whose session here lives."""
    client.sign_in(SCOPE, guest)
    return lambda: client.sign_in(SCOPE, guest)


def guest_through_home(client: Client, contender: Contender, guest: str) -> Operation:
    """A returning guest without a session: app, provider, home, provider, app, token."""

    def once() -> None:
        client.forget()
        client.sign_in(SCOPE, guest)

    return once


SCENARIOS = (discovery, client_credentials, refresh, code_with_session, guest_through_home)


def measure(contender: Contender, operations: list[Operation], seconds: float) -> Round:
    """All `operations` at once, each in a thread of its own, over and over for `seconds`."""
    counts, errors = [0] * len(operations), []
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
    return Round(done / took, used / done * 1000, used / took)


def median(rounds: list[Round]) -> Round:
    """The median of each number by itself."""
    return Round(*(statistics.median(getattr(r, field) for r in rounds) for field in ("per_second", "cpu_ms", "busy")))


def commit_ms(folder: Path) -> float:
    """Milliseconds of one durable SQLite commit here: the floor under everything that writes."""
    with sqlite3.connect(folder / "floor.sqlite", isolation_level=None) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("CREATE TABLE t (n INTEGER)")
        began = time.perf_counter()
        for n in range(200):
            db.execute("INSERT INTO t VALUES (?)", (n,))
        return (time.perf_counter() - began) / 200 * 1000


def run(rounds: int, seconds: float, connections: int) -> dict[str, object]:
    """All scenarios at both; the numbers that are printed."""
    cores = sorted(os.sched_getaffinity(0))
    served, ours = cores[0], cores[-1]
    os.sched_setaffinity(0, {ours})
    guests = [f"guest{number}@home.example" for number in range(connections)]
    results: dict[str, dict[str, list[Round]]] = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="b2b-idp-bench-")))
        floor = commit_ms(folder)
        home = Home(ours)
        stack.callback(home.server.stop)
        contenders: list[Contender] = [B2bIdp(folder / "b2b-idp", home), Peer(folder / "peer", home)]
        idle = {}
        for contender in contenders:
            contender.start(served)
            stack.callback(contender.server.stop)
            time.sleep(1)
            idle[contender.name] = {
                "ready_seconds": contender.server.ready_seconds,
                "memory_mb": contender.server.memory_mb(),
            }
            contender.furnish(guests)
        for scenario in SCENARIOS:
            prepared = [
                (contender, [scenario(contender.client(), contender, guest) for guest in guests])
                for contender in contenders
            ]
            taken = results.setdefault(scenario.__name__, {contender.name: [] for contender in contenders})
            for contender, operations in prepared:
                measure(contender, operations, min(1.0, seconds))  # to get warm
            for number in range(rounds):
                for contender, operations in prepared if number % 2 == 0 else reversed(prepared):
                    taken[contender.name].append(measure(contender, operations, seconds))
    medians = {
        scenario: {name: asdict(median(taken)) for name, taken in by_name.items()}
        for scenario, by_name in results.items()
    }
    return {
        "rounds": rounds,
        "seconds": seconds,
        "connections": connections,
        "commit_ms": floor,
        "idle": idle,
        "scenarios": medians,
    }


def table(report: dict[str, object]) -> str:
    """The report for people. Ratios over 1: b2b-idp is better."""
    ours, theirs = B2bIdp.name, Peer.name
    lines = [f"{'':20} {'operations/s':^29} {'CPU ms/operation':^29}"]
    lines.append(f"{'':20} {ours:>9} {theirs:>14} ratio {ours:>9} {theirs:>14} ratio")
    for scenario, by_name in report["scenarios"].items():  # type: ignore[attr-defined]
        a, b = by_name[ours], by_name[theirs]
        lines.append(
            f"{scenario.replace('_', ' '):20} {a['per_second']:9.0f} {b['per_second']:14.0f}"
            f" {a['per_second'] / b['per_second']:5.2f}"
            f" {a['cpu_ms']:9.3f} {b['cpu_ms']:14.3f} {b['cpu_ms'] / a['cpu_ms']:5.2f}"
        )
    for name, idle in report["idle"].items():  # type: ignore[attr-defined]
        lines.append(f"{name}: ready in {idle['ready_seconds']:.2f} s, {idle['memory_mb']:.0f} MB when idle")
    lines.append(
        f"medians of {report['rounds']} rounds of {report['seconds']} s, {report['connections']} connections;"
        f" one durable commit takes {report['commit_ms']:.2f} ms here"
    )
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
