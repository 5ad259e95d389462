"""The demo's three ways: what each guest was asked, why, and the token (`b2b-idp demo --once --json`)."""

from __future__ import annotations

import json
import socket

import pytest
from click.testing import CliRunner

from b2b_idp.cli import main


def four_free_ports():
    for first in range(20_000, 60_000, 97):
        try:
            held = [socket.create_server(("127.0.0.1", first + n)) for n in range(4)]
        except OSError:
            continue
        for s in held:
            s.close()
        return first
    raise AssertionError("no four free ports in a row")


@pytest.fixture(scope="module")
def ways():
    result = CliRunner().invoke(main, ["demo", "--once", "--json", "--port", str(four_free_ports())])
    assert result.exit_code == 0, result.output
    return {w["guest"].partition("@")[0]: w for w in json.loads(result.output.splitlines()[-1])["ways"]}


def codes(way):
    return [r["code"] for r in way["reasons"]]


def test_the_trusted_guest_with_mfa_at_home_is_not_asked_again(ways):
    assert (ways["ada"]["asked"], ways["ada"]["outcome"]) == ([], "allowed")
    assert codes(ways["ada"])[-1] == "home_mfa_accepted"
    assert ways["ada"]["homeEvidence"]["amr"] == ["pwd", "otp", "mfa"]


def test_the_trusted_guest_with_a_password_is_stepped_up_at_home_once(ways):
    assert ways["ben"]["asked"] == [{"where": "home", "method": "mfa"}]
    assert codes(ways["ben"]) == ["home_step_up", "home_mfa_accepted"]


def test_the_untrusted_guest_is_challenged_here(ways):
    assert ways["nora"]["asked"] == [{"where": "here", "method": "totp"}]
    assert codes(ways["nora"]) == ["partner_not_trusted", "local_mfa_accepted"]


@pytest.mark.parametrize("guest", ["ada", "ben", "nora"])
def test_each_token_is_a_guests_token_with_the_two_mapped_claims(ways, guest):
    token = ways[guest]["idToken"]
    assert (token["acct"], token["ver"], token["department"]) == (1, "2.0", "Sales")
    assert token["company"] == ways[guest]["home"].capitalize()
    assert token["amr"] == ["pwd", "otp", "mfa"]
    assert token["email"] == ways[guest]["guest"]


def test_a_port_that_is_taken_is_said_plainly():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = CliRunner().invoke(main, ["demo", "--once", "--port", str(port)])
    assert result.exit_code == 1
    assert "is taken" in result.output
