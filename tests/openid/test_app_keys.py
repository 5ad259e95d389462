"""Signing keys of an application's own: they sign what is for it and nothing else, and are rotated without a gap."""

from __future__ import annotations

import time
import uuid
from base64 import b64decode, b64encode
from datetime import timedelta

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, load_der_private_key, pkcs12
from openid_world import AT, CALLBACK, ISSUER, World, answered, claims_of

from b2b_idp.cli import doctor
from b2b_idp.keys.app_keys import self_signed
from b2b_idp.model.problem import Problem

OVERRIDE = "https://legacy.contoso.example/app"
SP = "/servicePrincipals/{}"
SIGNS = timedelta(minutes=10, seconds=30)
PFX = self_signed("Ours", AT, AT + timedelta(days=365))


def metadata(world, app):
    return world.http.get(f"/idp/.well-known/openid-configuration?appid={app.app_id}").json


def published(world, app):
    """kid → key, as a client finds them that asks for this app's metadata."""
    address = metadata(world, app)["jwks_uri"].removeprefix("http://localhost")
    return {k.key_id: k for k in jwt.PyJWKSet.from_dict(world.http.get(address).json).keys}


def read(world, app, token):
    key = published(world, app)[jwt.get_unverified_header(token)["kid"]]
    untimed = dict.fromkeys(("verify_exp", "verify_nbf", "verify_iat", "verify_aud"), False)
    return jwt.decode(token, key, algorithms=[key.algorithm_name], options=untimed)


def add_key(world, app, **more):
    return world.done("POST", SP.format(app.sp_id) + "/addTokenSigningCertificate", {"displayName": "CN=CRM"} | more)


def kid(token):
    return jwt.get_unverified_header(token)["kid"]


@pytest.fixture
def world():
    made = World()
    yield made
    made.store.close()


def test_an_added_certificate_is_told_without_its_private_key(world):
    made = add_key(world, world.crm)
    assert (made["type"], made["usage"]) == ("AsymmetricX509Cert", "Verify")
    assert x509.load_der_x509_certificate(b64decode(made["key"])).subject.rfc4514_string() == "CN=CRM"
    shown = world.done("GET", SP.format(world.crm.sp_id))
    assert [(k["usage"], k["key"]) for k in shown["keyCredentials"]] == [("Sign", None), ("Verify", None)]
    assert [k["secretText"] for k in shown["passwordCredentials"]] == [None]


def test_the_private_key_lies_sealed_in_the_database(world):
    add_key(world, world.crm)
    with world.store.read() as r:
        key = r.app_keys.of(world.crm.id)[0]
        plain = r.app_keys.private(key)
        sealed = r._c._connection.exec_driver_sql("select private from app_keys").scalar()
    assert plain not in sealed and load_der_private_key(plain, None)


def test_it_signs_the_apps_id_token_and_is_found_by_appid_alone(world):
    add_key(world, world.crm)
    token = world.tokens()["id_token"]
    assert read(world, world.crm, token)["aud"] == world.crm.app_id
    assert kid(token) not in world.http.get("/idp/jwks").text
    assert metadata(world, world.crm)["id_token_signing_alg_values_supported"] == ["RS256"]


def test_another_app_is_not_concerned(world):
    other, _ = world.app("Other", web={"redirectUris": [CALLBACK]})
    add_key(world, other)
    assert claims_of(world.tokens()["id_token"])
    assert set(published(world, world.crm)) < set(published(world, other))


def test_what_is_for_ourselves_is_signed_by_the_instance_and_nothing_else_is_believed(world):
    """N-131: whoever holds an app's key makes no token that userinfo or Graph takes."""
    pfx(world, world.crm)
    ours = world.tokens()["access_token"]
    assert world.userinfo(ours).status_code == 200
    forged = jwt.encode(
        claims_of(ours),
        load_der_private_key(PFX.private, None),
        "RS256",
        headers={"kid": kid(world.tokens()["id_token"]), "typ": "at+jwt"},
    )
    assert world.userinfo(forged).status_code == 401
    assert world.call("GET", "/me", token=forged).status_code == 401
    assert world.post("introspect", token=forged).json == {"active": False}


