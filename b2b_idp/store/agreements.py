"""Who accepted which terms of use, and when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, delete, select

from b2b_idp.model.access import Agreement
from b2b_idp.model.moment import Moment
from b2b_idp.store.connection import Connection
from b2b_idp.store.followed import about
from b2b_idp.store.statements import Prepared, insert_into
from b2b_idp.store.tables import agreement_acceptances as acceptances


@dataclass(frozen=True, slots=True)
class Acceptance:
    """One person's acceptance of one version of an agreement's texts."""

    id: str
    agreement_id: str
    version: int
    user_id: str
    at: datetime


_OF_USER = Prepared(select(acceptances).where(acceptances.c.user_id == bindparam("user")), about("user"))
_OF_AGREEMENT = Prepared(
    select(acceptances)
    .where(acceptances.c.agreement_id == bindparam("agreement"))
    .order_by(acceptances.c.at, acceptances.c.id)
)
_FORGET = Prepared(
    delete(acceptances).where(
        acceptances.c.user_id == bindparam("user"),
        acceptances.c.agreement_id == bindparam("agreement"),
        acceptances.c.version == bindparam("of"),
    )
)
_ADD = insert_into(acceptances, Acceptance.__slots__)


class AgreementsReader:
    def __init__(self, connection: Connection) -> None:
        self._c = connection

    def accepted(self, user_id: str, agreements: Mapping[str, Agreement], at: datetime) -> frozenset[str]:
        """The agreements that the person has accepted as they are now, and not too long ago."""
        found = set()
        for row in self._c.execute(_OF_USER, {"user": user_id}):
            agreement = agreements.get(row.agreement_id)
            if agreement is None or agreement.version != row.version:
                continue
            if agreement.every is None or at < row.at + agreement.every:
                found.add(agreement.id)
        return frozenset(found)

    def acceptances(self, agreement_id: str) -> list[Acceptance]:
        """Everybody's, oldest first."""
        rows = self._c.execute(_OF_AGREEMENT, {"agreement": agreement_id}).mappings()
        return [Acceptance(**row) for row in rows]


class AgreementsWriter(AgreementsReader):
    def accept(self, agreement: Agreement, user_id: str, moment: Moment) -> None:
        """Records that the person accepted the present texts; an older acceptance of them gives way."""
        self._c.execute(_FORGET, {"user": user_id, "agreement": agreement.id, "of": agreement.version})
        values = Acceptance(moment.new_id(), agreement.id, agreement.version, user_id, moment.at)
        self._c.execute(_ADD, {name: getattr(values, name) for name in Acceptance.__slots__})
