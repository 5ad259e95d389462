"""The report as tables, for the screen and for the manual. Each part that was not measured is left out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.contenders import ALL, OURS

NOTHING = "–"
PEERS = [kind.name for kind in ALL if kind not in OURS]
OURSELVES = [kind.name for kind in OURS]
Found = Mapping[str, Any]


@dataclass(frozen=True)
class Table:
    """A table with its title, and what must be said below it."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()

    def markdown(self) -> str:
        line = ["---", *["---:"] * (len(self.head) - 1)]
        lines = [f"| {' | '.join(row)} |" for row in (self.head, line, *self.rows)]
        return "\n".join([f"**{self.title}**", "", *lines, *(f"\n{note}" for note in self.notes)])

    def text(self) -> str:
        widths = [max(len(row[n]) for row in (self.head, *self.rows)) for n in range(len(self.head))]
        lines = []
        for row in (self.head, *self.rows):
            first, *others = row
            cells = [
                first.ljust(widths[0]),
                *(cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)),
            ]
            lines.append("  ".join(cells))
        return "\n".join([self.title, *lines, *self.notes])


def tables(report: Found) -> list[Table]:
    """All that a report holds."""
    made = {
        "speed": _speed,
        "crowd": _crowd,
        "growth": _growth,
        "servers": _servers,
        "replica": _replica,
        "bound": _bound,
    }
    there = [(make, report[part]) for part, make in made.items() if part in report and "cannot" not in report[part]]
    return [table for make, found in there for table in make(found)]


def closing(report: Found) -> list[str]:
    """What was measured on, and what could not be."""
    machine, plan = report["machine"], report["plan"]
    lines = [
        f"{machine['cores']} cores ({machine['processor']}), Python {machine['python']}, node {machine['node']}; "
        f"medians of {plan['rounds']} × {plan['seconds']} s; load before: {machine['load']:.1f}."
    ]
    if machine["load"] > 0.5:
        lines.append("The machine was busy with other things: take the ratios, not the numbers.")
    cannot = {part: found["cannot"] for part, found in report.items() if "cannot" in found}
    return lines + [f"Not measured: {what}: {why}." for what, why in (report["missing"] | cannot).items()]


def _speed(speed: Found) -> list[Table]:
    here = [kind.name for kind in ALL if any(kind.name in by_name for by_name in speed.values())]
    cost = Table(
        "CPU milliseconds an operation, database counted",
        ["work", *here, "a commit, ms"],
        [
            [work, *(_median(by_name.get(n), "cpu_ms") for n in here), _commit(by_name)]
            for work, by_name in speed.items()
        ],
        _speed_notes(speed),
    )
    rate = Table(
        "Operations a second on one core",
        ["work", *here],
        [[work, *(_median(by_name.get(n), "per_second") for n in here)] for work, by_name in speed.items()],
    )
    peers = [name for name in PEERS if name in here]
    ours = [name for name in OURSELVES if name in here]
    ratio = [
        Table(
            f"{name}: so many times the operations a second of (in brackets: of a second of CPU)",
            ["work", "the best peer", *peers],
            [[work, *_ratios(by_name, name, peers)] for work, by_name in speed.items()],
        )
        for name in ours
        if peers
    ]
    return [cost, rate, *ratio]


def _speed_notes(speed: Found) -> list[str]:
    wrong: dict[str, list[str]] = {}
    for work, by_name in speed.items():
        for name, found in by_name.items():
            if errors := sum(found.get("errors", {}).values()):
                wrong.setdefault(name, []).append(f"{work} {errors}")
    return [f"Operations that ended wrongly at {name}, not counted: {', '.join(of)}." for name, of in wrong.items()]


def _value(found: Found | None, column: str) -> float | None:
    if found is None or "cannot" in found:
        return None
    value: float = found[column]["median"]
    return value


def _median(found: Found | None, column: str) -> str:
    value = _value(found, column)
    return NOTHING if value is None else number(value)


def number(value: float) -> str:
    """Three digits that count."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _commit(by_name: Found) -> str:
    costs = sorted(v for found in by_name.values() if (v := _value(found, "commit_ms")) is not None)
    return number(costs[len(costs) // 2]) if costs else NOTHING


def _ratios(by_name: Found, name: str, peers: Iterable[str]) -> list[str]:
    rate, cost = ([_value(by_name.get(n), column) for n in (name, *peers)] for column in ("per_second", "cpu_ms"))
    rates = _by(rate[0], [max((r for r in rate[1:] if r is not None), default=None), *rate[1:]])
    costs = _by(cost[0], [min((c for c in cost[1:] if c is not None), default=None), *cost[1:]])
    pairs = zip(rates, costs, strict=True)
    return [NOTHING if r is None or c is None else f"{r:.2f} ({1 / c:.2f})" for r, c in pairs]


def _by(own: float | None, others: Iterable[float | None]) -> list[float | None]:
    """Our number divided by each of theirs."""
    return [own / other if own and other else None for other in others]


def _crowd(crowd: Found) -> list[Table]:
    counts = list(next(iter(crowd.values()))["browsers"])
    few = counts[0]
    rows = []
    for name, found in crowd.items():
        by_count = found["browsers"]
        rows.append(
            [
                name,
                *(_or_nothing(by_count[few][column]) for column in ("p50_ms", "p99_ms")),
                *(f"{by_count[n]['errors']} of {by_count[n]['errors'] + by_count[n]['sign_ins']}" for n in counts),
                *(f"{of(found['memory_mb']):.0f}" for of in (sum, max)),
                f"{found['ready_seconds']:.1f}",
            ]
        )
    head = [
        f"median, ms, {few} browsers",
        "p99, ms",
        *(f"errors, {n} browsers" for n in counts),
        "MB, loaded",
        "the largest process",
        "s to start",
    ]
    return [Table("Many browsers: sign-ins of returning guests on one core", ["", *head], rows)]


def _or_nothing(value: float | None) -> str:
    return NOTHING if value is None else number(value)


def _growth(growth: Found) -> list[Table]:
    rows = [
        [
            name,
            f"{what}: {g['from']:,} → {g['to']:,}",
            number(g["small_ms"]),
            number(g["large_ms"]),
            f"× {g['ratio']:.2f}",
        ]
        for name, by_direction in growth.items()
        for what, g in by_direction.items()
    ]
    head = ["", "directory", "CPU ms before", "after", "ratio"]
    return [Table("Growth: a returning guest's sign-in", head, rows, ["`groups`: of each guest."])]


def _servers(servers: Found) -> list[Table]:
    row = [*(number(servers[name]) for name in ("one", "two")), f"{servers['ratio']:.2f}", str(servers["errors"])]
    head = ["one server, one core", "two servers, two cores", "ratio", "errors"]
    return [Table("Sign-ins a second over one PostgreSQL, database counted", head, [row])]


def _replica(replica: Found) -> list[Table]:
    row = [f"{replica['share']:.0%}", f"{replica['reads']:,}", str(replica["sign_ins"])]
    return [Table("Reads that a replica served", ["share", "reads", "sign-ins"], [row])]


def _bound(bound: Found) -> list[Table]:
    rows = [
        [
            name,
            call,
            *(number(found[column][way]) for column in ("cpu_ms", "per_second") for way in ("without", "with")),
            f"× {found['ratio']:.2f}",
        ]
        for name, by_call in bound.items()
        for call, found in by_call.items()
    ]
    head = ["", "call", "CPU ms", "with a proof", "a second", "with a proof", "CPU, ratio"]
    return [Table("DPoP: a call with a proof, beside the same call without", head, rows)]
