"""The first token after any change is right, whatever a replica lags; `instant_on.py` counts it at length."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.real.instant_on import Servers, servers


@pytest.fixture(scope="module")
def both() -> Iterator[Servers]:
    with servers() as made:
        yield made


def test_no_answer_is_wrong_though_a_replica_is_thirty_seconds_late(both: Servers) -> None:
    with both.world(seed=1) as world:
        world.run(150)
        assert world.wrong == {}, "\n".join(world.examples)
        assert world.done["sign-in"] > 50
        assert world.done["refresh"] > 0


def test_answers_are_wrong_where_a_replica_is_believed(both: Servers) -> None:
    """The test above can fail."""
    with both.world(seed=2) as world:
        world.run(60, believed=True)
        wrong = sum(world.wrong.values())
        assert wrong > 0, f"of 60 interleavings {wrong} were wrong"
