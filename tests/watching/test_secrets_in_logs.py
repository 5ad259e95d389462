"""What is logged: every secret that goes over the wire, in or out, is looked for in every line, at DEBUG."""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
import structlog

from b2b_idp.logs import _Foreign
from b2b_idp.net.http import Http
from b2b_idp.testing import Kit
from b2b_idp.testing.wsgi import exchange

NAMES = frozenset(
    "code state nonce ticket client_secret client_assertion refresh_token access_token id_token id_token_hint "
    "logout_token code_verifier code_challenge csrf credential token secret secretText temporaryAccessPass password "
    "email login_hint".split()
)
"""Parameters, fields and members that are secret, or personal."""


class Tap:
    """Everything secret that the provider was sent, sends, or gets from homes."""

    def __init__(self) -> None:
        self.seen: dict[str, str] = {}

    def value(self, name: str, value: str) -> None:
        # a code of six digits may stand in a line by chance: those are compared as words
        if len(value) >= 6:
            self.seen[value] = name

    def pairs(self, text: str) -> None:
        for name, value in parse_qsl(text):
            if name in NAMES:
                self.value(name, value)

    def members(self, body: bytes) -> None:
        try:
            document = json.loads(body)
        except ValueError:
            return
        for name, value in document.items() if isinstance(document, dict) else ():
            if name in NAMES and isinstance(value, str):
                self.value(name, value)

    def cookies(self, headers: list[tuple[str, str]]) -> None:
        for name, value in headers:
            if name.lower() == "set-cookie":
                self.value("cookie", value.partition("=")[2].partition(";")[0])
            if name.lower() == "location":
                self.pairs(value.partition("?")[2])

    def found_in(self, lines: list[str]) -> list[tuple[str, str]]:
        text = "\n".join(lines)
        return [(n, v) for v, n in self.seen.items() if re.search(rf"(?<!\w){re.escape(v)}(?!\w)", text)]


