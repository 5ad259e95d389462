"""applications, servicePrincipals, appRoleAssignments."""

from __future__ import annotations

import pytest
from graph_world import NOBODY

from b2b_idp.keys.vault import is_client_secret
from b2b_idp.model.directory import DEFAULT_APP_ROLE

ROLE = {
    "id": "11111111-0000-0000-0000-000000000001",
    "displayName": "Reader",
    "description": "Reads",
    "value": "reader",
    "isEnabled": True,
    "allowedMemberTypes": ["User"],
}


def test_an_application_is_registered_with_graphs_properties(api):
    made = api.made("/applications", {"displayName": "CRM", "web": {"redirectUris": ["https://crm.example/cb"]}})
    shown = api.get(f"/applications/{made['id']}")
    assert shown["web"]["redirectUris"] == ["https://crm.example/cb"] and shown["appId"] == made["appId"]
    assert (shown["identifierUris"], shown["passwordCredentials"], shown["signInAudience"]) == (
        [],
        [],
        "AzureADMyOrg",
    )


def test_what_was_read_of_an_application_can_be_found_by_its_app_id(api):
    application, sp = api.app()
    found = api.get(f"/applications?$filter=appId eq '{application['appId']}'")["value"]
    assert [a["id"] for a in found] == [application["id"]]
    found = api.get(f"/servicePrincipals?$filter=appId eq '{application['appId']}'")["value"]
    assert [s["id"] for s in found] == [sp["id"]]


def test_a_service_principal_is_there_once_it_is_made_and_once_only(api):
    application = api.made("/applications", {"displayName": "CRM"})
    path = f"/servicePrincipals?$filter=appId eq '{application['appId']}'"
    assert api.get(path)["value"] == []
    api.made("/servicePrincipals", {"appId": application["appId"]})
    assert len(api.get(path)["value"]) == 1
    assert api.refused("POST", "/servicePrincipals", {"appId": application["appId"]})[0] == 409


@pytest.mark.parametrize("body", [{}, {"appId": NOBODY}, {"appId": 5}, {"appId": None}], ids=str)
def test_a_service_principal_of_no_application_is_a_400(api, body):
    assert api.refused("POST", "/servicePrincipals", body)[0] == 400


def test_the_graph_api_is_a_service_principal_with_its_permissions_as_roles(api):
    (sp,) = api.get("/servicePrincipals?$filter=appId eq '00000003-0000-0000-c000-000000000000'")["value"]
    assert "User.Invite.All" in {r["value"] for r in sp["appRoles"]}


def test_nested_properties_are_changed_one_by_one(api):
    application, _ = api.app(web={"redirectUris": ["https://crm.example/cb"]}, api={"acceptMappedClaims": True})
    path = f"/applications/{application['id']}"
    assert (
        api.call(
            "PATCH", path, {"web": {"homePageUrl": "https://crm.example/"}, "b2bIdp": {"requirePkce": False}}
        ).status_code
        == 204
    )
    assert api.call("PATCH", path, {"b2bIdp": {"subjectType": "public"}}).status_code == 204
    shown = api.get(path)
    assert shown["web"]["redirectUris"] == ["https://crm.example/cb"] and shown["api"]["acceptMappedClaims"] is True
    assert (shown["b2bIdp"]["requirePkce"], shown["b2bIdp"]["subjectType"]) == (False, "public")


BAD_REDIRECTS = [
    "http://crm.example/cb", "javascript:alert(1)", "https://crm.example/cb#x", "/cb",
    "https://good@evil.example/",
    "https://*.example/cb", "https://crm.example/ cb", "data:text/html,x", "", "https://", "https://crm.example:99999/",
    "https://[::1", "https://crm.example/\ncb", "https://crm.example\\@evil.example/",
]  # fmt: skip


@pytest.mark.parametrize("uri", BAD_REDIRECTS)
@pytest.mark.parametrize("part", ["web", "spa", "publicClient"])
def test_a_redirect_uri_that_is_not_safe_is_a_400(api, part, uri):
    assert api.refused("POST", "/applications", {"displayName": "x", part: {"redirectUris": [uri]}})[0] == 400


@pytest.mark.parametrize(
    "uri", ["http://localhost", "http://127.0.0.1:8080/cb", "com.contoso.crm:/cb", "https://crm.example/cb"]
)
def test_a_public_client_may_use_loopback_or_its_own_scheme(api, uri):
    api.made("/applications", {"displayName": "x", "publicClient": {"redirectUris": [uri]}})


