"""The test kit over a database that fails: what a guest's browser is answered then, and how it goes on."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from b2b_idp.extension import B2BIdp
from b2b_idp.model.problem import Problem
from b2b_idp.testing.directory import Directory
from b2b_idp.testing.kit import Kit, _own_ring
from b2b_idp.testing.loopback import Loopback
from b2b_idp.testing.values import KitApp, KitDecision, KitGuest, SignedIn
from b2b_idp.testing.verifying import Verifier
from b2b_idp.testing.wsgi import QuickFlask, exchange

MFA = ["pwd", "mfa"]


class FaultyKit(Kit):
    """`database`: any address. A browser that is answered 503 reloads, as its Retry-After says it may."""

    def __init__(self, database: str, keys: Path) -> None:
        Directory.__init__(self)
        self.flask = QuickFlask("b2b_idp_faulty", static_folder=None)
        self._server = Loopback(self.flask)
        self.issuer = f"http://127.0.0.1:{self._server.port}/idp"
        self.idp = B2BIdp(
            self.flask,
            issuer=self.issuer,
            database_url=database,
            keys_dir=str(keys),
            allow_private_upstreams=True,
            keys=_own_ring(),
        )
        self._read, self._decided = set(), set()
        self._verifier = Verifier(self.issuer, self._fetch)
        self.refused = 0
        """How many requests were answered 503."""
        made = self.idp.create("Contoso", "contoso.example")
        form = {"grant_type": "client_credentials", "scope": f"{self.issuer}/.default"}
        answer = self._token_request((made.client_id, made.client_secret), form)
        self._token = (answer["access_token"], 1 << 40)

    def admin_token(self) -> str:
        assert self._token is not None
        return self._token[0]

    patience = 3
    """How often a request is sent."""
    pause = 0.0
    """Seconds before it is sent again."""

    def call(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None, most: int | None = None
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        """A request, sent again while it is answered 503. Whatever the fault, no answer is a defect's."""
        for _ in range(most or self.patience):
            status, answered, data = exchange(self.flask, method, url, headers, body)
            assert status != 500, data
            if status != 503:
                break
            assert int(dict(answered)["Retry-After"]) >= 1
            self.refused += 1
            time.sleep(self.pause)
        return status, answered, data

    def post(self, path: str, body: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
        """A POST to the Graph API as the administrator, sent again while it is answered 503."""
        headers = {"Authorization": f"Bearer {self.admin_token()}", "Content-Type": "application/json"}
        status, _, data = self.call("POST", f"{self.issuer}/v1.0{path}", headers, json.dumps(body).encode())
        return status, json.loads(data)

    def _token_request(self, client: tuple[str, str], form: Mapping[str, str]) -> dict[str, Any]:
        sent = {"client_id": client[0], "client_secret": client[1]} | dict(form)
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        document: dict[str, Any] = json.loads(
            self.call("POST", f"{self.issuer}/token", headers, urlencode(sent).encode())[2]
        )
        return document

    def refresh(self, app: KitApp, refresh_token: str) -> dict[str, Any]:
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        return self._token_request((app.client_id, app.client_secret), form)

    def come(self, guest: KitGuest, app: KitApp, **said: Any) -> SignedIn:
        """A sign-in as a person does it to whom something happens: begun again at the app where it ended on a page."""
        for _ in range(6):
            done = self.sign_in(guest, app, **said)
            if done.id_token is not None:
                return done
        raise AssertionError((done.error, done.pages))

    def check_whole(self, guest: KitGuest) -> None:
        """One guest, bound once, with one authenticator: nothing lost, nothing half-made, nothing twice."""
        users = self.graph("GET", f"/users?$filter=mail eq '{guest.email}'&$select=id,externalUserState,identities")
        (user,) = users["value"]
        assert (user["id"], user["externalUserState"], len(user["identities"])) == (guest.id, "Accepted", 1)
        methods = self.graph("GET", f"/users/{guest.id}/authentication/methods")["value"]
        kinds = [m["@odata.type"].removeprefix("#microsoft.graph.") for m in methods]
        assert kinds.count("softwareOathAuthenticationMethod") == 1, kinds

    def _decision(self) -> KitDecision:
        """Not looked up: the look would be at the database that fails."""
        return KitDecision("none", [])

    def _mailed_code(self) -> str | None:
        try:
            return super()._mailed_code()
        except Problem:
            return super()._mailed_code()

    def _transport(self) -> Any:
        elsewhere = super()._transport()

        def send(method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> Any:
            return (self.call if url.startswith(self.issuer + "/") else elsewhere)(method, url, headers, body)

        return send


def at_each_statement(
    kit: FaultyKit, fail: Callable[[int], None], sent: Callable[[], int], step: Callable[[int], None]
) -> int:
    """Takes `step` with its first statement failing, then with its second, …, until it has no more; how many requests
    were answered 503 on the way. `fail(n)` has the n-th statement from now on fail, 0 none; `sent` counts them."""
    kit.refused, n = 0, 0
    while True:
        n += 1
        fail(n)
        step(n)
        met = sent() >= n
        fail(0)
        if not met:
            assert n > 2
            return kit.refused
