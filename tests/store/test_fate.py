"""What became of a transaction whose end nobody heard, whatever happened to the server meanwhile."""

from __future__ import annotations

import threading
import time
from contextlib import suppress

import psycopg
import pytest
from sqlalchemy import text

from b2b_idp.keys.vault import Vault
from b2b_idp.store import Store, postgres
from b2b_idp.store.engine import Lost
from b2b_idp.store.postgres.connections import alone
from tests.postgres import cluster


@pytest.fixture(scope="module")
def server():
    with cluster() as running:
        yield running


@pytest.fixture(scope="module")
def database(server):
    store = Store(server.database(), Vault(b"k" * 32))
    store.migrate()
    yield store._database
    store.close()


def write(c, id="a"):
    c.execute(text("INSERT INTO change_counter VALUES (:id, 1) ON CONFLICT (id) DO UPDATE SET seq = 2"), {"id": id})
    return postgres.mark(c._connection)


def committed(database):
    with database.transaction(write=True) as c:
        return write(c)


def left(database):
    """One that did not come to its end."""
    with suppress(ZeroDivisionError), database.transaction(write=True) as c:
        mark = write(c)
        raise ZeroDivisionError
    return mark


def checkpoint(database, server):
    with alone(database.engine) as c:
        c.exec_driver_sql("CHECKPOINT")


def crash(database, server):
    server.kill()
    server.start()


def restart(database, server):
    server.stop()
    server.start()


def nothing(database, server):
    pass


@pytest.mark.parametrize("meanwhile", [nothing, checkpoint, crash, restart])
def test_it_is_kept_as_far_as_it_was_committed(database, server, meanwhile):
    marks = {True: committed(database), False: left(database)}
    committed(database)
    meanwhile(database, server)
    assert {kept: postgres.kept(database.engine, mark) for kept, mark in marks.items()} == {True: True, False: False}


def test_one_that_a_crash_took_with_it_is_not_kept_though_another_has_its_number(database, server):
    with pytest.raises(Lost), database.transaction(write=True) as c:
        c.execute(text("SELECT 1"))
        mark = postgres.mark(c._connection)
        crash(database, server)
        write(c)
    assert postgres.kept(database.engine, mark) is False
    numbers = [committed(database).transaction for _ in range(8)]
    assert mark.transaction in numbers
    assert postgres.kept(database.engine, mark) is False
    checkpoint(database, server)  # behind which nobody sees the one that ended the recovery
    assert postgres.kept(database.engine, mark) is None


def test_one_that_was_committed_while_a_checkpoint_was_under_way_is_kept(database, server):
    checkpoint(database, server)
    for _ in range(3):
        committed(database)  # something to write, so that the next one takes its time
    with psycopg.connect(server.url("postgres"), autocommit=True) as c, alone(database.engine) as looking:
        spread = threading.Thread(target=c.execute, args=("SELECT pg_backup_start('spread', false)",))
        spread.start()
        ends = time.monotonic() + 10
        while not looking.exec_driver_sql(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'CheckpointWriteDelay'"
        ).scalar():
            assert time.monotonic() < ends and spread.is_alive(), "no checkpoint under way was seen"
        mark = committed(database)
        assert spread.is_alive(), "the checkpoint ended too early"
        spread.join()
    assert postgres.kept(database.engine, mark) is True
