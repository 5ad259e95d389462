"""PyPI oidc-provider-mock as a home tenant: it knows no amr, no acr and no step-up, and overlooks who asks for them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import urllib3

from tests.ports import free_port

START = 20.0
"""Seconds that it may take to get ready."""
_REQUEST = re.compile(r'"(GET|POST) (/oauth2/authorize\S*) HTTP')


@dataclass(frozen=True)
class WordlessHome:
    """A running one. Its one question is whether to go on as somebody; any client secret will do."""

    issuer: str
    written: Path
    client_id: str = "b2b-idp"
    client_secret: str = "any"
    domain: str = "wordless.example"

    def requests(self, email: str) -> list[dict[str, str]]:
        """The parameters of each authorization request for them, in order, by its own access log."""
        return [asked for method, asked in self._log(email) if method == "GET"]

    def trips(self, email: str) -> int:
        """How often their browser was sent there."""
        return len(self.requests(email))

    def asked(self, email: str) -> list[str]:
        """The questions that they answered; nobody can say which factor that was."""
        return ["unknown" for method, _ in self._log(email) if method == "POST"]

    def answers(self, email: str) -> dict[str, str]:
        """What a person types, by field."""
        return {"sub": email}

    def _log(self, email: str) -> list[tuple[str, dict[str, str]]]:
        found = _REQUEST.findall(self.written.read_text())
        log = [(method, dict(parse_qsl(urlsplit(path).query))) for method, path in found]
        return [(method, asked) for method, asked in log if asked.get("login_hint") == email]


@contextmanager
def wordless_home(emails: list[str]) -> Iterator[WordlessHome]:
    """A home with these persons, by address."""
    port = free_port()
    users = [json.dumps({"sub": email, "email": email, "email_verified": True, "name": "Wil"}) for email in emails]
    with tempfile.TemporaryDirectory() as folder:
        home = WordlessHome(f"http://127.0.0.1:{port}", Path(folder) / "log")
        with home.written.open("wb") as out:
            process = subprocess.Popen(
                [
                    *(sys.executable, "-W", "ignore", "-m", "oidc_provider_mock", "--port", str(port)),
                    *(argument for user in users for argument in ("--user-claims", user)),
                ],
                stderr=out,
            )
        try:
            _wait(home, process)
            yield home
        finally:
            process.kill()
            process.wait()


def _wait(home: WordlessHome, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + START
    while time.monotonic() < until and process.poll() is None:
        try:
            urllib3.request("GET", f"{home.issuer}/.well-known/openid-configuration", retries=False, timeout=5)
            return
        except urllib3.exceptions.HTTPError:
            time.sleep(0.1)
    raise AssertionError(f"oidc-provider-mock did not get ready\n{home.written.read_text()}")
