"""Of a process's transactions that ask for a turn one is under way at a time, none begun before another's end."""

from __future__ import annotations

import pytest

from b2b_idp.store.turn import Line, OutOfTurn, Turn


def test_who_is_alone_has_the_turn_at_once():
    with Turn(Line()) as turn:
        turn.take()
        turn.take()


def test_who_asks_while_another_has_it_is_out_of_turn():
    line = Line()
    with Turn(line) as first, Turn(line) as second:
        first.take()
        with pytest.raises(OutOfTurn):
            second.take()


def test_who_began_before_another_ended_is_out_of_turn_and_leaves_it_to_the_next():
    line = Line()
    with pytest.raises(OutOfTurn), Turn(line) as second:
        with Turn(line) as first:
            first.take()
        second.take()
    with Turn(line, waits=True) as again:
        again.take()
    with Turn(line) as next_:
        next_.take()


def test_a_step_that_fails_gives_the_turn_back():
    line = Line()
    with pytest.raises(ValueError), Turn(line) as first:
        first.take()
        raise ValueError
    with Turn(line) as second:
        second.take()
