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
    for name, test, constants in _tests():
        for mark in test.decorator_list:
            if isinstance(mark, ast.Call) and _name(mark.func) == marker:
                found[_text(mark.args[0], constants)].append(name)
    return dict(found)


@cache
def marked_twice(marker: str) -> dict[str, dict[str, list[str]]]:
    """The tests by the first and the second argument of `@marker(…, …)`."""
    found: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for name, test, constants in _tests():
        for mark in test.decorator_list:
            if isinstance(mark, ast.Call) and _name(mark.func) == marker:
                first, second = (_text(argument, constants) for argument in mark.args)
                found[first][second].append(name)
    return {first: dict(second) for first, second in found.items()}


@cache
def cases() -> dict[str, list[str]]:
    """The tests by the id of a case, `N-001`, that stands in their name or in a parameter's id."""
    found: dict[str, list[str]] = defaultdict(list)
    for name, test, _ in _tests():
        texts = [n.value for n in ast.walk(test) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
        numbers = set(_CASE.findall(test.name)) | {n for text in texts for n in _CASE_TEXT.findall(text)}
        for number in sorted(numbers):
            found[f"N-{number}"].append(name)
    return dict(found)


def _text(node: ast.expr, constants: dict[str, str]) -> str:
    """What a literal, a constant of the file, or a sum of them says."""
    if isinstance(node, ast.BinOp):
        return _text(node.left, constants) + _text(node.right, constants)
    return constants[node.id] if isinstance(node, ast.Name) else str(ast.literal_eval(node))


def _name(function: ast.expr) -> str:
    """`rfc` of both `@rfc` and `@pytest.mark.rfc`."""
    return ast.unparse(function).rpartition(".")[2]


@cache
def _tests() -> tuple[tuple[str, Test, dict[str, str]], ...]:
    return tuple(_read())


def _read() -> Iterator[tuple[str, Test, dict[str, str]]]:
    for path in sorted(TESTS.rglob("*.py")):
        if "node_modules" in path.parts:
            continue
        where = path.relative_to(TESTS.parent).as_posix()
        module = ast.parse(path.read_text(encoding="utf-8"))
        constants = {
            node.targets[0].id: node.value.value
            for node in module.body
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
            if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        }
        for node in ast.walk(module):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                yield f"{where}::{node.name}", node, constants
