"""The guest token: who, from where, how strongly; each claim with the rule that made it."""

from __future__ import annotations

import uuid
from base64 import urlsafe_b64decode
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256

import pytest

from b2b_idp.claims.mapping import compile_mapping
from b2b_idp.claims.restricted import is_restricted
from b2b_idp.keys.vault import Vault
from b2b_idp.model.access import Counted
from b2b_idp.model.directory import App, Tenant, User
from b2b_idp.model.home import Home
from b2b_idp.model.moment import Moment
from b2b_idp.tokens import claims
from b2b_idp.tokens.gather import Subject
from b2b_idp.tokens.memberships import GROUPS_LIMIT
from b2b_idp.tokens.occasion import Occasion
from tests.conformance import rfc

ISSUER = "https://idp.contoso.example"
AT = datetime(2026, 6, 1, 10, tzinfo=UTC)
MOMENT = Moment(AT, lambda: str(uuid.uuid4()), lambda: "secret")
VAULT = Vault(b"k" * 32)
GRANT = "33333333-0000-0000-0000-000000000001"
COUNTED = Counted(amr=("pwd", "otp", "mfa"), acr="https://refeds.org/profile/mfa", auth_time=1780307700, mfa=True)
HOME = Home(
    tenant_id="22222222-0000-0000-0000-000000000001",
    issuer="https://idp.fabrikam.example",
    display_name="Fabrikam",
    client_id="contoso",
    well_known="https://idp.fabrikam.example/.well-known/openid-configuration",
)
MAPPED = {
    "Version": 1,
    "ClaimsSchema": [
        {"Source": "user", "ID": "department", "JwtClaimType": "dept"},
        {"Source": "user", "ID": "city", "JwtClaimType": "city"},
        {"Source": "application", "ID": "displayname", "JwtClaimType": "client_name"},
        {"Source": "audience", "ID": "displayname", "JwtClaimType": "audience_name"},
        {"Value": "gold", "JwtClaimType": "tier"},
    ],
}


def app(name="CRM", **more):
    id = str(uuid.uuid5(uuid.NAMESPACE_URL, name))
    return App(id=id, app_id=id, sp_id=id, display_name=name, created_at=AT, **more)


def user(**more):
    return User(
        **{
            "id": "cccccccc-0000-0000-0000-000000000001",
            "user_type": "Guest",
            "upn": "alice_fabrikam.example#EXT#@contoso.example",
            "mail": "alice@fabrikam.example",
            "proved_mail": "alice@fabrikam.example",
            "created_at": AT,
            "properties": {"displayName": "Alice Alder", "department": "Sales"},
        }
        | more
    )


def subject(**more):
    return Subject(
        **{
            "user": user(),
            "app": app(),
            "home": HOME,
            "tenant": Tenant("aaaaaaaa-0000-0000-0000-000000000001", "Contoso", "contoso.example", AT),
            "groups": (),
            "roles": (),
            "mapping": None,
            "assigned": True,
        }
        | more
    )


def mapping(**more):
    return compile_mapping({"ClaimsMappingPolicy": MAPPED | more})


def occasion(client=None, scope=("openid", "profile", "email"), counted=COUNTED, **more):
    asked = {"nonce": "n-1", "session_id": "s-1", "grant_id": GRANT, "moment": MOMENT} | more
    return Occasion(
        issuer=ISSUER,
        vault=VAULT,
        client=client or app(),
        client_auth="client_secret",
        scope=scope,
        counted=counted,
        **asked,
    )


def made(who=None, scope=("openid", "profile", "email"), counted=COUNTED, beside="at", **more):
    who = who or subject()
    return claims.id_token(who, occasion(who.app, scope, counted, **more), beside)


def id_token(*given, **more):
    return made(*given, **more).claims


def access_token(who=None, client=None, audience=ISSUER, scope=("openid", "profile"), **more):
    who = who or subject()
    return claims.access_token(who, occasion(client or who.app, scope, **more), audience).claims


def userinfo(who, scope=("openid",)):
    return claims.userinfo(who, occasion(who.app, scope, None)).claims


# --- id_token --------------------------------------------------------------------------------------------------------


