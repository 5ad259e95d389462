"""Keys that must not sign, as a home may publish them."""

from __future__ import annotations

import hashlib

from cryptography.hazmat.primitives.asymmetric import rsa

from tests.homes.vectors.signatures import sha256_name
from tests.homes.vectors.table import OUT, b64, jwk, number


def rsa_keys(t):
    weak, home = rsa.generate_private_key(65537, 1024), t.keys.rsa
    t.add("weak key", "RSA of 1024 bits", t.token(key=weak), keys=[jwk(weak, "rsa")])
    n = home.public_key().public_numbers().n
    block_of = lambda signed: b"\0\1" + b"\xff" * 202 + b"\0" + sha256_name() + hashlib.sha256(signed).digest()  # noqa: E731
    t.add("weak key", "exponent 1", t.signed(block_of), keys=[jwk(home, "rsa", e="AQ")])
    for says, members in {
        "exponent 0": {"e": "AA"},
        "exponent 2": {"e": "Ag"},
        "an even exponent": {"e": number(65538)},
        "a huge exponent": {"e": number(2**64 + 13)},
        "an exponent as long as the modulus": {"e": number(n - 2)},
        "no exponent": {"e": OUT},
        "an exponent that is a number": {"e": 65537},
        "modulus 0": {"n": "AA"},
        "an even modulus": {"n": number(n - 1)},
        "a modulus of 16,384 bits": {"n": number(n**8)},
        "a modulus that is no base64url": {"n": "!!"},
        "the private half beside it": private_half(home),
        "for encryption": {"use": "enc"},
        "for wrapping": {"key_ops": ["wrapKey"]},
        "operations that are no list": {"key_ops": "verify"},
        "for another algorithm": {"alg": "RS512"},
        "for an algorithm of another family": {"alg": "ES256"},
        "for encryption by its algorithm": {"alg": "RSA-OAEP"},
        "kty in small letters": {"kty": "rsa"},
        "another kty": {"kty": "EC"},
        "no kty": {"kty": OUT},
        "kty in a list": {"kty": ["RSA"]},
        "alg in a list": {"alg": ["RS256"]},
        "kid in a list": {"kid": ["rsa"]},
    }.items():
        t.add("key", f"RSA: {says}", t.token(), keys=[jwk(home, "rsa", **members), t.sets["home"][1]])


def private_half(key):
    numbers = key.private_numbers()
    names = {"d": numbers.d, "p": numbers.p, "q": numbers.q, "dp": numbers.dmp1, "dq": numbers.dmq1, "qi": numbers.iqmp}
    return {name: number(value) for name, value in names.items()}


def other_keys(t):
    key = t.keys.ec["ES256"]
    point, size = key.public_key().public_numbers(), 32
    other = t.keys.ec["ES384"].public_key().public_numbers()
    for says, members in {
        "a point beside the curve": {"y": number(point.y ^ 1, size)},
        "the point at infinity": {"x": b64(bytes(32)), "y": b64(bytes(32))},
        "coordinates beyond the field": {"x": b64(b"\xff" * 32), "y": b64(b"\xff" * 32)},
        "coordinates of another curve": {"x": number(other.x, 48), "y": number(other.y, 48)},
        "another curve's name": {"crv": "P-384"},
        "an unknown curve": {"crv": "P-192"},
        "secp256k1": {"crv": "secp256k1"},
        "a curve in small letters": {"crv": "p-256"},
        "no y": {"y": OUT},
        "the private half beside it": {"d": number(key.private_numbers().private_value, size)},
        "for encryption": {"use": "enc"},
        "for key agreement": {"key_ops": ["deriveBits"]},
        "for another algorithm": {"alg": "ES384"},
    }.items():
        t.add("key", f"EC: {says}", t.token(alg="ES256"), keys=[jwk(key, "ES256", **members), t.sets["home"][0]])
    for says, members in {
        "of 31 bytes": {"x": b64(t.keys.ed.public_key().public_bytes_raw()[:31])},
        "Ed448": {"crv": "Ed448"},
        "X25519": {"crv": "X25519"},
        "the private half beside it": {"d": b64(t.keys.ed.private_bytes_raw())},
    }.items():
        t.add("key", f"OKP: {says}", t.token(alg="EdDSA"), keys=[jwk(t.keys.ed, "EdDSA", **members), t.sets["home"][0]])
