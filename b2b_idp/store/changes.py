"""What changed in the directory, for delta queries: the latest change of each object, in order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from sqlalchemy import BigInteger, bindparam, delete, update

from b2b_idp.store.connection import Connection
from b2b_idp.store.statements import Prepared, insert_into
from b2b_idp.store.tables import change_counter, changes

Kind = Literal["user", "group", "member"]

_NEXT = Prepared(
    update(change_counter)
    .values(seq=change_counter.c.seq + bindparam("count", type_=BigInteger))
    .returning(change_counter.c.seq)
)
_OF = (
    changes.c.kind == bindparam("of_kind"),
    changes.c.object_id == bindparam("of_object"),
    changes.c.member_id == bindparam("of_member"),
)
_FORGET = Prepared(delete(changes).where(*_OF))
_RENEW = Prepared(update(changes).where(*_OF).values(seq=bindparam("new_seq"), gone=bindparam("now_gone")))
_NOTE = insert_into(changes, ("seq", "kind", "object_id", "member_id", "gone"))


def record(c: Connection, kind: Kind, object_id: str, member_id: str = "", *, gone: bool = False) -> None:
    """Notes that the object, or the group's member, was changed or is gone; earlier notes of it are replaced."""
    seq = c.execute(_NEXT, {"count": 1}).scalar()
    if seq is None:
        return  # a database that has no tenant yet
    of = {"of_kind": kind, "of_object": object_id, "of_member": member_id}
    if not c.execute(_RENEW, of | {"new_seq": seq, "now_gone": gone}).rowcount:
        row = {"kind": kind, "object_id": object_id, "member_id": member_id}
        c.execute(_NOTE, row | {"seq": seq, "gone": gone})


def record_members(c: Connection, members: Sequence[tuple[str, str]], *, gone: bool) -> None:
    """`record` for many members at once, each (group id, member id)."""
    if not members:
        return
    last = c.execute(_NEXT, {"count": len(members)}).scalar_one()
    c.execute(_FORGET, [{"of_kind": "member", "of_object": group, "of_member": member} for group, member in members])
    first = last - len(members) + 1
    rows = [{"kind": "member", "object_id": group, "member_id": member} for group, member in members]
    c.execute(_NOTE, [row | {"seq": first + n, "gone": gone} for n, row in enumerate(rows)])
