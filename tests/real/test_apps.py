"""The manual's recipes for apps, followed word for word with the real clients; guests of a home tenant sign in."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
import urllib3

from b2b_idp.testing.home_tenant import Account, HomeRequest, ScriptedHome
from b2b_idp.testing.walker import Page, Walker
from tests.docs.following import followed
from tests.docs.pages import ROOT, blocks
from tests.real.go_parts import oauth2_proxy
from tests.real.nodes import HERE, free_port, missing, node
from tests.real.tls_front import certificate, tls_front

HOW_TO = ROOT / "docs" / "how-to"
BEFORE = HOW_TO / "apps.md"
ADA, BEN = "ada@fabrikam.example", "ben@fabrikam.example"


@dataclass
class Recipe:
    """A recipe that was followed: its ports by what the page calls them, and the folder that it was followed in."""

    ports: dict[str, int]
    folder: Path

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


def sign_in(url: str, email: str, walker: Walker | None = None) -> tuple[Page, Walker]:
    """Where somebody of the home ends who opens an app's page; also what b2b-idp asks at the first time is answered."""
    walker = walker or Walker()
    page = walker.get(url)
    if page.name == "home-realm":
        page = walker.submit(page, email=email)
    while page.name in ("redeem", "consent"):
        page = walker.submit(page)
    return page, walker


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
def recipe(name: str, folder: Path, **more: Any) -> Iterator[Recipe]:
    with home_tenant() as home, followed(BEFORE, HOW_TO / name, home=home.issuer, folder=folder, **more) as ports:
        yield Recipe(ports, folder)


# --- openid-client ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def openid_client(tmp_path_factory) -> Iterator[Recipe]:
    node()
    folder = tmp_path_factory.mktemp("openid-client")
    (folder / "node_modules").symlink_to(HERE / "node_modules")
    with recipe("apps-openid-client.md", folder) as done:
        yield done


def test_openid_client_gets_groups_roles_and_the_mapped_claim(openid_client):
    page, _ = sign_in(openid_client.at("3000"), ADA)
    claims = json.loads(page.text)
    assert (claims["email"], claims["roles"], claims["department"]) == (ADA, ["buyer"], "Sales")
    assert len(claims["groups"]) == 1


def test_openid_client_gets_none_of_them_for_a_guest_who_has_none(openid_client):
    page, _ = sign_in(openid_client.at("3000"), BEN)
    claims = json.loads(page.text)
    assert claims["email"] == BEN
    assert not {"groups", "roles", "department"} & claims.keys()


def test_openid_client_signs_out_here_and_there(openid_client):
    _, walker = sign_in(openid_client.at("3000"), ADA)
    page = walker.get(openid_client.at("3000", "/sign-out"))
    assert page.name == "home-realm", "back at the app, which signs in again: nobody is known any more"


# --- oauth4webapi ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def oauth4webapi(tmp_path_factory) -> Iterator[Recipe]:
    node()
    folder = tmp_path_factory.mktemp("oauth4webapi")
    (folder / "node_modules").symlink_to(HERE / "node_modules")
    with recipe("apps-oauth4webapi.md", folder) as done:
        yield done


def test_oauth4webapi_signs_in_asks_userinfo_and_refreshes(oauth4webapi):
    page, _ = sign_in(oauth4webapi.at("3000"), ADA)
    said = json.loads(page.text)
    same = ("sub", "oid", "groups", "roles", "department", "amr", "auth_time")
    assert [said["refreshed"][k] for k in same] == [said["claims"][k] for k in same]
    assert (said["claims"]["department"], said["userinfo"]["department"]) == ("Sales", "Sales")


def test_oauth4webapi_signs_in_from_a_page_of_another_origin_in_a_real_browser(oauth4webapi, browser):
    browser.goto(oauth4webapi.at("8080", "/catalogue.html"))
    browser.ask("wait", selector="main[data-page]")
    while (page := browser.where()["page"]) != "catalogue":
        if page == "home-realm":
            browser.fill("input[name=email]", ADA)
        browser.click("button[type=submit]")
        browser.ask("wait", selector="main[data-page]")
    (group,) = oauth4webapi.graph("GET", "/groups")["value"]
    assert json.loads(browser.text("main")) == {"email": ADA, "groups": [group["id"]]}


# --- oauth2-proxy ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def proxy(tmp_path_factory) -> Iterator[Recipe]:
    path = f"{oauth2_proxy().parent}{os.pathsep}{os.environ['PATH']}"
    sooner = {'cookie_refresh = "5m"': 'cookie_refresh = "1s"'}
    folder = tmp_path_factory.mktemp("oauth2-proxy")
    with recipe("apps-oauth2-proxy.md", folder, env={"PATH": path}, replaced=sooner) as done:
        yield done


def test_oauth2_proxy_lets_a_member_of_the_group_in_and_tells_the_app_who_it_is(proxy):
    page, _ = sign_in(proxy.at("4180"), ADA)
    told = json.loads(page.text)
    assert (told["X-Forwarded-Email"], told["X-Forwarded-Preferred-Username"]) == (ADA, ADA)
    assert told["X-Forwarded-Groups"] == proxy.graph("GET", "/groups")["value"][0]["id"]


def test_oauth2_proxy_keeps_out_who_is_not_in_the_group(proxy):
    page, _ = sign_in(proxy.at("4180"), BEN)
    assert (page.status, urlsplit(page.url).path) == (403, "/oauth2/callback")


