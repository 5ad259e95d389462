"""State: one interface for every database. A `Reader` sees one consistent state, a `Writer` commits on exit."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TypeVar

from sqlalchemy import Connection

from b2b_idp.metrics import Metrics
from b2b_idp.store.agreements import AgreementsReader, AgreementsWriter
from b2b_idp.store.app_keys import AppKeysReader, AppKeysWriter
from b2b_idp.store.apps import AppsReader, AppsWriter
from b2b_idp.store.configuration import (
    Configuration,
    ConfigurationCache,
    ConfigurationReader,
    ConfigurationWriter,
)
from b2b_idp.store.directory import DirectoryReader, DirectoryWriter
from b2b_idp.store.engine import Conflict, Database, ping, unavailable
from b2b_idp.store.factors import FactorsReader, FactorsWriter
from b2b_idp.store.grants import GrantsReader, GrantsWriter
from b2b_idp.store.logs import LogsReader, LogsWriter
from b2b_idp.store.memberships import MembershipsReader, MembershipsWriter
from b2b_idp.store.migrate import HEAD, create_all, migrate, revision
from b2b_idp.store.notices import NoticesReader, NoticesWriter
from b2b_idp.store.outbox import OutboxReader, OutboxWriter
from b2b_idp.store.passes import PassesReader, PassesWriter
from b2b_idp.store.reports import SigninReports
from b2b_idp.store.rules import RuleCache
from b2b_idp.store.sealing import Sealer
from b2b_idp.store.signins import SigninsReader, SigninsWriter
from b2b_idp.store.users import UsersReader, UsersWriter

T = TypeVar("T")
ATTEMPTS = 10
"""How often a transaction is tried that others undo."""
_FIRST_PAUSE = 0.004
"""Seconds before the second try at most; each further one waits up to twice as long."""

__all__ = ["Configuration", "Reader", "Store", "Writer"]


class Reader:
    """What can be asked, by aggregate, inside one transaction."""

    def __init__(
        self, connection: Connection, sealer: Sealer, cache: ConfigurationCache, rule_cache: RuleCache
    ) -> None:
        self._c = connection
        self._sealer = sealer
        self._cache = cache
        self._rule_cache = rule_cache

    def writing(self) -> Writer:
        """This transaction as one that writes; a defect of ours when it only reads."""
        raise TypeError("this transaction only reads")

    @cached_property
    def configuration(self) -> Configuration:
        """Homes, partners and policies as they stand in this transaction, compiled."""
        return self._cache.get(self._c)

    @cached_property
    def users(self) -> UsersReader:
        return UsersReader(self._c)

    @cached_property
    def apps(self) -> AppsReader:
        return AppsReader(self._c)

    @cached_property
    def app_keys(self) -> AppKeysReader:
        return AppKeysReader(self._c, self._sealer)

    @cached_property
    def memberships(self) -> MembershipsReader:
        return MembershipsReader(self._c, self._rule_cache)

    @cached_property
    def directory(self) -> DirectoryReader:
        return DirectoryReader(self._c)

    @cached_property
    def documents(self) -> ConfigurationReader:
        return ConfigurationReader(self._c)

    @cached_property
    def signins(self) -> SigninsReader:
        return SigninsReader(self._c)

    @cached_property
    def grants(self) -> GrantsReader:
        return GrantsReader(self._c)

    @cached_property
    def factors(self) -> FactorsReader:
        return FactorsReader(self._c, self._sealer)

    @cached_property
    def agreements(self) -> AgreementsReader:
        return AgreementsReader(self._c)

    @cached_property
    def notices(self) -> NoticesReader:
        return NoticesReader(self._c)

    @cached_property
    def passes(self) -> PassesReader:
        return PassesReader(self._c)

    @cached_property
    def outbox(self) -> OutboxReader:
        return OutboxReader(self._c, self._sealer)

    @cached_property
    def logs(self) -> LogsReader:
        return LogsReader(self._c, self._sealer)

    @cached_property
    def reports(self) -> SigninReports:
        return SigninReports(self._c)


class Writer(Reader):
    """A Reader that can also change things; all of it lands together or not at all."""

    def writing(self) -> Writer:
        return self

    def after_commit(self, do: Callable[[], None]) -> None:
        """Has this done once the transaction is committed, and not at all when it is not: a count in this process, or
        a line of a log, cannot be undone with it."""
        self.afterwards.append(do)

    @cached_property
    def afterwards(self) -> list[Callable[[], None]]:
        """What `after_commit` was given."""
        return []

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """A part of this transaction that an exception undoes alone."""
        with self._c.begin_nested():
            yield

    def reload(self) -> Configuration:
        """The configuration with what this transaction changed."""
        self.__dict__.pop("configuration", None)
        return self.configuration

    @cached_property
    def configuration(self) -> Configuration:
        return self._cache.get(self._c, keep=False)

    @cached_property
    def users(self) -> UsersWriter:
        return UsersWriter(self._c)

    @cached_property
    def apps(self) -> AppsWriter:
        return AppsWriter(self._c)

    @cached_property
    def app_keys(self) -> AppKeysWriter:
        return AppKeysWriter(self._c, self._sealer)

    @cached_property
    def memberships(self) -> MembershipsWriter:
        return MembershipsWriter(self._c, self._rule_cache, lambda: self.apps.rule_changes)

    @cached_property
    def directory(self) -> DirectoryWriter:
        return DirectoryWriter(self._c)

    @cached_property
    def documents(self) -> ConfigurationWriter:
        return ConfigurationWriter(self._c, self._sealer)

    @cached_property
    def signins(self) -> SigninsWriter:
        return SigninsWriter(self._c)

    @cached_property
    def grants(self) -> GrantsWriter:
        return GrantsWriter(self._c)

    @cached_property
    def factors(self) -> FactorsWriter:
        return FactorsWriter(self._c, self._sealer)

    @cached_property
    def agreements(self) -> AgreementsWriter:
        return AgreementsWriter(self._c)

    @cached_property
    def notices(self) -> NoticesWriter:
        return NoticesWriter(self._c)

    @cached_property
    def passes(self) -> PassesWriter:
        return PassesWriter(self._c)

    @cached_property
    def outbox(self) -> OutboxWriter:
        return OutboxWriter(self._c, self._sealer)

    @cached_property
    def logs(self) -> LogsWriter:
        return LogsWriter(self._c, self._sealer)


class Store:
    """Opens transactions on one database. `sealer` keeps the secrets that must be used again."""

    def __init__(self, url: str, sealer: Sealer, metrics: Metrics | None = None) -> None:
        self._metrics = metrics or Metrics()
        self._database = Database(url, self._metrics)
        self._sealer = sealer
        self._cache = ConfigurationCache(sealer)
        self._rule_cache = RuleCache()
        if self._database.in_memory:
            create_all(self._database.engine)

    @contextmanager
    def read(self) -> Iterator[Reader]:
        self._metrics.reads("primary")
        with self._database.transaction(write=False) as connection:
            yield Reader(connection, self._sealer, self._cache, self._rule_cache)

    @contextmanager
    def write(self) -> Iterator[Writer]:
        """One writing transaction: everything lands together on exit, nothing when an exception leaves it. Requests
        take `transact`, which tries again when another was in the way; this raises Problem(UNAVAILABLE)."""
        try:
            with self._database.transaction(write=True) as connection:
                w = Writer(connection, self._sealer, self._cache, self._rule_cache)
                yield w
        except Conflict as conflict:
            self._metrics.conflict(given_up=True)
            raise unavailable("another transaction was in the way") from conflict
        for do in w.afterwards:
            do()

    def transact(self, step: Callable[[Writer], T]) -> T:
        """What `step` gives in one writing transaction. Where another was in its way it is undone and run again, so it
        has no effect but on its Writer. Raises Problem(UNAVAILABLE) when that does not end."""
        for attempt in range(ATTEMPTS):
            try:
                with self._database.transaction(write=True, again=attempt > 0) as connection:
                    w = Writer(connection, self._sealer, self._cache, self._rule_cache)
                    made = step(w)
            except Conflict as conflict:
                self._metrics.conflict(given_up=attempt == ATTEMPTS - 1)
                if attempt == ATTEMPTS - 1:
                    raise unavailable("transactions kept being in one another's way") from conflict
                # not a secret: only that two of them do not wait equally long
                time.sleep(random.uniform(0, _FIRST_PAUSE * 2**attempt))  # noqa: S311
            else:
                for do in w.afterwards:
                    do()
                return made
        raise AssertionError("a last attempt returns or raises")

    def ping(self) -> None:
        """Raises Problem(UNAVAILABLE) unless the database answers and has the schema."""
        with self._database.transaction(write=False) as connection:
            ping(connection)

    def migrate(self) -> str:
        """Brings the schema to the newest revision, whose name it returns."""
        migrate(self._database.engine)
        return HEAD

    def schema_is_current(self) -> bool:
        return revision(self._database.engine) == HEAD

    def close(self) -> None:
        self._database.close()
