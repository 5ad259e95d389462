"""Transactions: which database is asked, and what is run again when another was in the way or a connection was lost."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Literal, TypeVar

from sqlalchemy.exc import SQLAlchemyError

from b2b_idp.metrics import Metrics
from b2b_idp.model.position import Position
from b2b_idp.store.aggregates import Caches, Reader, Writer
from b2b_idp.store.connection import Connection
from b2b_idp.store.engine import Conflict, Database, Lost, unavailable
from b2b_idp.store.leading import Leadership
from b2b_idp.store.migrate import HEAD, create_all, revision, standing
from b2b_idp.store.online import migrate_online
from b2b_idp.store.replicas import Replica, Replicas, Standing
from b2b_idp.store.routing import Stale
from b2b_idp.store.sealing import Sealer
from b2b_idp.store.turn import Line, OutOfTurn, Turn

T = TypeVar("T")
ATTEMPTS = 10
"""How often a transaction is tried that others undo."""
_FIRST_PAUSE = 0.004
"""Seconds before the second try at most; each further one waits up to twice as long."""


class Store:
    """Opens transactions on one database. `sealer` keeps the secrets that must be used again. Who reads says how fresh
    it has to be: `read` asks the primary, `look` gets what the primary would say, `lately` what it said of late."""

    def __init__(
        self,
        url: str,
        sealer: Sealer,
        replicas: Sequence[str] = (),
        max_staleness: timedelta = timedelta(seconds=2),
        metrics: Metrics | None = None,
    ) -> None:
        """`replicas`: addresses of streaming replicas; `max_staleness`: how late `lately` may be; `metrics` counts
        what is read and written."""
        self._metrics = metrics or Metrics()
        self._database = Database(url, self._forget, self._metrics)
        self._sealer = sealer
        self._caches = Caches(sealer)
        self._replicas = Replicas(self._database.engine, replicas, max_staleness) if replicas else None
        self._line = Line()
        self._leadership = Leadership(self._database.leader_lock())
        if self._database.in_memory:
            create_all(self._database.engine)

    def _forget(self) -> None:
        self._caches.history.end()

    @contextmanager
    def read(self) -> Iterator[Reader]:
        """One consistent reading of the primary."""
        try:
            with self._reading() as r:
                yield r
        except Lost as lost:
            self._metrics.undone("lost", given_up=True)
            raise unavailable(_why(lost)) from lost

    @contextmanager
    def _reading(self) -> Iterator[Reader]:
        with self._database.transaction(write=False) as connection:
            yield self._reader(connection)
        self._metrics.reads(connection.asked, 0)

    def look(self, step: Callable[[Reader], T]) -> T:
        """What `step` gives from one consistent reading of what the primary holds. A replica may say most of it: what
        it says is proved, or `step` is run again, so it has no effects."""
        replica = self._replicas.any() if self._replicas else None
        if replica is not None:
            try:
                return self._proved(step, replica)
            except Stale:
                self._metrics.replica_fallback("stale")
            except Lost:
                self._metrics.undone("lost", given_up=False)
        return self._at_primary(step)

    def lately(self, step: Callable[[Reader], T], at_least: Position | None = None) -> T:
        """What `step` gives from one consistent reading, `max_staleness` old at most and not older than `at_least`.
        What goes wrong at a replica is confirmed at the primary: a refusal, or that something is not there. So `step`
        may run twice, and has no effects."""
        replica = self._replicas.having(at_least) if self._replicas else None
        if replica is not None:
            try:
                with self._database.beside(replica) as connection:
                    made = step(self._reader(connection))
            except SQLAlchemyError as e:
                self._metrics.replica_fallback("failed")
                replica.lost(e)
            except Exception:
                # the primary says the same, or it was not so
                self._metrics.replica_fallback("refused")
            else:
                self._metrics.reads(0, connection.asked)
                return made
        return self._at_primary(step)

    def _at_primary(self, step: Callable[[Reader], T]) -> T:
        """Once more where the connection is lost: on another it may succeed."""
        try:
            with self._reading() as r:
                return step(r)
        except Lost:
            self._metrics.undone("lost", given_up=False)
            with self.read() as r:
                return step(r)

    def _proved(self, step: Callable[[Reader], T], replica: Replica) -> T:
        with self._database.transaction(write=False, replica=replica) as connection:
            made = step(self._reader(connection))
        self._metrics.reads(connection.asked, connection.asked_replica)
        return made

    def _reader(self, connection: Connection) -> Reader:
        return Reader(connection, self._sealer, self._caches)

    @contextmanager
    def write(self) -> Iterator[Writer]:
        """One writing transaction: everything lands together on exit, nothing when an exception leaves it. Requests
        take `transact`, which tries again when another was in the way; this raises Problem(UNAVAILABLE)."""
        try:
            with self._database.transaction(write=True) as connection:
                w = Writer(connection, self._sealer, self._caches)
                yield w
        except Conflict as conflict:
            self._metrics.undone(_kind(conflict), given_up=True)
            raise unavailable(_why(conflict)) from conflict
        for do in w.afterwards:
            do()

    def transact(self, step: Callable[[Writer], T], *, lasting: bool = True) -> T:
        """What `step` gives in one writing transaction. Where another was in its way, or a replica did not know what it
        was asked, it is undone and run again, so it has no effect but on its Writer. What need not be `lasting` is seen
        by all servers at once and may be undone by a power cut: the disk is not waited for. Raises Problem(UNAVAILABLE)
        when that does not end."""
        if self._replicas is not None and (replica := self._replicas.any()) is not None:
            try:
                return self._once(step, lasting, Turn(self._line), replica=replica)
            except Stale:
                self._metrics.replica_fallback("stale")
            except Conflict as conflict:
                self._metrics.undone(_kind(conflict), given_up=False)
            except OutOfTurn:
                pass
        waits = again = False
        for attempt in range(ATTEMPTS):
            try:
                return self._once(step, lasting, Turn(self._line, waits=waits), again=again)
            except OutOfTurn:
                waits = True
            except Conflict as conflict:
                waits = again = True
                self._metrics.undone(_kind(conflict), given_up=attempt == ATTEMPTS - 1)
                if attempt == ATTEMPTS - 1:
                    raise unavailable(_why(conflict)) from conflict
                # not a secret: only that two of them do not wait equally long
                time.sleep(random.uniform(0, _FIRST_PAUSE * 2**attempt))  # noqa: S311
        raise AssertionError("a last attempt returns or raises")

    def _once(
        self,
        step: Callable[[Writer], T],
        lasting: bool,
        turn: Turn,
        *,
        again: bool = False,
        replica: Replica | None = None,
    ) -> T:
        with (
            turn,
            self._database.transaction(write=True, again=again, lasting=lasting, replica=replica) as connection,
        ):
            w = Writer(connection, self._sealer, self._caches, turn)
            made = step(w)
        for do in w.afterwards:
            do()
        self._metrics.reads(connection.asked, connection.asked_replica)
        return made

    # --- positions ---------------------------------------------------------------------------------------------------

    def position(self) -> Position | None:
        """How far the database is: what was committed until now is before it. None when that cannot be told now."""
        try:
            return self._database.position() or _ONE_COPY
        except SQLAlchemyError:
            return None

    def is_future(self, position: Position) -> bool:
        """Whether this database has never been there. Of another database's positions nothing is known: False."""
        here = self.position()
        return here is not None and position.comparable(here) and position.at > here.at

    def standings(self) -> list[Standing]:
        """How the replicas are."""
        return self._replicas.standings() if self._replicas else []

    # --- the database itself -----------------------------------------------------------------------------------------

    def ping(self) -> None:
        """Raises Problem(UNAVAILABLE) unless the database answers and has the schema."""
        self._at_primary(Reader.ping)

    def migrate(self) -> str:
        """Brings the schema to the newest revision, whose name it returns."""
        self._database.migrate()
        return HEAD

    def compact(self) -> None:
        """Leaves nothing of what was deleted in the database's files; other writers wait, or are told to."""
        self._database.compact()

    def migrate_online(self) -> str:
        """`migrate` while servers run. Raises as `online.migrate_online`."""
        migrate_online(self._database.engine)
        return HEAD

    def schema(self) -> Literal["none", "older", "current", "newer"]:
        """How the database's schema stands to this version's. A newer one only has more: this version works on it."""
        return "current" if self._database.in_memory else standing(revision(self._database.engine))

    # --- one among many ----------------------------------------------------------------------------------------------

    def leads(self) -> bool:
        """Whether this process is the one that does the work in the background now. It is, once it is asked, until it
        dies or is `close`d, or the database takes its lock away."""
        return self._leadership.held()

    def close(self) -> None:
        self._leadership.resign()
        if self._replicas is not None:
            self._replicas.close()
        self._database.close()


_ONE_COPY = Position("one", 0, 0)
"""Where a database without copies always is."""


def _kind(conflict: Conflict) -> Literal["lost", "conflict"]:
    return "lost" if isinstance(conflict, Lost) else "conflict"


def _why(conflict: Conflict) -> str:
    return "the connection was lost" if isinstance(conflict, Lost) else "another transaction was in the way"
