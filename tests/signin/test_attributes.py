"""Attributes of a guest follow the home: what follows, from which claim, and who wins."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from b2b_idp.homes.oidc.profile import lacks, profile_of, with_userinfo
from b2b_idp.model.home import Home, Trust
from b2b_idp.model.problem import Code, Problem
from b2b_idp.model.provenance import FOLLOWING, FREE, PROVENANCE, modified, source_of, sources, written
from b2b_idp.policy.documents import home_of, partner_of
from b2b_idp.signin.attributes import followed

DEPARTMENT = Trust(trusted_attributes=frozenset({"department"}))
NEVER = (
    "mail otherMails proxyAddresses userPrincipalName userType employeeId mailNickname extensionAttribute1 "
    "onPremisesExtensionAttributes accountEnabled b2bIdp.provenance"
).split()


# --- provenance ------------------------------------------------------------------------------------------------------


def test_a_value_has_the_source_that_wrote_it_last():
    first = written({}, {"department": "Sales", "city": "Oslo"}, "import")
    second = written(first, {"department": "Ops"}, "administrator")
    assert sources(second) == {"department": "administrator", "city": "import"}
    assert second["department"] == "Ops"


@pytest.mark.parametrize("nothing", [None, "", [], {}])
def test_a_value_taken_away_leaves_no_provenance(nothing):
    assert written(written({}, {"department": "Sales"}, "import"), {"department": nothing}, "administrator") == {}


def test_the_earlier_list_of_what_came_from_home_is_read_and_replaced():
    before = {"b2bIdp.fromHome": ["city"], "city": "Oslo", "department": "Sales"}
    assert (source_of(before, "city"), source_of(before, "department")) == ("home", "administrator")
    after = written(before, {"country": "NO"}, "import")
    assert after == {
        "city": "Oslo",
        "department": "Sales",
        "country": "NO",
        PROVENANCE: {"city": "home", "department": "administrator", "country": "import"},
    }


def test_the_audit_names_what_differs_in_json_and_no_bookkeeping():
    before = written({}, {"department": "Sales", "city": "Oslo"}, "home")
    after = written(before, {"department": "Ops", "city": None}, "home")
    assert modified(before, after) == [
        {"displayName": "city", "oldValue": '"Oslo"', "newValue": None},
        {"displayName": "department", "oldValue": '"Sales"', "newValue": '"Ops"'},
    ]


# --- who wins --------------------------------------------------------------------------------------------------------

KEPT, CLEARED, FILLED = {}, {"department": None}, {"department": "Ops"}
SAYS, SAYS_NONE, SILENT = {"department": "Ops"}, {"department": None}, {}


@pytest.mark.parametrize(
    ("had_from", "said", "trusted", "overwrites", "change"),
    [
        (None, SAYS, True, False, FILLED),
        (None, SAYS, False, False, KEPT),
        (None, SAYS_NONE, True, False, KEPT),
        ("home", SAYS, True, False, FILLED),
        ("home", SAYS_NONE, True, False, CLEARED),
        ("home", SILENT, True, False, KEPT),
        ("home", SAYS, False, False, CLEARED),
        ("home", SILENT, False, True, CLEARED),
        *(
            row
            for other in ("administrator", "invitation", "import")
            for row in [
                (other, SAYS, True, False, KEPT),
                (other, SAYS, True, True, FILLED),
                (other, SAYS, False, True, KEPT),
                (other, SAYS_NONE, True, True, KEPT),
                (other, SILENT, True, True, KEPT),
                (other, SILENT, False, False, KEPT),
            ]
        ),
    ],
)
def test_who_wins(had_from, said, trusted, overwrites, change):
    properties = written({}, {"department": "Sales"}, had_from) if had_from else {}
    found = followed(
        properties,
        said,
        trust=DEPARTMENT if trusted else Trust(),
        overwrites=frozenset({"department"} if overwrites else ()),
    )
    assert found == change


def test_names_and_language_follow_without_trust():
    said = {"displayName": "Ada", "givenName": "Ada", "surname": "Alder", "preferredLanguage": "nb-NO"}
    assert followed({}, said, trust=Trust()) == said


def test_what_another_identity_brought_does_not_stay():
    before = written({}, {"department": "Sales", "givenName": "Ada"}, "home")
    before = written(before, {"surname": "Alder"}, "administrator")
    found = followed(before, {"givenName": "Eve"}, trust=DEPARTMENT, new_identity=True)
    assert found == {"department": None, "givenName": "Eve"}


def test_the_same_word_again_changes_nothing():
    before = written({}, {"department": "Sales"}, "home")
    assert followed(before, {"department": "Sales"}, trust=DEPARTMENT) == {}


NAMES = st.sampled_from(sorted(FOLLOWING) + NEVER)
SAID = st.dictionaries(NAMES, st.none() | st.text(min_size=1, max_size=5), max_size=12)
SOME = st.frozensets(NAMES, max_size=12)
SOURCES = st.sampled_from(["home", "administrator", "invitation", "import"])


@st.composite
def properties(draw):
    made: dict[str, object] = {}
    for name in draw(st.lists(NAMES.filter(lambda n: n != PROVENANCE), max_size=6)):
        made = written(made, {name: draw(st.text(min_size=1, max_size=5))}, draw(SOURCES))
    return made


@given(properties(), SAID, SOME, st.booleans())
def test_an_untrusted_home_fills_nothing_but_names_and_language(before, said, overwrites, new):
    changes = followed(before, said, trust=Trust(), overwrites=overwrites, new_identity=new)
    assert all(changes[name] is None and source_of(before, name) == "home" for name in set(changes) - FREE)


@given(properties(), SAID, SOME, SOME, st.booleans())
def test_whatever_the_trust_what_never_follows_never_changes(before, said, trusted, overwrites, new):
    trust = Trust(trusted_attributes=trusted)
    changes = followed(before, said, trust=trust, overwrites=overwrites, new_identity=new)
    assert set(changes) <= FOLLOWING


@given(properties(), SAID, SOME)
def test_without_overwrites_only_the_homes_own_values_change(before, said, trusted):
    changes = followed(before, said, trust=Trust(trusted_attributes=trusted))
    assert all(source_of(before, name) in (None, "home") for name in changes)


@given(properties(), SAID, SOME, SOME)
def test_following_twice_is_following_once(before, said, trusted, overwrites):
    trust = Trust(trusted_attributes=trusted)
    after = written(before, followed(before, said, trust=trust, overwrites=overwrites), "home")
    assert followed(after, said, trust=trust, overwrites=overwrites) == {}


# --- from which claim ------------------------------------------------------------------------------------------------


def home(**mapping):
    """A home with this inboundClaimMapping."""
    document = {
        "displayName": "Fabrikam",
        "clientId": "b2b-idp",
        "issuer": "https://login.fabrikam.example",
        "clientAuthentication": {"clientSecret": "s"},
        "inboundClaimMapping": mapping,
    }
    return home_of("t", document, "s")


@pytest.mark.parametrize(
    ("mapping", "claims", "said"),
    [
        ({}, {"name": "Ada", "locale": "en_US"}, {"displayName": "Ada", "preferredLanguage": "en-US"}),
        ({}, {"displayName": "Ada", "preferredLanguage": "en"}, {}),
        ({}, {"department": "Sales", "jobTitle": "Clerk"}, {"department": "Sales", "jobTitle": "Clerk"}),
        ({"department": "dept"}, {"department": "Sales", "dept": "Ops"}, {"department": "Ops"}),
        ({"department": "dept"}, {"department": "Sales"}, {}),
        ({"name": "cn"}, {"name": "a.alder", "cn": "Ada"}, {"displayName": "Ada"}),
        ({}, {"address": {"locality": "Oslo", "region": "Viken"}}, {"city": "Oslo", "state": "Viken"}),
        ({}, {"region": "eu-west-1", "city": "Oslo"}, {"city": "Oslo"}),
        ({"address": {"locality": "town"}}, {"address": {"locality": "x", "town": "Oslo"}}, {"city": "Oslo"}),
        ({"address": {"country": "ctry"}}, {"ctry": "NO"}, {"country": "NO"}),
        ({}, {"phone_number": "+47 1"}, {"mobilePhone": "+47 1"}),
        ({}, {"phone_number": "+47 1", "phone_number_verified": "false"}, {}),
        ({}, {"usageLocation": "no"}, {"usageLocation": "NO"}),
        ({}, {"usageLocation": "Norway", "locale": "<b>"}, {}),
        ({}, {"department": None, "jobTitle": " "}, {"department": None, "jobTitle": None}),
        ({}, {"department": 7, "jobTitle": "a\nb", "city": ["Oslo"], "companyName": "x" * 257, "address": "y"}, {}),
        ({}, dict.fromkeys(NEVER, "x"), {}),
    ],
)
def test_the_claim_of_a_property(mapping, claims, said):
    assert profile_of(home(**mapping), claims).attributes == said


def test_userinfo_is_asked_for_a_mapped_attribute_that_the_id_token_lacks():
    claims = {"email": "ada@fabrikam.example"}
    assert not lacks(home(), claims)
    assert lacks(home(department="dept"), claims)
    assert not lacks(home(department="dept"), claims | {"dept": "Sales"})


@pytest.mark.parametrize(
    ("claims", "userinfo", "vouched"),
    [
        ({"email": "a@x.example"}, {"email": "b@x.example", "email_verified": True}, ("a@x.example", None)),
        ({"email_verified": True}, {"email": "b@x.example"}, ("b@x.example", None)),
        ({"email": "a@x.example", "email_verified": True}, {"email_verified": False}, ("a@x.example", True)),
    ],
)
def test_who_names_the_address_says_whether_it_is_verified(claims, userinfo, vouched):
    profile = profile_of(home(), with_userinfo(home(), claims, userinfo))
    assert (profile.email, profile.email_verified) == vouched


@pytest.mark.parametrize("name", [*NEVER, "favouriteColour"])
def test_what_never_follows_is_a_400_that_names_it(name):
    for wrong in (
        lambda: home(**{name: "x"}) if name != "b2bIdp.provenance" else home(b2bIdp={"overwrites": [name]}),
        lambda: home(b2bIdp={"overwrites": ["department", name]}),
        lambda: partner_of("t", {"b2bIdp": {"trustedAttributes": [name]}}),
    ):
        with pytest.raises(Problem) as refused:
            wrong()
        assert refused.value.code is Code.BAD_REQUEST
        assert name in refused.value.say


def test_a_home_says_where_it_wins():
    assert home(b2bIdp={"overwrites": ["displayName", "city"]}).overwrites == {"displayName", "city"}
    assert home().overwrites == Home.__dataclass_fields__["overwrites"].default == frozenset()


# --- from end to end -------------------------------------------------------------------------------------------------


@pytest.fixture
def fabrikam(b2b_idp):
    return b2b_idp.home_tenant("fabrikam.example", trust_mfa=True)


@pytest.fixture
def crm(b2b_idp):
    return b2b_idp.app("crm", claims={"dept": "department"})


def trust(kit, tenant, *names):
    path = f"/policies/crossTenantAccessPolicy/partners/{tenant.tenant_id}"
    kit.graph("PATCH", path, {"b2bIdp": {"trustedAttributes": list(names)}})


def map_claims(kit, tenant, **mapping):
    kit.graph("PATCH", f"/identity/identityProviders/{tenant.tenant_id}", {"inboundClaimMapping": mapping})


def says(tenant, **claims):
    """From now on the home's id_tokens carry these too."""
    tenant.provider.tamper["id_token"] = lambda made: made["claims"].update(claims)


