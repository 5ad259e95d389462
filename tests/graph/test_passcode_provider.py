"""The built-in identity provider of mailed codes, and the authentication methods policy that switches it."""

from __future__ import annotations

import pytest

from b2b_idp.model.home import MAILED_TENANT_ID

BUILT_IN = "/identity/identityProviders/EmailOtpSignup-OAUTH"
POLICY = "/policies/authenticationMethodsPolicy"
EMAIL = f"{POLICY}/authenticationMethodConfigurations/Email"


def test_the_built_in_provider_is_listed_as_graph_does(api):
    api.made("/identity/identityProviders", api.provider(domains=["fabrikam.example"]))
    rows = api.get("/identity/identityProviders")["value"]
    assert [r.get("issuer") for r in rows[:-1]] == [api.provider()["issuer"]]
    assert rows[-1] == {
        "@odata.type": "#microsoft.graph.builtInIdentityProvider",
        "id": "EmailOtpSignup-OAUTH",
        "displayName": "Email One Time Passcode",
        "identityProviderType": "EmailOTP",
    }
    assert api.get(BUILT_IN)["identityProviderType"] == "EmailOTP"


def test_it_is_read_only_there(api):
    assert api.refused("PATCH", BUILT_IN, {"displayName": "Mine"})[0] == 400
    assert api.refused("DELETE", BUILT_IN)[0] == 400
    assert api.refused("GET", f"/identity/identityProviders/{MAILED_TENANT_ID}")[0] == 404


def test_nobody_makes_it_a_partner_whose_mfa_is_believed(api):
    entry = {"tenantId": MAILED_TENANT_ID, "inboundTrust": {"isMfaAccepted": True}}
    assert api.refused("POST", "/policies/crossTenantAccessPolicy/partners", entry)[0] == 400


def test_nor_takes_its_place_as_a_home(api):
    provider = api.provider(domains=["fabrikam.example"])
    provider["b2bIdp"] = provider["b2bIdp"] | {"tenantId": MAILED_TENANT_ID}
    assert api.refused("POST", "/identity/identityProviders", provider)[0] == 409


def test_as_shipped_external_users_may_use_mailed_codes(api):
    shipped = api.get(EMAIL)
    assert (shipped["id"], shipped["state"], shipped["allowExternalIdToUseEmailOtp"]) == ("Email", "enabled", "default")
    assert [c["id"] for c in api.get(POLICY)["authenticationMethodConfigurations"]] == ["Email"]


@pytest.mark.parametrize(("word", "on"), [("enabled", True), ("disabled", False), ("default", True)])
def test_patch_switches_them(api, word, on):
    change = {"@odata.type": "#microsoft.graph.emailAuthenticationMethodConfiguration"}
    assert api.call("PATCH", EMAIL, change | {"allowExternalIdToUseEmailOtp": word}).status_code == 204
    assert api.call("PATCH", EMAIL.removesuffix("Email") + "email", {"state": "disabled"}).status_code == 204
    shown = api.get(EMAIL)
    assert (shown["allowExternalIdToUseEmailOtp"], shown["state"]) == (word, "disabled")
    with api.store.read() as r:
        assert r.configuration.mailed_home.enabled is on


@pytest.mark.parametrize(
    "change",
    [
        {"allowExternalIdToUseEmailOtp": "sometimes"},
        {"allowExternalIdToUseEmailOtp": None},
        {"state": True},
        {"id": "Sms"},
        {"excludeTargets": [{"id": "all_users", "targetType": "group"}]},
        {"includeTargets": [{"id": MAILED_TENANT_ID, "targetType": "group"}]},
        {"unheardOf": 1},
    ],
)
def test_what_would_not_be_enforced_is_refused(api, change):
    before = api.get(EMAIL)
    assert api.refused("PATCH", EMAIL, change)[0] == 400
    assert api.get(EMAIL) == before


def test_other_methods_have_no_configuration_here(api):
    assert api.refused("GET", f"{POLICY}/authenticationMethodConfigurations/Sms")[0] == 404


def test_a_change_is_in_the_audit_log(api):
    api.call("PATCH", EMAIL, {"allowExternalIdToUseEmailOtp": "disabled"})
    (entry,) = (
        a
        for a in api.get("/auditLogs/directoryAudits")["value"]
        if a["activityDisplayName"] == "Update authentication method"
    )
    (changed,) = entry["targetResources"][0]["modifiedProperties"]
    assert changed["displayName"] == "allowExternalIdToUseEmailOtp"


def test_nobody_is_invited_whom_the_defaults_inbound_setting_keeps_out(api):
    everybody = {"accessType": "blocked", "targets": [{"target": "AllUsers", "targetType": "user"}]}
    change = {"b2bCollaborationInbound": {"usersAndGroups": everybody}}
    api.call("PATCH", "/policies/crossTenantAccessPolicy/default", change)
    invitation = {"invitedUserEmailAddress": "pat@gmail.com", "inviteRedirectUrl": "https://app.example/"}
    assert api.refused("POST", "/invitations", invitation)[0] == 400
