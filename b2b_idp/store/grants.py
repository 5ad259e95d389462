"""What was granted to apps: codes and refresh families are one row, each handed out as a handle of `keys.Vault`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, delete, select, update
from sqlalchemy.dialects.postgresql import insert

from b2b_idp.model.moment import Moment
from b2b_idp.store.connection import Connection
from b2b_idp.store.followed import about
from b2b_idp.store.notices import By, NoticesWriter
from b2b_idp.store.statements import Prepared, consumed, insert_into
from b2b_idp.store.tables import consents, grants, revoked_tokens, used_assertions


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """One authorization: the code it began with, then its refresh family.

    `document` is the request and evidence it stands on. `generation` counts rotations: the refresh token with that
    generation is the current one; `rotated_at` is when it became so.
    """

    id: str
    user_id: str
    app_id: str
    session_id: str
    document: Mapping[str, Any]
    created_at: datetime
    expires_at: datetime
    code_used_at: datetime | None = None
    generation: int = 0
    rotated_at: datetime | None = None
    revoked_at: datetime | None = None


_GRANT = consumed(select(grants).where(grants.c.id == bindparam("id")), grants.c.user_id)
_APPS_OF_SESSION = Prepared(
    select(grants.c.app_id)
    .where(
        grants.c.session_id == bindparam("session"),
        grants.c.revoked_at.is_(None),
        grants.c.expires_at > bindparam("now"),
    )
    .order_by(grants.c.created_at)
)
_USE_CODE = Prepared(
    update(grants).where(grants.c.id == bindparam("which")).values(code_used_at=bindparam("at")), awaited=False
)
_ROTATE = Prepared(
    update(grants)
    .where(grants.c.id == bindparam("which"))
    .values(generation=bindparam("next"), rotated_at=bindparam("at")),
    awaited=False,
)
_REVOKED = Prepared(select(revoked_tokens.c.jti).where(revoked_tokens.c.jti == bindparam("jti")))
_CONSENT = Prepared(
    select(consents.c.scopes).where(consents.c.user_id == bindparam("user"), consents.c.app_id == bindparam("app")),
    about("user"),
)
_ADD = insert_into(grants, Grant.__slots__, awaited=False)
_AMEND = Prepared(
    update(grants)
    .where(grants.c.id == bindparam("which"))
    .values(document=bindparam("to_document", type_=grants.c.document.type))
)
_REVOKE = Prepared(
    update(grants)
    .where(grants.c.id == bindparam("which"), grants.c.revoked_at.is_(None))
    .values(revoked_at=bindparam("at"))
)
_CONSENTS_OF = Prepared(
    select(consents).where(consents.c.user_id == bindparam("user")).order_by(consents.c.at.desc(), consents.c.app_id)
)
_RENEW_CONSENT = Prepared(
    update(consents)
    .where(consents.c.user_id == bindparam("user"), consents.c.app_id == bindparam("app"))
    .values(scopes=bindparam("to_scopes", type_=consents.c.scopes.type), at=bindparam("since"))
)
_ADD_CONSENT = insert_into(consents, ("user_id", "app_id", "scopes", "at"))
_REVOKE_TOKEN = insert_into(revoked_tokens, ("jti", "expires_at"))
# SQLite takes the same words
_USE_ASSERTION = Prepared(
    insert(used_assertions).values(id=bindparam("id"), expires_at=bindparam("expires_at")).on_conflict_do_nothing()
)


class GrantsReader:
    def __init__(self, connection: Connection) -> None:
        self._c = connection

    def foresee(self, id: str) -> None:
        """Says that `by_id` is going to be asked for, after something else."""
        self._c.foresee(_GRANT, {"id": id})

    def by_id(self, id: str) -> Grant | None:
        row = self._c.execute(_GRANT, {"id": id}).mappings().first()
        return None if row is None else Grant(**row)

    def apps_of_session(self, session_id: str, at: datetime) -> list[str]:
        """Client ids of the apps to which the session gave what stands."""
        rows = self._c.execute(_APPS_OF_SESSION, {"session": session_id, "now": at}).scalars()
        return list(dict.fromkeys(rows))

    def is_revoked(self, jti: str) -> bool:
        """Whether this one access token was revoked (RFC 7009)."""
        return self._c.execute(_REVOKED, {"jti": jti}).first() is not None

    def consented(self, user_id: str, app_id: str) -> frozenset[str]:
        """The scopes that this person let this app have."""
        row = self._c.execute(_CONSENT, {"user": user_id, "app": app_id}).first()
        return frozenset(row[0] if row else ())

    def consents_of(self, user_id: str) -> list[tuple[str, tuple[str, ...], datetime]]:
        """(app, scopes, since when) of all that this person lets apps have, the newest first."""
        return [(r.app_id, tuple(r.scopes), r.at) for r in self._c.execute(_CONSENTS_OF, {"user": user_id})]


class GrantsWriter(GrantsReader):
    def add(self, grant: Grant) -> None:
        self._c.execute(_ADD, {name: getattr(grant, name) for name in Grant.__slots__})

    def use_code(self, id: str, at: datetime) -> None:
        """Spends the code of a grant that this transaction has read unspent: of two that do, one is undone."""
        self._c.execute(_USE_CODE, {"which": id, "at": at})

    def rotate(self, id: str, generation: int, at: datetime) -> None:
        """Makes this generation the current refresh token of a grant that this transaction has read at the one before:
        of two that do, one is undone."""
        self._c.execute(_ROTATE, {"which": id, "next": generation, "at": at})

    def amend(self, id: str, document: Mapping[str, Any]) -> None:
        self._c.execute(_AMEND, {"which": id, "to_document": document})

    def revoke(self, id: str, at: datetime) -> None:
        self._c.execute(_REVOKE, {"which": id, "at": at})

    def revoke_app(self, app_id: str, at: datetime) -> None:
        """Ends all that guests gave an app, and forgets that they did."""
        ours = (grants.c.app_id == app_id, grants.c.revoked_at.is_(None))
        self._c.execute(update(grants).where(*ours).values(revoked_at=at))
        self._c.execute(delete(consents).where(consents.c.app_id == app_id))

    def revoke_session(self, session_id: str, moment: Moment, by: By) -> None:
        """Ends the grants that a session made, and tells their apps."""
        self._end(grants.c.session_id == session_id, moment, by)

    def revoke_standing(self, id: str, moment: Moment) -> None:
        """Ends a grant that the policies of now would not give, and tells its app."""
        self._end(grants.c.id == id, moment, "policy")

    def revoke_user(self, user_id: str, moment: Moment, by: By) -> None:
        """Ends all grants of a person, and tells their apps."""
        self._end(grants.c.user_id == user_id, moment, by)

    def revoke_other_sessions(self, user_id: str, kept: str, moment: Moment) -> None:
        """Ends the user's grants but those of the session that is kept, and tells their apps."""
        self._end(and_(grants.c.user_id == user_id, grants.c.session_id != kept), moment, "user")

    def _end(self, which: ColumnElement[bool], moment: Moment, by: By) -> None:
        NoticesWriter(self._c).tell(which, by, moment)
        self._c.execute(update(grants).where(which, grants.c.revoked_at.is_(None)).values(revoked_at=moment.at))

    def revoke_token(self, jti: str, expires_at: datetime) -> None:
        if not self.is_revoked(jti):
            self._c.execute(_REVOKE_TOKEN, {"jti": jti, "expires_at": expires_at})

    def use_assertion(self, id: bytes, expires_at: datetime) -> bool:
        """Remembers the digest of a client assertion or DPoP proof; False when it was seen before (RFC 7523 §3,
        RFC 9449 §11.1)."""
        return self._c.execute(_USE_ASSERTION, {"id": id, "expires_at": expires_at}).rowcount == 1

    def consent(self, user_id: str, app_id: str, scopes: frozenset[str], at: datetime) -> None:
        """Adds to what this person lets this app have."""
        wanted = sorted(self.consented(user_id, app_id) | scopes)
        done = self._c.execute(_RENEW_CONSENT, {"user": user_id, "app": app_id, "to_scopes": wanted, "since": at})
        if done.rowcount == 0:
            self._c.execute(_ADD_CONSENT, {"user_id": user_id, "app_id": app_id, "scopes": wanted, "at": at})

    def withdraw_consent(self, user_id: str, app_id: str, moment: Moment) -> bool:
        """Takes back what this person let this app have, ends its grants for them, and tells it. False when it had
        nothing."""
        done = self._c.execute(delete(consents).where(consents.c.user_id == user_id, consents.c.app_id == app_id))
        if done.rowcount == 0:
            return False
        self._end(and_(grants.c.user_id == user_id, grants.c.app_id == app_id), moment, "user")
        return True

    def forget_consents(self, user_id: str) -> None:
        self._c.execute(delete(consents).where(consents.c.user_id == user_id))

    def sweep(self, before: datetime) -> int:
        """Deletes what ended before then; the number of rows."""
        return sum(self._c.execute(delete(t).where(t.c.expires_at < before)).rowcount for t in (grants, revoked_tokens))

    def forget_used(self, at: datetime) -> int:
        """Deletes the assertions and proofs that nobody would take any more; the number of rows."""
        return self._c.execute(delete(used_assertions).where(used_assertions.c.expires_at < at)).rowcount
