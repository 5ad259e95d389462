"""A whole database into another, empty one: from SQLite to PostgreSQL, back, or between two of a kind.

The source is read in one transaction, so what arrives is the state of one moment. The target is written in one, which
is committed when every table was read back and compared: there is a whole copy, or none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from sqlalchemy import Table, func, insert, select, text
from sqlalchemy.exc import DataError, IntegrityError

from b2b_idp.model.problem import Code, Problem
from b2b_idp.store.connection import Connection
from b2b_idp.store.engine import Conflict, Database, Lost, json_text, unavailable
from b2b_idp.store.migrate import HEAD, revision
from b2b_idp.store.tables import metadata

_AT_ONCE = 100
"""Rows that are fetched at once: a kept answer may have 1 MB."""
_ROWS, _BYTES = 500, 4_000_000
"""Rows, and bytes of texts in them, after which a batch is written."""

_BRING = "B2B_IDP_DATABASE_URL=its-address b2b-idp migrate"


@dataclass(frozen=True, slots=True)
class CopiedTable:
    """A table, how many rows it has, and the SHA-256 over them in order of their keys, alike in both databases."""

    name: str
    rows: int
    sha256: str


def copy(source: str, target: str, progress: Callable[[int, int], None] = lambda done, of: None) -> list[CopiedTable]:
    """Copies every table of the database `source` into the empty database `target` (addresses, as DATABASE_URL).

    `progress` hears the rows done and all there are. Raises Problem(CONFLICT) when the target is not empty or cannot
    hold what the source holds, Problem(BAD_SETTING) when one of them has not this version's schema, and
    Problem(UNAVAILABLE).
    """
    if source == target:
        raise Problem(Code.BAD_SETTING, "A database cannot be copied into itself.")
    for url in (source, target):
        # SQLite would make the file
        if url.startswith("sqlite:///") and not Path(url.removeprefix("sqlite:///")).is_file():
            raise Problem(Code.BAD_SETTING, f"There is no database {url}. Make it: {_BRING}")
    from_, to = Database(source), Database(target)
    try:
        for database, name in ((from_, "source"), (to, "target")):
            _check_schema(database, name)
        with from_.transaction(write=False) as reading, to.transaction(write=True) as writing:
            return _copied(reading, writing, progress)
    except Lost as lost:
        raise unavailable("the connection was lost, and nothing was copied") from lost
    except Conflict as conflict:
        raise unavailable("somebody else wrote to the target") from conflict
    finally:
        from_.close()
        to.close()


def _check_schema(database: Database, name: str) -> None:
    with database.transaction(write=False):
        found = revision(database.engine)
    if found != HEAD:
        raise Problem(
            Code.BAD_SETTING,
            f"The {name} database has {'no schema' if found is None else f'the schema {found}'}; this version copies "
            f"{HEAD}. Bring it there: {_BRING}",
        )


def _copied(reading: Connection, writing: Connection, progress: Callable[[int, int], None]) -> list[CopiedTable]:
    tables = metadata.sorted_tables
    reading.take_its_time()
    writing.take_its_time()
    for table in tables:
        if writing.execute(select(table).limit(1)).first() is not None:
            raise Problem(
                Code.CONFLICT, f"The target database is not empty: its table {table.name} has rows. Nothing was copied."
            )
    of = sum(reading.execute(select(func.count()).select_from(table)).scalar_one() for table in tables)
    done, sent = 0, []
    for table in tables:
        digest = _Digest()
        for batch in _batches(_rows(reading, table), digest):
            _write(writing, table, batch)
            done += len(batch)
            progress(done, of)
        sent.append(CopiedTable(table.name, digest.rows, digest.hex()))
    for table, copied in zip(tables, sent, strict=True):
        arrived = _Digest()
        for row in _rows(writing, table):
            arrived.add(row)
        if (arrived.rows, arrived.hex()) != (copied.rows, copied.sha256):
            raise Problem(
                Code.CONFLICT,
                f"The table {table.name} did not arrive as it was sent ({arrived.rows} of {copied.rows} rows). Nothing "
                "was copied.",
            )
    writing.execute(text("ANALYZE"))
    return sent


def _rows(connection: Connection, table: Table) -> Iterator[Mapping[str, Any]]:
    """All rows in order of the primary key, which is by code point and by byte in both, without holding them all."""
    statement = select(table).order_by(*table.primary_key.columns)
    for row in connection.stream(statement, _AT_ONCE):
        yield row._asdict()


def _batches(rows: Iterator[Mapping[str, Any]], digest: _Digest) -> Iterator[Sequence[Mapping[str, Any]]]:
    batch: list[Mapping[str, Any]] = []
    size = 0
    for row in rows:
        size += digest.add(row)
        batch.append(row)
        if len(batch) == _ROWS or size > _BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _write(connection: Connection, table: Table, batch: Sequence[Mapping[str, Any]]) -> None:
    try:
        connection.execute(insert(table), batch)
    except (DataError, IntegrityError, Problem) as e:
        # the text of a driver's error may hold the row
        why = e.say if isinstance(e, Problem) else f"{type(e.orig).__name__}."
        first = ", ".join(str(batch[0][c.name]) for c in table.primary_key.columns)
        raise Problem(
            Code.CONFLICT,
            f"The target cannot hold one of the {len(batch)} rows of {table.name} from {first} on ({why}) Nothing was "
            "copied.",
        ) from None


class _Digest:
    """SHA-256 over rows. Every value has its kind and length before it, so that no two rows look alike."""

    def __init__(self) -> None:
        self._sha = sha256()
        self.rows = 0

    def add(self, row: Mapping[str, Any]) -> int:
        """Takes a row; the bytes that it has."""
        self.rows += 1
        size = 0
        for value in row.values():
            kind, content = _bytes(value)
            self._sha.update(b"%c%d:" % (kind, len(content)))
            self._sha.update(content)
            size += len(content)
        return size

    def hex(self) -> str:
        return self._sha.hexdigest()


def _bytes(value: Any) -> tuple[bytes, bytes]:
    match value:
        case None:
            return b"n", b""
        case bytes() | memoryview():
            return b"b", bytes(value)
        case str():
            return b"t", value.encode("utf-8", "surrogatepass")
        case bool():
            return b"?", b"1" if value else b"0"
        case int():
            return b"i", str(value).encode()
        case dict() | list() | float():
            return b"j", json_text(value).encode()
    # an instant, which the database keeps to the microsecond
    return b"@", value.isoformat().encode()
