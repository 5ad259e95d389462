"""Writes a report into the manual: its tables, its plot, and the numbers that both are made from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.plot import picture
from benchmarks.report import closing, tables

DOCS = Path(__file__).parents[1] / "docs"
PAGE, NUMBERS, PLOT = DOCS / "performance.md", DOCS / "performance.json", DOCS / "performance.svg"
BEGIN, END = "<!-- made by `make bench ARGS=--write` -->", "<!-- end of what `make bench` made -->"


def write(report: dict[str, Any]) -> None:
    """Parts that were not measured stay as they are in the manual."""
    kept = json.loads(NUMBERS.read_text()) if NUMBERS.exists() else {}
    # as it is read again: JSON has no numbers as keys
    whole = kept | json.loads(json.dumps(report))
    NUMBERS.write_text(json.dumps(whole, indent=1) + "\n")
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8"), whole), encoding="utf-8")
    PLOT.write_text(picture(whole), encoding="utf-8")


def page(text: str, report: dict[str, Any]) -> str:
    """The page with the tables of this report."""
    before, _, rest = text.partition(BEGIN)
    made = "\n\n".join([*(table.markdown() for table in tables(report)), *closing(report)])
    return f"{before}{BEGIN}\n{made}\n{END}{rest.partition(END)[2]}"
