"""Telling apps that a session is over: logout tokens (OpenID Connect Back-Channel Logout 1.0 §2.4) with the event in
CAEP's words beside it."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from typing import Any

from b2b_idp.keys.ring import KeyRing, Signer
from b2b_idp.keys.vault import Vault
from b2b_idp.model.directory import App
from b2b_idp.model.events import LOGOUT, SESSION_REVOKED
from b2b_idp.model.moment import Moment
from b2b_idp.model.problem import Problem
from b2b_idp.net.http import Http
from b2b_idp.store import Store, Writer
from b2b_idp.store.notices import Notice
from b2b_idp.tokens.names import pairwise, sid_of
from b2b_idp.tokens.signing import issuer_for, signer_for

ATTEMPTS = 8
"""Tries over some four hours; then the notice is given up."""
_LIFETIME = 120
_APPS_AT_ONCE = 8
_NOTICES_AT_ONCE = 5
"""To one app, before the clock is read again: a token is never old when it is sent."""
_CLAIM = timedelta(minutes=1)
_SAYS = {
    "admin": "An administrator ended the session.",
    "user": "The person ended the session.",
    "policy": "The session does not meet the policies any more.",
    "system": "The session at the home tenant is over.",
}


def logout_token(notice: Notice, app: App, *, issuer: str, vault: Vault, moment: Moment) -> dict[str, Any]:
    """The claims: `iss` as in the app's id_tokens, `sub` and `sid` as the app knows them, times in NumericDate."""
    said = notice.document
    return {
        "iss": issuer,
        "aud": app.app_id,
        "sub": pairwise(vault, app, said["userId"]),
        "sid": sid_of(vault, said["sessionId"], app),
        "iat": moment.epoch,
        "exp": moment.epoch + _LIFETIME,
        "jti": moment.new_id(),
        "events": {
            LOGOUT: {},
            SESSION_REVOKED: {
                "event_timestamp": said["at"],
                "initiating_entity": said["by"],
                "reason_admin": {"en": _SAYS[said["by"]]},
            },
        },
    }


class Notifier:
    """Delivers what is due, at the same time to several apps and to each in order, so that one that is slow delays
    nobody else. Several may run over one database: a notice is claimed by one conditional UPDATE."""

    def __init__(self, store: Store, vault: Vault, keys: KeyRing, http: Http, issuer: str) -> None:
        self._store, self._vault, self._keys, self._http, self._issuer = store, vault, keys, http, issuer
        self._pool = ThreadPoolExecutor(_APPS_AT_ONCE, thread_name_prefix="b2b-idp-notices")
        self._lock = threading.Lock()
        self._busy: set[str] = set()

    def deliver(self, moment: Moment) -> int:
        """Tries what is due, and waits for it; how many notices were delivered."""
        return sum(told.result() for told in self.begin(moment))

    def begin(self, moment: Moment) -> list[Future[int]]:
        """Has what is due tried: how many notices each app was told. An app that is still being told is left out, and
        so is what is too much at once: it stays due."""
        with self._lock:
            busy = frozenset(self._busy)
        with self._store.read() as r:
            due = r.notices.due(moment.at, busy)
        waiting: dict[str, list[Notice]] = {}
        for notice in due:
            waiting.setdefault(notice.app_id, []).append(notice)
        begun = []
        for app_id, notices in waiting.items():
            with self._lock:
                if app_id in self._busy or len(self._busy) >= _APPS_AT_ONCE:
                    continue
                self._busy.add(app_id)
            begun.append(self._pool.submit(self._tell, app_id, notices[:_NOTICES_AT_ONCE], moment))
        return begun

    def _tell(self, app_id: str, notices: Sequence[Notice], moment: Moment) -> int:
        try:
            return sum(self._try(notice, moment) for notice in notices)
        finally:
            with self._lock:
                self._busy.discard(app_id)

    def _try(self, notice: Notice, moment: Moment) -> bool:
        def claim(w: Writer) -> tuple[App, str, Signer] | None:
            if not w.notices.claim(notice.id, notice.attempts, moment.at + _CLAIM):
                return None
            app = w.apps.by_client_id(notice.app_id)
            if app is None:
                w.notices.delivered(notice.id)
                return None
            issuer = issuer_for(w, app, self._issuer, moment.at)
            return app, issuer, signer_for(w, self._keys, app, app.id_token_alg, moment.at)

        claimed = self._store.transact(claim)
        if claimed is None:
            return False
        app, issuer, signer = claimed
        claims = logout_token(notice, app, issuer=issuer, vault=self._vault, moment=moment)
        token = signer.sign(claims, "logout+jwt")
        try:
            answer = self._http.post_form(notice.address, {"logout_token": token})
            error = None if answer.status in (200, 202, 204) else f"the app answered {answer.status}"
        except Problem as problem:
            error = problem.why or problem.say
        attempts = notice.attempts + 1
        again = None if attempts >= ATTEMPTS else moment.at + timedelta(minutes=1) * 2 ** (attempts - 1)

        def note(w: Writer) -> None:
            if error is None:
                w.notices.delivered(notice.id)
            else:
                w.notices.failed(notice.id, error, again)

        self._store.transact(note)
        return error is None
