"""What the kit says of a token: assertions that name the rule, tables of sign-ins, snapshots."""

from __future__ import annotations

import json

import pytest
from freezegun import freeze_time

from b2b_idp.testing import Case, TokenClaims, assert_claims
from b2b_idp.testing.snapshot import Snapshots, masked

COSTS = {"Version": 1, "ClaimsSchema": [{"Source": "user", "ID": "extensionattribute1", "JwtClaimType": "costcenter"}]}


@pytest.fixture
def maria(b2b_idp):
    b2b_idp.home_tenant("fabrikam.example", trust_mfa=True)
    return b2b_idp.invite("maria@fabrikam.example", department="Sales")


def message(check, *arguments):
    with pytest.raises(AssertionError) as raised:
        check(*arguments)
    return str(raised.value)


def test_assert_claims_is_content_with_what_is_expected_whatever_else_there_is(b2b_idp, maria):
    token = b2b_idp.sign_in(maria, b2b_idp.app("crm", claims={"dept": "department"})).id_token
    assert_claims(token, {"dept": "Sales", "acct": 1, "oid": ..., "roles": None})


def test_it_names_the_rule_that_made_a_claim(b2b_idp, maria):
    token = b2b_idp.sign_in(maria, b2b_idp.app("crm", claims={"dept": "department"})).id_token
    said = message(assert_claims, token, {"dept": "Marketing", "acct": 0})
    assert "the id_token of maria@fabrikam.example for crm" in said
    assert 'dept: expected "Marketing", is "Sales"\n    made by: claims mapping policy, ClaimsSchema[0]' in said
    assert "acct: expected 0, is 1\n    made by: user.userType" in said


def test_it_names_the_rule_that_had_nothing_to_make_a_claim_of(b2b_idp, maria):
    token = b2b_idp.sign_in(maria, b2b_idp.app("crm", claims_policy=COSTS)).id_token
    said = message(assert_claims, token, {"costcenter": "42"})
    assert 'costcenter: expected "42", is missing\n    left out' in said
    assert "ClaimsSchema[0]: user.extensionattribute1" in said


def test_it_says_when_no_rule_makes_a_claim_and_what_claims_there_are(b2b_idp, maria):
    token = b2b_idp.sign_in(maria, b2b_idp.app("crm")).id_token
    said = message(assert_claims, token, {"departement": ...})
    assert "departement: expected any value, is missing\n    no rule makes it" in said
    assert "claims of this token: acct, " in said


def test_it_names_the_reason_why_a_policy_is_not_followed(b2b_idp, maria):
    crm = b2b_idp.app("crm", claims={"dept": "department"})
    b2b_idp.graph("PATCH", f"/applications/{crm.object_id}", {"api": {"acceptMappedClaims": False}})
    said = message(assert_claims, b2b_idp.sign_in(maria, crm).id_token, {"dept": "Sales"})
    assert 'dept: expected "Sales", is missing' in said
    assert "acceptMappedClaims" in said


def test_a_rule_that_came_after_the_token_is_named(b2b_idp, maria):
    crm = b2b_idp.app("crm")
    token = b2b_idp.sign_in(maria, crm).id_token
    b2b_idp.map_claims(crm, {"Version": 1, "ClaimsSchema": [{"Value": "crm", "JwtClaimType": "tool"}]})
    assert "made by a rule that came after the token: claims mapping" in message(assert_claims, token, {"tool": "crm"})


def test_it_says_when_a_claim_should_not_be_there(b2b_idp, maria):
    token = b2b_idp.sign_in(maria, b2b_idp.app("crm")).access_token
    assert "scp: expected no such claim" in message(assert_claims, token, {"scp": None})


def test_a_refused_sign_in_has_no_token_to_look_at(b2b_idp, maria):
    refused = b2b_idp.sign_in(maria, b2b_idp.app("crm", assignment_required=True))
    assert "was refused" in message(assert_claims, refused.id_token, {"acct": 1})


