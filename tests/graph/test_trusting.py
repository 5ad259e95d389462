"""How homes speak and whether they are believed; what is required; what is told to apps."""

from __future__ import annotations

import json

import pytest
from graph_world import BASE, ISSUER, NOBODY

from b2b_idp.model.moment import tenant_id_of

HOMES, XTAP = "/identity/identityProviders", "/policies/crossTenantAccessPolicy"
ACCESS, MAPPINGS = "/identity/conditionalAccess/policies", "/policies/claimsMappingPolicies"


def test_a_home_is_shown_without_its_secret_with_the_redirect_uri_to_register(api):
    made = api.made(HOMES, api.provider(domains=["fabrikam.example"]))
    tenant_id = tenant_id_of("https://idp.fabrikam.example")
    assert made["@odata.type"] == "#microsoft.graph.oidcIdentityProvider"
    assert made["id"] == made["b2bIdp"]["tenantId"] == tenant_id
    assert made["b2bIdp"]["redirectUri"] == f"{ISSUER}/federation/{tenant_id}/callback"
    for path in (HOMES, f"{HOMES}/{tenant_id}", "/auditLogs/directoryAudits"):
        assert "not-a-real-secret" not in api.call("GET", path).text


def test_what_was_read_can_be_sent_back(api):
    made = api.made(HOMES, api.provider(domains=["fabrikam.example"]))
    shown = api.get(f"{HOMES}/{made['id']}")
    assert api.call("PATCH", f"{HOMES}/{made['id']}", shown).status_code == 204
    assert api.get(f"{HOMES}/{made['id']}") == shown


def test_a_home_is_changed_in_what_is_named(api):
    id = api.made(HOMES, api.provider(domains=["fabrikam.example"]))["id"]
    assert (
        api.call("PATCH", f"{HOMES}/{id}", {"b2bIdp": {"enabled": False}, "displayName": "Renamed"}).status_code == 204
    )
    shown = api.get(f"{HOMES}/{id}")
    assert (shown["displayName"], shown["b2bIdp"]["enabled"], shown["b2bIdp"]["domains"]) == (
        "Renamed",
        False,
        ["fabrikam.example"],
    )
    with api.store.read() as r:
        assert r.configuration.homes[id].client_secret == "not-a-real-secret"


def test_a_second_home_with_the_issuer_is_a_409_even_after_the_first_is_deleted(api):
    id = api.made(HOMES, api.provider())["id"]
    assert api.refused("POST", HOMES, api.provider())[0] == 409
    assert api.call("DELETE", f"{HOMES}/{id}").status_code == 204
    assert api.refused("GET", f"{HOMES}/{id}")[0] == 404
    assert api.refused("POST", HOMES, api.provider())[0] == 409


@pytest.mark.parametrize(
    "change",
    [
        {"@odata.type": "#microsoft.graph.socialIdentityProvider"},
        {"@odata.type": 5},
        {"@odata.type": None},
        {"issuer": "http://169.254.169.254/"},
        {"issuer": "file:///etc/passwd"},
        {"issuer": 5},
        {"wellKnownEndpoint": "https://evil.example/.well-known/openid-configuration"},
        {"responseType": "id_token"},
        {"clientAuthentication": None},
        {"clientAuthentication": "secret"},
        {"clientAuthentication": {"@odata.type": "#microsoft.graph.oidcClientSecretAuthentication"}},
        {"inboundClaimMapping": {"sub": "email"}},
        {"b2bIdp": {"domains": ["gmail.com"]}},
        {"b2bIdp": {"tenantId": "nonsense"}},
        {"b2bIdp": {"authenticationContext": {"profile": "nonsense"}}},
        {"b2bIdp": {"authenticationContext": {"amr": {"x": ["nonsense"]}}}},
        {"b2bIdp": []},
        {"colour": "red"},
    ],
    ids=str,
)
def test_a_home_that_cannot_be_is_a_400(api, change):
    if "issuer" in change:
        change = change | {"wellKnownEndpoint": None}
    assert api.refused("POST", HOMES, api.provider() | change)[0] == 400