def test_the_token_says_who_and_how_as_the_sample_of_the_format():
    token = id_token()
    assert token | {"sub": "…", "sid": "…", "uti": "…", "at_hash": "…"} == {
        "iss": ISSUER,
        "tid": "aaaaaaaa-0000-0000-0000-000000000001",
        "oid": "cccccccc-0000-0000-0000-000000000001",
        "sub": "…",
        "aud": app().app_id,
        "iat": 1780308000,
        "nbf": 1780308000,
        "exp": 1780311600,
        "acct": 1,
        "idp": "https://idp.fabrikam.example",
        "name": "Alice Alder",
        "preferred_username": "alice@fabrikam.example",
        "email": "alice@fabrikam.example",
        "ver": "2.0",
        "uti": "…",
        "nonce": "n-1",
        "auth_time": 1780307700,
        "amr": ["pwd", "otp", "mfa"],
        "acr": "https://refeds.org/profile/mfa",
        "sid": "…",
        "at_hash": "…",
    }


def test_every_claim_says_which_rule_made_it():
    token = made(subject(mapping=mapping(), groups=("g",), roles=("r",)))
    assert set(token.origins) == set(token.claims)
    assert all(why.origin for why in token.origins.values())


def test_the_subject_differs_from_app_to_app_and_stays_for_one():
    first, other = subject(), subject(app=app("Other"))
    assert id_token(first)["sub"] == id_token(first)["sub"] != id_token(other)["sub"]


def test_an_app_registered_for_public_subjects_gets_the_object_id():
    assert id_token(subject(app=app(subject_type="public")))["sub"] == user().id


def test_without_profile_nothing_says_who_it_is_in_another_app():
    token = id_token(scope=("openid",))
    assert not {"oid", "name", "preferred_username", "email", "given_name", "family_name"} & set(token)


def test_an_address_is_said_only_with_its_scope_and_only_when_proved():
    assert "email" not in id_token(scope=("openid", "profile"))
    assert "email" not in id_token(subject(user=user(proved_mail=None)))


def test_a_member_has_no_idp_and_acct_0():
    token = id_token(subject(user=user(user_type="Member")))
    assert token["acct"] == 0
    assert "idp" not in token


def test_the_session_is_known_to_each_app_by_another_name():
    first, other = id_token()["sid"], id_token(subject(app=app("Other")))["sid"]
    assert first != other
    assert "s-1" not in first


def test_at_hash_is_the_left_half_of_the_access_tokens_hash():
    assert urlsafe_b64decode(id_token()["at_hash"] + "==") == sha256(b"at").digest()[:16]


def test_what_is_unknown_is_absent_never_null():
    token = id_token(counted=Counted(), nonce=None)
    assert not {"amr", "acr", "auth_time", "nonce"} & set(token)
    assert None not in token.values()


def test_a_preview_has_neither_times_nor_ids():
    preview = id_token(nonce=None, session_id=None, beside=None, moment=None)
    assert not {"iat", "nbf", "exp", "uti", "nonce", "sid", "at_hash", "jti"} & set(preview)


# --- groups and roles ------------------------------------------------------------------------------------------------


def groups(n):
    return tuple(f"bbbbbbbb-0000-0000-0000-{i:012}" for i in range(n))


def test_up_to_200_groups_stand_in_the_token():
    assert id_token(subject(groups=groups(GROUPS_LIMIT)))["groups"] == list(groups(200))


def test_over_200_groups_a_link_says_where_they_are():
    token = id_token(subject(groups=groups(201)))
    assert "groups" not in token
    assert token["_claim_names"] == {"groups": "src1"}
    assert token["_claim_sources"] == {"src1": {"endpoint": f"{ISSUER}/v1.0/users/{user().id}/getMemberObjects"}}


def test_roles_stand_in_the_token():
    assert id_token(subject(roles=("Approver",)))["roles"] == ["Approver"]


# --- mapped claims ---------------------------------------------------------------------------------------------------


def test_mapped_claims_carry_their_rule():
    token = made(subject(mapping=mapping()))
    assert (token.claims["dept"], token.claims["tier"]) == ("Sales", "gold")
    assert "ClaimsSchema[0]" in token.origins["dept"].origin


