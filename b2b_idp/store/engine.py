"""Connections and transactions. Nothing outside `store` sees SQL, a connection or a driver's exception."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta
from typing import Any, Protocol

import sqlalchemy
from sqlalchemy import Engine, ExceptionContext, event
from sqlalchemy.exc import DBAPIError, TimeoutError

from b2b_idp.metrics import Metrics
from b2b_idp.model.json_text import from_json_text, json_bytes
from b2b_idp.model.position import Position
from b2b_idp.model.problem import Code, Problem
from b2b_idp.store import postgres, sqlite
from b2b_idp.store.connection import Connection
from b2b_idp.store.failing import refuse_what_is_no_text
from b2b_idp.store.leading import Alone, Lock
from b2b_idp.store.migrate import migrate
from b2b_idp.store.replicas import Replica
from b2b_idp.store.routing import Routed, Stale
from b2b_idp.store.watched import Watched


class Conflict(Exception):
    """Two transactions were in each other's way, and this one was undone: run again, it will see what the other did."""


class Lost(Conflict):
    """The connection was lost, and nothing of the transaction is kept: run again, on another, it may succeed."""


class Lender(Protocol):
    """Hands out connections for one transaction each."""

    def transaction(self, *, write: bool, again: bool, lasting: bool) -> AbstractContextManager[sqlalchemy.Connection]:
        """Committed on exit, undone on any exception. Those that are run `again` take turns, of any server. What is not
        `lasting` may be gone after a power cut, so the disk is not waited for."""

    def close(self) -> None:
        """Gives back those that wait for the next transaction."""


class Kind(Protocol):
    """What differs from one database to the next."""

    def open(self, url: str, **options: Any) -> Engine:
        """An engine whose transactions are serializable when they carry the execution option `b2b_write`."""

    @property
    def Lender(self) -> Callable[[Engine], Lender]:  # noqa: N802
        """Who hands out the engine's connections."""

    def conflict(self, e: DBAPIError) -> bool:
        """Whether the transaction failed for another's sake alone."""

    def lost(self, e: DBAPIError) -> bool:
        """Whether the transaction failed with its connection."""

    def mark(self, connection: sqlalchemy.Connection) -> Any:
        """What a transaction that writes is known by afterwards; None where that is never needed."""

    def kept(self, engine: Engine, mark: Any) -> bool | None:
        """Whether that transaction was committed, when nobody heard it; None when it cannot be found out."""

    def unavailable(self, e: DBAPIError) -> str | None:
        """Why the database cannot be used now, None when the failure is a defect of ours."""

    def leader_lock(self, engine: Engine) -> Lock:
        """A lock that one process can hold, and loses when it dies."""

    def position(self, engine: Engine) -> Position | None:
        """How far the database is; None where it has no copies."""

    def compact(self, engine: Engine) -> None:
        """Leaves nothing of what was deleted or replaced, as far as the database's files are concerned."""


_KINDS: dict[str, Kind] = {"sqlite": sqlite, "postgresql": postgres}


