from __future__ import annotations

import pytest
from openid_world import World


@pytest.fixture
def world():
    made = World()
    yield made
    made.store.close()


@pytest.fixture(scope="module")
def unchanged():
    """One world for all tests of a file that change nothing in it."""
    made = World()
    yield made
    made.store.close()
