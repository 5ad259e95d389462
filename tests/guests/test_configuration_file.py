"""The configuration as a file: the same file for the same configuration, exactly the difference shown, no secret out,
no trust raised and nothing removed unasked."""

from __future__ import annotations

import copy
import json

import pytest
from guests_world import ISSUER, Directory, moment
from hypothesis import given, settings
from hypothesis import strategies as st

from b2b_idp.guests.apps import add_password, create_admin_app
from b2b_idp.guests.configuration_file import MAX_BYTES, Asked, export_file, import_file
from b2b_idp.model.problem import Code, Problem
from b2b_idp.store.configuration import CLAIMS_MAPPING, CONDITIONAL_ACCESS, PolicyRow

FABRIKAM, TAILSPIN = "https://idp.fabrikam.example", "https://login.tailspin.example"
CRM_ID, READER = "7c1fbb4c-5c02-4a45-94d8-4ff2f5e93b11", "0a1b2c3d-0000-4000-8000-000000000001"
ADA = "11111111-2222-4333-8444-555555555555"
NOBODY = "99999999-2222-4333-8444-555555555555"
ROLE, STRENGTH = "role:Global Administrator", "strength:Phishing resistant MFA"
SECRETS = {FABRIKAM: "the-secret-from-there"}

FILE = {
    "version": 1,
    "tenant": {"name": "Contoso", "defaultDomain": "contoso.example"},
    "homes": [
        {
            "displayName": "Fabrikam",
            "clientId": "contoso",
            "issuer": FABRIKAM,
            "scope": "openid profile email",
            "clientAuthentication": {"@odata.type": "#microsoft.graph.oidcClientSecretAuthentication"},
            "b2bIdp": {
                "domains": ["fabrikam.example"],
                "authenticationContext": {"profile": "keycloak", "acr": {"2": ["federatedMultiFactor"]}},
            },
        },
        {
            "displayName": "Tailspin",
            "clientId": "contoso",
            "issuer": TAILSPIN,
            "clientAuthentication": {"@odata.type": "#microsoft.graph.oidcPrivateJwtKeyClientAuthentication"},
        },
    ],
    "partners": [
        {"home": "default", "b2bIdp": {"whenHomeCannot": "block", "mfaMaxAge": "PT12H"}},
        {
            "home": FABRIKAM,
            "inboundTrust": {"isMfaAccepted": True},
            "b2bCollaborationInbound": {
                "applications": {
                    "accessType": "allowed",
                    "targets": [{"target": "app:CRM", "targetType": "application"}],
                }
            },
        },
        {"tenantId": NOBODY, "inboundTrust": {"isMfaAccepted": False}},
    ],
    "authorizationPolicy": {"allowInvitesFrom": "adminsAndGuestInviters"},
    "emailMethod": {"state": "disabled", "allowExternalIdToUseEmailOtp": "disabled"},
    "domainPolicy": {
        "displayName": "Domains",
        "definition": {
            "B2BManagementPolicy": {"InvitationsAllowedAndBlockedDomainsPolicy": {"BlockedDomains": ["evil.example"]}}
        },
    },
    "authenticationStrengths": [
        {
            "displayName": "Our keys",
            "allowedCombinations": ["fido2"],
            "combinationConfigurations": [
                {"appliesToCombinations": ["fido2"], "allowedAAGUIDs": ["2fc0579f-8113-47ea-b116-bb5a8db9202a"]}
            ],
        }
    ],
    "namedLocations": [
        {
            "@odata.type": "#microsoft.graph.ipNamedLocation",
            "displayName": "Office",
            "isTrusted": True,
            "ipRanges": [{"@odata.type": "#microsoft.graph.iPv4CidrRange", "cidrAddress": "203.0.113.0/24"}],
        }
    ],
    "termsOfUse": [
        {
            "displayName": "House rules",
            "file": {
                "localizations": [{"fileName": "rules.txt", "language": "en", "fileData": {"data": "QmUga2luZC4="}}]
            },
        }
    ],
    "authenticationContexts": [{"id": "c7", "displayName": "Payments", "isAvailable": True}],
    "conditionalAccess": [
        {
            "displayName": "Keys for payments outside",
            "state": "enabled",
            "conditions": {
                "users": {"includeUsers": ["All"]},
                "applications": {"includeAuthenticationContextClassReferences": ["c7"]},
                "locations": {"includeLocations": ["All"], "excludeLocations": ["location:Office"]},
            },
            "grantControls": {
                "operator": "AND",
                "authenticationStrength": {"id": "strength:Our keys"},
                "termsOfUse": ["terms:House rules"],
            },
        },
        {
            "displayName": "MFA for the CRM",
            "state": "enabled",
            "conditions": {
                "users": {
                    "includeGroups": ["group:Finance guests"],
                    "excludeUsers": [ADA],
                    "excludeRoles": [ROLE],
                    "includeGuestsOrExternalUsers": {
                        "guestOrExternalUserTypes": "b2bCollaborationGuest",
                        "externalTenants": {
                            "membershipKind": "enumerated",
                            "members": [f"home:{FABRIKAM}", NOBODY],
                        },
                    },
                },
                "applications": {"includeApplications": ["app:CRM", "app:Microsoft Graph"]},
            },
            "grantControls": {"authenticationStrength": {"id": STRENGTH}},
        },
    ],
    "claimsMapping": [
        {
            "displayName": "CRM claims",
            "definition": {
                "ClaimsMappingPolicy": {
                    "Version": 1,
                    "ClaimsSchema": [{"Source": "user", "ID": "department", "JwtClaimType": "dept"}],
                }
            },
        }
    ],
    "groups": [
        {"displayName": "Finance", "members": ["group:Finance guests"]},
        {"displayName": "Finance guests", "appRoleAssignments": [{"app": "app:CRM", "role": "Reader"}]},
    ],
    "apps": [
        {
            "appId": CRM_ID,
            "application": {
                "displayName": "CRM",
                "identifierUris": ["https://crm.contoso.example/api"],
                "web": {"redirectUris": ["https://crm.contoso.example/callback"]},
                "appRoles": [
                    {"id": READER, "displayName": "Reader", "value": "Reader", "allowedMemberTypes": ["User"]}
                ],
            },
            "servicePrincipal": {"appRoleAssignmentRequired": True},
            "claimsMappingPolicy": "mapping:CRM claims",
        },
        {
            "application": {"displayName": "Inviter", "b2bIdp": {"requirePushedAuthorizationRequests": True}},
            "appRoleAssignments": [{"app": "app:Microsoft Graph", "role": "User.Invite.All"}],
        },
    ],
}


