"""Applications' own signing keys: RSA keys in self-signed or given certificates (Graph keyCredentials)."""

from __future__ import annotations

import json
import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from hashlib import sha1, sha256
from typing import Any

import jwt
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
    pkcs12,
)
from cryptography.x509.oid import NameOID
from jwt.algorithms import RSAAlgorithm

from b2b_idp.keys.ring import LONGEST_TOKEN, Alg, Signer, claims_of, thumbprint
from b2b_idp.model.directory import AppKey
from b2b_idp.model.problem import Code, Problem

ALG: Alg = "RS256"
"""What an application's own key signs by: Graph makes RSA keys only."""
_SMALLEST, _LARGEST = 2048, 4096


@dataclass(frozen=True, slots=True)
class Certified:
    """A key pair in its certificate: DER of both, the private key as PKCS #8."""

    certificate: bytes
    private: bytes


def self_signed(common_name: str, starts_at: datetime, ends_at: datetime) -> Certified:
    """A new RSA key of 2048 bits in a certificate of its own."""
    private = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(starts_at)
        .not_valid_after(ends_at)
        .sign(private, SHA256())
    )
    return Certified(certificate.public_bytes(Encoding.DER), _pkcs8(private))


def from_pfx(content: bytes, password: str) -> Certified:
    """The key and certificate of a PKCS #12 file. Raises Problem(BAD_REQUEST)."""
    try:
        private, certificate, _ = pkcs12.load_key_and_certificates(content, password.encode())
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise _bad("a private key cannot be read: send PKCS #12 in base64, and its password as secretText.") from None
    if not isinstance(private, rsa.RSAPrivateKey) or certificate is None:
        raise _bad("the PKCS #12 file holds one RSA key and its certificate.")
    if not _SMALLEST <= private.key_size <= _LARGEST:
        raise _bad(f"an RSA key has {_SMALLEST} to {_LARGEST} bits.")
    if certificate.public_key() != private.public_key():
        raise _bad("key and certificate of the PKCS #12 file do not belong together.")
    return Certified(certificate.public_bytes(Encoding.DER), _pkcs8(private))


def _pkcs8(private: rsa.RSAPrivateKey) -> bytes:
    return private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def valid_between(certificate: bytes) -> tuple[datetime, datetime]:
    """From when to when a certificate is valid, aware, UTC."""
    read = x509.load_der_x509_certificate(certificate)
    return read.not_valid_before_utc, read.not_valid_after_utc


def sha1_of(certificate: bytes) -> str:
    """A certificate's thumbprint as Graph writes it: SHA-1 in upper-case hex. It names, it proves nothing."""
    return sha1(certificate, usedforsecurity=False).hexdigest().upper()


@lru_cache(maxsize=256)
def _public(certificate: bytes) -> tuple[rsa.RSAPublicKey, str]:
    key = x509.load_der_x509_certificate(certificate).public_key()
    assert isinstance(key, rsa.RSAPublicKey)  # nothing else is kept
    return key, thumbprint(json.loads(RSAAlgorithm.to_jwk(key)))


def kid_of(certificate: bytes) -> str:
    """The RFC 7638 thumbprint of a certificate's key."""
    return _public(certificate)[1]


def jwk_of(certificate: bytes) -> dict[str, Any]:
    """The public key as it is published, with its certificate (RFC 7517 §4.7)."""
    key, kid = _public(certificate)
    jwk: dict[str, Any] = json.loads(RSAAlgorithm.to_jwk(key))
    jwk.pop("key_ops", None)
    digest = urlsafe_b64encode(sha256(certificate).digest()).decode().rstrip("=")
    chain = [b64encode(certificate).decode()]
    return jwk | {"kid": kid, "use": "sig", "alg": ALG, "x5c": chain, "x5t#S256": digest}


@lru_cache(maxsize=64)
def signer_of(private: bytes, kid: str) -> Signer:
    """The signer of a private key (PKCS #8 in DER)."""
    # we made or checked it when it was given to us; the check would cost as much as many signatures
    key = load_der_private_key(private, None, unsafe_skip_rsa_key_validation=True)
    assert isinstance(key, rsa.RSAPrivateKey)
    return Signer(kid, ALG, key)


def verify(certificate: bytes, token: str, typ: str, at: datetime, *, expired_too: bool = False) -> dict[str, Any]:
    """As `KeyRing.verify`, for a token that an application's own key signed."""
    return claims_of(token, _public(certificate)[0], ALG, typ, at, expired_too=expired_too)


def kid_in(token: str) -> str:
    """The kid that a token's header names; empty for what is no JWT, or names none of the form that ours have."""
    try:
        kid = jwt.get_unverified_header(token).get("kid")
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
        return ""
    return kid if isinstance(kid, str) and _KID.fullmatch(kid) else ""


_KID = re.compile(r"[A-Za-z0-9_-]{43}")
"""An RFC 7638 thumbprint by SHA-256."""


def _bad(say: str) -> Problem:
    return Problem(Code.BAD_REQUEST, f"keyCredentials: {say}")


# --- which of them ---


def signing_now(keys: Sequence[AppKey], preferred: str | None, at: datetime) -> AppKey | None:
    """Of an application's keys, in the order in which they begin to sign, the one that signs."""
    ready = [k for k in keys if k.signs_from <= at < k.ends_at]
    return next((k for k in ready if k.thumbprint == preferred), ready[-1] if ready else None)


def published(keys: Sequence[AppKey], at: datetime) -> list[AppKey]:
    """The keys that clients see: those to come, those that sign, and those whose tokens may still be alive."""
    return [k for k in keys if at < k.ends_at + LONGEST_TOKEN]
