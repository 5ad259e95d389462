"""An instance that moved to another database goes on where it was."""

import json

import pytest
from click.testing import CliRunner

from b2b_idp.cli import main
from b2b_idp.store import Store
from tests.openid.openid_world import World, answered
from tests.postgres import cluster


@pytest.fixture(scope="module")
def postgres():
    with cluster() as running:
        yield running


def run(*arguments, code=0):
    done = CliRunner().invoke(main, [str(a) for a in arguments])
    assert done.exit_code == code, done.output
    return done.output


def test_sessions_tokens_links_secrets_and_the_audit_chain_go_on_after_a_copy(tmp_path, postgres):
    world = World(tmp_path)
    here, there = f"sqlite:///{tmp_path}/b2b.db", postgres.database()
    tokens = world.tokens()
    delta = world.done("GET", "/users/delta")["@odata.deltaLink"].partition("/v1.0")[2]
    invited = {"invitedUserEmailAddress": "ben@fabrikam.example", "inviteRedirectUrl": "https://app.example/"}
    world.done("POST", "/invitations", invited)
    target = Store(there, world.vault)
    target.migrate()
    target.close()

    said = json.loads(run("copy", "--from", here, "--to", there, "--json").splitlines()[-1])

    assert said["rows"] == sum(t["rows"] for t in said["tables"]) > 20
    moved = world.reopened(there)
    refreshed = moved.refresh(tokens["refresh_token"])
    assert refreshed.status_code == 200
    assert moved.refresh(refreshed.json["refresh_token"]).status_code == 200
    assert answered(moved.authorize(prompt="none"))["code"]
    assert [u["mail"] for u in moved.done("GET", delta)["value"]] == ["ben@fabrikam.example"]
    moved.done("PATCH", f"/users/{world.user.id}", {"displayName": "Ada Alder"})
    with world.store.read() as before, moved.store.read() as after:
        chain = after.logs.verify_chain()
        assert chain.broken is None and chain.entries == before.logs.verify_chain().entries + 1
    moved.store.close()
    world.store.close()
    assert "is not empty" in run("copy", "--from", here, "--to", there, code=1)
