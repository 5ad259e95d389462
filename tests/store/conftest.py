"""Every database that the store runs on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from b2b_idp.keys.vault import Vault
from b2b_idp.store import Store
from tests.postgres import Cluster, cluster


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    with cluster() as running:
        yield running


@pytest.fixture(scope="session")
def migrated(postgres: Cluster) -> str:
    """The name of a database that has the schema, to be copied."""
    url = postgres.database()
    store = Store(url, Vault(b"k" * 32))
    store.migrate()
    store.close()
    return url.rpartition("/")[2]


@pytest.fixture(params=["memory", "file", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database with the schema."""
    if request.param == "memory":
        return "sqlite://"
    if request.param == "file":
        address = f"sqlite:///{tmp_path / 'db.sqlite3'}"
        store = Store(address, Vault(b"k" * 32))
        store.migrate()
        store.close()
        return address
    running: Cluster = request.getfixturevalue("postgres")
    return running.database(request.getfixturevalue("migrated"))


@pytest.fixture
def open_store() -> Iterator[Callable[[str], Store]]:
    """Opens stores, and closes them after the test."""
    opened: list[Store] = []

    def open_(address: str) -> Store:
        opened.append(Store(address, Vault(b"k" * 32)))
        return opened[-1]

    yield open_
    for store in opened:
        store.close()
