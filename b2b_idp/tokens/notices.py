"""Telling apps that a session is over: logout tokens (OpenID Connect Back-Channel Logout 1.0 §2.4) with the event in
CAEP's words beside it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from b2b_idp.keys.ring import KeyRing
from b2b_idp.keys.vault import Vault
from b2b_idp.model.directory import App
from b2b_idp.model.moment import Moment
from b2b_idp.model.problem import Problem
from b2b_idp.net.http import Http
from b2b_idp.store import Store
from b2b_idp.store.notices import Notice
from b2b_idp.tokens.names import pairwise, sid_of
from b2b_idp.tokens.signing import issuer_for, signer_for

LOGOUT = "http://schemas.openid.net/event/backchannel-logout"
SESSION_REVOKED = "https://schemas.openid.net/secevent/caep/event-type/session-revoked"
ATTEMPTS = 8
"""Tries over some four hours; then the notice is given up."""
_LIFETIME = 120
_CLAIM = timedelta(minutes=1)
_SAYS = {
    "admin": "An administrator ended the session.",
    "user": "The person signed out.",
    "policy": "The session does not meet the policies any more.",
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
    """Delivers what is due. Several may run over one database: a notice is claimed by one conditional UPDATE."""

    def __init__(self, store: Store, vault: Vault, keys: KeyRing, http: Http, issuer: str) -> None:
        self._store, self._vault, self._keys, self._http, self._issuer = store, vault, keys, http, issuer

    def deliver(self, moment: Moment) -> int:
        """Tries every notice that is due; how many apps were told."""
        with self._store.read() as r:
            due = r.notices.due(moment.at)
        return sum(self._try(notice, moment) for notice in due)

    def _try(self, notice: Notice, moment: Moment) -> bool:
        with self._store.write() as w:
            if not w.notices.claim(notice.id, notice.attempts, moment.at + _CLAIM):
                return False
            app = w.apps.by_client_id(notice.app_id)
            if app is None:
                w.notices.delivered(notice.id)
                return False
            issuer = issuer_for(w, app, self._issuer, moment.at)
            signer = signer_for(w, self._keys, app, app.id_token_alg, moment.at)
        claims = logout_token(notice, app, issuer=issuer, vault=self._vault, moment=moment)
        token = signer.sign(claims, "logout+jwt")
        try:
            answer = self._http.post_form(notice.address, {"logout_token": token})
            error = None if answer.status in (200, 202, 204) else f"the app answered {answer.status}"
        except Problem as problem:
            error = problem.why or problem.say
        attempts = notice.attempts + 1
        with self._store.write() as w:
            if error is None:
                w.notices.delivered(notice.id)
            else:
                wait = timedelta(minutes=1) * 2 ** (attempts - 1)
                w.notices.failed(notice.id, error, None if attempts >= ATTEMPTS else moment.at + wait)
        return error is None
