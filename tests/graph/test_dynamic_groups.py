"""Dynamic groups: made, changed, turned; their members follow users and rules at once, in every list and in tokens."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import urlsplit

import pytest
from graph_world import BASE, NOBODY

from b2b_idp.guests import groups as limits
from b2b_idp.guests import membership
from b2b_idp.guests.roles import GUEST_INVITER

SALES = 'user.department -eq "Sales"'
DYNAMIC = {"groupTypes": ["DynamicMembership"], "membershipRuleProcessingState": "On"}


def dynamic(api, rule=SALES, name="Sales", **more):
    return api.made("/groups", {"displayName": name, "membershipRule": rule} | DYNAMIC | more)["id"]


def guest(api, name="ada", **properties):
    id = api.guest(f"{name}@fabrikam.example")
    if properties:
        set_(api, id, **properties)
    return id


def set_(api, id, **properties):
    assert api.call("PATCH", f"/users/{id}", properties).status_code == 204


def change(api, group, **properties):
    return api.call("PATCH", f"/groups/{group}", properties)


def members(api, group):
    return [m["id"] for m in api.get(f"/groups/{group}/members")["value"]]


def groups_of(api, user):
    return [g["id"] for g in api.get(f"/users/{user}/memberOf")["value"]]


def reference(id):
    return {"@odata.id": f"{BASE}/directoryObjects/{id}"}


def audits(api, activity):
    found = api.get(f"/auditLogs/directoryAudits?$filter=activityDisplayName eq '{activity}'")["value"]
    return [a for a in found if (a["initiatedBy"]["app"] or {}).get("displayName") == "Dynamic membership"]


# --- what a dynamic group is -----------------------------------------------------------------------------------------


def test_a_group_with_a_rule_shows_it_and_has_whom_it_selects(api):
    ada, _bo = guest(api, department="sales"), guest(api, "bo", department="Finance")
    made = api.made("/groups", {"displayName": "Sales", "membershipRule": SALES} | DYNAMIC)
    assert (made["membershipRule"], made["membershipRuleProcessingState"]) == (SALES, "On")
    assert members(api, made["id"]) == [ada]


def test_a_rule_is_on_unless_it_is_said_to_be_paused(api):
    made = api.made(
        "/groups", {"displayName": "x", "membershipRule": SALES, "groupTypes": ["DynamicMembership", "Unified"]}
    )
    assert made["membershipRuleProcessingState"] == "On"
    assert made["groupTypes"] == ["DynamicMembership", "Unified"]


@pytest.mark.parametrize(
    "body",
    [
        {"groupTypes": ["DynamicMembership"]},
        {"membershipRule": SALES},
        {"membershipRuleProcessingState": "On"},
        {"membershipRule": SALES, "groupTypes": ["DynamicMembership"], "membershipRuleProcessingState": "Off"},
        {"membershipRule": SALES, "groupTypes": ["DynamicMembership"], "isAssignableToRole": True},
        {"membershipRule": SALES, "groupTypes": ["DynamicMembership", "Static"]},
        {"membershipRule": 5, "groupTypes": ["DynamicMembership"]},
        {"membershipRule": "", "groupTypes": ["DynamicMembership"]},
    ],
)
def test_what_is_no_dynamic_group_is_refused_and_nothing_is_made(api, body):
    assert api.refused("POST", "/groups", {"displayName": "x"} | body) == (400, "Request_BadRequest")
    assert api.get("/groups")["value"] == []


N_149 = [
    'user.displayName -match "(x+x+)+\\1y"',
    'user.displayName -eq "' + "x" * 3073 + '"',
    "(" * 2000 + SALES + ")" * 2000,
    "-not " * 1000 + f"({SALES})",
    'user.department -eq "Sales',
    'user.department -gt "Sales"',
    'device.deviceOSType -eq "iOS"',
]


@pytest.mark.parametrize("rule", N_149, ids=range(len(N_149)))
@pytest.mark.parametrize("path", ["/groups", "/groups/{group}", "/groups/previewDynamicMembership"])
def test_n_149_a_rule_that_does_not_parse_says_line_column_and_what_was_expected(api, rule, path):
    group = dynamic(api)
    method = "PATCH" if "{" in path else "POST"
    body = {"membershipRule": rule} | ({"displayName": "x"} | DYNAMIC if path == "/groups" else {})
    answer = api.call(method, path.format(group=group), body)
    assert (answer.status_code, answer.json["error"]["code"]) == (400, "Request_BadRequest")
    said = answer.json["error"]["message"]
    assert "line 1, column " in said and len(said) < 1000
    assert api.get(f"/groups/{group}")["membershipRule"] == SALES


def test_nobody_is_added_or_removed_by_hand(api):
    ada, bo, group = guest(api, department="Sales"), guest(api, "bo"), dynamic(api)
    app = api.app()[1]["id"]
    for id in (bo, app):
        assert api.refused("POST", f"/groups/{group}/members/$ref", reference(id)) == (400, "Request_BadRequest")
    assert api.refused("DELETE", f"/groups/{group}/members/{ada}/$ref") == (400, "Request_BadRequest")
    bound = {"members@odata.bind": [reference(bo)["@odata.id"]]}
    assert api.refused("PATCH", f"/groups/{group}", bound)[0] == 400
    assert api.refused("POST", "/groups", {"displayName": "x", "membershipRule": SALES} | DYNAMIC | bound)[0] == 400
    asked = {"invitedUserEmailAddress": "cy@fabrikam.example", "inviteRedirectUrl": "https://app.contoso.example/"}
    assert api.refused("POST", "/invitations", asked | {"b2bIdp": {"groups": [group]}})[0] == 400
    assert members(api, group) == [ada]


def test_groups_that_take_members_from_one_another_in_a_circle_are_refused(api):
    def from_(*ids):
        return f"user.memberOf -any (group.objectId -in {list(ids)})"

    one = dynamic(api)
    two = dynamic(api, from_(one), "Two")
    three = dynamic(api, from_(two), "Three")
    answer = change(api, one, membershipRule=from_(three))
    assert answer.status_code == 400 and one in answer.json["error"]["message"]
    assert change(api, one, membershipRule=from_(one)).status_code == 400
    assert change(api, one, membershipRule=from_(NOBODY)).status_code == 204


def test_there_are_15_000_dynamic_groups_at_most(api, monkeypatch):
    assert limits.MOST_DYNAMIC == 15_000
    monkeypatch.setattr(limits, "MOST_DYNAMIC", 2)
    dynamic(api), dynamic(api, name="Two")
    assert api.refused("POST", "/groups", {"displayName": "x", "membershipRule": SALES} | DYNAMIC)[0] == 400
    plain = api.made("/groups", {"displayName": "Plain"})["id"]
    assert change(api, plain, membershipRule=SALES, **DYNAMIC).status_code == 400


# --- turned, paused --------------------------------------------------------------------------------------------------


def test_an_assigned_group_that_gets_a_rule_keeps_whom_the_rule_selects(api):
    ada, bo, cy = guest(api, department="Sales"), guest(api, "bo"), guest(api, "cy", department="Sales")
    group = api.made("/groups", {"displayName": "Sales"})["id"]
    for id in (ada, bo, api.app()[1]["id"]):
        api.call("POST", f"/groups/{group}/members/$ref", reference(id))
    assert change(api, group, membershipRule=SALES, **DYNAMIC).status_code == 204
    assert set(members(api, group)) == {ada, cy}


def test_a_dynamic_group_that_becomes_assigned_keeps_its_members_and_takes_others(api):
    ada, bo, group = guest(api, department="Sales"), guest(api, "bo"), dynamic(api)
    assert change(api, group, groupTypes=[], membershipRuleProcessingState="Paused").status_code == 204
    shown = api.get(f"/groups/{group}")
    assert (shown["groupTypes"], shown["membershipRule"], shown["membershipRuleProcessingState"]) == ([], None, None)
    assert api.call("POST", f"/groups/{group}/members/$ref", reference(bo)).status_code == 204
    set_(api, ada, department="Finance")
    assert set(members(api, group)) == {ada, bo}


def test_a_paused_group_keeps_its_members_until_it_is_on_again(api):
    ada, bo, group = guest(api, department="Sales"), guest(api, "bo"), dynamic(api)
    assert change(api, group, membershipRuleProcessingState="Paused").status_code == 204
    set_(api, ada, department="Finance"), set_(api, bo, department="Sales")
    assert change(api, group, membershipRule='user.department -ne "Sales"').status_code == 204
    assert members(api, group) == [ada] and groups_of(api, ada) == [group] and groups_of(api, bo) == []
    assert change(api, group, membershipRule=SALES, membershipRuleProcessingState="On").status_code == 204
    assert members(api, group) == [bo] and groups_of(api, ada) == []


# --- who is in ------------------------------------------------------------------------------------------------------


def test_members_follow_every_change_of_the_user_at_once(api):
    group = dynamic(api, 'user.department -eq "Sales" -and user.accountEnabled -eq true')
    ada = guest(api)
    assert members(api, group) == []
    set_(api, ada, department="Sales")
    assert members(api, group) == [ada] and groups_of(api, ada) == [group]
    set_(api, ada, accountEnabled=False)
    assert members(api, group) == []
    set_(api, ada, accountEnabled=True)
    assert members(api, group) == [ada]
    assert api.call("DELETE", f"/users/{ada}").status_code == 204
    assert members(api, group) == []
    assert api.call("POST", f"/directory/deletedItems/{ada}/restore").status_code == 200
    assert members(api, group) == [ada]
    assert api.call("DELETE", f"/users/{ada}").status_code == 204
    assert api.call("DELETE", f"/directory/deletedItems/{ada}").status_code == 204
    assert members(api, group) == []


def test_members_follow_the_rule_at_once(api):
    ada, bo = guest(api, department="Sales"), guest(api, "bo", department="Finance")
    group = dynamic(api)
    assert change(api, group, membershipRule='user.department -eq "Finance"').status_code == 204
    assert members(api, group) == [bo] and groups_of(api, ada) == []


def test_direct_reports_follow_the_manager(api):
    boss, ada = guest(api, "boss"), guest(api)
    group = dynamic(api, f'Direct Reports for "{boss}"')
    assert api.call("PUT", f"/users/{ada}/manager/$ref", reference(boss)).status_code == 204
    assert members(api, group) == [ada]
    assert api.call("DELETE", f"/users/{ada}/manager/$ref").status_code == 204
    assert members(api, group) == []


def test_members_of_other_groups_follow_these_through_rules_and_assignment(api):
    ada, bo = guest(api, department="Sales"), guest(api, "bo")
    assigned, sales = api.made("/groups", {"displayName": "Assigned"})["id"], dynamic(api)
    both = dynamic(api, f"user.memberOf -any (group.objectId -in ['{assigned}', '{sales}'])", "Both")
    assert members(api, both) == [ada]
    assert api.call("POST", f"/groups/{assigned}/members/$ref", reference(bo)).status_code == 204
    assert set(members(api, both)) == {ada, bo}
    set_(api, ada, department="Finance")
    assert members(api, both) == [bo]
    assert api.call("DELETE", f"/groups/{assigned}").status_code == 204
    assert members(api, both) == [] and groups_of(api, bo) == []


def test_every_route_that_tells_of_groups_tells_the_same(api):
    ada, inner = guest(api, department="Sales"), dynamic(api)
    outer = api.made("/groups", {"displayName": "EMEA"})["id"]
    assert api.call("POST", f"/groups/{outer}/members/$ref", reference(inner)).status_code == 204
    assert groups_of(api, ada) == [inner]
    around = {inner, outer}
    assert {g["id"] for g in api.get(f"/users/{ada}/transitiveMemberOf")["value"]} == around
    for action, body in (
        ("getMemberGroups", {"securityEnabledOnly": True}),
        ("getMemberObjects", {"securityEnabledOnly": False}),
        ("checkMemberGroups", {"groupIds": [inner, outer, NOBODY]}),
    ):
        assert set(api.call("POST", f"/users/{ada}/{action}", body).json["value"]) == around
    assert [g["id"] for g in api.get(f"/users/{ada}?$expand=memberOf")["memberOf"]] == [inner]
    assert {m["id"] for m in api.get(f"/groups/{outer}/transitiveMembers")["value"]} == {inner, ada}
    assert [m["id"] for m in api.get(f"/groups/{inner}?$expand=members")["members"]] == [ada]
    count = api.call("GET", f"/groups/{inner}/members/$count", headers={"ConsistencyLevel": "eventual"})
    assert count.text == "1"


def test_who_comes_and_goes_is_in_the_audit_log_with_the_rule_and_in_delta(api):
    ada, group = guest(api), dynamic(api)
    link = urlsplit(api.get("/groups/delta?$deltatoken=latest")["@odata.deltaLink"])
    set_(api, ada, department="Sales")
    (entry,) = audits(api, "Add member to group")
    assert [t["id"] for t in entry["targetResources"]] == [group, ada]
    assert {"key": "membershipRule", "value": SALES} in entry["additionalDetails"]
    changed = api.get(link.path.partition("/v1.0")[2] + "?" + link.query)["value"]
    assert [m["id"] for m in changed[0]["members@delta"]] == [ada]
    set_(api, ada, department=None)
    (entry,) = audits(api, "Remove member from group")
    assert [t["id"] for t in entry["targetResources"]] == [group, ada]


def test_a_large_directory_is_followed_in_the_background_while_each_answer_about_a_person_is_right(api, monkeypatch):
    monkeypatch.setattr(membership, "AT_ONCE", 3)
    monkeypatch.setattr(membership, "BATCH", 2)
    people = [guest(api, f"g{n}", department="Sales") for n in range(5)]
    group = dynamic(api)
    assert members(api, group) == []
    assert all(groups_of(api, id) == [group] for id in people)
    first = membership.refresh(api.store, api.moment)
    assert next(first).entered == 2
    first.close()
    assert len(members(api, group)) == 2
    assert sum(step.entered for step in membership.refresh(api.store, api.moment)) == 3
    assert set(members(api, group)) == set(people)
    assert list(membership.refresh(api.store, api.moment)) == []


def test_who_is_deleted_while_a_pass_is_due_leaves_with_it(api):
    ada, bo, group = guest(api, department="Sales"), guest(api, "bo", department="Sales"), dynamic(api)
    with api.store.write() as w:
        changed = dict(w.apps.group(group).properties) | {"membershipRule": 'user.department -in ["Sales"]'}
        w.apps.save_group(group, changed)
        w.users.save(replace(w.users.by_id(ada), deleted_at=api.at))
    list(membership.refresh(api.store, api.moment))
    with api.store.read() as r:
        assert r.apps.members(group) == [bo]


def test_a_group_is_not_paused_while_its_list_still_has_whom_the_rule_has_put_out(api, monkeypatch):
    monkeypatch.setattr(membership, "AT_ONCE", 1)
    ada, _bo = guest(api, department="Sales"), guest(api, "bo")
    group = dynamic(api)
    list(membership.refresh(api.store, api.moment))
    assert change(api, group, membershipRule='user.department -eq "Finance"').status_code == 204
    paused = {"membershipRuleProcessingState": "Paused"}
    assert api.refused("PATCH", f"/groups/{group}", paused)[0] == 409
    list(membership.refresh(api.store, api.moment))
    assert change(api, group, **paused).status_code == 204
    assert groups_of(api, ada) == []


# --- asked ------------------------------------------------------------------------------------------------------------


def evaluated(api, user, rule=None, group=None):
    path = "/groups/evaluateDynamicMembership" if group is None else f"/groups/{group}/evaluateDynamicMembership"
    return api.call("POST", path, {"memberId": user} | ({} if rule is None else {"membershipRule": rule}))


def test_evaluate_tells_whether_somebody_is_in_and_why(api):
    ada, group = guest(api, department="Sales", country="US"), dynamic(api)
    rule = 'user.department -eq "Sales" -and user.country -eq "DE"'
    answer = evaluated(api, ada, rule).json
    assert (answer["membershipRule"], answer["membershipRuleEvaluationResult"]) == (rule, False)
    clauses = answer["membershipRuleEvaluationDetails"]["expressionEvaluationDetails"]
    assert [c["expressionResult"] for c in clauses] == [True, False]
    assert clauses[1]["propertyToEvaluate"] == {"propertyName": "country", "propertyValue": "US"}
    assert evaluated(api, ada, group=group).json["membershipRuleEvaluationResult"] is True


def test_evaluate_is_refused_for_a_bad_rule_an_assigned_group_and_nobody(api):
    ada, plain = guest(api), api.made("/groups", {"displayName": "Plain"})["id"]
    assert evaluated(api, ada, "user.department -eq Sales").status_code == 400
    assert evaluated(api, ada, group=plain).status_code == 400
    assert evaluated(api, NOBODY, SALES).status_code == 404
    assert evaluated(api, ada, group=NOBODY).status_code == 404


@pytest.mark.parametrize("action", ["evaluateDynamicMembership", "previewDynamicMembership"])
def test_asking_a_rule_needs_to_read_groups_and_users(api, action):
    ada, group = guest(api), dynamic(api)
    body = {"memberId": ada} if action.startswith("evaluate") else {"membershipRule": SALES}
    for roles in (["Group.Read.All"], ["User.Read.All"], ["GroupMember.ReadWrite.All", "User.Read.All"]):
        assert api.call("POST", f"/groups/{group}/{action}", body, roles=roles).status_code == 403
    assert (
        api.call("POST", f"/groups/{group}/{action}", body, roles=["Group.Read.All", "User.Read.All"]).status_code
        == 200
    )


# --- tried ------------------------------------------------------------------------------------------------------------


def test_a_rule_is_tried_before_it_is_saved_and_changes_nothing(api):
    ada, bo = guest(api, department="Sales"), guest(api, "bo", department="Finance")
    cy, group = guest(api, "cy", department="Sales", country="DE"), dynamic(api)
    rule = 'user.department -eq "Finance" -or user.country -eq "DE"'
    answer = api.call("POST", f"/groups/{group}/previewDynamicMembership", {"membershipRule": rule}).json
    assert (answer["usersEvaluated"], answer["remaining"]) == (3, 1)
    assert [u["id"] for u in answer["entering"]["sample"]] == [bo]
    assert [u["id"] for u in answer["leaving"]["sample"]] == [ada]
    assert (answer["entering"]["count"], answer["leaving"]["count"]) == (1, 1)
    assert set(members(api, group)) == {ada, cy} and api.get(f"/groups/{group}")["membershipRule"] == SALES


def test_a_preview_is_what_saving_then_does(api):
    people = [guest(api, f"g{n}", department="Sales" if n % 2 else "Finance") for n in range(4)]
    group = api.made("/groups", {"displayName": "Sales"})["id"]
    for id in (people[0], people[1], api.app()[1]["id"]):
        api.call("POST", f"/groups/{group}/members/$ref", reference(id))
    answer = api.call("POST", f"/groups/{group}/previewDynamicMembership", {"membershipRule": SALES}).json
    assert (answer["entering"]["count"], answer["leaving"]["count"], answer["remaining"]) == (1, 2, 1)
    change(api, group, membershipRule=SALES, **DYNAMIC)
    assert set(members(api, group)) == {people[1], people[3]}


def test_a_preview_follows_members_of_other_dynamic_groups(api):
    ada, sales = guest(api, department="Sales"), dynamic(api)
    rule = f"user.memberOf -any (group.objectId -in ['{sales}'])"
    answer = api.call("POST", "/groups/previewDynamicMembership", {"membershipRule": rule}).json
    assert [u["id"] for u in answer["entering"]["sample"]] == [ada]
    assert api.refused("POST", f"/groups/{sales}/previewDynamicMembership", {"membershipRule": rule})[0] == 400


def test_a_preview_names_what_home_tenants_decide_about(api):
    rule = 'user.displayName -startsWith "Ada" -or user.department -eq "Sales" -or user.mobile -ne null'
    ask = {"membershipRule": rule}
    assert api.call("POST", "/groups/previewDynamicMembership", ask).json["writtenByHomes"] == ["displayName"]
    home = api.made("/identity/identityProviders", api.provider())["b2bIdp"]["tenantId"]
    partner = {"tenantId": home, "b2bIdp": {"trustedAttributes": ["department", "mobilePhone"]}}
    api.made("/policies/crossTenantAccessPolicy/partners", partner)
    said = api.call("POST", "/groups/previewDynamicMembership", ask).json["writtenByHomes"]
    assert said == ["department", "displayName", "mobile"]


def test_a_group_that_can_hold_directory_roles_is_never_dynamic(api):
    group = api.made("/groups", {"displayName": "Inviters", "isAssignableToRole": True})["id"]
    assert change(api, group, membershipRule=SALES, **DYNAMIC).status_code == 400
    role = api.made("/directoryRoles", {"roleTemplateId": GUEST_INVITER})["id"]
    assert api.refused("POST", f"/directoryRoles/{role}/members/$ref", reference(dynamic(api)))[0] == 400
