"""The manual's recipes for apps, followed word for word with the real clients, over http on loopback and behind nginx
over https with an issuer that has a path; guests of a home tenant sign in, refresh and sign out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from urllib.parse import quote, urlsplit

import pytest

from b2b_idp.testing.walker import SocketTransport, Walker
from tests.docs.pages import blocks
from tests.real.nodes import Browser
from tests.real.recipes import ADA, BEN, HOW_TO, HTTP, HTTPS, Apps, all_recipes, said, sign_in, sign_in_by_browser

client = pytest.mark.client
CLAIMS = {"X-Forwarded-For": "203.0.113.9"}


@pytest.fixture(scope="module", params=[HTTP, HTTPS])
def apps(request, tmp_path_factory) -> Iterator[Apps]:
    with all_recipes(request.param, tmp_path_factory.mktemp("apps")) as followed:
        yield followed


@pytest.fixture
def browser(chromium: Browser) -> Iterator[Browser]:
    """A fresh profile, which takes the front's certificate."""
    chromium.ask("new", options={"ignoreHTTPSErrors": True})
    yield chromium
    assert chromium.complaints() == []


# --- openid-client ---------------------------------------------------------------------------------------------------


@client("openid-client", "sign in")
def test_openid_client_gets_groups_roles_and_the_mapped_claim(apps):
    page, _ = sign_in(apps.at("3000"), ADA)
    claims = said(page)
    assert (claims["email"], claims["roles"], claims["department"]) == (ADA, ["buyer"], "Sales")
    assert (len(claims["groups"]), claims["iss"]) == (1, apps.issuer)


def test_openid_client_gets_none_of_them_for_a_guest_who_has_none(apps):
    claims = said(sign_in(apps.at("3000"), BEN)[0])
    assert claims["email"] == BEN
    assert not {"groups", "roles", "department"} & claims.keys()


@client("openid-client", "refresh")
def test_openid_client_refreshes(apps):
    page, walker = sign_in(apps.at("3000"), ADA)
    again = said(walker.get(apps.at("3000", "/again")))
    assert (again["sub"], again["department"]) == (said(page)["sub"], "Sales")
    assert said(walker.get(apps.at("3000", "/again")))["sub"] == again["sub"], "with the successor"


@client("openid-client", "sign out")
def test_openid_client_signs_out_here_and_there(apps):
    _, walker = sign_in(apps.at("3000"), ADA)
    page = walker.get(apps.at("3000", "/sign-out"))
    assert page.name == "home-realm", "back at the app, which signs in again: nobody is known any more"


# --- oauth4webapi ----------------------------------------------------------------------------------------------------


@client("oauth4webapi", "sign in")
@client("oauth4webapi", "refresh")
def test_oauth4webapi_signs_in_asks_userinfo_and_refreshes(apps):
    shown = said(sign_in(apps.at("3001"), ADA)[0])
    same = ("sub", "oid", "groups", "roles", "department", "amr", "auth_time")
    assert [shown["refreshed"][k] for k in same] == [shown["claims"][k] for k in same]
    assert (shown["claims"]["department"], shown["userinfo"]["department"]) == ("Sales", "Sales")


@client("oauth4webapi", "sign out")
def test_oauth4webapi_signs_out_here_and_there(apps):
    _, walker = sign_in(apps.at("3001"), ADA)
    assert walker.get(apps.at("3001", "/sign-out")).name == "home-realm"


def test_oauth4webapi_signs_in_from_a_page_of_another_origin_in_a_real_browser(apps, browser):
    browser.goto(apps.at("8081", "/catalogue.html"))
    sign_in_by_browser(browser, "catalogue")
    (group,) = apps.graph("GET", "/groups")["value"]
    assert json.loads(browser.text("main")) == {"email": ADA, "groups": [group["id"]]}


# --- oidc-client-ts, in chromium -------------------------------------------------------------------------------------

SHOWS = "main[data-page=shop]"
IN_A_FRAME = """(async () => {
  const before = await idp.getUser();
  delete before.refresh_token;
  await idp.storeUser(before);
  const after = await idp.signinSilent();
  return { sub: after.profile.sub === before.profile.sub, other: after.access_token !== before.access_token };
})()"""


@pytest.fixture
def shop(apps: Apps, browser: Browser) -> Browser:
    """Ada is signed in at the page."""
    browser.goto(apps.at("8082", "/shop.html"))
    browser.ask("wait", selector="main[data-page=nobody]")
    browser.click("#sign-in")
    sign_in_by_browser(browser, "shop")
    return browser