def bring(directory, file, **how):
    raw = file if isinstance(file, bytes) else json.dumps(file).encode()
    how = {"secrets": {}} | how
    return import_file(directory.store, raw, Asked(**how), issuer=ISSUER, check_issuer=lambda _: None, moment=moment())


def exported(directory):
    with directory.store.read() as r:
        return export_file(r)


def signature(outcome):
    return [(c.operation, c.section, c.name) for c in outcome.changes]


def needing(outcome):
    """The paths that need --accept; a whole object is its section alone."""
    found = []
    for change in outcome.changes:
        flagged = [".".join(line.path) for line in change.lines if line.raises]
        found += [f"{change.section}: {p}" for p in flagged] or ([change.section] if change.raises else [])
    return found


@pytest.fixture
def full(directory):
    outcome = bring(directory, FILE, accept=True, secrets=SECRETS)
    assert outcome.applied, outcome.lines()
    return directory


@pytest.fixture
def file(full):
    """What the full instance exports, to be edited."""
    return json.loads(exported(full))


def terms_version(directory):
    with directory.store.read() as r:
        [rules] = r.configuration.named.agreements.values()
    return rules.version


def test_a_file_does_not_say_the_version_of_terms_and_new_terms_raise_it(full, file):
    [rules] = file["termsOfUse"]
    assert "version" not in rules
    rules["version"] = 5
    assert bring(full, file, accept=True).changes == ()
    [text] = rules["file"]["localizations"]
    text |= {"fileData": {"data": "QmUga2luZGVyLg=="}, "isMajorVersion": True}
    assert bring(full, file, accept=True).applied
    assert terms_version(full) == 2
    rules["isViewingBeforeAcceptanceRequired"] = False
    assert bring(full, file, accept=True).applied
    assert (terms_version(full), "version" in json.loads(exported(full))["termsOfUse"][0]) == (2, False)


