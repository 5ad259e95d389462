"""`b2b-idp invite FILE.csv`: each row carried out once, whatever happens on the way (N-077)."""

from __future__ import annotations

import fcntl
import json
import sqlite3

import pytest
from click.testing import CliRunner

from b2b_idp.cli import main

REDIRECT = ("--redirect", "https://app.example/")


class World:
    def __init__(self, folder):
        self.data, self.file = folder / "data", folder / "guests.csv"
        self.run("init", "--data", self.data, "--issuer", "http://127.0.0.1:5079")

    def run(self, *arguments, code=0):
        done = CliRunner().invoke(main, [str(a) for a in arguments])
        assert done.exit_code == code, done.output
        return done.output

    def invite(self, text, *options, code=0):
        """The summary, after the file was written anew."""
        self.file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return self.again(*options, code=code)

    def again(self, *options, code=0):
        said = self.run("invite", self.file, "--data", self.data, *REDIRECT, "--json", *options, code=code)
        return json.loads(said.splitlines()[-1])

    def results(self):
        text = self.file.with_name("guests.csv.result").read_text()
        return [json.loads(line) for line in text.splitlines()]

    def rows(self, sql):
        with sqlite3.connect(self.data / "b2b-idp.sqlite3") as c:
            return c.execute(sql).fetchall()


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


def test_every_row_has_one_line_and_a_bad_row_does_not_stop_the_rest(world):
    lines = [f"g{n}@fabrikam.example" for n in range(600)]
    lines[499] = "=cmd()|' /C calc'!A0"
    summary = world.invite("\ufeffemail\n" + "\n".join(lines) + "\n", code=1)
    assert summary == {"rows": 600, "invited": 599, "already": 0, "failed": 1}
    results = world.results()
    assert [r["row"] for r in results] == list(range(2, 602))
    assert [r["row"] for r in results if r["status"] == "failed"] == [501]


def test_a_second_run_does_nothing(world):
    first = world.invite("email\nada@fabrikam.example\n")
    before = world.results()
    assert world.again() == first
    assert world.results() == before
    assert world.rows("SELECT count(*) FROM outbox") == [(1,)]


@pytest.mark.parametrize("kept", [0, 1, 2])
def test_rows_whose_lines_were_lost_are_recognised_and_not_invited_again(world, kept):
    world.invite("email\na@fabrikam.example\nb@fabrikam.example\nc@fabrikam.example\n")
    results, before = world.file.with_name("guests.csv.result"), world.results()
    lines = results.read_text().splitlines(keepends=True)
    results.write_text("".join(lines[:kept]) + '{"row":')
    world.again()
    assert world.results() == before
    assert world.rows("SELECT count(*) FROM outbox") == [(3,)]
    assert world.rows("SELECT count(*) FROM invitations") == [(3,)]


def test_an_address_that_stands_twice_is_invited_once(world):
    summary = world.invite("email\na@fabrikam.example\nA@FABRIKAM.example\n")
    assert (summary["invited"], summary["already"]) == (1, 1)
    assert world.rows("SELECT count(*) FROM outbox") == [(1,)]


def test_results_of_another_file_are_not_written_over(world):
    world.invite("email\na@fabrikam.example\n")
    before = world.results()
    world.file.write_text("email\nb@fabrikam.example\n")
    said = world.run("invite", world.file, "--data", world.data, *REDIRECT, code=2)
    assert "was changed since" in said and world.results() == before


@pytest.mark.parametrize(
    "text",
    [
        "mail\na@b.example\n",
        "email,salary\na@b.example,1\n",
        "",
        b"\xff\xfe\x00",
        "email,email\na@b.example,x\n",
    ],
)
def test_a_file_of_another_shape_is_refused_before_anybody_is_invited(world, text):
    world.file.write_bytes(text if isinstance(text, bytes) else text.encode())
    world.run("invite", world.file, "--data", world.data, *REDIRECT, code=2)
    assert world.rows("SELECT count(*) FROM users") == [(0,)]


def test_a_row_says_name_language_message_and_groups(world):
    with_group = "email,name,language,message,group,send\nada@fabrikam.example,Ada,de,Willkommen,No such group,false\n"
    assert world.invite(with_group, code=1)["failed"] == 1
    assert world.rows("SELECT count(*) FROM users") == [(0,)]
    world.file.with_name("guests.csv.result").unlink()
    world.file.with_name("guests.csv.result.job").unlink()
    world.invite("email,name,language,message\nada@fabrikam.example,Ada,de,Willkommen\n")
    assert world.rows("SELECT language, kind FROM outbox") == [("de", "invitation")]


