"""Client certificates (RFC 8705): who a client is, and what its tokens are bound to."""

from __future__ import annotations

import json
from base64 import b64encode, urlsafe_b64encode
from datetime import timedelta
from hashlib import sha256

import pytest
from certificates import Authority, as_nginx, as_rfc_9440, der_of
from cryptography.hazmat.primitives.serialization import Encoding
from jwt.algorithms import ECAlgorithm
from openid_world import AT, FORM, ISSUER, World, claims_of, refused

from b2b_idp.guests.apps import graph_service_principal
from b2b_idp.model.problem import Code, Problem
from b2b_idp.settings import Settings

CA, STRANGER = Authority(), Authority()
CERTIFICATE = CA.issue()
HEADER = "X-SSL-Client-Cert"
FOR_ITSELF = {"grant_type": "client_credentials", "scope": f"{ISSUER}/.default"}
MTLS = "https://mtls.contoso.example/idp"


def thumbprint(certificate):
    return urlsafe_b64encode(sha256(der_of(certificate)).digest()).decode().rstrip("=")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    file = tmp_path_factory.mktemp("ca") / "ca.pem"
    file.write_bytes(CA.certificate.public_bytes(Encoding.PEM))
    settings = {"client_certificate_header": HEADER, "client_certificate_authorities": str(file)}
    made = World(trusted_proxies=1, mtls_url=MTLS, **settings)
    made.change(lambda w: graph_service_principal(w, made.moment()))
    yield made
    made.store.close()


def client(world, **b2b):
    row, _ = world.app("Machine", b2b=b2b)
    return row


def asked(world, row, certificate, as_sent=as_nginx, header=HEADER, **form):
    headers = {header: as_sent(certificate)} if certificate else {}
    return world.http.post(
        "/idp/token", data=(FOR_ITSELF | {"client_id": row.app_id} | form), content_type=FORM, headers=headers
    )


@pytest.mark.rfc("8705", "2.1")
@pytest.mark.parametrize(
    "registered",
    [
        {"subjectDn": "CN=app,O=Contoso"},
        {"sanDns": "App.Example"},
        {"sanUri": "urn:app:1"},
        {"sanIp": "192.0.2.7"},
        {"sanEmail": "app@app.example"},
    ],
    ids=lambda r: next(iter(r)),
)
@pytest.mark.parametrize("as_sent", [as_nginx, as_rfc_9440], ids=["nginx", "RFC 9440"])
def test_a_certificate_of_an_authority_authenticates_the_app_that_it_names(world, registered, as_sent):
    given = asked(world, client(world, tlsClientAuth=registered), CERTIFICATE, as_sent)
    assert given.status_code == 200, given.text
    assert claims_of(given.json["access_token"])["azpacr"] == "2"


@pytest.mark.rfc("8705", "2.1")
@pytest.mark.parametrize(
    "certificate",
    [
        None,
        STRANGER.issue(),
        STRANGER.certificate,
        CA.issue("CN=app,O=Other"),
        CA.issue("O=Contoso,CN=app"),
        CA.issue(end=AT - timedelta(seconds=1)),
        CA.issue(start=AT + timedelta(seconds=1)),
    ],
    ids=["none", "another authority", "its own authority", "another name", "another order", "over", "not yet"],
)
def test_n_117_no_other_certificate_does(world, certificate):
    row = client(world, tlsClientAuth={"subjectDn": "CN=app,O=Contoso"})
    assert refused(asked(world, row, certificate)) == (401, "invalid_client")


def self_signed(certificate):
    public = certificate.public_key()
    return json.loads(ECAlgorithm.to_jwk(public)) | {"x5c": [b64encode(der_of(certificate)).decode()]}


@pytest.mark.rfc("8705", "2.2")
def test_a_registered_certificate_authenticates_by_itself(world):
    mine = STRANGER.issue()
    row = client(world, tlsClientAuth={"selfSigned": True}, jwks={"keys": [self_signed(mine)]})
    assert asked(world, row, mine).status_code == 200
    assert refused(asked(world, row, CERTIFICATE)) == (401, "invalid_client")


@pytest.mark.rfc("9700", "4.13")
def test_n_157_a_certificate_in_another_header_counts_for_nothing(world):
    row = client(world, tlsClientAuth={"sanDns": "app.example"})
    assert refused(asked(world, row, CERTIFICATE, header="Client-Cert")) == (401, "invalid_client")


