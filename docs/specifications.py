"""The table of specifications and that of conformance conditions, with the tests that show them."""

from __future__ import annotations

import tomllib
from pathlib import Path

import shown

ROOT = Path(__file__).parent.parent
SPECIFICATIONS = ROOT / "docs" / "specifications.toml"
CONDITIONS = ROOT / "tests" / "conformance" / "conditions.toml"
STATES = ("supported", "partly", "not supported")


def specifications() -> list[dict[str, str]]:
    """Each with `id` (an RFC's number, or a short name), `title`, `state`, and `note` on what is left out."""
    found: list[dict[str, str]] = tomllib.loads(SPECIFICATIONS.read_text(encoding="utf-8"))["specification"]
    return found


def conditions() -> dict[str, list[str]]:
    """The names of the conditions, by plan."""
    return tomllib.loads(CONDITIONS.read_text(encoding="utf-8"))


def tables() -> str:
    rows = ["| specification | state | what is left out | shown by |", "|---|---|---|---|"]
    tests = shown.marked("rfc")
    for s in specifications():
        name = f"RFC {s['id']}, {s['title']}" if s["id"].isdigit() else s["title"]
        rows.append(f"| {name} | {s['state']} | {s.get('note', '')} | {_links(tests.get(s['id'], []))} |")
    return "\n".join([*rows, "", *_conditions()])


def _conditions() -> list[str]:
    tests = shown.marked("conformance")
    rows = ["## Conformance conditions"]
    for plan, names in conditions().items():
        done = sum(name in tests for name in names)
        rows += [
            "",
            f"### {plan}",
            "",
            f"{done} of {len(names)} have a test.",
            "",
            "| condition | shown by |",
            "|---|---|",
        ]
        rows += [f"| `{name}` | {_links(tests.get(name, [])) or 'not yet'} |" for name in names]
    return rows


def _links(tests: list[str]) -> str:
    """Three at most: the others are found by their marker."""
    links = [f"[{t.split('::test_')[1].replace('_', ' ')}](../{t.split('::')[0]})" for t in tests[:3]]
    return ", ".join(links) + (f" and {len(tests) - 3} more" if len(tests) > 3 else "")