@pytest.mark.parametrize(
    "change",
    [
        {"issuer": "https://x.example"},
        {"b2bIdp": {"own": True}},
        {"b2bIdp": {"tenantId": NOBODY}},
        {"b2bIdp": None},
        {"clientAuthentication": 5},
    ],
    ids=str,
)
def test_what_a_home_is_stays(api, change):
    path = f"{HOMES}/{api.made(HOMES, api.provider(domains=['fabrikam.example']))['id']}"
    before = api.get(path)
    assert api.refused("PATCH", path, change)[0] == 400
    assert api.get(path) == before


# --- partners ---

PARTNER = "ffffffff-0000-0000-0000-000000000002"
TRUSTED = {
    "isMfaAccepted": True,
    "isCompliantDeviceAccepted": False,
    "isHybridAzureADJoinedDeviceAccepted": False,
}


def partner(api):
    return api.made(f"{XTAP}/partners", {"tenantId": PARTNER, "inboundTrust": TRUSTED})


def test_creating_a_home_creates_no_partner(api):
    api.made(HOMES, api.provider())
    assert api.get(f"{XTAP}/partners")["value"] == []


def test_a_partner_is_answered_with_nulls_for_what_it_inherits(api):
    made = partner(api)
    assert made["inboundTrust"] == TRUSTED and made["b2bCollaborationInbound"] is None
    assert made["automaticUserConsentSettings"] == {"inboundAllowed": None, "outboundAllowed": None}


def test_a_second_entry_for_a_partner_is_a_409(api):
    partner(api)
    assert api.refused("POST", f"{XTAP}/partners", {"tenantId": PARTNER.upper()})[0] == 409


def test_a_partner_is_changed_in_what_is_named(api):
    partner(api)
    path = f"{XTAP}/partners/{PARTNER}"
    assert api.call("PATCH", path, {"b2bIdp": {"whenHomeCannot": "block"}}).status_code == 204
    assert api.call("PATCH", path, {"b2bIdp": {"mfaMaxAge": "PT12H"}}).status_code == 204
    shown = api.get(path)
    assert shown["inboundTrust"] == TRUSTED
    assert (shown["b2bIdp"]["whenHomeCannot"], shown["b2bIdp"]["mfaMaxAge"]) == ("block", "PT12H")


def test_trust_is_not_lost_by_naming_another_trust(api):
    partner(api)
    api.call("PATCH", f"{XTAP}/partners/{PARTNER}", {"inboundTrust": {"isCompliantDeviceAccepted": True}})
    assert api.get(f"{XTAP}/partners/{PARTNER}")["inboundTrust"]["isMfaAccepted"] is True


def test_a_partner_is_deleted(api):
    partner(api)
    assert api.call("DELETE", f"{XTAP}/partners/{PARTNER}").status_code == 204
    assert api.refused("GET", f"{XTAP}/partners/{PARTNER}")[0] == 404
    assert api.refused("DELETE", f"{XTAP}/partners/{PARTNER}")[0] == 404


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"tenantId": "nonsense"},
        {"tenantId": PARTNER, "inboundTrust": {"isMfaAccepted": "yes"}},
        {"tenantId": PARTNER, "b2bIdp": {"mfaMaxAge": "12 hours"}},
        {"tenantId": PARTNER, "b2bIdp": {"mfaMaxAge": "PT0S"}},
        {"tenantId": PARTNER, "b2bIdp": {"whenHomeCannot": "hope"}},
        {
            "tenantId": PARTNER,
            "b2bCollaborationInbound": {"applications": {"accessType": "allowed", "targets": []}},
        },
        {"tenantId": PARTNER, "colour": "red"},
    ],
    ids=str,
)
def test_a_partner_that_cannot_be_is_a_400(api, body):
    assert api.refused("POST", f"{XTAP}/partners", body)[0] == 400


def test_as_shipped_nobody_is_trusted(api):
    shown = api.get(f"{XTAP}/default")
    assert shown["isServiceDefault"] is True and shown["inboundTrust"]["isMfaAccepted"] is False


def test_the_default_is_changed_and_reset(api):
    assert api.call("PATCH", f"{XTAP}/default", {"inboundTrust": {"isMfaAccepted": True}}).status_code == 204
    shown = api.get(f"{XTAP}/default")
    assert (shown["isServiceDefault"], shown["inboundTrust"]["isMfaAccepted"]) == (False, True)
    assert api.call("POST", f"{XTAP}/default/resetToSystemDefault").status_code == 204
    assert api.get(f"{XTAP}/default")["isServiceDefault"] is True


