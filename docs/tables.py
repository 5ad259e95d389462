"""Writes the tables of the manual from what they are about: `python docs/tables.py`; `--check` only compares."""

from __future__ import annotations

import re
import sys
import tomllib
from dataclasses import MISSING, fields
from pathlib import Path

import clients
import matrix
import specifications

from b2b_idp.metrics import FAMILIES
from b2b_idp.model.access import Because, Reason
from b2b_idp.policy.reasons import sentence
from b2b_idp.settings import PREFIX, Settings

ROOT = Path(__file__).parent.parent
DECISIONS = ROOT / "tests" / "policy" / "decisions.toml"
BEGIN, END = "<!-- made by `make docs` -->", "<!-- end of what `make docs` made -->"


def settings_table() -> str:
    """One row a setting, in the order of their declaration."""
    rows = ["| in settings.toml | in the environment | default | what it is |", "|---|---|---|---|"]
    for f in fields(Settings):
        default = "needed" if f.default is MISSING else f"`{_toml(f.default)}`"
        help = f.metadata["help"].replace("|", "\\|").replace("<", "&lt;")
        rows.append(f"| `{f.name}` | `{PREFIX}{f.name.upper()}` | {default} | {help} |")
    return "\n".join(rows)


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return "[" + ", ".join(f'"{v}"' for v in value) + "]"
    return f'"{value}"' if isinstance(value, str) else str(value)


def decision_tables() -> str:
    """The rows that the tests run, under the headings of their file."""
    parts = []
    for section in re.split(r"^# --- ", DECISIONS.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        heading, _, body = section.partition("\n")
        heading = heading.strip(" -")
        rows = [f"## {heading[:1].upper()}{heading[1:]}", "", "| rule | decision | because |", "|---|---|---|"]
        for case in tomllib.loads(body)["case"]:
            because = ", ".join(f"`{code}`" for code in case["because"])
            says = case["says"].replace("|", "\\|")
            rows.append(f"| {says} | {case['decision'].replace('_', ' ')} | {because} |")
        parts.append("\n".join(rows))
    return "\n\n".join(parts)


def reasons_table() -> str:
    """Each reason's code and the sentence that the log has for it."""
    rows = ["## Reasons", "", "| code | what the log says |", "|---|---|"]
    return "\n".join([*rows, *(f"| `{r.value}` | {sentence(Because(r))} |" for r in Reason)])


def metrics_table() -> str:
    """Each metric by the name that Prometheus has for it."""
    rows = ["| metric | labels | what it is |", "|---|---|---|"]
    for f in FAMILIES:
        name = f.name + ("_total" if f.kind == "counter" else "")
        kind = " Histogram." if f.kind == "histogram" else ""
        rows.append(f"| `{name}` | {', '.join(f'`{x}`' for x in f.labels)} | {f.help}{kind} |")
    return "\n".join(rows)


def pages() -> dict[Path, str]:
    """Each page with its tables as they are now."""
    made = {
        "settings.md": settings_table(),
        "decision.md": f"{decision_tables()}\n\n{reasons_table()}",
        "mfa.md": matrix.table(),
        "how-to/watch.md": metrics_table(),
        "specifications.md": specifications.tables(),
        "clients.md": clients.table(),
    }
    found = {}
    for name, table in made.items():
        path = ROOT / "docs" / name
        before, _, rest = path.read_text(encoding="utf-8").partition(BEGIN)
        after = rest.partition(END)[2]
        found[path] = f"{before}{BEGIN}\n{table}\n{END}{after}"
    return found


def main() -> int:
    stale = {path: text for path, text in pages().items() if path.read_text(encoding="utf-8") != text}
    for path, text in stale.items():
        if "--check" in sys.argv:
            sys.stderr.write(f"{path.relative_to(ROOT)} is not current; run `make docs`.\n")
        else:
            path.write_text(text, encoding="utf-8")
    return 1 if stale and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
