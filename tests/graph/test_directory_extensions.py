"""Directory extensions: an organisation's own properties of users, which claims and rules read."""

from __future__ import annotations

import pytest


@pytest.fixture
def skill(b2b_idp):
    return f"extension_{b2b_idp.app('HR').client_id.replace('-', '')}_Skill"


@pytest.fixture
def ada(b2b_idp):
    b2b_idp.home_tenant("fabrikam.example")
    return b2b_idp.invite("ada@fabrikam.example")


def test_an_extension_is_in_mapped_and_optional_claims_and_in_rules_at_once(b2b_idp, ada, skill):
    schema = [{"Source": "user", "ExtensionID": skill, "JwtClaimType": "skill"}]
    asked = {"idToken": [{"name": skill, "source": "user"}]}
    policy = {"Version": 1, "ClaimsSchema": schema}
    crm = b2b_idp.app("CRM", claims_policy=policy, optionalClaims=asked, groupMembershipClaims="SecurityGroup")
    smiths = b2b_idp.group("Smiths", rule=f'user.{skill} -eq "smith"')
    b2b_idp.update(ada, **{skill: "smith"})
    claims = b2b_idp.sign_in(ada, crm).id_token
    assert (claims["skill"], claims["extn.Skill"], claims["groups"]) == ("smith", "smith", [smiths.id])


@pytest.mark.parametrize("value", ["smith", True, False, 7, ["a", "b"]])
def test_it_comes_out_as_it_was_written(b2b_idp, ada, skill, value):
    schema = [{"Source": "user", "ExtensionID": skill, "JwtClaimType": "skill"}]
    crm = b2b_idp.app("CRM", claims_policy={"Version": 1, "ClaimsSchema": schema})
    b2b_idp.update(ada, **{skill: value})
    assert b2b_idp.graph("GET", f"/users/{ada.id}?$select={skill}")[skill] == value
    assert b2b_idp.sign_in(ada, crm).id_token["skill"] == value


def test_case_does_not_matter_and_null_takes_it_away(b2b_idp, ada, skill):
    b2b_idp.update(ada, **{skill: "smith"})
    b2b_idp.update(ada, **{skill.lower(): "mason"})
    assert b2b_idp.graph("GET", f"/users/{ada.id}?$select={skill}")[skill] == "mason"
    b2b_idp.update(ada, **{skill: None})
    assert b2b_idp.graph("GET", f"/users/{ada.id}?$select={skill}")[skill] is None


def test_a_new_member_may_have_one(b2b_idp, skill):
    joe = b2b_idp.member("joe@contoso.example", **{skill: "smith"})
    assert b2b_idp.graph("GET", f"/users/{joe.id}?$select={skill}")[skill] == "smith"


def test_a_change_is_in_the_audit_log(b2b_idp, ada, skill):
    b2b_idp.update(ada, **{skill: "smith"})
    entry = b2b_idp.graph("GET", "/auditLogs/directoryAudits")["value"][0]
    (changed,) = [
        p for p in entry["targetResources"][0]["modifiedProperties"] if p["displayName"].startswith("extension_")
    ]
    assert changed["newValue"] == '"smith"'


@pytest.mark.parametrize("value", [1.5, {"a": 1}, [1], 2**63, "x" * 257, "a\nb"])
def test_what_is_no_value_is_a_400(b2b_idp, ada, skill, value):
    with pytest.raises(AssertionError, match=r" 400 .*is a string, a Boolean"):
        b2b_idp.update(ada, **{skill: value})


def test_an_extension_of_an_application_that_is_not_there_is_a_400(b2b_idp, ada):
    with pytest.raises(AssertionError, match=r" 400 .*there is no application"):
        b2b_idp.update(ada, **{f"extension_{'0a' * 16}_skill": "smith"})
