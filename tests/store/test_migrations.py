"""Every revision, up and down, on every database, with data; those that come later are among them as they are made."""

import json

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import JSON, Boolean, Integer, LargeBinary, MetaData, String, Uuid, insert, select

from b2b_idp.model.problem import Code, Problem
from b2b_idp.store.engine import Database
from b2b_idp.store.migrate import HEAD, config, downgrade, migrate, one_migrator, standing

REVISIONS = [s.revision for s in ScriptDirectory.from_config(config()).walk_revisions()][::-1]
NOT_OURS = {"alembic_version", "touched"}
"""Alembic's own, and the marks that triggers keep."""


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request, tmp_path):
    """Without a schema."""
    sqlite = request.param == "sqlite"
    made = Database(f"sqlite:///{tmp_path / 'db'}" if sqlite else request.getfixturevalue("postgres").database())
    yield made
    made.close()


def tables(engine):
    found = MetaData()
    found.reflect(engine)
    return [t for t in found.sorted_tables if t.name not in NOT_OURS]


def value(column, n):
    match column.type:
        case JSON():
            return {"displayName": f"Ünal {n}", "n": [n, None, True, 1.5]}
        case Boolean():
            return n % 2 == 0
        case Integer():
            return 1000 + n
        case LargeBinary():
            return bytes([n, 0, 255])
        case Uuid() | String():
            # an audit entry is JSON, whatever its column is
            return '{"result":"süccess"}' if column.name == "document" else f"{column.name[:20]} ä{n}"
        case other:
            raise AssertionError(f"{column}: what may {other!r} hold?")


def fill(engine):
    """Two rows a table, the second with what may be missing missing; one tenant."""
    with engine.execution_options(b2b_write=True).begin() as c:
        parents = {}
        for table in tables(engine):
            rows = []
            for n in range(1 if table.name == "tenant" else 2):
                row = {}
                for column in table.columns:
                    key = next(iter(column.foreign_keys), None)
                    if key is not None:
                        row[column.name] = parents[key.column.table.name][n][key.column.name]
                    elif not (n and column.nullable):
                        row[column.name] = value(column, n)
                rows.append(row)
                c.execute(insert(table), row)
            parents[table.name] = rows


def kept(engine):
    """Table → its rows, as far as they can be compared between databases and types."""
    with engine.begin() as c:
        return {t.name: [plain(row) for row in c.execute(select(t)).mappings()] for t in tables(engine)}


def plain(row):
    return {n: json.loads(v) if isinstance(v, str) and v.startswith("{") else v for n, v in row.items()}


def among(rows, columns):
    return sorted(({k: v for k, v in row.items() if k in columns} for row in rows), key=repr)


@pytest.mark.parametrize("at", REVISIONS)
def test_data_of_a_revision_come_to_the_newest_and_back(at, database):
    engine = database.engine
    migrate(engine, at)
    fill(engine)
    before = kept(engine)
    migrate(engine)
    after = kept(engine)
    for name, rows in before.items():
        if name in after:
            columns = set(rows[0]) & set(after[name][0])
            assert among(rows, columns) == among(after[name], columns), name
    downgrade(engine, at)
    back = kept(engine)
    for name, rows in before.items():
        assert among(rows, rows[0]) == among(back[name], rows[0]), name
    assert set(back) == set(before)


def test_one_migrates_at_a_time(postgres):
    database = Database(postgres.database())
    with one_migrator(database.engine), pytest.raises(Problem) as e:
        migrate(database.engine)
    assert e.value.code is Code.CONFLICT and "Somebody else is migrating" in e.value.say
    migrate(database.engine)
    database.close()


@pytest.mark.parametrize(
    ("found", "is_"), [(None, "none"), (REVISIONS[-2], "older"), (HEAD, "current"), ("9999", "newer")]
)
def test_a_schema_is_older_or_newer_than_this_version(found, is_):
    assert standing(found) == is_
    assert sorted(REVISIONS) == REVISIONS