@client("oidc-client-ts", "sign in")
def test_oidc_client_ts_signs_in_and_asks_userinfo_from_another_origin(shop):
    assert json.loads(shop.text("main"))["email"] == ADA


@client("oidc-client-ts", "refresh")
def test_oidc_client_ts_refreshes(shop):
    before = json.loads(shop.text("main"))
    shop.ask("click", selector="#again", stays=True)
    shop.ask("wait", selector=SHOWS)
    assert json.loads(shop.text("main"))["sub"] == before["sub"]


@pytest.mark.parametrize("apps", [HTTP], indirect=True)
def test_oidc_client_ts_asks_in_a_hidden_frame_where_it_has_no_refresh_token(shop):
    assert shop.ask("evaluate", script=IN_A_FRAME)["value"] == {"sub": True, "other": True}


@client("oidc-client-ts", "sign out")
def test_oidc_client_ts_signs_out_here_and_there(shop):
    shop.click("#sign-out")
    shop.ask("wait", selector="main[data-page=nobody]")
    shop.click("#sign-in")
    shop.ask("wait", selector="main[data-page]")
    assert shop.where()["page"] == "home-realm"


# --- go-oidc ---------------------------------------------------------------------------------------------------------


@client("go-oidc", "sign in")
def test_go_oidc_signs_in_and_asks_userinfo(apps):
    claims = said(sign_in(apps.at("3002"), ADA)[0])
    assert (claims["email"], claims["roles"], claims["department"]) == (ADA, ["buyer"], "Sales")


@client("go-oidc", "refresh")
def test_go_oidc_refreshes(apps):
    page, walker = sign_in(apps.at("3002"), ADA)
    for _ in range(2):
        assert said(walker.get(apps.at("3002", "/again")))["sub"] == said(page)["sub"]


@client("go-oidc", "sign out")
def test_go_oidc_signs_out_here_and_there(apps):
    _, walker = sign_in(apps.at("3002"), ADA)
    assert walker.get(apps.at("3002", "/sign-out")).name == "home-realm"


# --- oauth2-proxy ----------------------------------------------------------------------------------------------------


@client("oauth2-proxy", "sign in")
def test_oauth2_proxy_lets_a_member_of_the_group_in_and_tells_the_app_who_it_is(apps):
    told = said(sign_in(apps.at("4180"), ADA)[0])
    assert (told["X-Forwarded-Email"], told["X-Forwarded-Preferred-Username"]) == (ADA, ADA)
    assert told["X-Forwarded-Groups"] == apps.graph("GET", "/groups")["value"][0]["id"]


def test_oauth2_proxy_keeps_out_who_is_not_in_the_group(apps):
    page, _ = sign_in(apps.at("4180"), BEN)
    assert (page.status, urlsplit(page.url).path) == (403, "/oauth2/callback")


@client("oauth2-proxy", "refresh")
def test_oauth2_proxy_puts_out_who_left_the_group_when_it_refreshes(apps):
    _, walker = sign_in(apps.at("4180"), ADA)
    time.sleep(2.1)  # it counts whole seconds
    assert walker.get(apps.at("4180")).status == 200
    (group,), (ada,) = (apps.graph("GET", path)["value"] for path in ("/groups", f"/users?$filter=mail eq '{ADA}'"))
    apps.graph("DELETE", f"/groups/{group['id']}/members/{ada['id']}/$ref")
    try:
        time.sleep(2.1)
        assert walker.get(apps.at("4180")).status == 403
    finally:
        reference = {"@odata.id": f"{apps.issuer}/v1.0/directoryObjects/{ada['id']}"}
        apps.graph("POST", f"/groups/{group['id']}/members/$ref", reference)


@client("oauth2-proxy", "sign out")
def test_oauth2_proxy_signs_out_here_and_there(apps):
    _, walker = sign_in(apps.at("4180"), ADA)
    back = quote(apps.at("4180"), safe="")
    end = f"{apps.issuer}/logout?client_id={apps.client_id('Intranet')}&post_logout_redirect_uri={back}"
    page = walker.get(apps.at("4180", f"/oauth2/sign_out?rd={quote(end, safe='')}"))
    assert page.name == "logout"
    assert walker.submit(page).name == "home-realm"


# --- mod_auth_openidc ------------------------------------------------------------------------------------------------


@client("mod_auth_openidc", "sign in")
def test_mod_auth_openidc_lets_in_by_group_role_and_mapped_claim(apps):
    walker = Walker()
    for place in ("/", "/buyers", "/orders", "/sales"):
        told = said(sign_in(apps.at("8080", place), ADA, walker)[0])
        assert (told["Guest-Email"], told["Guest-Department"]) == (ADA, "Sales")


