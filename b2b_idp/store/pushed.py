"""Pushed authorization requests (RFC 9126), each handed out as a handle of `keys.Vault`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, delete, select, update

from b2b_idp.store.connection import Connection
from b2b_idp.store.statements import Prepared, insert_into
from b2b_idp.store.tables import pushed_requests


@dataclass(frozen=True, slots=True, kw_only=True)
class PushedRequest:
    """What a client pushed: the parameters that count, and whether a request object that it signed held them."""

    id: str
    app_id: str
    parameters: Sequence[tuple[str, str]]
    signed: bool
    expires_at: datetime
    answered_at: datetime | None = None


_ONE = Prepared(select(pushed_requests).where(pushed_requests.c.id == bindparam("id")))
_ADD = insert_into(pushed_requests, PushedRequest.__slots__)
_ANSWER = Prepared(
    update(pushed_requests)
    .where(pushed_requests.c.id == bindparam("which"), pushed_requests.c.answered_at.is_(None))
    .values(answered_at=bindparam("at"))
)


class PushedReader:
    def __init__(self, connection: Connection) -> None:
        self._c = connection

    def by_id(self, id: str) -> PushedRequest | None:
        row = self._c.execute(_ONE, {"id": id}).mappings().first()
        if row is None:
            return None
        return PushedRequest(**dict(row) | {"parameters": [(name, value) for name, value in row["parameters"]]})


class PushedWriter(PushedReader):
    def add(self, request: PushedRequest) -> None:
        self._c.execute(_ADD, {n: getattr(request, n) for n in PushedRequest.__slots__})

    def answer(self, id: str, at: datetime) -> bool:
        """Notes that the client gets its answer, once. False when it got one before."""
        return self._c.execute(_ANSWER, {"which": id, "at": at}).rowcount == 1

    def sweep(self, before: datetime) -> int:
        """Deletes what ended before then; the number of rows."""
        return self._c.execute(delete(pushed_requests).where(pushed_requests.c.expires_at < before)).rowcount
