"""The guest directory: users and their invitations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, bindparam, delete, func, insert, select, update

from b2b_idp.model.directory import HomeIdentity, Invitation, User
from b2b_idp.store.tables import invitations, users


def address_key(address: str) -> str:
    """The form in which addresses are looked up: case folded. Finding is not proving."""
    return address.casefold()


def _user(row: RowMapping) -> User:
    identity = None if row["issuer"] is None else HomeIdentity(row["issuer"], row["subject"])
    columns = {k: v for k, v in row.items() if k not in ("upn_key", "mail_key", "issuer", "subject")}
    return User(identity=identity, **columns)


def _user_row(user: User) -> dict[str, Any]:
    row = {name: getattr(user, name) for name in User.__slots__ if name != "identity"}
    row["properties"] = dict(user.properties)
    row["upn_key"] = address_key(user.upn)
    row["mail_key"] = None if user.mail is None else address_key(user.mail)
    row["issuer"] = user.identity.issuer if user.identity else None
    row["subject"] = user.identity.subject if user.identity else None
    return row


def _invitation(row: RowMapping) -> Invitation:
    return Invitation(**row)


_BY_ID = select(users).where(users.c.id == bindparam("id"))
_BY_UPN = select(users).where(users.c.upn_key == bindparam("upn"))
_BY_IDENTITY = select(users).where(users.c.issuer == bindparam("issuer"), users.c.subject == bindparam("subject"))
_BY_MAIL = select(users).where(users.c.mail_key == bindparam("mail")).order_by(users.c.created_at)
_PAGE = select(users).where(users.c.id > bindparam("after")).order_by(users.c.id).limit(bindparam("most"))
_INVITATION = select(invitations).where(invitations.c.id == bindparam("id"))
_LATEST_INVITATION = (
    select(invitations)
    .where(invitations.c.user_id == bindparam("user"))
    .order_by(invitations.c.created_at.desc(), invitations.c.id)
    .limit(1)
)


class UsersReader:
    def __init__(self, connection: Connection) -> None:
        self._c = connection

    def _one(self, statement: Any, **parameters: Any) -> User | None:
        row = self._c.execute(statement, parameters).mappings().first()
        return None if row is None else _user(row)

    def by_id(self, id: str) -> User | None:
        return self._one(_BY_ID, id=id)

    def by_upn(self, upn: str) -> User | None:
        """By user principal name, case-insensitively (Graph)."""
        return self._one(_BY_UPN, upn=address_key(upn))

    def by_identity(self, identity: HomeIdentity) -> User | None:
        """The one user bound to (issuer, subject), compared byte for byte."""
        return self._one(_BY_IDENTITY, issuer=identity.issuer, subject=identity.subject)

    def by_mail(self, address: str) -> list[User]:
        """Users whose `mail` is this address, oldest first. Finds an invitation, proves nothing."""
        rows = self._c.execute(_BY_MAIL, {"mail": address_key(address)}).mappings()
        return [_user(r) for r in rows]

    def page(self, after: str = "", most: int = 100) -> list[User]:
        """Users in order of id, those behind `after`."""
        return [_user(r) for r in self._c.execute(_PAGE, {"after": after, "most": most}).mappings()]

    def count(self) -> int:
        return self._c.execute(select(func.count()).select_from(users)).scalar_one()

    def invitation(self, id: str) -> Invitation | None:
        row = self._c.execute(_INVITATION, {"id": id}).mappings().first()
        return None if row is None else _invitation(row)

    def latest_invitation(self, user_id: str) -> Invitation | None:
        row = self._c.execute(_LATEST_INVITATION, {"user": user_id}).mappings().first()
        return None if row is None else _invitation(row)


class UsersWriter(UsersReader):
    def add(self, user: User) -> None:
        self._c.execute(insert(users), _user_row(user))

    def save(self, user: User) -> None:
        """Writes the whole row of a user read in this same transaction."""
        row = _user_row(user)
        self._c.execute(update(users).where(users.c.id == row.pop("id")).values(row))

    def bind(self, user: User, identity: HomeIdentity, tenant_id: str, proved_mail: str, at: datetime) -> User | None:
        """Binds a pending user to a home identity, once: None when the user was bound or removed meanwhile, or the
        identity already belongs to somebody."""
        if self.by_identity(identity) is not None:
            return None
        change: Mapping[str, Any] = {
            "state": "Accepted",
            "state_changed_at": at,
            "home_tenant_id": tenant_id,
            "proved_mail": proved_mail,
        }
        done = self._c.execute(
            update(users)
            .where(users.c.id == user.id, users.c.state == "PendingAcceptance", users.c.issuer.is_(None))
            .values(issuer=identity.issuer, subject=identity.subject, **change)
        )
        return replace(user, identity=identity, **change) if done.rowcount == 1 else None

    def delete(self, id: str) -> bool:
        return self._c.execute(delete(users).where(users.c.id == id)).rowcount == 1

    def add_invitation(self, invitation: Invitation) -> None:
        row = {name: getattr(invitation, name) for name in Invitation.__slots__}
        row["message"] = dict(invitation.message)
        self._c.execute(insert(invitations), row)

    def set_invitation_status(self, id: str, status: str) -> None:
        self._c.execute(update(invitations).where(invitations.c.id == id).values(status=status))

    def end_invitations(self, user_id: str, at: datetime) -> None:
        """Earlier links of this user open nothing any more."""
        self._c.execute(
            update(invitations)
            .where(invitations.c.user_id == user_id, invitations.c.revoked_at.is_(None))
            .values(revoked_at=at)
        )
