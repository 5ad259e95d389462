"""How much is said to PostgreSQL in one trip, and what becomes of it when some of that fails."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import Float, bindparam, func, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from b2b_idp.store.engine import Database, Lost
from b2b_idp.store.postgres import pipeline
from b2b_idp.store.statements import Prepared, insert_into
from b2b_idp.store.tables import change_counter, policies
from tests.wire import Wire

ADD = insert_into(change_counter, ("id", "seq"), awaited=False)
SEQ = Prepared(select(change_counter.c.seq).where(change_counter.c.id == bindparam("id")))
COUNT = Prepared(select(change_counter.c.id).order_by(change_counter.c.id))
ROOT = Prepared(select(func.sqrt(bindparam("of", type_=Float))))


@pytest.fixture
def wire(postgres):
    made = Wire(postgres.port)
    yield made
    made.close()


@pytest.fixture
def database(postgres, migrated, wire, open_store):
    address = postgres.database(migrated).replace(f":{postgres.port}/", f":{wire.port}/")
    database = open_store(f"{address}?sslmode=disable&gssencmode=disable")._database
    with database.transaction(write=True) as c:
        # both are prepared from here on
        c.execute(ADD, {"id": "a", "seq": 1})
        assert c.execute(SEQ, {"id": "a"}).scalar() == 1
    wire.cut(0)
    return database


def test_a_transaction_begins_with_its_first_statement(database, wire):
    with database.transaction(write=False) as c:
        assert wire.sent == 0
        assert c.execute(SEQ, {"id": "a"}).scalar() == 1
    assert wire.sent == 2  # the statement, the COMMIT


def test_one_in_which_nothing_is_said_is_none(database, wire):
    for write in (False, True):
        with database.transaction(write=write):
            pass
    assert wire.sent == 0


def test_what_nobody_waits_for_goes_with_what_comes_next(database, wire):
    with database.transaction(write=True) as c:
        c.execute(ADD, {"id": "b", "seq": 2})
        c.execute(ADD, {"id": "c", "seq": 3})
        assert c.execute(SEQ, {"id": "c"}).scalar() == 3
        c.execute(ADD, {"id": "d", "seq": 4})
        assert wire.sent == 1
    assert wire.sent == 2
    with database.transaction(write=False) as c:
        assert c.execute(COUNT).scalars().all() == ["a", "b", "c", "d"]


def test_a_commit_is_sent_alone_until_its_transaction_has_a_name(database, wire):
    with database.transaction(write=True) as c:
        c.execute(ADD, {"id": "b", "seq": 2})
    assert wire.sent == 2


@pytest.mark.parametrize("by", ["the next question", "the commit"])
def test_what_is_wrong_with_it_is_raised_later_and_nothing_is_kept(database, by):
    with pytest.raises(IntegrityError), database.transaction(write=True) as c:
        assert c.execute(SEQ, {"id": "a"}).scalar() == 1
        c.execute(ADD, {"id": "b", "seq": 2})
        c.execute(ADD, {"id": "a", "seq": 9})
        if by == "the next question":
            c.execute(SEQ, {"id": "a"})
            raise AssertionError("the question was answered")
    with database.transaction(write=True) as c:
        assert c.execute(COUNT).scalars().all() == ["a"]


def test_an_exception_undoes_what_was_sent_and_not_heard(database):
    with pytest.raises(ZeroDivisionError), database.transaction(write=True) as c:
        c.execute(ADD, {"id": "b", "seq": 2})
        raise ZeroDivisionError
    with database.transaction(write=False) as c:
        assert c.execute(COUNT).scalars().all() == ["a"]


def test_a_part_that_goes_wrong_unheard_is_undone_alone(database):
    with database.transaction(write=True) as c:
        c.execute(ADD, {"id": "b", "seq": 2})
        with pytest.raises(IntegrityError), c.begin_nested():
            c.execute(ADD, {"id": "a", "seq": 9})
        assert c.execute(COUNT).scalars().all() == ["a", "b"]
    with database.transaction(write=False) as c:
        assert c.execute(COUNT).scalars().all() == ["a", "b"]


def test_what_is_foreseen_is_read_in_the_trip_of_another(database, wire):
    with database.transaction(write=False) as c:
        c.foresee(COUNT, {})
        assert c.execute(SEQ, {"id": "a"}).scalar() == 1
        assert c.execute(COUNT).scalars().all() == ["a"]
        assert (wire.sent, c.asked) == (1, 2)


def test_what_was_foreseen_before_something_was_written_is_asked_again(database):
    with database.transaction(write=True) as c:
        c.foresee(COUNT, {})
        c.execute(ADD, {"id": "b", "seq": 2})
        assert c.execute(COUNT).scalars().all() == ["a", "b"]


def test_what_was_foreseen_in_a_part_that_is_undone_is_asked_again(database):
    with database.transaction(write=True) as c:
        with pytest.raises(ZeroDivisionError), c.begin_nested():
            c.execute(ADD, {"id": "b", "seq": 2})
            c.foresee(COUNT, {})
            raise ZeroDivisionError
        assert c.execute(COUNT).scalars().all() == ["a"]


def test_what_is_asked_otherwise_than_foreseen_is_asked(database):
    with database.transaction(write=False) as c:
        c.foresee(SEQ, {"id": "a"})
        assert c.execute(SEQ, {"id": "b"}).first() is None


def test_a_statement_whose_first_use_failed_is_prepared_again(database):
    with pytest.raises(DBAPIError, match="negative"), database.transaction(write=False) as c:
        c.execute(ROOT, {"of": -1.0})
    with database.transaction(write=False) as c:
        assert c.execute(ROOT, {"of": 4.0}).scalar() == 2


def test_a_transaction_that_failed_unheard_is_not_taken_for_committed(database):
    with pytest.raises(DBAPIError, match="had failed before"), database.transaction(write=True) as c:
        try:
            c.execute(ROOT, {"of": -1.0})
        except DBAPIError as e:
            assert "negative" in str(e)


def test_a_document_larger_than_a_socket_takes_at_once_arrives(database):
    add = insert_into(policies, ("id", "kind", "created_at", "document"))
    document = {"text": "x" * 8_000_000}
    with database.transaction(write=True) as c:
        c.execute(add, {"id": "p", "kind": "k", "created_at": datetime(2026, 6, 1, tzinfo=UTC), "document": document})
        assert c.execute(Prepared(select(policies.c.document))).scalar() == document


def test_a_server_that_does_not_answer_is_given_up(database):
    with pytest.raises(Lost), database.transaction(write=False) as c:
        pipeline(c._connection)._raw.deadline = 0.1
        c.execute(Prepared(select(text("pg_sleep(5)"))))


def test_connections_that_the_server_closed_are_replaced_and_no_transaction_fails(database: Database, postgres):
    with database.transaction(write=False) as one, database.transaction(write=False) as other:
        assert one.execute(SEQ, {"id": "a"}).scalar() == other.execute(SEQ, {"id": "a"}).scalar() == 1
    assert database.engine.pool.checkedout() == 2
    postgres.stop()
    postgres.start()
    with database.transaction(write=True) as c:
        assert c.execute(SEQ, {"id": "a"}).scalar() == 1
    assert database.engine.pool.checkedout() == 1
    database.close()
    assert database.engine.pool.checkedout() == 0
