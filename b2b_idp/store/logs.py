"""The sign-in log and the audit log: appended in the transaction of what they tell. Audit entries form a chain."""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from sqlalchemy import BigInteger, bindparam, func, select, update

from b2b_idp.model.query import And, Compare, Listing
from b2b_idp.store.connection import Connection
from b2b_idp.store.listed import AUDITS, SIGNINS
from b2b_idp.store.sealing import Sealer
from b2b_idp.store.search import Page, listing, where
from b2b_idp.store.statements import Prepared, insert_into
from b2b_idp.store.tables import audit_head, audit_log, signin_log

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_NEXT = Prepared(
    update(audit_head)
    .values(seq=audit_head.c.seq + bindparam("count", type_=BigInteger))
    .returning(audit_head.c.seq, audit_head.c.hash)
)
_HEAD = Prepared(update(audit_head).values(hash=bindparam("link")), awaited=False)
_ADD_AUDIT = insert_into(audit_log, ("id", "at", "activity", "document", "seq", "hash"))


@dataclass(frozen=True, slots=True)
class Chain:
    """What checking the audit chain found: `entries` good ones, then, if `broken` is set, the first that is not.

    `unchained` entries are older than the chain; from `erased` ones a person was taken out.
    """

    entries: int
    unchained: int
    broken: str | None = None
    erased: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SigninFacts:
    """What reports and replays read of a sign-in beside its document.

    `outcome`: `allowed` or the refusal's code. `asked_home`: MFA was wanted and the home asked for it in this sign-in;
    `home_mfa`: it said MFA, believed or not; `local_mfa`: a challenge was passed here in this sign-in. `replay`: what
    the policies saw (`policy.recorded`). `evidence`: what the home signed; it is kept sealed.
    """

    home_tenant_id: str | None = None
    outcome: str | None = None
    asked_home: bool | None = None
    home_mfa: bool | None = None
    local_mfa: bool | None = None
    replay: str | None = None
    evidence: bytes | None = field(default=None, repr=False)


class LogsReader:
    def __init__(self, connection: Connection, sealer: Sealer) -> None:
        self._c = connection
        self._sealer = sealer

    def signins(
        self,
        *,
        user_id: str | None = None,
        app_id: str | None = None,
        correlation_id: str | None = None,
        before: datetime | None = None,
        most: int = 100,
    ) -> list[tuple[datetime, Mapping[str, Any]]]:
        """Sign-in documents (Graph `signIn`), newest first."""
        statement = select(signin_log.c.at, signin_log.c.document).order_by(
            signin_log.c.at.desc(), signin_log.c.id.desc()
        )
        for column, value in (("user_id", user_id), ("app_id", app_id), ("correlation_id", correlation_id)):
            if value is not None:
                statement = statement.where(signin_log.c[column] == value)
        if before is not None:
            statement = statement.where(signin_log.c.at < before)
        return [(r.at, r.document) for r in self._c.execute(statement.limit(most))]

    def listing(self, log: Literal["signins", "audits"], asked: Listing) -> tuple[list[Mapping[str, Any]], Page]:
        """One page of a log, as a query asks for it."""
        table, columns = (signin_log, SIGNINS) if log == "signins" else (audit_log, AUDITS)
        found = listing(self._c, select(table), columns, table.c.id, asked)
        documents = (row["document"] for row in found.rows)
        return [json.loads(d) if isinstance(d, str) else d for d in documents], found

    def signin(self, id: str) -> Mapping[str, Any] | None:
        row = self._c.execute(select(signin_log.c.document).where(signin_log.c.id == id)).first()
        return None if row is None else row.document

    def evidence(self, id: str) -> bytes | None:
        """What the home signed in a sign-in, None when it signed nothing in it."""
        sealed = self._c.execute(select(signin_log.c.evidence).where(signin_log.c.id == id)).scalar()
        return None if sealed is None else self._sealer.open(sealed, evidence_of(id))

    def audit(self, id: str) -> Mapping[str, Any] | None:
        row = self._c.execute(select(audit_log.c.document).where(audit_log.c.id == id)).first()
        return None if row is None else json.loads(row.document)

    def audits(self, *, before: datetime | None = None, most: int = 100) -> list[tuple[datetime, Mapping[str, Any]]]:
        """Audit documents (Graph `directoryAudit`), newest first."""
        statement = select(audit_log.c.at, audit_log.c.document).order_by(audit_log.c.at.desc(), audit_log.c.id.desc())
        if before is not None:
            statement = statement.where(audit_log.c.at < before)
        return [(r.at, json.loads(r.document)) for r in self._c.execute(statement.limit(most))]

    def done_by(self, user_id: str, activity: str, since: datetime) -> int:
        """How often a person has done this since then, refusals aside."""
        asked = And(
            (
                Compare(("activityDateTime",), "ge", since),
                Compare(("activityDisplayName",), "eq", activity),
                Compare(("result",), "eq", "success"),
                Compare(("initiatedBy", "user", "id"), "eq", user_id),
            )
        )
        statement = select(func.count()).select_from(audit_log).where(where(asked, AUDITS))
        return self._c.execute(statement).scalar_one()

    def every_audit(self) -> Iterator[Mapping[str, Any]]:
        """All audit documents, oldest first, without holding them all."""
        statement = select(audit_log.c.document).order_by(audit_log.c.at, audit_log.c.seq, audit_log.c.id)
        for row in self._c.stream(statement, 500):
            yield json.loads(row.document)

    def verify_chain(self) -> Chain:
        """Computes the whole audit chain anew: a changed, added or missing entry is found, whoever can write here but
        has not the master key."""
        head = self._c.execute(select(audit_head)).one()
        unchained = len(self._c.execute(select(audit_log.c.id).where(audit_log.c.seq.is_(None))).all())
        entries, erased, before = 0, 0, b""
        statement = select(audit_log).where(audit_log.c.seq.is_not(None)).order_by(audit_log.c.seq)
        for row in self._c.stream(statement, 500):
            if row.seq != entries + 1:
                return Chain(entries, unchained, f"entry {entries + 1} is missing", erased)
            if not self._authentic(row, before):
                return Chain(entries, unchained, f"entry {row.seq} ({row.id}) was changed", erased)
            entries, erased, before = entries + 1, erased + (row.erased is not None), row.hash
        if entries != head.seq or before != (head.hash or b""):
            return Chain(entries, unchained, f"entries after {entries} are missing", erased)
        return Chain(entries, unchained, erased=erased)

    def _authentic(self, row: Any, before: bytes) -> bool:
        """Whether the entry behind the link `before` is what was written, or what an erasure made of it."""
        if row.hash is None:
            return False
        if row.erased is not None:
            return hmac.compare_digest(self._erasure(row, row.document), row.erased)
        return hmac.compare_digest(self._link(before, row.seq, row.id, row.at, row.activity, row.document), row.hash)

    def _link(self, before: bytes, seq: int, id: str, at: datetime, activity: str, document: str) -> bytes:
        moment = (at - _EPOCH) // timedelta(microseconds=1)
        return self._sealer.digest("audit", "\n".join((before.hex(), str(seq), id, str(moment), activity, document)))

    def _erasure(self, row: Any, document: str) -> bytes:
        """What vouches for an entry after an erasure: the chain's own link told of the text that is gone."""
        moment = (row.at - _EPOCH) // timedelta(microseconds=1)
        told = (str(row.seq), row.id, str(moment), row.activity, row.hash.hex(), document)
        return self._sealer.digest("audit-erased", "\n".join(told))