@pytest.mark.parametrize("kind", ["id_token", "access_token"])
def test_a_token_that_an_app_got_is_explained_as_well(b2b_idp, maria, kind):
    sent = b2b_idp.sign_in(maria, b2b_idp.app("crm")).tokens[kind]
    assert b2b_idp.claims(sent).kind == kind
    assert "acct: expected 0, is 1\n    made by: user.userType" in message(b2b_idp.assert_claims, sent, {"acct": 0})


def test_a_token_of_an_app_with_a_signing_key_of_its_own_is_verified_by_that(b2b_idp, maria):
    schema = [{"Source": "user", "ID": "department", "JwtClaimType": "dept"}]
    policy = {"Version": 1, "issuerWithApplicationId": True, "audienceOverride": "https://legacy.example"}
    crm = b2b_idp.app("crm", claims_policy=policy | {"ClaimsSchema": schema})
    b2b_idp.graph("POST", f"/servicePrincipals/{crm.sp_id}/addTokenSigningCertificate", {"displayName": "CN=crm"})
    done = b2b_idp.sign_in(maria, crm)
    assert done.id_token["iss"] == f"{b2b_idp.issuer}/{crm.client_id}"
    assert "made by: claims mapping" in message(b2b_idp.assert_claims, done.tokens["id_token"], {"dept": "Ops"})


def test_so_are_its_claims_as_an_app_keeps_them(b2b_idp, maria):
    kept = json.loads(json.dumps(b2b_idp.sign_in(maria, b2b_idp.app("crm")).id_token))
    assert not isinstance(kept, TokenClaims)
    assert "made by: user.userType" in message(b2b_idp.assert_claims, kept, {"acct": 0})


def test_a_table_of_sign_ins_under_a_policy(b2b_idp, maria):
    nora = b2b_idp.invite("nora@northwind.example")
    b2b_idp.home_tenant("northwind.example")
    crm = b2b_idp.app("crm", policies=[{"grantControls": {"operator": "OR", "builtInControls": ["mfa"]}}])
    b2b_idp.check(
        crm,
        Case(
            guest=maria, amr=["pwd", "mfa"], outcome="allowed", reasons=["home_step_up", "home_mfa_accepted"], asked=[]
        ),
        Case(guest=nora, mfa=True, reasons=["partner_not_trusted", "local_mfa_accepted"], asked=["here totp"]),
    )


def test_a_table_tells_of_every_row_that_differs_and_why(b2b_idp, maria):
    blocked = {"displayName": "Nobody", "grantControls": {"operator": "OR", "builtInControls": ["block"]}}
    rows = [Case(guest=maria, outcome="allowed"), Case(guest=maria, amr=["pwd", "mfa"], asked=["here totp"])]
    said = message(b2b_idp.check, b2b_idp.app("crm", policies=[blocked]), *rows)
    assert "maria@fabrikam.example, home says one factor:\n  outcome: expected allowed, is refused" in said
    assert "home says amr=['pwd', 'mfa']:\n  asked: expected ['here totp'], is []" in said
    assert "    because " in said


@pytest.mark.parametrize(("department", "expected"), [("Sales", "Sales"), ("Ops", "Ops"), (None, None)])
def test_a_claims_policy_against_a_table_of_people(b2b_idp, maria, department, expected):
    b2b_idp.update(maria, department=department)
    crm = b2b_idp.app("crm", claims={"dept": "department"})
    b2b_idp.check(crm, Case(guest=maria, claims={"dept": expected}))


def test_a_claims_policy_is_changed_between_two_sign_ins(b2b_idp, maria):
    crm = b2b_idp.app("crm", claims={"dept": "department"})
    b2b_idp.map_claims(crm, {"Version": 1, "ClaimsSchema": [{"Value": "crm", "JwtClaimType": "tool"}]})
    b2b_idp.check(crm, Case(guest=maria, claims={"tool": "crm", "dept": None}))