def test_n_157_where_no_front_is_trusted_no_header_is_read(unchanged):
    unchanged.change(lambda w: graph_service_principal(w, unchanged.moment()))
    row = client(unchanged, tlsClientAuth={"sanDns": "app.example"})
    assert refused(asked(unchanged, row, CERTIFICATE)) == (401, "invalid_client")
    with pytest.raises(Problem) as refusal:
        Settings.load(issuer=ISSUER, client_certificate_header=HEADER)
    assert refusal.value.code is Code.BAD_SETTING


@pytest.mark.parametrize("text", ["x", ":x:", "-----BEGIN%20CERTIFICATE-----", "%00", "y" * 20_000])
def test_a_certificate_that_cannot_be_read_is_an_invalid_request(world, text):
    row = client(world, tlsClientAuth={"sanDns": "app.example"})
    assert refused(asked(world, row, text, as_sent=str)) == (400, "invalid_request")


@pytest.mark.parametrize(
    "registered", [{}, {"sanDns": "a", "sanUri": "b"}, {"subjectDn": "nonsense"}, {"sanIp": "x"}, {"other": "x"}]
)
def test_what_an_app_registers_is_checked(world, registered):
    body = {"displayName": "X", "b2bIdp": {"tlsClientAuth": registered}}
    assert world.call("POST", "/applications", body).status_code == 400


# --- bound tokens ----------------------------------------------------------------------------------------------------


@pytest.fixture
def bound(world):
    """A token for Graph, bound to the certificate."""
    row = client(world, tlsClientAuth={"sanDns": "app.example"}, tlsClientCertificateBoundAccessTokens=True)
    return asked(world, row, CERTIFICATE).json


@pytest.mark.rfc("8705", "3")
def test_the_token_is_bound_to_the_certificate(world, bound):
    assert claims_of(bound["access_token"])["cnf"] == {"x5t#S256": thumbprint(CERTIFICATE)}
    assert bound["token_type"] == "Bearer"


@pytest.mark.rfc("8705", "3")
@pytest.mark.parametrize(("certificate", "status"), [(CERTIFICATE, 403), (CA.issue(), 401), (None, 401)])
def test_graph_takes_it_over_a_connection_with_that_certificate_alone(world, bound, certificate, status):
    headers = {"Authorization": f"Bearer {bound['access_token']}"}
    headers |= {HEADER: as_nginx(certificate)} if certificate else {}
    # 403: the app has no permission, which is asked after who it is
    assert world.http.get("/idp/v1.0/users", headers=headers).status_code == status


@pytest.mark.rfc("8705", "3")
@pytest.mark.parametrize(("certificate", "status"), [(CERTIFICATE, 200), (CA.issue(), 401), (None, 401)])
def test_userinfo_takes_it_over_a_connection_with_that_certificate_alone(world, certificate, status):
    world.configure(world.crm, "application", b2bIdp={"tlsClientCertificateBoundAccessTokens": True})
    code = world.code()
    given = world.exchange(code, headers=None, client_id=world.crm.app_id, client_secret=world.secret)
    assert refused(given) == (400, "invalid_request")
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": "https://app.example/callback"}
    form |= {"code_verifier": "v" * 43, "client_id": world.crm.app_id, "client_secret": world.secret}
    answer = world.http.post("/idp/token", data=form, headers={HEADER: as_nginx(CERTIFICATE)})
    headers = {"Authorization": f"Bearer {answer.json['access_token']}"}
    headers |= {HEADER: as_nginx(certificate)} if certificate else {}
    assert world.http.get("/idp/userinfo", headers=headers).status_code == status


@pytest.mark.rfc("8705", "5")
def test_the_metadata_say_so_where_certificates_arrive_and_nowhere_else(world, unchanged):
    here, there = (w.http.get("/idp/.well-known/openid-configuration").json for w in (world, unchanged))
    assert here["tls_client_certificate_bound_access_tokens"] is True
    assert here["mtls_endpoint_aliases"]["token_endpoint"] == f"{MTLS}/token"
    ways = {"tls_client_auth", "self_signed_tls_client_auth"}
    assert ways <= set(here["token_endpoint_auth_methods_supported"])
    assert "mtls_endpoint_aliases" not in there and "tls_client_certificate_bound_access_tokens" not in there
    assert not ways & set(there["token_endpoint_auth_methods_supported"])
