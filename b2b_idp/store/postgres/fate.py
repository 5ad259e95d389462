"""What became of a transaction that nobody heard the end of: its connection was lost over the COMMIT."""

from __future__ import annotations

import time
from dataclasses import asdict

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from b2b_idp.store.postgres.connections import alone
from b2b_idp.store.postgres.speaking import pipeline, tried
from b2b_idp.store.postgres.trips import Mark

_ASKED_FOR = 5.0
"""Seconds in which it is found out whether a commit was kept whose answer was lost: as long as a server takes to
restart."""
# A server that has not noticed yet that nobody listens is made to: nothing is decided as long as it goes on. A crash
# forgets a transaction of which nothing had reached the disk, and another one gets its number then; but it ends in a
# checkpoint, which says from which number on they are given anew. Such a one stands where it begins; any other tells of
# its beginning as well, but may end, and be the last one, after transactions that began meanwhile were committed; after
# a restart nobody knows then.
_FATE = """
SELECT timeline,
       CASE WHEN timeline <> %(timeline)s THEN NULL
            WHEN checkpoint_lsn = redo_lsn AND checkpoint_lsn - '0/0'::pg_lsn >= %(at)s
                 AND split_part(next_xid, ':', 1)::numeric * 4294967296 + split_part(next_xid, ':', 2)::numeric
                     <= %(transaction)s::text::numeric
            THEN 'aborted'
            WHEN checkpoint_lsn <> redo_lsn AND extract(epoch FROM pg_postmaster_start_time())::text <> %(started)s
            THEN NULL
            ELSE pg_xact_status(%(transaction)s::text::xid8) END,
       pg_terminate_backend(pid)
FROM substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) AS timeline
     CROSS JOIN pg_control_checkpoint()
     LEFT JOIN pg_stat_activity
     ON pid = %(process)s AND application_name = 'b2b-idp' AND backend_xid = %(transaction)s::text::xid8::xid
"""


def mark(connection: Connection) -> Mark | None:
    """What to ask for when the answer to this transaction's COMMIT is lost."""
    return tried(connection, "BEGIN", pipeline(connection).mark)


def kept(engine: Engine, mark: Mark) -> bool | None:
    """Whether a transaction was committed whose answer was lost; None where that cannot be found out: the database does
    not come back, or another has taken its place, which may have seen the transaction or not."""
    asked = asdict(mark)
    ends = time.monotonic() + _ASKED_FOR
    while time.monotonic() < ends:
        try:
            with alone(engine) as connection:
                timeline, status, _ = connection.exec_driver_sql(_FATE, asked).one()
        except SQLAlchemyError:
            pass  # it restarts
        else:
            if timeline != mark.timeline or status is None:
                return None
            if status != "in progress":
                return bool(status == "committed")
        time.sleep(0.05)
    return None
