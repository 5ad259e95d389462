"""The sender of the outbox: claims a letter, sends it, notes the outcome.

No one can tell whether a mail server took a text whose answer was never noted: the server was lost, or the runner was
killed, in between. A code is sent again then, and its Message-ID is the same; an invitation is not: it is given up, and
an administrator who sees that may send it again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial

from b2b_idp.factors.letters import checked_sender, message
from b2b_idp.logs import log, traceback_of
from b2b_idp.model.moment import Moment
from b2b_idp.model.problem import Problem
from b2b_idp.net.mail import Mailer, MailFailed
from b2b_idp.store import Store
from b2b_idp.store.outbox import Letter

ATTEMPTS = 10
POLL_SECONDS = 1.0
NEVER_TWICE = frozenset({"invitation", "copy"})
"""Kinds of letters that are given up rather than sent again when they may have arrived."""

_CLAIM = timedelta(minutes=5)
_LONGEST_WAIT = timedelta(hours=1)


class _Overtaken(Exception):
    """The claim ran out and another runner has the letter."""


class OutboxRunner:
    """Sends what is due. Several may run over one database: a letter is claimed by one conditional UPDATE.

    Raises Problem(BAD_SETTING) for a URL that `net.mail.Mailer` refuses and a sender that is not one mail address.
    """

    def __init__(self, store: Store, mail_url: str, sender: str, moment: Callable[[], Moment]) -> None:
        self._store = store
        self._mailer = Mailer(mail_url)
        self._sender = checked_sender(sender)
        self._moment = moment
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def run_once(self) -> int:
        """Tries every letter that is due; how many were sent."""
        self._settle_interrupted()
        with self._store.read() as r:
            due = r.outbox.due(self._moment().at)
        sent = 0
        for letter in due:
            if self._over():
                break
            sent += self._try(letter)
        return sent

    def _try(self, letter: Letter) -> bool:
        """Whether the letter was sent. A runner that dies in here leaves it claimed, or `sending`."""
        # the clock is read again: slow letters before this one must not eat up its claim
        until = self._moment().at + _CLAIM
        if not self._store.transact(lambda w: w.outbox.claim(letter.id, letter.attempts, until)):
            return False
        return self._send(replace(letter, attempts=letter.attempts + 1))

    def _send(self, letter: Letter) -> bool:
        try:
            self._mailer.send(message(letter, self._sender), before_text=lambda: self._note_sending(letter))
        except _Overtaken:
            return False
        except MailFailed as e:
            self._note_failure(letter, e)
            return False
        sent_at = self._moment().at
        self._store.transact(lambda w: w.outbox.sent(letter.id, sent_at))
        return True

    def _note_sending(self, letter: Letter) -> None:
        until = self._moment().at + _CLAIM
        if not self._store.transact(lambda w: w.outbox.sending(letter.id, letter.attempts, until)):
            raise _Overtaken

    def _settle_interrupted(self) -> None:
        """Letters that a runner died over when the mail server may have had the text."""
        with self._store.read() as r:
            interrupted = r.outbox.interrupted(self._moment().at)
        for letter in interrupted:
            self._note_failure(letter, MailFailed("interrupted while sending", permanent=False, perhaps_taken=True))

    def _note_failure(self, letter: Letter, e: MailFailed) -> None:
        """To be tried again later; or given up, which an administrator sees and can undo."""
        last = e.permanent or letter.attempts >= ATTEMPTS or (e.perhaps_taken and letter.kind in NEVER_TWICE)
        error = f"{e}; the mail may have arrived" if e.perhaps_taken else str(e)
        wait = min(_LONGEST_WAIT, timedelta(minutes=1) * 2 ** (letter.attempts - 1))
        again = None if last else self._moment().at + wait
        noted = self._store.transact(lambda w: w.outbox.failed(letter.id, letter.attempts, error, again))
        if noted:
            said = "mail given up" if last else "mail not sent"
            log.warning(said, letter=letter.id, kind=letter.kind, attempts=letter.attempts, error=error)

    def start(self, leads: Callable[[], bool] = lambda: True) -> None:
        """Begins to send in the background, while `leads` says that it falls to this process. A process that ends in
        order waits for the letter at hand: the thread is no daemon, and sees by itself that the main thread is over (a
        forked worker runs no atexit)."""
        if self._thread is None:
            self._stop.clear()
            run = partial(self._run, leads)
            self._thread = threading.Thread(target=run, name="b2b-idp-outbox", daemon=False)
            self._thread.start()

    def stop(self) -> None:
        """Returns when the letter at hand, if any, is done."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _over(self) -> bool:
        return self._stop.is_set() or not threading.main_thread().is_alive()

    def _run(self, leads: Callable[[], bool]) -> None:
        pause = POLL_SECONDS
        while not (self._stop.wait(pause) or self._over()):
            pause = POLL_SECONDS
            try:
                # where some were sent, more may wait
                pause = 0.0 if leads() and self.run_once() else POLL_SECONDS
            except Problem as p:
                log.warning("the outbox waits", error=str(p))
            except Exception as e:
                log.error("the outbox waits", error=type(e).__name__, exception=traceback_of(e))
