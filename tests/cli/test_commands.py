"""The command line as an administrator meets it: exit codes 0, 1 and 2, one line of JSON, nothing overwritten."""

from __future__ import annotations

import json
import stat

import pytest
from click.testing import CliRunner

from b2b_idp.cli import main
from b2b_idp.cli.main import COMMANDS
from b2b_idp.model.moment import tenant_id_of

ISSUER = "http://127.0.0.1:8000"
HOME = "https://idp.fabrikam.example"


def run(*arguments, code=0, **env):
    result = CliRunner().invoke(main, [str(a) for a in arguments], env=env)
    assert result.exit_code == code, result.output
    return result.output


def run_json(*arguments, **more):
    return json.loads(run(*arguments, "--json", **more).splitlines()[-1])


@pytest.fixture
def data(tmp_path):
    data = tmp_path / "data"
    run("init", "--data", data, "--issuer", ISSUER)
    return data


@pytest.fixture
def fabrikam(data):
    return run_json(
        *("homes", "add", "--data", data, "--issuer", HOME, "--name", "Fabrikam", "--client-id", "b2b"),
        *("--client-secret", "s3cret", "--domain", "Fabrikam.Example", "--trust-mfa"),
    )


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_has_help(command):
    assert "Usage:" in run(command, "--help")


def test_init_prints_what_a_script_needs_once(tmp_path):
    made = run_json("init", "--data", tmp_path / "d", "--issuer", ISSUER, "--default-domain", "contoso.example")
    assert set(made) == {"issuer", "tenantId", "defaultDomain", "graph", "admin"}
    assert made["graph"] == f"{ISSUER}/v1.0"
    assert made["admin"]["tokenEndpoint"] == f"{ISSUER}/token"
    kept = b"".join(p.read_bytes() for p in (tmp_path / "d").rglob("*") if p.is_file())
    assert made["admin"]["clientSecret"].encode() not in kept


def test_init_never_overwrites(data):
    before = (data / "settings.toml").read_text()
    assert "never overwrites" in run("init", "--data", data, "--issuer", ISSUER, code=2)
    assert (data / "settings.toml").read_text() == before


@pytest.mark.parametrize("issuer", ["http://idp.example.org", "https://a.example?x", "nonsense"])
def test_n_169_init_with_a_bad_issuer_makes_nothing(tmp_path, issuer):
    run("init", "--data", tmp_path / "d", "--issuer", issuer, code=2)
    assert not (tmp_path / "d").exists()


def test_n_169_an_unknown_setting_stops_every_command(data):
    assert "B2B_IDP_ISSUUER" in run("doctor", "--data", data, code=2, B2B_IDP_ISSUUER="x")


def test_keys_and_directory_are_the_owners_alone(data):
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    assert {stat.S_IMODE(p.stat().st_mode) for p in (data / "keys").iterdir()} == {0o600}


@pytest.mark.parametrize("harm", ["readable", "truncated", "empty", "link"])
def test_n_166_a_harmed_key_file_stops_the_start_with_what_to_do(data, harm):
    key = next((data / "keys").glob("RS256-*"))
    if harm == "readable":
        key.chmod(0o644)
    elif harm == "truncated":
        key.write_bytes(key.read_bytes()[:100])
    elif harm == "empty":
        key.write_bytes(b"")
    else:
        real = data / "elsewhere"
        key.rename(real)
        key.symlink_to(real)
    for command in ("serve", "doctor"):
        said = run(command, "--data", data, code=2 if command == "serve" else 1)
        assert key.name in said


def test_homes_add_list_and_what_is_to_be_registered_there(data, fabrikam):
    there = f"{ISSUER}/federation/{tenant_id_of(HOME)}"
    register = {
        "redirectUri": f"{there}/callback",
        "backChannelLogoutUri": f"{there}/backchannel-logout",
        "postLogoutRedirectUri": f"{there}/signed-out",
    }
    assert fabrikam == {"tenantId": tenant_id_of(HOME), **register}
    assert run("homes", "redirect-uri", "--data", data, HOME).strip() == register["redirectUri"]
    assert run_json("homes", "addresses", "--data", data, HOME) == register
    assert all(uri in run("homes", "addresses", "--data", data, HOME) for uri in register.values())
    listed = run_json("homes", "list", "--data", data)["homes"]
    assert all(listed[0][name] == uri for name, uri in register.items())
    assert [(h["issuer"], h["domains"], h["isMfaAccepted"]) for h in listed] == [(HOME, ["fabrikam.example"], True)]


def test_homes_add_without_a_secret_says_where_our_keys_are(data):
    added = ("homes", "add", "--data", data, "--issuer", HOME, "--name", "Fabrikam", "--client-id", "b2b")
    assert run_json(*added)["jwksUri"] == f"{ISSUER}/jwks"


