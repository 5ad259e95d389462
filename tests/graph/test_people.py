"""invitations, users, groups."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from graph_world import BASE, ISSUER, NOBODY

DEFAULT = {
    *("businessPhones", "displayName", "givenName", "jobTitle", "mail", "mobilePhone", "officeLocation"),
    *("preferredLanguage", "surname", "userPrincipalName", "id", "userType", "externalUserState"),
}
INVITATION = {
    "invitedUserEmailAddress": "alice@fabrikam.example",
    "inviteRedirectUrl": "https://app.contoso.example/welcome",
}


def test_an_invitation_is_answered_with_all_its_properties(api):
    made = api.made("/invitations", INVITATION | {"invitedUserDisplayName": "Alice Alder"})
    assert made["@odata.context"] == f"{BASE}/$metadata#invitations/$entity"
    assert made["status"] == "PendingAcceptance" and made["invitedUserType"] == "Guest"
    assert made["inviteRedeemUrl"].startswith(f"{ISSUER}/redeem?ticket=")
    assert made["invitedUserMessageInfo"]["ccRecipients"] == [{"emailAddress": {"name": None, "address": None}}]
    assert {k: made[k] for k in INVITATION} == INVITATION


def test_n_067_a_link_is_told_to_whoever_made_it_and_never_again(api):
    link = api.made("/invitations", INVITATION)["inviteRedeemUrl"]
    ticket = link.partition("=")[2]
    for path in ("/users", "/auditLogs/directoryAudits", "/auditLogs/signIns"):
        assert ticket not in api.call("GET", path).text
    listed = api.get("/invitations")["value"]
    assert [i["inviteRedeemUrl"] for i in listed] == [None] and ticket not in api.call("GET", "/invitations").text


def test_n_078_links_are_the_issuers_whatever_the_host_header_says(api):
    headers = {
        "Host": "evil.example",
        "X-Forwarded-Host": "evil.example",
        "Authorization": f"Bearer {api.token('User.Invite.All')}",
    }
    answer = api.http.post("/idp/v1.0/invitations", json=INVITATION, headers=headers)
    assert answer.status_code == 201 and "evil" not in answer.text


@pytest.mark.parametrize(
    "email", ["a@b", "a@b.example\r\nBcc: x@y.example", "a\x00@b.example", ["a@b.example"], None, {}, 1]
)
def test_n_069_a_bad_address_is_a_400_and_no_mail_leaves(api, email):
    body = INVITATION | {"invitedUserEmailAddress": email, "sendInvitationMessage": True}
    assert api.refused("POST", "/invitations", body) == (400, "Request_BadRequest")
    with api.store.read() as r:
        assert r.outbox.latest() == []


@pytest.mark.parametrize("url", ["javascript:alert(1)", "//evil.example", "/x", None, ["https://x.example"]])
def test_n_071_a_bad_landing_is_a_400(api, url):
    assert api.refused("POST", "/invitations", INVITATION | {"inviteRedirectUrl": url})[0] == 400


@pytest.mark.parametrize(
    "more",
    [
        {"colour": "red"},
        {"status": "Completed"},
        {"sendInvitationMessage": "yes"},
        {"invitedUserMessageInfo": {"ccRecipients": [{}, {}]}},
        {"invitedUserType": "Owner"},
        {"resetRedemption": True},
        {"resetRedemption": True, "invitedUser": {"id": NOBODY}},
        {"invitedUserDisplayName": "a" * 300},
    ],
    ids=str,
)
def test_what_an_invitation_cannot_have_is_a_400(api, more):
    assert api.refused("POST", "/invitations", INVITATION | more)[0] == 400


@pytest.mark.parametrize(
    "more",
    [{"invitedUserType": "Member"}, {"resetRedemption": True, "invitedUser": {"id": NOBODY}}],
    ids=["Member", "reset"],
)
def test_n_072_more_than_a_guest_needs_more_than_inviting(api, more):
    assert api.refused("POST", "/invitations", INVITATION | more, roles=["User.Invite.All"])[0] == 403


def test_n_076_too_many_mails_are_a_429_with_a_time(api):
    for _ in range(5):
        api.made("/invitations", INVITATION | {"sendInvitationMessage": True})
    answer = api.call("POST", "/invitations", INVITATION | {"sendInvitationMessage": True})
    assert answer.status_code == 429 and int(answer.headers["Retry-After"]) > 0


def test_a_user_answers_graphs_default_properties(api):
    assert set(api.get(f"/users/{api.guest()}")) - {"@odata.context"} == DEFAULT


def test_a_user_is_found_by_principal_name(api):
    guest = api.guest()
    upn = quote("Alice_fabrikam.example#EXT#@contoso.example")
    assert api.get(f"/users/{upn}")["id"] == guest


def test_a_guest_before_redemption(api):
    guest = api.get(
        f"/users/{api.guest()}?$select=userType,creationType,externalUserState,accountEnabled,createdDateTime"
    )
    assert (guest["userType"], guest["creationType"], guest["externalUserState"]) == (
        "Guest",
        "Invitation",
        "PendingAcceptance",
    )
    assert guest["accountEnabled"] is True and guest["createdDateTime"] == "2026-06-01T10:00:00Z"


def test_patch_changes_only_what_it_names(api):
    guest = api.guest(invitedUserDisplayName="Alice")
    assert api.call("PATCH", f"/users/{guest}", {"department": "Sales"}).status_code == 204
    assert api.call("PATCH", f"/users/{guest}", {"jobTitle": "Buyer"}).data == b""
    user = api.get(f"/users/{guest}?$select=displayName,department,jobTitle")
    assert (user["displayName"], user["department"], user["jobTitle"]) == ("Alice", "Sales", "Buyer")


def test_null_takes_a_property_away(api):
    guest = api.guest()
    api.call("PATCH", f"/users/{guest}", {"department": "Sales"})
    api.call("PATCH", f"/users/{guest}", {"department": None})
    assert api.get(f"/users/{guest}?$select=department")["department"] is None


def test_proxy_addresses_are_an_administrators_to_set(api):
    guest = api.guest()
    addresses = ["SMTP:alice@contoso.example", "smtp:a@contoso.example", "X500:/o=Contoso/cn=Alice Alder"]
    assert api.call("PATCH", f"/users/{guest}", {"proxyAddresses": addresses}).status_code == 204
    assert api.get(f"/users/{guest}?$select=proxyAddresses")["proxyAddresses"] == addresses
    api.call("PATCH", f"/users/{guest}", {"proxyAddresses": None})
    assert api.get(f"/users/{guest}?$select=proxyAddresses")["proxyAddresses"] == []


READ_ONLY = {
    "id": NOBODY,
    "externalUserState": "Accepted",
    "identities": [],
    "createdDateTime": "2020-01-01T00:00:00Z",
    "creationType": None,
    "b2bIdp": {},
    "colour": "red",
    "userPrincipalName": "root@contoso.example",
}
BAD = {
    "accountEnabled": "no",
    "mail": "nonsense",
    "businessPhones": "1",
    "displayName": 5,
    "otherMails": [1],
    "proxyAddresses": ["alice@contoso.example"],
    "userType": "Owner",
    "onPremisesExtensionAttributes": {"extensionAttribute16": "x"},
}


@pytest.mark.parametrize(
    "change", [{k: v} for k, v in (READ_ONLY | BAD).items()], ids=lambda c: f"N-142 {next(iter(c))}"
)
def test_a_change_that_is_not_possible_changes_nothing_at_all(api, change):
    guest = api.guest()
    assert api.refused("PATCH", f"/users/{guest}", {"department": "Sales"} | change) == (
        400,
        "Request_BadRequest",
    )
    assert api.get(f"/users/{guest}?$select=department")["department"] is None


def test_n_142_the_type_of_a_user_needs_its_own_permission(api):
    path = f"/users/{api.guest()}"
    assert api.refused("PATCH", path, {"userType": "Member"}, roles=["Directory.ReadWrite.All"])[0] == 403
    assert api.call("PATCH", path, {"userType": "Member"}, roles=["User.ReadWrite.All"]).status_code == 204


def test_a_password_is_accepted_and_never_kept(api):
    guest = api.guest()
    assert api.call("PATCH", f"/users/{guest}", {"passwordProfile": {"password": "hunter2-hunter2"}}).status_code == 204
    with api.store.read() as r:
        assert "hunter2" not in str(r.users.by_id(guest))


def test_extension_attributes(api):
    guest = api.guest()
    for n in (1, 2):
        api.call("PATCH", f"/users/{guest}", {"onPremisesExtensionAttributes": {f"extensionAttribute{n}": str(n)}})
    shown = api.get(f"/users/{guest}?$select=onPremisesExtensionAttributes")["onPremisesExtensionAttributes"]
    assert (shown["extensionAttribute1"], shown["extensionAttribute2"]) == ("1", "2")


def test_a_disabled_user_stays_disabled_until_enabled(api):
    guest = api.guest()
    api.call("PATCH", f"/users/{guest}", {"accountEnabled": False, "jobTitle": "Buyer"})
    assert api.get(f"/users/{guest}?$select=accountEnabled,jobTitle")["accountEnabled"] is False
    api.call("PATCH", f"/users/{guest}", {"accountEnabled": True})
    assert api.get(f"/users/{guest}?$select=accountEnabled")["accountEnabled"] is True


def test_a_deleted_user_is_gone(api):
    guest = api.guest()
    assert api.call("DELETE", f"/users/{guest}").status_code == 204
    assert api.refused("GET", f"/users/{guest}") == (404, "Request_ResourceNotFound")
    assert api.refused("DELETE", f"/users/{guest}")[0] == 404


def test_revoking_sessions_answers_true(api):
    guest = api.guest()
    answer = api.call("POST", f"/users/{guest}/revokeSignInSessions")
    assert (answer.status_code, answer.json["value"]) == (200, True)
    with api.store.read() as r:
        assert r.users.by_id(guest).sessions_valid_from == api.at


MEMBER = {
    "accountEnabled": True,
    "displayName": "Bob",
    "mailNickname": "bob",
    "userPrincipalName": "bob@contoso.example",
    "passwordProfile": {"password": "xWwvJ]6NMw+bWH-d", "forceChangePasswordNextSignIn": True},
}


def test_a_member_is_created(api):
    made = api.made("/users", MEMBER)
    assert (made["userType"], made["userPrincipalName"], made["externalUserState"]) == (
        "Member",
        "bob@contoso.example",
        None,
    )


def test_a_principal_name_is_of_one_user(api):
    api.made("/users", MEMBER)
    assert api.refused("POST", "/users", MEMBER | {"userPrincipalName": "BOB@contoso.example"})[0] in (
        400,
        409,
    )


@pytest.mark.parametrize(
    "change",
    [
        {"userPrincipalName": None},
        {"displayName": ""},
        {"accountEnabled": "x"},
        {"colour": 1},
        {"userType": "Guest"},
        {"userPrincipalName": "bob"},
    ],
    ids=str,
)
def test_a_member_that_cannot_be_is_a_400(api, change):
    assert api.refused("POST", "/users", MEMBER | change)[0] == 400


# --- groups ---


def reference(id):
    return {"@odata.id": f"{BASE}/directoryObjects/{id}"}


def test_a_group_has_members_before_they_redeem(api):
    group, guest = api.made("/groups", {"displayName": "Sales"})["id"], api.guest()
    assert api.call("POST", f"/groups/{group}/members/$ref", reference(guest)).status_code == 204
    (member,) = api.get(f"/groups/{group}/members")["value"]
    assert (member["@odata.type"], member["id"]) == ("#microsoft.graph.user", guest)
    assert [g["id"] for g in api.get(f"/users/{guest}/memberOf")["value"]] == [group]
    assert api.call("DELETE", f"/groups/{group}/members/{guest}/$ref").status_code == 204
    assert api.get(f"/groups/{group}/members")["value"] == []


@pytest.mark.parametrize(
    "body",
    [{}, {"@odata.id": 5}, {"@odata.id": ""}, reference(NOBODY), {"@odata.id": "https://x/\ud800"}],
    ids=["none", "number", "empty", "unknown", "half a character"],
)
def test_a_reference_to_nothing_is_a_400(api, body):
    group = api.made("/groups", {"displayName": "Sales"})["id"]
    assert api.refused("POST", f"/groups/{group}/members/$ref", body)[0] == 400


def test_nobody_is_a_member_twice(api):
    group, guest = api.made("/groups", {"displayName": "Sales"})["id"], api.guest()
    api.call("POST", f"/groups/{group}/members/$ref", reference(guest))
    assert api.refused("POST", f"/groups/{group}/members/$ref", reference(guest))[0] == 400


@pytest.mark.parametrize(
    "body",
    [
        {"displayName": "x", "groupTypes": ["DynamicMembership"]},
        {"displayName": "x", "groupTypes": 5},
        {"displayName": "x", "membershipRule": 5},
        {"displayName": "x", "groupTypes": ["Static"]},
        {"displayName": ""},
        {},
        {"displayName": "x", "securityEnabled": "yes"},
    ],
    ids=str,
)
def test_a_group_that_this_version_does_not_have_is_a_400(api, body):
    assert api.refused("POST", "/groups", body)[0] == 400


def test_a_group_is_changed_and_deleted(api):
    group = api.made("/groups", {"displayName": "Sales", "description": "All of sales"})["id"]
    assert api.call("PATCH", f"/groups/{group}", {"displayName": "Sellers"}).status_code == 204
    shown = api.get(f"/groups/{group}")
    assert (shown["displayName"], shown["description"]) == ("Sellers", "All of sales")
    assert api.call("DELETE", f"/groups/{group}").status_code == 204
    assert api.refused("GET", f"/groups/{group}")[0] == 404
