"""claimsMappingPolicy: entries, what they read, what they are called, and what is refused."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from mapping_documents import SOURCES, applied, claims, definition, document, made_by, transformation, user

from b2b_idp.claims.attributes import IDS
from b2b_idp.claims.mapping import compile_mapping, compile_stored
from b2b_idp.claims.restricted import OURS, PREFIXES, RESTRICTED, SAML, is_restricted, is_restricted_in_saml
from b2b_idp.model.problem import Code, Problem

LIST = json.loads((Path(__file__).parent / "restricted.json").read_text())


def refused(*entries, **members):
    with pytest.raises(Problem) as e:
        compile_mapping(definition(*entries, **members))
    assert e.value.code is Code.BAD_REQUEST
    return e.value.say


def refused_text(text):
    with pytest.raises(Problem):
        compile_mapping(text)


# --- what a claim is made of -----------------------------------------------------------------------------------------


def test_source_and_id_become_a_claim_and_both_are_compared_without_case():
    assert claims(user("EmployeeId", "no", Source="User")) == {"no": "E77"}


def test_a_constant_is_a_claim():
    assert claims({"Value": "b2b", "JwtClaimType": "channel"}) == {"channel": "b2b"}


@pytest.mark.parametrize("source", ["application", "resource", "audience"])
def test_apps_are_sources(source):
    name = SOURCES[source]["displayname"]
    assert claims({"Source": source, "ID": "displayname", "JwtClaimType": "app"}) == {"app": name}


@pytest.mark.parametrize(("source", "id"), [(s, id) for s, ids in IDS.items() for id in sorted(ids)])
def test_every_source_and_id_is_read(source, id):
    assert claims({"Source": source, "ID": id, "JwtClaimType": "c"}, sources={source: {id: "x"}}) == {"c": "x"}


def test_a_directory_extension_is_read_by_its_extension_id_and_comes_out_whole():
    id = "extension_0123456789ABCDEF0123456789abcdef_teams"
    assert claims({"Source": "user", "ExtensionID": id, "JwtClaimType": "teams"}) == {"teams": ["red", "blue"]}


@pytest.mark.parametrize("id", ["teams", "extension_1_teams", "extension_0123456789abcdef0123456789abcdef_"])
def test_an_extension_id_names_its_app(id):
    assert "extension_, the appId" in refused({"Source": "user", "ExtensionID": id, "JwtClaimType": "t"})


@pytest.mark.parametrize(
    ("source", "id", "first"), [("user", "othermail", "a@litware.example"), ("application", "tags", "gold")]
)
def test_of_other_collections_a_claim_has_the_first_value(source, id, first):
    assert claims({"Source": source, "ID": id, "JwtClaimType": "c"}) == {"c": first}


def test_truth_values_and_roles_are_what_they_are():
    assert claims(user("accountEnabled", "on"), user("assignedroles", "may")) == {
        "on": True,
        "may": ["Reader", "Approver"],
    }


@pytest.mark.parametrize("id", ["country", "city", "surname"])
def test_missing_data_makes_no_value_and_is_named(id):
    (claim,) = applied(user(id, "c"))
    assert (claim.value, claim.because) == (None, f"user.{id} is empty")


def test_an_entry_without_a_claim_name_or_with_one_for_saml_alone_makes_no_claim():
    assert claims(user("department"), user("mail", SamlClaimType="urn:mail")) == {}


def test_one_attribute_may_make_two_claims():
    assert claims(user("mail", "a"), user("mail", "b")) == {
        "a": "Alice@Fabrikam.example",
        "b": "Alice@Fabrikam.example",
    }


def test_a_claim_says_which_entry_made_it():
    assert applied(user("department", "d"))[0].origin == "claims mapping policy, ClaimsSchema[0]: user.department"


def test_members_are_known_in_any_case_as_microsofts_tools_export_them():
    text = json.dumps(
        {
            "ClaimsMappingPolicy": {
                "Version": 1,
                "includeBasicClaimSet": False,
                "claimsSchema": [
                    {
                        "source": "User",
                        "id": "mail",
                        "samlNameIdFormat": "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress",
                    },
                    {"source": "transformation", "id": "out", "transformationId": "t", "jwtClaimType": "domain"},
                ],
                "claimsTransformations": [
                    {
                        "id": "t",
                        "transformationMethod": "RegexReplace",
                        "parameters": [{"name": "sourceClaim", "required": True}],
                        "inputClaims": [
                            {
                                "treatAsMultiValue": False,
                                "claimTypeReferenceSource": "user",
                                "claimTypeReferenceId": "mail",
                                "transformationClaimType": "sourceClaim",
                            }
                        ],
                        "inputParameters": [
                            {"id": "regex", "value": "^.*?@(?'captureGroup'.*)$", "dataType": None},
                            {"id": "replacement", "value": "{captureGroup}", "dataType": "String"},
                        ],
                        "outputClaims": [{"claimTypeReferenceId": "out", "transformationClaimType": "outputClaim"}],
                    }
                ],
            }
        }
    )
    assert [(c.name, c.value) for c in compile_mapping([text]).apply(SOURCES)] == [("domain", "Fabrikam.example")]


# --- the policy itself -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "basic"), [("false", False), (False, False), ("False", False), ("true", True), (None, True)]
)
def test_include_basic_claim_set_is_taken_as_text_or_boolean(value, basic):
    assert compile_mapping(definition(IncludeBasicClaimSet=value)).include_basic is basic


@pytest.mark.parametrize(
    ("type", "value", "admitted"),
    [
        ("prefix", "SAP-", ["sap-users", "SAP-sap"]),
        ("suffix", "sap", ["SAP-sap"]),
        ("contains", "P-", ["sap-users", "SAP-sap"]),
    ],
)
def test_a_group_filter_admits_by_name_in_any_case(type, value, admitted):
    group_filter = compile_mapping(
        definition(GroupFilter={"MatchOn": "DisplayName", "Type": type, "Value": value})
    ).group_filter
    assert group_filter.match_on == "displayname"
    assert [n for n in ("sap-users", "SAP-sap", "Finance", "", None) if group_filter.admits(n)] == admitted


@pytest.mark.parametrize(
    "wrong", [{}, {"MatchOn": "id"}, {"Type": "regex"}, {"Value": ""}, {"Value": None}, {"Value": 1}, {"Else": "x"}]
)
def test_a_group_filter_that_is_none_is_refused(wrong):
    right = {"MatchOn": "samaccountname", "Type": "prefix", "Value": "x"} if wrong else {}
    assert "GroupFilter" in refused(GroupFilter=right | wrong)


def test_audience_and_issuer_of_an_app_with_its_own_key():
    mapping = compile_mapping(definition(audienceOverride="https://legacy.example/app", issuerWithApplicationId=True))
    assert (mapping.audience_override, mapping.issuer_with_application_id) == ("https://legacy.example/app", True)


@pytest.mark.parametrize(
    "uri", ["legacy", "/app", "https://", "https:// x", "https://x#y", "", 1, "https://x/\u0430", "x:" + "y" * 3000]
)
def test_an_audience_is_an_absolute_uri(uri):
    assert "audienceOverride" in refused(audienceOverride=uri)


# --- names that are not given away -----------------------------------------------------------------------------------


def test_the_restricted_names_are_those_of_entra():
    assert frozenset(n.casefold() for n in LIST["jwt"].split()) == RESTRICTED
    assert tuple(LIST["jwtPrefixes"]) == PREFIXES
    both = (LIST["saml"], LIST["samlUnlessOwnSigningKey"])
    assert {space + name for names in both for space, all in names.items() for name in all.split()} == SAML


def test_every_restricted_name_is_refused_in_any_case():
    names = [v for n in (*RESTRICTED, *OURS, *(p + "x" for p in PREFIXES)) for v in (n, n.upper(), n.title())]
    assert [n for n in names if not is_restricted(n)] == []
    assert [n for n in SAML if not (is_restricted_in_saml(n) and is_restricted_in_saml(n.upper()))] == []


@pytest.mark.parametrize(
    "name",
    [
        *("iss", "sub", "aud", "amr", "acr", "groups", "xms_x", "cnf", "oid", "AMR", "Iss", "extn.a", "act", "XMS_Y"),
        *("ｓｕｂ", "ＡＭＲ", "ⅹms_x", "ﬁdo_ver", "ſub", "𝐬𝐮𝐛"),  # compatibility forms
        *("ѕub", "аud", "іss", "grоups", "οid", "rоles", "хms_a"),  # letters of other scripts
    ],
)
def test_n_147_a_restricted_name_is_refused_when_written_however_it_is_drawn(name):
    assert "restricted" in refused({"Value": "x", "JwtClaimType": name})


@pytest.mark.parametrize(
    "name", ["name", "given_name", "country", "department", "jobTitle", "employeeid", "Größe", "部署", "my claim"]
)
def test_other_names_are_free(name):
    assert claims(user("department", name)) == {name: "Sales"}


@pytest.mark.parametrize(
    "name",
    ["", " sub", "sub ", "su\u200bb", "su\u00adb", "a\u3164", "a\ufe0f", "a\tb", "a\x00", "x" * 256, "a\u2028", 1, []],
)
def test_a_claim_name_has_nothing_that_cannot_be_seen(name):
    refused({"Value": "x", "JwtClaimType": name})


@pytest.mark.parametrize(
    "name",
    [
        "http://schemas.microsoft.com/identity/claims/TenantId",
        "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn",
    ],
)
def test_a_restricted_saml_claim_is_refused(name):
    assert "restricted" in refused(user("mail", "m", SamlClaimType=name))


def test_a_saml_name_form_is_one_of_three():
    form = "urn:oasis:names:tc:SAML:2.0:attrname-format:"
    assert claims(user("mail", SamlClaimType="urn:m", SAMLNameForm=form + "uri")) == {}
    assert "SAMLNameForm" in refused(user("mail", SamlClaimType="urn:m", SAMLNameForm=form + "odd"))


# --- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "bad",
    [
        user("nosuch", "a"),
        user("mail", "a", Source="moon"),
        user("mail", "a", Source="transformation"),
        user("mail", "a", Value="x"),
        user("mail", "a", TransformationId="T"),
        {"Source": "application", "ID": "mail", "JwtClaimType": "a"},
        {"Source": "application", "ExtensionID": "extension_0123456789abcdef0123456789abcdef_x", "JwtClaimType": "a"},
        {"Source": "user", "JwtClaimType": "a"},
        {"JwtClaimType": "a"},
        {"Value": 1, "JwtClaimType": "a"},
        {"Value": None, "JwtClaimType": "a"},
        {"Value": "a\u0007b", "JwtClaimType": "a"},
        {"Value": "x", "JwtClaimType": "a", "Surprise": "y"},
        {"Value": "x", "value": "y", "JwtClaimType": "a"},
        "text",
        None,
    ],
    ids=str,
)
def test_an_entry_that_cannot_be_is_refused_at_its_place(bad):
    assert "line 1, column " in (said := refused(user("mail", "m"), bad)) and "ClaimsSchema[1]" in said


def test_two_entries_for_one_claim_are_refused():
    assert 'two entries make the claim "a"' in refused(user("mail", "a"), user("city", "a"))


@pytest.mark.parametrize(
    "members",
    [{"Version": 2}, {"Version": True}, {"Version": "1"}, {"Version": None}, {"Version": 1.0}, {"Version": 10**400}],
)
def test_a_policy_is_of_version_1(members):
    assert "Version" in refused(**members)


@pytest.mark.parametrize(
    "members",
    [
        {"Surprise": 1},
        {"IncludeBasicClaimSet": "maybe"},
        {"IncludeBasicClaimSet": 1e308},
        {"issuerWithApplicationId": []},
        {"ClaimsSchema": {}},
        {"ClaimsTransformation": {}},
        {"ClaimsTransformation": [{"ID": "a"}]},
        {"ClaimsTransformation": [], "ClaimsTransformations": []},
    ],
    ids=str,
)
def test_a_member_that_cannot_be_is_refused_at_its_place(members):
    assert f"ClaimsMappingPolicy.{list(members)[-1]}" in refused(**members)


def test_all_that_is_wrong_is_said_at_once():
    said = refused(user("mial", "a"), user("mail", "sub"), user("mail", "b", Extra="x"))
    assert 'has no ID "mial"; is mail meant?' in said and "restricted" in said and "Extra" in said


@pytest.mark.parametrize("entry", [{}, {"Source": "user", "ID": "m" * 40}], ids=str)
def test_a_policy_full_of_what_is_wrong_is_answered_in_time(entry, benchmark_seconds):
    full = definition(*[entry] * (60_000 // len(json.dumps([entry]))))
    assert benchmark_seconds(lambda: refused_text(full)) < 1
    assert benchmark_seconds(lambda: compile_stored(full)) < 2
    assert compile_stored(full).problems[-1].endswith(" more.")


def test_the_place_is_a_line_and_column_of_a_text_and_a_path_of_an_object():
    text = (
        '{\n "ClaimsMappingPolicy": {"Version": 1,\n  "ClaimsSchema": [\n\n   {"Value": "x", "JwtClaimType": "sub"}]}}'
    )
    path = "ClaimsMappingPolicy.ClaimsSchema[0].JwtClaimType"
    with pytest.raises(Problem, match=r"line 5, column 19 \(" + path.replace("[", r"\[")):
        compile_mapping([text])
    with pytest.raises(Problem) as e:
        compile_mapping(document({"Value": "x", "JwtClaimType": "sub"}))
    assert e.value.say.startswith(f"claimsMappingPolicy: {path}: ")


@pytest.mark.parametrize(
    ("bad", "say"),
    [
        ("x", "array of exactly one string"),
        ([], "array of exactly one string"),
        ([1], "array of exactly one string"),
        (["{}", "{}"], "array of exactly one string"),
        (["{}"], "exactly one member"),
        ([""], "line 1, column 1"),
        (['{\n"ClaimsMappingPolicy": }'], "line 2, column 24"),
        (['{"ClaimsMappingPolicy": 1}'], "line 1, column 2 .*an object is expected"),
        (['{"ClaimsMappingPolicy":{"Version":1,\n"Version":1}}'], "member twice.*line 2, column 1"),
        (['{"ClaimsMappingPolicy":{"Version":NaN}}'], "NaN.*line 1, column 35"),
        (['{"ClaimsMappingPolicy":{"Version":1e999}}'], "not finite.*line 1, column 35"),
        (['{"ClaimsMappingPolicy":{"Version":' + "9" * 5000 + "}}"], "too many digits.*line 1, column 35"),
        (['{"ClaimsMappingPolicy":{"a":"\\ud800"}}'], "surrogate.*line 1, column 29"),
        (['{"ClaimsMappingPolicy":{"\\ud800":1}}'], "surrogate.*line 1, column 25"),
        (['{"ClaimsMappingPolicy":{"a":"\ud800"}}'], "surrogate"),
        (["[" * 100_000], "larger than 64 KB"),
        (["[" * 10_000], "deeper than 32"),
        (['{"ClaimsMappingPolicy":' + '{"a":' * 40 + "1" + "}" * 41], "deeper than 32"),
        (["x" * 70_000], "larger than 64 KB"),
        (["\u00e4" * 40_000], "larger than 64 KB"),
        ({"ClaimsMappingPolicy": float("nan")}, "NaN"),
        ({"ClaimsMappingPolicy": {"a": "\ud800"}}, "surrogate"),
        ({"ClaimsMappingPolicy": {"a": "x" * 70_000}}, "larger than 64 KB"),
        ({"ClaimsMappingPolicy": {"a": object()}}, "not JSON"),
        ({"other": 1}, "no member"),
        (None, "array of exactly one string"),
    ],
    ids=lambda x: str(x)[:40].encode("ascii", "backslashreplace").decode(),
)
def test_a_definition_that_is_no_policy_is_refused(bad, say):
    with pytest.raises(Problem, match=say):
        compile_mapping(bad)


def test_an_object_as_deep_as_it_likes_is_refused():
    deep = 1
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(Problem, match="deeper than 32"):
        compile_mapping({"ClaimsMappingPolicy": deep})


def test_an_entry_takes_the_output_that_its_id_names():
    t = transformation("T", "ToLowercase", {"sourceClaim": "mail"}, output="low")
    assert claims(user("mail"), made_by("t", "m", id="LOW"), ClaimsTransformation=[t]) == {
        "m": "alice@fabrikam.example"
    }
    unnamed = {"Source": "transformation", "TransformationId": "T", "JwtClaimType": "m"}
    assert claims(user("mail"), unnamed, ClaimsTransformation=[t]) == {"m": "alice@fabrikam.example"}
    assert 'has the output "low"' in refused(
        user("mail"), made_by("T", "m", id="low"), made_by("T", "n", id="high"), ClaimsTransformation=[t]
    )


@pytest.mark.parametrize(
    "policy",
    ["[" + ",".join(["1"] * 31_000) + "]", '[{"a":' * 14 + "[" + ",".join(["1"] * 30_000) + "]" + "}]" * 14],
    ids=["wide", "deep"],
)
def test_the_place_of_a_flaw_is_found_in_one_walk(policy):
    """Found by tests/fuzz: each number on the way was read anew, and deep ones at each level."""
    text = '{"ClaimsMappingPolicy":' + policy + ',"twice":1,"twice":2}'
    began = time.process_time()
    with pytest.raises(Problem, match=f"column {text.rindex('twice')}"):
        compile_mapping([text])
    assert time.process_time() - began < 0.2
