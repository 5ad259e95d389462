"""Groups, roles, deleted users, managers and sponsors: the ids that an answer gives are good in the very next call."""

from __future__ import annotations

import pytest
from graph_world import BASE, NOBODY

from b2b_idp.guests.roles import GLOBAL_ADMINISTRATOR, GUEST_INVITER, USER_ADMINISTRATOR


def reference(id, kind="directoryObjects"):
    return {"@odata.id": f"{BASE}/{kind}/{id}"}


@pytest.fixture
def group(api):
    return api.made("/groups", {"displayName": "Sales"})["id"]


def role(api, template=GUEST_INVITER):
    return api.made("/directoryRoles", {"roleTemplateId": template})["id"]


def member(api, upn="nina@contoso.example", **more):
    return api.made("/users", {"displayName": "Nina", "userPrincipalName": upn, "accountEnabled": True} | more)["id"]


# --- instant-on: what an invitation returned ------------------------------------------------------------------------


def test_a_guest_just_invited_is_got_grouped_assigned_and_given_a_role_at_once(api, group):
    _, sp = api.app("CRM")
    guest = api.guest()
    assert api.get(f"/users/{guest}")["id"] == guest
    assert api.call("POST", f"/groups/{group}/members/$ref", reference(guest)).status_code == 204
    body = {"principalId": guest, "resourceId": sp["id"], "appRoleId": "00000000-0000-0000-0000-000000000000"}
    assert api.call("POST", f"/servicePrincipals/{sp['id']}/appRoleAssignedTo", body).status_code == 201
    assert api.call("POST", f"/directoryRoles/{role(api)}/members/$ref", reference(guest)).status_code == 204
    assert guest in [u["id"] for u in api.get("/users/delta")["value"]]
    assert group in [g["id"] for g in api.get(f"/users/{guest}/memberOf")["value"]]


# --- groups ---------------------------------------------------------------------------------------------------------


def test_a_group_has_users_apps_and_groups(api, group):
    guest, (_, sp), inner = api.guest(), api.app("CRM"), api.made("/groups", {"displayName": "EMEA"})["id"]
    for id in (guest, sp["id"], inner):
        assert api.call("POST", f"/groups/{group}/members/$ref", reference(id)).status_code == 204
    kinds = {m["id"]: m["@odata.type"] for m in api.get(f"/groups/{group}/members")["value"]}
    assert kinds == {
        guest: "#microsoft.graph.user",
        sp["id"]: "#microsoft.graph.servicePrincipal",
        inner: "#microsoft.graph.group",
    }


def test_transitive_members_are_those_of_groups_within_even_in_a_circle(api, group):
    guest, inner = api.guest(), api.made("/groups", {"displayName": "EMEA"})["id"]
    api.call("POST", f"/groups/{group}/members/$ref", reference(inner, "groups"))
    api.call("POST", f"/groups/{inner}/members/$ref", reference(group))
    api.call("POST", f"/groups/{inner}/members/$ref", reference(guest, "users"))
    assert {m["id"] for m in api.get(f"/groups/{group}/transitiveMembers")["value"]} == {group, guest, inner}
    assert [m["id"] for m in api.get(f"/users/{guest}/memberOf")["value"]] == [inner]
    assert {m["id"] for m in api.get(f"/users/{guest}/transitiveMemberOf")["value"]} == {group, inner}
    answer = api.call("POST", f"/users/{guest}/checkMemberGroups", {"groupIds": [group, NOBODY]})
    assert answer.json["value"] == [group]


def test_members_are_bound_when_a_group_is_made_and_when_it_is_changed(api):
    one, two = api.guest(), api.guest("bob@fabrikam.example")
    bound = {"members@odata.bind": [reference(one, "users")["@odata.id"]]}
    made = api.made("/groups", {"displayName": "Project", "mailEnabled": False, "mailNickname": "p"} | bound)
    change = {"members@odata.bind": [reference(two)["@odata.id"]]}
    assert api.call("PATCH", f"/groups/{made['id']}", change).status_code == 204
    assert {m["id"] for m in api.get(f"/groups/{made['id']}/members")["value"]} == {one, two}


