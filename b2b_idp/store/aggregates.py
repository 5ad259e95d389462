"""What can be asked and changed inside one transaction, by aggregate: the Reader and the Writer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property

from sqlalchemy import text

from b2b_idp.store.agreements import AgreementsReader, AgreementsWriter
from b2b_idp.store.app_cache import AppCache, KnownApps
from b2b_idp.store.app_keys import AppKeysReader, AppKeysWriter
from b2b_idp.store.apps import AppsReader, AppsWriter
from b2b_idp.store.around import AroundReader
from b2b_idp.store.configuration import (
    Configuration,
    ConfigurationCache,
    ConfigurationReader,
    ConfigurationWriter,
)
from b2b_idp.store.connection import Connection
from b2b_idp.store.devices import DevicesReader, DevicesWriter
from b2b_idp.store.directory import DirectoryReader, DirectoryWriter
from b2b_idp.store.erasing import ErasuresReader, ErasuresWriter
from b2b_idp.store.factors import FactorsReader, FactorsWriter
from b2b_idp.store.grants import GrantsReader, GrantsWriter
from b2b_idp.store.invitations import InvitationsReader, InvitationsWriter
from b2b_idp.store.kept import History
from b2b_idp.store.logs import LogsReader, LogsWriter
from b2b_idp.store.memberships import MembershipsReader, MembershipsWriter
from b2b_idp.store.notices import NoticesReader, NoticesWriter
from b2b_idp.store.outbox import OutboxReader, OutboxWriter
from b2b_idp.store.passes import PassesReader, PassesWriter
from b2b_idp.store.pushed import PushedReader, PushedWriter
from b2b_idp.store.registrations import RegistrationsReader, RegistrationsWriter
from b2b_idp.store.reports import SigninReports
from b2b_idp.store.rules import RuleCache
from b2b_idp.store.sealing import Sealer
from b2b_idp.store.signins import SigninsReader, SigninsWriter
from b2b_idp.store.turn import Turn
from b2b_idp.store.users import UsersReader, UsersWriter
from b2b_idp.store.versions import Versions


class Caches:
    """What a process keeps compiled, of the last version that it read."""

    def __init__(self, sealer: Sealer) -> None:
        self.history = History()
        self.configuration = ConfigurationCache(sealer, self.history)
        self.rules = RuleCache(self.history)
        self.apps = AppCache(self.history)


class Reader:
    """What can be asked, by aggregate, inside one transaction."""

    def __init__(self, connection: Connection, sealer: Sealer, caches: Caches) -> None:
        self._c = connection
        self._sealer = sealer
        self._caches = caches
        self._versions = Versions(connection, caches.history)

    def writing(self) -> Writer:
        """This transaction as one that writes; a defect of ours when it only reads."""
        raise TypeError("this transaction only reads")

    def ping(self) -> None:
        """Raises unless the database answers and holds the schema."""
        self._c.execute(text("SELECT id FROM tenant")).first()

    @cached_property
    def configuration(self) -> Configuration:
        """Homes, partners and policies as they stand in this transaction, compiled."""
        return self._caches.configuration.get(self._c, self._versions)

    @cached_property
    def users(self) -> UsersReader:
        return UsersReader(self._c)

    @cached_property
    def invitations(self) -> InvitationsReader:
        return InvitationsReader(self._c)

    @cached_property
    def _known_apps(self) -> KnownApps:
        return KnownApps(self._c, self._versions, self._caches.apps)

    @cached_property
    def apps(self) -> AppsReader:
        return AppsReader(self._c, self._known_apps)

    @cached_property
    def app_keys(self) -> AppKeysReader:
        return AppKeysReader(self._c, self._sealer, self._known_apps)

    @cached_property
    def memberships(self) -> MembershipsReader:
        return MembershipsReader(self._c, self._versions, self._caches.rules)

    @cached_property
    def around(self) -> AroundReader:
        return AroundReader(self._c)

    @cached_property
    def directory(self) -> DirectoryReader:
        return DirectoryReader(self._c, lambda: self.configuration.roles_of_groups)

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
    def pushed(self) -> PushedReader:
        return PushedReader(self._c)

    @cached_property
    def registrations(self) -> RegistrationsReader:
        return RegistrationsReader(self._c)

    @cached_property
    def factors(self) -> FactorsReader:
        return FactorsReader(self._c, self._sealer)

    @cached_property
    def devices(self) -> DevicesReader:
        return DevicesReader(self._c)

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
    def erasures(self) -> ErasuresReader:
        return ErasuresReader(self._c, self._sealer)

    @cached_property
    def logs(self) -> LogsReader:
        return LogsReader(self._c, self._sealer)

    @cached_property
    def reports(self) -> SigninReports:
        return SigninReports(self._c)


class Writer(Reader):
    """A Reader that can also change things; all of it lands together or not at all."""

    def __init__(self, connection: Connection, sealer: Sealer, caches: Caches, turn: Turn | None = None) -> None:
        super().__init__(connection, sealer, caches)
        # SQLite's writers come one after another anyway
        self._turn = None if connection.dialect.name == "sqlite" else turn

    def take_turn(self) -> None:
        """Said by a step that is going to write what all of its kind write, the end of the audit chain above all: amid
        others it would come to its end and be undone. Where it is, it is run again behind them, so this is said
        early."""
        if self._turn is not None:
            self._turn.take()

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
        return self._caches.configuration.get(self._c, self._versions, keep=False)

    @cached_property
    def users(self) -> UsersWriter:
        return UsersWriter(self._c)

    @cached_property
    def invitations(self) -> InvitationsWriter:
        return InvitationsWriter(self._c)

    @cached_property
    def apps(self) -> AppsWriter:
        return AppsWriter(self._c, self._known_apps)

    @cached_property
    def app_keys(self) -> AppKeysWriter:
        return AppKeysWriter(self._c, self._sealer, self._known_apps)

    @cached_property
    def memberships(self) -> MembershipsWriter:
        return MembershipsWriter(self._c, self._versions, self._caches.rules, lambda: self.apps.rule_changes)

    @cached_property
    def directory(self) -> DirectoryWriter:
        return DirectoryWriter(self._c, lambda: self.configuration.roles_of_groups)

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
    def pushed(self) -> PushedWriter:
        return PushedWriter(self._c)

    @cached_property
    def registrations(self) -> RegistrationsWriter:
        return RegistrationsWriter(self._c)

    @cached_property
    def factors(self) -> FactorsWriter:
        return FactorsWriter(self._c, self._sealer)

    @cached_property
    def devices(self) -> DevicesWriter:
        return DevicesWriter(self._c)

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
    def erasures(self) -> ErasuresWriter:
        return ErasuresWriter(self._c, self._sealer)

    @cached_property
    def logs(self) -> LogsWriter:
        return LogsWriter(self._c, self._sealer)