def test_entras_template_is_read_as_it_is(world):
    template = (
        "version:v1.0\n"
        "Email address to invite [inviteeEmail] Required,Redirection url [inviteRedirectURL] Required,"
        "Send invitation message (true or false) [sendEmail],Customized invitation message [customizedMessageBody]\n"
        "ada@fabrikam.example,https://app.example/x,false,Hello\n"
    )
    assert world.invite(template)["invited"] == 1
    assert world.rows("SELECT redirect_url FROM invitations") == [("https://app.example/x",)]
    assert world.rows("SELECT count(*) FROM outbox") == [(0,)]


def test_the_domain_list_holds_for_files_too(world):
    definition = json.dumps(
        {"B2BManagementPolicy": {"InvitationsAllowedAndBlockedDomainsPolicy": {"BlockedDomains": ["rival.example"]}}}
    )
    document = json.dumps({"displayName": "Domains", "definition": [definition]})
    with sqlite3.connect(world.data / "b2b-idp.sqlite3") as c:
        row = ("00000000-0000-4000-8000-000000000001", "b2bManagement", 0, document)
        c.execute("INSERT INTO policies (id, kind, created_at, document) VALUES (?, ?, ?, ?)", row)
        c.execute("UPDATE tenant SET config_version = config_version + 1")
    summary = world.invite("email\na@rival.example\nb@fabrikam.example\n", code=1)
    assert (summary["invited"], summary["failed"]) == (1, 1)


@pytest.mark.parametrize(
    "bad",
    [
        b'"never closed@fabrikam.example,X',
        b'"ada" <ada@fabrikam.example>,X',
        b"caf\xe9@fabrikam.example,X",
        b"ren@fabrikam.example,Ren\xe9",
        b"a@fabrikam.example,X,one cell too many",
        b"a" * 40_000 + b"@fabrikam.example,X",
        b"a@fabrikam.example," + b"X" * 257,
        b"a@fabrikam.example,X\x00Y",
        b"@SUM(A1:A9),X",
        b",X",
    ],
)
def test_n_077_a_row_that_cannot_be_read_costs_itself_alone(world, bad):
    rows = [b"email,name", b"before@fabrikam.example,B", bad, b"after@fabrikam.example,A", b""]
    assert world.invite(b"\r\n".join(rows), code=1) == {"rows": 3, "invited": 2, "already": 0, "failed": 1}
    assert [(r["row"], r["status"]) for r in world.results()] == [(2, "invited"), (3, "failed"), (4, "invited")]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_the_heading_says_what_stands_between_the_cells(world, delimiter):
    rows = [("email", "name"), ("ada@fabrikam.example", "Ada Alder")]
    assert world.invite("\n".join(delimiter.join(r) for r in rows))["invited"] == 1
    assert world.rows("SELECT display_name_key FROM users") == [("ada alder",)]


def test_a_message_may_have_several_lines_and_rows_are_numbered_as_a_spreadsheet_does(world):
    world.invite('email,message\nada@fabrikam.example,"Hello,\nAda"\n\nben@fabrikam.example,\n')
    assert [r["row"] for r in world.results()] == [2, 4]


def test_a_file_without_a_landing_address_is_refused(world):
    world.file.write_text("email\nada@fabrikam.example\n")
    assert "--redirect" in world.run("invite", world.file, "--data", world.data, code=2)


def test_who_is_a_guest_already_stays_as_they_are_and_gets_no_mail(world):
    world.invite("email,name\nada@fabrikam.example,Ada\n")
    for name in ("guests.csv.result", "guests.csv.result.job"):
        world.file.with_name(name).unlink()
    before = world.rows("SELECT * FROM users")
    assert world.invite("email,name\nada@fabrikam.example,Other\n")["already"] == 1
    assert world.rows("SELECT * FROM users") == before
    assert world.rows("SELECT count(*) FROM outbox") == [(1,)]


def test_a_second_run_at_the_same_time_is_refused(world):
    world.invite("email\nada@fabrikam.example\n")
    with world.file.with_name("guests.csv.result").open() as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert "Another run" in world.run("invite", world.file, "--data", world.data, *REDIRECT, code=2)
