"""The commands about the directory and its audit log, as an operator runs them."""

from __future__ import annotations

import json
import sqlite3

import pytest
from click.testing import CliRunner

from b2b_idp.cli import main


def run(*arguments, code=0):
    done = CliRunner().invoke(main, [str(a) for a in arguments])
    assert done.exit_code == code, done.output
    return done.output


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    run("init", "--data", folder, "--issuer", "http://127.0.0.1:5078")
    rows = tmp_path / "guests.csv"
    rows.write_text("email,name\nada@fabrikam.example,Ada\nbob@fabrikam.example,Bob\n")
    run("invite", rows, "--data", folder, "--redirect", "https://app.example/", "--no-send")
    return folder


def database(data):
    return sqlite3.connect(data / "b2b-idp.sqlite3")


def test_the_audit_chain_verifies_and_one_changed_byte_is_found(data):
    entries = json.loads(run("audit", "verify", "--data", data, "--json"))
    assert entries["broken"] is None and entries["entries"] > 0
    assert "each as it was written" in run("doctor", "--data", data)
    with database(data) as c:
        c.execute("UPDATE audit_log SET document = replace(document, 'success', 'succeSs') WHERE seq = 1")
    assert "was changed" in run("audit", "verify", "--data", data, code=1)
    assert "tampered" in run("doctor", "--data", data, code=1)


def test_the_audit_log_is_exported_as_json_lines(data, tmp_path):
    out = tmp_path / "audit.jsonl"
    run("audit", "export", "--data", data, "--out", out)
    entries = [json.loads(line) for line in out.read_text().splitlines()]
    assert entries and all(e["activityDisplayName"] for e in entries)


def test_guests_who_never_came_are_shown_first_and_deleted_when_asked(data):
    with database(data) as c:
        c.execute("UPDATE users SET state_changed_at = state_changed_at - 40 * 86400 * 1000000")
    shown = json.loads(run("guests", "--data", data, "--unredeemed", "30", "--json"))
    assert [d["action"] for d in shown["due"]] == ["delete", "delete"] and not shown["applied"]
    assert "add --apply" in run("guests", "--data", data, "--unredeemed", "30")
    done = json.loads(run("guests", "--data", data, "--unredeemed", "30", "--apply", "--json"))
    assert done["applied"]
    assert json.loads(run("guests", "--data", data, "--unredeemed", "30", "--json"))["due"] == []


def test_an_instance_is_copied_by_its_directory_alone(data, tmp_path, monkeypatch):
    there = f"sqlite:///{tmp_path / 'there.sqlite3'}"
    assert "no database" in run("copy", "--data", data, "--to", there, code=2)
    monkeypatch.setenv("B2B_IDP_DATABASE_URL", there)
    assert "at revision" in run("migrate", "--data", data)
    monkeypatch.delenv("B2B_IDP_DATABASE_URL")
    assert "compared and equal" in run("copy", "--data", data, "--to", there)
    monkeypatch.setenv("B2B_IDP_DATABASE_URL", there)
    assert "each as it was written" in run("audit", "verify", "--data", data)


def test_the_schema_is_changed_while_servers_run_only_where_that_is_safe(data):
    newest = json.loads(run("migrate", "--data", data, "--online", "--json"))["revision"]
    assert newest == json.loads(run("migrate", "--data", data, "--json"))["revision"]
    with database(data) as c:
        c.execute("UPDATE alembic_version SET version_num = '0001'")
    assert "is not safe while servers run" in run("migrate", "--data", data, "--online", code=1)


def test_a_guest_is_erased_for_good_once_that_is_meant(data):
    shown = run("guests", "erase", "ada@fabrikam.example", "--data", data)
    assert "Nothing was changed" in shown and "Ada" in shown
    done = json.loads(run("guests", "erase", "ada@fabrikam.example", "--data", data, "--apply", "--json"))
    assert done["erased"] and done["changed"]
    for file in data.glob("b2b-idp.sqlite3*"):
        assert b"ada@" not in file.read_bytes() and b"Ada" not in file.read_bytes()
    checked = json.loads(run("audit", "verify", "--data", data, "--json"))
    assert checked["broken"] is None and checked["erased"] > 0
    assert "There is no guest" in run("guests", "erase", "ada@fabrikam.example", "--data", data, code=1)
    assert "There is no guest" in run("guests", "erase", done["id"], "--data", data, "--apply", code=1)


def test_days_are_a_number(data):
    run("guests", "--data", data, "--inactive", "soon", code=2)


