"""Policies as administrators write them: made by the Graph API, seen in the token of a guest who signed in."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from mapping_documents import document, made_by, transformation, user

from b2b_idp.extension import system_moment
from b2b_idp.store.configuration import CLAIMS_MAPPING, PolicyRow
from b2b_idp.testing.kit import Kit
from tests.canaries import WATCH

POLICIES = json.loads((Path(__file__).parent / "policies.json").read_text())
MAPPINGS = "/policies/claimsMappingPolicies"
ALICE = {
    "mail": "Alice@Fabrikam.example",
    "givenName": "Alice",
    "surname": "Alder",
    "department": "Sales",
    "employeeId": "E77",
    "otherMails": ["a@litware.example", "b@litware.example"],
    "onPremisesExtensionAttributes": {"extensionAttribute1": "north"},
}


class World(Kit):
    """Guests of an Entra tenant and of another, and an app whose claims mapping changes from test to test."""

    def __init__(self):
        super().__init__()
        self.home_tenant("fabrikam.example", profile="entra")
        self.home_tenant("litware.example")
        self.alice = self.invite("alice@fabrikam.example")
        self.graph("PATCH", f"/users/{self.alice.id}", ALICE)
        self.lin = self.invite("lin@litware.example")
        self.crm = self.app("CRM", api={"acceptMappedClaims": True})
        self._on_crm = f"/servicePrincipals/{self.crm.sp_id}/claimsMappingPolicies"

    def assign(self, id):
        self.graph("POST", f"{self._on_crm}/$ref", {"@odata.id": f"{self.issuer}/v1.0{MAPPINGS}/{id}"})

    def unassign(self):
        for policy in self.graph("GET", self._on_crm)["value"]:
            self.graph("DELETE", f"{self._on_crm}/{policy['id']}/$ref")

    def token(self, definition, guest=None):
        """The id_token's claims under this policy."""
        self.unassign()
        self.assign(self.graph("POST", MAPPINGS, {"displayName": "Claims", "definition": definition})["id"])
        return self.sign_in(guest or self.alice, self.crm).id_token


@pytest.fixture(scope="module")
def world():
    made = World()
    yield made
    made.close()


@pytest.mark.parametrize("sample", [p for p in POLICIES if "error" not in p["expect"]], ids=lambda p: p["name"])
def test_a_policy_makes_the_claims_that_it_says(world, sample):
    token, expect = world.token(sample["definition"]), sample["expect"]
    assert {name: token.get(name) for name in expect.get("claims", {})} == expect.get("claims", {})
    assert not set(expect.get("absent", ())) & set(token)
    assert set(expect.get("present", ())) <= set(token)
    plain = {"iss": world.issuer, "aud": world.crm.client_id}
    assert [token[name] for name in expect.get("unchanged", ())] == [plain[n] for n in expect.get("unchanged", ())]


@pytest.mark.parametrize("sample", [p for p in POLICIES if "error" in p["expect"]], ids=lambda p: p["name"])
def test_a_policy_that_is_wrong_is_a_400_that_says_where_and_is_not_kept(world, sample):
    before = world.graph("GET", MAPPINGS)["value"]
    with pytest.raises(AssertionError, match=r" 400 .*line 1, column \d+"):
        world.graph("POST", MAPPINGS, {"displayName": "Claims", "definition": sample["definition"]})
    assert world.graph("GET", MAPPINGS)["value"] == before


DEPARTMENT = {"Source": "user", "ID": "department", "JwtClaimType": "dept"}


def with_regex(regex, replacement):
    """A policy that replaces in the job title."""
    replacing = transformation(
        "R", "RegexReplace", {"sourceClaim": "jobtitle"}, {"regex": regex, "replacement": replacement}
    )
    return document(user("jobtitle"), made_by("R", "job"), ClaimsTransformation=[replacing])


def test_a_guest_of_another_kind_of_home_keeps_the_stored_user_principal_name(world):
    token = world.token(document({"Source": "user", "ID": "userprincipalname", "JwtClaimType": "login"}), world.lin)
    assert token["login"].startswith("lin_litware.example#EXT#@")


