"""Client certificates, and how a TLS front hands them on."""

from __future__ import annotations

import ipaddress
from base64 import b64encode
from datetime import timedelta
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from openid_world import AT

NAMES = [
    x509.DNSName("app.example"),
    x509.UniformResourceIdentifier("urn:app:1"),
    x509.RFC822Name("app@app.example"),
    x509.IPAddress(ipaddress.ip_address("192.0.2.7")),
]


class Authority:
    def __init__(self, name="Contoso CA"):
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name.from_rfc4514_string(f"CN={name}")
        public = self.key.public_key()
        self.certificate = (
            _builder(self.name, self.name, public, AT - timedelta(days=30), AT + timedelta(days=300))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .sign(self.key, hashes.SHA256())
        )

    def issue(self, subject="CN=app,O=Contoso", start=AT - timedelta(days=1), end=AT + timedelta(days=30)):
        key = ec.generate_private_key(ec.SECP256R1())
        return (
            _builder(x509.Name.from_rfc4514_string(subject), self.name, key.public_key(), start, end)
            .add_extension(x509.SubjectAlternativeName(NAMES), critical=False)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
            .sign(self.key, hashes.SHA256())
        )


def _usage(*, signs_certificates):
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _builder(subject, issuer, public, start, end):
    made = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(public)
    return made.serial_number(x509.random_serial_number()).not_valid_before(start).not_valid_after(end)


def der_of(certificate):
    return certificate.public_bytes(Encoding.DER)


def as_nginx(certificate):
    return quote(certificate.public_bytes(Encoding.PEM).decode(), safe="")


def as_rfc_9440(certificate):
    return f":{b64encode(der_of(certificate)).decode()}:"
