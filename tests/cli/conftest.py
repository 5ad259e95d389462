from __future__ import annotations

import pytest
import structlog


@pytest.fixture(autouse=True)
def _nothing_set_up() -> None:
    """A command finds the logging of a new process, whatever was set up in this one before."""
    structlog.reset_defaults()
