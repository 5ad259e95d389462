"""Applications' own token signing keys; the private halves are sealed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import bindparam, delete, select

from b2b_idp.model.directory import AppKey
from b2b_idp.store.connection import Connection
from b2b_idp.store.followed import OF_APPS
from b2b_idp.store.sealing import Sealer
from b2b_idp.store.statements import Prepared, insert_into
from b2b_idp.store.tables import app_keys

_PUBLIC = [c for c in app_keys.c if c.name != "private"]
_OF = Prepared(
    select(*_PUBLIC).where(app_keys.c.app == bindparam("app")).order_by(app_keys.c.signs_from, app_keys.c.key_id),
    OF_APPS,
)
_BY_KID = Prepared(select(*_PUBLIC).where(app_keys.c.kid == bindparam("kid")))
_PRIVATE = Prepared(select(app_keys.c.private).where(app_keys.c.key_id == bindparam("id")), OF_APPS)
_ADD = insert_into(app_keys, [c.name for c in app_keys.c])


class AppKeysReader:
    def __init__(self, connection: Connection, sealer: Sealer) -> None:
        self._c = connection
        self._sealer = sealer

    def of(self, app: str) -> list[AppKey]:
        """The keys of an application (its object id), in the order in which they begin to sign."""
        return [_key(r) for r in self._c.execute(_OF, {"app": app}).mappings()]

    def every(self) -> list[AppKey]:
        """The keys of all applications."""
        return [_key(r) for r in self._c.execute(select(*_PUBLIC).order_by(app_keys.c.ends_at)).mappings()]

    def by_kid(self, kid: str) -> list[AppKey]:
        """Every key of this `kid`; the same key may have been given to several applications."""
        return [_key(r) for r in self._c.execute(_BY_KID, {"kid": kid}).mappings()]

    def is_taken(self, key_id: str) -> bool:
        """Whether some application, any, has a key of this id."""
        return self._c.execute(_PRIVATE, {"id": key_id}).first() is not None

    def private(self, key: AppKey) -> bytes:
        """The private key, PKCS #8 in DER."""
        sealed = self._c.execute(_PRIVATE, {"id": key.key_id}).scalar_one()
        return self._sealer.open(sealed, "app_keys:" + key.key_id)


class AppKeysWriter(AppKeysReader):
    def add(self, key: AppKey, private: bytes) -> None:
        values = {name: getattr(key, name) for name in AppKey.__slots__}
        sealed = self._sealer.seal(private, "app_keys:" + key.key_id)
        self._c.execute(_ADD, values | {"private": sealed})

    def remove(self, key: AppKey) -> None:
        self._c.execute(delete(app_keys).where(app_keys.c.key_id == key.key_id))


def _key(row: Mapping[Any, Any]) -> AppKey:
    return AppKey(**row)
