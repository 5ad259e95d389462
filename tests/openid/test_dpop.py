"""DPoP (RFC 9449): a token is worth nothing without the key that it was given to."""

from __future__ import annotations

import json
from datetime import timedelta
from urllib.parse import urlencode

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from dpop_key import DpopKey, token_with, userinfo_with
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from openid_world import AT, CALLBACK, CHALLENGE, FORM, ISSUER, VERIFIER, World, answered, basic, claims_of, refused

from b2b_idp.guests.apps import graph_service_principal

KEY, OTHER = DpopKey(), DpopKey()
RSA = rsa.generate_private_key(65537, 2048)


def code_form(world, **parameters):
    code = world.code(**parameters)
    return {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER}


def tokens(world, key=KEY, **parameters):
    answer = token_with(world, key.proof("/token", at=world.at), **code_form(world, **parameters))
    assert answer.status_code == 200, answer.text
    return answer.json


def proof_with(claim_changes=None, *, key=KEY, **how):
    return key.proof("/token", **how, **(claim_changes or {}))


@pytest.fixture
def public(world):
    """An app without a secret, as in a browser."""
    row, _ = world.app("Spa", spa={"redirectUris": [CALLBACK]})
    return row


# --- the token endpoint ----------------------------------------------------------------------------------------------


@pytest.mark.rfc("9449", "5")
def test_the_token_is_bound_to_the_key_of_the_proof(world):
    given = tokens(world)
    assert given["token_type"] == "DPoP"
    assert claims_of(given["access_token"])["cnf"] == {"jkt": KEY.jkt}


def test_without_a_proof_it_is_a_bearer_token(world):
    given = world.tokens()
    assert given["token_type"] == "Bearer"
    assert "cnf" not in claims_of(given["access_token"])


EDWARDS = ed25519.Ed25519PrivateKey.generate()


@pytest.mark.parametrize(
    "key",
    [
        DpopKey(RSA, json.loads(RSAAlgorithm.to_jwk(RSA.public_key())), "PS256"),
        DpopKey(EDWARDS, json.loads(OKPAlgorithm.to_jwk(EDWARDS.public_key())), "EdDSA"),
    ],
    ids=["PS256", "EdDSA"],
)
def test_each_algorithm_of_the_metadata_is_taken(world, key):
    assert claims_of(tokens(world, key)["access_token"])["cnf"] == {"jkt": key.jkt}
    listed = world.http.get("/idp/.well-known/openid-configuration").json["dpop_signing_alg_values_supported"]
    assert {key.alg, "ES256"} <= set(listed)


P384 = ec.generate_private_key(ec.SECP384R1())
WEAK = rsa.generate_private_key(65537, 1024)
PRIVATE = json.loads(ECAlgorithm.to_jwk(KEY.private))

