from __future__ import annotations

import time

import pytest


@pytest.fixture
def benchmark_seconds():
    """How long a call takes, in processor time."""

    def measured(call):
        began = time.process_time()
        call()
        return time.process_time() - began

    return measured
