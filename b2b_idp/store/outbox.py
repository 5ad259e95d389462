"""Mail to be sent: written in the transaction that causes it, sent by one runner, kept with its outcome."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import BindParameter, ColumnElement, bindparam, func, null, select, update

from b2b_idp.store.connection import Connection
from b2b_idp.store.sealing import Sealer
from b2b_idp.store.statements import Prepared, insert_into
from b2b_idp.store.tables import outbox

AN_HOUR = timedelta(hours=1)
MAILS_AN_HOUR = 5
"""How many mails one address gets in an hour: invitations and codes together."""


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of a letter, without what it said and to whom."""

    id: str
    kind: str
    status: str
    attempts: int
    last_error: str | None
    created_at: datetime
    sent_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A mail. `once` names the occasion: a second letter for the same one is never made. `body` is plain text, `html`
    the same in HTML; both are sealed, and erased when the letter was sent."""

    id: str
    once: str
    recipient: str
    recipient_key: bytes
    subject: str
    body: str
    created_at: datetime
    attempts: int = 0
    status: str = "pending"
    """pending, sending (the mail server gets the text, or got it and nobody noted the outcome), sent, or dead (given
    up)."""
    html: str | None = None
    language: str = "en"
    kind: str = "code"
    """invitation, copy, code or notice."""
    related_id: str | None = None
    """The invitation or user that it is about."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """`oldest`: when the oldest letter that waits was written."""

    waiting: int
    oldest: datetime | None
    given_up: int


_ADD = insert_into(outbox, (*Letter.__slots__, "next_at"))
_UNSENT = outbox.c.status.in_(("pending", "sending"))
_WAITING = select(func.count(), func.min(outbox.c.created_at)).where(_UNSENT)
_GIVEN_UP = Prepared(select(func.count()).where(outbox.c.status == "dead"))
_ID: BindParameter[str] = bindparam("which")
_CLAIM = Prepared(
    update(outbox)
    .where(outbox.c.id == _ID, outbox.c.attempts == bindparam("seen"), outbox.c.status == "pending")
    .values(attempts=outbox.c.attempts + 1, next_at=bindparam("until"))
)
_SENDING = Prepared(
    update(outbox)
    .where(outbox.c.id == _ID, outbox.c.attempts == bindparam("seen"), outbox.c.status == "pending")
    .values(status="sending", next_at=bindparam("until"))
)
_SENT = Prepared(
    update(outbox).where(outbox.c.id == _ID).values(status="sent", sent_at=bindparam("at"), body=null(), html=null())
)
_WITHHOLD = Prepared(update(outbox).where(outbox.c.id == _ID).values(status="dead"))
_HAD = Prepared(
    select(func.count())
    .select_from(outbox)
    .where(outbox.c.recipient_key == bindparam("key"), outbox.c.created_at >= bindparam("since"))
)


class OutboxReader:
    def __init__(self, connection: Connection, sealer: Sealer) -> None:
        self._c = connection
        self._sealer = sealer

    def due(self, at: datetime, most: int = 50) -> list[Letter]:
        """Letters to try now, oldest first."""
        rows = self._c.execute(
            select(outbox)
            .where(outbox.c.status == "pending", outbox.c.next_at <= at)
            .order_by(outbox.c.next_at)
            .limit(most)
        ).mappings()
        return [self._letter(r) for r in rows]

    def interrupted(self, at: datetime) -> list[Letter]:
        """Letters whose sender stopped between the text and its outcome: the mail server has them, or not."""
        rows = self._c.execute(select(outbox).where(outbox.c.status == "sending", outbox.c.next_at <= at)).mappings()
        return [self._letter(r) for r in rows]

    def latest(self, most: int = 50) -> list[Letter]:
        """The newest letters whose text is still kept, newest first."""
        rows = self._c.execute(
            select(outbox).where(outbox.c.body.is_not(None)).order_by(outbox.c.created_at.desc()).limit(most)
        ).mappings()
        return [self._letter(r) for r in rows]

    def about(self, related_id: str) -> list[Fate]:
        """What became of the letters about an invitation, oldest first."""
        return self._fates(outbox.c.related_id == related_id)

    def dead(self) -> list[Fate]:
        """Letters that were given up, oldest first."""
        return self._fates(outbox.c.status == "dead")

    def backlog(self) -> Backlog:
        """How many letters wait, and how long."""
        waiting, oldest = self._c.execute(_WAITING).one()
        return Backlog(waiting, oldest, self._c.execute(_GIVEN_UP).scalar_one())

    def _fates(self, which: ColumnElement[bool]) -> list[Fate]:
        columns = [outbox.c[name] for name in Fate.__slots__]
        rows = self._c.execute(select(*columns).where(which).order_by(outbox.c.created_at, outbox.c.id)).mappings()
        return [Fate(**r) for r in rows]

    def may_have_another(self, recipient_key: bytes, at: datetime, most: int = MAILS_AN_HOUR) -> bool:
        """Whether the address has not had its share of mails in the hour before `at`, whoever had them sent."""
        had: int = self._c.execute(_HAD, {"key": recipient_key, "since": at - AN_HOUR}).scalar_one()
        return had < most

    def _letter(self, row: object) -> Letter:
        fields = {name: row[name] for name in Letter.__slots__ if name not in ("body", "html")}  # type: ignore[index]
        context = "outbox:" + fields["id"]
        body = self._sealer.open(row["body"], context).decode()  # type: ignore[index]
        html = row["html"]  # type: ignore[index]
        return Letter(body=body, html=None if html is None else self._sealer.open(html, context).decode(), **fields)


class OutboxWriter(OutboxReader):
    def add(self, letter: Letter) -> None:
        row = {name: getattr(letter, name) for name in Letter.__slots__}
        row["body"] = self._sealer.seal(letter.body.encode(), "outbox:" + letter.id)
        if letter.html is not None:
            row["html"] = self._sealer.seal(letter.html.encode(), "outbox:" + letter.id)
        row["next_at"] = letter.created_at
        self._c.execute(_ADD, row)

    def withhold(self, letter: Letter) -> None:
        """The work of `add`, and nothing is kept: who waits for the answer cannot tell a letter from none."""
        self._sealer.seal(letter.body.encode(), "outbox:" + letter.id)
        self._c.execute(_WITHHOLD, {"which": letter.id})

    def claim(self, id: str, attempts: int, until: datetime) -> bool:
        """Takes a letter for sending; False when another runner did. It comes up again at `until` if nobody reports."""
        return self._c.execute(_CLAIM, {"which": id, "seen": attempts, "until": until}).rowcount == 1

    def sending(self, id: str, attempts: int, until: datetime) -> bool:
        """Notes that the mail server gets the text next; False when the claim ran out and another runner took it."""
        return self._c.execute(_SENDING, {"which": id, "seen": attempts, "until": until}).rowcount == 1

    def sent(self, id: str, at: datetime) -> None:
        """Done: the text, which holds a secret, is erased."""
        self._c.execute(_SENT, {"which": id, "at": at})

    def failed(self, id: str, attempts: int, error: str, next_at: datetime | None) -> bool:
        """To be tried again at `next_at`, or given up; False when another runner has taken it, or noted its outcome."""
        values: dict[str, object] = {"last_error": error[:500], "status": "pending" if next_at else "dead"}
        if next_at:
            values["next_at"] = next_at
        done = self._c.execute(
            update(outbox)
            .where(outbox.c.id == id, outbox.c.attempts == attempts, outbox.c.status.in_(("pending", "sending")))
            .values(**values)
        )
        return done.rowcount == 1