def part(file, section, name):
    return next(
        i
        for i in file[section]
        if name in (i.get("displayName"), i.get("home"), i.get("issuer"), i.get("application", {}).get("displayName"))
    )


# --- laws ------------------------------------------------------------------------------------------------------------


def test_export_and_import_into_the_same_instance_is_no_difference(full):
    outcome = bring(full, exported(full).encode(), prune=True)
    assert outcome.changes == () and not outcome.refused


def test_import_into_an_empty_instance_exports_the_same_bytes(full):
    other = Directory()
    text = exported(full)
    assert bring(other, text.encode(), accept=True, secrets=SECRETS).applied
    assert exported(other) == text


def test_what_was_written_by_hand_means_what_is_exported(full):
    assert bring(full, FILE, prune=True).changes == ()


@given(st.randoms(use_true_random=False))
@settings(max_examples=20, deadline=None)
def test_the_order_of_members_and_items_says_nothing(random):
    def shuffled(value):
        if isinstance(value, dict):
            names = list(value)
            random.shuffle(names)
            return {n: shuffled(value[n]) for n in names}
        return [shuffled(v) for v in value] if isinstance(value, list) else value

    world = Directory()
    assert bring(world, FILE, accept=True, secrets=SECRETS).applied
    other = shuffled(FILE)
    for section in ("homes", "partners", "groups", "apps"):
        random.shuffle(other[section])
    assert bring(world, other, prune=True).changes == ()
    world.store.close()


def test_a_dry_run_shows_everything_and_writes_nothing(directory):
    before = exported(directory)
    outcome = bring(directory, FILE, dry_run=True)
    assert len(outcome.changes) == 19 and not outcome.refused and not outcome.applied
    assert exported(directory) == before
    with directory.store.read() as r:
        assert r.logs.audits() == []


def test_a_dry_run_finds_what_an_import_would_stumble_over(full, file):
    file["homes"][1]["b2bIdp"] = {"domains": ["fabrikam.example"]}
    assert "belongs to another" in bring(full, file, dry_run=True).errors[0]


def test_a_failure_midway_leaves_nothing(full, file):
    before = exported(full)
    file["groups"].append({"displayName": "New"})
    file["apps"].append({"application": {"displayName": "Thief", "identifierUris": [f"{ISSUER}/v1.0"]}})
    outcome = bring(full, file, accept=True)
    assert outcome.errors and not outcome.applied
    assert exported(full) == before


# --- what is in the file ---------------------------------------------------------------------------------------------


def test_secrets_are_never_exported(full):
    with full.store.write() as w:
        _, app_secret = add_password(w, w.apps.row(CRM_ID), full.vault, moment())
        _, admin_secret = create_admin_app(w, full.vault, moment())
    text = exported(full)
    for secret in (SECRETS[FABRIKAM], app_secret, admin_secret):
        assert secret not in text
    assert "hint" not in text and "passwordCredentials" not in text


def test_references_are_by_name_users_and_unknown_ids_stay(file):
    conditions = part(file, "conditionalAccess", "MFA for the CRM")["conditions"]
    assert conditions["users"]["includeGroups"] == ["group:Finance guests"]
    assert conditions["users"]["excludeRoles"] == [ROLE]
    assert conditions["users"]["excludeUsers"] == [ADA]
    assert conditions["users"]["includeGuestsOrExternalUsers"]["externalTenants"]["members"] == [
        NOBODY,
        f"home:{FABRIKAM}",
    ]
    assert part(file, "groups", "Finance guests")["appRoleAssignments"] == [{"app": "app:CRM", "role": "Reader"}]


def test_people_are_not_in_the_file(full):
    guest = full.invite("ada@fabrikam.example").invitation.user_id
    with full.store.write() as w:
        w.apps.add_member(next(g.id for g in w.apps.all_groups() if g.display_name == "Finance"), guest)
    assert guest not in exported(full) and "ada@" not in exported(full)


