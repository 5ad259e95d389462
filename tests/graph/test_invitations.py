"""Invitations whole: what they give, the domain list, sent again, revoked, expired."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from graph_world import AT, BASE, NOBODY, Api

LANDING = "https://app.contoso.example/"


def ask(email="alice@fabrikam.example", **more):
    return {"invitedUserEmailAddress": email, "inviteRedirectUrl": LANDING} | more


def domains(api, kind, *listed):
    lists = {"InvitationsAllowedAndBlockedDomainsPolicy": {kind: list(listed)}}
    document = {"displayName": "Domains", "definition": [json.dumps({"B2BManagementPolicy": lists})]}
    return api.call("POST", "/policies/b2bManagementPolicies", document)


# --- the domain list --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "listed", "address", "status"),
    [
        ("BlockedDomains", "evil.example", "a@evil.example", 400),
        ("BlockedDomains", "evil.example", "a@EVIL.example.", 400),
        ("BlockedDomains", "evil.example", "a@deep.down.evil.example", 400),
        ("BlockedDomains", "*.evil.example", "a@sub.evil.example", 400),
        ("BlockedDomains", "evil.example", "a@notevil.example", 201),
        ("BlockedDomains", "sub.evil.example", "a@evil.example", 201),
        ("BlockedDomains", "bücher.example", "a@xn--bcher-kva.example", 400),
        ("BlockedDomains", "xn--bcher-kva.example", "a@BÜCHER.example", 400),
        ("AllowedDomains", "fabrikam.example", "a@fabrikam.example", 201),
        ("AllowedDomains", "fabrikam.example", "a@sub.fabrikam.example", 201),
        ("AllowedDomains", "fabrikam.example", "a@litware.example", 400),
        ("AllowedDomains", "fabrikam.example", "a@f\u0430brikam.example", 400),
        ("AllowedDomains", "fabrikam.example", "a@fabrikam.example.evil.example", 400),
    ],
)
def test_n_070_the_domain_list_knows_one_name_in_all_its_spellings(api, kind, listed, address, status):
    assert domains(api, kind, listed).status_code == 201
    answer = api.call("POST", "/invitations", ask(address))
    assert answer.status_code == status
    if status == 400 and address.isascii():
        assert "B2BManagementPolicy" in answer.json["error"]["message"]


def test_there_is_one_list_of_one_kind(api):
    made = domains(api, "BlockedDomains", "evil.example").json
    assert domains(api, "AllowedDomains", "good.example").status_code == 409
    both = {"AllowedDomains": ["a.example"], "BlockedDomains": ["b.example"]}
    definition = [json.dumps({"B2BManagementPolicy": {"InvitationsAllowedAndBlockedDomainsPolicy": both}})]
    path = f"/policies/b2bManagementPolicies/{made['id']}"
    assert api.refused("PATCH", path, {"definition": definition})[0] == 400
    del both["BlockedDomains"]
    definition = [json.dumps({"B2BManagementPolicy": {"InvitationsAllowedAndBlockedDomainsPolicy": both}})]
    assert api.call("PATCH", path, {"definition": definition}).status_code == 204
    assert api.refused("POST", "/invitations", ask("x@other.example"))[0] == 400
    assert api.call("DELETE", path).status_code == 204
    assert api.call("POST", "/invitations", ask("x@other.example")).status_code == 201


def definition(lists):
    return [json.dumps({"B2BManagementPolicy": {"InvitationsAllowedAndBlockedDomainsPolicy": lists}})]


@pytest.mark.parametrize(
    "definition",
    [
        ["{"],
        ["[]"],
        ["{}"],
        definition({"Other": []}),
        definition({"BlockedDomains": ["a b"]}),
        definition({"BlockedDomains": "a.b"}),
        definition({"BlockedDomains": [f"d{n}.example" for n in range(3000)]}),
        [],
        "x",
        None,
    ],
)
def test_a_bad_list_is_a_400_and_nothing_is_kept(api, definition):
    body = {"displayName": "Domains", "definition": definition}
    assert api.refused("POST", "/policies/b2bManagementPolicies", body)[0] == 400
    assert api.get("/policies/b2bManagementPolicies")["value"] == []


def test_nobody_is_invited_from_a_partner_that_is_kept_out(api):
    home = api.made("/identity/identityProviders", api.provider(domains=["fabrikam.example"]))
    everybody = {"accessType": "blocked", "targets": [{"target": "AllUsers", "targetType": "user"}]}
    all_apps = {"accessType": "blocked", "targets": [{"target": "AllApplications", "targetType": "application"}]}
    inbound = {"usersAndGroups": everybody, "applications": all_apps}
    body = {"tenantId": home["b2bIdp"]["tenantId"], "b2bCollaborationInbound": inbound}
    api.made("/policies/crossTenantAccessPolicy/partners", body)
    assert api.refused("POST", "/invitations", ask())[0] == 400
    assert api.call("POST", "/invitations", ask("x@litware.example")).status_code == 201


# --- what an invitation gives -----------------------------------------------------------------------------------------


def test_groups_roles_properties_sponsor_and_expiry_come_with_the_invitation(api):
    roles = [{"id": NOBODY, "displayName": "Reader", "value": "reader", "allowedMemberTypes": ["User"]}]
    _, sp = api.app("CRM", appRoles=roles)
    group = api.made("/groups", {"displayName": "Sales"})["id"]
    nina = api.made("/users", {"displayName": "Nina", "userPrincipalName": "nina@contoso.example"})["id"]
    gifts = {
        "groups": [group],
        "appRoles": [{"resourceId": sp["id"], "appRoleId": NOBODY}],
        "expirationDateTime": "2026-12-31T00:00:00Z",
        "properties": {"department": "Finance", "otherMails": ["ada@litware.example"]},
    }
    made = api.made("/invitations", ask(b2bIdp=gifts, invitedUserSponsors=[{"id": nina}]))
    guest = made["invitedUser"]["id"]
    user = api.get(f"/users/{guest}?$select=department,otherMails,b2bIdp")
    assert (user["department"], user["otherMails"]) == ("Finance", ["ada@litware.example"])
    assert user["b2bIdp"]["expirationDateTime"] == "2026-12-31T00:00:00Z"
    assert user["b2bIdp"]["provenance"]["department"] == "invitation"
    assert [m["id"] for m in api.get(f"/groups/{group}/members")["value"]] == [guest]
    assert [a["appRoleId"] for a in api.get(f"/users/{guest}/appRoleAssignments")["value"]] == [NOBODY]
    assert [s["id"] for s in api.get(f"/users/{guest}/sponsors")["value"]] == [nina]


@pytest.mark.parametrize(
    "gifts",
    [
        {"b2bIdp": {"groups": [NOBODY]}},
        {"b2bIdp": {"appRoles": [{"resourceId": NOBODY}]}},
        {"b2bIdp": {"expirationDateTime": "2020-01-01T00:00:00Z"}},
        {"b2bIdp": {"expirationDateTime": "tomorrow"}},
        {"b2bIdp": {"properties": {"userType": "Member"}}},
        {"b2bIdp": {"properties": {"mail": "x@y.example"}}},
        {"b2bIdp": {"unknown": 1}},
        {"invitedUserSponsors": [{"id": NOBODY}]},
        {"invitedUserType": "Admin"},
        {"invitedUserMessageInfo": {"ccRecipients": [{"emailAddress": {"address": "a@b\r\nBcc: x@y.example"}}]}},
    ],
)
def test_a_bad_gift_is_a_400_and_nobody_is_invited(api, gifts):
    assert api.refused("POST", "/invitations", ask() | gifts) == (400, "Request_BadRequest")
    assert api.get("/users")["value"] == []


def test_inviting_again_resends_and_gives_nothing(api):
    guest = api.guest()
    group = api.made("/groups", {"displayName": "Sales"})["id"]
    again = api.made("/invitations", ask(b2bIdp={"groups": [group], "properties": {"department": "Board"}}))
    assert again["invitedUser"]["id"] == guest
    assert api.get(f"/groups/{group}/members")["value"] == []
    assert api.get(f"/users/{guest}?$select=department")["department"] is None


def test_new_guests_expire_as_the_policy_says(api):
    api.call("PATCH", "/policies/authorizationPolicy", {"b2bIdp": {"guestLifetimeDays": 90}})
    user = api.get(f"/users/{api.guest()}?$select=b2bIdp")
    ends = (AT + timedelta(days=90)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert user["b2bIdp"]["expirationDateTime"] == ends


# --- listed, sent again, revoked --------------------------------------------------------------------------------------


def test_invitations_are_listed_by_their_state_without_links(api):
    api.guest()
    listed = api.get("/invitations?$filter=status eq 'PendingAcceptance'&$count=true")
    assert listed["@odata.count"] == 1
    assert listed["value"][0]["invitedUserEmailAddress"] == "alice@fabrikam.example"
    assert listed["value"][0]["inviteRedeemUrl"] is None
    assert listed["value"][0]["b2bIdp"]["invitedBy"] == api.client.sp_id


def test_sending_again_makes_a_new_link_and_one_more_mail(api):
    made = api.made("/invitations", ask(sendInvitationMessage=True))
    assert api.call("POST", f"/invitations/{made['id']}/resend").status_code == 204
    with api.store.read() as r:
        links = [word for letter in r.outbox.latest() for word in letter.body.split() if "/redeem?" in word]
    assert len(links) == len(set(links)) == 2 and made["inviteRedeemUrl"] in links
    mails = api.get(f"/invitations/{made['id']}")["b2bIdp"]["mail"]
    assert [(m["kind"], m["status"]) for m in mails] == [("invitation", "pending")] * 2


def test_the_copy_has_no_link(api):
    info = {"ccRecipients": [{"emailAddress": {"address": "pm@contoso.example"}}], "messageLanguage": "de-AT"}
    api.made("/invitations", ask(sendInvitationMessage=True, invitedUserMessageInfo=info))
    with api.store.read() as r:
        letters = {letter.recipient: letter for letter in r.outbox.latest()}
    assert "/redeem?ticket=" in letters["alice@fabrikam.example"].body
    copy = letters["pm@contoso.example"]
    assert "redeem" not in copy.body + copy.html and (copy.kind, copy.language) == ("copy", "de")


def test_a_revoked_invitation_is_over(api):
    made = api.made("/invitations", ask())
    assert api.call("POST", f"/invitations/{made['id']}/revoke").status_code == 204
    assert api.get(f"/invitations/{made['id']}")["status"] == "Error"
    assert api.refused("POST", f"/invitations/{made['id']}/resend")[0] == 400


@pytest.mark.parametrize("action", ["resend", "revoke"])
def test_what_is_no_invitation_is_404(api, action):
    assert api.refused("POST", f"/invitations/{NOBODY}/{action}")[0] == 404


def test_n_076_an_address_gets_no_flood_of_mail(api):
    answers = [api.call("POST", "/invitations", ask(sendInvitationMessage=True)) for _ in range(8)]
    assert [a.status_code for a in answers] == [201] * 5 + [429] * 3
    assert int(answers[-1].headers["Retry-After"]) > 0
    with api.store.read() as r:
        assert len(r.outbox.latest()) == 5


# --- the authorization policy -----------------------------------------------------------------------------------------


def test_the_policy_is_one_and_changed_in_what_is_named(api):
    shipped = api.get("/policies/authorizationPolicy")
    assert (shipped["allowInvitesFrom"], shipped["id"]) == ("everyone", "authorizationPolicy")
    change = {"allowInvitesFrom": "adminsAndGuestInviters", "b2bIdp": {"invitationsPerDay": 5}}
    assert api.call("PATCH", "/policies/authorizationPolicy", change).status_code == 204
    assert api.call("PATCH", "/policies/authorizationPolicy", {"b2bIdp": {"guestLifetimeDays": 9}}).status_code == 204
    now = api.get("/policies/authorizationPolicy")
    assert now["allowInvitesFrom"] == "adminsAndGuestInviters"
    assert (now["b2bIdp"]["invitationsPerDay"], now["b2bIdp"]["guestLifetimeDays"]) == (5, 9)


@pytest.mark.parametrize(
    "change",
    [
        {"allowInvitesFrom": "admins"},
        {"guestUserRoleId": NOBODY},
        {"guestUserRoleId": 1},
        {"unknown": True},
        {"id": "x"},
        {"b2bIdp": {"invitationsPerDay": -1}},
        {"b2bIdp": {"redirectOrigins": ["javascript:alert(1)"]}},
        {"b2bIdp": {"redirectOrigins": ["https://a.example/path"]}},
    ],
)
def test_a_bad_policy_is_a_400_that_changes_nothing(api, change):
    before = api.get("/policies/authorizationPolicy")
    assert api.refused("PATCH", "/policies/authorizationPolicy", change)[0] == 400
    assert api.get("/policies/authorizationPolicy") == before


def test_delegated_permissions_are_consented_to_for_everybody(api):
    app, sp = api.app("Portal")
    body = {
        "clientId": sp["id"],
        "consentType": "AllPrincipals",
        "resourceId": api.graph.sp_id,
        "scope": "User.Invite.All",
    }
    made = api.made("/oauth2PermissionGrants", body)
    assert api.get(f"/applications/{app['id']}")["b2bIdp"]["adminConsent"] == ["User.Invite.All"]
    path = f"/oauth2PermissionGrants/{made['id']}"
    assert api.call("PATCH", path, {"scope": "User.Invite.All User.Read.All"}).status_code == 204
    assert api.get(path)["scope"] == "User.Invite.All User.Read.All"
    assert api.refused("PATCH", path, {"scope": "Everything.All"})[0] == 400
    assert api.call("DELETE", path).status_code == 204
    assert api.get("/oauth2PermissionGrants")["value"] == []


def test_one_client_cannot_crowd_out_the_others(api):
    narrow = Api(requests=3)
    answers = [narrow.call("GET", "/organization") for _ in range(4)]
    assert [a.status_code for a in answers] == [200, 200, 200, 429]
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 10
    assert answers[-1].json["error"]["code"] == "TooManyRequests"
    assert BASE in api.get("/organization")["@odata.context"]
