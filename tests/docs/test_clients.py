"""The manual's table of clients says what the tests show, and each client shows all of it."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "docs"))
import clients
import shown

SHOWN = shown.marked_twice("client")


def test_the_page_is_current() -> None:
    page = (clients.CLIENTS.parent / "clients.md").read_text(encoding="utf-8")
    assert clients.table() in page, "run `make docs`"


def test_each_client_signs_in_refreshes_and_signs_out() -> None:
    lacking = {c["name"]: set(clients.VERBS) - SHOWN.get(c["name"], {}).keys() for c in clients.clients()}
    assert {name: verbs for name, verbs in lacking.items() if verbs} == {}


def test_each_marker_stands_in_the_table() -> None:
    assert SHOWN.keys() <= {c["name"] for c in clients.clients()}


def test_each_recipe_is_followed() -> None:
    recipes = {p.name for p in (clients.CLIENTS.parent / "how-to").glob("apps-*.md")}
    assert {c["recipe"] for c in clients.clients()} == recipes
