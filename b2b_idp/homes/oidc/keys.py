"""A home's key set (RFC 7517): which of its keys may verify what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from b2b_idp.homes.oidc.strict import misconfigured, strict_json

MAX_KEYS = 100
MIN_RSA_BITS, MAX_RSA_BITS = 2048, 8192

_RSA = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
_BY_CURVE = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}
SIGNATURES = frozenset({*_RSA, *_BY_CURVE.values(), "EdDSA"})
"""The algorithms that an id_token may be signed with: asymmetric ones only."""

_ED25519_PRIME = 2**255 - 19
_ORDER_EIGHT = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
_SMALL_ORDER = frozenset({0, 1, _ED25519_PRIME - 1, _ORDER_EIGHT, _ED25519_PRIME - _ORDER_EIGHT})
"""The y of Ed25519's points of order 1, 2, 4 and 8."""


@dataclass(frozen=True, slots=True)
class HomeKey:
    """One usable public key of a home, and the algorithms it may verify."""

    kid: str | None
    public: Any
    algorithms: frozenset[str]


def parse_jwks(raw: bytes) -> tuple[HomeKey, ...]:
    """The usable keys of a key set; the unreadable, the weak and those not for signatures are passed over.

    Raises Problem(HOME_MISCONFIGURED) when it is no key set, an absurd one, or has no usable key.
    """
    document = strict_json(raw, lambda why: misconfigured(f"key set: {why}"))
    listed = document.get("keys")
    if not isinstance(listed, list) or len(listed) > MAX_KEYS:
        raise misconfigured(f"its key set is no list of at most {MAX_KEYS} keys")
    keys = tuple(k for jwk in listed if isinstance(jwk, dict) and (k := _key(jwk)) is not None)
    if not keys:
        raise misconfigured("its key set holds no usable key")
    return keys


def the_key(keys: Sequence[HomeKey], kid: str | None, alg: str) -> HomeKey | None:
    """The one key that can have signed: by its kid, or without a kid the only one that fits; else None."""
    fit = [k for k in keys if alg in k.algorithms and kid in (None, k.kid)]
    return fit[0] if len(fit) == 1 else None


def _key(jwk: Mapping[str, Any]) -> HomeKey | None:
    kid, alg = jwk.get("kid"), jwk.get("alg")
    operations = jwk.get("key_ops", ["verify"])
    if jwk.get("use", "sig") != "sig" or not isinstance(operations, list) or "verify" not in operations:
        return None
    if not isinstance(kid, str | None) or not isinstance(alg, str | None):
        return None
    try:
        public, algorithms = _read(jwk)
    except (jwt.PyJWTError, UnsupportedAlgorithm, ValueError, TypeError, KeyError, OverflowError):
        return None
    if alg is not None:
        algorithms &= {alg}
    return HomeKey(kid, public, algorithms) if algorithms else None


def _read(jwk: Mapping[str, Any]) -> tuple[Any, frozenset[str]]:
    """The public key and what it may verify: nothing for a weak key, or one whose private half is shown."""
    if "d" in jwk:
        # not even read: primes are looked for in whatever `d` says, which takes seconds
        return None, frozenset()
    kty = jwk.get("kty")
    if kty == "RSA":
        public = jwt.PyJWK(dict(jwk), "RS256").key
        return public, frozenset(_RSA if isinstance(public, rsa.RSAPublicKey) and _is_strong(public) else ())
    if kty == "EC":
        alg = _BY_CURVE[jwk["crv"]]
        public = jwt.PyJWK(dict(jwk), alg).key
        return public, frozenset({alg} if isinstance(public, ec.EllipticCurvePublicKey) else ())
    if kty == "OKP" and jwk.get("crv") == "Ed25519":
        public = jwt.PyJWK(dict(jwk), "EdDSA").key
        strong = isinstance(public, ed25519.Ed25519PublicKey) and not _is_of_small_order(public)
        return public, frozenset({"EdDSA"} if strong else ())
    return None, frozenset()


def _is_strong(key: rsa.RSAPublicKey) -> bool:
    exponent = key.public_numbers().e
    return MIN_RSA_BITS <= key.key_size <= MAX_RSA_BITS and exponent % 2 == 1 and 3 <= exponent < 2**33


def _is_of_small_order(key: ed25519.Ed25519PublicKey) -> bool:
    """Whether it is one of the eight points for which a signature is found without a private key (RFC 8032 §5.1)."""
    y = int.from_bytes(key.public_bytes_raw(), "little") & (2**255 - 1)
    return y % _ED25519_PRIME in _SMALL_ORDER
