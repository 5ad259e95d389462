"""Streaming replicas: what they say is proved at the primary, or it does not count."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from b2b_idp.keys.vault import Vault
from b2b_idp.metrics import Metrics
from b2b_idp.model.directory import Tenant, User
from b2b_idp.model.position import Position
from b2b_idp.model.problem import Code, Problem
from b2b_idp.store import Reader, Store, Writer
from b2b_idp.store.grants import Grant
from b2b_idp.store.signins import SigninRow
from tests.postgres import Cluster, cluster

AT = datetime(2026, 3, 1, tzinfo=UTC)
LATE = 30.0
"""Seconds that the slow replica is behind."""


class Counted(Metrics):
    """How many readings the primary answered, and how many a replica."""

    def __init__(self) -> None:
        super().__init__()
        self.primary = self.replica = 0

    def reads(self, primary: int, replica: int) -> None:
        self.primary += primary
        self.replica += replica


class World:
    """A primary, a replica that follows at once, and one that is late."""

    def __init__(self, primary: Cluster) -> None:
        self.primary = primary
        self.quick = primary.replica()
        self.slow = primary.replica(delay=LATE)


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with cluster() as primary:
        yield World(primary)


@pytest.fixture(scope="module")
def template(world: World) -> str:
    """A database with a tenant and one guest."""
    url = world.primary.database()
    store = Store(url, Vault(b"k" * 32), [world.quick.url(url.rpartition("/")[2])])
    store.migrate()
    # the first to look leaves the timeline's mark, which a late replica would show late
    store.standings()
    with store.write() as w:
        w.documents.create_tenant(Tenant("7e0c2b5e-5d0c-4f7e-8a35-0c8f1f1d9a10", "Contoso", "contoso.example", AT))
        w.users.add(user("alice"))
    store.close()
    return url.rpartition("/")[2]


@pytest.fixture
def database(world: World, template: str) -> str:
    """A database that both replicas have, to the last change."""
    url = world.primary.database(template)
    world.slow.delay(0)
    for replica in (world.quick, world.slow):
        replica.reached(world.primary.position())
    world.slow.delay(LATE)
    return url.rpartition("/")[2]


@pytest.fixture
def open_store(world: World, database: str) -> Iterator[Callable[..., tuple[Store, Counted]]]:
    opened: list[Store] = []

    def open_(*replicas: Cluster, stale: float = 2) -> tuple[Store, Counted]:
        counted = Counted()
        urls = [r.url(database) for r in replicas]
        opened.append(Store(world.primary.url(database), Vault(b"k" * 32), urls, timedelta(seconds=stale), counted))
        return opened[-1], counted

    yield open_
    for store in opened:
        store.close()


def user(name: str, **more: object) -> User:
    given = {
        "id": f"00000000-0000-4000-8000-{abs(hash(name)) % 10**12:012}",
        "user_type": "Guest",
        "upn": f"{name}@contoso.example",
        "mail": f"{name}@fabrikam.example",
        "account_enabled": True,
        "created_at": AT,
        "properties": {"displayName": name},
    }
    return User(**(given | more))  # type: ignore[arg-type]


ALICE = user("alice").id


def name_of(r: Reader) -> str | None:
    found = r.users.by_id(ALICE)
    return None if found is None else str(found.properties["displayName"])


def rename(name: str) -> Callable[[Writer], None]:
    def step(w: Writer) -> None:
        found = w.users.by_id(ALICE)
        assert found is not None
        w.users.save(user("alice", properties={"displayName": name}))

    return step


def test_a_replica_answers_what_has_not_changed(open_store, world: World) -> None:
    store, counted = open_store(world.slow)
    assert store.look(name_of) == "alice"
    assert counted.replica == 2  # the row, and its mark


def test_what_a_replica_has_not_heard_of_is_read_at_the_primary(open_store, world: World) -> None:
    store, counted = open_store(world.slow)
    store.transact(rename("Alice B"))
    assert store.look(name_of) == "Alice B"
    assert counted.primary > 0


def test_nobody_is_missing_because_a_replica_lags(open_store, world: World) -> None:
    store, _ = open_store(world.slow)
    store.transact(lambda w: w.users.add(user("bob")))
    assert store.look(lambda r: r.users.by_id(user("bob").id)) is not None


def test_a_refusal_by_a_replica_is_void(open_store, world: World) -> None:
    store, _ = open_store(world.slow)
    store.transact(rename("Alice B"))

    def judge(r: Reader) -> str:
        if name_of(r) != "Alice B":
            raise Problem(Code.ACCESS_DENIED, "not she")
        return "welcome"

    assert store.look(judge) == "welcome"
    assert store.lately(judge) == "welcome"
    assert store.transact(judge) == "welcome"


def test_a_step_reads_what_it_has_written(open_store, world: World) -> None:
    store, _ = open_store(world.quick)

    def step(w: Writer) -> str | None:
        rename("Alice C")(w)
        return name_of(w)

    assert store.transact(step) == "Alice C"


def test_what_a_step_decided_by_a_late_replica_is_not_written(open_store, world: World) -> None:
    store, _ = open_store(world.slow)
    store.transact(rename("Alice B"))

    def copy_name(w: Writer) -> None:
        w.users.add(user("copy", properties={"displayName": name_of(w)}))

    store.transact(copy_name)
    with store.read() as r:
        found = r.users.by_id(user("copy").id)
    assert found is not None
    assert found.properties["displayName"] == "Alice B"


def test_a_late_replica_is_no_source_for_what_has_to_be_of_late(open_store, world: World) -> None:
    store, counted = open_store(world.slow)
    store.transact(rename("Alice B"))
    time.sleep(0.1)
    assert store.lately(name_of, store.position()) == "Alice B"
    assert counted.replica == 0


def test_a_quick_replica_shows_at_least_the_position_asked_for(open_store, world: World) -> None:
    store, counted = open_store(world.quick)
    for n in range(20):
        store.transact(rename(f"Alice {n}"))
        assert store.lately(name_of, store.position()) == f"Alice {n}"
    assert counted.replica > 0


def test_a_position_of_another_cluster_says_nothing_and_the_primary_is_read(open_store, world: World) -> None:
    store, counted = open_store(world.quick)
    foreign = Position("7000000000000000000", 1, 1)
    assert not store.is_future(foreign)
    assert store.lately(name_of, foreign) == "alice"
    assert counted.replica == 0


def test_a_position_ahead_of_the_database_is_told(open_store, world: World) -> None:
    store, _ = open_store(world.quick)
    here = store.position()
    assert here is not None
    assert not store.is_future(here)
    assert store.is_future(Position(here.cluster, here.timeline, here.at + 2**30))


def test_how_late_replicas_are_is_known(open_store, world: World) -> None:
    store, _ = open_store(world.quick, world.slow)
    store.transact(rename("Alice B"))
    world.quick.reached(world.primary.position())
    store._replicas.look()
    quick, slow = store.standings()
    assert (quick.lag, quick.why) == (0.0, None)
    assert slow.lag is None or slow.lag > 0


def test_another_cluster_is_never_asked(open_store, world: World, database: str) -> None:
    with cluster() as other:
        store = Store(world.primary.url(database), Vault(b"k" * 32), [other.url("postgres")])
        assert store.look(name_of) == "alice"
        assert store.standings()[0].why is not None
        store.close()


def test_a_replica_that_goes_and_comes_back_is_nobodys_trouble(open_store, world: World) -> None:
    store, counted = open_store(world.quick)
    assert store.look(name_of) == "alice"
    world.quick.stop()
    try:
        for _ in range(3):
            assert store.look(name_of) == "alice"
        assert store.standings()[0].lag is None
    finally:
        world.quick.start()
    for _ in range(100):
        if store.standings()[0].why is None:
            break
        time.sleep(0.1)
    before = counted.replica
    assert store.look(name_of) == "alice"
    assert counted.replica == before + 2


# --- what a step consumes brings the marks along ---------------------------------------------------------------------


def grant_of_alice() -> Grant:
    return Grant(
        id="g", user_id=ALICE, app_id="a", session_id="s", document={}, created_at=AT, expires_at=AT + timedelta(days=1)
    )


def consume(w: Writer) -> str | None:
    """As a code is redeemed: what is consumed, then what the person is like."""
    grant = w.grants.by_id("g")
    assert grant is not None
    assert w.configuration.tenant.name == "Contoso"
    found = w.users.by_id(grant.user_id)
    return None if found is None else str(found.properties["displayName"])


def test_what_is_consumed_is_the_only_thing_that_the_primary_is_asked(open_store, world: World) -> None:
    store, counted = open_store(world.slow)
    with store.write() as w:
        w.grants.add(grant_of_alice())
    store.look(lambda r: r.configuration)
    counted.primary = counted.replica = 0
    assert store.transact(consume) == "alice"
    assert counted.primary == 1
    assert counted.replica == 3


def test_the_marks_that_came_along_void_what_a_late_replica_says(open_store, world: World) -> None:
    store, counted = open_store(world.slow)
    with store.write() as w:
        w.grants.add(grant_of_alice())
    store.transact(rename("Alice B"))
    counted.replica = 0
    assert store.transact(consume) == "Alice B"
    assert counted.replica == 0


def test_what_is_consumed_is_the_same_with_marks_beside_it_and_without(open_store, world: World) -> None:
    store, _ = open_store(world.slow)
    alone, _ = open_store()
    with store.write() as w:
        w.grants.add(grant_of_alice())
    assert store.transact(lambda w: w.grants.by_id("g")) == alone.transact(lambda w: w.grants.by_id("g"))
    assert store.transact(lambda w: w.grants.by_id("another")) is None


def test_what_is_claimed_brings_them_along_as_well(open_store, world: World) -> None:
    store, counted = open_store(world.slow)
    until = AT + timedelta(hours=1)
    row = SigninRow(
        id="s", browser=b"b", version=0, waiting="home", known={}, correlation_id="c", created_at=AT, expires_at=until
    )

    def come_back(w: Writer) -> SigninRow | None:
        claim = w.signins.claim("s", b"b", "home", "exchange", AT)
        assert w.configuration.tenant.name == "Contoso"
        return claim()

    with store.write() as w:
        w.signins.add(row)
    store.look(lambda r: r.configuration)
    counted.primary = counted.replica = 0
    assert store.transact(come_back) == replace(row, version=1, waiting="exchange")
    assert counted.primary == 0
    assert counted.replica > 0
    assert store.transact(come_back) is None


def test_a_step_that_changes_whom_it_read_is_not_void_for_its_own_change(open_store, world: World) -> None:
    store, counted = open_store(world.slow)
    with store.write() as w:
        w.grants.add(grant_of_alice())

    def step(w: Writer) -> None:
        assert consume(w) == "alice"
        w.users.save(user("alice", properties={"displayName": "Alice C"}))
        assert consume(w) == "Alice C"

    store.transact(step)
    assert counted.replica > 0
    assert store.look(name_of) == "Alice C"
