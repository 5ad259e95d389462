from __future__ import annotations

import pytest
from openid_world import World


@pytest.fixture
def world():
    made = World()
    yield made
    made.store.close()
