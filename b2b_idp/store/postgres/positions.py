"""How far the log of a primary is, and how much of it a replica shows."""

from __future__ import annotations

from sqlalchemy import Engine

from b2b_idp.model.position import Position
from b2b_idp.store.postgres.connections import alone

_POSITION = (
    "SELECT (SELECT system_identifier FROM pg_control_system())::text, "
    "substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8), (pg_current_wal_lsn() - '0/0'::pg_lsn)::bigint"
)
_REPLAYED = "SELECT (pg_last_wal_replay_lsn() - '0/0'::pg_lsn)::bigint"
_LOOK = (
    "SELECT (SELECT system_identifier FROM pg_control_system())::text, pg_is_in_recovery(), "
    "(pg_last_wal_replay_lsn() - '0/0'::pg_lsn)::bigint, "
    "extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())::float8, "
    "EXISTS (SELECT FROM touched WHERE key = %s)"
)


def position(engine: Engine) -> Position:
    """How far the primary's log is: everything committed until now is before it. (The control file tells a new timeline
    late; the name of the file being written does not.)"""
    with alone(engine) as connection:
        cluster, timeline, at = connection.exec_driver_sql(_POSITION).one()
    return Position(cluster, int(timeline, 16), at)


def mark_timeline(engine: Engine, timeline: int) -> None:
    """Leaves a mark on this timeline, by which its followers are told from those of another."""
    with alone(engine) as connection:
        connection.exec_driver_sql(
            "INSERT INTO touched (key, mark) VALUES (%s, gen_random_uuid()) ON CONFLICT (key) DO NOTHING",
            (_timeline(timeline),),
        )


def replayed(engine: Engine) -> int:
    """How far a replica shows its primary's changes. Readings begun after this see at least so much."""
    with alone(engine) as connection:
        at: int | None = connection.exec_driver_sql(_REPLAYED).scalar()
    return -1 if at is None else at


def look_at_replica(engine: Engine, primary: Position) -> tuple[int, float] | str:
    """How far a replica of this primary shows its changes, and how many seconds ago the last of them was made; or why
    it may not be asked."""
    with alone(engine) as connection:
        row = connection.exec_driver_sql(_LOOK, (_timeline(primary.timeline),)).one()
    cluster, follows, reached, behind, marked = row
    if cluster != primary.cluster:
        return "it is of another cluster"
    if not follows or reached is None:
        return "it is no replica, or not any more"
    if not marked:
        return "it does not follow the primary's timeline yet"
    return reached, max(0.0, behind or 0.0)


def _timeline(number: int) -> str:
    return f"timeline:{number}"
