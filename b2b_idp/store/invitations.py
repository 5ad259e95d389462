"""Invitations: the links by which guests come, and what became of them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import bindparam, select, update

from b2b_idp.model.directory import Invitation
from b2b_idp.model.query import Listing
from b2b_idp.store.connection import Connection
from b2b_idp.store.listed import INVITATIONS
from b2b_idp.store.search import Page, listing
from b2b_idp.store.statements import Prepared, insert_into
from b2b_idp.store.tables import invitations

_ADD = insert_into(invitations, Invitation.__slots__)
_SET_STATUS = Prepared(
    update(invitations).where(invitations.c.id == bindparam("which")).values(status=bindparam("to_status")),
    awaited=False,
)
_RENEWED = ("status", "generation", "expires_at", "revoked_at")
_SAVE = Prepared(
    update(invitations)
    .where(invitations.c.id == bindparam("which"))
    .values({name: bindparam(f"new_{name}") for name in _RENEWED})
)
_END = Prepared(
    update(invitations)
    .where(invitations.c.user_id == bindparam("user"), invitations.c.revoked_at.is_(None))
    .values(revoked_at=bindparam("at")),
    awaited=False,
)
_BY_ID = Prepared(select(invitations).where(invitations.c.id == bindparam("id")))
_LATEST = Prepared(
    select(invitations)
    .where(invitations.c.user_id == bindparam("user"))
    .order_by(invitations.c.created_at.desc(), invitations.c.id)
    .limit(1)
)


class InvitationsReader:
    def __init__(self, connection: Connection) -> None:
        self._c = connection

    def by_id(self, id: str) -> Invitation | None:
        row = self._c.execute(_BY_ID, {"id": id}).mappings().first()
        return None if row is None else Invitation(**row)

    def listing(self, asked: Listing) -> tuple[list[Invitation], Page]:
        """One page of the invitations that a query asks for."""
        found = listing(self._c, select(invitations), INVITATIONS, invitations.c.id, asked)
        return [Invitation(**row) for row in found.rows], found

    def latest(self, user_id: str) -> Invitation | None:
        """The one of this user that was made last."""
        row = self._c.execute(_LATEST, {"user": user_id}).mappings().first()
        return None if row is None else Invitation(**row)


class InvitationsWriter(InvitationsReader):
    def add(self, invitation: Invitation) -> None:
        row = {name: getattr(invitation, name) for name in Invitation.__slots__}
        row["message"] = dict(invitation.message)
        self._c.execute(_ADD, row)

    def save(self, invitation: Invitation) -> None:
        """Writes status, generation, expiry and revocation of an invitation read in this same transaction."""
        renewed = {f"new_{name}": getattr(invitation, name) for name in _RENEWED}
        self._c.execute(_SAVE, {"which": invitation.id} | renewed)

    def set_status(self, id: str, status: str) -> None:
        self._c.execute(_SET_STATUS, {"which": id, "to_status": status})

    def end(self, user_id: str, at: datetime) -> None:
        """Earlier links of this user open nothing any more."""
        self._c.execute(_END, {"user": user_id, "at": at})
