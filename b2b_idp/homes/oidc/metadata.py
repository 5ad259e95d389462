"""A home's metadata (OpenID Connect Discovery §3, RFC 8414, 9101, 9126, 9207, 9449), as far as we use it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from b2b_idp.homes.oidc.keys import SIGNATURES
from b2b_idp.homes.oidc.strict import misconfigured, strict_json
from b2b_idp.model.problem import Problem

_MOST_VALUES = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """Endpoints are addresses that may be spoken to, by their text. `algorithms` are those of id_tokens
    that we know; empty lists of what is optional say that the home names none."""

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None
    par_endpoint: str | None
    par_required: bool
    end_session_endpoint: str | None
    algorithms: tuple[str, ...]
    auth_methods: tuple[str, ...]
    auth_algorithms: tuple[str, ...]
    object_algorithms: tuple[str, ...]
    """Of request objects by value; empty where it takes none."""
    object_required: bool
    proof_algorithms: tuple[str, ...]
    """Of DPoP proofs."""
    response_modes: tuple[str, ...]
    acr_values: tuple[str, ...]
    claims_parameter: bool
    iss_in_response: bool


def parse_metadata(raw: bytes, issuer: str, check_url: Callable[[str], None]) -> Metadata:
    """Metadata whose issuer is, byte for byte, the configured one. Raises Problem(HOME_MISCONFIGURED)."""
    document = strict_json(raw, lambda why: misconfigured(f"metadata: {why}"))
    named = document.get("issuer")
    if named != issuer:
        raise misconfigured(f"its metadata names the issuer {ascii(named)[:200]}, not {issuer}")
    algorithms = _texts(document, "id_token_signing_alg_values_supported") or ("RS256",)
    known = tuple(a for a in algorithms if a in SIGNATURES)
    if not known:
        raise misconfigured("its metadata names no id_token signature algorithm that can be accepted")
    return Metadata(
        authorization_endpoint=_needed(document, "authorization_endpoint", check_url),
        token_endpoint=_needed(document, "token_endpoint", check_url),
        jwks_uri=_needed(document, "jwks_uri", check_url),
        userinfo_endpoint=_url(document, "userinfo_endpoint", check_url),
        par_endpoint=_url(document, "pushed_authorization_request_endpoint", check_url),
        par_required=document.get("require_pushed_authorization_requests") is True,
        end_session_endpoint=_optional(document, "end_session_endpoint", check_url),
        algorithms=known,
        auth_methods=_texts(document, "token_endpoint_auth_methods_supported") or ("client_secret_basic",),
        auth_algorithms=_texts(document, "token_endpoint_auth_signing_alg_values_supported"),
        object_algorithms=_object_algorithms(document),
        object_required=document.get("require_signed_request_object") is True,
        proof_algorithms=_texts(document, "dpop_signing_alg_values_supported"),
        response_modes=_texts(document, "response_modes_supported") or ("query", "fragment"),
        acr_values=_texts(document, "acr_values_supported"),
        claims_parameter=document.get("claims_parameter_supported") is True,
        iss_in_response=document.get("authorization_response_iss_parameter_supported") is True,
    )


def _object_algorithms(document: Mapping[str, Any]) -> tuple[str, ...]:
    if document.get("request_parameter_supported") is not True:
        return ()
    return _texts(document, "request_object_signing_alg_values_supported") or ("RS256",)


def _url(document: Mapping[str, Any], name: str, check_url: Callable[[str], None]) -> str | None:
    value = document.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise misconfigured(f"{name} in its metadata is no text")
    try:
        check_url(value)
    except Problem as p:
        raise misconfigured(f"{name} in its metadata: {p.say}") from None
    return value


def _optional(document: Mapping[str, Any], name: str, check_url: Callable[[str], None]) -> str | None:
    """An address that no sign-in needs: a bad one is as good as none."""
    try:
        return _url(document, name, check_url)
    except Problem:
        return None


def _needed(document: Mapping[str, Any], name: str, check_url: Callable[[str], None]) -> str:
    value = _url(document, name, check_url)
    if value is None:
        raise misconfigured(f"its metadata has no {name}")
    return value


def _texts(document: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = document.get(name)
    if not isinstance(value, list):
        return ()
    return tuple(v for v in value[:_MOST_VALUES] if isinstance(v, str) and len(v) <= 255)
