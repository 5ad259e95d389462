"""The manual's TLS front: nginx as docs/how-to/tls-front.md has it, with certificates of an authority of its own."""

from __future__ import annotations

import ipaddress
import os
import shlex
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.docs.following import PORTS, followed
from tests.docs.pages import ROOT, blocks
from tests.ports import free_port
from tests.real.nodes import missing

PAGE = ROOT / "docs" / "how-to" / "tls-front.md"


@dataclass(frozen=True)
class Front:
    """Where the page is followed: in `folder`, with `port` for its 443, `mtls_port` for its 8443 and `backend` for the
    server's 8000."""

    folder: Path
    port: int
    mtls_port: int
    backend: int

    @property
    def settings(self) -> Mapping[str, Any]:
        """Those of the server that the page exports."""
        (export,) = (b.text for b in blocks(PAGE) if b.text.startswith("export "))
        for documented, ours in self.replaced.items():
            export = export.replace(documented, ours)
        exported = (word.partition("=") for word in shlex.split(export) if "=" in word)
        named = {name.removeprefix("B2B_IDP_").lower(): value for name, _, value in exported}
        return named | {"trusted_proxies": int(named["trusted_proxies"])}

    @property
    def issuer(self) -> str:
        return f"https://127.0.0.1:{self.port}/idp"

    @property
    def authority(self) -> Path:
        """The certificate of who signed the front's, as PEM."""
        return self.folder / "authority.pem"

    @property
    def replaced(self) -> Mapping[str, str]:
        """What is put for what the page has."""
        return {
            "https://idp.example.org:8443/idp": f"https://127.0.0.1:{self.mtls_port}/idp",
            "listen 443 ": f"listen 127.0.0.1:{self.port} ",
            "listen 8443 ": f"listen 127.0.0.1:{self.mtls_port} ",
            "127.0.0.1:443": f"127.0.0.1:{self.port}",
        }

    @property
    def env(self) -> Mapping[str, str]:
        """By what each client's runtime learns of the authority: Go and Python, requests, curl, node. And the way to
        nginx."""
        names = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
        return dict.fromkeys(names, str(self.authority)) | {"PATH": f"{os.environ['PATH']}:/usr/sbin"}


def planned_front(folder: Path, backend: int) -> Front:
    """A front whose certificates lie in `folder`, for the page to be followed there. Without nginx the test is skipped,
    with CI=true it fails."""
    if shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin") is None:
        missing("nginx is not installed: run `make test` on Debian")
    front = Front(folder, _port(), _port(), backend)
    front.authority.write_bytes(_pem(_authority()[1]))
    key, made = signed("127.0.0.1")
    (folder / "key.pem").write_bytes(key)
    (folder / "certificate.pem").write_bytes(made)
    return front


def _port() -> int:
    """A free one in which no number stands that is replaced in the pages."""
    return next(p for p in iter(free_port, 0) if not any(number in str(p) for number in ("443", *PORTS)))


@contextmanager
def tls_front(folder: Path, backend: int) -> Iterator[Front]:
    """Answers https with what http on `backend` says."""
    front = planned_front(folder, backend)
    with followed(PAGE, home="", folder=folder, replaced=front.replaced, env=front.env, ports={"8000": backend}):
        yield front


def signed(name: str) -> tuple[bytes, bytes]:
    """A new key and its certificate by the authority, for the common name `name` and for 127.0.0.1, as PEM."""
    authority, own = _authority()
    key = _new_key()
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    addresses = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        _for_a_day(subject, own.subject, key)
        .add_extension(addresses, False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key()), False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), False)
    )
    text = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return text, _pem(made.sign(authority, hashes.SHA256()))


@cache
def _authority() -> tuple[rsa.RSAPrivateKey, x509.Certificate]:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Authority of the tests")])
    key = _new_key()
    no = dict.fromkeys(("content_commitment", "key_encipherment", "data_encipherment", "key_agreement"), False)
    signs = x509.KeyUsage(False, **no, key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False)
    made = (
        _for_a_day(name, name, key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        .add_extension(signs, True)
    )
    return key, made.sign(key, hashes.SHA256())


def _for_a_day(subject: x509.Name, issuer: x509.Name, key: rsa.RSAPrivateKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder(issuer, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
    )


def _new_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
