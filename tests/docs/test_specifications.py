"""The manual's tables of specifications and conditions say what the tests show."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "docs"))
import shown
import specifications


def test_the_page_is_current() -> None:
    page = (specifications.ROOT / "docs" / "specifications.md").read_text(encoding="utf-8")
    assert specifications.tables() in page, "run `make docs`"


def test_each_supported_specification_has_a_test() -> None:
    tests = shown.marked("rfc")
    assert [
        s["id"] for s in specifications.specifications() if s["state"] == "supported" and s["id"] not in tests
    ] == []


def test_each_state_is_one_of_three() -> None:
    assert {s["state"] for s in specifications.specifications()} == set(specifications.STATES)


def test_each_marker_stands_in_the_tables() -> None:
    assert set(shown.marked("rfc")) <= {s["id"] for s in specifications.specifications()}
    assert set(shown.marked("conformance")) <= {n for names in specifications.conditions().values() for n in names}
