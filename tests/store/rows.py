"""Random rows of every table, made from the tables themselves: whatever a column may hold, and what refers to it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st
from sqlalchemy import JSON, BigInteger, Boolean, Integer, LargeBinary, String, UniqueConstraint

from b2b_idp.store.tables import Instant, metadata

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=36)
DOCUMENT = st.dictionaries(
    TEXT,
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(2**63), 2**63)
        | st.floats(allow_nan=False, allow_infinity=False)
        | TEXT,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
        max_leaves=6,
    ),
    max_size=3,
)
INSTANT = st.datetimes(datetime(1900, 1, 1), datetime(9999, 1, 1), timezones=st.just(UTC))


def values(column):
    """What the column may hold."""
    match column.type:
        case Instant():
            found = INSTANT
        case JSON():
            return DOCUMENT
        case Boolean():
            found = st.booleans()
        case BigInteger():
            found = st.integers(-(2**63), 2**63 - 1)
        case Integer():
            found = st.integers(-(2**31), 2**31 - 1)
        case LargeBinary():
            found = st.binary(max_size=40)
        case String():
            found = TEXT
        case other:
            raise AssertionError(f"{column}: what may {other!r} hold?")
    return st.none() | found if column.nullable else found


@st.composite
def databases(draw) -> dict[str, list[dict[str, Any]]]:
    """Rows by table, parents before their children."""
    made: dict[str, list[dict[str, Any]]] = {}
    for table in metadata.sorted_tables:
        columns = {}
        for column in table.columns:
            key = next(iter(column.foreign_keys), None)
            if key is None:
                columns[column.name] = values(column)
                continue
            parents = [row[key.column.name] for row in made[key.column.table.name]]
            there = st.sampled_from(parents) if parents else st.nothing()
            columns[column.name] = st.none() | there if column.nullable else there
        row = st.fixed_dictionaries(columns)
        unique = [[c.name for c in table.primary_key]]
        unique += [[c.name for c in k.columns] for k in table.constraints if isinstance(k, UniqueConstraint)]
        keys = tuple(lambda r, names=names: json.dumps([r[n] for n in names], default=repr) for names in unique)
        made[table.name] = [] if row.is_empty else draw(st.lists(row, max_size=3, unique_by=keys))
    return made