def test_names_that_are_not_unique_stand_with_their_ids(directory):
    with directory.store.write() as w:
        ids = [moment().new_id() for _ in range(2)]
        for id in ids:
            w.apps.add_group(id, {"displayName": "Twins"}, moment().at)
        policy = copy.deepcopy(part(FILE, "conditionalAccess", "MFA for the CRM"))
        policy["grantControls"] = {"builtInControls": ["mfa"]}
        policy["conditions"] = {
            "users": {"includeGroups": [ids[1]]},
            "applications": {"includeApplications": ["All"]},
        }
        w.documents.add_policy(PolicyRow(moment().new_id(), CONDITIONAL_ACCESS, moment().at, None, policy))
    text = exported(directory)
    file = json.loads(text)
    assert {g["id"] for g in file["groups"]} == set(ids)
    assert file["conditionalAccess"][0]["conditions"]["users"]["includeGroups"] == [f"group:Twins#{ids[1]}"]
    assert bring(directory, text.encode(), prune=True).changes == ()
    other = Directory()
    assert bring(other, text.encode(), accept=True).applied
    assert exported(other) == text


def test_nothing_in_the_file_is_hidden_from_who_reads_it(directory):
    with directory.store.write() as w:
        w.apps.add_group(moment().new_id(), {"displayName": "a\u202eb\u009bc \U000e0041 \u00e9"}, moment().at)
    text = exported(directory)
    assert all(c.isprintable() or c == "\n" for c in text)
    assert "é" in text
    assert bring(directory, text.encode()).changes == ()


def test_an_app_keeps_its_client_id_and_is_found_by_it_under_a_new_name(full, file):
    part(file, "apps", "CRM")["application"]["displayName"] = "Customers"
    part(file, "partners", FABRIKAM)["b2bCollaborationInbound"]["applications"]["targets"][0]["target"] = (
        "app:Customers"
    )
    part(file, "conditionalAccess", "MFA for the CRM")["conditions"]["applications"]["includeApplications"][0] = (
        "app:Customers"
    )
    file["groups"][1]["appRoleAssignments"][0]["app"] = "app:Customers"
    outcome = bring(full, file, prune=True)
    assert signature(outcome) == [("change", "apps", "Customers")] and outcome.applied
    with full.store.read() as r:
        assert r.apps.by_client_id(CRM_ID).display_name == "Customers"


def test_an_app_of_the_same_name_keeps_the_client_id_that_it_has_here(directory):
    with directory.store.write() as w:
        create_admin_app(w, directory.vault, moment())
    file = json.loads(exported(directory))
    file["apps"][0]["appId"] = CRM_ID
    assert bring(directory, file, prune=True).changes == ()


# --- applying --------------------------------------------------------------------------------------------------------


def test_exactly_the_difference_is_applied_and_audited(full, file):
    part(file, "groups", "Finance")["description"] = "Our own"
    part(file, "apps", "CRM")["application"]["web"]["redirectUris"].append("https://crm.contoso.example/two")
    outcome = bring(full, file)
    lines = [(".".join(line.path), line.after) for c in outcome.changes for line in c.lines]
    assert lines[0] == ("description", "Our own")
    assert [p for p, _ in lines] == ["description", "application.web.redirectUris"]
    with full.store.read() as r:
        audits = [d for _, d in r.logs.audits() if d["operationType"] == "Update"]
        assert r.logs.verify_chain().broken is None
    assert {d["activityDisplayName"] for d in audits} == {"Import configuration"}
    assert {
        (t["displayName"], p["displayName"])
        for d in audits
        for t in d["targetResources"]
        for p in t["modifiedProperties"]
    } == {
        ("CRM", "application.web.redirectUris"),
        ("Finance", "description"),
    }


def test_a_section_that_is_left_out_stays(full):
    assert bring(full, {"version": 1, "groups": FILE["groups"]}, prune=True).changes == ()


def test_removal_is_shown_and_applied_only_with_prune(full, file):
    file["claimsMapping"], file["domainPolicy"] = [], None
    del part(file, "apps", "CRM")["claimsMappingPolicy"]
    outcome = bring(full, file, accept=True)
    assert ("remove", "claimsMapping", "CRM claims") in signature(outcome) and outcome.applied
    assert json.loads(exported(full))["claimsMapping"] != []
    assert bring(full, file, accept=True, prune=True).applied
    assert bring(full, file, prune=True).changes == ()
    with full.store.read() as r:
        assert r.configuration.domains is None and r.documents.policies(CLAIMS_MAPPING) == []