def test_an_apis_own_key_signs_access_tokens_for_it_which_introspection_knows(world):
    api = world.api()
    add_key(world, api)
    world.configure(world.crm, "application", b2bIdp={"adminConsent": ["api://pay/pay.read"]})
    token = world.tokens(scope="openid profile api://pay/pay.read")["access_token"]
    assert read(world, api, token)["aud"] == "api://pay"
    told = world.post("introspect", api, world.api_secret, token=token).json
    assert told["active"] and told["sub"] == read(world, api, token)["sub"]
    assert world.post("revoke", token=token).status_code == 200
    assert world.post("introspect", api, world.api_secret, token=token).json == {"active": False}


def test_no_policy_makes_an_apps_token_one_for_us(world):
    """An audienceOverride that is our own issuer: the app's key signs it, and so nothing of ours takes it."""
    api = world.api()
    world.policy(api, audienceOverride=ISSUER)
    add_key(world, api)
    world.configure(world.crm, "application", b2bIdp={"adminConsent": ["api://pay/pay.read"]})
    token = world.tokens(scope="openid profile api://pay/pay.read")["access_token"]
    assert read(world, api, token)["aud"] == ISSUER
    assert world.userinfo(token).status_code == 401
    assert world.call("GET", "/me", token=token).status_code == 401


# --- rotation --------------------------------------------------------------------------------------------------------


def test_a_second_key_is_published_before_it_signs_and_the_first_stays_published(world):
    add_key(world, world.crm)
    first = kid(world.tokens()["id_token"])
    add_key(world, world.crm)
    assert len(published(world, world.crm)) == 2 + len(world.http.get("/idp/jwks").json["keys"])
    assert kid(world.tokens()["id_token"]) == first
    world.later(seconds=SIGNS.total_seconds())
    second = kid(world.tokens()["id_token"])
    assert second != first and {first, second} < set(published(world, world.crm))


def test_the_preferred_key_signs(world):
    first = add_key(world, world.crm)
    before = kid(world.tokens()["id_token"])
    add_key(world, world.crm)
    world.later(minutes=11)
    world.done("PATCH", SP.format(world.crm.sp_id), {"preferredTokenSigningKeyThumbprint": first["thumbprint"]})
    assert kid(world.tokens()["id_token"]) == before
    refused = world.call("PATCH", SP.format(world.crm.sp_id), {"preferredTokenSigningKeyThumbprint": "0" * 40})
    assert refused.status_code == 400


def test_a_key_goes_when_its_tokens_are_over(world):
    add_key(world, world.crm)
    add_key(world, world.crm)
    path = SP.format(world.crm.sp_id)
    second = [k for k in world.done("GET", path)["keyCredentials"] if k["usage"] == "Sign"][1:]
    world.later(minutes=11)
    assert world.call("PATCH", path, {"keyCredentials": second}).status_code == 409
    world.later(hours=1)
    world.done("PATCH", path, {"keyCredentials": second})
    assert len(world.done("GET", path)["keyCredentials"]) == 2


def test_without_keys_of_its_own_the_instance_signs_again(world):
    add_key(world, world.crm)
    world.done("PATCH", SP.format(world.crm.sp_id), {"keyCredentials": []})
    assert claims_of(world.tokens()["id_token"])


def test_a_key_that_is_over_signs_no_more(world):
    add_key(world, world.crm, endDateTime="2026-06-01T10:30:00Z")
    world.later(minutes=31)
    assert claims_of(world.tokens()["id_token"])


def test_doctor_points_out_the_last_key_of_an_app_before_it_is_over(world):
    add_key(world, world.crm, endDateTime="2026-07-15T00:00:00Z")
    assert doctor.apps_keys(world.idp, world.at) == "1 in 1 apps"
    world.later(days=20)
    with pytest.raises(Problem, match="CRM"):
        doctor.apps_keys(world.idp, world.at)
    add_key(world, world.crm)
    assert doctor.apps_keys(world.idp, world.at) == "2 in 1 apps"


# --- given keys ------------------------------------------------------------------------------------------------------


def sign_entry(content, id):
    return {
        "keyId": id,
        "usage": "Sign",
        "type": "X509CertAndPassword",
        "key": b64encode(content).decode(),
        "displayName": "CN=Ours",
    }


