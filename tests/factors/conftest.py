from __future__ import annotations

import pytest
from factors_world import Tenancy


@pytest.fixture
def tenancy():
    made = Tenancy()
    yield made
    made.store.close()
