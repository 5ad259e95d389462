from __future__ import annotations

import pytest

pytest.register_assert_rewrite("tests.conformance.basic", "tests.conformance.fapi")

from tests.conformance.fapi import Fapi  # noqa: E402
from tests.openid.openid_world import World  # noqa: E402


@pytest.fixture(scope="module")
def op():
    """One provider for all tests of a file, with a guest who is signed in; its clock stands still."""
    made = World()
    yield made
    made.store.close()


@pytest.fixture
def world():
    made = World()
    yield made
    made.store.close()


@pytest.fixture(scope="module")
def fapi(op):
    """A client of the profile fapi2 at that provider."""
    return Fapi(op)