WRONG = {
    "no JWT": lambda: "x",
    "two in one header": lambda: f"{KEY.proof('/token')},{KEY.proof('/token')}",
    "two headers": lambda: [KEY.proof("/token"), KEY.proof("/token")],
    "typ JWT": lambda: proof_with(header={"typ": "JWT"}),
    "a critical header": lambda: proof_with(header={"crit": ["x"], "x": 1}),
    "no jwk": lambda: proof_with(header={"jwk": None}),
    "a private jwk": lambda: proof_with(header={"jwk": PRIVATE}),
    "alg none": lambda: KEY.proof("/token", key="", alg="none"),
    "alg HS256": lambda: KEY.proof("/token", key="k" * 32, alg="HS256"),
    "a symmetric jwk": lambda: KEY.proof(
        "/token", key="k" * 32, alg="HS256", header={"jwk": {"kty": "oct", "k": "a2s"}}
    ),
    "RS256": lambda: KEY.proof(
        "/token", key=RSA, alg="RS256", header={"jwk": json.loads(RSAAlgorithm.to_jwk(RSA.public_key()))}
    ),
    "a weak key": lambda: KEY.proof(
        "/token", key=WEAK, alg="PS256", header={"jwk": json.loads(RSAAlgorithm.to_jwk(WEAK.public_key()))}
    ),
    "another curve": lambda: KEY.proof("/token", header={"jwk": json.loads(ECAlgorithm.to_jwk(P384.public_key()))}),
    "another's signature": lambda: KEY.proof("/token", key=OTHER.private),
    "htm GET": lambda: proof_with({"htm": "GET"}),
    "htm in small letters": lambda: proof_with({"htm": "post"}),
    "no htm": lambda: proof_with(without=["htm"]),
    "no htu": lambda: proof_with(without=["htu"]),
    "htu of another endpoint": lambda: proof_with({"htu": ISSUER + "/par"}),
    "htu of another host": lambda: proof_with({"htu": "http://evil.example/idp/token"}),
    "htu of another port": lambda: proof_with({"htu": "http://localhost:81/idp/token"}),
    "htu with a user": lambda: proof_with({"htu": "http://x@localhost/idp/token"}),
    "htu no text": lambda: proof_with({"htu": 1}),
    "no jti": lambda: proof_with(without=["jti"]),
    "a long jti": lambda: proof_with({"jti": "j" * 257}),
    "no iat": lambda: proof_with(without=["iat"]),
    "iat a text": lambda: proof_with({"iat": str(int(AT.timestamp()))}),
    "iat without end": lambda: proof_with({"iat": 10**400}),
    "iat 61 s ago": lambda: proof_with(at=AT - timedelta(seconds=61)),
    "iat 11 s ahead": lambda: proof_with(at=AT + timedelta(seconds=11)),
    "exp over": lambda: proof_with({"exp": int(AT.timestamp()) - 60}),
    "nbf ahead": lambda: proof_with({"nbf": int(AT.timestamp()) + 60}),
    "9 KB": lambda: proof_with({"x": "y" * 9000}),
}


@pytest.mark.rfc("9449", "4.3")
@pytest.mark.parametrize("wrong", WRONG)
def test_n_119_a_proof_that_is_wrong_in_any_one_way_is_refused(unchanged, wrong):
    made = WRONG[wrong]()
    answer = token_with(unchanged, made, grant_type="authorization_code", code="x")
    assert refused(answer) == (400, "invalid_dpop_proof"), answer.text


@pytest.mark.rfc("9449", "4.3")
@pytest.mark.parametrize(
    "how",
    [
        {"at": AT - timedelta(seconds=59)},
        {"at": AT + timedelta(seconds=10)},
        {"htu": "HTTP://LOCALHOST:80/idp/token"},
        {"htu": ISSUER + "/token?x=y#z"},
        {"htu": ISSUER + "/%74oken"},
        {"iat": AT.timestamp() + 0.5},
        {"nbf": int(AT.timestamp()) + 8, "exp": int(AT.timestamp()) + 60},
        {"header": {"typ": "DPOP+JWT"}},
    ],
    ids=str,
)
def test_n_119_what_says_the_same_in_other_words_is_taken(world, how):
    assert token_with(world, KEY.proof("/token", **how), **code_form(world)).status_code == 200


def test_n_119_the_host_header_has_no_say(world):
    evil = KEY.proof("/token", htu="http://evil.example/idp/token")
    sent = {"DPoP": evil, "Host": "evil.example", "X-Forwarded-Host": "evil.example"}
    form = {"grant_type": "authorization_code", "code": "x", "client_id": world.crm.app_id}
    answer = world.http.post("/idp/token", data=form, headers=sent)
    assert refused(answer) == (400, "invalid_dpop_proof")


@pytest.mark.rfc("9449", "11.1")
def test_n_119_a_proof_is_good_once_even_where_the_request_failed(world):
    proof = KEY.proof("/token")
    assert refused(token_with(world, proof, grant_type="refresh_token", refresh_token="x")) == (400, "invalid_grant")
    assert refused(token_with(world, proof, **code_form(world))) == (400, "invalid_dpop_proof")
    same_jti_of_another_key = OTHER.proof("/token", jti="one"), KEY.proof("/token", jti="one")
    assert [token_with(world, p, **code_form(world)).status_code for p in same_jti_of_another_key] == [200, 200]


