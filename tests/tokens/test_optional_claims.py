"""Optional claims: what an application asks for, what a guest's token says of it, and why the rest is absent."""

from __future__ import annotations

import pytest
from test_claims import ISSUER, access_token, app, groups, made, mapping, subject, user

from b2b_idp.model.optional_claims import KNOWN, OptionalClaim, OptionalClaims
from b2b_idp.model.problem import Problem
from b2b_idp.tokens.made import RULES_LIMIT
from b2b_idp.tokens.memberships import ROLES_LIMIT

EXTENSION = "extension_ab603c56068041afb2f6832e2a17e237_skypeId"


def asking(*entries, token="id_token", **more):
    claims = tuple(OptionalClaim(e) if isinstance(e, str) else OptionalClaim(*e) for e in entries)
    return app(optional_claims=OptionalClaims(**{token: claims}), **more)


def guest(**properties):
    return user(properties={"displayName": "Alice Alder"} | properties)


def told(entry, who=None, **more):
    """The id_token's claims, and why what was asked for is absent."""
    name = entry if isinstance(entry, str) else entry[0]
    token = made(subject(app=asking(entry), user=who or user()), **more)
    return token.claims.get(name), token.absent[name].because if name in token.absent else None


@pytest.mark.parametrize(
    ("entry", "who", "value"),
    [
        ("ctry", guest(country="de"), "DE"),
        ("xms_pl", guest(preferredLanguage="de-DE"), "de-DE"),
        ("onprem_sid", guest(onPremisesSecurityIdentifier="S-1-5"), "S-1-5"),
        ("family_name", guest(surname="Alder"), "Alder"),
        ("given_name", guest(givenName="Alice"), "Alice"),
        ("verified_primary_email", None, ["alice@fabrikam.example"]),
        ("xms_edov", None, True),
        ("login_hint", None, "alice@fabrikam.example"),
        ("acct", None, 1),
        ("auth_time", None, 1780307700),
        (("upn", None, ("include_externally_authenticated_upn",)), None, "alice_fabrikam.example#EXT#@contoso.example"),
        (
            ("upn", None, ("include_externally_authenticated_upn_without_hash",)),
            None,
            "alice_fabrikam.example_EXT_@contoso.example",
        ),
    ],
    ids=str,
)
def test_what_we_know_is_told(entry, who, value):
    assert told(entry, who) == (value, None)


@pytest.mark.parametrize(
    ("entry", "who", "because"),
    [
        ("ctry", guest(country="Germany"), "not a code of two letters"),
        ("ctry", None, "not a code of two letters"),
        ("upn", None, "include_externally_authenticated_upn"),
        ("ipaddr", None, "only at a sign-in"),
        ("idtyp", None, "access tokens only"),
        ("in_corp", None, "no corporate network"),
        ("tenant_ctry", None, "not kept"),
        ("xms_edov", user(proved_mail=None), "no address was proved"),
        ("xms_pl", None, "user.preferredLanguage is empty"),
    ],
    ids=str,
)
def test_what_we_do_not_know_is_absent_with_the_reason(entry, who, because):
    value, why = told(entry, who)
    assert value is None and because in why


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_every_known_name_is_told_or_its_absence_is(name):
    token = made(subject(app=asking(name)), nonce=None, session_id=None, moment=None)
    assert name in token.claims or name in token.absent or name == "sid"


@pytest.mark.parametrize("name", ["upn", "given_name", "family_name"])
def test_what_names_the_person_needs_the_scope_profile(name):
    entry = (name, None, ("include_externally_authenticated_upn",))
    assert told(entry, guest(givenName="A", surname="B"), scope=("openid",)) == (None, "it needs the scope profile")


def test_a_members_upn_is_told_as_it_is():
    assert told("upn", user(user_type="Member"))[0] == user().upn


def test_a_directory_extension_is_a_claim_below_extn():
    token = made(subject(app=asking((EXTENSION, "user")), user=guest(**{EXTENSION: "al"})))
    assert token.claims["extn.skypeId"] == "al"
    assert made(subject(app=asking((EXTENSION, "user")))).absent["extn.skypeId"].because == f"user.{EXTENSION} is empty"


