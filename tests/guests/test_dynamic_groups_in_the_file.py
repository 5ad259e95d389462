"""Dynamic groups in the configuration file: rules go out and come in, groups in them by name."""

from __future__ import annotations

import json

import pytest
from guests_world import ISSUER, Directory, moment

from b2b_idp.guests.configuration_file import Asked, export_file, import_file
from b2b_idp.guests.group_documents import checked_group
from b2b_idp.guests.groups import add_group

SALES = 'user.department -eq "Sales"'
ODD = "O'Neil's \"`friends`\""


def bring(directory, file, **asked):
    text = file if isinstance(file, bytes) else json.dumps(file).encode()
    return import_file(
        directory.store, text, Asked(**asked), issuer=ISSUER, check_issuer=lambda _: None, moment=moment()
    )


def exported(directory):
    with directory.store.read() as r:
        return export_file(r)


@pytest.fixture
def directory():
    made = Directory()
    yield made
    made.store.close()


def dynamic(name, rule, **more):
    return {"displayName": name, "groupTypes": ["DynamicMembership"], "membershipRule": rule} | more


def by_name(directory):
    with directory.store.read() as r:
        return {g.display_name: g for g in r.apps.all_groups()}


@pytest.mark.parametrize("quote", ["'", '"'])
def test_a_rule_names_groups_in_the_file_and_holds_in_another_directory(directory, quote):
    with directory.store.write() as w:
        plain = moment().new_id()
        add_group(w, plain, checked_group({"displayName": ODD}), moment().at)
        rule = f"user.memberOf -any (group.objectId -in [{quote}{plain}{quote}])"
        add_group(w, moment().new_id(), checked_group(dynamic("Friends", rule)), moment().at)
    text = exported(directory)
    assert plain not in next(g for g in json.loads(text)["groups"] if g["displayName"] == "Friends")["membershipRule"]
    assert bring(directory, text.encode(), prune=True).changes == ()
    other = Directory()
    assert bring(other, text.encode(), accept=True).applied
    groups = by_name(other)
    assert groups["Friends"].rule == rule.replace(plain, groups[ODD].id)
    other.store.close()


def test_members_follow_the_import(directory):
    ada = directory.invite("ada@fabrikam.example", properties={"department": "Sales"}).invitation.user_id
    assert bring(directory, {"version": 1, "groups": [dynamic("Sales", SALES)]}).applied
    with directory.store.read() as r:
        (group,) = r.apps.all_groups()
        assert (group.processing, r.apps.members(group.id)) == (True, [ada])


@pytest.mark.parametrize(
    ("group", "says"),
    [
        (dynamic("x", "user.department -gt 5"), "line 1, column"),
        (dynamic("x", SALES, members=["group:y"]), "follow from the rule"),
        (dynamic("x", "user.memberOf -any (group.objectId -in ['group:nobody'])"), "no group"),
        (dynamic("x", SALES, isAssignableToRole=True), "cannot be dynamic"),
    ],
)
def test_a_rule_that_does_not_hold_is_told_and_nothing_is_imported(directory, group, says):
    outcome = bring(directory, {"version": 1, "groups": [{"displayName": "y"}, group]}, accept=True)
    assert not outcome.applied and says in " ".join(outcome.errors)
    assert by_name(directory) == {}


def test_circles_are_refused_and_a_group_that_a_rule_names_is_not_removed(directory):
    def from_(name):
        return f"user.memberOf -any (group.objectId -in ['group:{name}'])"

    circle = {"version": 1, "groups": [dynamic("a", from_("b")), dynamic("b", from_("a"))]}
    assert not bring(directory, circle).applied
    assert bring(directory, {"version": 1, "groups": [{"displayName": "a"}, dynamic("b", from_("a"))]}).applied
    kept = {"version": 1, "groups": [dynamic("b", SALES.replace("Sales", "Finance"))]}
    with directory.store.read() as r:
        (rule,) = (g.rule for g in r.apps.all_groups() if g.rule)
    kept["groups"][0]["membershipRule"] = rule
    assert "names it" in " ".join(bring(directory, kept, prune=True).errors)
