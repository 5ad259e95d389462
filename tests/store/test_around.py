"""What is stored around a person: one row that says what the single readers say, of nobody else and no other app."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from b2b_idp.model.directory import DirectoryRoleAssignment, Tenant, User
from b2b_idp.model.evidence import LocalMethod
from b2b_idp.store import Reader, Store
from b2b_idp.store.around import Around
from b2b_idp.store.factors import Passkey, TotpFactor

AT = datetime(2026, 6, 1, 10, tzinfo=UTC)
NOTHING = Around(frozenset(), frozenset(), frozenset(), frozenset())
pytestmark = pytest.mark.parametrize("url", ["file", "postgres"], indirect=True)


def user(id: str) -> User:
    return User(id=id, user_type="Guest", upn=id, mail=None, created_at=AT, properties={"department": "Sales"})


def dynamic(text: str) -> dict[str, object]:
    on = {"groupTypes": ["DynamicMembership"], "membershipRuleProcessingState": "On"}
    return {"displayName": text, "membershipRule": text} | on


@pytest.fixture
def store(url: str, open_store: Callable[[str], Store]) -> Store:
    """Ada has some of everything, twice where there may be two; Ben has nothing."""
    store = open_store(url)
    passkey = {"public_key": b"k", "sign_count": 0, "aaguid": "", "name": "", "transports": (), "backed_up": False}
    with store.write() as w:
        w.documents.create_tenant(Tenant("t", "Contoso", "contoso.example", AT))
        w.users.add(user("ada"))
        w.users.add(user("ben"))
        for group in ("readers", "writers", "left"):
            w.apps.add_group(group, {"displayName": group}, AT)
            w.apps.add_member(group, "ada")
        w.apps.add_group("sales", dynamic('user.department -eq "Sales"'), AT)
        w.apps.add_group("gone", dynamic('user.department -eq "Finance"'), AT)
        w.apps.add_member("gone", "ada")
        w.directory.assign_role(DirectoryRoleAssignment("a1", "ada", "inviter", AT))
        w.directory.assign_role(DirectoryRoleAssignment("a2", "ada", "reader", AT))
        w.directory.assign_role(DirectoryRoleAssignment("a3", "writers", "writer", AT))
        for id in ("one", "two"):
            w.factors.add_totp(TotpFactor(id, "ada", b"secret", 0, AT))
            w.factors.add_passkey(Passkey(id=id, user_id="ada", credential_id=id.encode(), created_at=AT, **passkey))
        w.factors.set_recovery_codes("ada", [b"last"])
        w.grants.consent("ada", "crm", frozenset({"User.Read", "Mail.Read"}), AT)
        w.grants.consent("ada", "wiki", frozenset({"Files.Read"}), AT)
    return store


def test_one_statement_says_what_the_single_readers_say(store: Store) -> None:
    with store.read() as r:
        before = r._c.asked
        around = r.around.of("ada", "crm")
        assert r._c.asked == before + 1
        assert around.listed == {"readers", "writers", "left", "gone"}
        assert around.roles == {"inviter", "reader"} == r.directory.roles_of("ada")
        everything = {LocalMethod.TOTP, LocalMethod.PASSKEY, LocalMethod.RECOVERY_CODE}
        assert around.methods == everything == r.factors.methods("ada")
        assert around.scopes == {"User.Read", "Mail.Read"} == r.grants.consented("ada", "crm")


def test_groups_and_roles_that_follow_are_those_read_one_by_one(store: Store) -> None:
    def judged(r: Reader) -> tuple[frozenset[str], frozenset[str]]:
        around = r.around.of("ada", None)
        groups = r.memberships.set_of(user("ada"), AT, around.listed)
        return groups, around.roles | r.directory.roles_through(groups)

    with store.read() as r:
        groups, roles = judged(r)
        # what a rule says now counts, not what it once said
        assert groups == {"readers", "writers", "left", "sales"} == r.memberships.set_of(user("ada"), AT)
        assert roles == {"inviter", "reader", "writer"} == r.directory.roles_of("ada", groups)


def test_nobody_elses_counts_and_no_other_apps(store: Store) -> None:
    with store.read() as r:
        assert r.around.of("ben", "crm") == r.around.of("nobody", "crm") == NOTHING
        assert r.around.of("ada", "other").scopes == r.around.of("ada", None).scopes == frozenset()


def test_a_transaction_sees_what_it_changed(store: Store) -> None:
    with store.write() as w:
        assert LocalMethod.RECOVERY_CODE in w.around.of("ada", None).methods
        w.factors.use_recovery_code("ada", b"last", AT)
        w.factors.remove("ada", "one")
        assert w.around.of("ada", None).methods == {LocalMethod.TOTP, LocalMethod.PASSKEY}
        w.factors.forget("ada")
        w.apps.remove_member("left", "ada")
        around = w.around.of("ada", None)
        assert (around.methods, "left" in around.listed) == (frozenset(), False)
