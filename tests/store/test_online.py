"""The schema changes while servers answer: nobody waits long, nobody is refused, and what is not safe is not done."""

import textwrap

import pytest
from sqlalchemy import inspect, text

from b2b_idp.model.problem import Code, Problem
from b2b_idp.store.engine import Database
from b2b_idp.store.migrate import HEAD, downgrade, migrate, one_migrator, revision
from b2b_idp.store.online import in_batches, index, migrate_online
from tests.openid.browsers import Browsers
from tests.openid.openid_world import World

NEXT = """
import sqlalchemy as sa
from alembic import op
from b2b_idp.store.online import in_batches, index

revision, down_revision, branch_labels, depends_on = "9001", "{head}", None, None
online = {online}
NONE = "SELECT id FROM signin_log WHERE outcome IS NULL LIMIT :most"
FILL = f"UPDATE signin_log SET outcome = 'unknown' WHERE id IN ({{NONE}})"

def ahead(engine):
    index(engine, "ix_signin_log_outcome", "signin_log", ["outcome", "at"])
    in_batches(engine, FILL, most=7)

def upgrade():
    op.create_table("later", sa.Column("id", sa.String(36), primary_key=True))
    op.add_column("users", sa.Column("colour", sa.String(), nullable=False, server_default="blue"))
    op.add_column("audit_log", sa.Column("more", sa.LargeBinary(), nullable=True))
"""


@pytest.fixture
def more(tmp_path):
    """Makes a folder with the revision that comes next."""

    def make(online=True):
        folder = tmp_path / "more"
        folder.mkdir()
        (folder / "r9001_next.py").write_text(textwrap.dedent(NEXT.format(head=HEAD, online=online)))
        return folder

    return make


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    return (
        f"sqlite:///{tmp_path / 'db'}" if request.param == "sqlite" else request.getfixturevalue("postgres").database()
    )


@pytest.fixture
def engine(url):
    database = Database(url)
    migrate(database.engine)
    yield database.engine
    database.close()


def test_sign_ins_go_on_while_the_schema_changes(url, tmp_path, more):
    world = World(tmp_path, url)
    engine = world.store._database.engine
    downgrade(engine, "0008")
    with Browsers(world, 3) as browsers:
        browsers.served(20)
        assert migrate_online(engine, more())[-2:] == [HEAD, "9001"]
        browsers.served(20)
    assert len(browsers.answers) > 40 and set(browsers.answers) <= {200, 303}
    assert world.store.schema() == "newer"
    assert world.http.get("/idp/readyz").status_code == 200
    assert "install the newer one" in world.http.get("/idp/readyz").json["detail"]
    assert {i["name"] for i in inspect(engine).get_indexes("signin_log")} >= {"ix_signin_log_outcome"}
    world.store.close()


def test_a_server_on_an_older_schema_says_what_to_do(tmp_path, url):
    world = World(tmp_path, url)
    downgrade(world.store._database.engine, "0008")
    answer = world.http.get("/idp/readyz")
    assert answer.status_code == 503 and "older than this version: run b2b-idp migrate" in answer.json["status"]
    world.store.close()


def test_what_is_not_marked_safe_is_refused_before_anything_is_done(engine, more):
    downgrade(engine, "0008")
    with pytest.raises(Problem) as e:
        migrate_online(engine, more(online=False))
    assert e.value.code is Code.CONFLICT and "9001 is not safe while servers run" in e.value.say
    assert revision(engine) == "0008"


def test_an_unsafe_revision_on_the_way_is_named_too(engine):
    downgrade(engine, "0005")
    with pytest.raises(Problem) as e:
        migrate_online(engine)
    assert "0006" in e.value.say


def test_an_empty_database_has_no_servers(url):
    database = Database(url)
    with pytest.raises(Problem) as e:
        migrate_online(database.engine)
    assert "no schema" in e.value.say
    database.close()


def test_nothing_is_done_twice_and_a_newer_schema_is_left_alone(engine, more):
    assert migrate_online(engine, more()) == ["9001"]
    assert migrate_online(engine) == []
    assert revision(engine) == "9001"


def test_a_step_waits_for_a_long_transaction_without_holding_others_up(postgres):
    """It gives its place up and tries again; a reader behind it comes through meanwhile."""
    database = Database(postgres.database())
    engine = database.engine
    migrate(engine)
    downgrade(engine, "0008")
    long = engine.connect()
    long.execute(text("SELECT count(*) FROM audit_log"))
    waited = []

    def pause(_seconds):
        with engine.begin() as c:
            c.execute(text("SELECT count(*) FROM audit_log"))
        waited.append(True)
        if len(waited) == 2:
            long.close()

    assert migrate_online(engine, pause=pause)[-1] == HEAD
    assert len(waited) == 2
    database.close()


def test_two_do_not_migrate_at_once(postgres):
    database = Database(postgres.database())
    migrate(database.engine)
    with one_migrator(database.engine), pytest.raises(Problem) as e:
        migrate_online(database.engine)
    assert "Somebody else" in e.value.say
    database.close()


def test_an_index_that_was_interrupted_is_made_anew(postgres):
    database = Database(postgres.database())
    engine = database.engine
    migrate(engine)
    index(engine, "ix_x", "signin_log", ["outcome"])
    with engine.execution_options(b2b_write=True).begin() as c:
        c.execute(text("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'ix_x'::regclass"))
    index(engine, "ix_x", "signin_log", ["outcome"])
    with engine.begin() as c:
        assert c.execute(text("SELECT indisvalid FROM pg_index WHERE indexrelid = 'ix_x'::regclass")).scalar() is True
    database.close()


def test_what_is_moved_over_is_moved_in_batches(engine):
    with engine.execution_options(b2b_write=True).begin() as c:
        for n in range(25):
            c.execute(text("INSERT INTO revoked_tokens (jti, expires_at) VALUES (:jti, 0)"), {"jti": str(n)})
    some = "SELECT jti FROM revoked_tokens WHERE expires_at = 0 LIMIT :most"
    moved = f"UPDATE revoked_tokens SET expires_at = 1 WHERE jti IN ({some})"
    assert in_batches(engine, moved, most=10) == 25
    assert in_batches(engine, moved) == 0
