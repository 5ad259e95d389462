from __future__ import annotations

import pytest
from described import faults
from graph_world import Api


class Described(Api):
    """Every answer is one that the API's own description announces."""

    def call(self, method, path, body=None, **more):
        answer = super().call(method, path, body, **more)
        assert faults(method, path, answer) == []
        return answer


@pytest.fixture
def api():
    made = Described()
    yield made
    made.store.close()


@pytest.fixture(scope="module")
def unchanged():
    """One world for all tests of a file that change nothing in it."""
    made = Api()
    yield made
    made.store.close()
