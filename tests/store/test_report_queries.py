"""What reports ask of the sign-in log costs what their period costs, not what the log does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event

from b2b_idp.keys.vault import Vault
from b2b_idp.model.directory import Tenant
from b2b_idp.store import Store
from b2b_idp.store.logs import SigninFacts
from b2b_idp.store.reports import NEWEST

AT = datetime(2026, 6, 1, tzinfo=UTC)
LATER = AT + timedelta(days=1)


@pytest.fixture
def store():
    store = Store("sqlite://", Vault(b"k" * 32))
    with store.write() as w:
        w.documents.create_tenant(Tenant("t", "Contoso", "contoso.example", AT))
    yield store
    store.close()


def add(store, number, *, home="fabrikam", **facts):
    with store.write() as w:
        document = {"id": str(number), "userId": "ada", "appId": "crm"}
        facts = {"outcome": "allowed", "asked_home": False, "home_mfa": False, "local_mfa": False} | facts
        w.logs.add_signin(document, AT + timedelta(minutes=number), SigninFacts(home_tenant_id=home, **facts))


@pytest.mark.parametrize(
    "ask",
    [
        lambda r: list(r.replays(AT, LATER)),
        lambda r: r.how_many(AT, LATER),
        lambda r: list(r.twice(AT, LATER)),
        lambda r: list(r.ended_with(["strength_unreachable"], AT, LATER)),
        lambda r: r.last_allowed(AT, LATER),
        lambda r: r.step_ups(AT, LATER),
        lambda r: r.step_up_of("fabrikam"),
    ],
    ids=["replays", "how_many", "twice", "ended_with", "last_allowed", "step_ups", "step_up_of"],
)
def test_a_report_reads_an_index_of_time_and_no_more_than_its_period(store, ask):
    said = []
    event.listen(store._database.engine, "before_cursor_execute", lambda *x: said.append((x[2], x[3])))
    with store.read() as r:
        ask(r.reports)
        plan = " ".join(
            row[3]
            for statement, parameters in [s for s in said if "signin_log" in s[0]]
            for row in r.reports._c._connection.exec_driver_sql("EXPLAIN QUERY PLAN " + statement, parameters)
        )
    assert "ix_signin_log_at (at>" in plan or "ix_signin_log_home_tenant_id_at (home_tenant_id=?)" in plan
    assert "SCAN signin_log" not in plan


def test_what_was_asked_of_a_home_and_what_it_answered(store):
    add(store, 1, asked_home=True, home_mfa=True)
    add(store, 2, asked_home=True)
    add(store, 3, home_mfa=True)
    add(store, 4, home="litware", asked_home=True)
    with store.read() as r:
        seen = r.reports.step_ups(AT, LATER)
        assert seen["fabrikam"] == r.reports.step_up_of("fabrikam")
    assert (seen["fabrikam"].asked, seen["fabrikam"].answered) == (2, 1)
    assert seen["fabrikam"].last_asked == AT + timedelta(minutes=2)
    assert seen["fabrikam"].last_answered == AT + timedelta(minutes=1)
    assert (seen["litware"].asked, seen["litware"].answered) == (1, 0)


def test_of_a_home_its_newest_sign_ins_are_looked_at(store):
    add(store, 0, asked_home=True)
    with store.write() as w:
        for n in range(NEWEST):
            document = {"id": f"n{n}", "userId": "ada", "appId": "crm"}
            w.logs.add_signin(document, LATER + timedelta(seconds=n), SigninFacts(home_tenant_id="fabrikam"))
    with store.read() as r:
        assert r.reports.step_up_of("fabrikam").asked == 0


def test_evidence_is_sealed_to_its_entry(store):
    add(store, 1, evidence=b"signed")
    with store.read() as r:
        assert r.logs.evidence("1") == b"signed"
        assert r.logs.evidence("2") is None
        raw = r.reports._c._connection.exec_driver_sql("SELECT evidence FROM signin_log").scalar_one()
    assert b"signed" not in raw
