"""Sign-ins under way and sessions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, select, update

from b2b_idp.store.connection import Connection
from b2b_idp.store.statements import Prepared, consumed, insert_into
from b2b_idp.store.tables import home_sessions, sessions, signins


@dataclass(frozen=True, slots=True, kw_only=True)
class SigninRow:
    """A sign-in under way: what is known (a JSON document), what it waits for, and how often it has moved."""

    id: str
    browser: bytes
    version: int
    waiting: str
    known: Mapping[str, Any]
    correlation_id: str
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRow:
    """A browser's session with us; `evidence` is a JSON document."""

    id: str
    user_id: str
    evidence: Mapping[str, Any]
    created_at: datetime
    expires_at: datetime
    ended_at: datetime | None = None


_SIGNIN = consumed(select(signins).where(signins.c.id == bindparam("id")))
_MOVE = Prepared(
    update(signins)
    .where(signins.c.id == bindparam("which"), signins.c.version == bindparam("seen"))
    .values(
        version=bindparam("next"),
        waiting=bindparam("to_waiting"),
        known=bindparam("to_known", type_=signins.c.known.type),
    )
)
_MARK = consumed(
    update(signins)
    .where(signins.c.id == bindparam("which"), signins.c.version == bindparam("seen"))
    .values(version=bindparam("next"), waiting=bindparam("to_waiting"))
    .returning(signins.c.id),
    bindparam("person"),
)
_CLAIM = consumed(
    update(signins)
    .where(
        signins.c.id == bindparam("which"),
        signins.c.browser == bindparam("of"),
        signins.c.waiting == bindparam("seen"),
        signins.c.expires_at > bindparam("now"),
    )
    .values(version=signins.c.version + 1, waiting=bindparam("to_waiting"))
    .returning(*signins.c)
)
_SESSION = consumed(select(sessions).where(sessions.c.id == bindparam("id")), sessions.c.user_id)
_BEGUN_AT = Prepared(
    select(sessions)
    .join(home_sessions, home_sessions.c.session_id == sessions.c.id)
    .where(home_sessions.c.home_session == bindparam("home"))
)
_OF_UNKNOWN = Prepared(
    select(sessions)
    .outerjoin(home_sessions, home_sessions.c.session_id == sessions.c.id)
    .where(sessions.c.user_id == bindparam("user"), home_sessions.c.session_id.is_(None))
)
_ADD = insert_into(signins, SigninRow.__slots__, awaited=False)
_ADD_SESSION = insert_into(sessions, SessionRow.__slots__, awaited=False)
_BEGAN_AT = insert_into(home_sessions, ("session_id", "home_session"), awaited=False)
_UPDATE_SESSION = Prepared(
    update(sessions)
    .where(sessions.c.id == bindparam("which"))
    .values(evidence=bindparam("to_evidence", type_=sessions.c.evidence.type), expires_at=bindparam("until"))
)
_END_SESSION = Prepared(
    update(sessions)
    .where(sessions.c.id == bindparam("which"), sessions.c.ended_at.is_(None))
    .values(ended_at=bindparam("at"))
)
_END_SESSIONS_OF = Prepared(
    update(sessions)
    .where(sessions.c.user_id == bindparam("user"), sessions.c.ended_at.is_(None))
    .values(ended_at=bindparam("at"))
)