@contextmanager
def tapped(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tap]:
    tap, inner, send = Tap(), kit.flask.wsgi_app, Http._send

    def outer(environ: dict[str, Any], start_response: Any) -> Any:
        body = environ["wsgi.input"].read()
        environ["wsgi.input"] = io.BytesIO(body)
        tap.pairs(environ["QUERY_STRING"])
        tap.pairs(body.decode("latin-1"))
        tap.members(body)
        scheme, _, bearer = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
        tap.value(scheme, bearer)

        def answer(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            tap.cookies(headers)
            return start_response(status, headers, exc_info)

        chunks = list(inner(environ, answer))
        tap.members(b"".join(chunks))
        return chunks

    def upstream(self: Http, method: Any, url: str, body: bytes | None, headers: dict[str, str]) -> Any:
        tap.pairs((body or b"").decode())
        answer = send(self, method, url, body, headers)
        tap.members(answer.body)
        return answer

    monkeypatch.setattr(kit.flask, "wsgi_app", outer)
    monkeypatch.setattr(Http, "_send", upstream)
    yield tap


@contextmanager
def every_line() -> Iterator[tuple[list[dict[str, Any]], list[str]]]:
    """The events of ours, and what is printed of the libraries', all at DEBUG."""
    printed: list[str] = []

    class Printed(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            printed.append(_Foreign().format(record))

    root, handler = logging.getLogger(), Printed(logging.DEBUG)
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        with structlog.testing.capture_logs([structlog.contextvars.merge_contextvars]) as events:
            yield events, printed
    finally:
        root.removeHandler(handler)
        root.setLevel(before)
        structlog.reset_defaults()


def attempts(kit: Kit, client: tuple[str, str]) -> None:
    """What a stranger, a broken app or a curious one sends, each with a canary of its own."""
    canary = iter(f"canary-{n}-0123456789abcdef" for n in range(100))
    for form in (
        {"grant_type": "authorization_code", "code": next(canary), "code_verifier": next(canary)},
        {"grant_type": "refresh_token", "refresh_token": next(canary)},
        {"grant_type": "authorization_code", "client_secret": next(canary), "client_id": client[0]},
        {"grant_type": "client_credentials", "client_assertion": f"a.{next(canary)}.c", "client_id": client[0]},
    ):
        body = urlencode(form | ({} if "client_id" in form else {"client_id": client[0], "client_secret": client[1]}))
        form_type = {"Content-Type": "application/x-www-form-urlencoded"}
        assert exchange(kit.flask, "POST", f"{kit.issuer}/token", form_type, body.encode())[0] in (400, 401)
    for path in (
        f"/redeem?ticket={next(canary)}",
        f"/federation/{next(canary)}/callback?code={next(canary)}&state={next(canary)}",
        f"/authorize?client_id={client[0]}&id_token_hint={next(canary)}&state={next(canary)}&redirect_uri=x",
        f"/logout?id_token_hint={next(canary)}",
        f"/no-such-page?token={next(canary)}",
    ):
        exchange(kit.flask, "GET", kit.issuer + path, {"traceparent": next(canary), "Cookie": f"a={next(canary)}"})
    for path in ("/userinfo", "/v1.0/users", "/v1.0/me", "/metrics"):
        exchange(kit.flask, "GET", kit.issuer + path, {"Authorization": f"Bearer {next(canary)}"})


def test_no_secret_of_a_whole_life_of_an_instance_is_in_any_line(b2b_idp: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    with tapped(b2b_idp, monkeypatch) as tap, every_line() as (events, printed):
        b2b_idp.home_tenant("fabrikam.example", trust_mfa=True)
        b2b_idp.home_tenant("northwind.example")
        app = b2b_idp.app("crm", requires="mfa")
        for email in ("ada@fabrikam.example", "nora@northwind.example", "pat@nowhere.example"):
            guest = b2b_idp.invite(email)
            b2b_idp.sign_in(guest, app, amr=["pwd"], scope="openid email offline_access")
            b2b_idp.sign_in(guest, app, prompt="none", max_age="0")
        attempts(b2b_idp, (app.client_id, app.client_secret))
    lines = [json.dumps({k: v for k, v in e.items() if k != "seconds"}) for e in events] + printed
    assert len(tap.seen) > 60
    assert {"code", "state", "client_secret", "refresh_token", "csrf", "cookie", "ticket"} <= set(tap.seen.values())
    assert tap.found_in(lines) == []
    assert {e["event"] for e in events} >= {"request", "refused", "sign-in refused", "sign-in ended"}


def test_the_search_finds_what_is_there(b2b_idp: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    with tapped(b2b_idp, monkeypatch) as tap, every_line() as (_, printed):
        exchange(b2b_idp.flask, "GET", f"{b2b_idp.issuer}/redeem?ticket=canary-0123456789", {})
        logging.getLogger("library").warning("it got %s", "canary-0123456789")
    assert tap.found_in(["a line with canary-0123456789 in it"]) == [("ticket", "canary-0123456789")]
    assert tap.found_in(printed) == []
    assert '"logger": "library"' in printed[-1]


def test_a_sign_in_is_followed_by_its_correlation_id_from_line_to_page_to_log(b2b_idp: Kit) -> None:
    b2b_idp.home_tenant("northwind.example")
    app, nora = b2b_idp.app("crm"), b2b_idp.invite("nora@northwind.example")
    b2b_idp.update(nora, accountEnabled=False)
    with every_line() as (events, _):
        refused = b2b_idp.sign_in(nora, app)
    assert refused.error is not None
    entry = b2b_idp.graph("GET", "/auditLogs/signIns?$top=1")["value"][0]
    told = next(e for e in events if e["event"] == "sign-in refused")
    assert told["correlation_id"] == entry["correlationId"]
    of_steps = [e for e in events if e["event"] == "request" and e["correlation_id"] == entry["correlationId"]]
    assert len(of_steps) >= 2


def test_a_line_of_a_graph_call_carries_the_ids_that_its_answer_has(b2b_idp: Kit) -> None:
    mine = "0b1ca7d8-7b1f-4a5c-9a3e-6f1c2d3e4f50"
    with every_line() as (events, _):
        _, headers, _ = exchange(b2b_idp.flask, "GET", f"{b2b_idp.issuer}/v1.0/users", {"client-request-id": mine})
        exchange(b2b_idp.flask, "GET", f"{b2b_idp.issuer}/healthz", {})
    first, second = [e for e in events if e["event"] == "request"]
    assert first["correlation_id"] == dict(headers)["request-id"]
    assert first["client_request_id"] == mine
    assert second["correlation_id"] != first["correlation_id"]
    assert "client_request_id" not in second


def test_n_156_what_somebody_sends_forges_no_line_and_no_id(b2b_idp: Kit) -> None:
    hostile = '0\\n{"level":"error"}'
    with every_line() as (events, _):
        exchange(b2b_idp.flask, "GET", f"{b2b_idp.issuer}/v1.0/users", {"client-request-id": hostile})
        exchange(b2b_idp.flask, "BREW", f"{b2b_idp.issuer}/{hostile}", {"User-Agent": hostile})
    assert hostile not in json.dumps(events)
    assert events[-1]["method"] == "_OTHER"