def pfx_file(certified=PFX, password=b"correct"):
    key = load_der_private_key(certified.private, None)
    certificate = x509.load_der_x509_certificate(certified.certificate)
    return pkcs12.serialize_key_and_certificates(b"k", key, certificate, None, BestAvailableEncryption(password))


def pfx(world, app, password="correct", content=None):
    id = str(uuid.uuid4())
    verify = {"keyId": str(uuid.uuid4()), "usage": "Verify", "type": "AsymmetricX509Cert"}
    body = {
        "keyCredentials": [
            sign_entry(pfx_file() if content is None else content, id),
            verify | {"key": b64encode(PFX.certificate).decode()},
        ],
        "passwordCredentials": [{"keyId": id, "secretText": password}],
    }
    return world.call("PATCH", SP.format(app.sp_id), body)


def test_a_key_may_be_given_as_pkcs_12_as_in_graph(world):
    assert pfx(world, world.crm).status_code == 204
    assert read(world, world.crm, world.tokens()["id_token"])


@pytest.mark.parametrize(
    ("password", "content"),
    [("wrong", None), ("correct", b"not a file"), ("correct", b"")],
    ids=["password", "file", "empty"],
)
def test_a_key_that_cannot_be_read_is_400_and_nothing_is_changed(world, password, content):
    answer = pfx(world, world.crm, password, content)
    assert answer.status_code == 400 and "PKCS #12" in answer.json["error"]["message"]
    assert world.done("GET", SP.format(world.crm.sp_id))["keyCredentials"] == []


def test_a_file_that_takes_for_ever_to_open_is_400_and_nobody_waits_for_it(world):
    # the last of a PKCS #12 file is how often its password is hashed
    content = pfx_file()
    assert content[-67:-65] == b"\x30\x41" and content.endswith(b"\x02\x02\x08\x00")
    inner = content[4:-67] + b"\x30\x43" + content[-65:-4] + b"\x02\x04\x7f\xff\xff\xff"
    begun = time.monotonic()
    answer = pfx(world, world.crm, content=b"\x30\x82" + len(inner).to_bytes(2) + inner)
    assert answer.status_code == 400 and "iterations" in answer.json["error"]["message"]
    assert time.monotonic() - begun < 20


@pytest.mark.parametrize(
    "body",
    [
        {"displayName": "CRM"},
        {"displayName": "CN="},
        {"displayName": "CN=" + "\u00fc" * 33},
        {"displayName": "CN=x", "endDateTime": "2020-01-01T00:00:00Z"},
        {"displayName": "CN=x", "endDateTime": "2036-01-01T00:00:00Z"},
        {},
    ],
    ids=str,
)
def test_a_certificate_that_could_not_be_used_is_not_made(world, body):
    assert world.call("POST", SP.format(world.crm.sp_id) + "/addTokenSigningCertificate", body).status_code == 400


def test_an_app_whose_id_tokens_are_es256_has_no_rsa_key(world):
    row, _ = world.app("ES", b2b={"idTokenSignedResponseAlg": "ES256"})
    answer = world.call("POST", SP.format(row.sp_id) + "/addTokenSigningCertificate", {"displayName": "CN=x"})
    assert answer.status_code == 400
    add_key(world, world.crm)
    change = {"b2bIdp": {"idTokenSignedResponseAlg": "ES256"}}
    assert world.call("PATCH", f"/applications/{world.crm.id}", change).status_code == 400


# --- audienceOverride, issuerWithApplicationId ------------------------------------------------------------------------


def test_without_a_key_of_its_own_both_overrides_are_ignored(world):
    world.configure(world.crm, "application", api={"acceptMappedClaims": True})
    world.policy(world.crm, audienceOverride=OVERRIDE, issuerWithApplicationId=True)
    token = claims_of(world.tokens()["id_token"])
    assert (token["aud"], token["iss"]) == (world.crm.app_id, ISSUER)


@pytest.fixture
def overridden(world):
    world.policy(world.crm, audienceOverride=OVERRIDE, issuerWithApplicationId=True)
    add_key(world, world.crm)
    return f"{ISSUER}/{world.crm.app_id}"


