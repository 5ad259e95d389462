"""Launchers of the parts nobody here wrote: a home tenant, a relying party, a browser; node processes.

They speak JSON, a line each way. A missing part skips the test with the reason; with CI=true it fails.
"""

from __future__ import annotations

import json
import os
import queue
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import IO, Any, NoReturn, Self

import pytest
import urllib3

from tests.ports import free_port

HERE = Path(__file__).parent
OLDEST_NODE = (20, 19)
START = 30.0
"""Seconds a part may take to get ready."""
ANSWER = 30.0
"""Seconds a part may take for one answer."""
_http = urllib3.PoolManager(retries=False, timeout=10)


class NodeError(AssertionError):
    """A part answered `{"ok": false}`. `code`: its error code, e.g. `invalid_grant`."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


def missing(reason: str) -> NoReturn:
    """Skips the running test because a part of the machine is missing; with CI=true, fails it."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def node() -> str:
    """Path of a node that is new enough, with the packages in place."""
    path = shutil.which("node")
    if path is None:
        missing("node is not installed")
    said = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    major, minor = said.removeprefix("v").split(".")[:2]
    if (int(major), int(minor)) < OLDEST_NODE:
        missing(f"node {said} is too old, {OLDEST_NODE[0]}.{OLDEST_NODE[1]} is needed: run `make test`")
    if not (HERE / "node_modules").is_dir():
        missing("tests/real/node_modules is missing: run `make test`, or `npm ci` in tests/real")
    return path


def chromium() -> str:
    """Path of the system's chromium."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        missing("chromium is not installed")
    return path


def free_ports(count: int) -> int:
    """The first of so many loopback ports in a row that nobody listens on just now."""
    while True:
        first = free_port()
        try:
            for port in range(first, first + count):
                with socket.socket() as listener:
                    listener.bind(("127.0.0.1", port))
        except OSError:
            continue
        return first


@dataclass(frozen=True)
class Landing:
    """A page at `url` where an app's users come back; `arrived` has each request's whole URL, in order."""

    url: str
    arrived: list[str] = field(default_factory=list)


@contextmanager
def landing() -> Iterator[Landing]:
    """A redirect URI that somebody listens at, for relying parties driven by a browser."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.startswith("/callback"):
                place.arrived.append(place.url.removesuffix("/callback") + self.path)
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!doctype html><title>App</title><main data-page='app'>Back at the app</main>")

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        place = Landing(f"http://127.0.0.1:{server.server_port}/callback")
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield place
        finally:
            server.shutdown()


