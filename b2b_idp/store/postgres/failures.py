"""What PostgreSQL's errors mean for a transaction: run it again, give up the connection, or say why not."""

from __future__ import annotations

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError

# PostgreSQL's error codes, by class (the first two characters) or whole
_CONFLICTS = frozenset({"40001", "40P01"})
"""serialization_failure, deadlock_detected"""
_GONE = frozenset({"08", "53", "57", "58", "XX"})
"""connection, resources (disk full, too many connections), operator's doing (shutdown, timeout), system, internal"""
_NO_TABLE, _LOCKED = "42P01", "55P03"
_STANDBY = frozenset({"25006", "0A000", "55000"})
"""What a server that only follows another says of a transaction that writes, of a serializable one, of its position."""


def in_the_way(e: DBAPIError) -> bool:
    """Whether a change of the schema did not get its lock, or lost against a transaction."""
    return conflict(e) or getattr(e.orig, "sqlstate", None) == _LOCKED


def conflict(e: DBAPIError) -> bool:
    """Whether another transaction, committed meanwhile, made this one impossible."""
    return getattr(e.orig, "sqlstate", None) in _CONFLICTS


def lost(e: DBAPIError) -> bool:
    """Whether the connection is of no use any more, and with it a transaction that was not committed: it is closed, or
    leads to a server that became a standby."""
    return e.connection_invalidated or getattr(e.orig, "sqlstate", None) in _STANDBY


def unavailable(e: DBAPIError) -> str | None:
    """Why PostgreSQL cannot be used now: unreachable, stopping, full, read-only, without a schema."""
    state = getattr(e.orig, "sqlstate", None)
    if state == _NO_TABLE:
        return "the database has no schema: run `b2b-idp migrate`"
    if state == _LOCKED or state in _STANDBY or (state or "")[:2] in _GONE:
        return f"database: {state} {first_line(e)}"
    if state is None and (e.connection_invalidated or isinstance(e, OperationalError | InterfaceError)):
        return f"database: {first_line(e)}"
    return None


def only_in_the_way(e: SQLAlchemyError) -> bool:
    """Whether a replica gave up a reading for what it had to replay: it is well itself."""
    return isinstance(e, DBAPIError) and conflict(e)


def first_line(e: SQLAlchemyError) -> str:
    """What happened, in the server's words."""
    return str(e.orig if isinstance(e, DBAPIError) else e).partition("\n")[0][:200]