@pytest.mark.rfc("9449", "11.1")
def test_servers_that_share_the_database_share_what_was_used(tmp_path):

    one = World(tmp_path)
    two = one.another()
    proof = KEY.proof("/token")
    assert refused(token_with(one, proof, grant_type="refresh_token", refresh_token="x")) == (400, "invalid_grant")
    second = token_with(two, proof, one.crm, one.secret, grant_type="refresh_token", refresh_token="x")
    assert refused(second) == (400, "invalid_dpop_proof")


@pytest.mark.rfc("9449", "5.2")
def test_an_app_that_is_registered_for_it_gets_nothing_without_a_proof(world):
    world.configure(world.crm, "application", b2bIdp={"dpopBoundAccessTokens": True})
    assert refused(token_with(world, [], **code_form(world))) == (400, "invalid_request")
    assert tokens(world)["token_type"] == "DPoP"


def test_an_app_for_itself_gets_a_bound_token_too(world):
    world.change(lambda w: graph_service_principal(w, world.moment()))
    form = {"grant_type": "client_credentials", "scope": f"{ISSUER}/.default"}
    given = token_with(world, KEY.proof("/token"), **form).json
    assert given["token_type"] == "DPoP"
    assert claims_of(given["access_token"])["cnf"] == {"jkt": KEY.jkt}


@pytest.mark.rfc("9449", "8")
def test_an_app_may_be_registered_to_be_given_a_nonce(world):
    world.configure(world.crm, "application", b2bIdp={"dpopNonceRequired": True})
    form = code_form(world)
    first = token_with(world, KEY.proof("/token", nonce="made up"), **form)
    assert refused(first) == (400, "use_dpop_nonce")
    nonce = first.headers["DPoP-Nonce"]
    assert "DPoP-Nonce" in first.headers["Access-Control-Expose-Headers"]
    assert token_with(world, KEY.proof("/token", nonce=nonce), **form).status_code == 200
    world.later(minutes=6)
    old = token_with(world, KEY.proof("/token", nonce=nonce, at=world.at), **form)
    assert refused(old) == (400, "use_dpop_nonce")
    assert old.headers["DPoP-Nonce"] != nonce


# --- the code --------------------------------------------------------------------------------------------------------


@pytest.mark.rfc("9449", "10")
@pytest.mark.parametrize("proof", [OTHER, None], ids=["of another key", "none"])
def test_dpop_jkt_binds_the_code_to_the_key(world, proof):
    form = code_form(world, dpop_jkt=KEY.jkt)
    answer = token_with(world, proof.proof("/token") if proof else [], **form)
    assert refused(answer) == (400, "invalid_grant")
    assert token_with(world, KEY.proof("/token"), **form).status_code == 200


def test_a_dpop_jkt_that_is_no_thumbprint_is_refused(world):
    assert answered(world.authorize(dpop_jkt="short"))["error"] == "invalid_request"


# --- refresh tokens --------------------------------------------------------------------------------------------------


def refreshed(world, token, key, app, public):
    proof = key.proof("/token", at=world.at) if key else []
    return token_with(world, proof, app, public=public, grant_type="refresh_token", refresh_token=token)


@pytest.mark.rfc("9700", "2.2.2")
@pytest.mark.rfc("9449", "5")
def test_a_public_clients_refresh_token_is_bound_to_the_key(world, public):
    answer = token_with(world, KEY.proof("/token"), public, public=True, **code_form(world, app=public))
    kept = answer.json["refresh_token"]
    assert refused(refreshed(world, kept, OTHER, public, True)) == (400, "invalid_grant")
    assert refused(refreshed(world, kept, None, public, True)) == (400, "invalid_grant")
    again = refreshed(world, kept, KEY, public, True)
    assert claims_of(again.json["access_token"])["cnf"] == {"jkt": KEY.jkt}


@pytest.mark.rfc("9449", "5")
def test_a_client_that_authenticates_may_change_its_key_and_not_do_without(world):
    kept = tokens(world)["refresh_token"]
    assert refused(refreshed(world, kept, None, None, False)) == (400, "invalid_grant")
    again = refreshed(world, kept, OTHER, None, False)
    assert claims_of(again.json["access_token"])["cnf"] == {"jkt": OTHER.jkt}


