"""A case that had a test keeps one."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "docs"))
import negative_cases
import shown


def test_the_cases_without_a_test_are_those_listed_as_open() -> None:
    tests = shown.cases()
    missing = {case["id"] for case in negative_cases.listed() if case["id"] not in tests}
    assert missing == {case["id"] for case in negative_cases.listed() if case.get("open")}


def test_each_id_is_listed_once() -> None:
    ids = [case["id"] for case in negative_cases.listed()]
    assert len(set(ids)) == len(ids)
