"""Algorithms, types, kids, and keys that a header brings along."""

from __future__ import annotations

import hmac
import json

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.homes.vectors.table import EVERY, OUT, SECRET, SHA, Keys, b64, jwk, raw, signature


def algorithms(t):
    for alg in ("none", "None", "NONE", "nOnE", "none ", "", "rs256", "RS256 ", "RS256\0", "RS1", "ES256K", "Ed25519"):
        t.add("alg", f"{alg!r} and the home's signature", t.token(t.header(alg=alg)))
    for alg in ("none", "NONE", ""):
        t.add("alg", f"{alg!r} and no signature", t.head(t.header(alg=alg)) + ".")
        t.add("alg", f"{alg!r} and two parts", t.head(t.header(alg=alg)))
    for alg in (OUT, None, 256, True, ["RS256"], {"RS256": 1}):
        t.add("alg", "missing" if alg is OUT else json.dumps(alg), t.token(t.header(alg=alg)))
    for said, done in (
        ("RS256", "PS256"),
        ("PS256", "RS256"),
        ("RS256", "RS384"),
        ("RS512", "RS256"),
        ("PS384", "PS256"),
        ("ES256", "RS256"),
        ("RS256", "ES256"),
        ("ES256", "EdDSA"),
        ("EdDSA", "ES256"),
    ):
        t.add("alg", f"{said} of {said}'s key and a signature of {done}", t.token(t.header(said), alg=done))
        t.add("alg", f"{said} of {done}'s key", t.token(t.header(said, kid=Keys.kid(done)), alg=done)) if (
            Keys.kid(said) != Keys.kid(done)
        ) else None
    for said, done in (("ES384", "ES256"), ("ES256", "ES384"), ("ES512", "ES384")):
        t.add("curve", f"{said} of {done}'s key", t.token(t.header(said, kid=done), alg=done))
        other = signature_over(t, said, done)
        t.add("curve", f"{said} with the hash of {done}", other)
    for alg in ("ES256", "PS256", "RS384"):
        t.add("alg", f"{alg}, which the metadata does not list", t.token(alg=alg), algorithms=["RS256"])
    t.add("alg", "PS256 by a key for RS256", t.token(alg="PS256"), keys=[jwk(t.keys.rsa, "rsa", alg="RS256")])


def signature_over(t, said, done):
    """ECDSA by `said`'s key over the hash of `done`."""
    key = t.keys.of(said)
    size = (key.curve.key_size + 7) // 8
    return t.signed(lambda signed: raw(key.sign(signed, ec.ECDSA(SHA[done[2:]])), size), t.header(said))


def hmacs(t):
    public = t.keys.rsa.public_key()
    spki, pkcs1 = serialization.PublicFormat.SubjectPublicKeyInfo, serialization.PublicFormat.PKCS1
    pem, der = serialization.Encoding.PEM, serialization.Encoding.DER
    secrets = {
        "the public key, PEM": public.public_bytes(pem, spki),
        "the public key, PEM without its last newline": public.public_bytes(pem, spki).strip(),
        "the public key, PKCS #1 PEM": public.public_bytes(pem, pkcs1),
        "the public key, DER": public.public_bytes(der, spki),
        "the public key, JWK": json.dumps(t.sets["home"][0]).encode(),
        "the modulus": public.public_numbers().n.to_bytes(256, "big"),
        "the modulus, base64url": t.sets["home"][0]["n"].encode(),
        "the client's secret": SECRET.encode(),
        "nothing": b"",
        "the kid": b"rsa",
    }
    for says, secret in secrets.items():
        by = lambda signed, secret=secret: hmac.digest(secret, signed, "sha256")  # noqa: E731
        t.add("HMAC", f"HS256 with {says}", t.signed(by, t.header(alg="HS256")), algorithms=[*EVERY, "HS256"])
        t.add("HMAC", f"RS256 that is HS256 with {says}", t.signed(by, t.header()))
    oct_key = {"kty": "oct", "k": b64(b"k" * 32), "kid": "o", "use": "sig"}
    for alg, name in (("HS256", "sha256"), ("HS512", "sha512")):
        token = t.signed(lambda signed, name=name: hmac.digest(b"k" * 32, signed, name), t.header(alg=alg, kid="o"))
        t.add(
            "HMAC", f"{alg} with a published oct key", token, keys=[*t.sets["home"], oct_key], algorithms=[alg, "RS256"]
        )


