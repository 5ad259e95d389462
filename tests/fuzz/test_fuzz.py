"""Hostile inputs, a short run of each target; `make fuzz` has a million. And that the runs find what they are for."""

from __future__ import annotations

import json
import time
from itertools import count
from random import Random
from typing import Any

import pytest

from tests.canaries import WATCH
from tests.fuzz import table
from tests.fuzz.measuring import GROWTH, HANG, run
from tests.fuzz.mutation import Mutator
from tests.fuzz.quiet import quiet
from tests.fuzz.targets import ALL

SHORT = {"callback": 300, "token": 300, "authorize": 200, "graph": 150}
"""Inputs for targets that are whole endpoints; others get more."""


@pytest.mark.parametrize("name", ALL)
def test_no_input_is_a_fault_of_ours_a_hang_or_a_leak(name: str) -> None:
    target = ALL[name].make()
    try:
        with quiet():
            found = run(target, SHORT.get(name, 1200), seed=7)
    finally:
        target.close()
        # words of every day were sent as secrets, and errors rightly hold them
        WATCH.begin()
    assert found.faults == {}
    assert found.growth <= GROWTH
    # inputs of which none is taken would be refused at the door
    assert 0 < found.taken < found.inputs


class Broken:
    """What a target must not be: with `does` at every tenth input, the first among them."""

    def __init__(self, does: Any) -> None:
        self._does, self._kept, self._made = does, bytearray(), count()

    def make(self, random: Random) -> int:
        return next(self._made) % 10

    def give(self, made: int) -> bool:
        if made == 0:
            self._does(self)
        return True

    def grow(self) -> None:
        self._kept += b"x" * 2_000_000

    def close(self) -> None: ...


def hang(_: Broken) -> None:
    ends = time.process_time() + HANG + 0.01
    while time.process_time() < ends:
        pass


def test_an_exception_is_found_once_with_its_place_and_its_input() -> None:
    found = run(Broken(lambda _: {}["there"]), 100)
    ((fault, made),) = found.faults.items()
    assert fault.startswith("KeyError")
    assert "test_fuzz.py" in fault
    assert (made, found.inputs, found.well) == ("0", 100, False)


def test_a_hang_and_growth_are_found() -> None:
    assert next(iter(run(Broken(hang), 2).faults)).startswith("took")
    growing = run(Broken(Broken.grow), 1100)
    assert growing.growth > GROWTH
    assert not growing.well


def test_the_same_seed_makes_the_same_inputs_and_another_makes_others() -> None:
    def inputs(seed: int) -> list[str]:
        edit = Mutator(Random(seed), ("word",))
        return [edit.written(edit.document({"a": ["b", {"c": 1}]})) for _ in range(50)]

    assert inputs(1) == inputs(1) != inputs(2)
    assert len(set(inputs(1))) > 30


def test_the_table_in_the_manual_is_that_of_the_figures_and_has_each_target() -> None:
    figures = json.loads(table.FIGURES.read_text(encoding="utf-8"))
    assert set(figures) == set(ALL)
    assert table.table(figures, {n: a.about for n, a in ALL.items()}) in table.PAGE.read_text(encoding="utf-8")
    assert all(f["growth_mb"] <= GROWTH for f in figures.values())