@pytest.mark.parametrize(
    "change",
    [
        {"displayName": None},
        {"displayName": "a\nb"},
        {"id": NOBODY},
        {"appId": NOBODY},
        {"appRoles": [ROLE, ROLE]},
        {"appRoles": [ROLE, ROLE | {"id": NOBODY}]},
        {"appRoles": [ROLE | {"value": "a b"}]},
        {"appRoles": [ROLE | {"allowedMemberTypes": []}]},
        {"identifierUris": ["nonsense"]},
        {"identifierUris": ["http://["]},
        {"identifierUris": ["api://x#y"]},
        {"identifierUris": ["api://\u00e9"]},
        {"identifierUris": ["https://graph.microsoft.com"]},
        {"identifierUris": ["https://idp.contoso.example/idp"]},
        {"identifierUris": ["api://x", "api://x"]},
        {"groupMembershipClaims": "Everything"},
        {"passwordCredentials": [{"displayName": "x"}]},
        {"b2bIdp": {"jwks": {"keys": [{"kty": "oct", "k": "AA"}]}}},
        {"b2bIdp": {"jwks": {"keys": [{"kty": "RSA", "n": "AA", "e": "AQAB", "d": "AA"}]}}},
        {"b2bIdp": {"jwks": {"keys": [{"kty": "RSA"}]}}},
        {"b2bIdp": {"jwks": {"keys": 5}}},
        {"b2bIdp": {"jwks": {"keys": [5]}}},
        {"b2bIdp": {"subjectType": "private"}},
        {"b2bIdp": {"jwks": {"keys": [{"kty": "OKP", "crv": "X25519", "x": "AA"}]}}},
        {"b2bIdp": {"idTokenSignedResponseAlg": "none"}},
        {"b2bIdp": {"authorizationSignedResponseAlg": "none"}},
        {"b2bIdp": {"requestObjectSigningAlg": "HS256"}},
        {"b2bIdp": {"requestObjectSigningAlg": "none", "requireSignedRequestObject": True}},
        {"b2bIdp": {"profile": "fapi1"}},
        {"b2bIdp": {"profile": "fapi2", "idTokenSignedResponseAlg": "RS256"}},
        {"b2bIdp": {"profile": "fapi2", "requestObjectSigningAlg": "none"}},
        {"b2bIdp": {"profile": "fapi2", "requirePkce": False}},
        {"web": {"implicitGrantSettings": {"enableIdTokenIssuance": True}}},
        {"optionalClaims": {"idToken": [{"name": "e-mail"}]}},
        {"colour": "red"},
    ],
    ids=lambda c: str(c)[:70],
)
def test_an_application_that_cannot_be_is_a_400(api, change):
    assert api.refused("POST", "/applications", {"displayName": "CRM"} | change)[0] == 400


def test_an_identifier_uri_is_of_one_application(api):
    api.app(identifierUris=["api://crm"])
    assert api.refused("POST", "/applications", {"displayName": "Other", "identifierUris": ["api://crm"]})[0] in (
        400,
        409,
    )


def test_a_secret_is_told_once(api):
    application, _ = api.app()
    path = f"/applications/{application['id']}"
    answer = api.call(
        "POST",
        f"{path}/addPassword",
        {"passwordCredential": {"displayName": "ci", "endDateTime": "2027-01-01T00:00:00Z"}},
    )
    assert answer.status_code == 200 and is_client_secret(answer.json["secretText"])
    (shown,) = api.get(path)["passwordCredentials"]
    assert (shown["secretText"], shown["displayName"], shown["endDateTime"]) == (
        None,
        "ci",
        "2027-01-01T00:00:00Z",
    )
    assert answer.json["secretText"] not in api.call("GET", "/auditLogs/directoryAudits").text
    assert api.call("POST", f"{path}/removePassword", {"keyId": shown["keyId"]}).status_code == 204
    assert api.get(path)["passwordCredentials"] == []


@pytest.mark.parametrize(
    "credential",
    [
        5,
        [],
        {"endDateTime": "soon"},
        {"endDateTime": 5},
        {"endDateTime": "2020-01-01T00:00:00Z"},
        {"startDateTime": "9998-12-31T00:00:00Z"},
        {"endDateTime": "0001-01-01T00:00:00+14:00"},
        {"secretText": "mine"},
        {"colour": "red"},
        {"displayName": 5},
    ],
    ids=str,
)
def test_a_secret_that_cannot_be_is_a_400(api, credential):
    application, _ = api.app()
    assert (
        api.refused("POST", f"/applications/{application['id']}/addPassword", {"passwordCredential": credential})[0]
        == 400
    )