def test_nothing_is_removed_that_something_else_names(full):
    file = {"version": 1, "groups": [{"displayName": "Finance"}]}
    before = exported(full)
    outcome = bring(full, file, prune=True)
    assert "MFA for the CRM" in outcome.errors[0]
    assert exported(full) == before


def test_n_152_the_last_app_that_can_grant_is_not_removed(directory):
    with directory.store.write() as w:
        create_admin_app(w, directory.vault, moment())
    before = exported(directory)
    assert bring(directory, {"version": 1, "apps": []}, prune=True, accept=True).errors
    assert exported(directory) == before


def test_domains_and_identifier_uris_move_in_one_import(full, file):
    part(file, "homes", FABRIKAM)["b2bIdp"]["domains"] = []
    part(file, "homes", TAILSPIN)["b2bIdp"] = {"domains": ["fabrikam.example"]}
    uris = part(file, "apps", "CRM")["application"].pop("identifierUris")
    part(file, "apps", "Inviter")["application"]["identifierUris"] = uris
    assert bring(full, file, accept=True).applied
    with full.store.read() as r:
        assert r.configuration.homes_by_domain["fabrikam.example"].issuer == TAILSPIN
        assert r.apps.by_identifier_uri(uris[0]).display_name == "Inviter"


def test_a_new_home_needs_its_secret_a_known_one_keeps_its_own(directory):
    outcome = bring(directory, FILE, accept=True)
    assert outcome.missing_secrets == (FABRIKAM,) and outcome.refused
    assert bring(directory, FILE, dry_run=True).refused is False
    assert bring(directory, FILE, accept=True, secrets=SECRETS).applied
    changed = copy.deepcopy(FILE)
    changed["homes"][0]["displayName"] = "Fabrikam Inc."
    assert bring(directory, changed, accept=True).applied
    with directory.store.read() as r:
        assert r.configuration.home_by_issuer(FABRIKAM).client_secret == SECRETS[FABRIKAM]


def test_a_home_that_changes_to_a_client_secret_needs_it(full, file):
    how = {"@odata.type": "#microsoft.graph.oidcClientSecretAuthentication"}
    part(file, "homes", TAILSPIN)["clientAuthentication"] = how
    assert bring(full, file).missing_secrets == (TAILSPIN,)
    assert bring(full, file, secrets={TAILSPIN: "a-new-secret"}).applied
    with full.store.read() as r:
        assert r.configuration.home_by_issuer(TAILSPIN).client_secret == "a-new-secret"


def test_a_secret_for_a_home_that_is_not_there_is_a_mistake(full):
    assert bring(full, FILE, secrets={"https://typo.example": "x"}).errors


def test_the_address_of_a_new_home_is_checked(directory):
    def refuse(url):
        raise Problem(Code.BAD_REQUEST, f"{url} may not be spoken to.")

    raw = json.dumps(FILE).encode()
    outcome = import_file(directory.store, raw, Asked(), issuer=ISSUER, check_issuer=refuse, moment=moment())
    assert any("may not be spoken to" in e for e in outcome.errors)


# --- trust -----------------------------------------------------------------------------------------------------------


def _set(*path):
    """An edit of an exported file: section, name, members, value."""
    section, name, *members, last, value = path

    def edit(file):
        target = part(file, section, name) if name else file[section]
        for member in members:
            target = target.setdefault(member, {})
        if value is None:
            target.pop(last, None)
        else:
            target[last] = value

    return edit