def test_migrating_gives_new_permissions_to_who_held_every_one(data):
    """Nobody grants what they do not hold: without this the first administrator's app could not pass them on."""
    with database(data) as c:
        first = "SELECT json_extract(application, '$.appRoles[0].id') FROM apps WHERE app_id LIKE '00000003%'"
        (id,) = c.execute(first).fetchone()
        c.execute("DELETE FROM role_assignments WHERE app_role_id = ?", (id,))
        c.execute(
            "UPDATE apps SET application = json_remove(application, '$.appRoles[0]') WHERE app_id LIKE '00000003%'"
        )
    run("migrate", "--data", data)
    with database(data) as c:
        assert c.execute("SELECT count(*) FROM role_assignments WHERE app_role_id = ?", (id,)).fetchone() == (1,)


def test_migrating_completes_the_graph_apis_permissions(data):
    with database(data) as c:
        emptied = "json_set(application, '$.appRoles', json('[]'))"
        c.execute(f"UPDATE apps SET application = {emptied} WHERE app_id LIKE '00000003%'")
        c.execute("DELETE FROM role_assignments WHERE rowid > 1")
    run("migrate", "--data", data)
    with database(data) as c:
        # where there was no list of permissions, nobody held every one of it
        assert c.execute("SELECT count(*) FROM role_assignments").fetchone() == (1,)
        (document,) = c.execute("SELECT application FROM apps WHERE app_id LIKE '00000003%'").fetchone()
    assert "User.Invite.All" in document


def test_doctor_names_a_policy_that_cannot_be_enforced_and_goes_on(data):
    assert "each can be enforced" in run("doctor", "--data", data)
    with database(data) as c:
        c.execute(
            "INSERT INTO policies (id, kind, created_at, document) VALUES ('bad', 'conditionalAccess', 0, ?)",
            [json.dumps({"displayName": "Keys", "state": "disabled"})],
        )
        c.execute("UPDATE tenant SET config_version = config_version + 1")
    said = run("doctor", "--data", data, code=1)
    assert "closed until they are mended" in said
    assert "bad: Invalid value: conditions" in said
    assert "outbox: no mail was given up" in said


# --- dynamic groups ---------------------------------------------------------------------------------------------------

RULE = 'user.mail -startsWith "ada@"'


@pytest.fixture
def ada_only(data, tmp_path):
    """A dynamic group that Ada is in."""
    file = tmp_path / "groups.json"
    group = {"displayName": "Ada only", "groupTypes": ["DynamicMembership"], "membershipRule": RULE}
    file.write_text(json.dumps({"version": 1, "groups": [group]}))
    run("policy", "import", file, "--data", data)
    return data


def test_the_lists_of_members_are_brought_up_to_date_again(ada_only):
    with database(ada_only) as c:
        c.execute("DELETE FROM group_members")
    done = json.loads(run("groups", "refresh", "--data", ada_only, "--json").splitlines()[-1])
    assert done == {"users": 2, "entered": 1, "left": 0}
    assert "0 memberships came" in run("groups", "refresh", "--data", ada_only)


def test_a_rule_is_tried_on_everybody_and_changes_nothing(ada_only):
    rule = 'user.mail -startsWith "bob@" -or user.displayName -eq "Nobody"'
    asked = ("groups", "dry-run", rule, "--group", "Ada only", "--data", ada_only)
    found = json.loads(run(*asked, "--json").splitlines()[-1])
    assert [u["mail"] for u in found["entering"]["sample"]] == ["bob@fabrikam.example"]
    assert [u["mail"] for u in found["leaving"]["sample"]] == ["ada@fabrikam.example"]
    shown = run(*asked)
    assert "1 would come" in shown and "1 would go" in shown and "Home tenants decide about displayName" in shown
    assert json.loads(run("groups", "refresh", "--data", ada_only, "--json").splitlines()[-1])["entered"] == 0


@pytest.mark.parametrize("asked", [("user.department -gt 5",), (RULE, "--group", "Nobody")])
def test_a_rule_or_group_that_is_none_is_a_wrong_call(ada_only, asked):
    run("groups", "dry-run", *asked, "--data", ada_only, code=2)


def test_doctor_tells_of_a_rule_that_this_version_does_not_read(ada_only):
    assert "1 rules are On; lists are up to date" in run("doctor", "--data", ada_only)
    with database(ada_only) as c:
        c.execute("UPDATE membership_rules SET text = 'user.shoeSize -gt 40'")
    assert "does not read the membershipRule of 1 groups" in run("doctor", "--data", ada_only, code=1)
