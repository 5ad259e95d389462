"""Streaming replicas of a PostgreSQL primary: which of them may be asked now, and how far behind they are.

One thread a server looks at it twice a second. A replica is asked only while it answers, is a replica, and follows the
primary's own cluster and timeline; one that fails a request is left alone until a look succeeds.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlsplit

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from b2b_idp.logs import log
from b2b_idp.model.position import Position
from b2b_idp.store import postgres

_EVERY = 0.5
"""Seconds between two looks at a server."""
_WAIT = 0.05
"""Seconds that a reader waits for a replica to come to a position, before it goes to the primary."""
_NEAR = 1.0
"""Replicas that are no more seconds behind than this share the work; the others are asked when there is none."""


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen of a replica: how far it shows the primary's changes, and how many seconds that is behind."""

    reached: int
    lag: float


@dataclass(frozen=True, slots=True)
class Standing:
    """A replica as administrators see it; `lag` in seconds, None while it cannot be asked, and `why` it cannot."""

    name: str
    lag: float | None
    why: str | None


class Replica:
    """One replica. `name` is its host and port."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.name = f"{parts.hostname}:{parts.port or 5432}"
        self.engine: Engine = postgres.open_replica(url, hide_parameters=True)
        self.look: Look | None = None
        self.why: str | None = "not looked at yet"

    def failed(self, why: str) -> None:
        """It is not asked again until a look at it succeeds."""
        if self.look is not None:
            log.warning("replica cannot be asked", replica=self.name, why=why)
        self.look, self.why = None, why

    def lost(self, e: SQLAlchemyError) -> None:
        """A reading failed. It may only have been in the way of what the replica had to replay; else the replica is not
        asked again until a look at it succeeds."""
        if not postgres.only_in_the_way(e):
            self.failed(postgres.first_line(e))

    def come_to(self, at: int, seconds: float) -> bool:
        """Whether it shows the primary's changes up to there, after so many seconds at most."""
        ends = time.monotonic() + seconds
        try:
            while True:
                if postgres.replayed(self.engine) >= at:
                    return True
                if time.monotonic() >= ends:
                    return False
                time.sleep(0.005)
        except SQLAlchemyError as e:
            self.failed(postgres.first_line(e))
            return False


class Replicas:
    """The replicas of one primary. `stale` is how old a reading of the primary's position may be that is taken for
    now; `primary` its engine."""

    def __init__(self, primary: Engine, urls: Sequence[str], stale: timedelta) -> None:
        self._primary = primary
        self._stale = stale.total_seconds()
        self._all = [Replica(url) for url in urls]
        self._turn = itertools.count()
        self._here: Position | None = None
        self._blind = False
        # (when, how far the primary was then), oldest first
        self._past: deque[tuple[float, int]] = deque()
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._watching = False

    # --- asking ------------------------------------------------------------------------------------------------------

    def any(self) -> Replica | None:
        """One whose answers are going to be proved."""
        self._watch()
        able = [(r, r.look) for r in self._all]
        near = [r for r, look in able if look is not None and look.lag <= _NEAR]
        chosen = near or [r for r, look in able if look is not None]
        return chosen[next(self._turn) % len(chosen)] if chosen else None

    def having(self, at_least: Position | None) -> Replica | None:
        """One that shows everything that the primary had written `stale` ago, and `at_least` that position; None when
        there is none, or nothing is known of the primary."""
        self._watch()
        wanted, here = self._lately(), self._here
        if wanted is None or here is None:
            return None
        if at_least is not None:
            if not at_least.comparable(here):
                return None
            wanted = max(wanted, at_least.at)
        behind = []
        start = next(self._turn)
        for n in range(len(self._all)):
            replica = self._all[(start + n) % len(self._all)]
            look = replica.look
            if look is not None and look.reached >= wanted:
                return replica
            if look is not None and look.lag <= _NEAR:
                behind.append(replica)
        return next((r for r in behind[:1] if r.come_to(wanted, _WAIT)), None)

    def standings(self) -> list[Standing]:
        """All replicas as they were last seen."""
        self._watch()
        return [Standing(r.name, r.look.lag if r.look else None, r.why) for r in self._all]

    def _lately(self) -> int | None:
        """How far the primary was when it was last read long enough ago to be of use, and not too long to count."""
        since = time.monotonic() - self._stale
        return next((at for when, at in tuple(self._past) if when >= since), None)

    # --- looking -----------------------------------------------------------------------------------------------------

    def look(self) -> None:
        """Looks at every server now."""
        self._look_at_primary()
        for replica in self._all:
            self._look_at(replica)

    def _watch(self) -> None:
        if self._watching:
            return
        with self._lock:
            if self._watching or self._closed.is_set():
                return
            self.look()
            self._watching = True
        self._repeat("primary", self._look_at_primary)
        for replica in self._all:
            self._repeat(replica.name, lambda replica=replica: self._look_at(replica))  # type: ignore[misc]

    def _repeat(self, name: str, look: Callable[[], None]) -> None:
        def run() -> None:
            while not self._closed.wait(_EVERY):
                look()

        threading.Thread(target=run, name=f"look-{name}", daemon=True).start()

    def _look_at_primary(self) -> None:
        when = time.monotonic()
        try:
            here = postgres.position(self._primary)
            if self._here is None or not self._here.comparable(here):
                postgres.mark_timeline(self._primary, here.timeline)
                self._past.clear()
        except SQLAlchemyError as e:
            if not self._blind:
                log.warning("the primary's position cannot be read", why=postgres.first_line(e))
            self._blind = True
            return
        self._here, self._blind = here, False
        self._past.append((when, here.at))
        while len(self._past) > 1 and self._past[0][0] < when - 2 * self._stale:
            self._past.popleft()

    def _look_at(self, replica: Replica) -> None:
        here = self._here
        if here is None:
            replica.failed("nothing is known of the primary")
            return
        try:
            seen = postgres.look_at_replica(replica.engine, here)
        except SQLAlchemyError as e:
            replica.failed(postgres.first_line(e))
            return
        if isinstance(seen, str):
            replica.failed(seen)
            return
        reached, behind = seen
        if replica.look is None:
            log.info("replica can be asked", replica=replica.name)
        replica.look, replica.why = Look(reached, 0.0 if reached >= here.at else behind), None

    def close(self) -> None:
        self._closed.set()
        for replica in self._all:
            replica.engine.dispose()
