"""Rules in the store: one version for all processes, compiled once, and never a member too many."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from b2b_idp.groups import rule as language
from b2b_idp.groups.index import RuleIndex
from b2b_idp.groups.person import person_of
from b2b_idp.keys.vault import Vault
from b2b_idp.model.directory import Tenant, User
from b2b_idp.store import Store
from b2b_idp.store import rules as compiled

AT = datetime(2026, 6, 1, 10, tzinfo=UTC)


def dynamic(text, state="On"):
    types = {"groupTypes": ["DynamicMembership"]}
    return {"displayName": text, "membershipRule": text, "membershipRuleProcessingState": state} | types


def ada(department="Sales"):
    properties = {"department": department}
    return User(id="ada", user_type="Guest", upn="ada", mail=None, created_at=AT, properties=properties)


@pytest.fixture
def url(tmp_path):
    url = f"sqlite:///{tmp_path / 'db.sqlite3'}"
    store = Store(url, Vault(b"k" * 32))
    store.migrate()
    with store.write() as w:
        w.documents.create_tenant(Tenant("t", "Contoso", "contoso.example", AT))
        w.users.add(ada())
        w.apps.add_group("sales", dynamic('user.department -eq "Sales"'), AT)
    store.close()
    return url


@pytest.fixture
def processes(url):
    """Two processes over one database: nothing is shared but that."""
    both = Store(url, Vault(b"k" * 32)), Store(url, Vault(b"k" * 32))
    yield both
    for store in both:
        store.close()


def groups_of(store, user=None, *, write=False):
    with store.write() if write else store.read() as r:
        return r.memberships.groups_of(user or ada(), AT)


def test_a_rule_changed_in_one_process_holds_in_the_next_transaction_of_every_other(processes):
    one, two = processes
    assert groups_of(one) == groups_of(two) == ["sales"]
    for n in range(20):
        text = f'user.department -eq "{("Finance", "Sales")[n % 2]}"'
        with one.write() as w:
            w.apps.save_group("sales", dynamic(text))
        assert groups_of(two) == groups_of(two, write=True) == groups_of(one) == (["sales"] if n % 2 else [])


def test_what_a_transaction_that_failed_said_is_not_kept(processes):
    one, two = processes
    with pytest.raises(ZeroDivisionError), one.write() as w:
        w.apps.save_group("sales", dynamic('user.department -eq "Finance"'))
        assert w.memberships.groups_of(ada(), AT) == []
        raise ZeroDivisionError
    with two.write() as w:
        w.apps.save_group("sales", dynamic('user.department -ne "Finance"'))
    assert groups_of(one) == ["sales"]
    assert groups_of(one, ada("Finance")) == []


def test_a_rule_is_parsed_once_whatever_else_changes(processes, monkeypatch):
    one, _ = processes
    parsed = []

    def counted(text):
        parsed.append(text)
        return language.parse_rule(text)

    monkeypatch.setattr(compiled, "parse_rule", counted)
    groups_of(one), groups_of(one)
    with one.write() as w:
        w.apps.add_group("finance", dynamic('user.department -eq "Finance"'), AT)
    groups_of(one, write=True), groups_of(one)
    assert parsed == ['user.department -eq "Sales"', 'user.department -eq "Finance"']


def test_what_is_stored_of_a_dynamic_group_that_is_on_counts_for_nothing(processes):
    one, _ = processes
    with one.write() as w:
        w.apps.add_member("sales", "ada")
    assert groups_of(one, ada("Finance")) == []
    with one.write() as w:
        w.apps.save_group("sales", dynamic('user.department -eq "Sales"', "Paused"))
    assert groups_of(one, ada("Finance")) == ["sales"]


def test_a_rule_that_this_version_does_not_read_keeps_the_members_and_hurts_no_other(processes):
    one, _ = processes
    with one.write() as w:
        w.apps.add_group("old", dynamic("user.shoeSize -gt 40"), AT)
        w.apps.add_member("old", "ada")
    assert groups_of(one) == ["old", "sales"] and groups_of(one, ada("Finance")) == ["old"]
    with one.read() as r:
        assert r.memberships.rules.broken == ("old",)


TEXTS = [f'user.department -eq "{name}"' for name in ("Sales", "Finance")] + ["user.objectId -ne null"]
TEXTS += [f"user.memberOf -any (group.objectId -in ['{name}'])" for name in ("held", "g0", "g1")]


@given(st.lists(st.dictionaries(st.sampled_from(["g0", "g1", "g2", "g3"]), st.sampled_from(TEXTS)), min_size=1))
def test_whatever_rules_change_one_after_another_the_index_is_as_if_it_were_made_anew(versions):
    layers, parsed = None, {text: language.parse_rule(text) for text in TEXTS}
    person = person_of(ada(), {"held"})
    for version in versions:
        rules = {id: parsed[text] for id, text in version.items()}
        layers = compiled.Layers(rules, layers)
        assert layers.groups_of(person, AT) == RuleIndex(rules).groups_of(person, AT)


def test_many_changes_make_a_new_base_and_few_do_not(monkeypatch):
    monkeypatch.setattr(compiled, "_FEW", 2)
    rules = {f"g{n}": language.parse_rule(f'user.department -eq "{n}"') for n in range(10)}
    first = compiled.Layers(rules)
    one = rules | {"g1": language.parse_rule('user.department -eq "Sales"')}
    few = compiled.Layers(one, first)
    many = compiled.Layers(dict.fromkeys(rules, one["g1"]), few)
    assert few._base is first._base and many._base is not first._base
    assert few.groups_of(person_of(ada()), AT) == {"g1"} and many.groups_of(person_of(ada()), AT) == rules.keys()


@pytest.mark.parametrize("count", [0, 1, 700])
def test_one_person_s_groups_are_those_that_many_people_s_are_told_together(processes, count):
    one, _ = processes
    with one.write() as w:
        for n in range(count):
            w.apps.add_group(f"g{n:03}", {"displayName": "G"}, AT)
            w.apps.add_member(f"g{n:03}", "ada")
        ben = User(id="ben", user_type="Guest", upn="ben", mail=None, created_at=AT, properties={})
        alone, together = w.memberships.seen([ada()]), w.memberships.seen([ada(), ben])
        assert alone == together[:1]
        assert w.memberships.groups_of(ada(), AT) == [*(f"g{n:03}" for n in range(count)), "sales"]
