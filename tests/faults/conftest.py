"""A provider over PostgreSQL, with a wire between them that can be cut."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from b2b_idp.testing.values import KitApp, KitGuest
from tests.faults.faulty_kit import MFA, FaultyKit
from tests.postgres import Cluster, cluster
from tests.wire import Wire


@pytest.fixture(scope="package")
def postgres() -> Iterator[Cluster]:
    with cluster() as running:
        yield running


@pytest.fixture(scope="module")
def wire(postgres: Cluster) -> Iterator[Wire]:
    made = Wire(postgres.port)
    yield made
    made.close()


@pytest.fixture(scope="module")
def kit(postgres: Cluster, wire: Wire, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultyKit]:
    database = postgres.database().replace(f":{postgres.port}/", f":{wire.port}/")
    keys: Path = tmp_path_factory.mktemp("faulty") / "keys"
    made = FaultyKit(f"{database}?sslmode=disable&gssencmode=disable", keys)
    yield made
    made.close()


@pytest.fixture(scope="module")
def app(kit: FaultyKit) -> KitApp:
    kit.home_tenant("fabrikam.example", trust_mfa=True)
    kit.home_tenant("northwind.example")
    return kit.app("CRM", requires="mfa")


@pytest.fixture(scope="module")
def guest(kit: FaultyKit, app: KitApp) -> KitGuest:
    guest = kit.invite("ada@fabrikam.example")
    kit.come(guest, app, amr=MFA)
    return guest