def test_an_access_tokens_entries_are_those_of_the_api_not_of_the_client():
    client, api = asking("ctry", token="access_token", name="CRM"), asking("xms_pl", token="access_token", name="Pay")
    token = access_token(subject(app=api, user=guest(country="DE", preferredLanguage="de")), client, "api://pay")
    assert token["xms_pl"] == "de" and "ctry" not in token


def test_idtyp_says_user_where_the_api_asks_for_it():
    api = asking(("idtyp", None, ("include_user_token",)), token="access_token")
    assert access_token(subject(app=api), app(), "api://pay")["idtyp"] == "user"
    assert "idtyp" not in access_token(subject(app=asking("idtyp", token="access_token")), app(), "api://pay")


def test_client_capabilities_and_the_address_are_those_of_the_sign_in():
    api = asking("xms_cc", "ipaddr", "sid", token="access_token")
    token = access_token(subject(app=api), app(), "api://pay", capabilities=("cp1",), address="192.0.2.7")
    assert (token["xms_cc"], token["ipaddr"]) == (["cp1"], "192.0.2.7")
    assert token["sid"]


def test_a_token_for_ourselves_has_no_optional_claims():
    assert "ctry" not in access_token(subject(app=asking("ctry", token="access_token"), user=guest(country="DE")))


# --- groups ----------------------------------------------------------------------------------------------------------


def in_groups(*properties, chosen=("ApplicationGroup",), formats=(), **more):
    ids = groups(len(properties))
    a = asking(("groups", None, formats), group_membership_claims=chosen)
    return subject(app=a, groups=ids, group_names=dict(zip(ids, properties, strict=True)), **more)


SALES = {
    "displayName": "Sales",
    "onPremisesSamAccountName": "sales",
    "onPremisesDomainName": "corp.example",
    "onPremisesNetBiosName": "CORP",
}


@pytest.mark.parametrize(
    ("formats", "named"),
    [
        ((), groups(1)[0]),
        (("sam_account_name",), "sales"),
        (("dns_domain_and_sam_account_name",), "corp.example\\sales"),
        (("netbios_domain_and_sam_account_name",), "CORP\\sales"),
        (("cloud_displayname",), "Sales"),
        (("netbios_domain_and_sam_account_name", "sam_account_name"), "CORP\\sales"),
    ],
    ids=str,
)
def test_groups_are_named_as_the_first_format_says(formats, named):
    assert made(in_groups(SALES, formats=formats)).claims["groups"] == [named]


def test_a_group_without_such_a_name_goes_by_its_object_id():
    assert made(in_groups({"displayName": "Cloud"}, formats=("sam_account_name",))).claims["groups"] == [*groups(1)]


def test_cloud_displayname_is_for_groups_of_the_application_only():
    token = made(in_groups(SALES, chosen=("SecurityGroup",), formats=("cloud_displayname",)))
    assert token.claims["groups"] == [*groups(1)]


def test_groups_that_are_emitted_as_roles_stand_there_instead_of_app_roles():
    token = made(in_groups(SALES, formats=("sam_account_name", "emit_as_roles"), roles=("Approver",))).claims
    assert token["roles"] == ["sales"] and "groups" not in token


def test_more_than_200_groups_are_no_roles_either():
    many = subject(
        app=asking(("groups", None, ("emit_as_roles",)), group_membership_claims=("All",)), groups=groups(201)
    )
    token = made(many).claims
    assert token["_claim_sources"]["src1"]["endpoint"].startswith(ISSUER) and "roles" not in token


# --- size ------------------------------------------------------------------------------------------------------------


def test_what_would_make_a_token_too_large_is_left_out_and_named():
    schema = [{"Value": "x" * (RULES_LIMIT // 2), "JwtClaimType": f"c{n}"} for n in range(3)]
    token = made(subject(mapping=mapping(ClaimsSchema=schema)))
    assert "c0" in token.claims and token.failed == ["c1", "c2"]
    assert "larger than 16 KB" in token.absent["c2"].because


def test_roles_are_never_cut_short():
    with pytest.raises(Problem, match="roles"):
        made(subject(roles=("r" * 120,) * (ROLES_LIMIT // 120 + 1)))