CA, CRM = ("conditionalAccess", "MFA for the CRM"), ("apps", "CRM")
PAYMENTS = ("conditionalAccess", "Keys for payments outside")
RAISING = {
    "partners: inboundTrust.isMfaAccepted": _set("partners", "default", "inboundTrust", "isMfaAccepted", True),
    "partners: b2bCollaborationInbound": _set("partners", FABRIKAM, "b2bCollaborationInbound", None),
    "partners: automaticUserConsentSettings.inboundAllowed": _set(
        "partners", FABRIKAM, "automaticUserConsentSettings", "inboundAllowed", True
    ),
    "partners: b2bIdp.mfaMaxAge": _set("partners", "default", "b2bIdp", "mfaMaxAge", "P2D"),
    "partners: b2bIdp.whenHomeCannot": _set("partners", FABRIKAM, "b2bIdp", "whenHomeCannot", "challengeHere"),
    "partners: b2bIdp.trustedAttributes": _set("partners", FABRIKAM, "b2bIdp", "trustedAttributes", ["department"]),
    "homes: b2bIdp.domains": _set("homes", FABRIKAM, "b2bIdp", "domains", ["fabrikam.example", "more.example"]),
    "homes: b2bIdp.authenticationContext.amr": _set(
        "homes", FABRIKAM, "b2bIdp", "authenticationContext", "amr", {"pwd": ["federatedMultiFactor"]}
    ),
    "homes: b2bIdp.authenticationContext.profile": _set(
        "homes", FABRIKAM, "b2bIdp", "authenticationContext", "profile", "adfs"
    ),
    "homes: inboundClaimMapping.email": _set("homes", FABRIKAM, "inboundClaimMapping", "email", "upn"),
    "conditionalAccess: state": _set(*CA, "state", "disabled"),
    "conditionalAccess: conditions.users.excludeUsers": _set(*CA, "conditions", "users", "excludeUsers", [ADA, NOBODY]),
    "conditionalAccess: grantControls.authenticationStrength.id": _set(
        *CA, "grantControls", "authenticationStrength", "id", "strength:Multifactor authentication"
    ),
    "conditionalAccess: grantControls.termsOfUse": _set(*PAYMENTS, "grantControls", "termsOfUse", []),
    "conditionalAccess: grantControls.operator": _set(*PAYMENTS, "grantControls", "operator", "OR"),
    "conditionalAccess: conditions.locations.excludeLocations": _set(
        *PAYMENTS, "conditions", "locations", "excludeLocations", ["AllTrusted", "location:Office"]
    ),
    "authenticationStrengths: allowedCombinations": _set(
        "authenticationStrengths", "Our keys", "allowedCombinations", ["fido2", "password"]
    ),
    "authenticationStrengths: combinationConfigurations": _set(
        "authenticationStrengths", "Our keys", "combinationConfigurations", []
    ),
    "namedLocations: isTrusted": _set("namedLocations", "Office", "isTrusted", False),
    "namedLocations: ipRanges": _set(
        *("namedLocations", "Office", "ipRanges"),
        [{"@odata.type": "#microsoft.graph.iPv4CidrRange", "cidrAddress": "0.0.0.0/0"}],
    ),
    "authorizationPolicy: allowInvitesFrom": _set("authorizationPolicy", "", "allowInvitesFrom", "everyone"),
    "emailMethod: allowExternalIdToUseEmailOtp": _set("emailMethod", "", "allowExternalIdToUseEmailOtp", "enabled"),
    "emailMethod: state": _set("emailMethod", "", "state", "enabled"),
    "domainPolicy: definition.B2BManagementPolicy.InvitationsAllowedAndBlockedDomainsPolicy.BlockedDomains": _set(
        *("domainPolicy", "", "definition", "B2BManagementPolicy"),
        *("InvitationsAllowedAndBlockedDomainsPolicy", "BlockedDomains", []),
    ),
    "apps: application.b2bIdp.adminConsent": _set(*CRM, "application", "b2bIdp", "adminConsent", ["User.Read.All"]),
    "apps: application.b2bIdp.requestObjectSigningAlg": _set(
        *CRM, "application", "b2bIdp", "requestObjectSigningAlg", "none"
    ),
    "apps: application.b2bIdp.requirePushedAuthorizationRequests": _set(
        "apps", "Inviter", "application", "b2bIdp", "requirePushedAuthorizationRequests", False
    ),
    "apps: application.api.acceptMappedClaims": _set(*CRM, "application", "api", "acceptMappedClaims", True),
    "apps: servicePrincipal.appRoleAssignmentRequired": _set(
        *CRM, "servicePrincipal", "appRoleAssignmentRequired", False
    ),
    "apps: appRoleAssignments": _set(
        "apps",
        "Inviter",
        "appRoleAssignments",
        [{"app": "app:Microsoft Graph", "role": r} for r in ("User.Invite.All", "User.ReadWrite.All")],
    ),
}


@pytest.mark.parametrize("line", RAISING)
def test_raised_trust_is_applied_only_when_accepted(full, file, line):
    before = exported(full)
    RAISING[line](file)
    outcome = bring(full, file)
    assert any(n.startswith(line) for n in needing(outcome)), outcome.lines()
    assert outcome.unaccepted and outcome.refused and exported(full) == before
    assert bring(full, file, accept=True).applied
    assert bring(full, file, prune=True).changes == ()