def audits(kit):
    rows = kit.graph("GET", "/auditLogs/directoryAudits")["value"]
    return [row for row in rows if row["loggedByService"] == "B2B sign-in"]


def test_the_first_token_after_redemption_carries_the_mapped_department(b2b_idp, fabrikam, crm):
    trust(b2b_idp, fabrikam, "department")
    map_claims(b2b_idp, fabrikam, department="org_unit")
    says(fabrikam, org_unit="Sales")
    signed_in = b2b_idp.sign_in(b2b_idp.invite("ada@fabrikam.example"), crm)
    assert signed_in.pages[0] == "redeem"
    assert signed_in.id_token["dept"] == "Sales"


def test_each_sign_in_refreshes_it_under_the_same_object_id(b2b_idp, fabrikam, crm):
    trust(b2b_idp, fabrikam, "department")
    ada = b2b_idp.invite("ada@fabrikam.example")
    seen = []
    for department in ("Sales", "Ops", ""):
        says(fabrikam, department=department)
        token = b2b_idp.sign_in(ada, crm, prompt="login").id_token
        seen.append((token["oid"], token.get("dept")))
    assert seen == [(ada.id, "Sales"), (ada.id, "Ops"), (ada.id, None)]


def test_a_claim_that_is_not_trusted_reaches_no_token(b2b_idp, fabrikam, crm):
    says(fabrikam, department="Executives")
    token = b2b_idp.sign_in(b2b_idp.invite("ada@fabrikam.example"), crm).id_token
    assert "dept" not in token