def test_a_rule_whose_source_is_empty_makes_no_claim_and_is_named():
    token = made(subject(mapping=mapping()))
    assert "city" not in token.claims
    assert "ClaimsSchema[1]" in token.absent["city"].origin


def test_without_the_basic_claim_set_the_name_is_left_out():
    assert "name" not in id_token(subject(mapping=mapping(IncludeBasicClaimSet="false")))


def test_a_mapped_claim_may_replace_a_basic_one():
    schema = [{"Source": "user", "ID": "mail", "JwtClaimType": "name"}]
    assert id_token(subject(mapping=mapping(ClaimsSchema=schema)))["name"] == "alice@fabrikam.example"


@pytest.mark.parametrize("source", ["id_token", "access_token", "app_token"])
def test_no_policy_can_make_a_claim_that_the_protocol_or_the_decision_makes(source):
    everything = subject(groups=groups(1), roles=("r",))
    tokens = {
        "id_token": id_token(everything) | id_token(subject(groups=groups(201))),
        "access_token": access_token(everything),
        "app_token": claims.app_token(
            app(), issuer=ISSUER, tenant_id="t", audience="a", roles=("r",), client_auth="none", moment=MOMENT
        ).claims,
    }
    assert [n for n in tokens[source] if not is_restricted(n)] in ([], ["name"])


@pytest.mark.parametrize(
    ("profile", "login"),
    [("entra", "alice@fabrikam.example"), ("google", "alice_fabrikam.example#EXT#@contoso.example")],
)
def test_the_user_principal_name_reads_as_the_address_for_guests_from_entra_alone(profile, login):
    schema = [{"Source": "user", "ID": "userprincipalname", "JwtClaimType": "login"}]
    who = subject(home=replace(HOME, profile=profile), mapping=mapping(ClaimsSchema=schema))
    assert id_token(who)["login"] == login


# --- access tokens ---------------------------------------------------------------------------------------------------


@rfc("9068", "2.2")
def test_an_access_token_has_what_rfc_9068_wants():
    token = access_token()
    assert {"iss", "exp", "aud", "sub", "client_id", "iat", "jti"} <= set(token)
    assert token["exp"] - token["iat"] <= 600


def test_its_id_names_the_grant_so_that_revoking_it_counts():
    assert access_token()["jti"].partition(".")[0] == GRANT
    assert access_token()["jti"] != access_token()["jti"]


def test_a_token_for_ourselves_has_no_mapped_claims_groups_or_roles():
    token = access_token(subject(mapping=mapping(), groups=groups(1), roles=("r",)))
    assert not {"dept", "tier", "groups", "roles"} & set(token)


def test_a_token_for_an_api_has_the_apis_view_of_the_person_and_the_clients_subject():
    client, api = app(), app("Pay")
    token = access_token(
        subject(app=api, mapping=mapping(), roles=("Approver",)),
        client,
        "api://pay",
        ("openid", "api://pay/pay.read"),
    )
    assert (token["aud"], token["scp"], token["roles"]) == ("api://pay", "openid pay.read", ["Approver"])
    assert (token["client_name"], token["audience_name"]) == ("CRM", "Pay")
    assert token["sub"] == id_token()["sub"]
    assert token["azp"] == client.app_id


def test_an_app_for_itself_is_its_own_subject_and_says_idtyp_app():
    token = claims.app_token(
        app(),
        issuer=ISSUER,
        tenant_id="t",
        audience="api://pay",
        roles=(),
        client_auth="private_key_jwt",
        moment=MOMENT,
    ).claims
    assert token["sub"] == token["oid"] == app().sp_id
    assert (token["idtyp"], token["azpacr"]) == ("app", "2")
    assert not {"scp", "groups", "amr", "roles"} & set(token)


# --- userinfo --------------------------------------------------------------------------------------------------------


def test_userinfo_has_the_same_subject_as_the_id_token():
    assert userinfo(subject())["sub"] == id_token()["sub"]


def test_userinfo_has_the_mapped_claims():
    assert userinfo(subject(mapping=mapping()))["dept"] == "Sales"
