"""SQLite's writers have their turns in the order in which they came: threads exactly, processes one after another."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from b2b_idp.model.problem import Code, Problem
from b2b_idp.store import Store
from b2b_idp.store.turns import NextProcess, Turns

A_MOMENT = 0.05
HOLDER = """
import sys
from b2b_idp.store.turns import NextProcess
NextProcess(sys.argv[1]).take(0)
print("held", flush=True)
sys.stdin.read()
"""


def queued(turns: Turns, count: int, then: Callable[[int], None]) -> list[threading.Thread]:
    """So many threads, each waiting behind the one before."""
    threads = []
    for number in range(count):
        thread = threading.Thread(target=lambda number=number: turns.take(10) and then(number))
        thread.start()
        threads.append(thread)
        while len(turns._waiting) <= number:
            time.sleep(0.001)
    return threads


def test_turns_are_given_in_the_order_in_which_they_were_asked_for() -> None:
    turns, order = Turns(), list[int]()

    def then(number: int) -> None:
        order.append(number)
        turns.release()

    assert turns.take(0)
    threads = queued(turns, 20, then)
    turns.release()
    for thread in threads:
        thread.join()
    assert order == list(range(20))
    assert turns.take(0)


def test_who_lets_go_and_asks_again_is_behind_those_who_wait() -> None:
    turns, order = Turns(), list[str]()
    assert turns.take(0)

    def then(_number: int) -> None:
        order.append("waited")
        turns.release()

    (waiting,) = queued(turns, 1, then)
    turns.release()
    assert turns.take(10)
    order.append("came again")
    waiting.join()
    assert order == ["waited", "came again"]


def test_who_waited_long_enough_leaves_the_line_and_the_others_stay() -> None:
    turns = Turns()
    assert turns.take(0)
    assert not turns.take(A_MOMENT)
    turns.release()
    assert turns.take(0)


def test_a_writer_behind_one_that_does_not_end_is_told_so(
    tmp_path: Path, open_store: Callable[[str], Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("b2b_idp.store.sqlite._BUSY_SECONDS", A_MOMENT)
    store = open_store(f"sqlite:///{tmp_path / 'db'}")
    store.migrate()
    said: list[Problem] = []

    def second() -> None:
        with pytest.raises(Problem) as refused:
            store.transact(lambda w: None)
        said.append(refused.value)

    with store.write():
        thread = threading.Thread(target=second)
        thread.start()
        thread.join()
    assert [problem.code for problem in said] == [Code.UNAVAILABLE]
    store.transact(lambda w: None)


def test_a_transaction_that_fails_gives_its_turn_back(tmp_path: Path, open_store: Callable[[str], Store]) -> None:
    store = open_store(f"sqlite:///{tmp_path / 'db'}")
    with pytest.raises(ZeroDivisionError), store.write():
        raise ZeroDivisionError
    with store.write():
        pass


def test_of_two_processes_the_one_that_waits_is_next(tmp_path: Path) -> None:
    waits, comes_again = NextProcess(str(tmp_path / "next")), NextProcess(str(tmp_path / "next"))
    waits.take(0)
    began = time.monotonic()
    comes_again.take(A_MOMENT)
    assert time.monotonic() - began >= A_MOMENT
    waits.release()
    comes_again.take(10)
    assert time.monotonic() - began < 10
    waits.close()
    comes_again.close()


def test_a_process_that_is_killed_is_nobodys_next(tmp_path: Path) -> None:
    file = str(tmp_path / "next")
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, file], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        here = NextProcess(file)
        assert not here._lock()
        holder.kill()
        holder.wait()
        assert here._lock()
        here.close()


def test_where_no_lock_can_be_had_writers_go_on_without(tmp_path: Path) -> None:
    nowhere = NextProcess(str(tmp_path / "no folder" / "next"))
    began = time.monotonic()
    nowhere.take(10)
    assert time.monotonic() - began < 10
    nowhere.release()
    nowhere.close()