def test_trust_withdrawn_takes_the_homes_value_away_at_the_next_sign_in(b2b_idp, fabrikam, crm):
    trust(b2b_idp, fabrikam, "department")
    says(fabrikam, department="Sales")
    ada = b2b_idp.invite("ada@fabrikam.example")
    assert b2b_idp.sign_in(ada, crm).id_token["dept"] == "Sales"
    trust(b2b_idp, fabrikam)
    assert "dept" not in b2b_idp.sign_in(ada, crm, prompt="login").id_token


def test_an_administrators_department_wins_unless_the_mapping_says_otherwise(b2b_idp, fabrikam, crm):
    trust(b2b_idp, fabrikam, "department")
    says(fabrikam, department="Ops")
    ada = b2b_idp.invite("ada@fabrikam.example", department="Sales")
    assert b2b_idp.sign_in(ada, crm).id_token["dept"] == "Sales"
    map_claims(b2b_idp, fabrikam, b2bIdp={"overwrites": ["department"]})
    assert b2b_idp.sign_in(ada, crm, prompt="login").id_token["dept"] == "Ops"


def test_the_invitations_name_wins_over_the_homes(b2b_idp, fabrikam, crm):
    says(fabrikam, name="Somebody Else", family_name="Alder")
    token = b2b_idp.sign_in(b2b_idp.invite("ada@fabrikam.example", display_name="Ada A."), crm).id_token
    assert (token["name"], token["family_name"]) == ("Ada A.", "Alder")


