"""What the store promises, whatever the database: atomic steps and their losing side."""

from __future__ import annotations

import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Barrier, BrokenBarrierError

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect

from b2b_idp.guests.membership import refresh
from b2b_idp.keys.vault import Vault
from b2b_idp.model.directory import HomeIdentity, Invitation, Tenant, User
from b2b_idp.model.moment import Moment
from b2b_idp.model.problem import Code, Problem
from b2b_idp.store import Store
from b2b_idp.store.grants import Grant
from b2b_idp.store.logs import Chain
from b2b_idp.store.migrate import HEAD, config, downgrade
from b2b_idp.store.pushed import PushedRequest
from b2b_idp.store.signins import SessionRow, SigninRow
from b2b_idp.store.tables import metadata

AT = datetime(2026, 6, 1, 10, tzinfo=UTC)
IDENTITY = HomeIdentity("https://home.example", "1001")


@pytest.fixture
def store(url, open_store):
    store = open_store(url)
    with store.write() as w:
        w.documents.create_tenant(Tenant("t", "Contoso", "contoso.example", AT))
    return store


def guest(id="u1", mail="ada@fabrikam.example", **more):
    return (
        User(
            id=id,
            user_type="Guest",
            upn=f"{id}#EXT#@contoso.example",
            mail=mail,
            state="PendingAcceptance",
            created_at=AT,
        )
        if not more
        else User(id=id, user_type="Guest", upn=f"{id}@c", mail=mail, created_at=AT, **more)
    )


def test_a_pending_guest_is_bound_once(store):
    with store.write() as w:
        w.users.add(guest())
    with store.write() as w:
        bound = w.users.bind(w.users.by_id("u1"), IDENTITY, "h", "ada@fabrikam.example", AT)
    assert bound is not None and bound.state == "Accepted"
    with store.write() as w:
        other = HomeIdentity("https://home.example", "2002")
        assert w.users.bind(guest(), other, "h", "ada@fabrikam.example", AT) is None
    with store.read() as r:
        assert r.users.by_identity(IDENTITY).id == "u1"


def test_with_the_identity_a_guest_gets_what_the_home_says_and_only_that(store):
    with store.write() as w:
        w.users.add(guest())
    with store.write() as w:
        newer = replace(w.users.by_id("u1"), properties={"displayName": "Ada Lovelace"}, account_enabled=False)
        bound = w.users.bind(newer, IDENTITY, "h", "ada@fabrikam.example", AT)
    with store.read() as r:
        assert r.users.by_id("u1") == replace(bound, account_enabled=True)
        assert r.users.by_id("u1").display_name == "Ada Lovelace"


def test_the_first_mfa_at_home_is_remembered_and_no_sign_in_without_it(store):
    later = AT + timedelta(days=1)
    with store.write() as w:
        w.users.add(guest())
        seen = []
        for at, mfa in ((AT, False), (AT, True), (later, True), (later, False)):
            w.users.signed_in("u1", at, mfa_at_home=mfa)
            user = w.users.by_id("u1")
            seen.append((user.last_signin_at, user.home_mfa_seen_at))
    assert seen == [(AT, None), (AT, AT), (later, AT), (later, AT)]


def test_who_waits_is_found_with_the_latest_invitation(store):
    def invitation(id, user_id, days):
        return Invitation(
            id=id, user_id=user_id, email="ada@fabrikam.example", redirect_url="https://app.example/",
            display_name=None, user_type="Guest", send_message=False, message={}, reset_redemption=False,
            status="PendingAcceptance", generation=0, created_at=AT + timedelta(days=days), expires_at=AT,
            invited_by="app",
        )  # fmt: skip

    with store.write() as w:
        for id in ("waits", "joined", "deleted", "uninvited"):
            w.users.add(guest(id))
        for id, user_id, days in (("i1", "waits", 0), ("i3", "waits", 2), ("i2", "waits", 1), ("i4", "joined", 0)):
            w.invitations.add(invitation(id, user_id, days))
        w.invitations.add(invitation("i5", "deleted", 0))
        w.users.save(replace(w.users.by_id("deleted"), deleted_at=AT))
        w.users.save(replace(w.users.by_id("joined"), state="Accepted"))
        waiting = w.users.waiting("ADA@fabrikam.example")
        assert waiting == [(w.users.by_id("waits"), w.invitations.by_id("i3"))]


def test_an_identity_belongs_to_one_guest(store):
    with store.write() as w:
        w.users.add(guest("u1"))
        w.users.add(guest("u2", "eve@fabrikam.example"))
        assert w.users.bind(w.users.by_id("u1"), IDENTITY, "h", "ada@fabrikam.example", AT)
        assert w.users.bind(w.users.by_id("u2"), IDENTITY, "h", "eve@fabrikam.example", AT) is None