def test_with_one_token_metadata_and_authorization_response_name_the_same_issuer(world, overridden):
    assert answered(world.authorize())["iss"] == overridden
    assert read(world, world.crm, world.tokens()["id_token"])["iss"] == overridden
    found = world.http.get(overridden.removeprefix("http://localhost") + "/.well-known/openid-configuration").json
    assert found == metadata(world, world.crm)
    assert found["issuer"] == overridden


def test_an_id_token_keeps_its_client_among_the_audiences(world, overridden):
    token = read(world, world.crm, world.tokens()["id_token"])
    assert (token["aud"], token["azp"]) == ([world.crm.app_id, OVERRIDE], world.crm.app_id)


def test_such_an_id_token_is_still_a_hint_of_its_person(world, overridden):
    hint = world.tokens()["id_token"]
    assert "code" in answered(world.authorize(prompt="none", id_token_hint=hint))
    other = world.guest("bo")
    world.sign_in(other)
    assert answered(world.authorize(prompt="none", id_token_hint=hint))["error"] == "login_required"


def test_an_access_token_for_the_app_has_the_overridden_audience_and_its_api_is_told_of_it(world):
    api = world.api()
    world.policy(api, audienceOverride=OVERRIDE)
    add_key(world, api)
    world.configure(world.crm, "application", b2bIdp={"adminConsent": ["api://pay/pay.read"]})
    token = world.tokens(scope="openid api://pay/pay.read")["access_token"]
    assert read(world, api, token)["aud"] == OVERRIDE
    assert world.post("introspect", api, world.api_secret, token=token).json["active"]


def test_an_unknown_appid_is_told(world):
    for path in ("/idp/.well-known/openid-configuration", "/idp/jwks"):
        answer = world.http.get(path, query_string={"appid": "nobody"})
        assert (answer.status_code, answer.json["error"]) == (400, "invalid_request")


ID = "11111111-0000-4000-8000-000000000001"
PASSWORD = {"keyId": ID, "secretText": "correct"}


@pytest.mark.parametrize(
    ("keys", "passwords", "says"),
    [
        ([{"keyId": ID, "usage": "Sign", "type": "X509CertAndPassword"}], [], "needs key"),
        ([sign_entry(pfx_file(), ID)] * 2, [PASSWORD], "stands twice"),
        ([sign_entry(pfx_file(), ID)], [PASSWORD | {"keyId": str(uuid.uuid4())}], "of the same keyId"),
        (
            [
                sign_entry(pfx_file(), ID),
                {"keyId": str(uuid.uuid4()), "usage": "Verify", "type": "AsymmetricX509Cert", "key": "AAAA"},
            ],
            [PASSWORD],
            "usage Verify",
        ),
        ([sign_entry(pfx_file(), ID) | {"key": "not base64!"}], [PASSWORD], "base64"),
        ([{"usage": "Sign"}], [], "keyId"),
        (None, [PASSWORD], "keyCredentials"),
    ],
    ids=["no key", "twice", "another's password", "another's certificate", "no base64", "no id", "password alone"],
)
def test_keys_that_do_not_belong_together_are_400_and_nothing_is_changed(world, keys, passwords, says):
    body = {"passwordCredentials": passwords} | ({} if keys is None else {"keyCredentials": keys})
    answer = world.call("PATCH", SP.format(world.crm.sp_id), body)
    assert answer.status_code == 400 and says in answer.json["error"]["message"]
    assert world.done("GET", SP.format(world.crm.sp_id))["keyCredentials"] == []


def test_the_key_id_of_another_applications_key_is_taken(world):
    add_key(world, world.api())
    keys = world.done("GET", SP.format(world.api_row.sp_id))["keyCredentials"]
    taken = next(k["keyId"] for k in keys if k["usage"] == "Sign")
    body = {"keyCredentials": [sign_entry(pfx_file(), taken)], "passwordCredentials": [PASSWORD | {"keyId": taken}]}
    assert world.call("PATCH", SP.format(world.crm.sp_id), body).status_code == 409
    assert world.done("GET", SP.format(world.api_row.sp_id))["keyCredentials"] == keys
