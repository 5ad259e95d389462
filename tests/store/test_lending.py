"""SQLite's connections stay open between transactions, and nothing of one transaction is in the next."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.exc import IntegrityError

from b2b_idp.store.statements import Prepared, insert_into
from b2b_idp.store.tables import change_counter, group_members

ADD = insert_into(change_counter, ("id", "seq"))
SEQUENCES = select(change_counter.c.seq)


@pytest.fixture
def database(tmp_path, open_store):
    store = open_store(f"sqlite:///{tmp_path / 'db'}")
    store.migrate()
    return store._database


@pytest.mark.parametrize("kind", [Prepared, lambda statement: statement], ids=["prepared", "by SQLAlchemy"])
def test_an_undone_transaction_leaves_nothing(database, kind):
    with pytest.raises(ZeroDivisionError), database.transaction(write=True) as c:
        c.execute(kind(insert(change_counter).values(id="one", seq=7)), {})
        assert c.execute(kind(SEQUENCES)).scalar() == 7
        raise ZeroDivisionError
    with database.transaction(write=False) as c:
        assert c.execute(kind(SEQUENCES)).first() is None


def test_what_sqlalchemy_runs_is_of_the_same_transaction(database):
    with database.transaction(write=True) as c:
        c.execute(ADD, {"id": "one", "seq": 7})
        assert c.execute(SEQUENCES).scalar() == 7
    with database.transaction(write=False) as c:
        assert c.execute(SEQUENCES).scalar() == 7


def test_a_commit_that_fails_is_undone_and_the_next_is_not_in_its_way(database):
    with pytest.raises(IntegrityError), database.transaction(write=True) as c:
        c.execute(text("PRAGMA defer_foreign_keys=ON"))
        c.execute(insert(group_members).values(group_id="nobody's", member_id="u"))
    with database.transaction(write=True) as c:
        assert c.execute(select(group_members)).first() is None


def test_readers_at_once_have_a_connection_each_and_few_are_kept(database):
    with ExitStack() as open_:
        at_once = [open_.enter_context(database.transaction(write=False)) for _ in range(12)]
        assert len({id(c._connection.connection.driver_connection) for c in at_once}) == 12
    pool = database.engine.pool
    assert pool.checkedout() == 8
    with database.transaction(write=False) as first:
        assert pool.checkedout() == 8
    with database.transaction(write=False) as second:
        assert second._connection is first._connection
    database.close()
    assert pool.checkedout() == 0