class Database:
    """One database: `sqlite:///file`, `sqlite://` in memory, or `postgresql://…`. Raises Problem(BAD_SETTING)."""

    def __init__(self, url: str, lost: Callable[[], None] = lambda: None, metrics: Metrics | None = None) -> None:
        """`lost` is called when a connection was: what answers next may be another database, on which this one's
        newest changes are not. `metrics` counts transactions."""
        self._metrics = metrics or Metrics()
        scheme = url.partition(":")[0]
        if scheme not in _KINDS:
            raise Problem(Code.BAD_SETTING, "DATABASE_URL is a sqlite:/// or a postgresql:// address.")
        self.in_memory = url in ("sqlite://", "sqlite:///:memory:")
        self._one_at_a_time = threading.RLock() if self.in_memory else None
        self.url = url
        self._scheme, self._kind = scheme, _KINDS[scheme]
        self._lost = lost
        # parameters are sealed letters, evidence, addresses: an error's text is logged
        self._engine = self._kind.open(
            url, hide_parameters=True, json_serializer=json_text, json_deserializer=from_json_text
        )
        event.listen(self._engine, "handle_error", _refuse_what_is_no_text)
        event.listen(self._engine, "invalidate", lambda *_: lost())
        self._lender = self._kind.Lender(self._engine)

    @property
    def engine(self) -> Engine:
        """For migrations only."""
        return self._engine

    @contextmanager
    def transaction(
        self, *, write: bool, again: bool = False, lasting: bool = True, replica: Replica | None = None
    ) -> Iterator[Connection]:
        """One transaction: committed on exit, rolled back on any exception. Raises Problem(UNAVAILABLE) for a busy,
        full or missing database, Conflict when it lost against another, Lost when the connection failed. Those that are
        run `again` take turns, so that many of them do not keep losing against one another. `lasting`: kept whatever
        happens to the machine; else others see it at once, and a power cut may undo it. With a `replica`, which is
        asked what it may be, it raises Stale unless all that was said there is proved, whatever came of it."""
        mark = None
        watched = Watched(self._metrics, "write" if write else "read", self._scheme)
        with self._one_at_a_time or nullcontext(), watched:
            try:
                with self._lender.transaction(write=write, again=again, lasting=lasting) as connection:
                    if replica is None:
                        yield Connection(connection)
                    else:
                        with self._proved(connection, replica) as routed:
                            yield routed
                    mark = self._kind.mark(connection) if write else None
            except TimeoutError as e:
                raise unavailable("no connection of the pool became free") from e
            except DBAPIError as e:
                if self._kind.conflict(e):
                    raise Conflict from e
                if self._kind.lost(e):
                    if not e.connection_invalidated:
                        self._lender.close()
                        self._engine.dispose()
                        self._lost()
                    if mark is not None and self._was_kept(mark):
                        return
                    raise Lost from e
                why = self._kind.unavailable(e)
                if why is None:
                    raise
                raise unavailable(why) from e

    def _was_kept(self, mark: Any) -> bool:
        """Whether a transaction was committed though its connection was lost over the COMMIT. Run again, one that was
        would do everything twice. Raises Problem(UNAVAILABLE) where that cannot be found out."""
        kept = self._kind.kept(self._engine, mark)
        if kept is None:
            raise unavailable("the connection was lost over a COMMIT, and whether it was kept cannot be found out")
        return kept

    @contextmanager
    def _proved(self, connection: sqlalchemy.Connection, replica: Replica) -> Iterator[Connection]:
        routed = Routed(connection, replica)
        try:
            yield routed
            routed.prove()
        except Stale:
            raise
        except DBAPIError as e:
            if self._kind.conflict(e) or self._kind.unavailable(e) is not None:
                raise
            # the transaction cannot be asked any more whether the replica was right
            raise Stale from e
        except Exception:
            # a refusal counts as little as anything else until it is proved
            routed.prove()
            raise
        finally:
            routed.close()

    @contextmanager
    def beside(self, replica: Replica) -> Iterator[Connection]:
        """A reading of a replica alone, as it is."""
        with replica.engine.connect() as connection, connection.begin():
            yield Connection(connection)

    def position(self) -> Position | None:
        """How far the database is: everything committed until now is before it. None for a kind that has one copy
        only, which is always at its newest. Raises as the driver does."""
        return self._kind.position(self._engine)

    def migrate(self) -> None:
        """Brings the schema to the newest revision. Raises Problem(UNAVAILABLE)."""
        try:
            migrate(self._engine)
        except DBAPIError as e:
            why = self._kind.unavailable(e)
            if why is None:
                raise
            raise unavailable(why) from e

    def compact(self) -> None:
        """Gives back the room of what was deleted. Raises Problem(UNAVAILABLE)."""
        try:
            self._kind.compact(self._engine)
        except DBAPIError as e:
            raise unavailable(self._kind.unavailable(e) or "it cannot be compacted now") from e

    def leader_lock(self) -> Lock:
        """The lock of the one process that does the work in the background."""
        return Alone() if self.in_memory else self._kind.leader_lock(self._engine)

    def close(self) -> None:
        self._lender.close()
        self._engine.dispose()


def unavailable(why: str) -> Problem:
    """The database cannot be used now: an honest 503."""
    return Problem(Code.UNAVAILABLE, "The service is busy. Please try again in a moment.", why, timedelta(seconds=2))


def _refuse_what_is_no_text(context: ExceptionContext) -> None:
    refuse_what_is_no_text(context.original_exception)


def json_text(document: object) -> str:
    """JSON that every database can keep and look into: PostgreSQL has no NUL in its texts."""
    kept = json_bytes(document).decode()
    if "\\u0000" in kept and _has_nul(document):
        raise Problem(Code.BAD_REQUEST, "A text holds the character NUL, which cannot be kept.")
    return kept


def _has_nul(value: object) -> bool:
    match value:
        case str():
            return "\0" in value
        case dict():
            return any(_has_nul(k) or _has_nul(v) for k, v in value.items())
        case list() | tuple():
            return any(_has_nul(v) for v in value)
    return False
