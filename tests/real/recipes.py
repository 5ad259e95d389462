"""The manual's recipes for apps, all followed word for word beside one instance: over http on loopback, or behind nginx
over https with an issuer that has a path."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import urllib3

from b2b_idp.testing.home_tenant import Account, HomeRequest, ScriptedHome
from b2b_idp.testing.walker import Page, Walker
from tests.docs.following import followed
from tests.docs.pages import ROOT
from tests.ports import free_port
from tests.real.go_parts import MODULES, PINNED, QUICKLY, go, oauth2_proxy
from tests.real.nodes import HERE, Browser, missing, node
from tests.real.tls_front import PAGE as TLS_FRONT
from tests.real.tls_front import planned_front

HTTP, HTTPS = "http loopback", "https with an issuer path"
HOW_TO = ROOT / "docs" / "how-to"
BEFORE = HOW_TO / "apps.md"
ADA, BEN = "ada@fabrikam.example", "ben@fabrikam.example"
MODULE = Path("/usr/lib/apache2/modules/mod_auth_openidc.so")
ONLY_HTTPS = ["apps-msal-python.md"]
"""MSAL takes no issuer over http, nor one without a path."""


@dataclass
class Apps:
    """The recipes were followed in `folder`; `ports` by what the pages call them."""

    ports: dict[str, int]
    folder: Path
    issuer: str

    def at(self, port: str, path: str = "/") -> str:
        return f"http://127.0.0.1:{self.ports[port]}{path}"

    def graph(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """A call as the administrator whom the page made."""
        made = json.loads((self.folder / "admin.json").read_text())
        admin, http = made["admin"], urllib3.PoolManager(retries=False)
        form = {"grant_type": "client_credentials", "scope": f"{made['issuer']}/.default"}
        form |= {"client_id": admin["clientId"], "client_secret": admin["clientSecret"]}
        token = http.request("POST", admin["tokenEndpoint"], fields=form, encode_multipart=False).json()
        bearer = {"Authorization": f"Bearer {token['access_token']}"}
        answer = http.request(method, made["graph"] + path, json=body, headers=bearer)
        assert answer.status < 400, answer.data
        return answer.json() if answer.data else None

    def client_id(self, name: str) -> str:
        (app,) = self.graph("GET", f"/applications?$filter=displayName eq '{name}'")["value"]
        found: str = app["appId"]
        return found


@contextmanager
def home_tenant() -> Iterator[ScriptedHome]:
    """A home that believes whoever comes to be who they said they are."""

    def respond(asked: HomeRequest) -> dict[str, Any]:
        email = asked.parameters["login_hint"]
        name = email.partition("@")[0]
        return {
            **Account(sub=name, email=email, name=name.title()).claims(),
            "amr": ["pwd"],
            "auth_time": int(time.time()),
        }

    with ScriptedHome("fabrikam.example", client_id="b2b-idp", client_secret="the-secret-from-there") as home:
        home.respond = respond
        yield home


@contextmanager
def all_recipes(way: str, folder: Path) -> Iterator[Apps]:
    """`way`: HTTP or HTTPS. Skips the test, with CI=true fails it, where a client is not installed."""
    node()
    if shutil.which("apache2", path=f"{os.environ['PATH']}:/usr/sbin") is None or not MODULE.exists():
        missing("apache2 with libapache2-mod-auth-openidc is not installed: run `make test` as root on Debian")
    path = [str(oauth2_proxy().parent), os.environ["PATH"], "/usr/sbin", str(Path(go()).parent)]
    compiled_alike = " ".join([PINNED["GOFLAGS"], *(f"'{flag}'" for flag in QUICKLY)])
    env = PINNED | {"PATH": os.pathsep.join(path), "GOFLAGS": compiled_alike}
    (folder / "node_modules").symlink_to(HERE / "node_modules")
    for file in ("go.mod", "go.sum"):
        shutil.copy(MODULES / file, folder)
    replaced = {
        'cookie_refresh = "5m"': 'cookie_refresh = "1s"',
        "OIDCClaimPrefix Guest-\n": "OIDCClaimPrefix Guest-\nOIDCInfoHook access_token\n",
    }
    pages = [p for p in sorted(HOW_TO.glob("apps-*.md")) if way == HTTPS or p.name not in ONLY_HTTPS]
    with home_tenant() as home:
        if way == HTTP:
            yield from _follow([BEFORE, *pages], home, folder, replaced, env, free_port())
            return
        front = planned_front(folder, free_port())
        replaced |= {"ISSUER=http://127.0.0.1:8000": f"ISSUER={front.issuer}", **front.replaced}
        with pytest.MonkeyPatch.context() as patch, TemporaryDirectory() as readable:
            for name, value in front.env.items():
                patch.setenv(name, value)
            Path(readable).chmod(0o755)  # Apache reads it as www-data
            authority = shutil.copy(front.authority, readable)
            replaced["OIDCInfoHook"] = f"OIDCCABundlePath {authority}\nOIDCInfoHook"
            yield from _follow([TLS_FRONT, BEFORE, *pages], home, folder, replaced, env, front.backend)


def _follow(
    pages: Sequence[Path],
    home: ScriptedHome,
    folder: Path,
    replaced: dict[str, str],
    env: dict[str, str],
    server: int,
) -> Iterator[Apps]:
    chosen = {"8000": server}
    with followed(*pages, home=home.issuer, folder=folder, replaced=replaced, env=env, ports=chosen) as ports:
        issuer = json.loads((folder / "admin.json").read_text())["issuer"]
        yield Apps(ports, folder, issuer)


def sign_in(url: str, email: str, walker: Walker | None = None) -> tuple[Page, Walker]:
    """Where somebody of the home ends who opens an app's page; also what b2b-idp asks at the first time is answered."""
    walker = walker or Walker()
    page = walker.get(url)
    if page.name == "home-realm":
        page = walker.submit(page, email=email)
    while page.name in ("redeem", "consent"):
        page = walker.submit(page)
    return page, walker


def said(page: Page) -> dict[str, Any]:
    """The JSON that a page is."""
    assert page.status == 200, (page.url, page.text[-800:])
    found: dict[str, Any] = json.loads(page.text)
    return found


def sign_in_by_browser(browser: Browser, until: str) -> None:
    """From the page that asks for the address to the app's page that is called `until`."""
    browser.ask("wait", selector="main[data-page]")
    while (page := browser.where()["page"]) != until:
        if page == "home-realm":
            browser.fill("input[name=email]", ADA)
        browser.click("button[type=submit]")
        browser.ask("wait", selector="main[data-page]")
