"""What vectors are made with: a home's keys and strangers', right tokens, and whatever is changed in them."""

from __future__ import annotations

import hashlib
import json
from base64 import urlsafe_b64encode

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

NOW = 1_800_000_000
ISSUER, CLIENT, NONCE, SECRET = "https://login.fabrikam.example", "b2b", "n-0S6_WzA2Mj", "s3cr3t-of-b2b-at-this-home"
ACCESS_TOKEN = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y"
EVERY = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
CURVES = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}
SHA = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}
OUT = ...
"""Leaves a member out."""


def b64(data):
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value, length=None):
    return b64(value.to_bytes(length or (value.bit_length() + 7) // 8 or 1, "big"))


class Keys:
    """The home's key pairs, and strangers'."""

    def __init__(self):
        self.rsa, self.stranger = rsa.generate_private_key(65537, 2048), rsa.generate_private_key(65537, 2048)
        self.ec = {alg: ec.generate_private_key(curve) for alg, curve in CURVES.items()}
        self.ed = ed25519.Ed25519PrivateKey.generate()

    def of(self, alg):
        return self.ec.get(alg) or (self.ed if alg == "EdDSA" else self.rsa)

    def published(self):
        return [jwk(self.rsa, "rsa"), *(jwk(key, alg) for alg, key in self.ec.items()), jwk(self.ed, "EdDSA")]

    @staticmethod
    def kid(alg):
        return "rsa" if alg[0] in "RP" else alg


def jwk(key, kid, /, **more):
    public = key.public_key() if hasattr(key, "public_key") else key
    if isinstance(public, rsa.RSAPublicKey):
        n = public.public_numbers()
        members = {"kty": "RSA", "n": number(n.n), "e": number(n.e)}
    elif isinstance(public, ec.EllipticCurvePublicKey):
        n, size = public.public_numbers(), (public.curve.key_size + 7) // 8
        curve = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}[public.curve.name]
        members = {"kty": "EC", "crv": curve, "x": number(n.x, size), "y": number(n.y, size)}
    else:
        members = {"kty": "OKP", "crv": "Ed25519", "x": b64(public.public_bytes_raw())}
    return {k: v for k, v in (members | {"kid": kid, "use": "sig"} | more).items() if v is not OUT}


def signature(alg, key, signed):
    """By `key` as `alg` has it (RFC 7518 §3, RFC 8037 §3.1)."""
    if alg == "EdDSA":
        return key.sign(signed)
    digest = SHA[alg[2:]]
    if alg[0] == "R":
        return key.sign(signed, padding.PKCS1v15(), digest)
    if alg[0] == "P":
        return key.sign(signed, padding.PSS(padding.MGF1(digest), digest.digest_size), digest)
    return raw(key.sign(signed, ec.ECDSA(digest)), (key.curve.key_size + 7) // 8)


def raw(der, size=32):
    r, s = decode_dss_signature(der)
    return r.to_bytes(size, "big") + s.to_bytes(size, "big")


def at_hash(name):
    digest = hashlib.new(name, ACCESS_TOKEN.encode()).digest()
    return b64(digest[: len(digest) // 2])


def changed(members, **different):
    return {k: v for k, v in (members | different).items() if v is not OUT}


class Table:
    def __init__(self):
        self.keys = Keys()
        self.sets = {"home": self.keys.published()}
        self.vectors = []

    def add(self, about, says, token, valid=False, keys="home", algorithms=None):
        if isinstance(keys, list):
            name = f"{about}: {says}"
            self.sets[name], keys = keys, name
        vector = {"about": about, "says": says, "token": token, "valid": valid, "keys": keys}
        self.vectors.append(vector | ({"algorithms": algorithms} if algorithms else {}))

    def claims(self, **different):
        usual = {"iss": ISSUER, "sub": "ada-1", "aud": CLIENT, "nonce": NONCE, "iat": NOW - 5, "exp": NOW + 300}
        return changed(usual, **different)

    def header(self, of="RS256", /, **different):
        return changed({"alg": of, "kid": Keys.kid(of), "typ": "JWT"}, **different)

    def head(self, header=None, claims=None):
        """The two parts that are signed. Bytes and texts are taken as they are."""
        parts = [self.header() if header is None else header, self.claims() if claims is None else claims]
        return ".".join(b64(p if isinstance(p, bytes) else json.dumps(p).encode()) for p in parts)

    def token(self, header=None, claims=None, alg="RS256", key=None):
        """Signed as `alg` by the home's key of it, whatever the header says."""
        head = self.head(self.header(alg) if header is None else header, claims)
        return f"{head}.{b64(signature(alg, key or self.keys.of(alg), head.encode()))}"

    def signed(self, make, header=None, claims=None):
        """With the signature that `make` gives for what is signed."""
        head = self.head(header, claims)
        return f"{head}.{b64(make(head.encode()))}"
