"""The guest directory: users."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, bindparam, delete, func, null, select, update

from b2b_idp.model.directory import HomeIdentity, Invitation, User
from b2b_idp.model.query import Listing
from b2b_idp.store.changes import record
from b2b_idp.store.connection import Connection
from b2b_idp.store.followed import about, about_found
from b2b_idp.store.listed import USERS
from b2b_idp.store.search import Page, listing
from b2b_idp.store.statements import Prepared, insert_into
from b2b_idp.store.tables import invitations, users


def address_key(address: str) -> str:
    """The form in which addresses are looked up: case folded. Finding is not proving."""
    return address.casefold()


_KEYS = ("upn_key", "mail_key", "display_name_key", "issuer", "subject")


def _user(row: Mapping[Any, Any]) -> User:
    identity = None if row["issuer"] is None else HomeIdentity(row["issuer"], row["subject"])
    columns = {k: v for k, v in row.items() if k not in _KEYS}
    return User(identity=identity, **columns)


def _user_row(user: User) -> dict[str, Any]:
    row = {name: getattr(user, name) for name in User.__slots__ if name != "identity"}
    row["properties"] = dict(user.properties)
    row["upn_key"] = address_key(user.upn)
    row["mail_key"] = None if user.mail is None else address_key(user.mail)
    name = user.properties.get("displayName")
    row["display_name_key"] = None if name is None else str(name).casefold()
    row["issuer"] = user.identity.issuer if user.identity else None
    row["subject"] = user.identity.subject if user.identity else None
    return row


AT_ONCE = 500
"""How many ids one statement names."""
_LIVE = users.c.deleted_at.is_(None)
_AT_HOME = bindparam("at_home", type_=users.c.home_mfa_seen_at.type)
_BY_ID = Prepared(select(users).where(users.c.id == bindparam("id"), _LIVE), about("id"))
_DELETED = Prepared(select(users).where(users.c.id == bindparam("id"), users.c.deleted_at.is_not(None)))
_BY_UPN = Prepared(select(users).where(users.c.upn_key == bindparam("upn"), _LIVE), about_found())
_BY_IDENTITY = Prepared(
    select(users).where(users.c.issuer == bindparam("issuer"), users.c.subject == bindparam("subject")), about_found()
)
_BY_MAIL = Prepared(select(users).where(users.c.mail_key == bindparam("mail"), _LIVE).order_by(users.c.created_at))
_OTHERS = invitations.alias("others")
_LATEST = (
    select(_OTHERS.c.id)
    .where(_OTHERS.c.user_id == users.c.id)
    .order_by(_OTHERS.c.created_at.desc(), _OTHERS.c.id)
    .limit(1)
    .scalar_subquery()
)
_WAITING = Prepared(
    select(users, invitations)
    .where(
        users.c.mail_key == bindparam("mail"),
        users.c.state == "PendingAcceptance",
        _LIVE,
        invitations.c.id == _LATEST,
    )
    .order_by(users.c.created_at)
)
_PAGE = Prepared(
    select(users).where(users.c.id > bindparam("after"), _LIVE).order_by(users.c.id).limit(bindparam("most"))
)
_UPN_TAKEN = Prepared(select(users.c.id).where(users.c.upn_key == bindparam("upn")))
_ADD = insert_into(users, [c.name for c in users.c])
_SAVED = [c.name for c in users.c if not c.primary_key]
_SAVE = Prepared(
    update(users).where(users.c.id == bindparam("which")).values({name: bindparam(f"new_{name}") for name in _SAVED})
)
_DELETE = Prepared(delete(users).where(users.c.id == bindparam("which")))
_OF_HOME = ("issuer", "subject", "home_tenant_id", "proved_mail", "home_mfa_seen_at")
_UNBIND = Prepared(
    update(users).where(users.c.id == bindparam("which")).values(dict.fromkeys(_OF_HOME, null())), awaited=False
)
_BOUND = (*_OF_HOME, "state", "state_changed_at", "properties", "display_name_key")
_BIND = Prepared(
    update(users)
    .where(
        users.c.id == bindparam("which"),
        *(users.c[n].is_not_distinct_from(bindparam(f"old_{n}")) for n in ("state", "issuer", "subject")),
        _LIVE,
    )
    .values({name: bindparam(f"new_{name}") for name in _BOUND})
)
_SIGNED_IN = Prepared(
    update(users)
    .where(users.c.id == bindparam("which"))
    .values(last_signin_at=bindparam("at"), home_mfa_seen_at=func.coalesce(users.c.home_mfa_seen_at, _AT_HOME)),
    awaited=False,
)
_COUNT = Prepared(select(func.count()).select_from(users).where(_LIVE))


class UsersReader:
    """Deleted users are found by `deleted` and `deleted_before` only."""

    def __init__(self, connection: Connection) -> None:
        self._c = connection
        self._seen: tuple[int, HomeIdentity, User | None] | None = None
        """The last identity that was read and whose it is, for as long as this transaction has written nothing
        since."""

    def _one(self, statement: Any, **parameters: Any) -> User | None:
        row = self._c.execute(statement, parameters).mappings().first()
        if row is None:
            return None
        user = _user(row)
        if user.identity is not None:
            self._seen = self._c.written, user.identity, user
        return user

    def by_id(self, id: str) -> User | None:
        return self._one(_BY_ID, id=id)

    def by_ids(self, ids: Collection[str]) -> list[User]:
        """Those of these users who are there, in order of id."""
        wanted = sorted(ids)
        parts = (wanted[i : i + AT_ONCE] for i in range(0, len(wanted), AT_ONCE))
        return [user for part in parts for user in self._many(_LIVE, users.c.id.in_(part))]

    def deleted(self, id: str) -> User | None:
        """A user who was deleted and can still be restored."""
        row = self._c.execute(_DELETED, {"id": id}).mappings().first()
        return None if row is None else _user(row)

    def deleted_before(self, at: datetime, most: int = 100) -> list[User]:
        """Users deleted before then, oldest first."""
        rows = self._c.execute(
            select(users).where(users.c.deleted_at < at).order_by(users.c.deleted_at).limit(most)
        ).mappings()
        return [_user(r) for r in rows]

    def pending_before(self, at: datetime) -> list[User]:
        """Guests who wait for redemption since before then."""
        return self._many(_LIVE, users.c.state == "PendingAcceptance", users.c.state_changed_at < at)

    def inactive_before(self, at: datetime) -> list[User]:
        """Enabled guests who redeemed, and did not sign in since then."""
        seen = func.coalesce(users.c.last_signin_at, users.c.state_changed_at)
        return self._many(_LIVE, users.c.state == "Accepted", users.c.account_enabled.is_(True), seen < at)

    def expired_before(self, at: datetime) -> list[User]:
        """Enabled users whose accounts ended before then."""
        return self._many(_LIVE, users.c.expires_at < at, users.c.account_enabled.is_(True))

    def _many(self, *which: ColumnElement[bool]) -> list[User]:
        return [_user(r) for r in self._c.execute(select(users).where(*which).order_by(users.c.id)).mappings()]

    def upn_taken(self, upn: str) -> bool:
        """Whether any user, deleted ones included, has this user principal name."""
        return self._c.execute(_UPN_TAKEN, {"upn": address_key(upn)}).first() is not None

    def by_upn(self, upn: str) -> User | None:
        """By user principal name, case-insensitively (Graph)."""
        return self._one(_BY_UPN, upn=address_key(upn))

    def foresee(self, identity: HomeIdentity) -> None:
        """Says that `by_identity` is going to be asked for, after something else."""
        self._c.foresee(_BY_IDENTITY, {"issuer": identity.issuer, "subject": identity.subject})

    def by_identity(self, identity: HomeIdentity) -> User | None:
        """The one user bound to (issuer, subject), compared byte for byte."""
        holder = self._holder(identity)
        return None if holder is None or holder.deleted_at is not None else holder

    def _holder(self, identity: HomeIdentity) -> User | None:
        """Who has the identity, deleted or not."""
        if self._seen is not None and self._seen[:2] == (self._c.written, identity):
            return self._seen[2]
        holder = self._one(_BY_IDENTITY, issuer=identity.issuer, subject=identity.subject)
        self._seen = self._c.written, identity, holder
        return holder

    def by_mail(self, address: str) -> list[User]:
        """Users whose `mail` is this address, oldest first. Finds an invitation, proves nothing."""
        rows = self._c.execute(_BY_MAIL, {"mail": address_key(address)}).mappings()
        return [_user(r) for r in rows]

    def waiting(self, address: str) -> list[tuple[User, Invitation]]:
        """Guests who wait for redemption and whose `mail` is this address, oldest first, each with the latest
        invitation."""
        found = []
        for row in self._c.execute(_WAITING, {"mail": address_key(address)}):
            user, invitation = row[: len(users.c)], row[len(users.c) :]
            found.append(
                (
                    _user(dict(zip(users.c.keys(), user, strict=True))),
                    Invitation(**dict(zip(invitations.c.keys(), invitation, strict=True))),
                )
            )
        return found

    def page(self, after: str = "", most: int = 100) -> list[User]:
        """Users in order of id, those behind `after`."""
        return [_user(r) for r in self._c.execute(_PAGE, {"after": after, "most": most}).mappings()]

    def listing(self, asked: Listing, *, deleted: bool = False) -> tuple[list[User], Page]:
        """One page of the users that a query asks for; of those who were deleted instead, if `deleted`."""
        found = listing(
            self._c,
            select(users).where(users.c.deleted_at.is_not(None) if deleted else _LIVE),
            USERS,
            users.c.id,
            asked,
        )
        return [_user(row) for row in found.rows], found

    def count(self) -> int:
        count: int = self._c.execute(_COUNT).scalar_one()
        return count


class UsersWriter(UsersReader):
    def add(self, user: User) -> None:
        self._c.execute(_ADD, _user_row(user))
        record(self._c, "user", user.id)

    def save(self, user: User) -> None:
        """Writes the whole row of a user read in this same transaction."""
        row = _user_row(user)
        self._c.execute(_SAVE, {"which": user.id} | {f"new_{name}": row[name] for name in _SAVED})
        record(self._c, "user", user.id, gone=user.deleted_at is not None)

    def signed_in(self, id: str, at: datetime, *, mfa_at_home: bool = False) -> None:
        """Notes a sign-in, and the first with MFA at home; no change of the user that others want to hear of."""
        self._c.execute(_SIGNED_IN, {"which": id, "at": at, "at_home": at if mfa_at_home else None})

    def bind(self, user: User, identity: HomeIdentity, tenant_id: str, proved_mail: str, at: datetime) -> User | None:
        """Binds a pending guest, or a member who never signed in, to a home identity, once: None when the user was
        bound or removed meanwhile, or the identity already belongs to somebody. A deleted user's identity is taken
        over: if restored, that user has to redeem again. The user's `properties` are written too."""
        bound = replace(user, identity=identity, home_tenant_id=tenant_id, proved_mail=proved_mail)
        waiting = replace(user, identity=None)
        if user.state is not None:
            waiting = replace(waiting, state="PendingAcceptance")
            bound = replace(bound, state="Accepted", state_changed_at=at)
        return self._bind(waiting, bound, identity)

    def rebind(self, user: User, identity: HomeIdentity, tenant_id: str, proved_mail: str) -> User | None:
        """Binds a bound user to another identity, once: None when they were bound otherwise or removed meanwhile, or
        the identity already belongs to somebody."""
        if user.identity is None:
            return None
        moved = replace(
            user, identity=identity, home_tenant_id=tenant_id, proved_mail=proved_mail, home_mfa_seen_at=None
        )
        return self._bind(user, moved, identity)

    def _bind(self, was: User, bound: User, identity: HomeIdentity) -> User | None:
        """`bound`, unless the user is not any more what they were, or somebody has the identity."""
        holder = self._holder(identity)
        if holder is not None:
            if holder.deleted_at is None:
                return None
            self._c.execute(_UNBIND, {"which": holder.id})
        old, new = _user_row(was), _user_row(bound)
        given = {f"old_{name}": old[name] for name in ("state", "issuer", "subject")}
        given |= {f"new_{name}": new[name] for name in _BOUND}
        if self._c.execute(_BIND, {"which": bound.id} | given).rowcount != 1:
            return None
        record(self._c, "user", bound.id)
        return bound

    def delete(self, id: str) -> bool:
        """Removes the row for good."""
        record(self._c, "user", id, gone=True)
        return self._c.execute(_DELETE, {"which": id}).rowcount == 1
