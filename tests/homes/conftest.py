from __future__ import annotations

import pytest
from homes_world import World


@pytest.fixture
def world():
    made = World()
    yield made
    made.provider.stop()
