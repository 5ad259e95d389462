"""Metadata and keys of homes, fetched once and kept: fresh for minutes, usable for a day when the home is down."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from b2b_idp.homes.oidc.documents import HomeKey, Metadata, parse_jwks, parse_metadata
from b2b_idp.model.home import Home
from b2b_idp.model.problem import Code, Problem
from b2b_idp.net.http import Answer, Http

FRESH = timedelta(minutes=10)
USABLE = timedelta(hours=24)
RETRY = timedelta(seconds=30)
"""How soon a failed fetch, or one for an unknown kid, is tried again."""

_T = TypeVar("_T")


@dataclass
class _Kept(Generic[_T]):
    value: _T
    at: datetime


class _Slot(Generic[_T]):
    """One document of one home; one fetch at a time, the others wait for it or use what is kept."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.kept: _Kept[_T] | None = None
        self.tried_at: datetime | None = None

    def get(self, fetch: Callable[[], _T], at: datetime) -> _T:
        kept = self.kept
        if kept is not None and timedelta(0) <= at - kept.at < FRESH:
            return kept.value
        if kept is not None and self.lock.locked() and at - kept.at < USABLE:
            return kept.value
        with self.lock:
            kept = self.kept
            if kept is not None and timedelta(0) <= at - kept.at < FRESH:
                return kept.value
            waits = self.tried_at is not None and timedelta(0) <= at - self.tried_at < RETRY
            if waits and kept is not None and at - kept.at < USABLE:
                return kept.value
            return self._fetch(fetch, at)

    def renew(self, fetch: Callable[[], _T], at: datetime) -> _T | None:
        """Fetches again although it is fresh, at most once in a while; None when it was too soon or failed."""
        with self.lock:
            if self.tried_at is not None and timedelta(0) <= at - self.tried_at < RETRY:
                return None
            try:
                return self._fetch(fetch, at)
            except Problem:
                return None

    def _fetch(self, fetch: Callable[[], _T], at: datetime) -> _T:
        kept = self.kept
        try:
            value = fetch()
        except Problem:
            self.tried_at = at
            # the home is down or talks nonsense: what it said before stands for a day
            if kept is not None and timedelta(0) <= at - kept.at < USABLE:
                return kept.value
            raise
        if kept is not None:
            self.tried_at = at
        self.kept = _Kept(value, at)
        return value


class HomeCache:
    """Metadata and key sets by home. `at` is the caller's clock."""

    def __init__(self, http: Http) -> None:
        self._http = http
        self._lock = threading.Lock()
        self._metadata: dict[str, _Slot[Metadata]] = {}
        self._keys: dict[tuple[str, str], _Slot[tuple[HomeKey, ...]]] = {}

    def metadata(self, home: Home, at: datetime) -> Metadata:
        """Raises Problem(HOME_UNAVAILABLE | HOME_MISCONFIGURED)."""
        with self._lock:
            slot = self._metadata.setdefault(home.issuer, _Slot())

        def fetch() -> Metadata:
            answer = _document(self._http.get(home.well_known), "metadata")
            return parse_metadata(answer, home.issuer, self._http.check_url)

        return slot.get(fetch, at)

    def keys(self, home: Home, metadata: Metadata, at: datetime) -> tuple[HomeKey, ...]:
        return self._key_slot(home, metadata).get(lambda: self._fetch_keys(metadata), at)

    def renewed_keys(self, home: Home, metadata: Metadata, at: datetime) -> tuple[HomeKey, ...] | None:
        """The key set fetched again, because a kid was not in it; None when that was just done."""
        return self._key_slot(home, metadata).renew(lambda: self._fetch_keys(metadata), at)

    def _key_slot(self, home: Home, metadata: Metadata) -> _Slot[tuple[HomeKey, ...]]:
        with self._lock:
            return self._keys.setdefault((home.issuer, metadata.jwks_uri), _Slot())

    def _fetch_keys(self, metadata: Metadata) -> tuple[HomeKey, ...]:
        keys = parse_jwks(_document(self._http.get(metadata.jwks_uri), "key set"))
        if not keys:
            raise _unusable("its key set holds no usable key")
        return keys


def _document(answer: Answer, what: str) -> bytes:
    if answer.status != 200:
        raise _unusable(f"its {what} is answered with status {answer.status}")
    return answer.body


def _unusable(why: str) -> Problem:
    return Problem(
        Code.HOME_UNAVAILABLE,
        "Your organisation's sign-in does not answer right now. Please try again in a few minutes.",
        why,
    )
