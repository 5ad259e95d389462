"""What the manual says of backups, done: taken under load, everything destroyed, restored, and it goes on."""

import os
import shutil
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from b2b_idp.settings import template
from tests.docs.pages import ROOT, blocks
from tests.openid.browsers import Browsers
from tests.openid.openid_world import ISSUER, World, answered, refused
from tests.postgres import cluster

PAGE = ROOT / "docs" / "how-to" / "backup.md"


def shell(naming, folder, user=None, **env):
    """Runs the manual's block that holds `naming`, as its reader would."""
    (text,) = [b.text for b in blocks(PAGE) if b.language == "sh" and naming in b.text]
    # the home of the tests' world does not answer to doctor, and the test serves
    text = text.replace("b2b-idp doctor", "true").replace("b2b-idp serve", "true")
    known = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-euc", text], cwd=folder, env=known | env, user=user, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "settings.toml").write_text(template(ISSUER))
    return folder


def goes_on(world, restored, before):
    """Who was signed in still is, refresh tokens are good, and the audit log is whole."""
    assert restored.refresh(before["refresh_token"]).status_code == 200
    assert answered(restored.authorize(prompt="none"))["code"]
    assert restored.tokens()["id_token"]
    with restored.store.read() as r:
        chain = r.logs.verify_chain()
    assert chain.broken is None and chain.entries > 0
    restored.store.close()


def test_sqlite_under_load(data, tmp_path):
    file = data / "b2b-idp.sqlite3"
    world = World(data, f"sqlite:///{file}")
    world.done("PATCH", f"/users/{world.user.id}", {"displayName": "Ada"})
    before = world.tokens()
    with Browsers(world, 2) as browsers:
        browsers.served(6)
        shell("VACUUM INTO", tmp_path)
        browsers.served(6)
    assert set(browsers.answers) <= {200, 303}
    spent_since = world.refresh(before["refresh_token"]).json["refresh_token"]
    world.store.close()

    said = shell("mv data lost", tmp_path)

    assert "each as it was written" in said
    with sqlite3.connect(file) as c:
        assert c.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert c.execute("PRAGMA foreign_key_check").fetchall() == []
    restored = world.reopened(f"sqlite:///{file}")
    newer = restored.tokens()
    # a token that is newer than the backup is none of this past's
    assert refused(restored.refresh(spent_since)) == (400, "invalid_grant")
    assert refused(restored.refresh(before["refresh_token"])) == (400, "invalid_grant")
    goes_on(world, restored, newer)


@pytest.fixture(scope="module")
def postgres():
    with cluster() as running:
        yield running


def test_a_dump_of_postgresql_under_load(data, tmp_path, postgres):
    url = postgres.database()
    world = World(data, url)
    world.done("PATCH", f"/users/{world.user.id}", {"displayName": "Ada"})
    before = world.tokens()
    with Browsers(world, 2) as browsers:
        browsers.served(6)
        shell("pg_dump", tmp_path, B2B_IDP_DATABASE_URL=url)
        browsers.served(6)
    assert set(browsers.answers) <= {200, 303}
    world.store.close()
    shutil.rmtree(data)
    shutil.copytree(tmp_path / "backup", data)
    new = postgres.database()

    said = shell("pg_restore", tmp_path, B2B_IDP_DATABASE_URL=new)

    assert "each as it was written" in said
    goes_on(world, world.reopened(new), before)


def test_a_base_backup_and_the_log_since_lose_nothing(data, tmp_path):
    user = "postgres" if os.getuid() == 0 else None
    with cluster() as primary:
        backup = primary.folder / "backup"
        (backup / "wal").mkdir(parents=True)
        if user:
            shutil.chown(backup, user)
            shutil.chown(backup / "wal", user)
        primary.stop("fast")
        archiving = next(b.text for b in blocks(PAGE) if b.language == "ini").replace("/backup", str(backup))
        with (primary.data / "postgresql.auto.conf").open("a") as settings:
            settings.write(archiving)
        primary.start()
        url = primary.database()
        world = World(data, url)
        places = {"BACKUP": str(backup), "PGDATA": str(primary.data), "PRIMARY": primary.url("postgres")}
        shell("pg_basebackup", "/", user, **places)
        world.done("PATCH", f"/users/{world.user.id}", {"displayName": "Ada"})
        since = world.tokens()
        archived(primary)
        world.store.close()
        primary.kill()
        shutil.rmtree(primary.data)

        shell("restore_command", "/", user, **places)
        primary.start()

        ready(url)
        goes_on(world, world.reopened(url), since)


def archived(primary):
    """Has all that was written so far put into the archive."""
    with psycopg.connect(primary.url("postgres"), autocommit=True) as c:
        (segment,) = c.execute("SELECT pg_walfile_name(pg_switch_wal())").fetchone()
        for _ in range(400):
            if (c.execute("SELECT last_archived_wal FROM pg_stat_archiver").fetchone()[0] or "") >= segment:
                return
            time.sleep(0.05)
    raise AssertionError("nothing is archived")


def ready(url):
    """Waits for the end of the recovery, behind which it may be written."""
    for _ in range(400):
        try:
            with psycopg.connect(url, autocommit=True) as c:
                if c.execute("SELECT pg_is_in_recovery()").fetchone() == (False,):
                    return
        except psycopg.OperationalError:
            pass
        time.sleep(0.05)
    raise AssertionError("the recovery does not end")
