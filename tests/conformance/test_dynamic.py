"""OpenID Connect Dynamic OP: clients that register themselves."""

from __future__ import annotations

import json
import uuid
from datetime import timedelta

import jwt
import pytest

from b2b_idp.keys.ring import KeyRing
from tests.conformance import conformance, rfc
from tests.openid.openid_world import CALLBACK, ISSUER, answered, claims_of, moment, page_error, refused
from tests.openid.registering import Key, RegisteringWorld, documents_over_tls

OTHER = "https://other.example/callback"


@pytest.fixture(scope="module")
def op(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    with pytest.MonkeyPatch.context() as monkeypatch, documents_over_tls(folder, monkeypatch) as documents:
        made = RegisteringWorld(documents)
        yield made
        made.store.close()


def signed_in(op, app, **given):
    """The tokens of a guest at this app."""
    row = op.row(app)
    answer = op.exchange(op.code(row, **given), row, app["client_secret"])
    assert answer.status_code == 200, answer.text
    return answer.json


@conformance("oidcc-idtoken-rs256")
@pytest.mark.parametrize("said", [{}, {"id_token_signed_response_alg": "RS256"}], ids=str)
def test_an_id_token_is_signed_by_rs256_where_it_is_registered_or_nothing_is(op, said):
    id_token = signed_in(op, op.registered(**said))["id_token"]
    assert jwt.get_unverified_header(id_token)["alg"] == "RS256"
    assert claims_of(id_token)["iss"] == ISSUER


@conformance("oidcc-idtoken-unsigned")
def test_an_unsigned_id_token_is_refused_by_name(op):
    answer = op.register(id_token_signed_response_alg="none")
    assert refused(answer) == (400, "invalid_client_metadata")
    assert "id_token_signed_response_alg" in answer.json["error_description"]
    assert (
        "none" not in op.http.get("/idp/.well-known/openid-configuration").json["id_token_signing_alg_values_supported"]
    )


@conformance("oidcc-userinfo-rs256")
@rfc("OIDC Core", "5.3.2")
def test_userinfo_is_signed_for_whom_registered_it(op):
    app = op.registered(userinfo_signed_response_alg="RS256")
    answer = op.userinfo(signed_in(op, app)["access_token"])
    assert answer.mimetype == "application/jwt"
    claims = claims_of(answer.text)
    assert jwt.get_unverified_header(answer.text)["alg"] == "RS256"
    assert (claims["iss"], claims["aud"], claims["name"]) == (ISSUER, app["client_id"], "Ada")


@conformance("oidcc-redirect-uri-query-OK")
def test_a_redirect_uri_with_a_query_keeps_it(op):
    uri = CALLBACK + "?foo=bar"
    told = answered(op.authorize(op.row(op.registered(redirect_uris=[uri])), redirect_uri=uri))
    assert (told["foo"], told["state"]) == ("bar", "st") and told["code"]


@conformance("oidcc-redirect-uri-query-added")
@conformance("oidcc-redirect-uri-query-mismatch")
@pytest.mark.parametrize(
    ("registered", "sent"), [(CALLBACK, CALLBACK + "?foo=bar"), (CALLBACK + "?foo=bar", CALLBACK + "?foo=baz")]
)
def test_another_query_is_another_address(op, registered, sent):
    answer = op.authorize(op.row(op.registered(redirect_uris=[registered])), redirect_uri=sent)
    assert page_error(answer) == "unregistered_redirect_uri"


@conformance("oidcc-redirect-uri-regfrag")
def test_a_redirect_uri_with_a_fragment_is_not_registered(op):
    assert refused(op.register(redirect_uris=[CALLBACK + "#foobar"])) == (400, "invalid_redirect_uri")


@conformance("oidcc-registration-logo-uri")
@conformance("oidcc-registration-policy-uri")
@conformance("oidcc-registration-tos-uri")
@pytest.mark.parametrize("member", ["logo_uri", "policy_uri", "tos_uri"])
def test_an_address_for_people_is_registered_and_the_guest_signs_in(op, member):
    app = op.registered(**{member: "https://app.example/about"})
    assert app[member] == "https://app.example/about"
    assert signed_in(op, app)["id_token"]


@conformance("oidcc-registration-sector-uri")
def test_a_sector_that_names_the_redirect_uris_is_registered(op):
    uri = op.documents.serve("sector", [CALLBACK, OTHER])
    app = op.registered(sector_identifier_uri=uri, redirect_uris=[CALLBACK, OTHER])
    assert (app["sector_identifier_uri"], app["subject_type"]) == (uri, "pairwise")
    assert claims_of(signed_in(op, app)["id_token"])["sub"]


@conformance("oidcc-registration-sector-bad")
def test_a_sector_that_does_not_name_them_is_refused(op):
    uri = op.documents.serve("bad", [OTHER])
    assert refused(op.register(sector_identifier_uri=uri)) == (400, "invalid_client_metadata")


def keyed(op, key):
    """(an app that authenticates by the key at its jwks_uri, the document's name)."""
    name = f"jwks-{uuid.uuid4()}"
    uri = op.documents.serve(name, {"keys": [key.public]})
    grants = ["authorization_code", "refresh_token"]
    return op.registered(token_endpoint_auth_method="private_key_jwt", jwks_uri=uri, grant_types=grants), name


def refreshed(op, app, key, tokens):
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    return op.token(**form, **key.assertion(app["client_id"], op.at))


@conformance("oidcc-registration-jwks-uri")
@conformance("oidcc-refresh-token-rp-key-rotation")
@rfc("OIDC Registration", "2")
def test_keys_at_an_address_authenticate_and_those_that_follow_them_too(op):
    key, after = Key("one"), Key("two")
    app, name = keyed(op, key)
    code = op.code(op.row(app))
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": "v" * 43}
    tokens = op.token(**form, **key.assertion(app["client_id"], op.at)).json
    op.documents.serve(name, {"keys": [after.public]})
    answer = refreshed(op, app, after, tokens)
    assert answer.status_code == 200, answer.text
    assert refused(refreshed(op, app, key, answer.json)) == (401, "invalid_client")


@conformance("oidcc-server-rotate-keys")
def test_our_keys_are_replaced_without_a_gap(op):
    ring = KeyRing.in_memory(moment(op.at - timedelta(days=1)))
    before = {k["kid"] for k in json.loads(ring.jwks())["keys"]}
    ring.rotate(moment(op.at))
    during = {k["kid"] for k in json.loads(ring.jwks())["keys"]}
    assert before < during
    later = op.at + timedelta(hours=1)
    signed = {alg: ring.signer(alg, later).sign({"sub": "x"}, "JWT") for alg in ("RS256", "ES256")}
    assert {jwt.get_unverified_header(t)["kid"] for t in signed.values()} <= during - before
