"""A home that hangs is nobody's trouble but its own guests'."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlencode

import pytest

from b2b_idp.testing.kit import Kit
from b2b_idp.testing.walker import Walker
from b2b_idp.testing.wsgi import exchange

THREADS = 32
"""As many requests as a server answers at once."""


@pytest.fixture
def server() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(THREADS) as threads:
        yield threads


def test_forty_sign_ins_at_a_home_that_hangs_keep_nobody_elses_guest_waiting(
    b2b_idp: Kit, server: ThreadPoolExecutor
) -> None:
    b2b_idp.home_tenant("fabrikam.example", trust_mfa=True)
    app = b2b_idp.app("CRM", requires="mfa")
    ada = b2b_idp.invite("ada@fabrikam.example")
    assert b2b_idp.sign_in(ada, app, mfa=True).error is None
    hanging = b2b_idp.home_tenant("slow.example")
    hanging.provider.stop()
    silent = hanging.provider._server
    # the port is bound and nobody ever takes a connection from it
    assert silent._held is not None
    silent._held.listen(64)
    crowd = [b2b_idp.invite(f"guest{n}@slow.example") for n in range(40)]

    def served(method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> Any:
        """As a server with so many threads does it: a request waits until one is free."""
        if not url.startswith(b2b_idp.issuer + "/"):
            return ada.driver.walker._transport(method, url, headers, body)
        return server.submit(exchange, b2b_idp.flask, method, url, headers, body).result()

    query = {"client_id": app.client_id, "redirect_uri": app.redirect_uri, "response_type": "code", "scope": "openid"}
    query |= {"code_challenge": "a" * 43, "code_challenge_method": "S256"}
    start = f"{b2b_idp.issuer}/authorize?{urlencode(query)}"
    waiting = [
        server.submit(exchange, b2b_idp.flask, "GET", f"{start}&login_hint={guest.email}", {}) for guest in crowd
    ]
    browser = Walker(served, b2b_idp._is_outside)
    # those who are turned away at once cost this process's time, not the hanging home's: they are let go first
    settled = time.monotonic() + 3
    while sum(not w.done() for w in waiting) > THREADS // 2 and time.monotonic() < settled:
        time.sleep(0.01)
    began = time.monotonic()
    page = browser.get(f"{start}&login_hint={ada.email}")
    assert time.monotonic() - began < 1
    assert page.status == 0 or page.name != "error"
    assert sum(not w.done() for w in waiting) <= THREADS // 2
    silent.release()
    answers = [w.result() for w in waiting]
    assert {status for status, _, _ in answers} <= {200, 303, 400, 503}
