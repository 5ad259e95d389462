"""The servers that other tests kill and replace do what those tests take for granted."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from tests.postgres import Cluster, cluster


@pytest.fixture(scope="module")
def primary() -> Iterator[Cluster]:
    with cluster() as running:
        yield running


def ask(server: Cluster, sql: str) -> object:
    with psycopg.connect(server.url("postgres"), autocommit=True) as c:
        row = c.execute(sql).fetchone()
    return row and row[0]


def write(server: Cluster, sql: str) -> None:
    with psycopg.connect(server.url("postgres"), autocommit=True) as c:
        c.execute(sql)


def test_replicas_follow_at_once_or_late_and_one_takes_the_primarys_place(primary: Cluster) -> None:
    write(primary, "CREATE TABLE word (it text)")
    swift, late = primary.replica(), primary.replica()
    late.delay(3600)
    write(primary, "INSERT INTO word VALUES ('first')")
    swift.reached(primary.position())
    assert ask(swift, "SELECT it FROM word") == "first"
    assert ask(late, "SELECT it FROM word") is None
    late.delay(0)
    late.reached(primary.position())
    assert ask(late, "SELECT it FROM word") == "first"

    primary.kill()
    assert not primary.running
    primary.start()
    assert ask(primary, "SELECT it FROM word") == "first"

    swift.reached(primary.position())
    primary.kill()
    swift.promote()
    swift.take_over(primary)
    write(swift, "INSERT INTO word VALUES ('second')")
    assert ask(primary, "SELECT count(*) FROM word") == 2
