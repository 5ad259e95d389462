"""Prepared statements give and refuse what SQLAlchemy would, on every database."""

from __future__ import annotations

import os
import resource
from datetime import UTC, datetime

import pytest
from sqlalchemy import bindparam, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError, MultipleResultsFound, NoResultFound

from b2b_idp.model.problem import Code, Problem
from b2b_idp.store.engine import Conflict, Database, Lost
from b2b_idp.store.functions import among
from b2b_idp.store.statements import Prepared, insert_into
from b2b_idp.store.tables import change_counter, policies

AT = datetime(2026, 5, 4, 3, 2, 1, 987654, UTC)
SECRET = "eyJhbGciOiJFUzI1NiJ9"

ADD = insert_into(policies, ("id", "kind", "created_at", "document"))
OF_KIND = Prepared(select(policies).where(policies.c.kind == bindparam("kind")).order_by(policies.c.id))
SOME = Prepared(select(policies.c.id).where(among(policies.c.id, "ids")).order_by(policies.c.id))
NAMED = Prepared(update(policies).where(policies.c.id == bindparam("which")).values(kind="renamed"))


def row(id, kind="k"):
    return {"id": id, "kind": kind, "created_at": AT, "document": {"ä": [1, None, True]}}


@pytest.fixture
def database(url, open_store):
    return open_store(url)._database


def test_what_is_written_is_read_as_python_has_it(database):
    with database.transaction(write=True) as c:
        c.execute(ADD, row("a"))
        prepared, plain = c.execute(OF_KIND, {"kind": "k"}).one(), c.execute(select(policies)).one()
        assert (prepared.created_at, prepared.document, prepared.modified_at) == (AT, {"ä": [1, None, True]}, None)
        assert tuple(prepared) == tuple(plain)
        assert c.execute(OF_KIND, {"kind": "k"}).mappings().first() == dict(plain._mapping)


def test_a_statement_is_run_for_each_of_many_rows(database):
    with database.transaction(write=True) as c:
        c.execute(ADD, [row("a"), row("b"), row("c", "other")])
        assert c.execute(SOME, {"ids": ["a", "c", "z"]}).scalars().all() == ["a", "c"]
        assert c.execute(SOME, {"ids": []}).first() is None
        assert [r.id for r in c.execute(OF_KIND, {"kind": "k"})] == ["a", "b"]
        assert c.execute(NAMED, {"which": "a"}).rowcount == 1
        assert c.execute(NAMED, {"which": "nobody"}).rowcount == 0


def test_one_row_is_one_row(database):
    with database.transaction(write=True) as c:
        c.execute(ADD, [row("a"), row("b")])
        with pytest.raises(MultipleResultsFound):
            c.execute(OF_KIND, {"kind": "k"}).one()
        with pytest.raises(NoResultFound):
            c.execute(OF_KIND, {"kind": "none"}).scalar_one()


def test_a_returned_value_comes_back(database):
    raised = Prepared(update(change_counter).values(seq=change_counter.c.seq + 1).returning(change_counter.c.seq))
    with database.transaction(write=True) as c:
        c.execute(text("INSERT INTO change_counter VALUES ('t', 7)"))
        assert c.execute(raised).scalar_one() == 8


def test_what_violates_a_constraint_can_be_undone_alone_and_says_no_values(database):
    with database.transaction(write=True) as c:
        c.execute(ADD, row("a"))
        with pytest.raises(IntegrityError) as caught, c.begin_nested():
            c.execute(ADD, row("a", SECRET))
        assert caught.value.params is None
        assert SECRET not in str(caught.value.statement)
        c.execute(ADD, row("b"))
    with database.transaction(write=False) as c:
        assert c.execute(SOME, {"ids": ["a", "b"]}).scalars().all() == ["a", "b"]


def test_what_is_no_text_is_refused(database):
    with pytest.raises(Problem) as caught, database.transaction(write=False) as c:
        c.execute(OF_KIND, {"kind": "\ud800"})
    assert caught.value.code is Code.BAD_REQUEST


def test_a_database_without_schema_is_unavailable(tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'empty.sqlite3'}")
    with pytest.raises(Problem) as caught, database.transaction(write=False) as c:
        c.execute(OF_KIND, {"kind": "k"})
    assert caught.value.code is Code.UNAVAILABLE
    database.close()


def test_a_defect_of_ours_is_told_as_one(database):
    nowhere = Prepared(update(policies).where(policies.c.id == bindparam("which")).values(kind=None))
    with pytest.raises(DBAPIError), database.transaction(write=True) as c:
        c.execute(ADD, row("a"))
        c.execute(nowhere, {"which": "a"})


def test_selects_are_known_from_what_writes():
    assert OF_KIND.is_select
    assert not ADD.is_select
    assert not NAMED.is_select


class TestPostgres:
    @pytest.fixture
    def database(self, postgres, migrated, open_store):
        return open_store(postgres.database(migrated))._database

    def test_nul_is_refused(self, database):
        with pytest.raises(Problem) as caught, database.transaction(write=False) as c:
            c.execute(OF_KIND, {"kind": "a\0b"})
        assert caught.value.code is Code.BAD_REQUEST

    def test_a_statement_in_use_is_prepared_at_the_server(self, database):
        with database.transaction(write=False) as c:
            for _ in range(6):
                c.execute(OF_KIND, {"kind": "k"})
            kept = c.execute(text("SELECT statement FROM pg_prepared_statements")).scalars().all()
        assert any("policies.kind = $1" in statement for statement in kept)

    def test_a_lost_connection_is_told_and_not_used_again(self, database):
        with pytest.raises(Lost), database.transaction(write=False) as c:
            c._connection.connection.driver_connection.pgconn.finish()
            c.execute(OF_KIND, {"kind": "k"})
        with database.transaction(write=False) as c:
            assert c.execute(OF_KIND, {"kind": "k"}).all() == []

    def test_a_process_with_many_open_files_has_its_database(self, database):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(2048, hard)), hard))
        held = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
        try:
            database.engine.dispose()
            for _ in range(2):
                with database.transaction(write=False) as c:
                    assert c.execute(OF_KIND, {"kind": "k"}).all() == []
        finally:
            for file in held:
                os.close(file)
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    def test_a_conflict_is_one(self, database):
        with database.transaction(write=True) as c:
            c.execute(ADD, [row("a"), row("b")])
        with pytest.raises(Conflict), database.transaction(write=True) as one:
            assert one.execute(OF_KIND, {"kind": "k"}).all()
            with database.transaction(write=True) as other:
                other.execute(OF_KIND, {"kind": "k"})
                other.execute(NAMED, {"which": "a"})
            one.execute(NAMED, {"which": "b"})
