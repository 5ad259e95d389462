"""Device authorizations (RFC 8628): what a device asked for, and what its guest said to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, select, update

from b2b_idp.store.connection import Connection
from b2b_idp.store.statements import insert_into
from b2b_idp.store.tables import device_codes


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceCode:
    """One device's wish. `user_code` is a keyed digest; `document` holds the scopes and the resource; `address` is
    where it came from; `status` is pending, approved or denied; `pause` is the seconds between two polls."""

    id: str
    user_code: bytes
    app_id: str
    document: Mapping[str, Any]
    address: str
    status: str = "pending"
    grant_id: str | None = None
    pause: int
    polled_at: datetime | None = None
    created_at: datetime
    expires_at: datetime


_COLUMNS = [device_codes.c[name] for name in DeviceCode.__slots__]
_ADD = insert_into(device_codes, DeviceCode.__slots__)


class DevicesReader:
    def __init__(self, connection: Connection) -> None:
        self._c = connection

    def by_id(self, id: str) -> DeviceCode | None:
        row = self._c.execute(select(*_COLUMNS).where(device_codes.c.id == id)).mappings().first()
        return None if row is None else DeviceCode(**row)

    def by_user_code(self, digest: bytes) -> DeviceCode | None:
        row = self._c.execute(select(*_COLUMNS).where(device_codes.c.user_code == digest)).mappings().first()
        return None if row is None else DeviceCode(**row)

    def waiting_from(self, address: str, at: datetime) -> int:
        """How many from this address wait for their guests."""
        waiting = (
            device_codes.c.address == address,
            device_codes.c.expires_at > at,
            device_codes.c.status == "pending",
        )
        return int(self._c.execute(select(func.count()).select_from(device_codes).where(*waiting)).scalar() or 0)


class DevicesWriter(DevicesReader):
    def add(self, row: DeviceCode) -> None:
        self._c.execute(_ADD, {name: getattr(row, name) for name in DeviceCode.__slots__})

    def polled(self, id: str, pause: int, at: datetime) -> None:
        self._c.execute(update(device_codes).where(device_codes.c.id == id).values(pause=pause, polled_at=at))

    def settle(self, id: str, status: str, grant_id: str | None, at: datetime) -> bool:
        """Says what the guest decided, once. False when it was decided, or over, before."""
        open_still = (device_codes.c.id == id, device_codes.c.status == "pending", device_codes.c.expires_at > at)
        done = self._c.execute(update(device_codes).where(*open_still).values(status=status, grant_id=grant_id))
        return done.rowcount == 1

    def sweep(self, before: datetime) -> int:
        """Deletes what ended before then; the number of rows."""
        return self._c.execute(delete(device_codes).where(device_codes.c.expires_at < before)).rowcount