def test_a_lost_answer_is_given_again_to_the_key_that_it_was_for(world):
    kept = tokens(world)["refresh_token"]
    first = refreshed(world, kept, OTHER, None, False).json["refresh_token"]
    world.later(seconds=5)
    assert refused(refreshed(world, kept, KEY, None, False)) == (400, "invalid_grant")
    assert refreshed(world, kept, OTHER, None, False).json["refresh_token"] == first


# --- resources -------------------------------------------------------------------------------------------------------


def unwelcome(answer):
    assert len([h for h in answer.headers.getlist("WWW-Authenticate") if h.startswith("DPoP ") and "algs=" in h]) == 1
    return answer.status_code, answer.json["error"]


@pytest.fixture
def bound(world):
    return tokens(world)["access_token"]


@pytest.mark.rfc("9449", "7.1")
@pytest.mark.parametrize("scheme", ["DPoP", "dpop", "DPOP"])
def test_userinfo_takes_the_token_with_a_proof(world, bound, scheme):
    answer = userinfo_with(world, bound, KEY.proof("/userinfo", bound, method="GET"), scheme)
    assert answer.status_code == 200
    assert answer.json["name"] == "Ada"


BAD_AT_USERINFO = {
    "Bearer": (lambda t: None, "Bearer", "invalid_token"),
    "Bearer with a proof": (lambda t: KEY.proof("/userinfo", t, method="GET"), "Bearer", "invalid_token"),
    "no proof": (lambda t: None, "DPoP", "invalid_dpop_proof"),
    "two proofs": (lambda t: [KEY.proof("/userinfo", t, method="GET")] * 2, "DPoP", "invalid_dpop_proof"),
    "another key": (lambda t: OTHER.proof("/userinfo", t, method="GET"), "DPoP", "invalid_token"),
    "no ath": (lambda t: KEY.proof("/userinfo", method="GET"), "DPoP", "invalid_dpop_proof"),
    "ath of another token": (lambda t: KEY.proof("/userinfo", "x", method="GET"), "DPoP", "invalid_dpop_proof"),
    "of another method": (lambda t: KEY.proof("/userinfo", t), "DPoP", "invalid_dpop_proof"),
    "of another endpoint": (lambda t: KEY.proof("/token", t, method="GET"), "DPoP", "invalid_dpop_proof"),
}


@pytest.mark.rfc("9700", "2.2.1")
@pytest.mark.rfc("9449", "7.1")
@pytest.mark.parametrize("case", BAD_AT_USERINFO)
def test_n_119_userinfo_refuses_the_token_where_the_key_is_not_proved(world, bound, case):
    proof, scheme, error = BAD_AT_USERINFO[case]
    assert unwelcome(userinfo_with(world, bound, proof(bound), scheme)) == (401, error)
    assert userinfo_with(world, bound, KEY.proof("/userinfo", bound, method="GET")).status_code == 200


def test_n_119_a_proof_is_good_once_at_userinfo(world, bound):
    proof = KEY.proof("/userinfo", bound, method="GET")
    assert userinfo_with(world, bound, proof).status_code == 200
    assert unwelcome(userinfo_with(world, bound, proof)) == (401, "invalid_dpop_proof")


def test_a_bound_token_in_a_form_is_a_bearer_token(world, bound):
    answer = world.http.post("/idp/userinfo", data={"access_token": bound})
    assert unwelcome(answer) == (401, "invalid_token")


def test_a_bearer_token_does_not_come_by_the_scheme_dpop(world):
    plain = world.tokens()["access_token"]
    answer = userinfo_with(world, plain, KEY.proof("/userinfo", plain, method="GET"))
    assert unwelcome(answer) == (401, "invalid_token")


@pytest.mark.rfc("9449", "6.2")
def test_introspection_tells_what_the_token_is_bound_to(world, bound):
    said = world.post("introspect", token=bound).json
    assert (said["active"], said["token_type"], said["cnf"]) == (True, "DPoP", {"jkt": KEY.jkt})


# --- Graph -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def admin_token(world):
    row, secret = world.admin
    form = {"grant_type": "client_credentials", "scope": f"{ISSUER}/.default"}
    return token_with(world, KEY.proof("/token"), row, secret, **form).json["access_token"]


