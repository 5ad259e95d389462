"""The pytest plugin that `pip install b2b-idp` brings (entry point pytest11)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from b2b_idp.testing.kit import Kit


@pytest.fixture
def b2b_idp() -> Iterator[Kit]:
    """An identity provider in this process, on SQLite in memory, with nobody in it yet."""
    # imported when used: a test run that does not use the fixture does not pay for it
    from b2b_idp.testing.kit import Kit

    kit = Kit()
    try:
        yield kit
    finally:
        kit.close()
