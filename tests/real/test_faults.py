"""Servers, a replica and the primary killed by SIGKILL while guests come in: what was acknowledged is there, nothing is
used twice, and the sign-ins go on."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from tests.ports import free_port
from tests.postgres import Cluster, cluster
from tests.real.conftest import World, furnished, redirect_uri
from tests.real.instance import Instance
from tests.real.load import Load
from tests.real.nodes import foreign_home

GUESTS = [f"guest{n}@foreign.example" for n in range(600)]
PEOPLE: dict[str, dict[str, Any]] = {
    e: {"sub": e.partition("@")[0], "factors": "mfa", "name": e, "email": e, "email_verified": True} for e in GUESTS
}
BROWSERS = 4
PAUSE = 1.0
"""Seconds of undisturbed work between two kills."""


@pytest.fixture(scope="module")
def running(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[World, tuple[Instance, Instance], tuple[Cluster, Cluster]]]:
    data: Path = tmp_path_factory.mktemp("faults") / "data"
    with cluster() as primary:
        database = primary.database()
        replica = primary.replica()
        replica_url = replica.url(database.rpartition("/")[2])
        first = Instance(data, free_port(), database=database, replicas=[replica_url])
        second = first.beside(free_port())
        with foreign_home(PEOPLE, lambda issuer: redirect_uri(first, issuer)) as home:
            try:
                first.start()
                second.start()
                world = furnished(first, home, cast(Any, None))
                yield world, (first, second), (primary, replica)
            finally:
                first.stop()
                second.stop()


def test_whoever_is_killed_the_guests_come_in(
    running: tuple[World, tuple[Instance, Instance], tuple[Cluster, Cluster]],
) -> None:
    world, (first, second), (primary, replica) = running
    load = Load(world, (first.port, second.port), GUESTS, BROWSERS)
    spans: dict[str, tuple[float, float]] = {}
    with load.run() as record:
        time.sleep(PAUSE)
        for name, kill, start in (
            ("server", second.kill, second.start),
            ("replica", replica.kill, replica.start),
            ("primary", primary.kill, primary.start),
        ):
            began = time.monotonic()
            kill()
            time.sleep(PAUSE)
            start()
            time.sleep(PAUSE)
            spans[name] = began, time.monotonic()
        time.sleep(PAUSE)

    assert record.wrong == []
    # what was answered is there
    users = {}
    page = "/users?$select=id,mail,externalUserState,identities&$top=999"
    for user in world.instance.graph("GET", page)["value"]:
        users.setdefault(user["mail"], []).append(user)
    assert {e: [u["id"] for u in users[e]] for e in record.invited} == {e: [i] for e, i in record.invited.items()}
    # who came in is bound, once
    for _, email in record.came_in:
        (user,) = users[email]
        assert user["externalUserState"] == "Accepted"
        assert [i["issuerAssignedId"] for i in user["identities"]] == [email.partition("@")[0]]
    # no code was good twice; where its answer was lost with a server, it was good for nobody
    assert max(record.redeemed) == 1
    assert record.redeemed.count(0) <= BROWSERS * len(spans)
    # the sign-ins went on
    assert record.longest_gap(*spans["server"]) < 5 * PAUSE
    assert record.longest_gap(*spans["replica"]) < 5 * PAUSE
    assert record.longest_gap(*spans["primary"]) < 5 * PAUSE
    assert len(record.came_in) > 10
