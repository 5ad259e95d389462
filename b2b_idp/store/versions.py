"""The versions that what a process keeps compiled is known by: one look at the tenant's row tells them all."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import select

from b2b_idp.store.connection import Connection
from b2b_idp.store.followed import CONFIGURATION, RULES, Follow
from b2b_idp.store.kept import History
from b2b_idp.store.statements import Prepared
from b2b_idp.store.tables import tenant

# the rules' version alone is raised without a change of the configuration
_VERSIONS = Prepared(
    select(tenant.c.config_version, tenant.c.apps_version, tenant.c.rules_version), Follow((CONFIGURATION, RULES))
)


class Known(NamedTuple):
    """The versions, None where there is no tenant, and the history that they were read in."""

    history: object
    configuration: int | None
    apps: int | None
    rules: int | None


class Versions:
    """Those of one transaction: nobody else changes them while it lasts."""

    def __init__(self, connection: Connection, history: History) -> None:
        self._c = connection
        self._history = history
        self._read: tuple[int, Known] | None = None

    def known(self) -> Known:
        """As they are; read again when this transaction has written something since."""
        if self._read is None or self._read[0] != self._c.written:
            history = self._history.now
            row = self._c.execute(_VERSIONS).first()
            self._read = self._c.written, Known(history, *(row or (None, None, None)))
        return self._read[1]
