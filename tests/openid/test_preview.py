"""previewToken is the code that issues: what it shows is what a token says, and why; it signs and changes nothing."""

from __future__ import annotations

import json
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openid_world import CALLBACK, HOME, World, claims_of

from b2b_idp.guests.apps import graph_service_principal
from b2b_idp.guests.permissions import role_id
from b2b_idp.model.directory import RoleAssignment

OF_A_SIGN_IN = frozenset("iat nbf exp uti jti nonce sid at_hash amr acr acrs auth_time ipaddr".split())
DEPARTMENT = {"Source": "user", "ID": "department", "JwtClaimType": "dept"}
CITY = {"Source": "user", "ID": "city", "JwtClaimType": "town"}
PREFIX = {
    "ClaimsSchema": [
        {"Source": "user", "ID": "mail"},
        {"Source": "transformation", "ID": "name", "TransformationId": "t", "JwtClaimType": "account"},
    ],
    "ClaimsTransformation": [
        {
            "ID": "t",
            "TransformationMethod": "ExtractMailPrefix",
            "InputClaims": [{"ClaimTypeReferenceId": "mail", "TransformationClaimType": "mail"}],
            "OutputClaims": [{"ClaimTypeReferenceId": "name", "TransformationClaimType": "outputClaim"}],
        }
    ],
}
_numbers = count()


def preview(world, app, policy=None, user=None):
    body = {"userId": (user or world.user).id} | ({} if policy is None else {"claimsMappingPolicy": policy})
    return world.call("POST", f"/servicePrincipals/{app.sp_id}/previewToken", body)


def shown(world, app, **more):
    answer = preview(world, app, **more)
    assert answer.status_code == 200, answer.text
    return answer.json


def why(found, claim, token="idToken"):
    return next(e for e in found["explanations"][token] if e["claim"] == claim)


def wrapped(**inner):
    return {"ClaimsMappingPolicy": {"Version": 1} | inner}


@pytest.fixture
def accepting(world):
    world.configure(world.crm, "application", api={"acceptMappedClaims": True})
    return world.crm


# --- the same as the token -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def world_of_many():
    made = World()
    yield made
    made.store.close()


TEXT = st.text(alphabet="aÄ→x ", min_size=1, max_size=8)
PEOPLE = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("department", "city", "surname", "givenName", "preferredLanguage", "country"), TEXT)
)
ENTRIES = st.lists(
    st.sampled_from(
        [{"name": n} for n in ("ctry", "xms_pl", "login_hint", "xms_edov", "upn", "family_name", "ipaddr", "idtyp")]
        + [{"name": "groups", "additionalProperties": [p]} for p in ("cloud_displayname", "emit_as_roles")]
    ),
    max_size=4,
    unique_by=lambda e: e["name"],
)
POLICIES = st.sampled_from(
    [
        None,
        {"ClaimsSchema": [DEPARTMENT, CITY]},
        {"IncludeBasicClaimSet": "false", "ClaimsSchema": [DEPARTMENT | {"JwtClaimType": "name"}]},
        {"GroupFilter": {"MatchOn": "displayname", "Type": "contains", "Value": "1"}},
        {"audienceOverride": "https://legacy.example/", "issuerWithApplicationId": True},
        PREFIX,
    ]
)