def test_oauth2_proxy_puts_out_who_left_the_group_when_it_refreshes(proxy):
    _, walker = sign_in(proxy.at("4180"), ADA)
    (group,), (ada,) = (proxy.graph("GET", path)["value"] for path in ("/groups", f"/users?$filter=mail eq '{ADA}'"))
    proxy.graph("DELETE", f"/groups/{group['id']}/members/{ada['id']}/$ref")
    try:
        time.sleep(2.1)  # it counts whole seconds
        assert walker.get(proxy.at("4180")).status == 403
    finally:
        reference = {"@odata.id": f"{proxy.at('8000')}v1.0/directoryObjects/{ada['id']}"}
        proxy.graph("POST", f"/groups/{group['id']}/members/$ref", reference)


def test_oauth2_proxy_signs_out_here_and_there(proxy):
    _, walker = sign_in(proxy.at("4180"), ADA)
    (app,) = proxy.graph("GET", "/applications?$filter=displayName eq 'Intranet'")["value"]
    back = quote(proxy.at("4180"), safe="")
    end = proxy.at("8000", f"/logout?client_id={app['appId']}&post_logout_redirect_uri={back}")
    page = walker.get(proxy.at("4180", f"/oauth2/sign_out?rd={quote(end, safe='')}"))
    assert page.name == "logout"
    assert walker.submit(page).name == "home-realm"


# --- mod_auth_openidc ------------------------------------------------------------------------------------------------

MODULE = Path("/usr/lib/apache2/modules/mod_auth_openidc.so")


@pytest.fixture(scope="module")
def apache(tmp_path_factory) -> Iterator[Recipe]:
    if shutil.which("apache2", path=f"{os.environ['PATH']}:/usr/sbin") is None or not MODULE.exists():
        missing("apache2 with libapache2-mod-auth-openidc is not installed: run `make test` as root on Debian")
    path = f"{os.environ['PATH']}:/usr/sbin"
    with recipe("apps-mod-auth-openidc.md", tmp_path_factory.mktemp("apache"), env={"PATH": path}) as done:
        yield done


@pytest.mark.parametrize("place", ["/", "/buyers", "/orders", "/sales"])
def test_mod_auth_openidc_lets_in_by_group_role_and_mapped_claim(apache, place):
    page, _ = sign_in(apache.at("8080", place), ADA)
    told = json.loads(page.text)
    assert (told["Guest-Email"], told["Guest-Department"]) == (ADA, "Sales")


@pytest.mark.parametrize(("place", "status"), [("/", 200), ("/buyers", 401), ("/orders", 401), ("/sales", 401)])
def test_mod_auth_openidc_keeps_out_who_lacks_them(apache, place, status):
    walker = Walker()
    sign_in(apache.at("8080"), BEN, walker)
    assert walker.get(apache.at("8080", place)).status == status


def test_mod_auth_openidc_signs_out_here_and_there(apache):
    _, walker = sign_in(apache.at("8080"), ADA)
    back = quote(apache.at("8080"), safe="")
    page = walker.get(apache.at("8080", f"/signed-in?logout={back}"))
    assert page.name == "home-realm", "back at the site, which signs in again: nobody is known any more"


def test_mod_auth_openidc_hears_of_sessions_that_were_revoked(apache):
    page, walker = sign_in(apache.at("8080"), ADA)
    assert page.status == 200
    (ada,) = apache.graph("GET", f"/users?$filter=mail eq '{ADA}'")["value"]
    apache.graph("POST", f"/users/{ada['id']}/revokeSignInSessions")
    for _ in range(100):
        if walker.get(apache.at("8080")).name == "home-realm":
            return
        time.sleep(0.1)
    pytest.fail("the session at the site goes on")


# --- MSAL Python -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def msal(tmp_path_factory) -> Iterator[Recipe]:
    """Behind a TLS front, with a path."""
    folder, front, behind = tmp_path_factory.mktemp("msal"), free_port(), free_port()
    pem = certificate(folder)
    replaced = {"ISSUER=http://127.0.0.1:8000": f"ISSUER=https://127.0.0.1:{front}/idp"}
    with pytest.MonkeyPatch.context() as patch, tls_front(front, behind, pem):
        for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
            patch.setenv(name, str(pem))
        with recipe("apps-msal-python.md", folder, replaced=replaced, ports={"8000": behind}) as done:
            yield done


def test_msal_signs_a_guest_in_to_a_web_app_and_refreshes(msal):
    page, walker = sign_in(msal.at("5001"), ADA)
    claims = json.loads(page.text)
    assert (claims["email"], claims["roles"], claims["department"]) == (ADA, ["buyer"], "Sales")
    assert json.loads(walker.get(msal.at("5001", "/again")).text) == {"refreshed": True}


def test_msal_signs_a_guest_in_to_a_command_line_tool(msal, tmp_path):
    """The tool opens `$BROWSER`, here a script that writes down the address, and listens until the browser is back."""
    (app,) = msal.graph("GET", "/applications?$filter=displayName eq 'Budget tool'")["value"]
    issuer = json.loads((msal.folder / "admin.json").read_text())["issuer"]
    tool = next(b.text for b in blocks(HOW_TO / "apps-msal-python.md") if b.text.startswith("# tool.py"))
    asked = tmp_path / "asked"
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {asked}.part\nmv {asked}.part {asked}\n')
    browser.chmod(0o755)
    env = os.environ | {"TOOL": app["appId"], "ISSUER": issuer, "BROWSER": str(browser)}
    with subprocess.Popen([sys.executable, "-c", tool], env=env, stdout=subprocess.PIPE, text=True) as running:
        try:
            for _ in range(400):
                if asked.exists() or running.poll() is not None:
                    break
                time.sleep(0.05)
            page, walker = sign_in(asked.read_text().strip(), ADA)
            walker.submit(page)  # MSAL asks for the answer by form_post
            said, _ = running.communicate(timeout=20)
        finally:
            running.kill()
    assert said.strip() == ADA
