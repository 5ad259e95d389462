"""Signatures that are none, or are not what the header says."""

from __future__ import annotations

import hashlib
from math import isqrt

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from tests.homes.vectors.table import b64, jwk, raw, signature

ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""Of P-256."""
ED_ORDER = 2**252 + 27742317777372353535851937790883648493
"""Of Ed25519's base point."""


def ecdsa(t):
    key = t.keys.ec["ES256"]
    header = t.header("ES256")

    def with_numbers(make):
        """A signature from `r` and `s` of a right one."""

        def sign(signed):
            return make(*decode_dss_signature(key.sign(signed, ec.ECDSA(hashes.SHA256()))))

        return t.signed(sign, header)

    def both(r, s, size=32):
        return r.to_bytes(size, "big") + s.to_bytes(size, "big")

    t.add("ECDSA", "s negated, which ECDSA allows", with_numbers(lambda r, s: both(r, ORDER - s)), True)
    for says, make in {
        "(0, 0)": lambda r, s: both(0, 0),
        "(0, s)": lambda r, s: both(0, s),
        "(r, 0)": lambda r, s: both(r, 0),
        "(1, 1)": lambda r, s: both(1, 1),
        "(n, n)": lambda r, s: both(ORDER, ORDER),
        "(r, n)": lambda r, s: both(r, ORDER),
        "(n, s)": lambda r, s: both(ORDER, s),
        "(r, r)": lambda r, s: both(r, r),
        "swapped": lambda r, s: both(s, r),
        "all ones": lambda r, s: b"\xff" * 64,
        "r alone": lambda r, s: r.to_bytes(32, "big"),
        "a byte too few": lambda r, s: both(r, s)[:-1],
        "a byte too many": lambda r, s: both(r, s) + b"\0",
        "numbers of 33 bytes": lambda r, s: both(r, s, 33),
        "numbers of 48 bytes": lambda r, s: both(r, s, 48),
        "r + n of 48 bytes": lambda r, s: both(r + ORDER, s + ORDER, 48),
        "one bit": lambda r, s: both(r, s ^ 1),
    }.items():
        t.add("ECDSA", says, with_numbers(make))
    t.add("ECDSA", "DER", t.signed(lambda signed: key.sign(signed, ec.ECDSA(hashes.SHA256())), header))
    t.add("ECDSA", "another hash", t.signed(lambda signed: raw(key.sign(signed, ec.ECDSA(hashes.SHA384()))), header))
    t.add("ECDSA", "another key", t.token(alg="ES256", key=ec.generate_private_key(ec.SECP256R1())))


def eddsa(t):
    header, key = t.header("EdDSA"), t.keys.ed
    for says, make in {
        "zeros": lambda signed: bytes(64),
        "S + L": lambda signed: beyond_the_order(key.sign(signed)),
        "half": lambda signed: key.sign(signed)[:32],
        "a byte too many": lambda signed: key.sign(signed) + b"\0",
        "swapped": lambda signed: key.sign(signed)[32:] + key.sign(signed)[:32],
        "of the hash (Ed25519ph)": lambda signed: key.sign(hashlib.sha512(signed).digest()),
    }.items():
        t.add("EdDSA", says, t.signed(make, header))
    identity = b"\x01" + bytes(31)
    weak = {"kty": "OKP", "crv": "Ed25519", "x": b64(identity), "kid": "EdDSA", "use": "sig"}
    t.add("EdDSA", "a key of small order", t.signed(lambda signed: identity + bytes(32), header), keys=[weak])


def beyond_the_order(signature):
    s = int.from_bytes(signature[32:], "little") + ED_ORDER
    return signature[:32] + s.to_bytes(32, "little")