def test_mod_auth_openidc_keeps_out_who_lacks_them(apps):
    _, walker = sign_in(apps.at("8080"), BEN)
    status = {place: walker.get(apps.at("8080", place)).status for place in ("/", "/buyers", "/orders", "/sales")}
    assert status == {"/": 200, "/buyers": 401, "/orders": 401, "/sales": 401}


@client("mod_auth_openidc", "refresh")
def test_mod_auth_openidc_refreshes(apps):
    _, walker = sign_in(apps.at("8080"), ADA)
    information = apps.at("8080", "/signed-in?info=json")
    before = said(walker.get(information))["access_token"]
    back = quote(apps.at("8080"), safe="")
    page = walker.get(apps.at("8080", f"/signed-in?refresh={back}&access_token={before}"))
    assert (page.url, page.status) == (apps.at("8080"), 200)
    assert said(walker.get(information))["access_token"] != before


@client("mod_auth_openidc", "sign out")
def test_mod_auth_openidc_signs_out_here_and_there(apps):
    _, walker = sign_in(apps.at("8080"), ADA)
    back = quote(apps.at("8080"), safe="")
    page = walker.get(apps.at("8080", f"/signed-in?logout={back}"))
    assert page.name == "home-realm", "back at the site, which signs in again: nobody is known any more"


@pytest.mark.parametrize("apps", [HTTP], indirect=True)
def test_mod_auth_openidc_hears_of_sessions_that_were_revoked(apps):
    page, walker = sign_in(apps.at("8080"), ADA)
    assert page.status == 200
    (ada,) = apps.graph("GET", f"/users?$filter=mail eq '{ADA}'")["value"]
    apps.graph("POST", f"/users/{ada['id']}/revokeSignInSessions")
    for _ in range(100):
        if walker.get(apps.at("8080")).name == "home-realm":
            return
        time.sleep(0.1)
    pytest.fail("the session at the site goes on")


# --- MSAL Python, which takes no http --------------------------------------------------------------------------------


@client("MSAL Python", "sign in")
@client("MSAL Python", "refresh")
@pytest.mark.parametrize("apps", [HTTPS], indirect=True)
def test_msal_signs_a_guest_in_to_a_web_app_and_refreshes(apps):
    page, walker = sign_in(apps.at("5001"), ADA)
    claims = said(page)
    assert (claims["email"], claims["roles"], claims["department"]) == (ADA, ["buyer"], "Sales")
    assert said(walker.get(apps.at("5001", "/again"))) == {"refreshed": True}


@client("MSAL Python", "sign out")
@pytest.mark.parametrize("apps", [HTTPS], indirect=True)
def test_msal_signs_out_here_and_there(apps):
    _, walker = sign_in(apps.at("5001"), ADA)
    page = walker.get(apps.at("5001", "/sign-out"))
    assert page.name == "logout"
    assert walker.submit(page).name == "home-realm"


@pytest.mark.parametrize("apps", [HTTPS], indirect=True)
def test_msal_signs_a_guest_in_to_a_command_line_tool(apps, tmp_path):
    """The tool opens `$BROWSER`, here a script that writes down the address, and listens until the browser is back."""
    tool = next(b.text for b in blocks(HOW_TO / "apps-msal-python.md") if b.text.startswith("# tool.py"))
    asked = tmp_path / "asked"
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {asked}.part\nmv {asked}.part {asked}\n')
    browser.chmod(0o755)
    env = os.environ | {"TOOL": apps.client_id("Budget tool"), "ISSUER": apps.issuer, "BROWSER": str(browser)}
    with subprocess.Popen([sys.executable, "-c", tool], env=env, stdout=subprocess.PIPE, text=True) as running:
        try:
            for _ in range(400):
                if asked.exists() or running.poll() is not None:
                    break
                time.sleep(0.05)
            page, walker = sign_in(asked.read_text().strip(), ADA)
            walker.submit(page)  # MSAL asks for the answer by form_post
            told, _ = running.communicate(timeout=20)
        finally:
            running.kill()
    assert told.strip() == ADA


# --- the front -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("apps", [HTTPS], indirect=True)
def test_the_log_has_the_address_that_the_front_saw_and_not_the_one_that_the_browser_claims(apps):
    real = SocketTransport()
    walker = Walker(lambda method, url, headers, body: real(method, url, {**headers, **CLAIMS}, body))
    sign_in(apps.at("3000"), ADA, walker)
    (entry,) = apps.graph("GET", "/auditLogs/signIns?$top=1")["value"]
    assert (entry["appId"], entry["ipAddress"]) == (apps.client_id("Orders"), "127.0.0.1")
