"""What changed in the directory, for delta queries: the latest change of each object, in order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from sqlalchemy import BigInteger, bindparam, delete, select, true, update
from sqlalchemy.dialects.postgresql import insert  # SQLite says it in the same words

from b2b_idp.store.connection import Connection
from b2b_idp.store.statements import Prepared, insert_into
from b2b_idp.store.tables import change_counter, changes

Kind = Literal["user", "group", "member"]

_NEXT = Prepared(
    update(change_counter)
    .values(seq=change_counter.c.seq + bindparam("count", type_=BigInteger))
    .returning(change_counter.c.seq)
)
_FORGET = Prepared(
    delete(changes).where(
        changes.c.kind == bindparam("kind"),
        changes.c.object_id == bindparam("object_id"),
        changes.c.member_id == bindparam("member_id"),
    )
)
_NOTE = insert_into(changes, ("seq", "kind", "object_id", "member_id", "gone"))


_ONE_MORE = Prepared(update(change_counter).values(seq=change_counter.c.seq + 1), awaited=False)
_COLUMNS = ("seq", "kind", "object_id", "member_id", "gone")
_AS_THE_LAST = insert(changes).from_select(
    _COLUMNS,
    # a WHERE, so that SQLite does not take the ON behind it for a join's
    select(change_counter.c.seq, *(bindparam(n, type_=changes.c[n].type) for n in _COLUMNS[1:])).where(true()),
)
_NOTE_LAST = Prepared(
    _AS_THE_LAST.on_conflict_do_update(
        index_elements=[changes.c.kind, changes.c.object_id, changes.c.member_id],
        set_={"seq": _AS_THE_LAST.excluded.seq, "gone": _AS_THE_LAST.excluded.gone},
    ),
    awaited=False,
)


def record(c: Connection, kind: Kind, object_id: str, member_id: str = "", *, gone: bool = False) -> None:
    """Notes that the object, or the group's member, was changed or is gone; earlier notes of it are replaced."""
    # without a tenant there is no counter, and nothing is noted
    c.execute(_ONE_MORE)
    c.execute(_NOTE_LAST, {"kind": kind, "object_id": object_id, "member_id": member_id, "gone": gone})


def record_members(c: Connection, members: Sequence[tuple[str, str]], *, gone: bool) -> None:
    """`record` for many members at once, each (group id, member id)."""
    if not members:
        return
    last = c.execute(_NEXT, {"count": len(members)}).scalar_one()
    rows = [{"kind": "member", "object_id": group, "member_id": member} for group, member in members]
    c.execute(_FORGET, rows)
    first = last - len(members) + 1
    c.execute(_NOTE, [row | {"seq": first + n, "gone": gone} for n, row in enumerate(rows)])
