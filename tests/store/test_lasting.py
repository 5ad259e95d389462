"""What need not outlast a power cut does not wait for the disk; every server sees it all the same."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from b2b_idp.model.problem import Code, Problem

AT = datetime(2026, 6, 1, 10, tzinfo=UTC)
DISK = {
    "sqlite": ("PRAGMA synchronous", {True: 2, False: 1}),
    "postgresql": ("SHOW synchronous_commit", {True: "on", False: "off"}),
}
"""How each kind of database is asked whether it waits, and what it says by whether a transaction lasts."""

both = pytest.mark.parametrize("url", ["file", "postgres"], indirect=True)


def waits(w):
    return w._c.execute(text(DISK[w._c.dialect.name][0])).scalar()


def said(store, lasting):
    return DISK[store._database.engine.dialect.name][1][lasting]


@both
def test_only_what_does_not_last_is_spared_the_wait(url, open_store):
    store = open_store(url)
    for lasting in (True, False, True, False):
        assert store.transact(waits, lasting=lasting) == said(store, lasting)
    assert store.transact(waits) == said(store, True)


@both
def test_one_that_is_undone_leaves_no_haste_to_the_next(url, open_store):
    store = open_store(url)

    def refuse(w):
        assert waits(w) == said(store, False)
        raise Problem(Code.INVALID_TOKEN, "No.")

    with pytest.raises(Problem):
        store.transact(refuse, lasting=False)
    assert store.transact(waits) == said(store, True)
    with store.write() as w:
        assert waits(w) == said(store, True)


@both
def test_a_proof_is_good_once_at_all_servers_at_once(url, open_store):
    servers = [open_store(url) for _ in range(2)]

    def use(n):
        return servers[n % 2].transact(lambda w: w.grants.use_assertion(b"jti", AT), lasting=False)

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(use, range(12))) == 1
