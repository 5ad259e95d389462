"""`b2b-idp policy`: what an administrator types, sees and gets as an exit code."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from b2b_idp.cli import main

ISSUER = "http://127.0.0.1:8000"
HOME = "https://idp.fabrikam.example"


def run(*arguments, code=0):
    result = CliRunner().invoke(main, [str(a) for a in arguments])
    assert result.exit_code == code, result.output
    return result.output


@pytest.fixture
def data(tmp_path):
    run("init", "--data", tmp_path / "data", "--issuer", ISSUER)
    return tmp_path / "data"


@pytest.fixture
def file(data, tmp_path):
    run("homes", "add", "--data", data, "--issuer", HOME, "--name", "Fabrikam", "--client-id", "b2b",
        "--client-secret", "s3cret", "--domain", "fabrikam.example", "--trust-mfa")  # fmt: skip
    run("policy", "export", "--data", data, tmp_path / "conf.json")
    return tmp_path / "conf.json"


def edit(file, change):
    document = json.loads(file.read_text())
    change(document)
    file.write_text(json.dumps(document))


def test_export_without_a_file_prints_it(data, file):
    assert run("policy", "export", "--data", data) == file.read_text()
    assert "s3cret" not in file.read_text()


def test_import_of_an_export_is_no_difference(data, file):
    assert run("policy", "import", "--data", data, file, "--prune").startswith("No difference.")


def test_import_shows_the_difference_first_and_a_dry_run_stops_there(data, file):
    before = file.read_text()
    edit(file, lambda d: d["homes"][0].update(displayName="Fabrikam Inc."))
    said = run("policy", "import", "--data", data, file, "--dry-run").splitlines()
    assert said[:2] == [f'~ homes "{HOME}"', '    ~ displayName: "Fabrikam" -> "Fabrikam Inc."']
    assert said[-1] == "Nothing was changed: --dry-run."
    assert run("policy", "export", "--data", data) == before
    assert run("policy", "import", "--data", data, file).endswith("Applied.\n")
    assert run("policy", "export", "--data", data) != before


def test_the_last_line_is_compact_json(data, file):
    edit(file, lambda d: d["groups"].append({"displayName": "New"}))
    answer = json.loads(run("policy", "import", "--data", data, file, "--json").splitlines()[-1])
    assert answer["applied"] and answer["errors"] == []
    assert answer["changes"] == [
        {
            "operation": "add",
            "section": "groups",
            "name": "New",
            "needs": [],
            "properties": [{"path": "displayName", "after": "New"}],
        }
    ]


def test_raised_trust_needs_accept_and_a_removal_prune(data, file):
    edit(file, lambda d: d["homes"][0]["b2bIdp"]["domains"].append("more.example"))
    said = run("policy", "import", "--data", data, file, code=1)
    assert "<- needs --accept" in said and "Nothing was changed" in said
    edit(file, lambda d: d.update(homes=[], partners=[]))
    assert "<- needs --prune" in run("policy", "import", "--data", data, file)
    assert run("policy", "import", "--data", data, file, "--prune").endswith("Applied.\n")


@pytest.mark.parametrize("change", [{"version": 2}, {"colour": "red"}, {"groups": [{"displayName": "X", "y": 1}]}])
def test_n_153_a_wrong_file_is_exit_code_1_and_nothing_is_changed(data, file, change):
    before = file.read_text()
    edit(file, lambda d: d.update(change))
    assert "nothing was changed" in run("policy", "import", "--data", data, file, code=1)
    assert run("policy", "export", "--data", data) == before


def test_n_153_a_file_larger_than_5_mb_is_refused(data, tmp_path):
    huge = tmp_path / "huge.json"
    huge.write_bytes(b" " * 6_000_000)
    assert "larger than 5 MB" in run("policy", "import", "--data", data, huge, code=1)


def test_a_new_home_gets_its_secret_from_a_file_that_is_its_owners_alone(file, tmp_path):
    other, secrets = tmp_path / "other", tmp_path / "secrets.json"
    run("init", "--data", other, "--issuer", ISSUER)
    arguments = ("policy", "import", "--data", other, file, "--accept")
    assert "client secret missing" in run(*arguments, code=1)
    secrets.write_text(json.dumps({HOME: "their-secret"}))
    secrets.chmod(0o644)
    assert "chmod 600" in run(*arguments, "--secrets", secrets, code=2)
    secrets.chmod(0o600)
    assert "their-secret" not in run(*arguments, "--secrets", secrets)
    known = [line for line in run("policy", "export", "--data", other).splitlines() if "appId" not in line]
    assert known == [line for line in file.read_text().splitlines() if "appId" not in line]


def test_a_file_of_secrets_that_cannot_be_read_is_not_quoted(data, file, tmp_path):
    secrets = tmp_path / "secrets.json"
    secrets.write_text('{"x": "very-secret", }')
    secrets.chmod(0o600)
    assert "very-secret" not in run("policy", "import", "--data", data, file, "--secrets", secrets, code=2)


def test_n_039_a_new_home_at_a_private_address_is_refused(data, file):
    edit(file, lambda d: d.update(homes=[d["homes"][0] | {"issuer": "https://169.254.169.254"}], partners=[]))
    run("policy", "import", "--data", data, file, "--accept", code=1)
