"""A driver's error as SQLAlchemy raises it, for what is said to the driver without SQLAlchemy."""

from __future__ import annotations

from typing import Any, NoReturn

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from b2b_idp.model.problem import Code, Problem


def fail(connection: Connection, sql: str, e: Exception) -> NoReturn:
    """Raises what became of a statement, without its parameters, which no log may have. Raises Problem(BAD_REQUEST)
    for a text that no database can keep."""
    refuse_what_is_no_text(e)
    errors: Any = connection.dialect.loaded_dbapi.Error
    if not isinstance(e, errors):
        raise e
    gone = connection.dialect.is_disconnect(e, connection.connection.dbapi_connection, None)
    if gone:
        connection.invalidate(e)
    raise DBAPIError.instance(
        sql, None, e, errors, hide_parameters=True, connection_invalidated=gone, dialect=connection.dialect
    ) from e


def refuse_what_is_no_text(cause: BaseException | None) -> None:
    """What somebody is looked up by may hold what no database can keep: PostgreSQL no NUL, none a lone surrogate."""
    if isinstance(cause, UnicodeEncodeError) or "NUL (0x00)" in str(cause):
        raise Problem(Code.BAD_REQUEST, "A text holds a character that cannot be kept.") from None