def graph(world, token, proof, method="GET", path="/users", scheme="DPoP", body=None):
    headers = {"Authorization": f"{scheme} {token}"} | ({"DPoP": proof} if proof else {})
    return world.http.open(f"/idp/v1.0{path}", method=method, headers=headers, json=body)


@pytest.mark.rfc("9449", "7.1")
def test_graph_takes_the_token_with_a_proof_once(world, admin_token):
    proof = KEY.proof("/v1.0/users", admin_token, method="GET")
    assert graph(world, admin_token, proof, path="/users?$top=1").status_code == 200
    again = graph(world, admin_token, proof, path="/users?$top=1")
    assert (again.status_code, again.json["error"]["code"]) == (401, "InvalidAuthenticationToken")
    assert any(h.startswith("DPoP ") for h in again.headers.getlist("WWW-Authenticate"))


def test_n_119_graph_takes_a_proof_for_a_change_once_even_where_the_change_failed(world, admin_token):
    proof = KEY.proof("/v1.0/groups", admin_token)
    assert graph(world, admin_token, proof, "POST", "/groups", body={"nope": 1}).status_code == 400
    assert graph(world, admin_token, proof, "POST", "/groups", body={"displayName": "G"}).status_code == 401


@pytest.mark.parametrize(
    ("scheme", "proof"),
    [
        ("Bearer", None),
        ("DPoP", None),
        ("DPoP", lambda t: OTHER.proof("/v1.0/users", t, method="GET")),
        ("DPoP", lambda t: KEY.proof("/v1.0/groups", t, method="GET")),
        ("DPoP", lambda t: KEY.proof("/v1.0/users", t, method="POST")),
        ("DPoP", lambda t: KEY.proof("/v1.0/users", method="GET")),
    ],
    ids=["bearer", "no proof", "another key", "another address", "another method", "no ath"],
)
def test_n_119_graph_refuses_the_token_where_the_key_is_not_proved(world, admin_token, scheme, proof):
    answer = graph(world, admin_token, proof and proof(admin_token), scheme=scheme)
    assert answer.status_code == 401


def test_the_parts_of_a_batch_need_no_proof_of_their_own(world, admin_token):
    body = {"requests": [{"id": str(n), "method": "GET", "url": "/users?$top=1"} for n in (1, 2)]}
    answer = graph(world, admin_token, KEY.proof("/v1.0/$batch", admin_token), "POST", "/$batch", body=body)
    assert [r["status"] for r in answer.json["responses"]] == [200, 200]


# --- pushed requests -------------------------------------------------------------------------------------------------


def pushed(world, proof=None, **more):
    form = {
        "response_type": "code",
        "redirect_uri": CALLBACK,
        "scope": "openid",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    } | more
    headers = [("Authorization", basic(world.crm.app_id, world.secret))] + ([("DPoP", proof)] if proof else [])
    return world.http.post("/idp/par", data=form, content_type=FORM, headers=headers)


def redeemed(world, answer, key):
    world.change(lambda w: w.grants.consent(world.user.id, world.crm.app_id, frozenset({"openid"}), world.at))
    query = {"client_id": world.crm.app_id, "request_uri": answer.json["request_uri"]}
    code = answered(world.http.get("/idp/authorize?" + urlencode(query)))["code"]
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER}
    return token_with(world, key.proof("/token"), **form)


@pytest.mark.rfc("9449", "10.1")
def test_a_proof_beside_a_pushed_request_binds_the_code(world):
    answer = pushed(world, KEY.proof("/par"))
    assert refused(redeemed(world, answer, OTHER)) == (400, "invalid_grant")
    assert redeemed(world, pushed(world, KEY.proof("/par")), KEY).status_code == 200


@pytest.mark.rfc("9449", "10.1")
def test_n_119_a_pushed_request_names_the_key_that_it_proves(world):
    assert pushed(world, KEY.proof("/par"), dpop_jkt=KEY.jkt).status_code == 201
    assert refused(pushed(world, KEY.proof("/par"), dpop_jkt=OTHER.jkt)) == (400, "invalid_dpop_proof")
    assert refused(pushed(world, KEY.proof("/token"))) == (400, "invalid_dpop_proof")
