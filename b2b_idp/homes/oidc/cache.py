"""Metadata and keys of a home, fetched once and kept: fresh for minutes, usable for a day when it is down."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from b2b_idp.homes.oidc.keys import HomeKey, parse_jwks
from b2b_idp.homes.oidc.metadata import Metadata, parse_metadata
from b2b_idp.homes.oidc.strict import misconfigured, unavailable
from b2b_idp.homes.oidc.upstream import Upstream
from b2b_idp.metrics import Metrics
from b2b_idp.model.home import Home
from b2b_idp.model.problem import Problem
from b2b_idp.net.gate import Full, Gate
from b2b_idp.net.http import Http

FRESH = timedelta(minutes=10)
USABLE = timedelta(hours=24)
RETRY = timedelta(seconds=30)
"""How soon a stale document is fetched again after a failure; until then the kept one serves at once."""
RENEWALS = 4
"""How many times in a minute a fresh document may be fetched again."""
STRANGERS = 1
"""For what anybody may have sent it is not fetched again when it was so many times: guests are left the others."""
WAITING = 8
"""Guests who may be at one fetch; as many more wait WAIT_SECONDS for room, so a slow home holds few threads."""
WAIT_SECONDS = 2.0

_T = TypeVar("_T")


class Kept(Generic[_T]):
    """One document of one home. At most one fetch at a time; who comes meanwhile shares its outcome."""

    def __init__(self, fetch: Callable[[], _T]) -> None:
        self._fetch = fetch
        self._lock = threading.Lock()
        self._gate = Gate(WAITING, WAIT_SECONDS)
        self._kept: tuple[_T, datetime] | None = None
        self._failure: Problem | None = None
        self._failed_at: datetime | None = None
        self._fetches = 0
        self._renewed_at: list[datetime] = []

    def get(self, at: datetime) -> _T:
        """The document, fresh if possible. Raises the fetch's Problem when there is none to fall back on."""
        kept = self._younger_than(FRESH, at)
        if kept is not None:
            return kept
        stale = self._younger_than(USABLE, at)
        if stale is None:
            return self._first(at)
        if _within(self._failed_at, RETRY, at) or not self._lock.acquire(blocking=False):
            return stale
        try:
            return self._once(at)
        except Problem:
            return stale
        finally:
            self._lock.release()

    def fresh(self, at: datetime) -> _T | None:
        """The document where it is kept and fresh; nothing is fetched."""
        return self._younger_than(FRESH, at)

    def renewed(self, looked_at: _T, at: datetime, most: int = RENEWALS) -> _T | None:
        """The document anew, though the one that was `looked_at` may be fresh: what somebody fetched meanwhile, else
        fetched again. None when that failed or was done `most` times in the last minute."""
        seen = self._fetches
        try:
            with self._gate.inside(), self._lock:
                kept = self._younger_than(FRESH, at)
                if kept is not None and kept is not looked_at:
                    return kept
                self._renewed_at = [t for t in self._renewed_at if _within(t, timedelta(minutes=1), at)]
                if self._fetches != seen or len(self._renewed_at) >= most:
                    return None
                self._renewed_at.append(at)
                return self._once(at)
        except (Problem, Full):
            return None

    def _first(self, at: datetime) -> _T:
        seen = self._fetches
        try:
            with self._gate.inside(), self._lock:
                kept = self._younger_than(FRESH, at)
                if kept is not None:
                    return kept
                if self._fetches != seen and self._failure is not None:
                    raise replace(self._failure)
                return self._once(at)
        except Full:
            raise unavailable(f"{WAITING} guests wait for its answer already") from None

    def _once(self, at: datetime) -> _T:
        """Fetches; the caller holds the lock."""
        try:
            value = self._fetch()
        except Problem as p:
            self._failure, self._failed_at = p, at
            raise
        else:
            self._failure = self._failed_at = None
            self._kept = (value, at)
            return value
        finally:
            self._fetches += 1

    def _younger_than(self, age: timedelta, at: datetime) -> _T | None:
        kept = self._kept
        return kept[0] if kept is not None and _within(kept[1], age, at) else None


def _within(then: datetime | None, age: timedelta, at: datetime) -> bool:
    # either way: a clock that was set back makes nothing fresh for ever
    return then is not None and abs(at - then) < age


@dataclass(frozen=True, slots=True)
class ForStrangers(Generic[_T]):
    """What is kept, for a token that did not come by a connection of ours to the home."""

    kept: Kept[_T]

    def get(self, at: datetime) -> _T:
        return self.kept.get(at)

    def renewed(self, looked_at: _T, at: datetime) -> _T | None:
        return self.kept.renewed(looked_at, at, STRANGERS)


class HomeClient:
    """What is kept of one home, and the way to it."""

    def __init__(self, upstream: Upstream, issuer: str, well_known: str) -> None:
        self.upstream = upstream
        self._metadata = Kept(lambda: parse_metadata(self._document(well_known), issuer, upstream.check_url))
        self._keys: tuple[str, Kept[tuple[HomeKey, ...]]] | None = None
        self.nonces: dict[str, str] = {}
        """By address, what the home wants in the next proof of possession there."""

    def metadata(self, at: datetime) -> Metadata:
        """Raises Problem(HOME_UNAVAILABLE | HOME_MISCONFIGURED)."""
        return self._metadata.get(at)

    def keys(self, metadata: Metadata) -> Kept[tuple[HomeKey, ...]]:
        """The key set that `metadata` names."""
        held = self._keys
        if held is None or held[0] != metadata.jwks_uri:
            held = (metadata.jwks_uri, Kept(lambda: parse_jwks(self._document(metadata.jwks_uri))))
            self._keys = held
        return held[1]

    def _document(self, url: str) -> bytes:
        answer = self.upstream.get(url)
        if answer.status == 200:
            return answer.body
        if answer.status >= 500 or answer.status == 429:
            raise unavailable(f"{url} answered {answer.status}")
        raise misconfigured(f"{url} answered {answer.status}, not 200")


class HomeClients:
    """One HomeClient a home."""

    def __init__(self, http: Http, metrics: Metrics) -> None:
        self._http, self._metrics = http, metrics
        self._lock = threading.Lock()
        self._by_home: dict[tuple[str, str, str], HomeClient] = {}

    def of(self, home: Home) -> HomeClient:
        """The client of this home as it is configured now."""
        key = (home.tenant_id, home.issuer, home.well_known)
        with self._lock:
            if key not in self._by_home:
                self._by_home[key] = self.fresh(home)
            return self._by_home[key]

    def fresh(self, home: Home) -> HomeClient:
        """A client that nothing is kept of yet."""
        return HomeClient(Upstream(self._http, home.tenant_id, self._metrics), home.issuer, home.well_known)