LOWERING = {
    "trust off": _set("partners", FABRIKAM, "inboundTrust", "isMfaAccepted", False),
    "a shorter age": _set("partners", "default", "b2bIdp", "mfaMaxAge", "PT1H"),
    "nobody may enter": _set(
        *("partners", FABRIKAM, "b2bCollaborationInbound", "usersAndGroups"),
        {"accessType": "blocked", "targets": [{"target": "AllUsers", "targetType": "user"}]},
    ),
    "a home without domains": _set("homes", FABRIKAM, "b2bIdp", "domains", []),
    "a profile that knows less": _set("homes", FABRIKAM, "b2bIdp", "authenticationContext", "profile", "none"),
    "more who must": _set(*CA, "conditions", "users", "excludeUsers", []),
    "all who must": _set(*CA, "conditions", "users", "includeUsers", ["All"]),
    "block": _set(*CA, "grantControls", {"builtInControls": ["block"]}),
    "fewer who invite": _set("authorizationPolicy", "", "allowInvitesFrom", "none"),
    "no permission": _set("apps", "Inviter", "appRoleAssignments", []),
    "a name": _set(*CRM, "application", "description", "Ours"),
}


@pytest.mark.parametrize("edit", LOWERING)
def test_what_lowers_trust_needs_no_acceptance(full, file, edit):
    LOWERING[edit](file)
    outcome = bring(full, file)
    assert outcome.applied and needing(outcome) == [], outcome.lines()


@pytest.mark.parametrize(
    ("section", "name"),
    [
        ("authenticationStrengths", "Our keys"),
        ("namedLocations", "Office"),
        ("termsOfUse", "House rules"),
        ("authenticationContexts", "c7"),
    ],
)
def test_what_a_policy_names_is_not_removed(full, file, section, name):
    file[section] = []
    outcome = bring(full, file, prune=True, accept=True)
    assert outcome.refused and not outcome.applied
    assert any(name in line for line in outcome.lines())


def test_a_context_is_called_c1_to_c99(full, file):
    file["authenticationContexts"] = [{"id": "c100", "displayName": "Too far", "isAvailable": True}]
    assert "authenticationContexts[0]: id is c1 to c99." in bring(full, file).errors


def test_removing_an_enabled_policy_needs_both(full, file):
    file["conditionalAccess"] = []
    assert not bring(full, file).refused
    assert bring(full, file, prune=True).unaccepted
    assert bring(full, file, prune=True, accept=True).applied


def test_removing_an_entry_that_was_stricter_than_the_default_raises_trust(full, file):
    part(file, "partners", "default")["inboundTrust"] = {"isMfaAccepted": True}
    part(file, "partners", FABRIKAM)["inboundTrust"] = {"isMfaAccepted": False}
    assert bring(full, file, accept=True).applied
    file["partners"] = [p for p in file["partners"] if p.get("home") != FABRIKAM]
    assert bring(full, file, prune=True).unaccepted


# --- files that are refused ------------------------------------------------------------------------------------------

UNREADABLE = {
    "not JSON": b"version: 1",
    "not UTF-8": b'{"version": 1, "tenant": {"name": "\xff"}}',
    "a list": b"[]",
    "a member twice": b'{"version": 1, "groups": [], "groups": []}',
    "NaN": b'{"version": NaN}',
    "too large": b'{"version": 1, "groups": "' + b"x" * MAX_BYTES + b'"}',
    "too deep": b'{"version": 1, "groups": ' + b"[" * 100 + b"]" * 100 + b"}",
    "far too deep": b"[" * 200_000 + b"]" * 200_000,
    "a huge number": b'{"version": ' + b"1" * 5000 + b"}",
    "a YAML bomb": b"a: &a [x,x]\nb: &b [*a,*a]\nversion: *b\n",
    "no version": b'{"groups": []}',
    "version 2": b'{"version": 2, "groups": []}',
    "version true": b'{"version": true, "groups": []}',
    "half a surrogate pair": b'{"version": 1, "groups": [{"displayName": "\\ud800"}]}',
}


