"""The sign-in log and the audit log: appended in the transaction of what they tell."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select

from b2b_idp.store.tables import audit_log, signin_log


class LogsReader:
    def __init__(self, connection: Connection) -> None:
        self._c = connection

    def signins(
        self,
        *,
        user_id: str | None = None,
        app_id: str | None = None,
        correlation_id: str | None = None,
        before: datetime | None = None,
        most: int = 100,
    ) -> list[tuple[datetime, Mapping[str, Any]]]:
        """Sign-in documents (Graph `signIn`), newest first."""
        statement = select(signin_log.c.at, signin_log.c.document).order_by(
            signin_log.c.at.desc(), signin_log.c.id.desc()
        )
        for column, value in (("user_id", user_id), ("app_id", app_id), ("correlation_id", correlation_id)):
            if value is not None:
                statement = statement.where(signin_log.c[column] == value)
        if before is not None:
            statement = statement.where(signin_log.c.at < before)
        return [(r.at, r.document) for r in self._c.execute(statement.limit(most))]

    def signin(self, id: str) -> Mapping[str, Any] | None:
        row = self._c.execute(select(signin_log.c.document).where(signin_log.c.id == id)).first()
        return None if row is None else row.document

    def audit(self, id: str) -> Mapping[str, Any] | None:
        row = self._c.execute(select(audit_log.c.document).where(audit_log.c.id == id)).first()
        return None if row is None else row.document

    def audits(self, *, before: datetime | None = None, most: int = 100) -> list[tuple[datetime, Mapping[str, Any]]]:
        """Audit documents (Graph `directoryAudit`), newest first."""
        statement = select(audit_log.c.at, audit_log.c.document).order_by(audit_log.c.at.desc(), audit_log.c.id.desc())
        if before is not None:
            statement = statement.where(audit_log.c.at < before)
        return [(r.at, r.document) for r in self._c.execute(statement.limit(most))]


class LogsWriter(LogsReader):
    def add_signin(self, document: Mapping[str, Any], at: datetime) -> None:
        """`document` is Graph's signIn with its id, userId, appId and correlationId."""
        self._c.execute(
            insert(signin_log),
            {
                "id": document["id"],
                "at": at,
                "user_id": document.get("userId"),
                "app_id": document.get("appId"),
                "correlation_id": document.get("correlationId"),
                "document": document,
            },
        )

    def add_audit(self, document: Mapping[str, Any], at: datetime) -> None:
        """`document` is Graph's directoryAudit with its id and activityDisplayName."""
        self._c.execute(
            insert(audit_log),
            {
                "id": document["id"],
                "at": at,
                "activity": document["activityDisplayName"],
                "document": document,
            },
        )