def rsa_signatures(t):
    key, n = t.keys.rsa, t.keys.rsa.public_key().public_numbers().n
    right = lambda signed: signature("RS256", key, signed)  # noqa: E731

    def number_of(signed):
        return int.from_bytes(right(signed), "big")

    for says, make in {
        "a byte too few": lambda signed: right(signed)[1:],
        "the last byte missing": lambda signed: right(signed)[:-1],
        "a zero before": lambda signed: b"\0" + right(signed),
        "a zero after": lambda signed: right(signed) + b"\0",
        "s + n": lambda signed: (number_of(signed) + n).to_bytes(257, "big"),
        "n - s": lambda signed: (n - number_of(signed)).to_bytes(256, "big"),
        "0": lambda signed: bytes(256),
        "1": lambda signed: bytes(255) + b"\1",
        "n - 1": lambda signed: (n - 1).to_bytes(256, "big"),
        "all ones": lambda signed: b"\xff" * 256,
        "one bit": lambda signed: right(signed)[:-1] + bytes([right(signed)[-1] ^ 1]),
        "SHA-1": lambda signed: key.sign(signed, padding.PKCS1v15(), hashes.SHA1()),
        "another hash's name before SHA-256": lambda signed: padded(
            key, sha512_name() + hashlib.sha256(signed).digest()
        ),
        "no name before the hash": lambda signed: padded(key, hashlib.sha256(signed).digest()),
        "parameters of the hash left out": lambda signed: padded(
            key, bytes.fromhex("302f300b0609608648016503040201") + b"\x04\x20" + hashlib.sha256(signed).digest()
        ),
        "short padding and garbage": lambda signed: powered(
            key, (b"\0\1" + b"\xff" * 8 + b"\0" + sha256_name() + hashlib.sha256(signed).digest()).ljust(256, b"g")
        ),
        "padding of zeros": lambda signed: powered(
            key, b"\0\1" + b"\0" * 202 + b"\0" + sha256_name() + hashlib.sha256(signed).digest()
        ),
        "padding of another kind": lambda signed: powered(
            key, b"\0\2" + b"\xff" * 202 + b"\0" + sha256_name() + hashlib.sha256(signed).digest()
        ),
    }.items():
        t.add("RSA", f"RS256: {says}", t.signed(make))
    header, sha = t.header("PS256"), hashes.SHA256()
    for says, scheme, digest in (
        ("no salt", padding.PSS(padding.MGF1(sha), 0), sha),
        ("salt of 20 bytes", padding.PSS(padding.MGF1(sha), 20), sha),
        ("the longest salt", padding.PSS(padding.MGF1(sha), padding.PSS.MAX_LENGTH), sha),
        ("another mask", padding.PSS(padding.MGF1(hashes.SHA384()), 32), sha),
        ("another hash", padding.PSS(padding.MGF1(hashes.SHA384()), 48), hashes.SHA384()),
    ):
        make = lambda signed, scheme=scheme, digest=digest: key.sign(signed, scheme, digest)  # noqa: E731
        t.add("RSA", f"PS256: {says}", t.signed(make, header))
    small = rsa.generate_private_key(3, 2048)
    small_set = [jwk(small, "rsa")]
    t.add("RSA", "exponent 3", t.token(key=small), True, small_set)
    t.add("RSA", "exponent 3: a cube root with garbage behind the hash", t.signed(cube_root), keys=small_set)


def sha256_name():
    return bytes.fromhex("3031300d060960864801650304020105000420")


def sha512_name():
    return bytes.fromhex("3051300d060960864801650304020305000440")


def padded(key, content):
    """Signed with PKCS #1 v1.5 padding around whatever content."""
    return powered(key, b"\0\1" + b"\xff" * (253 - len(content)) + b"\0" + content)


def powered(key, block):
    numbers = key.private_numbers()
    return pow(int.from_bytes(block, "big"), numbers.d, numbers.public_numbers.n).to_bytes(256, "big")


def cube_root(signed):
    """Forged without any key where nobody looks behind the hash (Bleichenbacher 2006)."""
    block = b"\0\1" + b"\xff" * 8 + b"\0" + sha256_name() + hashlib.sha256(signed).digest()
    wanted = int.from_bytes(block.ljust(256, b"\xff"), "big")
    low, high = 0, 1 << (isqrt(wanted).bit_length())
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if middle**3 <= wanted else (low, middle - 1)
    return low.to_bytes(256, "big")