@pytest.mark.parametrize("issuer", ["http://10.0.0.1", "http://127.0.0.1:22", "https://169.254.169.254", "file:///x"])
def test_n_039_a_home_at_a_private_address_is_refused(data, issuer):
    run("homes", "add", "--data", data, "--issuer", issuer, "--name", "X", "--client-id", "c", code=2)
    assert run_json("homes", "list", "--data", data)["homes"] == []


def test_homes_test_says_that_a_home_does_not_answer(data, fabrikam):
    assert run("homes", "test", "--data", data, HOME, code=1)


def test_keys_are_published_before_they_sign(data):
    before = run_json("keys", "list", "--data", data)["keys"]
    made = run_json("keys", "rotate", "--data", data)["keys"]
    states = {k["kid"]: k["state"] for k in run_json("keys", "list", "--data", data)["keys"]}
    assert [states[k["kid"]] for k in before] == ["active"] * 3
    assert [states[k] for k in made] == ["published"] * 3


def test_the_key_that_signs_is_not_retired(data):
    kid = run_json("keys", "list", "--data", data)["keys"][0]["kid"]
    assert "This key signs" in run("keys", "retire", "--data", data, kid, code=1)


def test_a_keys_id_may_begin_with_a_hyphen(data):
    assert "No key is called -Ab_" in run("keys", "retire", "--data", data, "-Ab_", code=1)


def test_n_077_bulk_invitation_goes_on_where_it_stopped(data, tmp_path):
    file = tmp_path / "guests.csv"
    file.write_text(
        "\ufeffemail,name\nada@fabrikam.example,Ada\nnot-an-address,X\n=cmd()@x,Y\nben@fabrikam.example,Ben\n", "utf-8"
    )
    arguments = ("invite", "--data", data, file, "--redirect", "https://app.example/", "--no-send")
    lines = [json.loads(x) for x in run(*arguments, code=1).splitlines() if x.startswith("{")]
    assert [("error" in x, x["row"]) for x in lines] == [(False, 2), (True, 3), (True, 4), (False, 5)]
    results = file.with_name("guests.csv.result")
    kept = results.read_text().splitlines()
    # the last row's line was cut off by a kill: it is taken up again, and nobody is invited twice
    results.write_text("\n".join(kept[:-1]) + "\n" + kept[-1][:10])
    again = [json.loads(x) for x in run(*arguments, code=1).splitlines() if x.startswith("{")]
    assert [(x["row"], x["status"]) for x in again] == [(5, "invited")]
    assert [json.loads(x) for x in results.read_text().splitlines()] == lines


def test_n_077_a_file_with_other_columns_is_refused(data, tmp_path):
    file = tmp_path / "guests.csv"
    file.write_text("mail\nada@fabrikam.example\n")
    run("invite", "--data", data, file, code=2)


def test_whatif_gives_the_decision_and_changes_nothing(data, fabrikam, tmp_path):
    file = tmp_path / "guests.csv"
    file.write_text("email\nada@fabrikam.example\n")
    run("invite", "--data", data, file, "--redirect", "https://app.example/", "--no-send")
    answer = run_json("whatif", "--data", data, "--guest", "ada@fabrikam.example", "--app", "Administrator")
    assert answer["outcome"] == "allowed"
    assert [r["code"] for r in answer["reasons"]] == ["no_mfa_required"]
    assert answer["wouldIssue"]["acct"] == 1
    run("whatif", "--data", data, "--guest", "eve@fabrikam.example", "--app", "Administrator", code=1)


def test_doctor_names_what_is_wrong(data, fabrikam):
    checks = {c["name"]: c["ok"] for c in run_json("doctor", "--data", data, code=1)["checks"]}
    assert [name for name, ok in checks.items() if not ok] == ["home Fabrikam"]
    assert {"settings", "keys", "database", "audit log", "outbox", "mail"} <= set(checks)


def test_migrate_makes_the_schema(data):
    (data / "b2b-idp.sqlite3").unlink()
    assert "Run: b2b-idp migrate" in run("serve", "--data", data, code=2)
    run("migrate", "--data", data)
    said = run("doctor", "--data", data, code=1)
    assert "not current" not in said and "run `b2b-idp init`" in said


@pytest.mark.parametrize("command", ["serve", "migrate"])
def test_a_database_that_cannot_be_reached_is_a_sentence_and_an_exit_code(data, command):
    nowhere = "postgresql://postgres@127.0.0.1:1/nowhere"
    said = run(command, "--data", data, code=1, B2B_IDP_DATABASE_URL=nowhere)
    assert "Connection refused" in said and "Traceback" not in said
