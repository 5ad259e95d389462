"""`b2b-idp registration-tokens`."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from b2b_idp.cli import main
from b2b_idp.keys.vault import is_initial_access_token


def run(*arguments, code=0):
    done = CliRunner().invoke(main, ["registration-tokens", *(str(a) for a in arguments)])
    assert done.exit_code == code, done.output
    return done.output


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("registration") / "data"
    done = CliRunner().invoke(main, ["init", "--data", str(folder), "--issuer", "http://127.0.0.1:5079"])
    assert done.exit_code == 0, done.output
    return folder


def test_a_token_is_made_listed_without_its_text_and_revoked(data):
    made = json.loads(run("add", "--data", data, "--name", "Partners", "--uses", 3, "--for", "2w", "--json"))
    assert is_initial_access_token(made["token"])
    assert made["registrationEndpoint"] == "http://127.0.0.1:5079/register"
    listed = run("list", "--data", data, "--json")
    (row,) = json.loads(listed)["tokens"]
    assert (row["displayName"], row["usesRemaining"], row["requirePkce"]) == ("Partners", 3, True)
    assert made["token"] not in listed
    assert "Partners" in run("list", "--data", data)
    assert "Revoked Partners" in run("revoke", made["id"], "--data", data)
    assert "No token" in run("list", "--data", data)
    run("revoke", made["id"], "--data", data, code=1)


@pytest.mark.parametrize("wrong", [("--uses", 0), ("--for", "400d"), ("--for", "soon")], ids=str)
def test_a_token_that_cannot_be_is_exit_code_2(data, wrong):
    run("add", "--data", data, "--name", "x", *wrong, code=2)