def test_n_035_the_same_subject_at_two_issuers_is_two_people(store):
    with store.write() as w:
        w.users.add(guest("u1"))
        w.users.add(guest("u2", "eve@northwind.example"))
        w.users.bind(w.users.by_id("u1"), HomeIdentity("https://a.example", "1001"), "a", "x@y.z", AT)
        w.users.bind(w.users.by_id("u2"), HomeIdentity("https://b.example", "1001"), "b", "x@y.z", AT)
        assert w.users.by_identity(HomeIdentity("https://a.example", "1001")).id == "u1"
        assert w.users.by_identity(HomeIdentity("https://b.example", "1001")).id == "u2"


def test_addresses_are_found_without_case(store):
    with store.write() as w:
        w.users.add(guest())
        assert [u.id for u in w.users.by_mail("ADA@Fabrikam.example")] == ["u1"]


def test_what_a_transaction_wrote_is_gone_when_an_exception_leaves_it(store):
    with pytest.raises(RuntimeError), store.write() as w:
        w.users.add(guest())
        raise RuntimeError
    with store.read() as r:
        assert r.users.by_id("u1") is None


BEGUN = SigninRow(
    id="s",
    browser=b"b",
    version=0,
    waiting="home",
    known={"a": 1},
    correlation_id="c",
    created_at=AT,
    expires_at=AT + timedelta(hours=1),
)


def test_a_step_is_taken_once(store):
    with store.write() as w:
        w.signins.add(BEGUN)
    with store.write() as w:
        assert w.signins.move("s", 0, "redeem", {"a": 2})
        assert not w.signins.move("s", 0, "consent", {"a": 3})
        row = w.signins.by_id("s")
    assert (row.version, row.waiting, row.known) == (1, "redeem", {"a": 2})


def test_a_claim_gives_the_row_once_to_its_browser_while_it_lives(store):
    with store.write() as w:
        w.signins.add(BEGUN)
    with store.write() as w:
        assert w.signins.claim("s", b"another", "home", "exchange", AT)() is None
        assert w.signins.claim("s", b"b", "redeem", "exchange", AT)() is None
        assert w.signins.claim("s", b"b", "home", "exchange", BEGUN.expires_at)() is None
        assert w.signins.claim("unknown", b"b", "home", "exchange", AT)() is None
        assert w.signins.by_id("s") == BEGUN
        claimed = w.signins.claim("s", b"b", "home", "exchange", AT)()
        assert claimed == replace(BEGUN, version=1, waiting="exchange") == w.signins.by_id("s")
        assert w.signins.claim("s", b"b", "home", "exchange", AT)() is None


def test_a_session_is_read_once_until_something_is_written(store):
    begun = SessionRow(id="x", user_id="u1", evidence={"local": []}, created_at=AT, expires_at=AT + timedelta(hours=1))
    with store.write() as w:
        w.users.add(guest())
        assert w.signins.session("x") is None
        w.signins.add_session(begun)
        assert w.signins.session("x") == begun
        asked = w._c.asked
        assert w.signins.session("x") == begun
        assert w._c.asked == asked
        assert w.signins.session("y") is None
        w.signins.end_session("x", AT)
        assert w.signins.session("x") == replace(begun, ended_at=AT)


def grant(store):
    with store.write() as w:
        w.users.add(guest())
        w.grants.add(
            Grant(
                id="g",
                user_id="u1",
                app_id="a",
                session_id="s",
                document={},
                created_at=AT,
                expires_at=AT + timedelta(days=1),
            )
        )


def at_once(store, take):
    """What two transactions gave that `take` a step each, as near to one another as the database lets them."""
    met = Barrier(2)

    def step(w):
        found = w.grants.by_id("g")
        with suppress(BrokenBarrierError):
            met.wait(0.2)
        return take(w, found)

    with ThreadPoolExecutor(2) as two:
        return sorted(two.map(store.transact, [step, step]))


def test_a_code_is_spent_once(store):
    grant(store)

    def spend(w, found):
        if found.code_used_at is None:
            w.grants.use_code("g", AT)
        return found.code_used_at is None

    assert at_once(store, spend) == [False, True]
    with store.read() as r:
        assert r.grants.by_id("g").code_used_at == AT


def test_a_refresh_token_is_rotated_once_a_generation(store):
    grant(store)

    def rotate(w, found):
        w.grants.rotate("g", found.generation + 1, AT)
        return found.generation

    assert at_once(store, rotate) == [0, 1]
    with store.read() as r:
        assert r.grants.by_id("g").generation == 2


def test_n_118_a_client_assertion_is_good_once(store):
    with store.write() as w:
        assert [w.grants.use_assertion(b"x", AT), w.grants.use_assertion(b"x", AT)] == [True, False]