@pytest.mark.parametrize("id", [NOBODY, "x", "../users", "", "https://evil.example/users/1"])
def test_a_reference_to_nothing_is_a_400_that_changes_nothing(api, group, id):
    assert api.refused("POST", f"/groups/{group}/members/$ref", {"@odata.id": id})[0] == 400
    assert api.refused("POST", f"/groups/{group}/members/$ref", reference(id))[0] == 400
    assert api.get(f"/groups/{group}/members")["value"] == []


def test_a_member_stands_in_a_group_once(api, group):
    guest = api.guest()
    api.call("POST", f"/groups/{group}/members/$ref", reference(guest))
    assert api.refused("POST", f"/groups/{group}/members/$ref", reference(guest)) == (400, "Request_BadRequest")


def test_owners_come_and_go(api, group):
    nina = member(api)
    assert api.call("POST", f"/groups/{group}/owners/$ref", reference(nina, "users")).status_code == 204
    assert [o["id"] for o in api.get(f"/groups/{group}/owners")["value"]] == [nina]
    assert api.call("DELETE", f"/groups/{group}/owners/{nina}/$ref").status_code == 204
    assert api.get(f"/groups/{group}/owners")["value"] == []


# --- roles ----------------------------------------------------------------------------------------------------------


def test_a_role_is_activated_once_and_found_by_its_template(api):
    id = role(api)
    assert api.refused("POST", "/directoryRoles", {"roleTemplateId": GUEST_INVITER})[0] == 400
    for path in (f"/directoryRoles/{id}", f"/directoryRoles(roleTemplateId='{GUEST_INVITER}')"):
        assert api.get(path)["displayName"] == "Guest Inviter"
    assert api.get(f"/directoryRoles/roleTemplateId={GUEST_INVITER}")["id"] == id


def test_both_views_show_the_same_assignments(api):
    guest, id = api.guest(), role(api)
    api.call("POST", f"/directoryRoles/{id}/members/$ref", reference(guest))
    listed = api.get(f"/roleManagement/directory/roleAssignments?$filter=principalId eq '{guest}'")["value"]
    assert [(a["roleDefinitionId"], a["directoryScopeId"]) for a in listed] == [(GUEST_INVITER, "/")]
    assert api.call("DELETE", f"/roleManagement/directory/roleAssignments/{listed[0]['id']}").status_code == 204
    assert api.get(f"/directoryRoles/{id}/members")["value"] == []


def test_assigning_a_role_activates_it(api):
    body = {"principalId": api.guest(), "roleDefinitionId": USER_ADMINISTRATOR, "directoryScopeId": "/"}
    assert api.made("/roleManagement/directory/roleAssignments", body)["principalId"] == body["principalId"]
    assert [r["roleTemplateId"] for r in api.get("/directoryRoles")["value"]] == [USER_ADMINISTRATOR]
    assert api.refused("POST", "/roleManagement/directory/roleAssignments", body)[0] == 409


@pytest.mark.parametrize(
    "change",
    [
        {"principalId": NOBODY},
        {"roleDefinitionId": NOBODY},
        {"directoryScopeId": "/administrativeUnits/x"},
        {"principalId": None},
        {"unknown": 1},
    ],
)
def test_a_bad_role_assignment_is_a_400(api, change):
    body = {"principalId": api.guest(), "roleDefinitionId": USER_ADMINISTRATOR, "directoryScopeId": "/"}
    assert api.refused("POST", "/roleManagement/directory/roleAssignments", body | change)[0] == 400
    assert api.get("/roleManagement/directory/roleAssignments")["value"] == []


def test_a_role_is_held_by_a_group_only_if_it_was_made_for_that(api, group):
    body = {"roleDefinitionId": USER_ADMINISTRATOR, "directoryScopeId": "/"}
    assert api.refused("POST", "/roleManagement/directory/roleAssignments", body | {"principalId": group})[0] == 400
    made = api.made("/groups", {"displayName": "Admins", "isAssignableToRole": True})
    api.made("/roleManagement/directory/roleAssignments", body | {"principalId": made["id"]})
    members = f"/groups/{made['id']}/members/$ref"
    without = {"Group.ReadWrite.All", "User.Read.All"}
    assert api.refused("POST", members, reference(api.guest()), roles=without)[0] == 403