# --- conditional access ---

POLICY = {
    "displayName": "MFA for guests",
    "state": "enabled",
    "conditions": {
        "clientAppTypes": ["all"],
        "applications": {"includeApplications": ["All"]},
        "users": {"includeUsers": ["GuestsOrExternalUsers"]},
    },
    "grantControls": {"operator": "OR", "builtInControls": ["mfa"]},
}
STRENGTH = {"id": "00000000-0000-0000-0000-000000000004"}


def test_a_policy_is_made_shown_and_deleted(api):
    made = api.made(ACCESS, POLICY)
    shown = api.get(f"{ACCESS}/{made['id']}")
    assert shown["@odata.context"] == f"{BASE}/$metadata#identity/conditionalAccess/policies/$entity"
    assert shown["grantControls"]["builtInControls"] == ["mfa"] and shown["createdDateTime"].endswith("Z")
    assert api.call("DELETE", f"{ACCESS}/{made['id']}").status_code == 204
    assert api.refused("GET", f"{ACCESS}/{made['id']}")[0] == 404


def test_the_state_of_a_policy_is_changed_alone(api):
    id = api.made(ACCESS, POLICY)["id"]
    assert api.call("PATCH", f"{ACCESS}/{id}", {"state": "disabled"}).status_code == 204
    shown = api.get(f"{ACCESS}/{id}")
    assert (shown["state"], shown["displayName"]) == ("disabled", "MFA for guests")


def test_a_condition_is_changed_alone(api):
    id = api.made(ACCESS, POLICY)["id"]
    change = {"conditions": {"applications": {"includeApplications": [NOBODY]}}}
    assert api.call("PATCH", f"{ACCESS}/{id}", change).status_code == 204
    shown = api.get(f"{ACCESS}/{id}")["conditions"]
    assert shown["applications"]["includeApplications"] == [NOBODY]
    assert shown["users"]["includeUsers"] == ["GuestsOrExternalUsers"]


@pytest.mark.parametrize(
    "change",
    [
        {"grantControls": {"operator": "OR", "builtInControls": ["mfa"], "authenticationStrength": STRENGTH}},
        {"grantControls": {"operator": "OR", "builtInControls": ["block", "mfa"]}},
        {"grantControls": {"operator": "OR", "builtInControls": ["compliantDevice"]}},
        {
            "grantControls": {
                "operator": "OR",
                "builtInControls": [],
                "authenticationStrength": {"id": NOBODY},
            }
        },
        {"grantControls": None},
        {"state": "on"},
        {"conditions": {}},
        {"conditions": 5},
        {"displayName": None},
        {"displayName": "x" * 5000},
        {"sessionControls": {"signInFrequency": {"type": "hours", "value": -1}}},
        {"colour": "red"},
    ],
    ids=str,
)
def test_a_policy_that_cannot_be_is_a_400_and_is_not_made(api, change):
    assert api.refused("POST", ACCESS, POLICY | change) == (400, "Request_BadRequest")
    assert api.get(ACCESS)["value"] == []


def test_the_built_in_strengths(api):
    path = "/policies/authenticationStrengthPolicies"
    assert [s["id"][-1] for s in api.get(path)["value"]] == ["2", "3", "4"]
    assert "fido2" in api.get(f"{path}/{STRENGTH['id']}")["allowedCombinations"]


# --- claims mapping ---


def mapping(*entries, **more):
    policy = {"Version": 1, "IncludeBasicClaimSet": "true", "ClaimsSchema": list(entries)} | more
    return {"displayName": "Claims", "definition": [json.dumps({"ClaimsMappingPolicy": policy})]}


DEPARTMENT = {"Source": "user", "ID": "department", "JwtClaimType": "dept"}


