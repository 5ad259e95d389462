"""Conditional access in the sign-in: places, native apps, authentication contexts, terms, strengths, sessions."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

import pytest

from b2b_idp.testing.kit import Kit, KitApp, KitGuest
from b2b_idp.testing.passkey import SoftwarePasskey

ACCESS = "/identity/conditionalAccess"
TERMS = "/identityGovernance/termsOfUse/agreements"
STRENGTHS = "/policies/authenticationStrengthPolicies"


@pytest.fixture
def crm(b2b_idp: Kit) -> KitApp:
    return b2b_idp.app("CRM")


@pytest.fixture
def maria(b2b_idp: Kit) -> KitGuest:
    b2b_idp.home_tenant("fabrikam.example", trust_mfa=True)
    return b2b_idp.invite("maria@fabrikam.example")


def policy(kit: Kit, *, conditions: dict[str, Any] | None = None, grant: Any = None, session: Any = None) -> str:
    made = kit.graph(
        "POST",
        f"{ACCESS}/policies",
        {
            "displayName": "The policy",
            "state": "enabled",
            "conditions": {"users": {"includeUsers": ["All"]}, "applications": {"includeApplications": ["All"]}}
            | (conditions or {}),
            "grantControls": grant,
            "sessionControls": session,
        },
    )
    return str(made["id"])


BLOCK = {"operator": "OR", "builtInControls": ["block"]}
MFA = {"operator": "OR", "builtInControls": ["mfa"]}


def place(kit: Kit, *ranges: str, trusted: bool = True) -> str:
    made = kit.graph(
        "POST",
        f"{ACCESS}/namedLocations",
        {
            "@odata.type": "#microsoft.graph.ipNamedLocation",
            "displayName": "A place",
            "isTrusted": trusted,
            "ipRanges": [
                {"@odata.type": f"#microsoft.graph.iPv{6 if ':' in r else 4}CidrRange", "cidrAddress": r}
                for r in ranges
            ],
        },
    )
    return str(made["id"])


def agreement(kit: Kit, text: str = "You keep our secrets.", **properties: Any) -> str:
    made = kit.graph("POST", TERMS, {"displayName": "House rules", "file": file_of(text)} | properties)
    return str(made["id"])


def file_of(text: str, *, major: bool = False) -> dict[str, Any]:
    data = {"data": b64encode(text.encode()).decode()}
    return {"localizations": [{"fileName": "terms.txt", "language": "en", "isMajorVersion": major, "fileData": data}]}


def codes(outcome: Any) -> list[str]:
    return [r.code for r in outcome.decision.reasons]


# --- places -----------------------------------------------------------------------------------------------------------


def test_mfa_is_asked_for_outside_trusted_places_only(b2b_idp: Kit, crm: KitApp, maria: KitGuest) -> None:
    place(b2b_idp, "127.0.0.0/8")
    policy(
        b2b_idp,
        conditions={"locations": {"includeLocations": ["All"], "excludeLocations": ["AllTrusted"]}},
        grant=MFA,
    )
    assert codes(b2b_idp.sign_in(maria, crm)) == ["no_mfa_required"]


def test_a_place_may_be_closed(b2b_idp: Kit, crm: KitApp, maria: KitGuest) -> None:
    here = place(b2b_idp, "127.0.0.0/8", "2001:db8::/32", trusted=False)
    policy(
        b2b_idp,
        conditions={"locations": {"includeLocations": [here]}},
        grant=BLOCK,
    )
    assert b2b_idp.sign_in(maria, crm).error == "blocked_by_policy"


def test_a_place_that_a_policy_names_is_not_deleted(b2b_idp: Kit) -> None:
    here = place(b2b_idp, "127.0.0.0/8")
    policy(b2b_idp, conditions={"locations": {"includeLocations": [here]}}, grant=MFA)
    with pytest.raises(AssertionError, match="in use by the conditional access policy The policy"):
        b2b_idp.graph("DELETE", f"{ACCESS}/namedLocations/{here}")


# --- native apps ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "asked"), [("mobileAppsAndDesktopClients", False), ("browser", True)])
def test_a_policy_may_be_for_one_type_of_client(
    b2b_idp: Kit, crm: KitApp, maria: KitGuest, kind: str, asked: bool
) -> None:
    policy(b2b_idp, conditions={"clientAppTypes": [kind]}, grant=MFA)
    assert bool(b2b_idp.sign_in(maria, crm, step_up=["pwd", "mfa"]).asked) is asked


# --- authentication contexts ------------------------------------------------------------------------------------------


@pytest.fixture
def payments(b2b_idp: Kit) -> None:
    b2b_idp.graph(
        "PATCH",
        f"{ACCESS}/authenticationContextClassReferences/c1",
        {"displayName": "Payments", "isAvailable": True},
    )
    policy(
        b2b_idp,
        conditions={"applications": {"includeAuthenticationContextClassReferences": ["c1"]}},
        grant=MFA,
    )


@pytest.mark.usefixtures("payments")
@pytest.mark.rfc("9470", "4")
def test_an_app_asks_for_a_context_by_acr_values_and_its_token_says_that_it_holds(
    b2b_idp: Kit, crm: KitApp, maria: KitGuest
) -> None:
    """RFC 9470 §4"""
    plain = b2b_idp.sign_in(maria, crm)
    assert (codes(plain), plain.id_token.get("acrs")) == (["no_mfa_required"], None)
    paying = b2b_idp.sign_in(maria, crm, acr_values="c1", step_up=["pwd", "mfa"])
    assert codes(paying) == ["home_step_up", "home_mfa_accepted"]
    assert paying.id_token["acrs"] == paying.access_token["acrs"] == ["c1"]
    assert "c1" not in paying.id_token["acr"]


@pytest.mark.usefixtures("payments")
def test_an_app_asks_for_a_context_as_entra_clients_do(b2b_idp: Kit, crm: KitApp, maria: KitGuest) -> None:
    claims = json.dumps({"access_token": {"acrs": {"essential": True, "value": "c1"}}})
    paying = b2b_idp.sign_in(maria, crm, claims=claims, step_up=["pwd", "mfa"])
    assert paying.access_token["acrs"] == ["c1"]


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        ({"acr_values": "c2"}, None),
        ({"claims": json.dumps({"id_token": {"acrs": {"essential": True, "values": ["c2"]}}})}, True),
        ({"claims": json.dumps({"id_token": {"acr": {"essential": True, "values": ["c2"]}}})}, True),
        ({"claims": json.dumps({"id_token": {"acrs": {"values": ["c2"]}}})}, None),
    ],
)
def test_a_context_that_is_not_there_is_left_out_and_refused_where_it_is_essential(
    b2b_idp: Kit, crm: KitApp, maria: KitGuest, asked: dict[str, str], error: Any
) -> None:
    outcome = b2b_idp.sign_in(maria, crm, **asked)
    assert outcome.error == ("unmet_authentication_requirements" if error else None)
    assert error or "acrs" not in outcome.id_token


# --- terms of use -----------------------------------------------------------------------------------------------------


def test_terms_are_accepted_once_and_again_when_they_change_in_earnest(
    b2b_idp: Kit, crm: KitApp, maria: KitGuest
) -> None:
    rules = agreement(b2b_idp)
    policy(b2b_idp, grant={"operator": "AND", "builtInControls": [], "termsOfUse": [rules]})
    assert "terms" in b2b_idp.sign_in(maria, crm).pages
    assert "terms" not in b2b_idp.sign_in(maria, crm, prompt="login").pages
    b2b_idp.graph("PATCH", f"{TERMS}/{rules}", {"file": file_of("You keep our secrets, please.")})
    assert "terms" not in b2b_idp.sign_in(maria, crm, prompt="login").pages
    b2b_idp.graph("PATCH", f"{TERMS}/{rules}", {"file": file_of("And yours.", major=True)})
    assert "terms" in b2b_idp.sign_in(maria, crm, prompt="login").pages
    accepted = b2b_idp.graph("GET", f"{TERMS}/{rules}/acceptances")["value"]
    assert [(a["userId"], a["agreementFileId"]) for a in accepted] == [
        (maria.id, f"{rules}.1"),
        (maria.id, f"{rules}.2"),
    ]


def test_the_version_of_terms_is_counted_and_never_written(b2b_idp: Kit) -> None:
    """Else whoever writes an old number has old acceptances stand for new terms."""
    rules = agreement(b2b_idp, version=7)
    assert b2b_idp.graph("GET", f"{TERMS}/{rules}")["version"] == 1
    for change, version in (
        ({"version": 9, "displayName": "Rules"}, 1),
        ({"version": 1, "file": file_of("Be kind.", major=True)}, 2),
        ({"version": 1}, 2),
    ):
        b2b_idp.graph("PATCH", f"{TERMS}/{rules}", change)
        assert b2b_idp.graph("GET", f"{TERMS}/{rules}")["version"] == version


def test_a_grant_from_before_the_terms_is_not_renewed(b2b_idp: Kit, crm: KitApp, maria: KitGuest) -> None:
    tokens = b2b_idp.sign_in(maria, crm).tokens
    rules = agreement(b2b_idp)
    policy(b2b_idp, grant={"operator": "AND", "builtInControls": [], "termsOfUse": [rules]})
    refreshed = b2b_idp._token_request(
        (crm.client_id, crm.client_secret),
        {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]},
    )
    assert refreshed["error"] == "invalid_grant"


def test_a_silent_request_does_not_pass_by_the_terms(b2b_idp: Kit, crm: KitApp, maria: KitGuest) -> None:
    b2b_idp.sign_in(maria, crm)
    policy(b2b_idp, grant={"operator": "AND", "builtInControls": [], "termsOfUse": [agreement(b2b_idp)]})
    assert b2b_idp.sign_in(maria, crm, prompt="none").error == "interaction_required"


def test_terms_may_stand_for_a_factor_that_nobody_could_show(b2b_idp: Kit, crm: KitApp, maria: KitGuest) -> None:
    """Operator OR: a strength that this guest cannot reach, or the terms."""
    keys = b2b_idp.graph(
        "POST", STRENGTHS, {"displayName": "Certificates", "allowedCombinations": ["x509CertificateMultiFactor"]}
    )
    policy(
        b2b_idp,
        grant={
            "operator": "OR",
            "builtInControls": [],
            "authenticationStrength": {"id": keys["id"]},
            "termsOfUse": [agreement(b2b_idp)],
        },
    )
    outcome = b2b_idp.sign_in(maria, crm)
    assert "terms" in outcome.pages
    assert outcome.id_token["amr"] == ["pwd"]


@pytest.mark.parametrize(
    "document",
    [
        {"file": {"localizations": []}},
        {"file": {"localizations": [{"fileName": "a", "language": "en", "fileData": {"data": "not base64!"}}]}},
        {"file": {"localizations": [{"fileName": "a", "language": "en", "fileData": {"data": "JVBERi0xLjcKgA=="}}]}},
        {"isPerDeviceAcceptanceRequired": True},
        {"userReacceptRequiredFrequency": "yearly"},
    ],
)
def test_bad_terms_are_refused(b2b_idp: Kit, document: dict[str, Any]) -> None:
    with pytest.raises(AssertionError, match=": 400 "):
        agreement(b2b_idp, **document)


# --- strengths --------------------------------------------------------------------------------------------------------


def test_a_strength_of_ones_own_is_met_by_what_it_lists(b2b_idp: Kit, crm: KitApp, maria: KitGuest) -> None:
    phone = b2b_idp.graph("POST", STRENGTHS, {"displayName": "Phone", "allowedCombinations": ["sms, password"]})
    assert phone["allowedCombinations"] == ["password,sms"]
    assert (phone["policyType"], phone["requirementsSatisfied"]) == ("custom", "mfa")
    policy(b2b_idp, grant={"operator": "OR", "authenticationStrength": {"id": phone["id"]}})
    assert codes(b2b_idp.sign_in(maria, crm, amr=["pwd", "sms"])) == ["home_step_up", "home_strength_accepted"]
    by_usage = b2b_idp.graph("GET", f"{STRENGTHS}/{phone['id']}/usage")
    assert [p["displayName"] for p in by_usage["mfa"]] == ["The policy"]


def test_changing_what_a_strength_lists_counts_at_once(b2b_idp: Kit, crm: KitApp, maria: KitGuest) -> None:
    own = b2b_idp.graph("POST", STRENGTHS, {"displayName": "Own", "allowedCombinations": ["password"]})
    policy(b2b_idp, grant={"operator": "OR", "authenticationStrength": {"id": own["id"]}})
    signed_in = b2b_idp.sign_in(maria, crm)
    assert signed_in.error is None
    changed = b2b_idp.graph(
        "POST", f"{STRENGTHS}/{own['id']}/updateAllowedCombinations", {"allowedCombinations": ["fido2"]}
    )
    assert (changed["previousCombinations"], changed["currentCombinations"]) == (["password"], ["fido2"])
    refreshed = b2b_idp._token_request(
        (crm.client_id, crm.client_secret),
        {"grant_type": "refresh_token", "refresh_token": signed_in.tokens["refresh_token"]},
    )
    assert refreshed["error"] == "invalid_grant"


@pytest.mark.parametrize(
    "combinations",
    [
        [],
        ["password,"],
        ["mfa"],
        ["password,password"],
        ["federatedSingleFactor,email"],
        ["email"],
        ["softwareOath"],
        ["password,softwareOath,sms"],
    ],
)
def test_a_strength_lists_only_combinations_that_exist(b2b_idp: Kit, combinations: list[str]) -> None:
    with pytest.raises(AssertionError, match=": 400 "):
        b2b_idp.graph("POST", STRENGTHS, {"displayName": "Bad", "allowedCombinations": combinations})


def test_the_makes_of_passkey_that_a_strength_takes(b2b_idp: Kit) -> None:
    own = b2b_idp.graph("POST", STRENGTHS, {"displayName": "Keys", "allowedCombinations": ["fido2"]})
    path = f"{STRENGTHS}/{own['id']}/combinationConfigurations"
    made = b2b_idp.graph(
        "POST",
        path,
        {
            "@odata.type": "#microsoft.graph.fido2CombinationConfiguration",
            "allowedAAGUIDs": ["2fc0579f-8113-47ea-b116-bb5a8db9202a"],
            "appliesToCombinations": ["fido2"],
        },
    )
    b2b_idp.graph("PATCH", f"{path}/{made['id']}", {"allowedAAGUIDs": ["de1e552d-db1d-4423-a619-566b625cdc84"]})
    (shown,) = b2b_idp.graph("GET", path)["value"]
    assert shown["allowedAAGUIDs"] == ["de1e552d-db1d-4423-a619-566b625cdc84"]
    b2b_idp.graph("DELETE", f"{path}/{made['id']}")
    assert b2b_idp.graph("GET", path)["value"] == []


def test_built_in_strengths_stay_as_they_are(b2b_idp: Kit) -> None:
    with pytest.raises(AssertionError, match="built-in strength cannot be changed"):
        b2b_idp.graph("PATCH", f"{STRENGTHS}/00000000-0000-0000-0000-000000000004", {"displayName": "Weak"})


def test_fifteen_strengths_are_enough(b2b_idp: Kit) -> None:
    for i in range(15):
        b2b_idp.graph("POST", STRENGTHS, {"displayName": f"Own {i}", "allowedCombinations": ["fido2"]})
    with pytest.raises(AssertionError, match=": 400 "):
        b2b_idp.graph("POST", STRENGTHS, {"displayName": "Own 16", "allowedCombinations": ["fido2"]})


# --- sessions ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("mode", "lasts"), [("always", True), ("never", False), (None, False)])
def test_a_session_outlives_the_window_where_a_policy_says_so(
    b2b_idp: Kit, crm: KitApp, maria: KitGuest, mode: str | None, lasts: bool
) -> None:
    if mode is not None:
        policy(b2b_idp, session={"persistentBrowser": {"isEnabled": True, "mode": mode}})
    seen: list[str] = []
    walker = maria.driver._walker
    remember = walker._remember
    walker._remember = lambda url, header: (seen.append(header), remember(url, header))
    b2b_idp.sign_in(maria, crm)
    (cookie,) = [header for header in seen if "_session=" in header]
    assert ("Max-Age=86400" in cookie) is lasts


def test_persistence_is_for_all_apps_at_once(b2b_idp: Kit, crm: KitApp) -> None:
    with pytest.raises(AssertionError, match="a browser has one session"):
        policy(
            b2b_idp,
            conditions={"applications": {"includeApplications": [crm.client_id]}},
            session={"persistentBrowser": {"isEnabled": True, "mode": "always"}},
        )


# --- makes of passkey -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("ours", "passes"), [(True, True), (False, False)])
def test_a_strength_of_certain_makes_takes_no_other(
    b2b_idp: Kit, crm: KitApp, maria: KitGuest, ours: bool, passes: bool
) -> None:
    maria.driver.passkey = passkey = SoftwarePasskey(aaguid="de1e552d-db1d-4423-a619-566b625cdc84")
    make = passkey.aaguid if ours else "2fc0579f-8113-47ea-b116-bb5a8db9202a"
    keys = b2b_idp.graph(
        "POST",
        STRENGTHS,
        {
            "displayName": "Our keys",
            "allowedCombinations": ["fido2"],
            "combinationConfigurations": [{"allowedAAGUIDs": [make], "appliesToCombinations": ["fido2"]}],
        },
    )
    policy(b2b_idp, grant={"operator": "OR", "authenticationStrength": {"id": keys["id"]}})
    outcome = b2b_idp.sign_in(maria, crm)
    assert outcome.error == (None if passes else "register-passkey")


# --- levels that the app asks for -------------------------------------------------------------------------------------


def test_an_app_that_asks_for_phishing_resistance_gets_it_by_a_passkey(
    b2b_idp: Kit, crm: KitApp, maria: KitGuest
) -> None:
    """RFC 9470 §4: the level asked for is what is required, not only a second factor."""
    essential = json.dumps({"id_token": {"acr": {"essential": True, "values": ["phr"]}}})
    maria.driver.passkey = SoftwarePasskey()
    for asked in ({"acr_values": "phr"}, {"claims": essential}):
        outcome = b2b_idp.sign_in(maria, crm, amr=["pwd", "mfa"], **asked)
        assert outcome.id_token["acr"] == "phr"


@pytest.mark.parametrize("asked", ["phr https://refeds.org/profile/mfa", "https://refeds.org/profile/mfa"])
def test_the_least_level_that_the_app_would_take_is_what_is_required(
    b2b_idp: Kit, crm: KitApp, maria: KitGuest, asked: str
) -> None:
    assert b2b_idp.sign_in(maria, crm, amr=["pwd", "mfa"], acr_values=asked).asked == []


def test_evaluate_answers_for_a_place_a_context_and_terms(
    b2b_idp: Kit, crm: KitApp, maria: KitGuest, payments: None
) -> None:
    home = next(iter(b2b_idp._homes.values()))
    here = place(b2b_idp, "198.51.100.0/24", trusted=False)
    policy(b2b_idp, conditions={"locations": {"includeLocations": [here]}}, grant=BLOCK)
    rules = agreement(b2b_idp)
    policy(b2b_idp, grant={"operator": "AND", "builtInControls": [], "termsOfUse": [rules]})

    def asked(**more: Any) -> Any:
        return b2b_idp.evaluate(maria, crm, home, amr=["pwd"], **more)

    assert asked(ipAddress="198.51.100.7")["outcome"] == "refused"
    assert (asked()["outcome"], asked()["termsOfUse"]) == ("askHere", [rules])
    assert asked(authenticationContexts=["c1"])["reasons"][0]["code"] == "home_step_up"


@pytest.mark.parametrize("file", [5, [], {"localizations": 5}, {"localizations": [5]}, {}, None])
def test_terms_are_not_changed_into_what_is_none(b2b_idp: Kit, file: Any) -> None:
    rules = agreement(b2b_idp)
    with pytest.raises(AssertionError, match=": 400 "):
        b2b_idp.graph("PATCH", f"{TERMS}/{rules}", {"file": file})


@pytest.mark.parametrize("id", ["c0", "c100", "C1", "c1 ", "c\x00", 1, None, ["c1"]])
def test_a_context_has_one_of_its_names(b2b_idp: Kit, id: Any) -> None:
    with pytest.raises(AssertionError, match=": 400 "):
        b2b_idp.graph("POST", f"{ACCESS}/authenticationContextClassReferences", {"id": id, "displayName": "X"})