WITHOUT_ROLES = {"Group.ReadWrite.All", "Directory.ReadWrite.All", "User.Read.All"}


@pytest.mark.parametrize(
    "change", [{"displayName": "Readers"}, {"description": "x"}, {"owners@odata.bind": []}], ids=lambda c: next(iter(c))
)
def test_a_group_that_can_hold_roles_is_changed_only_by_who_manages_roles(api, change):
    made = api.made("/groups", {"displayName": "Admins", "isAssignableToRole": True})
    path = f"/groups/{made['id']}"
    assert api.refused("PATCH", path, change, roles=WITHOUT_ROLES)[0] == 403
    assert api.get(path)["displayName"] == "Admins"
    assert api.call("PATCH", path, change).status_code == 204


def test_no_group_is_within_one_that_can_hold_roles(api, group):
    made = api.made("/groups", {"displayName": "Admins", "isAssignableToRole": True})["id"]
    assert api.refused("POST", f"/groups/{made}/members/$ref", reference(group))[0] == 400
    bound = {"members@odata.bind": [reference(group)["@odata.id"]]}
    assert api.refused("PATCH", f"/groups/{made}", bound)[0] == 400
    new = {"displayName": "More", "isAssignableToRole": True} | bound
    assert api.refused("POST", "/groups", new)[0] == 400
    assert api.get(f"/groups/{made}/members")["value"] == []
    assert api.call("POST", f"/groups/{group}/members/$ref", reference(made)).status_code == 204


# --- users ----------------------------------------------------------------------------------------------------------


def test_a_deleted_user_is_restored_with_groups_and_without_sessions(api, group):
    guest = api.guest()
    api.call("POST", f"/groups/{group}/members/$ref", reference(guest))
    assert api.call("DELETE", f"/users/{guest}").status_code == 204
    assert api.refused("GET", f"/users/{guest}") == (404, "Request_ResourceNotFound")
    assert [u["id"] for u in api.get("/directory/deletedItems/microsoft.graph.user")["value"]] == [guest]
    assert api.get(f"/groups/{group}/members")["value"] == []
    assert api.call("POST", f"/directory/deletedItems/{guest}/restore").json["id"] == guest
    assert [m["id"] for m in api.get(f"/groups/{group}/members")["value"]] == [guest]


def test_deleted_for_good_is_gone(api):
    guest = api.guest()
    api.call("DELETE", f"/users/{guest}")
    assert api.call("DELETE", f"/directory/deletedItems/{guest}").status_code == 204
    assert api.refused("POST", f"/directory/deletedItems/{guest}/restore")[0] == 404


def test_a_deleted_guests_address_can_be_invited_again(api):
    first = api.guest()
    api.call("DELETE", f"/users/{first}")
    assert api.guest() != first


def test_the_manager_is_one_other_user(api):
    nina, omar = member(api), member(api, "omar@contoso.example")
    assert api.refused("GET", f"/users/{nina}/manager")[0] == 404
    assert api.call("PUT", f"/users/{nina}/manager/$ref", reference(omar, "users")).status_code == 204
    assert api.get(f"/users/{nina}/manager")["id"] == omar
    assert [u["id"] for u in api.get(f"/users/{omar}/directReports")["value"]] == [nina]
    assert api.refused("PUT", f"/users/{nina}/manager/$ref", reference(nina))[0] == 400
    assert api.get(f"/users/{nina}?$select=id&$expand=manager($select=id)")["manager"]["id"] == omar


def test_sponsors_are_users_and_groups(api, group):
    guest, nina = api.guest(), member(api)
    for id in (nina, group):
        assert api.call("POST", f"/users/{guest}/sponsors/$ref", reference(id)).status_code == 204
    assert {s["id"] for s in api.get(f"/users/{guest}/sponsors")["value"]} == {nina, group}
    assert api.call("DELETE", f"/users/{guest}/sponsors/{nina}/$ref").status_code == 204
    assert api.refused("DELETE", f"/users/{guest}/sponsors/{nina}/$ref")[0] == 404