class NodeProcess:
    """One node script: started and ready on entry, gone on exit."""

    def __init__(self, script: str, config: Mapping[str, Any] | None = None) -> None:
        argv = [node(), str(HERE / script), json.dumps(config or {})]
        self._process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=HERE
        )
        self._said: queue.Queue[str] = queue.Queue()
        self._complaints: list[str] = []
        assert self._process.stdout and self._process.stderr
        for stream, take in (
            (self._process.stdout, self._said.put),
            (self._process.stderr, self._complaints.append),
        ):
            threading.Thread(target=self._pump, args=(stream, take), daemon=True).start()
        try:
            self.ready = self._next(START)
        except BaseException:
            self.stop()
            raise

    def _pump(self, stream: IO[str], take: Callable[[str], object]) -> None:
        for line in stream:
            take(line)
        if stream is self._process.stdout:
            self._said.put("")

    def _next(self, seconds: float) -> dict[str, Any]:
        try:
            line = self._said.get(timeout=seconds)
        except queue.Empty:
            line = ""
        if not line:
            raise AssertionError(f"no answer from {self._process.args!r}\n{''.join(self._complaints)}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def ask(self, command: str, **parameters: Any) -> dict[str, Any]:
        """Its answer to one command. Raises NodeError for a refusal, AssertionError for silence."""
        assert self._process.stdin
        self._process.stdin.write(json.dumps({"do": command, **parameters}) + "\n")
        self._process.stdin.flush()
        answer = self._next(ANSWER)
        if not answer.pop("ok"):
            raise NodeError(answer["error"], answer["message"])
        return answer

    def stop(self) -> None:
        """Ends the process: by the end of its input, else by force."""
        assert self._process.stdin
        self._process.stdin.close()
        try:
            self._process.wait(timeout=0.5 if self._process.poll() is None else 0)
        except subprocess.TimeoutExpired:
            self._process.terminate()
            self._process.wait(timeout=5)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


@dataclass(frozen=True)
class ForeignHome:
    """A running home tenant. `client_id`, `client_secret`: what the provider under test uses there."""

    issuer: str
    client_id: str
    client_secret: str
    domain: str = "foreign.example"

    @property
    def log(self) -> list[dict[str, Any]]:
        """What it was asked, in order: authorize (`params`, `pushed`), challenge (`login`, `factor`)."""
        asked: list[dict[str, Any]] = _http.request("GET", f"{self.issuer}/_log").json()
        return asked

    @property
    def calls(self) -> list[dict[str, Any]]:
        """What the provider under test called itself, in order: token, userinfo (`status`, `auth`, `proof`)."""
        made: list[dict[str, Any]] = _http.request("GET", f"{self.issuer}/_calls").json()
        return made

    @property
    def requests(self) -> list[dict[str, str]]:
        """The parameters of each authorization request, in order."""
        return [entry["params"] for entry in self.log if entry["kind"] == "authorize"]

    def trips(self, email: str) -> int:
        """How often their browser was sent here."""
        return len([asked for asked in self.requests if asked.get("login_hint") == email])

    def asked(self, email: str) -> list[str]:
        """The factors that they passed here, "pwd" or "otp", in order."""
        return [entry["factor"] for entry in self.log if entry["kind"] == "challenge" and entry["login"] == email]

    def answers(self, email: str) -> dict[str, str]:
        """What a person types, by field."""
        return {"login": email, "password": "password", "otp": "123456"}


@contextmanager
def foreign_home(
    accounts: Mapping[str, Mapping[str, Any]],
    redirect_uri: Callable[[str], str],
    domain: str = "foreign.example",
    port: int | None = None,
    **config: Any,
) -> Iterator[ForeignHome]:
    """A home tenant by npm oidc-provider.

    `accounts`: login to `sub`, `factors` ("pwd" | "mfa" | "ask") and claims; the password is `password`, the
    code 123456. `redirect_uri`: from the home's issuer to the provider's callback there. `config`: see
    home/home.mjs.
    """
    port = port or free_port()
    issuer = f"http://{config.get('host', '127.0.0.1')}:{port}"
    home = ForeignHome(issuer, "b2b-idp", "secret-of-b2b-idp-at-this-home", domain)
    given = {
        "port": port,
        "clientId": home.client_id,
        "clientSecret": home.client_secret,
        "redirectUri": redirect_uri(issuer),
        "accounts": accounts,
    }
    with NodeProcess("home/home.mjs", given | config):
        yield home


class RelyingParty(NodeProcess):
    """A relying party by npm openid-client; checks what it is sent as its authors see fit."""

    def __init__(self) -> None:
        super().__init__("rp/rp.mjs")

    def start(self, issuer: str, client_id: str, redirect_uri: str, **options: Any) -> str:
        """URL of an authorization request with PKCE, state, nonce. `options`: see rp/rp.mjs."""
        answer = self.ask("start", issuer=issuer, client_id=client_id, redirect_uri=redirect_uri, **options)
        url: str = answer["url"]
        return url

    def key(self) -> dict[str, str]:
        """The public half of a new key of its own (a JWK), by which it authenticates and signs from now on."""
        jwk: dict[str, str] = self.ask("key")["jwk"]
        return jwk

    def register(self, issuer: str, token: str, metadata: dict[str, Any]) -> dict[str, Any]:
        """What it registered of itself by an initial access token (RFC 7591); a start with `registered` follows."""
        client: dict[str, Any] = self.ask("register", issuer=issuer, token=token, metadata=metadata)["client"]
        return client

    def finish(self, callback: str, *, keep: bool = False) -> dict[str, Any]:
        """What came of it: claims, userinfo, refreshed, introspected, revoked (see rp/rp.mjs). `keep`: the tokens, for
        `refresh` and `end`."""
        return self.ask("finish", url=callback, keep=keep)

    def refresh(self, which: str = "newest") -> dict[str, Any]:
        """The id_token's claims after a refresh with the `first` refresh token or the `newest`."""
        claims: dict[str, Any] = self.ask("refresh", which=which)["claims"]
        return claims

    def end(self, back: str) -> str:
        """Where a browser signs out, and comes `back`."""
        url: str = self.ask("end", post_logout_redirect_uri=back)["url"]
        return url


class Browser(NodeProcess):
    """Chromium, headless. Moving commands answer `{url, status, page}`; selectors are Playwright's."""

    def __init__(self, *, javascript: bool = True) -> None:
        super().__init__("browser/browser.mjs", {"executable": chromium(), "javascript": javascript})

    def goto(self, url: str) -> dict[str, Any]:
        """Opens `url`, redirects included."""
        return self.ask("goto", url=url)

    def where(self) -> dict[str, Any]:
        """The page it shows."""
        return self.ask("where")

    def fill(self, selector: str, value: str) -> None:
        """Types `value` into a field."""
        self.ask("fill", selector=selector, value=value)

    def click(self, selector: str) -> dict[str, Any]:
        """Clicks, and waits for the page it leads to."""
        return self.ask("click", selector=selector)

    def text(self, selector: str = "body") -> str:
        """What a person reads there."""
        said: str = self.ask("text", selector=selector)["text"]
        return said

    def complaints(self) -> list[str]:
        """The errors in its console since last asked, each with the page's address."""
        said: list[str] = self.ask("complaints")["complaints"]
        return said
