"""The pytest plugin that `pip install b2b-idp` brings (entry point pytest11)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    # imported when used: a test run that does not use a fixture does not pay for it
    from b2b_idp.testing.kit import Kit
    from b2b_idp.testing.snapshot import Snapshots


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.getgroup("b2b-idp").addoption(
        "--b2b-idp-update-snapshots", action="store_true", help="take tokens as they are now for their snapshots"
    )


@pytest.fixture
def b2b_idp() -> Iterator[Kit]:
    """An identity provider in this process, on SQLite in memory, with nobody in it yet."""
    from b2b_idp.testing.kit import Kit

    kit = Kit()
    try:
        yield kit
    finally:
        kit.close()


@pytest.fixture(scope="session")
def b2b_idp_server() -> Iterator[Kit]:
    """One identity provider for the whole run, listening at its issuer's address: for apps that are configured once."""
    from b2b_idp.testing.kit import Kit

    kit = Kit()
    try:
        with kit.serve():
            yield kit
    finally:
        kit.close()


@pytest.fixture
def b2b_idp_snapshot(request: pytest.FixtureRequest) -> Snapshots:
    """`b2b_idp_snapshot(token)` compares a token with `snapshots/<module>/<test>.json` beside the test's file."""
    from b2b_idp.testing.snapshot import Snapshots

    update = bool(request.config.getoption("--b2b-idp-update-snapshots"))
    return Snapshots(request.path.parent / "snapshots" / request.path.stem, request.node.name, update)
