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
ONE_ROW = {"tenant", "change_counter", "audit_head", "membership_progress"}
"""One tenant, and what is counted of it."""


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


def fill(engine, first):
    """Two more rows a table, the second with what may be missing missing; of what there is one only, one."""
    with engine.execution_options(b2b_write=True).begin() as c:
        made = {}
        for table in tables(engine):
            made[table.name] = []
            if table.name in ONE_ROW and c.execute(select(table)).first():
                continue
            for n in range(first, first + (1 if table.name in ONE_ROW else 2)):
                row = {}
                for column in table.columns:
                    key = next(iter(column.foreign_keys), None)
                    if key is not None:
                        row[column.name] = made[key.column.table.name][n - first][key.column.name]
                    elif n == first or not column.nullable:
                        row[column.name] = value(column, n)
                made[table.name].append(row)
                c.execute(insert(table), row)


def kept(engine):
    """Table → its rows, as far as they can be compared between types."""
    with engine.begin() as c:
        return {t.name: [plain(row) for row in c.execute(select(t)).mappings()] for t in tables(engine)}


def plain(row):
    return {n: json.loads(v) if isinstance(v, str) and v.startswith("{") else v for n, v in row.items()}


def lost(before, after):
    """Rows that are not there any more, or otherwise, in the columns and tables that both have."""
    found = []
    for name in before.keys() & after.keys():
        columns = set(before[name][0]) & set(after[name][0])
        there = [{k: v for k, v in row.items() if k in columns} for row in after[name]]
        found += [(name, row) for row in before[name] if {k: v for k, v in row.items() if k in columns} not in there]
    return found


def test_what_a_revision_held_goes_up_and_comes_back(database):
    engine = database.engine
    held = {}
    for number, at in enumerate(REVISIONS):
        migrate(engine, at)
        if number:
            assert lost(held[REVISIONS[number - 1]], kept(engine)) == [], f"up to {at}"
        fill(engine, 10 * number)
        held[at] = kept(engine)
    assert held[HEAD].keys() >= {"users", "passkeys", "audit_log", "erasures"}
    for at in REVISIONS[::-1][1:]:
        downgrade(engine, at)
        back = kept(engine)
        assert lost(held[at], back) == [], f"down to {at}"
        assert back.keys() == held[at].keys()


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


ABLE = "SELECT 'lz4' = ANY(enumvals) FROM pg_settings WHERE name = 'default_toast_compression'"
COMPRESSED = (
    "SELECT attrelid::regclass || '.' || attname, attcompression FROM pg_attribute "
    "WHERE attrelid = ANY('{signin_log,audit_log,grants,signins}'::regclass[]) "
    "AND attname IN ('document', 'replay', 'known')"
)
LONG = ("signin_log.document", "signin_log.replay", "audit_log.document", "grants.document", "signins.known")


def test_long_texts_of_a_new_database_are_compressed_by_lz4_where_the_server_can(postgres):
    database = Database(postgres.database())
    migrate(database.engine)
    with database.engine.connect() as c:
        wanted = "l" if c.exec_driver_sql(ABLE).scalar() else ""
        assert dict(c.exec_driver_sql(COMPRESSED).all()) == dict.fromkeys(LONG, wanted)
    database.close()
