"""What reports and replays ask of the sign-in log: of a period, by its columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, func, literal, select

from b2b_idp.store.connection import Connection
from b2b_idp.store.tables import signin_log

NEWEST = 500
"""How many sign-ins of a home are looked at to say what step-up has shown of it."""


@dataclass(frozen=True, slots=True)
class StepUpSeen:
    """How often a home was asked for MFA and how often it answered with MFA, and when last."""

    asked: int = 0
    answered: int = 0
    last_asked: datetime | None = None
    last_answered: datetime | None = None


def _within(since: datetime, until: datetime) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return signin_log.c.at >= since, signin_log.c.at < until


def _seen(c: Any, tenant_id: ColumnElement[Any]) -> Select[Any]:
    answered = and_(c.asked_home.is_(True), c.home_mfa.is_(True))
    return select(
        tenant_id,
        func.count(case((c.asked_home.is_(True), 1))),
        func.count(case((answered, 1))),
        func.max(case((c.asked_home.is_(True), c.at))),
        func.max(case((answered, c.at))),
    )


_STEP_UPS = _seen(signin_log.c, signin_log.c.home_tenant_id)


class SigninReports:
    def __init__(self, connection: Connection) -> None:
        self._c = connection

    def replays(self, since: datetime, until: datetime) -> Iterator[Any]:
        """id, user_id, app_id, replay (None in an entry from before that was kept) of a period, oldest first, without
        holding it all."""
        statement = (
            select(signin_log.c.id, signin_log.c.user_id, signin_log.c.app_id, signin_log.c.replay)
            .where(*_within(since, until), signin_log.c.user_id.is_not(None), signin_log.c.app_id.is_not(None))
            .order_by(signin_log.c.at)
        )
        yield from self._c.stream(statement, 2000)

    def how_many(self, since: datetime, until: datetime) -> int:
        """Entries of a period with a known guest and app."""
        known = (signin_log.c.user_id.is_not(None), signin_log.c.app_id.is_not(None))
        return self._c.execute(select(func.count()).where(*_within(since, until), *known)).scalar_one()

    def twice(self, since: datetime, until: datetime) -> Iterator[Any]:
        """at, user_id, home_tenant_id, replay of sign-ins whose guest proved MFA at home and here."""
        c = signin_log.c
        statement = select(c.at, c.user_id, c.home_tenant_id, c.replay).where(
            *_within(since, until), c.home_mfa.is_(True), c.local_mfa.is_(True)
        )
        yield from self._c.stream(statement, 2000)

    def ended_with(self, outcomes: Iterable[str], since: datetime, until: datetime) -> Iterator[Any]:
        """at, user_id, app_id, home_tenant_id, outcome, replay, document of known guests' sign-ins at known apps that
        ended so, oldest first."""
        c = signin_log.c
        statement = (
            select(c.at, c.user_id, c.app_id, c.home_tenant_id, c.outcome, c.replay, c.document)
            .where(*_within(since, until), c.outcome.in_(list(outcomes)), c.user_id.is_not(None), c.app_id.is_not(None))
            .order_by(c.at)
        )
        yield from self._c.stream(statement, 2000)

    def last_allowed(self, since: datetime, until: datetime) -> Mapping[tuple[str, str], datetime]:
        """(user id, app id) → when they were last let in."""
        c = signin_log.c
        statement = (
            select(c.user_id, c.app_id, func.max(c.at))
            .where(*_within(since, until), c.outcome == "allowed")
            .group_by(c.user_id, c.app_id)
        )
        return {(user, app): at for user, app, at in self._c.execute(statement)}

    def step_ups(self, since: datetime, until: datetime) -> Mapping[str, StepUpSeen]:
        """What asking each home for more has shown, by tenantId."""
        where = (*_within(since, until), signin_log.c.home_tenant_id.is_not(None))
        rows = self._c.execute(_STEP_UPS.where(*where).group_by(signin_log.c.home_tenant_id))
        return {tenant_id: StepUpSeen(*seen) for tenant_id, *seen in rows}

    def step_up_of(self, tenant_id: str) -> StepUpSeen:
        """The same of one home, of its newest sign-ins only: what it costs does not grow with the log."""
        c = signin_log.c
        newest = (
            select(c.at, c.asked_home, c.home_mfa)
            .where(c.home_tenant_id == tenant_id)
            .order_by(c.at.desc())
            .limit(NEWEST)
        ).subquery()
        _, *seen = self._c.execute(_seen(newest.c, literal(tenant_id))).one()
        return StepUpSeen(*seen)
