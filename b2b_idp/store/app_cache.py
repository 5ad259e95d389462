"""What is read of applications, compiled: kept by version, so that what one process changes all of them see."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from sqlalchemy import update

from b2b_idp.store.connection import Connection
from b2b_idp.store.kept import History, Kept
from b2b_idp.store.statements import Prepared
from b2b_idp.store.tables import tenant
from b2b_idp.store.versions import Versions

T = TypeVar("T")
MOST = 10_000
"""How much is kept; an instance with more applications reads some of them again."""

_CHANGED = Prepared(update(tenant).values(apps_version=tenant.c.apps_version + 1))


class AppCache:
    """What this process read at one version of the applications, whichever transaction read it."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._kept: Kept[tuple[int, dict[Hashable, Any]]] = Kept(history)

    def at(self, version: int, connection: Connection, history: object) -> dict[Hashable, Any]:
        """What is kept of this version, which was asked for in this history."""
        if history is not self._history.now:
            # of a database that is gone: nothing read of it stands beside what is read of the next
            return {}
        before, kept = self._kept.good() or (-1, {})
        if before > version:
            connection.is_behind()
        if before != version:
            kept = {}
            self._kept.hold(history, (version, kept))
        return kept


class KnownApps:
    """One transaction's view of the cache. What a transaction changed itself is not kept: it may never be committed,
    and the next change would have the same version."""

    def __init__(self, connection: Connection, versions: Versions, cache: AppCache) -> None:
        self._c = connection
        self._versions = versions
        self._cache = cache
        self._kept: dict[Hashable, Any] | None = None
        self._changed = False

    def get(self, key: Hashable, read: Callable[[], T]) -> T:
        """What `read` gives, for as long as no application is changed. Nobody may change what is given. That there is
        no such thing is not kept: there are endless names of nothing."""
        if self._changed:
            return read()
        if self._kept is None:
            known = self._versions.known()
            self._kept = {} if known.apps is None else self._cache.at(known.apps, self._c, known.history)
        found: T | None = self._kept.get(key)
        if found is None:
            found = read()
            if found is not None and len(self._kept) < MOST:
                self._kept[key] = found
        return found

    def changed(self) -> None:
        """An application, or what belongs to one, was changed in this transaction."""
        self._changed = True
        self._c.execute(_CHANGED)
