from __future__ import annotations

import pytest
from graph_world import Api


@pytest.fixture
def api():
    made = Api()
    yield made
    made.store.close()


@pytest.fixture(scope="module")
def unchanged():
    """One world for all tests of a file that change nothing in it."""
    made = Api()
    yield made
    made.store.close()
