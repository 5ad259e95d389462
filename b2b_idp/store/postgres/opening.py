"""Engines for a primary and for its replicas: how they connect, with which limits, and what leaves their pool."""

from __future__ import annotations

from typing import Any

import psycopg
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.exc import InvalidatePoolError

from b2b_idp.store.breaker import Breaker, Open
from b2b_idp.store.postgres.connections import ToPrimary, ToReplica, is_over
from b2b_idp.store.postgres.speaking import begin

_POOL = {"pool_size": 16, "max_overflow": 16, "pool_timeout": 5}
_CONNECT: dict[str, object] = {
    "application_name": "b2b-idp",
    "connect_timeout": 2,
    # the pipeline prepares; the driver's DEALLOCATE ALL would take that away as well
    "prepare_threshold": None,
    # a machine that is gone says nothing: seconds, not hours
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
_SETTINGS = {
    # nothing of ours runs as long; a lock that is not given is somebody's forgotten transaction
    "statement_timeout": "15s",
    "lock_timeout": "5s",
    "idle_in_transaction_session_timeout": "30s",
    # an answer given is an answer kept
    "synchronous_commit": "on",
    # the server, too, lets go of what a machine held that is gone
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
}


def open(url: str, **options: Any) -> Engine:
    """An engine whose writing transactions are serializable: as if they came one after another, or they are undone.

    The address may name several hosts: whichever of them takes writes now is the primary.
    """
    engine = _engine(ToPrimary, url, _SETTINGS, "read-write", **options)
    event.listen(engine, "begin", begin)
    return engine


def open_replica(url: str, **options: Any) -> Engine:
    """An engine for a streaming replica: reading transactions only, given up early since the primary can be asked."""
    settings = _SETTINGS | {"statement_timeout": "2s"}
    engine = _engine(ToReplica, url, settings, "any", **options)
    event.listen(engine, "begin", begin)
    return engine


def _engine(made: type[ToPrimary], url: str, settings: dict[str, str], wanted: str, **options: Any) -> Engine:
    given: dict[str, Any] = _CONNECT | {
        "options": " ".join(f"-c {name}={value}" for name, value in settings.items()),
        "target_session_attrs": wanted,
    }
    breaker = Breaker()

    def connect() -> psycopg.Connection[Any]:
        try:
            with breaker.attempt():
                # by libpq, which reads several hosts; SQLAlchemy's addresses name one
                return made.connect(url, **given)
        except Open:
            raise psycopg.OperationalError("it could not be reached a moment ago, and is not tried yet") from None

    engine = create_engine("postgresql+psycopg://", creator=connect, **_POOL, **options)
    event.listen(engine, "checkout", _refuse_what_is_over)
    return engine


def _refuse_what_is_over(connection: Any, _record: object, _proxy: object) -> None:
    """A server that stopped, or was replaced, has closed its connections: those that wait in the pool all go at once,
    and no request fails for one of them."""
    if is_over(connection):
        raise InvalidatePoolError