def test_the_graph_api_itself_cannot_be_changed(api):
    path = f"/applications/{api.graph.id}"
    assert api.refused("PATCH", path, {"displayName": "x"})[0] in (403, 404)
    assert api.refused("DELETE", path)[0] in (403, 404)
    assert api.refused("POST", f"{path}/addPassword", {})[0] in (403, 404)


def test_a_deleted_application_is_gone_with_its_service_principal(api):
    application, sp = api.app()
    assert api.call("DELETE", f"/applications/{application['id']}").status_code == 204
    assert api.refused("GET", f"/applications/{application['id']}")[0] == 404
    assert api.refused("GET", f"/servicePrincipals/{sp['id']}")[0] == 404


def test_a_service_principal_is_changed(api):
    _, sp = api.app()
    path = f"/servicePrincipals/{sp['id']}"
    assert api.call("PATCH", path, {"appRoleAssignmentRequired": True}).status_code == 204
    shown = api.get(path)
    assert (shown["appRoleAssignmentRequired"], shown["accountEnabled"]) == (True, True)
    assert api.refused("PATCH", path, {"appId": NOBODY})[0] == 400


# --- assignments ---


def assign(api, sp, principal, role, path=None):
    body = {"principalId": principal, "resourceId": sp["id"], "appRoleId": role}
    return api.call("POST", path or f"/servicePrincipals/{sp['id']}/appRoleAssignedTo", body)


def test_a_user_is_assigned_and_seen_from_both_sides(api):
    (_, sp), guest = api.app(appRoles=[ROLE]), api.guest(invitedUserDisplayName="Alice")
    made = assign(api, sp, guest, ROLE["id"])
    assert made.status_code == 201
    assert (
        made.json["principalType"],
        made.json["principalDisplayName"],
        made.json["resourceDisplayName"],
    ) == ("User", "Alice", "CRM")
    for path in (f"/servicePrincipals/{sp['id']}/appRoleAssignedTo", f"/users/{guest}/appRoleAssignments"):
        assert [a["id"] for a in api.get(path)["value"]] == [made.json["id"]]
    assert api.call("DELETE", f"/servicePrincipals/{sp['id']}/appRoleAssignedTo/{made.json['id']}").status_code == 204
    assert api.get(f"/users/{guest}/appRoleAssignments")["value"] == []


def test_a_user_is_assigned_from_the_users_side(api):
    (_, sp), guest = api.app(), api.guest()
    made = assign(api, sp, guest, DEFAULT_APP_ROLE, f"/users/{guest}/appRoleAssignments")
    assert made.status_code == 201
    assert api.call("DELETE", f"/users/{guest}/appRoleAssignments/{made.json['id']}").status_code == 204


def test_a_group_is_assigned_from_the_groups_side(api):
    (_, sp), group = api.app(appRoles=[ROLE]), api.made("/groups", {"displayName": "Sales"})["id"]
    path = f"/groups/{group}/appRoleAssignments"
    made = assign(api, sp, group, ROLE["id"], path)
    assert made.status_code == 201 and made.json["principalType"] == "Group"
    assert [a["id"] for a in api.get(path)["value"]] == [made.json["id"]]
    assert api.call("DELETE", f"{path}/{made.json['id']}").status_code == 204


def test_the_same_assignment_twice_is_a_400(api):
    (_, sp), guest = api.app(appRoles=[ROLE]), api.guest()
    assign(api, sp, guest, ROLE["id"])
    again = assign(api, sp, guest, ROLE["id"].upper())
    assert again.status_code == 400 and "already exists" in again.json["error"]["message"]


def test_an_assignment_that_cannot_be_is_a_400(api):
    disabled = ROLE | {"id": "11111111-0000-0000-0000-000000000002", "value": "old", "isEnabled": False}
    (_, sp), (_, client), guest = api.app(appRoles=[ROLE, disabled]), api.app("Client"), api.guest()
    for principal, role in [
        (NOBODY, ROLE["id"]),
        (guest, NOBODY),
        (guest, DEFAULT_APP_ROLE),
        (guest, disabled["id"]),
        (client["id"], ROLE["id"]),
        ("nonsense", ROLE["id"]),
        (5, ROLE["id"]),
        (guest, None),
    ]:
        assert assign(api, sp, principal, role).status_code == 400, (principal, role)


def test_an_assignment_names_the_address_that_it_is_sent_to(api):
    (_, sp), (_, other), guest = api.app(), api.app("Other"), api.guest()
    path = f"/servicePrincipals/{other['id']}/appRoleAssignedTo"
    assert assign(api, sp, guest, DEFAULT_APP_ROLE, path).status_code == 400