def test_a_homes_secret_is_sealed_at_rest_and_open_in_the_configuration(store):
    document = {
        "@odata.type": "#microsoft.graph.oidcIdentityProvider",
        "displayName": "Fabrikam",
        "clientId": "b2b",
        "issuer": "https://home.example",
        "clientAuthentication": {"@odata.type": "#microsoft.graph.oidcClientSecretAuthentication"},
        "b2bIdp": {"domains": ["fabrikam.example"]},
    }
    with store.write() as w:
        w.documents.add_home("h", document, "s3cret", AT)
    with store.read() as r:
        home = r.configuration.homes_by_domain["fabrikam.example"]
        assert home.client_secret == "s3cret"
        raw = r._c._connection.exec_driver_sql("select document, secret from homes").one()
    assert b"s3cret" not in raw.secret and "s3cret" not in raw.document


def test_the_configuration_is_compiled_anew_only_after_a_change(store):
    with store.read() as r:
        first = r.configuration
    with store.read() as r:
        assert r.configuration is first
    with store.write() as w:
        w.documents.set_partner("p", {"inboundTrust": {"isMfaAccepted": True}})
    with store.read() as r:
        assert r.configuration.partners["p"].mfa_accepted is True


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_migrations_make_the_schema_of_the_tables_and_take_it_away_again(kind, request, tmp_path, open_store):
    sqlite = kind == "sqlite"
    store = open_store(f"sqlite:///{tmp_path / 'db'}" if sqlite else request.getfixturevalue("postgres").database())
    store.migrate()
    engine = store._database.engine
    with engine.connect() as c:
        # the marks of replicas are PostgreSQL's own
        ours = {"include_object": lambda found, name, *_: name != "touched"}
        assert compare_metadata(MigrationContext.configure(c, opts=ours), metadata) == []
    downgrade(engine, "base")
    with engine.connect() as c:
        assert inspect(c).get_table_names() == ["alembic_version"]
        if not sqlite:
            left = c.exec_driver_sql("SELECT proname FROM pg_proc WHERE proname LIKE 'touch%%'").all()
            assert left == []


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_counters_go_on_over_a_downgrade_and_back(kind, request, tmp_path, open_store):
    sqlite = kind == "sqlite"
    store = open_store(f"sqlite:///{tmp_path / 'db'}" if sqlite else request.getfixturevalue("postgres").database())
    store.migrate()
    with store.write() as w:
        w.documents.create_tenant(Tenant("t", "Contoso", "contoso.example", AT))
        w.logs.add_audit({"id": "a1", "activityDisplayName": "x"}, AT)
        w.directory.relate("manager", "u1", "u2")
        w.memberships.go_on("u1")
    downgrade(store._database.engine, "0007")
    store.migrate()
    with store.write() as w:
        w.logs.add_audit({"id": "a2", "activityDisplayName": "x"}, AT)
        w.directory.relate("manager", "u3", "u2")
    with store.read() as r:
        assert r.logs.verify_chain() == Chain(entries=2, unchained=0)
        assert [change.seq for change in r.directory.changes("user", 0, 9)] == [1, 2]
        progress = r.memberships.progress()
    assert (progress.change_seq, progress.settled_seq, progress.pass_after) == (2, 0, "u1")


def test_the_newest_revision_is_the_one_that_the_code_expects():
    assert ScriptDirectory.from_config(config()).get_current_head() == HEAD


def test_n_162_a_lock_held_by_another_process_is_an_honest_refusal(tmp_path, monkeypatch):
    import sqlite3

    from b2b_idp.store import sqlite

    monkeypatch.setattr(sqlite, "_BUSY_SECONDS", 0)
    path = tmp_path / "db.sqlite3"
    store = Store(f"sqlite:///{path}", Vault(b"k" * 32))
    store.migrate()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Problem) as e, store.write():
        pass
    assert e.value.code is Code.UNAVAILABLE and e.value.retry_after
    other.execute("ROLLBACK")
    with store.write() as w:
        w.documents.create_tenant(Tenant("t", "Contoso", "contoso.example", AT))
    store.close()


def agreeing(store, n):
    """Two of these at the same time would both see that nobody has a guest named so, and both add one."""

    def step(w):
        if not w.users.by_mail("ada@fabrikam.example"):
            w.users.add(guest(f"u{n}"))
            return True
        return False

    return store.transact(step)


@pytest.mark.parametrize("url", ["file", "postgres"], indirect=True)
def test_what_one_transaction_read_another_has_not_changed_when_it_is_committed(store):
    with ThreadPoolExecutor(8) as pool:
        added = [pool.submit(agreeing, store, n) for n in range(24)]
    assert [one.result() for one in added].count(True) == 1
    with store.read() as r:
        assert len(r.users.by_mail("ada@fabrikam.example")) == 1