class SigninsReader:
    def __init__(self, connection: Connection) -> None:
        self._c = connection
        self._seen: tuple[tuple[str, int], SessionRow | None] | None = None

    def by_id(self, id: str) -> SigninRow | None:
        row = self._c.execute(_SIGNIN, {"id": id}).mappings().first()
        return None if row is None else SigninRow(**row)

    def foresee_session(self, id: str) -> None:
        """Says that `session` is going to be asked for, after something else."""
        self._c.foresee(_SESSION, {"id": id})

    def session(self, id: str) -> SessionRow | None:
        """Whoever has a session is granted from it in one transaction, which asks for it twice: it is read again only
        when something was written since."""
        key = id, self._c.written
        if self._seen is None or self._seen[0] != key:
            row = self._c.execute(_SESSION, {"id": id}).mappings().first()
            self._seen = key, None if row is None else SessionRow(**row)
        return self._seen[1]

    def begun_at(self, home_session: str) -> list[SessionRow]:
        """The sessions that began from one at home, those that are over too: their grants may stand."""
        return [SessionRow(**row) for row in self._c.execute(_BEGUN_AT, {"home": home_session}).mappings()]

    def of_unknown_home_session(self, user_id: str) -> list[SessionRow]:
        """The user's sessions of which the home did not say from which of its own they began."""
        return [SessionRow(**row) for row in self._c.execute(_OF_UNKNOWN, {"user": user_id}).mappings()]


class SigninsWriter(SigninsReader):
    def add(self, row: SigninRow) -> None:
        self._c.execute(_ADD, {name: getattr(row, name) for name in SigninRow.__slots__})

    def move(self, id: str, seen: int, waiting: str, known: Mapping[str, Any]) -> bool:
        """Takes one step: one conditional UPDATE. False when somebody else took it (the row is not at `seen`)."""
        done = self._c.execute(
            _MOVE, {"which": id, "seen": seen, "next": seen + 1, "to_waiting": waiting, "to_known": known}
        )
        return done.rowcount == 1

    def mark(self, id: str, seen: int, waiting: str, user_id: str) -> bool:
        """Takes a step of this person's by which nothing is learned; as `move` otherwise."""
        given = {"which": id, "seen": seen, "next": seen + 1, "to_waiting": waiting, "person": user_id}
        return self._c.execute(_MARK, given).first() is not None

    def claim(self, id: str, browser: bytes, seen: str, waiting: str, at: datetime) -> Callable[[], SigninRow | None]:
        """Takes a step of this browser's by which nothing is learned yet, and gives what gives the row as it is now:
        none when the row does not wait for what was `seen`, is over, or is not this browser's. Whatever is asked in
        between goes in one trip with it."""
        given = {"which": id, "of": browser, "seen": seen, "to_waiting": waiting, "now": at}
        self._c.foresee(_CLAIM, given)

        def claimed() -> SigninRow | None:
            row = self._c.execute(_CLAIM, given).mappings().first()
            return None if row is None else SigninRow(**row)

        return claimed

    def add_session(self, row: SessionRow, home_session: str | None = None) -> None:
        """`home_session`: keyed digest of the home's issuer and its `sid` for the session there, where it gave one."""
        self._c.execute(_ADD_SESSION, {name: getattr(row, name) for name in SessionRow.__slots__})
        if home_session is not None:
            self._c.execute(_BEGAN_AT, {"session_id": row.id, "home_session": home_session})

    def update_session(self, id: str, evidence: Mapping[str, Any], expires_at: datetime) -> None:
        self._c.execute(_UPDATE_SESSION, {"which": id, "to_evidence": evidence, "until": expires_at})

    def end_session(self, id: str, at: datetime) -> None:
        self._c.execute(_END_SESSION, {"which": id, "at": at})

    def end_sessions_of(self, user_id: str, at: datetime) -> None:
        self._c.execute(_END_SESSIONS_OF, {"user": user_id, "at": at})

    def end_other_sessions(self, user_id: str, kept: str, at: datetime) -> None:
        """Ends the user's sessions but the one that is kept."""
        others = (sessions.c.user_id == user_id, sessions.c.id != kept, sessions.c.ended_at.is_(None))
        self._c.execute(update(sessions).where(*others).values(ended_at=at))

    def sweep(self, before: datetime) -> int:
        """Deletes sign-ins and sessions that ended before then; the number of rows."""
        n = self._c.execute(delete(signins).where(signins.c.expires_at < before)).rowcount
        return n + self._c.execute(delete(sessions).where(sessions.c.expires_at < before)).rowcount
