"""The table of clients: in which tests each signs in, refreshes, signs out, and what more it was seen to do."""

from __future__ import annotations

import tomllib
from pathlib import Path

import shown

CLIENTS = Path(__file__).parent / "clients.toml"
VERBS = ("sign in", "refresh", "sign out")
BOTH = "http, https"


def clients() -> list[dict[str, str]]:
    """Each with `name`, `what` it is, its `recipe`, and `over` where it does not take both ways."""
    found: list[dict[str, str]] = tomllib.loads(CLIENTS.read_text(encoding="utf-8"))["client"]
    return found


def table() -> str:
    heads = ("client", "what it is", "over", "sign in", "refresh", "sign out", "and more")
    rows = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    tests = shown.marked_twice("client")
    for c in clients():
        done = tests.get(c["name"], {})
        cells = [_links(done.get(verb, []), "yes") for verb in VERBS]
        more = ", ".join(_links(found, verb) for verb, found in done.items() if verb not in VERBS)
        name = f"[{c['name']}](how-to/{c['recipe']})"
        rows.append("| " + " | ".join([name, c["what"], c.get("over", BOTH), *cells, more]) + " |")
    return "\n".join(rows)


def _links(tests: list[str], text: str) -> str:
    """The first of them."""
    return f"[{text}](../{tests[0].split('::')[0]})" if tests else "not yet"