@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    person=PEOPLE,
    id_token=ENTRIES,
    access_token=ENTRIES,
    policy=POLICIES,
    accepts=st.booleans(),
    own_key=st.booleans(),
    chosen=st.sampled_from([None, "SecurityGroup", "All", "ApplicationGroup", "DirectoryRole"]),
    groups=st.sampled_from([0, 1, 3, 201]),
    role=st.booleans(),
    subject_type=st.sampled_from(["pairwise", "public"]),
)
def test_for_any_guest_app_and_policy_the_preview_is_the_token_without_times_and_ids(
    world_of_many, person, id_token, access_token, policy, accepts, own_key, chosen, groups, role, subject_type
):
    world, number = world_of_many, next(_numbers)
    uri = f"api://app-{number}"
    guid = f"00000000-0000-4000-8000-{number:012}"
    app, secret = world.app(
        f"App {number}",
        web={"redirectUris": [CALLBACK]},
        identifierUris=[uri],
        api={"acceptMappedClaims": accepts, "oauth2PermissionScopes": [{"id": guid, "value": "read"}]},
        appRoles=[{"id": guid, "value": "Boss", "displayName": "Boss", "allowedMemberTypes": ["User"]}],
        groupMembershipClaims=chosen,
        optionalClaims={"idToken": id_token, "accessToken": access_token},
        b2b={"subjectType": subject_type, "adminConsent": [f"{uri}/read"]},
    )
    world.user = world.guest(f"guest{number}", **person)
    if policy is not None:
        world.policy(app, **policy)
    if own_key:
        world.done("POST", f"/servicePrincipals/{app.sp_id}/addTokenSigningCertificate", {"displayName": "CN=x"})
    ids = world.groups(*(f"Group {n}" for n in range(groups)))
    if role:
        id = world.moment().new_id()
        given_to = RoleAssignment(
            id, (ids or [world.user.id])[0], "Group" if ids else "User", app.sp_id, guid, world.at
        )
        world.change(lambda w: w.apps.assign(given_to))
    world.sign_in(world.user)
    issued = world.tokens(app, secret, scope=f"openid profile email {uri}/read")
    found = shown(world, app)
    for name, token in (("idToken", "id_token"), ("accessToken", "access_token")):
        said = unverified(issued[token])
        assert {k: v for k, v in said.items() if k not in OF_A_SIGN_IN} == found[name]
        explained = {e["claim"] for e in found["explanations"][name] if e["issued"]}
        assert explained == set(found[name])


def unverified(token):
    import jwt

    return jwt.decode(token, options={"verify_signature": False})


def test_the_preview_has_no_times_ids_or_evidence(world):
    found = shown(world, world.crm)
    assert not OF_A_SIGN_IN & (set(found["idToken"]) | set(found["accessToken"]))
    assert why(found, "amr")["because"] == "it is known only at a sign-in"


# --- why -------------------------------------------------------------------------------------------------------------


def test_each_claim_says_its_rule_source_line_and_transformations(world, accepting):
    found = shown(world, accepting, policy=wrapped(**PREFIX))
    assert found["idToken"]["account"] == "ada"
    told = why(found, "account")
    assert "ClaimsSchema[1]" in told["origin"]
    assert ["ExtractMailPrefix" in step and "ada" in step for step in told["steps"]] == [True]


def test_each_absence_says_why(world, accepting):
    found = shown(world, accepting, policy=wrapped(ClaimsSchema=[CITY], IncludeBasicClaimSet="false"))
    assert why(found, "town")["because"] == "user.city is empty"
    assert why(found, "name")["because"] == "the policy's IncludeBasicClaimSet is false"
    assert why(found, "groups")["because"] == "the application's groupMembershipClaims choose no groups"


def test_a_policy_that_the_app_does_not_accept_is_told_with_entras_number(world):
    found = shown(world, world.crm, policy=wrapped(ClaimsSchema=[DEPARTMENT]))
    assert "dept" not in found["idToken"]
    assert "AADSTS50146" in why(found, "dept")["because"]
    assert "AADSTS50146" in found["problems"][0]


def test_evaluate_names_beside_the_token_what_rules_could_not_make(world):
    world.policy(world.crm, ClaimsSchema=[DEPARTMENT])
    asked = {"userId": world.user.id, "appId": world.crm.app_id, "home": {"tenantId": HOME, "amr": ["pwd"]}}
    found = world.done("POST", "/identity/conditionalAccess/evaluate", asked)
    assert "dept" not in found["wouldIssue"]
    assert [(e["claim"], "AADSTS50146" in e["because"]) for e in found["leftOut"]] == [("dept", True)]


def test_overrides_that_are_ignored_are_told(world, accepting):
    found = shown(world, accepting, policy=wrapped(audienceOverride="https://legacy.example/"))
    assert found["problems"] == ["audienceOverride is ignored: the application has no valid signing key of its own."]


def test_why_there_would_be_no_token_at_all_is_told(world):
    needs = {"appRoleAssignmentRequired": True, "accountEnabled": False}
    world.configure(world.crm, "service_principal", **needs)
    told = " ".join(shown(world, world.crm)["problems"])
    assert "AADSTS50105" in told and "disabled" in told


