"""A copy is the same database: every table, every value, whichever way it goes; or there is no copy."""

import sqlite3
from datetime import UTC, datetime

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from sqlalchemy import insert, text

from b2b_idp.model.problem import Code, Problem
from b2b_idp.store.copying import copy
from b2b_idp.store.engine import Database
from b2b_idp.store.tables import metadata
from tests.store.rows import databases

AT = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def migrated_file(tmp_path, open_store):
    """Makes empty SQLite databases with the schema; gives their addresses."""

    def make(name):
        address = f"sqlite:///{tmp_path / name}"
        open_store(address).migrate()
        return address

    return make


def fill(address, rows):
    database = Database(address)
    with database.transaction(write=True) as c:
        for table in reversed(metadata.sorted_tables):
            c.execute(table.delete())
        for table in metadata.sorted_tables:
            if rows.get(table.name):
                c.execute(insert(table), rows[table.name])
    database.close()


def raw(address):
    """Every value as SQLite keeps it, in order."""
    with sqlite3.connect(address.removeprefix("sqlite:///")) as c:
        c.text_factory = bytes
        return {t.name: sorted(c.execute(f'SELECT * FROM "{t.name}"'), key=repr) for t in metadata.sorted_tables}


def test_what_goes_to_postgresql_and_back_is_the_same_to_the_byte(migrated_file, migrated, postgres):
    here, back, there = migrated_file("here"), migrated_file("back"), postgres.database(migrated)

    @settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
    @given(databases())
    def goes_and_comes_back(rows):
        fill(here, rows)
        fill(back, {})
        fill(there, {})
        away = copy(here, there)
        assert sum(t.rows for t in away) == sum(map(len, rows.values()))
        assert copy(there, back) == away
        assert raw(back) == raw(here)

    goes_and_comes_back()


TENANT = {"id": "t", "name": "Contoso", "default_domain": "contoso.example", "created_at": AT}

ROWS = {"groups": [{"id": f"g{n:04}", "created_at": AT, "document": {"n": n}} for n in range(1201)]}


def test_it_goes_in_batches_and_says_how_far_it_is(migrated_file):
    here, there = migrated_file("here"), migrated_file("there")
    fill(here, ROWS)
    heard = []
    copied = copy(here, there, lambda done, of: heard.append((done, of)))
    assert heard == [(500, 1201), (1000, 1201), (1201, 1201)]
    assert raw(here) == raw(there) and [t.rows for t in copied if t.name == "groups"] == [1201]


def test_what_is_written_meanwhile_is_not_half_in_the_copy(migrated_file):
    here, there = migrated_file("here"), migrated_file("there")
    fill(here, ROWS)
    before = raw(here)

    def somebody_writes(done, of):
        with sqlite3.connect(here.removeprefix("sqlite:///")) as c:
            c.execute("UPDATE groups SET document = '{}' WHERE id > 'g0600'")
            c.execute("INSERT OR IGNORE INTO membership_rules VALUES ('g0001', 'user.mail -eq null', 1)")

    copy(here, there, somebody_writes)
    assert raw(there) == before != raw(here)


def refusal(source, target, *progress):
    with pytest.raises(Problem) as e:
        copy(source, target, *progress)
    return e.value


@pytest.mark.parametrize("url", ["file", "postgres"], indirect=True)
def test_a_database_that_holds_something_is_never_copied_over(url, migrated_file):
    here = migrated_file("here")
    fill(here, ROWS)
    fill(url, {"directory_roles": [{"template_id": "t", "id": "i"}]})
    problem = refusal(here, url)
    assert problem.code is Code.CONFLICT and "its table directory_roles has rows" in problem.say


@pytest.mark.parametrize("url", ["file", "postgres"], indirect=True)
def test_what_fails_on_the_way_leaves_the_target_empty(url, migrated_file):
    here = migrated_file("here")
    fill(here, ROWS)

    class Cut(Exception):
        pass

    def cut(done, of):
        if done > 1000:
            raise Cut

    with pytest.raises(Cut):
        copy(here, url, cut)
    assert copy(here, url)


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("UPDATE directory_roles SET template_id = 'nul' || char(0)", "directory_roles"),
        ("UPDATE tenant SET config_version = 4294967296", "tenant"),
    ],
    ids=["a NUL", "a number too large"],
)
def test_what_the_target_cannot_hold_is_named_and_nothing_is_copied(
    statement, named, migrated_file, migrated, postgres
):
    here, there = migrated_file("here"), postgres.database(migrated)
    fill(here, {"directory_roles": [{"template_id": "t", "id": "i"}], "tenant": [TENANT]})
    with sqlite3.connect(here.removeprefix("sqlite:///")) as c:
        c.execute(statement)
    problem = refusal(here, there)
    assert problem.code is Code.CONFLICT and f"rows of {named} from" in problem.say
    database = Database(there)
    with database.transaction(write=False) as c:
        assert c.execute(text("SELECT count(*) FROM tenant")).scalar() == 0
    database.close()


def test_both_have_the_schema_of_this_version(migrated_file, postgres, tmp_path):
    here = migrated_file("here")
    assert "target database has no schema" in refusal(here, postgres.database()).say
    assert "no database" in refusal(f"sqlite:///{tmp_path / 'typo'}", here).say
    assert not (tmp_path / "typo").exists()
    with sqlite3.connect(here.removeprefix("sqlite:///")) as c:
        c.execute("UPDATE alembic_version SET version_num = '0001'")
    assert "source database has the schema 0001" in refusal(here, migrated_file("there")).say
    assert "into itself" in refusal(here, here).say


def test_a_database_that_cannot_be_reached_is_said_to_be(migrated_file):
    problem = refusal(migrated_file("here"), "postgresql://nobody@127.0.0.1:1/none")
    assert problem.code is Code.UNAVAILABLE


def test_a_value_that_arrives_otherwise_undoes_the_copy(migrated_file):
    """As a trigger of somebody's would do it."""
    here, there = migrated_file("here"), migrated_file("there")
    fill(here, ROWS)
    with sqlite3.connect(there.removeprefix("sqlite:///")) as c:
        c.execute(
            "CREATE TRIGGER t AFTER INSERT ON groups BEGIN UPDATE groups SET document = '{}' WHERE id = 'g0007'; END"
        )
    assert "The table groups did not arrive as it was sent (1201 of 1201 rows)" in refusal(here, there).say
    assert not any(raw(there).values())


def test_a_target_that_goes_away_midway_is_said_to_have(migrated_file, migrated, postgres):
    here, there = migrated_file("here"), postgres.database(migrated)
    fill(here, ROWS)

    name = there.rpartition("/")[2]
    ends = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"

    def goes_away(done, of):
        with psycopg.connect(postgres.url("postgres"), autocommit=True) as c:
            c.execute(ends, [name])

    assert refusal(here, there, goes_away).code is Code.UNAVAILABLE
    assert copy(here, there)