_ADD_SIGNIN = insert_into(signin_log, [c.name for c in signin_log.c], awaited=False)


def evidence_of(id: str) -> str:
    """What the envelope of a sign-in's evidence is bound to."""
    return "signin_log:" + id


class LogsWriter(LogsReader):
    def add_signin(self, document: Mapping[str, Any], at: datetime, facts: SigninFacts = SigninFacts()) -> None:
        """`document` is Graph's signIn with its id, userId, appId and correlationId."""
        kept = {name: getattr(facts, name) for name in SigninFacts.__slots__}
        if facts.evidence is not None:
            kept["evidence"] = self._sealer.seal(facts.evidence, evidence_of(document["id"]))
        self._c.execute(
            _ADD_SIGNIN,
            {
                "id": document["id"],
                "at": at,
                "user_id": document.get("userId"),
                "app_id": document.get("appId"),
                "correlation_id": document.get("correlationId"),
                "document": document,
            }
            | kept,
        )

    def add_audit(self, document: Mapping[str, Any], at: datetime) -> None:
        """`document` is Graph's directoryAudit with its id and activityDisplayName."""
        self.add_audits([document], at)

    def add_audits(self, documents: Sequence[Mapping[str, Any]], at: datetime) -> None:
        """Several entries of one moment, in this order."""
        if not documents:
            return
        head = self._c.execute(_NEXT, {"count": len(documents)}).one()
        before, first, rows = head.hash or b"", head.seq - len(documents) + 1, []
        for seq, document in enumerate(documents, first):
            text = json.dumps(document, separators=(",", ":"), ensure_ascii=False)
            id, activity = document["id"], document["activityDisplayName"]
            before = self._link(before, seq, id, at, activity, text)
            rows.append({"id": id, "at": at, "activity": activity, "document": text, "seq": seq, "hash": before})
        self._c.execute(_ADD_AUDIT, rows)
        self._c.execute(_HEAD, {"link": before})

    def erase_audit(self, id: str, document: Mapping[str, Any]) -> None:
        """Puts `document`, out of which a person was taken, in the place of an entry's own. One that was tampered with
        stays known as such."""
        row = self._c.execute(select(audit_log).where(audit_log.c.id == id)).one()
        text = json.dumps(document, separators=(",", ":"), ensure_ascii=False)
        values: dict[str, Any] = {"document": text}
        if row.seq is not None and self._authentic(row, self._before(row.seq)):
            values["erased"] = self._erasure(row, text)
        self._c.execute(update(audit_log).where(audit_log.c.id == id).values(**values))

    def _before(self, seq: int) -> bytes:
        return self._c.execute(select(audit_log.c.hash).where(audit_log.c.seq == seq - 1)).scalar() or b""

    def erase_signin(self, id: str, document: Mapping[str, Any]) -> None:
        """Puts `document` in the place of a sign-in's own; what the home signed, and what the policies saw, goes."""
        self._c.execute(
            update(signin_log).where(signin_log.c.id == id).values(document=document, replay=None, evidence=None)
        )
