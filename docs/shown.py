"""What the tests say that they show, read from their source without running them: markers, and ids of cases."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

TESTS = Path(__file__).parent.parent / "tests"
Test = ast.FunctionDef | ast.AsyncFunctionDef
_CASE = re.compile(r"n_(\d{3})(?!\d)", re.IGNORECASE)
_CASE_TEXT = re.compile(r"N-(\d{3})(?!\d)")


@cache
def marked(marker: str) -> dict[str, list[str]]:
    """The tests by the first argument of `@marker(…)`, as `tests/room/test_file.py::test_name`."""
    found: dict[str, list[str]] = defaultdict(list)
    for name, test in _tests():
        for mark in test.decorator_list:
            if isinstance(mark, ast.Call) and _name(mark.func) == marker:
                first = mark.args[0]
                if isinstance(first, ast.Constant):
                    found[str(first.value)].append(name)
    return dict(found)


@cache
def cases() -> dict[str, list[str]]:
    """The tests by the id of a case, `N-001`, that stands in their name or in a parameter's id."""
    found: dict[str, list[str]] = defaultdict(list)
    for name, test in _tests():
        texts = [n.value for n in ast.walk(test) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
        numbers = set(_CASE.findall(test.name)) | {n for text in texts for n in _CASE_TEXT.findall(text)}
        for number in sorted(numbers):
            found[f"N-{number}"].append(name)
    return dict(found)


def _name(function: ast.expr) -> str:
    """`rfc` of both `@rfc` and `@pytest.mark.rfc`."""
    return ast.unparse(function).rpartition(".")[2]


@cache
def _tests() -> tuple[tuple[str, Test], ...]:
    return tuple(_read())


def _read() -> Iterator[tuple[str, Test]]:
    for path in sorted(TESTS.rglob("*.py")):
        if "node_modules" in path.parts:
            continue
        where = path.relative_to(TESTS.parent).as_posix()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                yield f"{where}::{node.name}", node
