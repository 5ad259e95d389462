"""Each test of the suite is run at DEBUG, and fails where something secret in it was said: see `canaries`."""

from __future__ import annotations

import gc
import os
from collections.abc import Generator

import pytest
from hypothesis import HealthCheck, settings

from tests.canaries import WATCH, install, listen

# how long an example takes on a busy machine says nothing; in CI the examples are the same each time
settings.register_profile(
    "suite", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=bool(os.environ.get("CI"))
)
settings.load_profile("suite")


def pytest_sessionstart() -> None:
    install()


def pytest_collection_finish() -> None:
    """What was imported and collected stays until the end: to look through it again and again, as Python does for each
    application that a test makes, is a third of what the tests would take."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup() -> Generator[None]:
    WATCH.begin()
    listen()
    return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown() -> Generator[None]:
    result = yield
    assert not (hits := WATCH.hits()), "something secret was said:\n" + "\n".join(hits[:8])
    return result