def headers(t):
    for crit in (["exp"], ["b64"], ["urn:x"], [], None, "b64", {"b64": 1}):
        t.add("crit", json.dumps(crit), t.token(t.header(crit=crit, b64=True)))
    unencoded = json.dumps(t.claims(), separators=(",", ":"))
    head = b64(json.dumps(t.header(crit=["b64"], b64=False)).encode())
    sig = b64(signature("RS256", t.keys.rsa, f"{head}.{unencoded}".encode()))
    t.add("crit", "claims that are not encoded (RFC 7797)", f"{head}.{unencoded}.{sig}")
    for typ in (
        "at+jwt",
        "application/at+jwt",
        "logout+jwt",
        "secevent+jwt",
        "dpop+jwt",
        "oauth-authz-req+jwt",
        "JWE",
        "",
    ):
        t.add("typ", repr(typ), t.token(t.header(typ=typ)))
    for typ in (None, 1, ["JWT"]):
        t.add("typ", json.dumps(typ), t.token(t.header(typ=typ)))
    for typ in (OUT, "jwt"):
        t.add("typ", "missing" if typ is OUT else typ, t.token(t.header(typ=typ)), True)
    for kid in ("RSA", "rsa ", " rsa", "", "../../rsa", "' OR 1=1--", "rsa\0", "https://evil.example/jwks", "ES256"):
        t.add("kid", repr(kid), t.token(t.header(kid=kid)))
    for kid in (1, True, ["rsa"], {"rsa": 1}):
        t.add("kid", json.dumps(kid), t.token(t.header(kid=kid)))
    for kid in (OUT, None):
        t.add(
            "kid",
            f"{'missing' if kid is OUT else 'null'}, and two keys fit",
            t.token(t.header(kid=kid)),
            keys=[jwk(t.keys.rsa, "rsa"), jwk(t.keys.stranger, "other")],
        )
    twice = [jwk(t.keys.rsa, "rsa"), jwk(t.keys.stranger, "rsa")]
    t.add("kid", "of two keys", t.token(), keys=twice)


def key_injection(t):
    stranger = t.keys.stranger
    theirs = jwk(stranger, "rsa")
    x5c = [
        b64(
            stranger.public_key().public_bytes(
                serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        )
    ]
    for kid in ("rsa", "theirs", OUT):
        known = {"rsa": "a kid of the home's", "theirs": "a kid of their own"}.get(kid, "no kid")
        for name, value in {
            "jwk": theirs,
            "jku": "https://evil.example/jwks",
            "x5u": "https://evil.example/x5c",
            "x5c": x5c,
            "x5t": b64(b"t" * 20),
            "x5t#S256": b64(b"t" * 32),
        }.items():
            token = t.token(t.header(kid=kid, **{name: value}), key=stranger)
            t.add("key injection", f"{name}, signed by its key, {known}", token)
    t.add("key injection", "nothing but another key", t.token(key=stranger))
    t.add(
        "key injection",
        "the home's key in jwk, and another's signature",
        t.token(t.header(jwk=t.sets["home"][0]), key=stranger),
    )
    t.add("key injection", "jwk in the claims", t.token(claims=t.claims(jwk=theirs, cnf={"jwk": theirs}), key=stranger))
    for name, value in {"jwk": theirs, "jku": "https://evil.example/jwks"}.items():
        t.add("key injection", f"{name}, and the home's signature", t.token(t.header(**{name: value})), True)