@pytest.mark.parametrize("raw", UNREADABLE)
def test_n_153_a_file_that_cannot_be_read_changes_nothing(directory, raw):
    before = exported(directory)
    outcome = bring(directory, UNREADABLE[raw], accept=True, prune=True)
    assert outcome.errors and outcome.refused
    assert exported(directory) == before


def _add(section, item):
    return lambda file: file[section].append(item)


WRONG = {
    "There is no member": lambda file: file.update(conditionalAcces=[]),
    "tenant holds": lambda file: file["tenant"].update(id="x"),
    "groups is a list": lambda file: file.update(groups={}),
    "groups[2]: is an object": _add("groups", "x"),
    "groups[2]: displayName is missing": _add("groups", {}),
    "groups[2]: id is a GUID": _add("groups", {"displayName": "X", "id": "1"}),
    'groups[2]: "Finance" stands twice': _add("groups", {"displayName": "Finance"}),
    "colour": _add("groups", {"displayName": "X", "colour": "red"}),
    "there is no app": _add("groups", {"displayName": "X", "appRoleAssignments": [{"app": "app:Y", "role": "Z"}]}),
    "has no role": _add("groups", {"displayName": "X", "appRoleAssignments": [{"app": "app:CRM", "role": "Z"}]}),
    "there is no group": _add("groups", {"displayName": "X", "members": ["group:Y"]}),
    "a group is named like": _add("groups", {"displayName": "X", "members": ["Finance"]}),
    "secrets are never in the file": lambda file: file["homes"][0]["clientAuthentication"].update(clientSecret="s"),
    "no home has the issuer": _add("partners", {"home": "https://nobody.example"}),
    "says whose entry": _add("partners", {"inboundTrust": None}),
    "isMfaAcceptedd": _set("partners", FABRIKAM, "inboundTrust", "isMfaAcceptedd", True),
    "application.passwordCredentials": _set(*CRM, "application", "passwordCredentials", [{"secretText": "s"}]),
    "https is needed": _set(*CRM, "application", "web", "redirectUris", ["http://crm.example/"]),
    "Anybody can have an address": _set("homes", FABRIKAM, "b2bIdp", "domains", ["gmail.com"]),
    "there is no strength or": _set(*CA, "grantControls", "authenticationStrength", "id", "strength:None"),
    "B2BManagementPolicy": _set("domainPolicy", "", "definition", {"x": {}}),
    "restricted": lambda file: file["claimsMapping"][0]["definition"]["ClaimsMappingPolicy"]["ClaimsSchema"][0].update(
        JwtClaimType="sub"
    ),
}


@pytest.mark.parametrize("say", WRONG)
def test_n_153_a_half_valid_file_changes_nothing_and_what_is_right_of_it_is_shown(full, file, say):
    before = exported(full)
    part(file, "apps", "Inviter")["application"]["description"] = "Invites"
    WRONG[say](file)
    outcome = bring(full, file, accept=True, prune=True)
    wanted = say.replace("there is no strength or", "there is no authentication strength")
    assert any(wanted in e for e in outcome.errors), outcome.errors
    assert ("change", "apps", "Inviter") in signature(outcome) and not outcome.applied
    assert exported(full) == before


def test_all_that_is_wrong_is_said_at_once(full, file):
    for edit in WRONG.values():
        if edit is not WRONG["groups is a list"]:
            edit(file)
    assert len(bring(full, file).errors) > 12


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda x: (
            st.lists(x, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "displayName",
                        "issuer",
                        "home",
                        "application",
                        "appId",
                        "conditions",
                        "members",
                        "b2bIdp",
                        "clientAuthentication",
                        "appRoleAssignments",
                        "definition",
                    ]
                )
                | st.text(max_size=3),
                x,
                max_size=4,
            )
        ),
    )
)
@settings(max_examples=150, deadline=None)
def test_n_153_no_file_brings_the_import_to_its_knees(junk):
    world = _SHARED
    for section in (
        "homes",
        "partners",
        "authorizationPolicy",
        "domainPolicy",
        "conditionalAccess",
        "claimsMapping",
        "groups",
        "apps",
    ):
        for value in (junk, [junk], [junk, junk]):
            outcome = bring(world, {"version": 1, section: value}, dry_run=True)
            assert outcome.lines() and json.dumps(outcome.to_json())


_SHARED = Directory()