def test_what_a_sign_in_changed_is_audited_once_as_the_homes_doing(b2b_idp, fabrikam, crm):
    trust(b2b_idp, fabrikam, "department")
    says(fabrikam, department="Sales")
    ada = b2b_idp.invite("ada@fabrikam.example")
    for _ in range(2):
        b2b_idp.sign_in(ada, crm, prompt="login")
    (entry,) = audits(b2b_idp)
    assert entry["activityDisplayName"] == "Update user"
    assert entry["initiatedBy"]["app"]["servicePrincipalName"] == fabrikam.provider.issuer
    (target,) = entry["targetResources"]
    assert target["id"] == ada.id
    department = {"displayName": "department", "oldValue": None, "newValue": json.dumps("Sales")}
    assert department in target["modifiedProperties"]


def test_n_037_a_new_address_at_home_changes_neither_mail_nor_person(b2b_idp, fabrikam, crm):
    ada = b2b_idp.invite("ada@fabrikam.example")
    b2b_idp.sign_in(ada, crm)
    says(fabrikam, email="ada.alder@fabrikam.example", mail="x@fabrikam.example", employeeId="1")
    token = b2b_idp.sign_in(ada, crm, prompt="login").id_token
    assert (token["oid"], token["email"]) == (ada.id, "ada@fabrikam.example")
    user = b2b_idp.graph("GET", f"/users/{ada.id}?$select=mail,employeeId")
    assert (user["mail"], user["employeeId"]) == ("ada@fabrikam.example", None)
    assert audits(b2b_idp) == []


def test_an_administrator_takes_a_value_over_and_null_gives_it_back(b2b_idp, fabrikam, crm):
    trust(b2b_idp, fabrikam, "department")
    says(fabrikam, department="Sales")
    ada = b2b_idp.invite("ada@fabrikam.example")
    seen = [b2b_idp.sign_in(ada, crm).id_token["dept"]]
    for department in ("Board", None):
        b2b_idp.graph("PATCH", f"/users/{ada.id}", {"department": department})
        seen.append(b2b_idp.sign_in(ada, crm, prompt="login").id_token["dept"])
    assert seen == ["Sales", "Board", "Sales"]


def test_another_identity_after_a_reset_brings_its_own_department_or_none(b2b_idp, fabrikam, crm):
    trust(b2b_idp, fabrikam, "department")
    says(fabrikam, department="Sales")
    ada = b2b_idp.invite("ada@fabrikam.example")
    assert b2b_idp.sign_in(ada, crm).id_token["dept"] == "Sales"
    again = {"invitedUserEmailAddress": ada.email, "inviteRedirectUrl": "https://app.example/"}
    b2b_idp.graph("POST", "/invitations", again | {"invitedUser": {"id": ada.id}, "resetRedemption": True})
    fabrikam.provider.tamper.clear()
    token = b2b_idp.sign_in(ada, crm, prompt="login").id_token
    assert (token["oid"], token.get("dept")) == (ada.id, None)
