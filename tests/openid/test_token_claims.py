"""What a guest's tokens say, over the wire: the same subject everywhere, groups behind a link that works, optional
claims as the application was written."""

from __future__ import annotations

import pytest
from openid_world import ISSUER, claims_of

SCOPES = "openid profile email"


# --- one person ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("subject_type", ["pairwise", "public"])
def test_id_token_userinfo_introspection_and_access_tokens_name_one_subject(world, subject_type):
    world.api()
    ours = {"subjectType": subject_type, "adminConsent": ["api://pay/pay.read"]}
    world.configure(world.crm, "application", b2bIdp=ours)
    first, second = world.tokens(scope=SCOPES), world.tokens(scope=f"{SCOPES} api://pay/pay.read")
    named = {
        claims_of(first["id_token"])["sub"],
        claims_of(first["access_token"])["sub"],
        claims_of(second["access_token"])["sub"],
        world.userinfo(first["access_token"]).json["sub"],
        world.post("introspect", token=first["access_token"]).json["sub"],
        world.post("introspect", world.api_row, world.api_secret, token=second["access_token"]).json["sub"],
        world.done("POST", f"/servicePrincipals/{world.crm.sp_id}/previewToken", {"userId": world.user.id})["idToken"][
            "sub"
        ],
    }
    assert len(named) == 1
    assert (named == {world.user.id}) == (subject_type == "public")


def test_userinfo_says_of_the_person_what_the_id_token_says(world):
    optional = {"idToken": [{"name": "xms_pl"}, {"name": "upn"}], "accessToken": [{"name": "login_hint"}]}
    world.configure(
        world.crm,
        "application",
        api={"acceptMappedClaims": True},
        groupMembershipClaims="SecurityGroup",
        optionalClaims=optional,
    )
    world.policy(world.crm, ClaimsSchema=[{"Source": "user", "ID": "department", "JwtClaimType": "dept"}])
    world.groups("Sales")
    tokens = world.tokens(scope=SCOPES)
    protocol = set("iss aud iat nbf exp nonce at_hash sid ver uti amr acr auth_time".split())
    said = {k: v for k, v in claims_of(tokens["id_token"]).items() if k not in protocol}
    assert world.userinfo(tokens["access_token"]).json == said
    assert {"dept", "groups", "name", "email"} <= set(said)


def test_introspection_says_what_the_access_token_says(world):
    token = world.tokens(scope=SCOPES)["access_token"]
    assert world.post("introspect", token=token).json == {"active": True, "token_type": "Bearer"} | claims_of(token)


# --- more than 200 groups --------------------------------------------------------------------------------------------


@pytest.fixture
def many(world):
    world.configure(world.crm, "application", groupMembershipClaims="SecurityGroup")
    return world.groups(*(f"Team {n}" for n in range(201)))


def link(world, token):
    assert token["_claim_names"] == {"groups": "src1"} and "groups" not in token
    return token["_claim_sources"]["src1"]["endpoint"].removeprefix(f"{ISSUER}/v1.0")


def test_the_link_of_too_many_groups_gives_the_guests_own_app_all_of_them(world, many):
    tokens = world.tokens(scope="openid User.Read")
    address = link(world, claims_of(tokens["id_token"]))
    answer = world.call("POST", address, {"securityEnabledOnly": True}, tokens["access_token"])
    assert answer.status_code == 200 and sorted(answer.json["value"]) == sorted(many)


def test_the_link_gives_an_app_of_its_own_all_of_them(world, many):
    address = link(world, claims_of(world.tokens()["id_token"]))
    assert sorted(world.done("POST", address, {"securityEnabledOnly": False})["value"]) == sorted(many)


def test_the_link_of_one_guest_is_not_for_another(world, many):
    address = link(world, claims_of(world.tokens()["id_token"]))
    world.user = world.guest("bo")
    world.sign_in(world.user)
    others = world.tokens(scope="openid User.Read")["access_token"]
    assert world.call("POST", address, {"securityEnabledOnly": True}, others).status_code == 403


def test_what_a_group_filter_leaves_is_what_is_counted(world, many):
    world.configure(world.crm, "application", api={"acceptMappedClaims": True})
    world.policy(world.crm, GroupFilter={"MatchOn": "displayname", "Type": "suffix", "Value": "00"})
    token = claims_of(world.tokens()["id_token"])
    assert sorted(token["groups"]) == sorted([many[100], many[200]])


# --- optional claims as they are written ------------------------------------------------------------------------------


def change(world, **optional):
    return world.call("PATCH", f"/applications/{world.crm.id}", {"optionalClaims": optional})


def test_optional_claims_are_kept_as_they_were_written_and_are_in_the_next_token(world):
    entry = {"name": "login_hint", "source": None, "essential": False, "additionalProperties": []}
    assert change(world, idToken=[entry], accessToken=[], saml2Token=[]).status_code == 204
    kept = world.done("GET", f"/applications/{world.crm.id}")["optionalClaims"]
    assert kept == {"idToken": [entry], "accessToken": [], "saml2Token": []}
    assert claims_of(world.tokens()["id_token"])["login_hint"] == "ada@fabrikam.example"


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ({"name": "nope"}, "Known are"),
        ({"name": "Email"}, "Known are"),
        ({"name": "email", "source": "user"}, "extension_{appId"),
        ({"name": "email", "source": "home"}, "source is user"),
        ({"name": "upn", "additionalProperties": ["sam_account_name"]}, "include_externally_authenticated_upn"),
        ({"name": "email", "additionalProperties": ["x"]}, "It takes none"),
        ({"name": "extension_ab603c56068041afb2f6832e2a17e237_x"}, "is user"),
        ({"name": "extension_ab_x", "source": "user"}, "extension_{appId"),
        ({"name": ""}, "name"),
        ({"name": "email", "essential": "yes"}, "essential"),
        ({"name": "email", "extra": 1}, "extra"),
        ("email", "idToken"),
    ],
    ids=str,
)
def test_an_optional_claim_that_could_not_be_made_is_400_and_says_what_there_is(world, entry, says):
    answer = change(world, idToken=[entry])
    assert answer.status_code == 400 and says in answer.json["error"]["message"]


def test_an_optional_claim_stands_once(world):
    assert change(world, accessToken=[{"name": "email"}, {"name": "email"}]).status_code == 400
