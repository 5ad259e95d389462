"""PostgreSQL 14 or newer, by psycopg 3."""

from __future__ import annotations

from sqlalchemy import Engine

from b2b_idp.store.leading import OfSession
from b2b_idp.store.postgres.connections import alone, hurried, patient, unhurried
from b2b_idp.store.postgres.failures import conflict, first_line, in_the_way, lost, only_in_the_way, unavailable
from b2b_idp.store.postgres.fate import kept, mark
from b2b_idp.store.postgres.lending import Lender
from b2b_idp.store.postgres.locks import migrating
from b2b_idp.store.postgres.opening import open, open_replica
from b2b_idp.store.postgres.positions import look_at_replica, mark_timeline, position, replayed
from b2b_idp.store.postgres.speaking import pipeline

__all__ = [
    "Lender",
    "compact",
    "conflict",
    "first_line",
    "hurried",
    "in_the_way",
    "kept",
    "leader_lock",
    "look_at_replica",
    "lost",
    "mark",
    "mark_timeline",
    "migrating",
    "only_in_the_way",
    "open",
    "open_replica",
    "patient",
    "pipeline",
    "position",
    "replayed",
    "unavailable",
    "unhurried",
]


def leader_lock(engine: Engine) -> OfSession:
    """A session's."""
    return OfSession(engine)


def compact(engine: Engine) -> None:
    """Takes away row versions that nobody sees any more."""
    with alone(engine) as connection, unhurried(connection):
        connection.exec_driver_sql("VACUUM")