def test_a_mapping_is_assigned_once_and_cannot_be_deleted_while_it_is(api):
    policy, (_, sp) = api.made(MAPPINGS, mapping(DEPARTMENT)), api.app()
    path = f"/servicePrincipals/{sp['id']}/claimsMappingPolicies"
    body = {"@odata.id": f"{BASE}/policies/claimsMappingPolicies/{policy['id']}"}
    assert api.call("POST", f"{path}/$ref", body).status_code == 204
    assert [p["id"] for p in api.get(path)["value"]] == [policy["id"]]
    assert [p["id"] for p in api.get(f"{MAPPINGS}/{policy['id']}/appliesTo")["value"]] == [sp["id"]]
    assert api.refused("POST", f"{path}/$ref", body)[0] == 409
    assert api.refused("DELETE", f"{MAPPINGS}/{policy['id']}")[0] in (400, 409)
    assert api.call("DELETE", f"{path}/{policy['id']}/$ref").status_code == 204
    assert api.call("DELETE", f"{MAPPINGS}/{policy['id']}").status_code == 204


@pytest.mark.parametrize("written", [lambda d: [json.dumps(d)], json.dumps, lambda d: [d], lambda d: d])
def test_however_a_definition_is_written_it_is_shown_as_graph_has_it(api, written):
    document = json.loads(mapping(DEPARTMENT)["definition"][0])
    policy = api.made(MAPPINGS, mapping() | {"definition": written(document)})
    assert [json.loads(text) for text in policy["definition"]] == [document]
    _, sp = api.app(api={"acceptMappedClaims": True})
    asked = {"userId": api.guest(), "claimsMappingPolicy": {"definition": written(document)}}
    tried = api.call("POST", f"/servicePrincipals/{sp['id']}/previewToken", asked).json
    assert "dept" in [e["claim"] for e in tried["explanations"]["idToken"]]


def test_a_mapping_may_be_written_as_the_json_itself_and_is_shown_as_graph_has_it(api):
    document = json.loads(mapping(DEPARTMENT)["definition"][0])
    policy = api.made(MAPPINGS, mapping() | {"definition": document})
    (text,) = api.get(f"{MAPPINGS}/{policy['id']}")["definition"]
    assert json.loads(text) == document
    assert api.call("PATCH", f"{MAPPINGS}/{policy['id']}", policy | {"description": "d"}).status_code == 204
    changed = {"definition": {"ClaimsMappingPolicy": {"Version": 2}}}
    assert api.refused("PATCH", f"{MAPPINGS}/{policy['id']}", changed)[0] == 400
    assert api.get(f"{MAPPINGS}/{policy['id']}")["definition"] == [text]


@pytest.mark.parametrize("address", ["policies/claimsMappingPolicies", "directoryObjects"])
def test_a_mapping_is_assigned_by_either_of_its_addresses(api, address):
    policy, (_, sp) = api.made(MAPPINGS, mapping(DEPARTMENT)), api.app()
    path = f"/servicePrincipals/{sp['id']}/claimsMappingPolicies"
    api.call("POST", f"{path}/$ref", {"@odata.id": f"{BASE}/{address}/{policy['id']}"})
    assert [p["id"] for p in api.get(path)["value"]] == [policy["id"]]


@pytest.mark.parametrize("claim", ["iss", "sub", "aud", "amr", "acr", "groups", "xms_x", "cnf", "oid", "OID", "Iss"])
def test_n_147_a_mapping_to_a_restricted_claim_is_a_400(api, claim):
    assert api.refused("POST", MAPPINGS, mapping(DEPARTMENT | {"JwtClaimType": claim}))[0] == 400


@pytest.mark.parametrize(
    "body",
    [
        {},
        mapping() | {"displayName": None},
        {"displayName": "x"},
        {"displayName": "x", "definition": []},
        {"displayName": "x", "definition": ["{"]},
        {"displayName": "x", "definition": [5]},
        {"displayName": "x", "definition": "{"},
        {"displayName": "x", "definition": [{}, {}]},
        {"displayName": "x", "definition": 5},
        mapping(Version=2),
        mapping() | {"colour": 1},
        mapping() | {"description": 5},
        mapping() | {"displayName": "x" * 5000},
    ],
    ids=lambda b: str(b)[:60],
)
def test_a_mapping_that_cannot_be_is_a_400(api, body):
    assert api.refused("POST", MAPPINGS, body)[0] == 400
