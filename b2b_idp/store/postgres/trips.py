"""What transactions say to PostgreSQL, by libpq's own calls: each statement is prepared at its first use, and what
need not be heard at once goes with the next question in one trip (libpq's pipeline mode)."""

from __future__ import annotations

import select
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import psycopg
from psycopg import pq
from psycopg.adapt import PyFormat, Transformer
from psycopg.errors import error_from_result
from psycopg.pq.abc import PGresult

from b2b_idp.store.statements import Form

_BEGIN_READING = b"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_BEGIN_WRITING = b"BEGIN ISOLATION LEVEL SERIALIZABLE READ WRITE"
_PASSING = b"SET LOCAL synchronous_commit = off"
_NAME = (
    b"SELECT pg_current_xact_id()::text, substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8),"
    b" pg_current_wal_flush_lsn() - '0/0'::pg_lsn, extract(epoch FROM pg_postmaster_start_time())"
)
_Heard = Callable[[PGresult], object]


class Waiting(psycopg.Connection[Any]):
    """A connection that gives up a server which does not answer within `deadline` seconds (None: never): a timeout of
    the server's own cannot."""

    deadline: float | None = None


@dataclass(frozen=True, slots=True)
class Mark:
    """Which transaction of which history of the database this is, how far the log was on the disk when it began, since
    when the server had run, and its process that does it."""

    transaction: str
    timeline: str
    at: int
    started: str
    process: int