def test_groups_and_roles_are_in_the_token(b2b_idp, maria):
    sales = b2b_idp.group("Sales", members=[maria])
    reader = {"id": "6f0c5a2e-3c52-4b0e-9d3f-0a5f3a1d2c11", "allowedMemberTypes": ["User"], "displayName": "Reader"}
    crm = b2b_idp.app(
        "crm",
        groupMembershipClaims="SecurityGroup",
        appRoles=[reader | {"value": "Reader", "description": "Reads", "isEnabled": True}],
    )
    b2b_idp.assign(sales, crm, "Reader")
    b2b_idp.check(crm, Case(guest=maria, claims={"groups": [sales.id], "roles": ["Reader"]}))


def test_a_role_that_the_app_does_not_have_is_said(b2b_idp, maria):
    with pytest.raises(ValueError, match="has no role 'Writer'"):
        b2b_idp.assign(maria, b2b_idp.app("crm"), "Writer")


# --- snapshots -------------------------------------------------------------------------------------------------------


def test_a_snapshot_is_the_same_for_another_provider_at_another_time(b2b_idp_snapshot, b2b_idp):
    with freeze_time("2031-05-06 07:08:09"):
        b2b_idp.home_tenant("fabrikam.example", trust_mfa=True)
        maria = b2b_idp.invite("maria@fabrikam.example", department="Sales")
        app = b2b_idp.app("crm", claims={"dept": "department"}, groupMembershipClaims="SecurityGroup")
        for name in ("Sales", "Everybody"):
            b2b_idp.group(name, members=[maria])
        b2b_idp_snapshot(b2b_idp.sign_in(maria, app, amr=["pwd", "mfa"]).id_token)


def test_a_snapshot_that_is_missing_is_not_taken_unasked(b2b_idp, maria, tmp_path):
    token = b2b_idp.sign_in(maria, b2b_idp.app("crm")).id_token
    assert "--b2b-idp-update-snapshots" in message(Snapshots(tmp_path, "test_it", False), token)
    assert list(tmp_path.iterdir()) == []
    Snapshots(tmp_path, "test_it", True)(token)
    Snapshots(tmp_path, "test_it", False)(token)


def test_a_token_that_changed_is_shown_as_a_difference_with_its_rule(b2b_idp, maria, tmp_path):
    crm = b2b_idp.app("crm", claims={"dept": "department"})
    Snapshots(tmp_path, "test_it[sales: Süd/West]", True)(b2b_idp.sign_in(maria, crm).id_token)
    b2b_idp.update(maria, department="Ops")
    token = b2b_idp.sign_in(maria, crm).id_token
    said = message(Snapshots(tmp_path, "test_it[sales: Süd/West]", False), token)
    assert '-  "dept": "Sales",\n+  "dept": "Ops",' in said
    assert "  dept: made by: claims mapping policy, ClaimsSchema[0]" in said


def test_several_snapshots_of_one_test_have_files_of_their_own(b2b_idp, maria, tmp_path):
    done = b2b_idp.sign_in(maria, b2b_idp.app("crm"))
    take = Snapshots(tmp_path, "test_it[a/b]", True)
    take(done.id_token)
    take(done.access_token)
    take(done.access_token, "for the API")
    names = sorted(file.name for file in tmp_path.iterdir())
    assert names == ["test_it_a_b-2.json", "test_it_a_b-for_the_API.json", "test_it_a_b.json"]


def test_no_value_that_changes_from_run_to_run_is_in_a_snapshot(b2b_idp, maria):
    done = b2b_idp.sign_in(maria, b2b_idp.app("crm"))
    taken = json.loads(masked(done.id_token))
    assert (taken["iat"], taken["aud"], taken["oid"]) == ("<iat>", "<app crm>", "<maria@fabrikam.example>")
    assert (taken["iss"], taken["idp"], taken["tid"]) == ("<issuer>", "<home fabrikam.example>", "<tenant>")
