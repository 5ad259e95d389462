"""`b2b-idp token`: a test token by a real sign-in in the demo world, and nowhere else."""

from __future__ import annotations

import json
import subprocess
import sys

import jwt
import pytest
import urllib3
from click.testing import CliRunner

from b2b_idp.cli import main
from b2b_idp.demo.world import World
from b2b_idp.testing.kit import Kit
from tests.demo.test_story import four_free_ports


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    world = World(tmp_path_factory.mktemp("demo"), four_free_ports())
    yield world
    world.stop()


@pytest.fixture
def token(demo):
    def run(*arguments):
        port = demo.issuer.rpartition(":")[2]
        return CliRunner().invoke(main, ["token", "--port", port, *arguments])

    return run


@pytest.mark.parametrize(("kind", "audience"), [("id_token", True), ("access_token", False)])
def test_the_token_is_verified_by_the_running_demos_published_keys(demo, token, kind, audience):
    sent = token("--token", kind).stdout.strip()
    key = jwt.PyJWKClient(f"{demo.issuer}/jwks").get_signing_key_from_jwt(sent)
    aud = demo.apps["Contoso Expenses"].client_id if audience else demo.issuer
    claims = jwt.decode(sent, key.key, algorithms=["RS256", "ES256"], audience=aud, issuer=demo.issuer)
    assert (claims["acct"], claims["idp"]) == (1, demo.homes["fabrikam"].issuer)


def test_what_the_home_says_is_chosen_and_the_decision_follows(token):
    done = json.loads(token("--guest", "ben@fabrikam.example", "--amr", "pwd,otp", "--json").stdout)
    assert (done["claims"]["idToken"]["amr"], done["asked"]) == (["pwd", "otp", "mfa"], [])
    assert done["reasons"][-1]["code"] == "home_mfa_accepted"


def test_a_guest_whose_home_is_not_believed_is_challenged_here_each_time(token):
    for _ in range(2):
        done = json.loads(token("--guest", "nora@northwind.example", "--json").stdout)
        assert done["asked"] == [{"where": "here", "method": "totp"}]


def test_without_words_for_the_home_a_guest_does_what_they_always_do(token):
    done = json.loads(token("--guest", "ben@fabrikam.example", "--json").stdout)
    assert done["asked"] == [{"where": "home", "method": "mfa"}]


def test_words_that_the_home_was_not_asked_for_are_not_said_of_the_next_guest(token):
    assert token("--guest", "ada@fabrikam.example", "--amr", "pwd", "--scope", "openid nonsense").exit_code == 1
    done = json.loads(token("--guest", "ben@fabrikam.example", "--json").stdout)
    assert done["asked"] == [{"where": "home", "method": "mfa"}]


def test_decoded_are_the_claims(token):
    assert json.loads(token("--decoded").stdout)["department"] == "Sales"


def test_json_has_all_that_a_verifier_needs(demo, token):
    done = json.loads(token("--json", "--auth-time", "1700000000", "--amr", "pwd,mfa").stdout)
    assert (done["issuer"], done["jwksUri"]) == (demo.issuer, f"{demo.issuer}/jwks")
    assert done["clientId"] == demo.apps[done["app"]].client_id
    assert done["tokens"]["refresh_token"]
    assert done["claims"]["accessToken"]["auth_time"] == 1700000000


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--guest", "eve@evil.example"], "The demo's guests are ada@fabrikam.example"),
        (["--app", "Payroll"], "The demo's apps are Contoso Expenses"),
        (["--token", "refresh_token", "--scope", "openid"], "--scope did not ask for it"),
        (["--token", "refresh_token", "--decoded"], "nothing to decode"),
    ],
)
def test_what_there_is_not_is_said_with_what_there_is(token, arguments, says):
    done = token(*arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert says in done.stderr


def test_it_makes_no_token_of_a_provider_that_is_not_the_demo():
    kit = Kit()
    with kit.serve():
        port = kit.issuer.rpartition(":")[2].partition("/")[0]
        done = CliRunner().invoke(main, ["token", "--port", port])
    kit.close()
    assert (done.exit_code, done.stdout) == (2, "")
    assert "is not the demo" in done.stderr


def test_where_no_demo_runs_one_is_made_and_its_keys_are_given_along():
    command = [sys.executable, "-m", "b2b_idp.cli", "token", "--json", "--port", str(four_free_ports())]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    answer = json.loads(done.stdout)
    sent = answer["tokens"]["id_token"]
    keys = jwt.PyJWKSet.from_dict(answer["jwks"])
    key = keys[jwt.get_unverified_header(sent)["kid"]]
    assert jwt.decode(sent, key.key, algorithms=["RS256"], audience=answer["clientId"])["acct"] == 1
    assert "No demo runs at port" in done.stderr


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"[]", 400),
        (b"{}", 400),
        (b'{"guest": 1}', 400),
        (b'{"guest": "ada@fabrikam.example", "admin": true}', 400),
        (b'{"guest": "ada@fabrikam.example", "amr": "pwd"}', 400),
        (b'{"guest": "ada@fabrikam.example", "scope": "openid nonsense"}', 403),
        (b'{"guest": "\xff"}', 400),
    ],
)
def test_a_bad_request_to_the_demo_is_answered_not_obeyed(demo, body, status):
    answer = urllib3.request(
        "POST", f"{demo.issuer}/demo/token", body=body, headers={"Content-Type": "application/json"}
    )
    assert answer.status == status
    assert answer.json()["error_description"]


def test_a_page_of_another_site_cannot_ask_for_a_token(demo):
    """A form sends no JSON, and a script that would is stopped by the browser's preflight."""
    body = b'{"guest": "ada@fabrikam.example"}'
    answer = urllib3.request("POST", f"{demo.issuer}/demo/token", body=body, headers={"Content-Type": "text/plain"})
    assert answer.status == 415
