"""Applications are read once a version: whatever changes one is seen by every process at once, and nothing else is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from b2b_idp.model.directory import AppKey, AppSecret, Tenant
from b2b_idp.store.apps import AppRow
from b2b_idp.store.tables import tenant

AT = datetime(2026, 5, 4, tzinfo=UTC)
URI = "api://orders"
ROW = AppRow(
    id="1",
    app_id="client",
    sp_id="2",
    sp_explicit=False,
    created_at=AT,
    version=0,
    application={"displayName": "Orders", "identifierUris": [URI]},
    service_principal={},
)
SECRET = AppSecret("s", b"hash", "hin", None, AT, AT + timedelta(days=1))
KEY = AppKey(
    key_id="k",
    app="1",
    kid="kid",
    thumbprint="t",
    display_name="k",
    certificate=b"c",
    starts_at=AT,
    ends_at=AT,
    signs_from=AT,
)


@pytest.fixture
def servers(tmp_path, open_store):
    """Two processes at one database, which holds one app that both know."""
    address = f"sqlite:///{tmp_path / 'db'}"
    one, other = open_store(address), open_store(address)
    one.migrate()
    with one.write() as w:
        w.documents.create_tenant(Tenant("t", "Contoso", "contoso.example", AT))
        w.apps.add(ROW)
    assert seen(one) == seen(other)
    return one, other


def seen(store):
    """What is read of the app."""
    with store.read() as r:
        app = r.apps.by_client_id("client")
        secrets, keys = r.apps.secrets("1"), r.app_keys.of("1")
        assert r.apps.by_identifier_uri(URI) == app
        return app and app.display_name, len(secrets), len(keys)


def renamed(row):
    return AppRow(
        **{name: getattr(row, name) for name in AppRow.__slots__}
        | {"application": {"displayName": "Renamed", "identifierUris": [URI]}}
    )


CHANGES = {
    "saved": (lambda w: w.apps.save(renamed(w.apps.row("1"))), ("Renamed", 0, 0)),
    "deleted": (lambda w: w.apps.delete(w.apps.row("1")), (None, 0, 0)),
    "a secret": (lambda w: w.apps.add_secret("1", SECRET), ("Orders", 1, 0)),
    "a key": (lambda w: w.app_keys.add(KEY, b"private"), ("Orders", 0, 1)),
}


@pytest.mark.parametrize(("change", "after"), CHANGES.values(), ids=CHANGES)
def test_what_one_process_changes_all_of_them_see(servers, change, after):
    one, other = servers
    with one.write() as w:
        change(w)
    assert seen(other) == seen(one) == after


def test_what_is_taken_away_is_gone(servers):
    one, other = servers
    with one.write() as w:
        w.apps.add_secret("1", SECRET)
        w.app_keys.add(KEY, b"private")
    assert seen(other) == ("Orders", 1, 1)
    with one.write() as w:
        w.apps.remove_secret("1", "s")
        w.app_keys.remove(KEY)
    assert seen(other) == seen(one) == ("Orders", 0, 0)


def test_a_transaction_sees_its_own_change_and_an_undone_one_is_kept_by_nobody(servers):
    one, other = servers
    with pytest.raises(RuntimeError), one.write() as w:
        w.apps.save(renamed(ROW))
        assert w.apps.by_client_id("client").display_name == "Renamed"
        raise RuntimeError
    # another change now has the version that the undone one would have had
    with other.write() as w:
        w.apps.add_secret("1", SECRET)
    assert seen(one) == ("Orders", 1, 0)


def test_what_is_known_is_not_read_again(servers):
    one, _ = servers
    with one.read() as r:
        assert r.apps.by_client_id("client") is r.apps.by_client_id("client")
        first = r.apps.by_client_id("client")
    with one.read() as r:
        assert r.apps.by_client_id("client") is first


def test_what_is_read_of_a_database_that_is_gone_never_stands_beside_what_is_read_of_the_next(servers):
    store, _ = servers
    cache = store._caches.apps
    with store.read() as r:
        version = r._c.execute(select(tenant.c.apps_version)).scalar()
        history = store._caches.history
        before = history.now
        history.end()
        new = cache.at(version, r._c, history.now)
        cache.at(version, r._c, before)["client"] = "of the old one"
        assert new == {}
        assert cache.at(version, r._c, history.now) is new
