"""Who is to be erased, and where persons are found in what is kept."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import and_, delete, or_, select, update

from b2b_idp.store.connection import Connection
from b2b_idp.store.logs import evidence_of
from b2b_idp.store.sealing import Sealer
from b2b_idp.store.tables import answers, audit_log, erasures, invitations, outbox, pushed_requests, signin_log, signins

Log = Literal["audits", "signins"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Whom to erase: `addresses` find them anywhere (mail addresses, user principal name, subject at home); `names`
    (and telephone numbers, …) are theirs only beside the object id, which stays. Nothing is older than `since`."""

    id: str
    addresses: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    since: datetime


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of a log as it is kept; `text` is its document. `signed`: what a home signed in a sign-in, where nobody
    knows whose that was."""

    id: str
    at: datetime
    text: str
    document: Mapping[str, Any]
    signed: bytes | None = None


class ErasuresReader:
    def __init__(self, connection: Connection, sealer: Sealer) -> None:
        self._c = connection
        self._sealer = sealer

    def waiting(self) -> list[Person]:
        """Those who are to be erased still, oldest first."""
        rows = self._c.execute(select(erasures).order_by(erasures.c.created_at, erasures.c.id))
        return [self._person(row) for row in rows]

    def _person(self, row: Any) -> Person:
        told = json.loads(self._sealer.open(row.person, "erasures:" + row.id))
        return Person(id=row.id, addresses=tuple(told["addresses"]), names=tuple(told["names"]), since=row.since)

    def entries(self, log: Log, since: datetime, after: tuple[datetime, str] | None, most: int) -> list[Entry]:
        """Entries from `since` on, behind the one that `after` names, oldest first."""
        table = audit_log if log == "audits" else signin_log
        at, id = table.c.at, table.c.id
        which = at >= since if after is None else or_(at > after[0], and_(at == after[0], id > after[1]))
        rows = self._c.execute(select(table).where(which).order_by(at, id).limit(most)).mappings()
        return [self._entry(row) for row in rows]

    def _entry(self, row: Mapping[Any, Any]) -> Entry:
        document = row["document"]
        parsed = json.loads(document) if isinstance(document, str) else document
        sealed = row["evidence"] if "evidence" in row and row["user_id"] is None else None
        return Entry(
            row["id"],
            row["at"],
            json.dumps(parsed, ensure_ascii=False),
            parsed,
            None if sealed is None else self._sealer.open(sealed, evidence_of(row["id"])),
        )

    def invited_at(self, user_id: str) -> list[str]:
        """The addresses that a user was ever invited at."""
        return list(self._c.execute(select(invitations.c.email).where(invitations.c.user_id == user_id)).scalars())


class ErasuresWriter(ErasuresReader):
    def add(self, person: Person, at: datetime) -> None:
        """Notes that the person is to be taken out of the logs."""
        told = json.dumps({"addresses": person.addresses, "names": person.names}).encode()
        row = {"id": person.id, "person": self._sealer.seal(told, "erasures:" + person.id)}
        self._c.execute(delete(erasures).where(erasures.c.id == person.id))
        self._c.execute(erasures.insert(), row | {"since": person.since, "created_at": at})

    def done(self, id: str) -> None:
        self._c.execute(delete(erasures).where(erasures.c.id == id))

    def forget_letters(self, about: Collection[str], recipient_keys: Collection[bytes] = ()) -> int:
        """Deletes letters about these (a user, invitations) or to these; how many."""
        which = or_(outbox.c.related_id.in_(about), outbox.c.recipient_key.in_(recipient_keys))
        return self._c.execute(delete(outbox).where(which)).rowcount

    def invitation_ids(self, user_id: str) -> list[str]:
        return list(self._c.execute(select(invitations.c.id).where(invitations.c.user_id == user_id)).scalars())

    def forget_answers(self, names: Callable[[str], bool]) -> int:
        """Empties kept answers whose text `names` the person: who repeats the request learns only that it was done."""
        kept = self._c.execute(select(answers.c.key, answers.c.body).where(answers.c.body.is_not(None)))
        found = [row.key for row in kept if names(self._sealer.open(row.body, "answers").decode())]
        for key in found:
            self._c.execute(update(answers).where(answers.c.key == key).values(body=None))
        return len(found)

    def forget_signins(self, names: Callable[[str], bool]) -> int:
        """Deletes sign-ins under way, or given up, and requests for them, that `names` says are the person's."""
        forgotten = 0
        for table, column in ((signins, signins.c.known), (pushed_requests, pushed_requests.c.parameters)):
            rows = self._c.execute(select(table.c.id, column)).all()
            found = [id for id, told in rows if names(json.dumps(told, ensure_ascii=False))]
            for id in found:
                self._c.execute(delete(table).where(table.c.id == id))
            forgotten += len(found)
        return forgotten
