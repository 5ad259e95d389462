"""Notices to apps that a session of theirs is over: written with what ends it, delivered afterwards."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import ColumnElement, bindparam, delete, func, not_, select, update

from b2b_idp.model.moment import Moment
from b2b_idp.store.connection import Connection
from b2b_idp.store.functions import among
from b2b_idp.store.statements import Prepared, insert_into
from b2b_idp.store.tables import apps, grants, notices

By = Literal["admin", "user", "policy", "system"]
"""Who ended a session (CAEP `initiating_entity`); `system`: the home tenant did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """`document`: userId, sessionId, by, at (NumericDate). `address` is the app's b2bIdp.backchannelLogoutUri."""

    id: str
    app_id: str
    address: str
    document: Mapping[str, Any]
    status: str
    attempts: int
    next_at: datetime
    created_at: datetime
    last_error: str | None = None


_LISTENING = select(apps.c.app_id, apps.c.application)
_LIVE = (
    select(grants.c.id, grants.c.user_id, grants.c.app_id, grants.c.session_id)
    .where(grants.c.revoked_at.is_(None), grants.c.expires_at > bindparam("now"))
    .order_by(grants.c.id)
)
_DUE = Prepared(
    select(notices)
    .where(
        notices.c.status == "waiting",
        notices.c.next_at <= bindparam("now"),
        not_(among(notices.c.app_id, "busy")),
    )
    .order_by(notices.c.next_at)
    .limit(50)
)
_WAITING = Prepared(select(func.count()).where(notices.c.status == "waiting"))
_ADD = insert_into(notices, ("id", "app_id", "address", "document", "status", "attempts", "next_at", "created_at"))


class NoticesReader:
    def __init__(self, connection: Connection) -> None:
        self._c = connection

    def listeners(self, among: Collection[str] | None = None) -> dict[str, str]:
        """appId → address, of the apps (`among` these) that want to hear of it."""
        found = {}
        for row in self._c.execute(_LISTENING if among is None else _LISTENING.where(apps.c.app_id.in_(among))):
            address = (row.application.get("b2bIdp") or {}).get("backchannelLogoutUri")
            if address:
                found[row.app_id] = address
        return found

    def live_grants(self, app_ids: Collection[str], at: datetime, after: str = "", most: int = 500) -> list[str]:
        """Ids of grants that stand, of these apps, in order of id and beyond `after`."""
        statement = _LIVE.where(grants.c.app_id.in_(app_ids), grants.c.id > after).limit(most)
        return [row.id for row in self._c.execute(statement, {"now": at})]

    def due(self, at: datetime, busy: Collection[str] = ()) -> list[Notice]:
        """The oldest that are due, but those of the apps that are `busy`."""
        return [Notice(**row) for row in self._c.execute(_DUE, {"now": at, "busy": list(busy)}).mappings()]

    def waiting(self) -> int:
        """How many are to be delivered."""
        waiting: int = self._c.execute(_WAITING).scalar_one()
        return waiting


class NoticesWriter(NoticesReader):
    def tell(self, where: ColumnElement[bool], by: By, moment: Moment) -> None:
        """One notice for each app and session among the standing grants that `where` selects. Call it before they are
        revoked."""
        at = moment.at
        live = self._c.execute(_LIVE.where(where), {"now": at}).all()
        listeners = self.listeners({g.app_id for g in live}) if live else {}
        told = {(g.app_id, g.session_id): g.user_id for g in live if g.app_id in listeners}
        if not told:
            return
        rows = [
            {
                "id": moment.new_id(),
                "app_id": app_id,
                "address": listeners[app_id],
                "document": {"userId": user_id, "sessionId": session_id, "by": by, "at": int(at.timestamp())},
                "status": "waiting",
                "attempts": 0,
                "next_at": at,
                "created_at": at,
            }
            for (app_id, session_id), user_id in told.items()
        ]
        self._c.execute(_ADD, rows)

    def claim(self, id: str, seen: int, until: datetime) -> bool:
        """Takes a notice for one attempt; False when another server has it."""
        done = self._c.execute(
            update(notices)
            .where(notices.c.id == id, notices.c.attempts == seen, notices.c.status == "waiting")
            .values(attempts=seen + 1, next_at=until)
        )
        return done.rowcount == 1

    def delivered(self, id: str) -> None:
        self._c.execute(delete(notices).where(notices.c.id == id))

    def failed(self, id: str, error: str, next_at: datetime | None) -> None:
        """To be tried again at `next_at`; None: given up, which is kept to be seen."""
        values: dict[str, Any] = {"last_error": error[:300]}
        values |= {"status": "dead"} if next_at is None else {"next_at": next_at}
        self._c.execute(update(notices).where(notices.c.id == id).values(**values))

    def sweep(self, before: datetime) -> int:
        """Deletes those that were given up before then; the number of rows."""
        return self._c.execute(
            delete(notices).where(notices.c.status == "dead", notices.c.created_at < before)
        ).rowcount
