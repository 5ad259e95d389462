"""Directory roles held by groups are kept by the configuration's version: what one process changes counts at once in
all."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from b2b_idp.model.directory import DirectoryRoleAssignment, Tenant
from b2b_idp.store import Store

AT = datetime(2026, 6, 1, 10, tzinfo=UTC)
pytestmark = pytest.mark.parametrize("url", ["file", "postgres"], indirect=True)
BY_GROUP = DirectoryRoleAssignment("a1", "admins", "inviter", AT)
IN_PERSON = DirectoryRoleAssignment("a2", "ada", "reader", AT)


@pytest.fixture
def processes(url: str, open_store: Callable[[str], Store]) -> tuple[Store, Store]:
    """Two over one database, that share nothing but that; both have read the configuration."""
    one, two = open_store(url), open_store(url)
    with one.write() as w:
        w.documents.create_tenant(Tenant("t", "Contoso", "contoso.example", AT))
        for group in ("admins", "others"):
            w.apps.add_group(group, {"displayName": group}, AT)
    assert roles(one) == roles(two) == frozenset()
    return one, two


def roles(store: Store, *groups: str) -> frozenset[str]:
    with store.read() as r:
        return r.directory.roles_of("ada", groups or ("admins",))


def version(store: Store) -> int:
    with store.read() as r:
        return r.configuration.version


def test_a_role_given_to_a_group_is_its_members_in_every_process_and_nobody_elses(processes) -> None:
    one, two = processes
    with one.write() as w:
        w.directory.assign_role(BY_GROUP)
        w.directory.assign_role(IN_PERSON)
    assert roles(two) == roles(one) == {"inviter", "reader"}
    assert roles(two, "others") == {"reader"}
    with two.read() as r:
        assert r.directory.roles_of("ben", ["admins"]) == {"inviter"}
        assert r.directory.roles_of("ben") == frozenset()


@pytest.mark.parametrize(
    "take", [lambda w: w.directory.unassign_role("a1"), lambda w: w.directory.forget("admins")], ids=["role", "group"]
)
def test_a_role_taken_from_a_group_is_nobodys_in_every_process(processes, take) -> None:
    one, two = processes
    with one.write() as w:
        w.directory.assign_role(BY_GROUP)
    assert roles(two) == {"inviter"}
    with one.write() as w:
        take(w)
        assert w.directory.roles_of("ada", ["admins"]) == frozenset()
    assert roles(two) == roles(one) == frozenset()


def test_the_transaction_that_gives_a_role_sees_it_and_one_that_fails_leaves_nothing(processes) -> None:
    one, two = processes
    with pytest.raises(ZeroDivisionError), one.write() as w:
        assert w.directory.roles_of("ada", ["admins"]) == frozenset()
        w.directory.assign_role(BY_GROUP)
        assert w.directory.roles_of("ada", ["admins"]) == {"inviter"}
        raise ZeroDivisionError
    assert roles(one) == roles(two) == frozenset()


def test_a_persons_role_has_nobody_read_the_configuration_anew(processes) -> None:
    one, two = processes
    before = version(two)
    with one.write() as w:
        w.directory.assign_role(IN_PERSON)
    assert roles(two) == {"reader"}
    with one.write() as w:
        w.directory.unassign_role("a2")
        w.directory.forget("ada")
    assert roles(two) == frozenset()
    assert version(two) == before
