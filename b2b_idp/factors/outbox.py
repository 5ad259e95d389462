"""The sender of the outbox: claims a letter, sends it, notes the outcome; never knowingly sends one twice."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import timedelta

from b2b_idp.factors.letters import checked_sender, message
from b2b_idp.model.moment import Moment
from b2b_idp.model.problem import Problem
from b2b_idp.net.mail import Mailer, MailFailed
from b2b_idp.store import Store

ATTEMPTS = 10
POLL_SECONDS = 1.0
_CLAIM = timedelta(minutes=5)
_LONGEST_WAIT = timedelta(hours=1)

_log = logging.getLogger(__name__)


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
        with self._store.read() as r:
            due = r.outbox.due(self._moment().at)
        sent = 0
        for letter in due:
            if self._stop.is_set():
                break
            with self._store.write() as w:
                # the clock is read again: slow letters before this one must not eat up its claim
                if not w.outbox.claim(letter.id, letter.attempts, self._moment().at + _CLAIM):
                    continue
            try:
                self._mailer.send(message(letter, self._sender))
            except MailFailed as e:
                last = e.permanent or letter.attempts + 1 >= ATTEMPTS
                wait = min(_LONGEST_WAIT, timedelta(minutes=1) * 2**letter.attempts)
                with self._store.write() as w:
                    w.outbox.failed(letter.id, str(e), None if last else self._moment().at + wait)
                _log.warning("mail %s not sent: %s", letter.id, e)
            else:
                with self._store.write() as w:
                    w.outbox.sent(letter.id, self._moment().at)
                sent += 1
        return sent

    def start(self) -> None:
        """Begins to send in the background."""
        if self._thread is None:
            self._stop.clear()
            self._thread = threading.Thread(target=self._run, name="b2b-idp-outbox", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Returns when the letter at hand, if any, is done."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        while not self._stop.wait(POLL_SECONDS):
            try:
                self.run_once()
            except Problem as p:
                _log.warning("outbox: %s", p)
            except Exception:
                _log.exception("outbox")