def test_a_guest_expires_when_it_was_said(api):
    guest = api.guest()
    body = {"expirationDateTime": "2026-07-01T00:00:00Z"}
    assert api.call("POST", f"/users/{guest}/setExpiration", body).status_code == 204
    assert api.get(f"/users/{guest}?$select=b2bIdp")["b2bIdp"]["expirationDateTime"] == "2026-07-01T00:00:00Z"
    assert api.refused("POST", f"/users/{guest}/setExpiration", {"expirationDateTime": "soon"})[0] == 400


def test_converting_keeps_identity_and_access_and_takes_sessions(api, group):
    guest = api.guest()
    api.call("POST", f"/groups/{group}/members/$ref", reference(guest))
    assert api.call("PATCH", f"/users/{guest}", {"userType": "Member"}).status_code == 204
    user = api.get(f"/users/{guest}?$select=userType,userPrincipalName,signInSessionsValidFromDateTime")
    assert user["userType"] == "Member" and "#EXT#" in user["userPrincipalName"]
    assert [m["id"] for m in api.get(f"/groups/{group}/members")["value"]] == [guest]


def test_objects_of_any_type_are_got_by_their_ids(api, group):
    guest = api.guest()
    assert api.get(f"/directoryObjects/{group}")["@odata.type"] == "#microsoft.graph.group"
    found = api.call("POST", "/directoryObjects/getByIds", {"ids": [guest, group, NOBODY], "types": ["user"]}).json
    assert [o["id"] for o in found["value"]] == [guest]


# --- what was read is what is changed ---------------------------------------------------------------------------------


def test_if_match_changes_only_what_was_seen(api):
    guest = api.guest()
    seen = api.call("GET", f"/users/{guest}").headers["ETag"]
    assert api.call("PATCH", f"/users/{guest}", {"department": "A"}, headers={"If-Match": seen}).status_code == 204
    late = api.call("PATCH", f"/users/{guest}", {"department": "B"}, headers={"If-Match": seen})
    assert (late.status_code, late.json["error"]["code"]) == (412, "Request_PreconditionFailed")
    assert api.get(f"/users/{guest}?$select=department")["department"] == "A"
    assert api.call("PATCH", f"/users/{guest}", {"department": "C"}, headers={"If-Match": "*"}).status_code == 204
    again = api.call("GET", f"/users/{guest}").headers["ETag"]
    assert api.call("GET", f"/users/{guest}", headers={"If-None-Match": again}).status_code == 304


def test_a_repeated_client_request_id_gets_the_first_answer(api):
    headers = {"client-request-id": "5b0a0e4e-7d5e-4a1e-9f5e-0d2f0c7a6b11"}
    body = {"displayName": "Sales"}
    first, second = (api.call("POST", "/groups", body, headers=headers) for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json["id"] == second.json["id"] and len(api.get("/groups")["value"]) == 1
    assert api.call("POST", "/groups", {"displayName": "Other"}, headers=headers).json["id"] != first.json["id"]


def test_counts_are_plain_text(api, group):
    api.guest()
    answer = api.call("GET", "/users/$count", headers={"ConsistencyLevel": "eventual"})
    assert (answer.text, answer.mimetype) == ("1", "text/plain")
    assert api.call("GET", f"/groups/{group}/members/$count").text == "0"
    assert api.call("GET", "/users/$count?$filter=userType eq 'Member'").text == "0"


def test_global_administrators_are_seen_in_their_group_memberships(api):
    nina, id = member(api), role(api, GLOBAL_ADMINISTRATOR)
    api.call("POST", f"/directoryRoles/{id}/members/$ref", reference(nina))
    found = api.get(f"/users/{nina}/memberOf")["value"]
    assert [(o["@odata.type"], o["roleTemplateId"]) for o in found] == [
        ("#microsoft.graph.directoryRole", GLOBAL_ADMINISTRATOR)
    ]
