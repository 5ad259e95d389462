"""Each test of the suite is run at DEBUG, and fails where something secret in it was said: see `canaries`."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from tests.canaries import WATCH, install, listen


def pytest_sessionstart() -> None:
    install()


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
