"""One-time passes (Graph's Temporary Access Pass): at most one a user, kept as the keyed digest of its code."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, or_, select, update

from b2b_idp.store.connection import Connection
from b2b_idp.store.functions import upsert_into
from b2b_idp.store.tables import access_passes


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessPass:
    """A pass without its code. `created_by` is the object id of who gave it; it is good in [starts_at, ends_at)."""

    id: str
    user_id: str
    created_by: str
    created_at: datetime
    starts_at: datetime
    ends_at: datetime
    usable_once: bool
    used_at: datetime | None = None


_COLUMNS = [access_passes.c[name] for name in AccessPass.__slots__]


class PassesReader:
    def __init__(self, connection: Connection) -> None:
        self._c = connection

    def of(self, user_id: str) -> AccessPass | None:
        """The user's pass, good or not."""
        row = self._c.execute(select(*_COLUMNS).where(access_passes.c.user_id == user_id)).mappings().first()
        return None if row is None else AccessPass(**row)


class PassesWriter(PassesReader):
    def give(self, new: AccessPass, code_hash: bytes) -> None:
        """In place of the user's pass before."""
        values = {name: getattr(new, name) for name in AccessPass.__slots__} | {"code_hash": code_hash}
        upsert = upsert_into(access_passes, self._c.dialect)
        self._c.execute(
            upsert.values(values).on_conflict_do_update(index_elements=[access_passes.c.user_id], set_=values)
        )

    def take_back(self, user_id: str) -> None:
        self._c.execute(delete(access_passes).where(access_passes.c.user_id == user_id))

    def use(self, user_id: str, code_hash: bytes, at: datetime) -> AccessPass | None:
        """Spends the pass that has this code, while it is good; None for any other code."""
        kept = access_passes.c
        done = self._c.execute(
            update(access_passes)
            .where(
                kept.user_id == user_id,
                kept.code_hash == code_hash,
                kept.starts_at <= at,
                kept.ends_at > at,
                or_(kept.used_at.is_(None), kept.usable_once.is_(False)),
            )
            .values(used_at=at)
        )
        return self.of(user_id) if done.rowcount == 1 else None
