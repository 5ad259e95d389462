"""Each test is a look for leaks (`tests/canaries.py`); here, that the look finds them, wherever they are."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from b2b_idp.extension import system_moment
from b2b_idp.logs import log
from b2b_idp.testing import Kit
from b2b_idp.testing.wsgi import exchange
from b2b_idp.tracing import Span
from tests.canaries import WATCH

HANDLE = "AT" + "a1" * 29
JWT = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2VjcmV0c2VjcmV0"


@pytest.fixture
def hits() -> Iterator[Any]:
    """What was found so far; what was said is then forgotten, so that this test itself is well."""

    def found() -> list[str]:
        told = WATCH.hits()
        WATCH.said.clear()
        return told

    yield found
    WATCH.said.clear()


@pytest.mark.parametrize(
    "secret",
    [
        JWT,
        "b2bs_" + "x" * 43,
        "postgresql://b2b:hunter2@db/idp",
        "-----BEGIN PRIVATE KEY-----",
        HANDLE,
    ],
    ids=["token", "client secret", "database password", "private key", "handle"],
)
def test_a_secret_is_known_by_its_shape_and_not_repeated(hits: Any, secret: str) -> None:
    log.info("planted", why=f"it was {secret}.")
    (hit,) = hits()
    assert hit.startswith("a log: ")
    assert secret not in hit


def test_a_secret_is_known_from_who_makes_it_and_from_who_sends_it(hits: Any, b2b_idp: Kit) -> None:
    b2b_idp.home_tenant("northwind.example")
    b2b_idp.sign_in(b2b_idp.invite("nora@northwind.example"), b2b_idp.app("crm", requires="mfa"), amr=["pwd"])
    exchange(b2b_idp.flask, "GET", f"{b2b_idp.issuer}/redeem?ticket=a-hand-made-ticket", {"Cookie": "a=of-an-old-day"})
    exchange(b2b_idp.flask, "GET", f"{b2b_idp.issuer}/v1.0/users", {"Authorization": "Bearer not-a-token-of-ours"})
    body = b'{"displayName": "x", "a": [{"clientSecret": "of-some-home"}]}'
    sent = {"Authorization": f"Bearer {b2b_idp.admin_token()}", "Content-Type": "application/json"}
    exchange(b2b_idp.flask, "POST", f"{b2b_idp.issuer}/v1.0/groups", sent, body)
    assert hits() == []
    kinds = {*WATCH.made.values(), *WATCH.sent.values()}
    assert kinds >= {"code", "state", "session", "browser", "ticket", "TOTP secret", "recovery", "csrf", "clientSecret"}
    for secret in ("a-hand-made-ticket", "of-an-old-day", "not-a-token-of-ours", "of-some-home"):
        log.debug("planted", what=secret)
        assert len(hits()) == 1, secret


class NoSpan:
    """What takes attributes, with no exporter behind it."""

    _span = SimpleNamespace(set_attributes=lambda about: None)


def test_every_place_is_looked_at(hits: Any, b2b_idp: Kit) -> None:
    entry = {"id": "1", "activityDisplayName": JWT}
    bearer = {"Authorization": f"Bearer {b2b_idp.admin_token()}"}
    b2b_idp.idp.store.transact(lambda w: w.logs.add_audit(entry, system_moment().at))
    b2b_idp.idp.store.transact(lambda w: w.logs.add_signin(entry, system_moment().at))
    Span.set(NoSpan(), {"b2b_idp.token": JWT})  # type: ignore[arg-type]
    # an error that repeats what it was sent
    exchange(b2b_idp.flask, "GET", f"{b2b_idp.issuer}/v1.0/users?$filter={HANDLE}%20eq%201", bearer)
    WATCH.server_log().write(f'{{"event": "{JWT}"}}\n'.encode())
    places = [hit.partition(":")[0] for hit in hits()]
    assert sorted(places) == ["a server's log", "a span", "an answer of status 400", "the audit log", "the sign-in log"]


def test_the_words_of_a_library_are_not_in_our_log_at_all(hits: Any) -> None:
    for name in ("sqlalchemy.engine", "anything"):
        logging.getLogger(name).warning("parameters: %s", JWT)
    try:
        raise ValueError(JWT)
    except ValueError:
        logging.getLogger("anything").exception("it failed")
    assert [line for where, line in WATCH.said if "a library logged" in line]
    assert hits() == []