def test_a_definition_written_as_an_object_is_the_same_and_shown_as_graph_has_it(world):
    policy = world.graph("POST", MAPPINGS, {"displayName": "Object", "definition": document(DEPARTMENT)})
    assert [json.loads(text) for text in policy["definition"]] == [document(DEPARTMENT)]
    assert world.token(document(DEPARTMENT))["dept"] == "Sales"


def test_a_changed_department_is_in_the_next_token(world):
    world.token(document(DEPARTMENT))
    for department in ("Finance", "Legal", "Sales"):
        world.graph("PATCH", f"/users/{world.alice.id}", {"department": department})
        assert world.sign_in(world.alice, world.crm).id_token["dept"] == department


def test_a_policy_names_the_principals_that_it_applies_to(world):
    world.token(document(DEPARTMENT))
    policy = world.graph("GET", f"/servicePrincipals/{world.crm.sp_id}/claimsMappingPolicies")["value"][0]
    applies = world.graph("GET", f"{MAPPINGS}/{policy['id']}/appliesTo")["value"]
    assert [(p["@odata.type"], p["id"]) for p in applies] == [("#microsoft.graph.servicePrincipal", world.crm.sp_id)]
    with pytest.raises(AssertionError, match=r" 40[09] "):
        world.graph("DELETE", f"{MAPPINGS}/{policy['id']}")


def test_only_the_address_of_a_policy_assigns_it(world):
    world.token(document(DEPARTMENT))
    policy = world.graph("GET", f"/servicePrincipals/{world.crm.sp_id}/claimsMappingPolicies")["value"][0]
    world.unassign()
    with pytest.raises(AssertionError, match=" 400 "):
        world.graph(
            "POST",
            f"/servicePrincipals/{world.crm.sp_id}/claimsMappingPolicies/$ref",
            {"@odata.id": f"{world.issuer}/v1.0/users/{policy['id']}"},
        )


def test_n_147_what_became_bad_or_came_by_other_means_is_left_out_logged_and_shown(world):
    bad = document({"Value": "1", "JwtClaimType": "sub"}, DEPARTMENT, {"Value": "2", "JwtClaimType": "ＡＭＲ"})
    moment = system_moment()
    row = PolicyRow(
        moment.new_id(), CLAIMS_MAPPING, moment.at, None, {"displayName": "Old", "definition": [json.dumps(bad)]}
    )
    with world.idp.store.write() as w:
        w.documents.add_policy(row)
    world.unassign()
    world.assign(row.id)
    token = world.sign_in(world.alice, world.crm, amr=["pwd"], prompt="login").id_token
    assert (token["dept"], token["amr"]) == ("Sales", ["pwd"])
    assert token["sub"] != "1" and "ＡＭＲ" not in token
    problems = world.graph("GET", f"{MAPPINGS}/{row.id}")["b2bIdp"]["problems"]
    assert ["line 1" in p and "restricted" in p for p in problems] == [True, True]
    assert any(where == "a log" and row.id in line for where, line in WATCH.said)


@pytest.mark.parametrize(
    ("regex", "replacement"),
    [(r"(a)\1", "x"), ("a(?=b)", "x"), ("a" * 10_000, "x"), (".", "{1000000}"), ("(a+)+$", "{a")],
    ids=["backreference", "lookahead", "10 kB", "replacement", "brace"],
)
def test_n_148_an_expression_that_could_stop_the_server_is_a_400(world, regex, replacement):
    with pytest.raises(AssertionError, match=r" 400 .*line 1, column \d+"):
        world.token([json.dumps(with_regex(regex, replacement))])


def test_n_148_a_hostile_expression_is_answered_in_linear_time(world, benchmark_seconds):
    world.graph("PATCH", f"/users/{world.alice.id}", {"jobTitle": "a" * 255 + "!"})
    assert benchmark_seconds(lambda: world.token(with_regex("(a+)+$", "x"))) < 2
