from __future__ import annotations

import pytest
from guests_world import Directory


@pytest.fixture
def directory():
    made = Directory()
    yield made
    made.store.close()
