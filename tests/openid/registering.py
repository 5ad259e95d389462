"""An app that registers itself, in a world where addresses of the test's own machine may be visited, over TLS."""

from __future__ import annotations

import json
import ssl
import threading
import uuid
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from b2b_idp.guests.registration_tokens import make_token
from b2b_idp.net.addresses import Allowed
from b2b_idp.net.http import Http
from b2b_idp.openid.assertion import ASSERTION_TYPE
from tests.openid.openid_world import CALLBACK, ISSUER, World

REGISTER = "/idp/register"


class RegisteringWorld(World):
    """`documents` serves what apps keep at addresses of theirs."""

    def __init__(self, documents):
        self.documents = documents
        super().__init__()

    def _open(self, kept):
        super()._open(kept)
        self.idp.client_http = Http(Allowed.parse(["127.0.0.1"]))

    def initial_token(self, **more):
        """(the token, its text)."""
        given = {"display_name": "Partners", "by": None, "uses": 100} | more
        return self.change(lambda w: make_token(w, self.vault, self.moment(), **given))

    def register(self, token=None, without=(), **metadata):
        """The answer of the registration endpoint."""
        text = token or self.initial_token()[1]
        said = {"redirect_uris": [CALLBACK], "client_name": "Orders"} | metadata
        body = {k: v for k, v in said.items() if k not in without}
        return self.http.post(REGISTER, json=body, headers={"Authorization": f"Bearer {text}"})

    def registered(self, **metadata):
        answer = self.register(**metadata)
        assert answer.status_code == 201, answer.text
        return answer.json

    def manage(self, app, method="GET", body=None, token=None):
        """The answer of the client configuration endpoint of `app`, a client information response."""
        headers = {"Authorization": f"Bearer {token or app['registration_access_token']}"}
        path = app["registration_client_uri"].removeprefix("http://localhost")
        return self.http.open(path, method=method, json=body, headers=headers)

    def row(self, app):
        return self.ask(lambda r: r.apps.row(app["client_id"]))


class Key:
    """A client's key, as `kid`."""

    def __init__(self, kid):
        self.kid, self.private = kid, ec.generate_private_key(ec.SECP256R1())

    @property
    def public(self):
        return jwt.get_algorithm_by_name("ES256").to_jwk(self.private.public_key(), as_dict=True) | {"kid": self.kid}

    def assertion(self, client_id, at):
        now = int(at.timestamp())
        said = {
            "iss": client_id,
            "sub": client_id,
            "aud": ISSUER,
            "iat": now,
            "exp": now + 60,
            "jti": str(uuid.uuid4()),
        }
        signed = jwt.encode(said, self.private, "ES256", headers={"kid": self.kid})
        return {"client_assertion_type": ASSERTION_TYPE, "client_assertion": signed}


class Documents:
    """What is served at `{url}/{name}`; `asked` are the names asked for, one by one."""

    def __init__(self, url):
        self.url = url
        self.served = {}
        self.asked = []

    def serve(self, name, document, status=200):
        """The address of the document."""
        self.served[name] = (status, json.dumps(document).encode())
        return f"{self.url}/{name}"


@contextmanager
def documents_over_tls(folder, monkeypatch):
    """Documents at https://127.0.0.1, whose certificate is trusted by who connects from now on."""
    key, certificate = _self_signed()
    pem = folder / "tls.pem"
    pem.write_bytes(
        certificate.public_bytes(Encoding.PEM) + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(pem)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            name = self.path.lstrip("/")
            documents.asked.append(name)
            status, body = documents.served.get(name, (404, b"{}"))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = tls.wrap_socket(server.socket, server_side=True)
    documents = Documents(f"https://127.0.0.1:{server.server_port}")
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield documents
    finally:
        server.shutdown()
        server.server_close()


def _self_signed():
    key = ec.generate_private_key(ec.SECP256R1())
    name, now = x509.Name.from_rfc4514_string("CN=documents"), datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return key, certificate
