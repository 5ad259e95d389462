"""The figures of the runs: kept as JSON, shown as the table of the manual."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FIGURES = Path(__file__).parents[2] / "docs" / "fuzzing.json"
PAGE = FIGURES.with_suffix(".md")
BEGIN, END = "<!-- made by `make fuzz ARGS=--write` -->", "<!-- end of what `make fuzz` made -->"


def table(figures: dict[str, dict[str, Any]], about: dict[str, str]) -> str:
    """One row a target that was run, in the order of `about`."""
    rows = [
        "| target | what is fed | inputs | taken | inputs a second of CPU | slowest, ms | growth, MB | faults |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    for name, said in about.items():
        if name in figures:
            f = figures[name]
            rows.append(
                f"| `{name}` | {said} | {f['inputs']:,} | {f['taken']:.1%} | {f['a_second']:,} "
                f"| {f['slowest_ms']} | {f['growth_mb']} | {f['faults']} |"
            )
    return "\n".join(rows)


def kept() -> dict[str, dict[str, Any]]:
    """The figures by target."""
    found: dict[str, dict[str, Any]] = json.loads(FIGURES.read_text(encoding="utf-8")) if FIGURES.exists() else {}
    return found


def write(new: dict[str, dict[str, Any]], about: dict[str, str]) -> None:
    """Puts the figures of this run in the place of the ones before, target by target."""
    figures = kept() | new
    FIGURES.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text(f"{before}{BEGIN}\n{table(figures, about)}\n{END}{after}", encoding="utf-8")
