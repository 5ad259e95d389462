"""A production server brings the lists of dynamic groups up to date beside its requests, and goes on after SIGKILL."""

from __future__ import annotations

import json
import sqlite3
import time
import uuid

import pytest

from tests.ports import free_port
from tests.real.instance import Instance

USERS = 1200


@pytest.fixture
def instance(tmp_path):
    made = Instance(tmp_path / "data", free_port())
    with sqlite3.connect(tmp_path / "data" / "b2b-idp.sqlite3") as c:
        properties = json.dumps({"department": "Sales"})
        c.executemany(
            "INSERT INTO users (id, upn, upn_key, user_type, account_enabled, created_at, properties) "
            "VALUES (?, ?, ?, 'Guest', 1, 0, ?)",
            ((str(uuid.uuid4()), f"u{n}", f"u{n}", properties) for n in range(USERS)),
        )
    made.start()
    yield made
    made.stop()


def listed(instance, group):
    with sqlite3.connect(instance.data / "b2b-idp.sqlite3") as c:
        return c.execute("SELECT count(*) FROM group_members WHERE group_id = ?", [group]).fetchone()[0]


def until(instance, group, least):
    for _ in range(1200):
        found = listed(instance, group)
        if found >= least:
            return found
        time.sleep(0.05)
    raise AssertionError(f"{found} of {least} members are listed")


def test_lists_follow_a_rule_in_the_background_and_nothing_is_lost_or_doubled_by_sigkill(instance):
    rule = {"groupTypes": ["DynamicMembership"], "membershipRule": 'user.department -eq "Sales"'}
    group = instance.graph("POST", "/groups", {"displayName": "Sales"} | rule)["id"]
    until(instance, group, 1)
    instance.kill()
    instance.start()
    assert until(instance, group, USERS) == USERS
    done = json.loads(instance.run("groups", "refresh", "--data", str(instance.data), "--json").splitlines()[-1])
    assert (done["entered"], done["left"]) == (0, 0)
    assert json.loads(instance.run("audit", "verify", "--data", str(instance.data), "--json"))["broken"] is None