class Pipeline:
    """One connection's. Raises psycopg.Error; a connection whose answers are not known any more is closed then."""

    makes_trips = True

    def __init__(self, raw: Waiting) -> None:
        self._raw, self._pg = raw, raw.pgconn
        self._transformer = Transformer(raw)
        self._names: dict[bytes, bytes] = {}
        """Of the statements that the server has prepared, by SQL; `_new` are those of which it was not heard yet."""
        self._new: list[bytes] = []
        self._made = 0
        self._sent: list[_Heard | None] = []
        """What is done with the answer to each command that was sent and not heard."""
        self._look = select.poll()
        self._look.register(self._pg.socket, select.POLLIN)
        self._begins: tuple[bytes, ...] = (_BEGIN_READING,)
        self._writes = False
        self._mark: Mark | None = None

    def begin(self, *, write: bool, lasting: bool = True) -> None:
        """The next statement begins a transaction: a reading one, or one that writes, which notes in the same trip what
        it is called. So it can be asked for when the answer to its COMMIT is lost."""
        self._writes, self._mark = write, None
        self._begins = (_BEGIN_WRITING if write else _BEGIN_READING, *(() if lasting else (_PASSING,)))

    def mark(self) -> Mark | None:
        """What the writing transaction is called that was begun; None where nothing was said in it."""
        if self._writes and self._mark is None:
            self.hear()
        return self._mark

    def run(self, form: Form, values: Sequence[Any]) -> None:
        """Runs a statement. What goes wrong with it is raised by the next that is asked, or by `hear`."""
        self._send(form, values, None)

    def ask(self, form: Form, values: Sequence[Any]) -> tuple[list[Any], int]:
        """Runs a statement: its rows, and how many it changed."""
        answers: list[PGresult] = []
        self._send(form, values, answers.append)
        return self._read(form, answers)

    def foresee(self, form: Form, values: Sequence[Any]) -> Callable[[], tuple[list[Any], int]]:
        """Sends a statement; its answer comes with that to the next, or when it is called for."""
        answers: list[PGresult] = []
        self._send(form, values, answers.append)
        return partial(self._read, form, answers)

    def _read(self, form: Form, answers: list[PGresult]) -> tuple[list[Any], int]:
        if not answers:
            self.hear()
        (answer,) = answers
        if answer.status != pq.ExecStatus.TUPLES_OK:
            return [], answer.command_tuples or 0
        if not answer.ntuples:
            return [], 0
        self._transformer.set_pgresult(answer)
        found: list[Any] = self._transformer.load_rows(0, answer.ntuples, tuple)
        return form.rows(found), answer.ntuples

    def run_each(self, form: Form, rows: Sequence[Sequence[Any]]) -> None:
        """Runs a statement for each of these parameters, and hears them all."""
        for values in rows:
            self.run(form, values)
        self.hear()

    def begun(self) -> None:
        """Begins the transaction now, for somebody else to speak in it."""
        if self._pg.transaction_status == pq.TransactionStatus.IDLE and not self._sent:
            self._pg.enter_pipeline_mode()
            self._send_begin()
        self.hear()

    def commit(self) -> None:
        """Commits what was begun, nothing where nothing was said."""
        self.mark()
        if not self._sent:
            if self._pg.transaction_status == pq.TransactionStatus.IDLE:
                return
            self._pg.enter_pipeline_mode()
        answers: list[PGresult] = []
        self._pg.send_query_params(b"COMMIT", None)
        self._sent.append(answers.append)
        self.hear()
        if answers[0].command_status != b"COMMIT":
            raise psycopg.InternalError("the transaction had failed before its COMMIT")

    def roll_back(self) -> None:
        """Undoes what was begun."""
        if self._sent:
            with suppress(psycopg.Error):
                self.hear()
        if not self._raw.closed:
            self._raw.rollback()

    def hear(self) -> None:
        """Waits for the answers to all that was sent."""
        if not self._sent:
            return
        sent, self._sent = self._sent, []
        new, self._new = self._new, []
        try:
            self._pg.pipeline_sync()
            answers, failed = self._answers()
        except BaseException:
            # what comes next would be taken for the answer to something else
            self._raw.close()
            raise
        if failed is None:
            self._pg.exit_pipeline_mode()
        else:
            self._raw.close()
        for heard, answer in zip(sent, answers, strict=False):
            if answer.status == pq.ExecStatus.FATAL_ERROR:
                for sql in new:
                    # some were not, and the others are again
                    del self._names[sql]
                raise _error(answer)
            if heard is not None:
                heard(answer)
        if failed is not None:
            raise failed

    def _answers(self) -> tuple[list[PGresult], psycopg.Error | None]:
        """The answers in order and, where the connection was lost over them, how."""
        found: list[PGresult] = []
        try:
            while self._pg.flush():
                self._wait(select.POLLIN | select.POLLOUT)
                self._pg.consume_input()
            while True:
                while self._pg.is_busy():
                    self._wait(select.POLLIN)
                    self._pg.consume_input()
                answer = self._pg.get_result()
                if answer is None:
                    if self._pg.status == pq.ConnStatus.BAD:
                        raise psycopg.OperationalError("the connection is lost")
                elif answer.status == pq.ExecStatus.PIPELINE_SYNC:
                    return found, None
                else:
                    found.append(answer)
        except psycopg.OperationalError as e:
            return found, e

    def _wait(self, events: int) -> None:
        """Until the server has something to say, or can listen."""
        self._look.modify(self._pg.socket, events)
        limit = self._raw.deadline
        if not self._look.poll(None if limit is None else limit * 1000):
            raise psycopg.OperationalError(f"no answer within {limit:g} seconds")

    def _send(self, form: Form, values: Sequence[Any], heard: _Heard | None) -> None:
        # made before anything is sent: it may be refused
        given = self._transformer.dump_sequence(values, [PyFormat.TEXT] * len(values)) if values else ()
        if not self._sent:
            begins = self._pg.transaction_status == pq.TransactionStatus.IDLE
            self._pg.enter_pipeline_mode()
            if begins:
                self._send_begin()
        self._send_prepared(form.encoded, given, heard)

    def _send_begin(self) -> None:
        for sql in self._begins:
            self._pg.send_query_params(sql, None)
            self._sent.append(None)
        if self._writes:
            self._send_prepared(_NAME, (), self._named)

    def _named(self, answer: PGresult) -> None:
        transaction, timeline, at, started = (str(answer.get_value(0, n) or b"", "ascii") for n in range(4))
        self._mark = Mark(transaction, timeline, int(at), started, self._pg.backend_pid)

    def _send_prepared(self, sql: bytes, given: Sequence[Any], heard: _Heard | None) -> None:
        name = self._names.get(sql)
        if name is None:
            self._made += 1
            name = self._names[sql] = b"s%d" % self._made
            self._new.append(sql)
            self._pg.send_prepare(name, sql)
            self._sent.append(None)
        self._pg.send_query_prepared(name, given)
        self._sent.append(heard)


def _error(answer: PGresult) -> psycopg.Error:
    """What the server says went wrong; not its DETAIL, which repeats what it was given."""
    said = error_from_result(answer)
    primary = said.diag.message_primary
    return said if primary is None else type(said)(primary)
