"""Applications' own signing keys: RSA keys in self-signed or given certificates (Graph keyCredentials)."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from hashlib import sha1, sha256
from typing import Any

import jwt
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)
from cryptography.x509.oid import NameOID
from jwt.algorithms import RSAAlgorithm

from b2b_idp.keys import pfx_reader
from b2b_idp.keys.compact import encoded
from b2b_idp.keys.ring import LONGEST_TOKEN, Alg, Signer, claims_of
from b2b_idp.keys.thumbprint import thumbprint
from b2b_idp.model.directory import AppKey
from b2b_idp.model.problem import Code, Problem

ALG: Alg = "RS256"
"""What an application's own key signs by: Graph makes RSA keys only."""


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
    """The key and certificate of a PKCS #12 file. It says itself how often its password is hashed, which can take
    hours and lets no other thread run: it is opened in a process of its own, which is ended. Raises
    Problem(BAD_REQUEST)."""
    secret = password.encode("utf-8", "replace")
    program = [sys.executable, "-P", pfx_reader.__file__]
    found_by = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    given = len(secret).to_bytes(2) + secret + content
    try:
        done = subprocess.run(  # noqa: S603
            program, input=given, capture_output=True, timeout=_PATIENCE, env=found_by, check=False
        )
    except subprocess.TimeoutExpired:
        raise _bad(_REFUSALS["slow"]) from None
    private, _, certificate = done.stdout.decode(errors="replace").partition(" ")
    if not certificate:
        raise _bad(_REFUSALS.get(private, _REFUSALS["slow"]))
    return Certified(b64decode(certificate), b64decode(private))


_PATIENCE = 3 * pfx_reader.SECONDS
_REFUSALS = {
    "unreadable": "a private key cannot be read: send PKCS #12 in base64, and its password as secretText.",
    "incomplete": "the PKCS #12 file holds one RSA key and its certificate.",
    "size": f"an RSA key has {pfx_reader.SMALLEST} to {pfx_reader.LARGEST} bits.",
    "unfit": "key and certificate of the PKCS #12 file do not belong together.",
    "slow": "the PKCS #12 file takes too long to open: export it with fewer iterations, as OpenSSL does by itself.",
}


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
    digest = encoded(sha256(certificate).digest())
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
