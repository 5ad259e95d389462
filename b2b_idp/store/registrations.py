"""Initial access tokens of dynamic client registration (RFC 7591 §1.2): each kept as the keyed digest of its text."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select, update

from b2b_idp.store.connection import Connection
from b2b_idp.store.statements import insert_into
from b2b_idp.store.tables import initial_access_tokens as tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class InitialAccessToken:
    """A token without its text. `created_by` is the object id of who made it, None on the command line; `uses` is for
    how many apps it was made, `uses_left` for how many more it is good."""

    id: str
    display_name: str
    created_by: str | None
    created_at: datetime
    expires_at: datetime
    uses: int
    uses_left: int
    require_pkce: bool
    """Whether the apps that it registers have to use PKCE, confidential ones too."""

    def is_good(self, at: datetime) -> bool:
        return self.uses_left > 0 and at < self.expires_at


_COLUMNS = [tokens.c[name] for name in InitialAccessToken.__slots__]
_ADD = insert_into(tokens, ("secret_hash", *InitialAccessToken.__slots__))


class RegistrationsReader:
    def __init__(self, connection: Connection) -> None:
        self._c = connection

    def tokens(self) -> list[InitialAccessToken]:
        """Every token, oldest first."""
        rows = self._c.execute(select(*_COLUMNS).order_by(tokens.c.created_at, tokens.c.id)).mappings()
        return [InitialAccessToken(**row) for row in rows]

    def token(self, id: str) -> InitialAccessToken | None:
        row = self._c.execute(select(*_COLUMNS).where(tokens.c.id == id)).mappings().first()
        return None if row is None else InitialAccessToken(**row)

    def by_digest(self, secret_hash: bytes) -> InitialAccessToken | None:
        row = self._c.execute(select(*_COLUMNS).where(tokens.c.secret_hash == secret_hash)).mappings().first()
        return None if row is None else InitialAccessToken(**row)


class RegistrationsWriter(RegistrationsReader):
    def add(self, token: InitialAccessToken, secret_hash: bytes) -> None:
        values = {name: getattr(token, name) for name in InitialAccessToken.__slots__}
        self._c.execute(_ADD, values | {"secret_hash": secret_hash})

    def spend(self, id: str, at: datetime) -> bool:
        """Takes one use of a token; False where none is left, or it is over."""
        good = (tokens.c.id == id, tokens.c.uses_left > 0, tokens.c.expires_at > at)
        return self._c.execute(update(tokens).where(*good).values(uses_left=tokens.c.uses_left - 1)).rowcount == 1

    def revoke(self, id: str) -> bool:
        """Deletes a token; the apps that it registered stay. False when there is none."""
        return self._c.execute(delete(tokens).where(tokens.c.id == id)).rowcount == 1

    def sweep(self, before: datetime) -> int:
        """Deletes what ended before then; the number of rows."""
        return self._c.execute(delete(tokens).where(tokens.c.expires_at < before)).rowcount
