"""What replicas may be asked: only tables whose every change leaves a mark, of the key that the answer is proved by."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator

import pytest
from sqlalchemy.sql.visitors import iterate

import b2b_idp.store
from b2b_idp.store.followed import KEYS
from b2b_idp.store.statements import Prepared
from b2b_idp.store.tables import metadata

VERSIONS = {"_VERSIONS"}
"""Statements that read versions of the tenant's row, which are raised with the rows that they count."""


def followed() -> Iterator[tuple[str, Prepared]]:
    for module in pkgutil.iter_modules(b2b_idp.store.__path__):
        if not module.ispkg:
            for name, value in vars(importlib.import_module(f"b2b_idp.store.{module.name}")).items():
                if isinstance(value, Prepared) and value.follow is not None:
                    yield f"{module.name}.{name}", value


FOLLOWED = dict(followed())


@pytest.mark.parametrize("name", sorted(FOLLOWED))
def test_each_table_of_the_statement_marks_the_key_that_the_answer_is_proved_by(name):
    statement, follow = FOLLOWED[name]._statement, FOLLOWED[name].follow
    tables = {
        t.name for t in iterate(statement) if getattr(t, "name", None) in metadata.tables and hasattr(t, "columns")
    }
    assert tables
    assert FOLLOWED[name].is_select
    keys = {KEYS.get(table) for table in tables}
    if not follow.names:
        # by id: of a column of the row itself
        assert None not in keys
        assert not any(key.startswith("'") for key in keys)
    elif name.partition(".")[2] not in VERSIONS:
        assert keys == {f"'{name}'" for name in follow.names}


def test_every_change_of_these_tables_leaves_a_mark(postgres, migrated):
    import psycopg

    with psycopg.connect(postgres.url(migrated)) as c:
        rows = c.execute(
            "SELECT c.relname, t.tgname, p.prosrc FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid "
            "JOIN pg_proc p ON p.oid = t.tgfoid WHERE t.tgname LIKE 'touch%' AND t.tgenabled = 'O'"
        ).fetchall()
    found: dict[str, dict[str, str]] = {}
    for table, trigger, body in rows:
        found.setdefault(table, {})[trigger] = body
    assert found.keys() == KEYS.keys()
    for table, triggers in found.items():
        assert triggers.keys() == {"touch_insert", "touch_update", "touch_delete"}
        assert all(f"SELECT {KEYS[table]} AS key FROM" in body for body in triggers.values())