@pytest.mark.parametrize("url", ["postgres"], indirect=True)
def test_a_transaction_that_lost_against_another_is_an_honest_refusal_where_nobody_tries_again(store, open_store):
    other = open_store(store._database.url)
    with pytest.raises(Problem) as refused, store.write() as w:
        w.users.by_mail("ada@fabrikam.example")
        with other.write() as first:
            first.users.by_mail("ada@fabrikam.example")
            first.users.add(guest("u1"))
        w.users.add(guest("u2"))
    assert refused.value.code is Code.UNAVAILABLE and refused.value.retry_after


@pytest.mark.parametrize("url", ["postgres"], indirect=True)
def test_what_follows_a_commit_is_done_once_however_often_the_transaction_is_run(store, open_store):
    other, runs, done = open_store(store._database.url), [], []

    def step(w):
        runs.append(w)
        w.after_commit(lambda: done.append(len(runs)))
        taken = w.users.by_mail("ada@fabrikam.example")
        if len(runs) == 1:
            with other.write() as first:
                first.users.by_mail("ada@fabrikam.example")
                first.users.add(guest("u1"))
        if not taken:
            w.users.add(guest("u2"))

    store.transact(step)
    assert (len(runs), done) == (2, [2])


def test_nothing_follows_a_transaction_that_was_not_committed(store):
    done = []

    def fail(w):
        w.after_commit(lambda: done.append(1))
        raise RuntimeError

    with pytest.raises(RuntimeError):
        store.transact(fail)
    with pytest.raises(RuntimeError), store.write() as w:
        fail(w)
    assert done == []


@pytest.mark.parametrize("url", ["postgres"], indirect=True)
def test_many_may_bring_the_members_of_dynamic_groups_up_to_date_at_the_same_time(store):
    rule = {"displayName": "All", "groupTypes": ["DynamicMembership"], "membershipRule": "user.objectId -ne null"}
    with store.write() as w:
        w.apps.add_group("all", rule | {"membershipRuleProcessingState": "On"}, AT)
        for n in range(450):
            w.users.add(replace(guest(f"u{n}"), upn=f"u{n}"))
    moment = Moment(AT, lambda: str(uuid.uuid4()), lambda: "")
    with ThreadPoolExecutor(8) as pool:
        for one in [pool.submit(lambda: list(refresh(store, lambda: moment))) for _ in range(8)]:
            one.result()
    with store.read() as r:
        assert len(r.apps.members("all")) == 450


@pytest.mark.parametrize("text", ["\0", "\ud800"], ids=ascii)
def test_nobody_is_found_by_what_no_database_can_keep(store, text):
    """As a NUL in an address: 400, where PostgreSQL has a failure."""
    for look in (lambda r: r.apps.by_client_id(text), lambda r: r.apps.group(text), lambda r: r.app_keys.by_kid(text)):
        try:
            with store.read() as r:
                assert not look(r)
        except Problem as refused:
            assert refused.code is Code.BAD_REQUEST


def test_who_asks_for_a_turn_is_undone_by_nobody_who_asked_too(store):
    with store.write() as w:
        w.users.add(guest())
    whole = []

    def step(w):
        user = w.users.by_id("u1")
        w.take_turn()
        w.users.save(replace(user, properties={"employeeId": str(int(user.properties.get("employeeId", 0)) + 1)}))
        whole.append(w)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: store.transact(step), range(24)))
    with store.read() as r:
        assert r.users.by_id("u1").properties["employeeId"] == str(len(whole)) == "24"


@pytest.mark.parametrize("url", ["postgres"], indirect=True)
def test_many_that_are_in_one_anothers_way_take_turns_and_all_get_through(store):
    with store.write() as w:
        w.users.add(guest())

    def step(w):
        user = w.users.by_id("u1")
        time.sleep(0.02)
        w.users.save(replace(user, properties={"employeeId": str(int(user.properties.get("employeeId", 0)) + 1)}))

    with ThreadPoolExecutor(14) as pool:
        list(pool.map(lambda _: store.transact(step), range(56)))
    with store.read() as r:
        assert r.users.by_id("u1").properties["employeeId"] == "56"


def test_a_pushed_request_is_answered_once(store):
    pushed = PushedRequest(
        id="p1", app_id="a1", parameters=[("scope", "openid"), ("resource", "x"), ("resource", "y")], signed=True,
        expires_at=AT,
    )  # fmt: skip
    store.transact(lambda w: w.pushed.add(pushed))
    with store.read() as r:
        assert r.pushed.by_id("p1") == pushed
    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(lambda _: store.transact(lambda w: w.pushed.answer("p1", AT)), range(4)))[-2:] == [
            False,
            True,
        ]
    assert store.transact(lambda w: (w.pushed.sweep(AT), w.pushed.sweep(AT + timedelta(seconds=1)))) == (0, 1)
