"""Strict readers of what a home sends: JSON without surprises, metadata, key sets."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from b2b_idp.model.problem import Code, Problem

MAX_KEYS = 100
MAX_DEPTH = 32
SIGNATURES = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")


def refused(why: str) -> Problem:
    """The home's answer cannot be accepted."""
    return Problem(
        Code.HOME_ANSWER_REFUSED,
        "Your organisation's answer could not be accepted. Please start again at the app; if it happens again, "
        "tell your administrator the number below.",
        why,
    )


def misconfigured(why: str) -> Problem:
    """The home cannot be used as it is."""
    return Problem(
        Code.HOME_MISCONFIGURED,
        "Your organisation's sign-in is not set up right here. Tell the person who invited you.",
        why,
    )


def strict_json(raw: bytes | str, fail: Callable[[str], Problem]) -> dict[str, Any]:
    """A JSON object without duplicate members, NaN, infinities or deep nesting (RFC 8725 §2.4)."""

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise fail("a member stands twice in a JSON object")
        return found

    def number(text: str) -> float:
        value = float(text)
        if not math.isfinite(value):
            raise fail("a number is not finite")
        return value

    def constant(name: str) -> object:
        raise fail(f"{name} is not JSON")

    try:
        text = raw.decode("utf-8") if isinstance(raw, bytes) else raw
        value = json.loads(text, object_pairs_hook=members, parse_float=number, parse_constant=constant)
    except (ValueError, RecursionError):
        raise fail("not JSON") from None
    if not isinstance(value, dict):
        raise fail("not a JSON object")
    _check_depth(value, MAX_DEPTH, fail)
    return value


def _check_depth(value: object, left: int, fail: Callable[[str], Problem]) -> None:
    if left == 0:
        raise fail("nested too deeply")
    for child in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _check_depth(child, left - 1, fail)


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """A home's metadata (OpenID Connect Discovery §3), as far as we use it."""

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None = None
    par_endpoint: str | None = None
    algorithms: tuple[str, ...] = ("RS256",)
    auth_methods: tuple[str, ...] = ("client_secret_basic",)
    acr_values: tuple[str, ...] = ()
    claims_parameter: bool = False
    iss_in_response: bool = False


def parse_metadata(raw: bytes, issuer: str, check_url: Callable[[str], None]) -> Metadata:
    """Metadata whose issuer is, byte for byte, the configured one. Raises Problem(HOME_MISCONFIGURED)."""
    document = strict_json(raw, misconfigured)
    if document.get("issuer") != issuer:
        raise misconfigured(f"its metadata names another issuer than {issuer}")

    def url(name: str, needed: bool = True) -> str | None:
        value = document.get(name)
        if value is None and not needed:
            return None
        if not isinstance(value, str) or len(value) > 2048:
            raise misconfigured(f"its metadata has no {name}")
        try:
            check_url(value)
        except Problem as p:
            raise misconfigured(f"{name}: {p.say}") from None
        return value

    def texts(name: str, default: tuple[str, ...]) -> tuple[str, ...]:
        value = document.get(name)
        if not isinstance(value, list):
            return default
        return tuple(v for v in value[:200] if isinstance(v, str))

    algorithms = tuple(
        a for a in texts("id_token_signing_alg_values_supported", ("RS256",)) if a in SIGNATURES
    )
    return Metadata(
        authorization_endpoint=url("authorization_endpoint") or "",
        token_endpoint=url("token_endpoint") or "",
        jwks_uri=url("jwks_uri") or "",
        userinfo_endpoint=url("userinfo_endpoint", needed=False),
        par_endpoint=url("pushed_authorization_request_endpoint", needed=False),
        algorithms=algorithms or ("RS256",),
        auth_methods=texts("token_endpoint_auth_methods_supported", ("client_secret_basic",)),
        acr_values=texts("acr_values_supported", ()),
        claims_parameter=document.get("claims_parameter_supported") is True,
        iss_in_response=document.get("authorization_response_iss_parameter_supported") is True,
    )


@dataclass(frozen=True, slots=True)
class HomeKey:
    """One usable public key of a home, and the algorithms it may verify."""

    kid: str | None
    key: Any
    algorithms: frozenset[str]


def parse_jwks(raw: bytes) -> tuple[HomeKey, ...]:
    """The usable keys of a key set; those that cannot be read, are weak or are not for signatures are passed over.

    Raises Problem(HOME_MISCONFIGURED) when it is no key set or an absurd one.
    """
    document = strict_json(raw, misconfigured)
    keys = document.get("keys")
    if not isinstance(keys, list) or len(keys) > MAX_KEYS:
        raise misconfigured("its key set is not one, or has too many keys")
    found = [k for jwk in keys if isinstance(jwk, dict) and (k := _key(jwk)) is not None]
    return tuple(found)


def _key(jwk: Mapping[str, Any]) -> HomeKey | None:
    kid, use, alg = jwk.get("kid"), jwk.get("use", "sig"), jwk.get("alg")
    operations = jwk.get("key_ops", ["verify"])
    if use != "sig" or (kid is not None and not isinstance(kid, str)):
        return None
    if not isinstance(operations, list) or "verify" not in operations:
        return None
    try:
        key: Any = jwt.PyJWK(dict(jwk), algorithm=_any_algorithm(jwk)).key
    except (jwt.PyJWTError, ValueError, TypeError, KeyError, AttributeError, NotImplementedError):
        return None
    fits = _fitting(key)
    if alg is not None:
        fits &= {alg} if isinstance(alg, str) else set()
    return HomeKey(kid, key, frozenset(fits)) if fits else None


def _any_algorithm(jwk: Mapping[str, Any]) -> str:
    by_curve = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}
    match jwk.get("kty"):
        case "RSA":
            return "RS256"
        case "EC":
            return by_curve[str(jwk.get("crv"))]
        case "OKP":
            return "EdDSA"
        case _:
            raise ValueError("kty")


def _fitting(key: Any) -> set[str]:
    if isinstance(key, rsa.RSAPublicKey):
        exponent = key.public_numbers().e
        strong = 2048 <= key.key_size <= 8192 and exponent >= 3 and exponent % 2 == 1 and exponent < 2**33
        return {a for a in SIGNATURES if a[:2] in ("RS", "PS")} if strong else set()
    if isinstance(key, ec.EllipticCurvePublicKey):
        return {
            {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}.get(key.curve.name, "")
        } - {""}
    return {"EdDSA"} if isinstance(key, ed25519.Ed25519PublicKey) else set()


def candidates(keys: Sequence[HomeKey], kid: str | None, alg: str) -> list[HomeKey]:
    """The keys that may have signed: the one with this kid or, without a kid, all that fit the algorithm."""
    fit = [k for k in keys if alg in k.algorithms]
    return fit if kid is None else [k for k in fit if k.kid == kid]
