"""The kit as a process of its own: what an app in another language does with it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import jwt
import pytest
import urllib3

WORLD = {
    "home_tenants": [{"domain": "fabrikam.example", "trust_mfa": True, "profile": "okta"}],
    "guests": [{"email": "maria@fabrikam.example", "department": "Sales"}],
    "groups": [{"name": "Sales", "members": ["maria@fabrikam.example"]}],
    "apps": [
        {
            "name": "crm",
            "redirect_uris": ["http://127.0.0.1:3000/callback"],
            "requires": "mfa",
            "claims": {"department": "department"},
            "groupMembershipClaims": "SecurityGroup",
        }
    ],
}


def start(folder, world):
    file = folder / "world.json"
    file.write_text(json.dumps(world))
    return subprocess.Popen(
        [sys.executable, "-m", "b2b_idp.testing", "--world", str(file)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(scope="module")
def process(tmp_path_factory):
    running = start(tmp_path_factory.mktemp("kit"), WORLD)
    yield running
    running.kill()
    running.communicate()


@pytest.fixture(scope="module")
def kit(process):
    return json.loads(process.stdout.readline())


@pytest.fixture(scope="module")
def call(kit):
    def send(name, body, **headers):
        sent = {"Content-Type": "application/json"} | headers
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        answer = urllib3.request("POST", f"{kit['control']}/{name}", body=data, headers=sent)
        return answer.status, answer.json()

    return send


def test_it_says_where_it_is_and_what_there_is(kit):
    assert kit["apps"]["crm"].keys() >= {"client_id", "client_secret", "redirect_uri"}
    found = urllib3.request("GET", f"{kit['issuer']}/.well-known/openid-configuration").json()
    assert found["issuer"] == kit["issuer"]


def test_a_sign_in_gives_tokens_that_the_published_keys_verify(kit, call):
    status, done = call("sign_in", {"guest": "maria@fabrikam.example", "app": "crm", "step_up": True})
    assert (status, done["asked"]) == (200, [{"where": "home", "method": "mfa"}])
    sent = done["tokens"]["id_token"]
    key = jwt.PyJWKClient(f"{kit['issuer']}/jwks").get_signing_key_from_jwt(sent)
    claims = jwt.decode(sent, key.key, algorithms=["RS256"], audience=kit["apps"]["crm"]["client_id"])
    assert claims == done["id_token"]
    assert (claims["department"], claims["groups"]) == ("Sales", [kit["groups"]["Sales"]["id"]])


def test_a_guests_browser_goes_where_the_app_sends_it_and_comes_back_with_a_code(kit, call):
    app = kit["apps"]["crm"]
    url = f"{kit['issuer']}/authorize?client_id={app['client_id']}&redirect_uri={app['redirect_uri']}"
    url += "&response_type=code&scope=openid&state=s&nonce=n&code_challenge_method=S256&code_challenge=" + "a" * 43
    status, went = call("visit", {"guest": "maria@fabrikam.example", "url": url, "mfa": True})
    assert (status, went["finished"]) == (200, True)
    assert went["url"].startswith(f"{app['redirect_uri']}?code=")


def test_the_world_goes_on_being_furnished(kit, call):
    call("update", {"guest": "maria@fabrikam.example", "department": "Ops"})
    _, done = call("sign_in", {"guest": "maria@fabrikam.example", "app": "crm", "mfa": True})
    assert done["id_token"]["department"] == "Ops"
    _, token = call("admin_token", {})
    users = urllib3.request("GET", f"{kit['issuer']}/v1.0/users", headers={"Authorization": f"Bearer {token}"}).json()
    assert "maria@fabrikam.example" in [user["mail"] for user in users["value"]]


@pytest.mark.parametrize(
    ("name", "body", "status", "says"),
    [
        ("sign_in", {"guest": "eve@evil.example", "app": "crm"}, 404, "none of maria@fabrikam.example"),
        ("sign_in", {"guest": "maria@fabrikam.example"}, 400, "app"),
        ("sign_out", {}, 404, "none of home_tenant"),
        ("home_tenant", {"domain": "fabrikam.example"}, 400, "409"),
        ("home_tenant", {"domain": "x.example", "profile": "octa"}, 400, "say one of"),
        ("app", {"name": "x", "requires": "tea"}, 400, "say 'mfa'"),
        ("app", {"name": "x", "colour": "red"}, 400, "colour"),
        ("invite", b"[]", 400, "JSON object"),
        ("invite", b"{", 400, "JSON object"),
    ],
)
def test_a_wrong_call_is_told_what_is_wrong(call, name, body, status, says):
    answered, error = call(name, body)
    assert (answered, says in error["error_description"]) == (status, True), error


def test_a_page_of_another_site_can_call_nothing(call):
    assert call("admin_token", {}, **{"Content-Type": "text/plain"})[0] == 415


def test_it_ends_with_its_input(tmp_path):
    process = start(tmp_path, {})
    process.stdout.readline()
    process.communicate(timeout=20)
    assert process.returncode == 0


def test_it_ends_when_told_to(process, kit):
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=20) == 0


def test_a_wrong_world_is_told_plainly(tmp_path):
    process = start(tmp_path, {"homes": []})
    _, said = process.communicate(timeout=20)
    assert (process.returncode, "'homes' is none of home_tenants" in said) == (1, True)