@pytest.mark.parametrize("form", ["object", "string", "array", "policy", "policy of an object"])
def test_the_policy_to_try_comes_in_any_of_its_forms(world, accepting, form):
    policy = wrapped(ClaimsSchema=[DEPARTMENT])
    text = json.dumps(policy)
    forms = {"object": policy, "string": text, "array": [text], "policy": {"definition": [text], "displayName": "P"}}
    tried = shown(world, accepting, policy=forms.get(form, {"definition": policy}))
    assert tried["idToken"]["dept"] == "Sales"


# --- who may, and what it does ---------------------------------------------------------------------------------------


def granted(world, *permissions):
    """A token of an app that holds exactly these."""
    graph = world.change(lambda w: graph_service_principal(w, world.moment()))
    row, secret = world.app("Caller")
    for name in permissions:
        id = world.moment().new_id()
        given_to = RoleAssignment(id, row.sp_id, "ServicePrincipal", graph.sp_id, role_id(name), world.at)
        world.change(lambda w, given_to=given_to: w.apps.assign(given_to))
    form = {"grant_type": "client_credentials", "scope": "https://graph.microsoft.com/.default"}
    return world.token(row, secret, **form).json["access_token"]


ALL = ("User.Read.All", "Policy.Read.All", "Application.Read.All")


def test_it_needs_three_permissions(world):
    path, body = f"/servicePrincipals/{world.crm.sp_id}/previewToken", {"userId": world.user.id}
    assert world.call("POST", path, body, granted(world, *ALL)).status_code == 200
    for missing in ALL:
        token = granted(world, *(p for p in ALL if p != missing))
        assert world.call("POST", path, body, token).status_code == 403


def test_a_guests_token_is_403(world):
    token = world.tokens(scope="openid User.Read")["access_token"]
    body = {"userId": world.user.id}
    assert world.call("POST", f"/servicePrincipals/{world.crm.sp_id}/previewToken", body, token).status_code == 403


def test_it_is_audited_and_changes_nothing_else(world):
    world.app_only()

    def state(r):
        rows = r._c._connection.exec_driver_sql("select name from sqlite_master where type = 'table'").scalars().all()
        # the tenant's row holds where the chain of the audit log ends
        skipped = {"audit_log", "audit_head", "tenant"}
        return {
            t: r._c._connection.exec_driver_sql(f'select * from "{t}"').all() for t in rows if t not in skipped
        }, r.configuration.version

    before = world.ask(state)
    shown(world, world.crm, policy=wrapped(ClaimsSchema=[DEPARTMENT]))
    assert world.ask(state) == before
    entry = world.done("GET", "/auditLogs/directoryAudits?$top=1")["value"][0]
    assert entry["activityDisplayName"] == "Preview token"
    assert {t["id"] for t in entry["targetResources"]} == {world.crm.sp_id, world.user.id}


@pytest.mark.parametrize(
    "policy",
    [
        wrapped(ClaimsSchema=[{"Value": "x", "JwtClaimType": "sub"}]),
        wrapped(ClaimsSchema="x"),
        "not JSON",
        {"definition": ["{}"]},
        {"definition": "x", "secret": 1},
        [],
    ],
    ids=str,
)
def test_a_policy_that_could_not_be_saved_is_not_tried(world, accepting, policy):
    assert preview(world, accepting, policy=policy).status_code == 400


def test_unknown_people_and_principals_are_told(world):
    path = "/servicePrincipals/{}/previewToken"
    nobody = "99999999-0000-0000-0000-000000000000"
    assert world.call("POST", path.format(world.crm.sp_id), {"userId": nobody}).status_code == 400
    assert world.call("POST", path.format(nobody), {"userId": world.user.id}).status_code == 404


def test_a_sign_in_logs_what_it_leaves_out_once_a_token_and_no_value(world, caplog):
    import structlog

    world.policy(world.crm, ClaimsSchema=[DEPARTMENT])
    with structlog.testing.capture_logs() as logs:
        token = claims_of(world.tokens()["id_token"])
    assert "dept" not in token
    told = [e for e in logs if e["event"] == "claims left out"]
    assert [(e["token"], e["claims"]) for e in told] == [("id_token", ["dept"])]
    assert "Sales" not in json.dumps(told)
