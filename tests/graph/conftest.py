from __future__ import annotations

import pytest
from graph_world import Api


@pytest.fixture
def api():
    made = Api()
    yield made
    made.store.close()
