"""docs/how-to/tls-front.md, followed with nginx: what passes it, what does not, and who is believed."""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest
import urllib3

from b2b_idp.extension import B2BIdp
from b2b_idp.testing.loopback import Loopback
from b2b_idp.testing.wsgi import QuickFlask
from tests.conformance import rfc
from tests.real.tls_front import Front, signed, tls_front

BATCH = {"displayName": "Batch", "b2bIdp": {"tlsClientAuth": {"subjectDn": "CN=batch"}}}


@dataclass
class Site:
    """The front and the provider behind it, set up as the page has it."""

    front: Front
    http: urllib3.PoolManager
    admin: dict[str, str]

    def asks(self, method: str, url: str, http: urllib3.PoolManager | None = None, **more):
        """Status and JSON (or None)."""
        answer = (http or self.http).request(method, url, **more)
        is_json = "json" in answer.headers.get("Content-Type", "")
        return answer.status, json.loads(answer.data) if is_json else None

    def posts(self, url: str, form: dict[str, str], http: urllib3.PoolManager | None = None, **headers: str):
        headers |= {"Content-Type": "application/x-www-form-urlencoded"}
        return self.asks("POST", url, http, body=urlencode(form), headers=headers)

    def graph(self, method: str, path: str, body=None, **headers):
        form = self.admin | {"grant_type": "client_credentials", "scope": f"{self.front.issuer}/.default"}
        _, told = self.posts(f"{self.front.issuer}/token", form)
        headers |= {"Authorization": f"Bearer {told['access_token']}"}
        return self.asks(method, f"{self.front.issuer}/v1.0{path}", json=body, headers=headers)[1]

    def metadata(self, **headers):
        return self.asks("GET", f"{self.front.issuer}/.well-known/openid-configuration", headers=headers)[1]


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("front")
    flask = QuickFlask("behind_the_front", static_folder=None)
    server = Loopback(flask)
    with tls_front(folder, server.port) as front:
        idp = B2BIdp(
            flask,
            issuer=front.issuer,
            database_url=f"sqlite:///{folder / 'idp.sqlite3'}",
            keys_dir=str(folder / "keys"),
            client_certificate_authorities=str(front.authority),
            **front.settings,
        )
        made = idp.create("Contoso", "contoso.example")
        server.start()
        trusting = urllib3.PoolManager(retries=False, ca_certs=str(front.authority))
        yield Site(front, trusting, {"client_id": made.client_id, "client_secret": made.client_secret})
        server.release()
        idp.store.close()


@pytest.fixture(scope="module")
def batch(site: Site, tmp_path_factory) -> tuple[Path, dict[str, str]]:
    """An app with a certificate: a file of this and its key, and the form that asks for a token."""
    file = tmp_path_factory.mktemp("batch") / "batch.pem"
    file.write_bytes(b"".join(signed("batch")))
    client_id = site.graph("POST", "/applications", BATCH)["appId"]
    site.graph("POST", "/servicePrincipals", {"appId": client_id})
    form = {"grant_type": "client_credentials", "client_id": client_id, "scope": f"{site.front.issuer}/.default"}
    return file, form


def agreed(site: Site, version: ssl.TLSVersion, ciphers: str | None = None) -> tuple[str, str]:
    """The protocol and cipher that a client of this version and these ciphers comes to with the front."""
    context = ssl.create_default_context(cafile=str(site.front.authority))
    context.minimum_version = context.maximum_version = version
    if ciphers:
        context.set_ciphers(ciphers)
    plain = socket.create_connection(("127.0.0.1", site.front.port))
    with plain, context.wrap_socket(plain, server_hostname="127.0.0.1") as tls:
        cipher = tls.cipher()
        assert cipher
        return tls.version() or "", cipher[0]


@pytest.mark.parametrize("cipher", ["ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-GCM-SHA384"])
def test_tls_1_2_has_the_ciphers_that_fapi_allows(site, cipher):
    assert agreed(site, ssl.TLSVersion.TLSv1_2, cipher) == ("TLSv1.2", cipher)


@pytest.mark.parametrize("cipher", ["ECDHE-RSA-CHACHA20-POLY1305", "ECDHE-RSA-AES128-SHA256", "AES128-GCM-SHA256"])
def test_tls_1_2_has_no_other(site, cipher):
    with pytest.raises(ssl.SSLError, match="handshake failure"):
        agreed(site, ssl.TLSVersion.TLSv1_2, cipher)


def test_tls_1_3_is_spoken(site):
    assert agreed(site, ssl.TLSVersion.TLSv1_3)[0] == "TLSv1.3"


def test_every_address_is_made_from_the_issuer_whatever_the_request_calls_the_host(site):
    lies = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "http"}
    told = site.metadata(**lies | {"X-Forwarded-Port": "80", "Forwarded": "host=evil.example;proto=http"})
    assert told == site.metadata()
    addresses = [v for k, v in told.items() if k.endswith(("_endpoint", "_uri"))]
    assert [a for a in addresses if not a.startswith(f"{site.front.issuer}/")] == []
    assert (told["issuer"], len(addresses) > 5) == (site.front.issuer, True)


@rfc("8414", "3.1")
def test_metadata_lies_where_rfc_8414_looks_for_that_of_an_issuer_with_a_path(site):
    host, path = site.front.issuer.rsplit("/", 1)
    status, told = site.asks("GET", f"{host}/.well-known/oauth-authorization-server/{path}")
    assert (status, told) == (200, site.metadata())


@pytest.mark.parametrize("inside", ["metrics", "healthz", "readyz"])
def test_what_is_for_operators_stays_inside(site, inside):
    assert site.asks("GET", f"{site.front.issuer}/{inside}")[0] == 404
    assert site.asks("GET", f"http://127.0.0.1:{site.front.backend}/idp/{inside}")[0] == 200


@rfc("8705", "2.1")
def test_a_certificate_authenticates_at_the_address_that_the_metadata_names(site, batch):
    file, form = batch
    with_certificate = urllib3.PoolManager(
        retries=False, ca_certs=str(site.front.authority), cert_file=str(file), key_file=str(file)
    )
    url = site.metadata()["mtls_endpoint_aliases"]["token_endpoint"]
    status, told = site.posts(url, form, with_certificate)
    assert (status, "access_token" in told) == (200, True), told
    assert site.posts(url, form)[0] == 401, "without one"


@pytest.mark.parametrize("address", ["token_endpoint", "mtls_endpoint_aliases"])
def test_a_certificate_in_a_header_of_the_clients_own_is_not_believed(site, batch, address):
    file, form = batch
    told = site.metadata()[address]
    url = told if isinstance(told, str) else told["token_endpoint"]
    forged = {"X-SSL-Client-Cert": quote(file.read_text().partition("-----END PRIVATE KEY-----\n")[2])}
    assert site.posts(url, form, **forged)[0] == 401
    behind = f"http://127.0.0.1:{site.front.backend}/idp/token"
    beside_the_front = forged | {"X-Forwarded-For": "127.0.0.1"}
    assert site.posts(behind, form, **beside_the_front)[0] == 200, "what the front keeps out"
