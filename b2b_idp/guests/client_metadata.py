"""Client metadata (RFC 7591 §2, OpenID Connect Registration §2): what an app says of itself, parsed."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from b2b_idp.guests.oauth_clients import TlsClientAuth, check_jwks, check_redirect, check_tls_client_auth
from b2b_idp.model.directory import SigningAlg
from b2b_idp.model.problem import Code, Problem

_Uri = Annotated[str, StringConstraints(min_length=1, max_length=2048)]
_Line = Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=r"^[^\x00-\x1f\x7f]*$")]
ClientAlg = Literal["RS256", "PS256", "ES256", "EdDSA"]
DEVICE_CODE: Literal["urn:ietf:params:oauth:grant-type:device_code"] = "urn:ietf:params:oauth:grant-type:device_code"
GrantType = Literal[
    "authorization_code",
    "refresh_token",
    "client_credentials",
    "urn:ietf:params:oauth:grant-type:device_code",
    "urn:ietf:params:oauth:grant-type:token-exchange",
]

_FOR_PEOPLE = ("client_uri", "logo_uri", "policy_uri", "tos_uri")
"""Addresses that a person is shown."""
_TAGGED = re.compile(r"(client_name|client_uri|logo_uri|policy_uri|tos_uri)#[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8})*")
"""A value for one language (RFC 7591 §2.2, BCP 47)."""
_MOST_TAGGED = 50
_NOT_SUPPORTED = (
    "introspection_signed_response_alg",
    *(f"{of}_encrypted_response_alg" for of in ("id_token", "userinfo", "authorization", "introspection")),
    "request_object_encryption_alg",
)
"""What an app that registers it relies on, and would not get."""


class ClientMetadata(BaseModel):
    """What an app says of itself, each value one that we do. Members that are not known here are left out."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)

    redirect_uris: list[_Uri] = Field(default_factory=list, max_length=256)
    application_type: Literal["web", "native"] = "web"
    token_endpoint_auth_method: Literal[
        "client_secret_basic",
        "client_secret_post",
        "private_key_jwt",
        "tls_client_auth",
        "self_signed_tls_client_auth",
        "none",
    ] = "client_secret_basic"
    token_endpoint_auth_signing_alg: ClientAlg | None = None
    grant_types: list[GrantType] = Field(default=["authorization_code"], min_length=1, max_length=10)
    response_types: list[Literal["code"]] | None = Field(default=None, max_length=10)
    client_name: _Line | None = None
    client_uri: _Uri | None = None
    logo_uri: _Uri | None = None
    policy_uri: _Uri | None = None
    tos_uri: _Uri | None = None
    contacts: list[_Line] | None = Field(default=None, max_length=20)
    software_id: _Line | None = None
    software_version: _Line | None = None
    jwks: dict[str, Any] | None = None
    jwks_uri: _Uri | None = None
    subject_type: Literal["pairwise", "public"] | None = None
    sector_identifier_uri: _Uri | None = None
    id_token_signed_response_alg: SigningAlg = "RS256"
    userinfo_signed_response_alg: SigningAlg | None = None
    authorization_signed_response_alg: SigningAlg | None = None
    request_object_signing_alg: Literal[ClientAlg, "none"] | None = None
    require_signed_request_object: bool | None = None
    require_pushed_authorization_requests: bool | None = None
    dpop_bound_access_tokens: bool | None = None
    tls_client_certificate_bound_access_tokens: bool | None = None
    tls_client_auth_subject_dn: _Line | None = None
    tls_client_auth_san_dns: _Line | None = None
    tls_client_auth_san_uri: _Line | None = None
    tls_client_auth_san_ip: _Line | None = None
    tls_client_auth_san_email: _Line | None = None
    default_max_age: Annotated[int, Field(ge=0, lt=10**9)] | None = None
    require_auth_time: bool | None = None
    default_acr_values: list[_Line] | None = Field(default=None, max_length=20)
    initiate_login_uri: _Uri | None = None
    post_logout_redirect_uris: list[_Uri] | None = Field(default=None, max_length=50)
    frontchannel_logout_uri: _Uri | None = None
    frontchannel_logout_session_required: bool | None = None
    backchannel_logout_uri: _Uri | None = None
    backchannel_logout_session_required: bool | None = None
    tagged: dict[str, _Line] = Field(default_factory=dict, exclude=True)
    """The values for one language, by their whole names."""

    @property
    def has_secret(self) -> bool:
        return self.token_endpoint_auth_method.startswith("client_secret")

    def tls_client_auth(self) -> TlsClientAuth | None:
        """What its client certificate must name (RFC 8705 §2)."""
        if self.token_endpoint_auth_method == "self_signed_tls_client_auth":
            return TlsClientAuth(selfSigned=True)
        if self.token_endpoint_auth_method != "tls_client_auth":
            return None
        return TlsClientAuth(
            subjectDn=self.tls_client_auth_subject_dn,
            sanDns=self.tls_client_auth_san_dns,
            sanUri=self.tls_client_auth_san_uri,
            sanIp=self.tls_client_auth_san_ip,
            sanEmail=self.tls_client_auth_san_email,
        )

    def registered(self) -> dict[str, Any]:
        """What the app is told that it registered: RFC 7591's names, without what it left away."""
        subject = {"subject_type": "pairwise"}
        return (
            self.model_dump(exclude_none=True) | {"response_types": self.response_types or []} | subject | self.tagged
        )


def parse_metadata(
    document: Mapping[str, Any], auth_methods: frozenset[str], check_url: Callable[[str, str], None]
) -> ClientMetadata:
    """The metadata, checked as far as its text tells. `auth_methods` are those that this server has; `check_url`, given
    a member's name and an address, raises for one that may not be visited.

    Raises Problem(INVALID_REDIRECT_URI | INVALID_CLIENT_METADATA | INVALID_SOFTWARE_STATEMENT |
    UNAPPROVED_SOFTWARE_STATEMENT).
    """
    # null says the same as nothing (RFC 7592 §2.2)
    given = {name: value for name, value in document.items() if value is not None}
    _check_software_statement(given)
    for name in _NOT_SUPPORTED:
        if name in given:
            raise _bad(f"{name} is not supported here. Leave it out.")
    tagged = {name: value for name, value in given.items() if _TAGGED.fullmatch(name)}
    if len(tagged) > _MOST_TAGGED:
        raise _bad(f"At most {_MOST_TAGGED} values in other languages.")
    try:
        metadata = ClientMetadata.model_validate(given | {"tagged": tagged})
    except ValidationError as e:
        raise _invalid(e) from None
    if metadata.response_types is None and "authorization_code" in metadata.grant_types:
        metadata = metadata.model_copy(update={"response_types": ["code"]})
    _check_flow(metadata, auth_methods)
    _check_addresses(metadata, check_url)
    _check_keys(metadata)
    return metadata


def _check_software_statement(given: Mapping[str, Any]) -> None:
    statement = given.get("software_statement")
    if statement is None:
        return
    if not isinstance(statement, str) or statement.count(".") != 2:
        raise Problem(Code.INVALID_SOFTWARE_STATEMENT, "software_statement is a signed JWT.")
    raise Problem(
        Code.UNAPPROVED_SOFTWARE_STATEMENT,
        "Software statements are not taken here. Say the same in the request itself, without software_statement.",
    )


def _invalid(error: ValidationError) -> Problem:
    first = error.errors()[0]
    name = str(first["loc"][0])
    if name == "id_token_signed_response_alg" and first.get("input") == "none":
        return _bad("id_token_signed_response_alg: none is refused, an id_token is always signed. Use RS256.")
    code = Code.INVALID_REDIRECT_URI if name == "redirect_uris" else Code.INVALID_CLIENT_METADATA
    member = ".".join(str(part)[:80] for part in first["loc"])
    return Problem(code, f"{member}: {first['msg']}.")


def _check_flow(metadata: ClientMetadata, auth_methods: frozenset[str]) -> None:
    grants, method = metadata.grant_types, metadata.token_endpoint_auth_method
    by_code = "authorization_code" in grants
    if bool(metadata.response_types) != by_code:
        raise _bad("response_types and grant_types: code goes with authorization_code (RFC 7591 §2.1).")
    if by_code and not metadata.redirect_uris:
        raise Problem(Code.INVALID_REDIRECT_URI, "redirect_uris: the authorization code needs one at least.")
    if "refresh_token" in grants and not by_code and DEVICE_CODE not in grants:
        raise _bad("grant_types: refresh_token goes with authorization_code or device_code.")
    if method not in auth_methods:
        raise _bad(f"token_endpoint_auth_method is one of {', '.join(sorted(auth_methods))}.")
    if method == "none" and set(grants) - {"authorization_code", "refresh_token", DEVICE_CODE}:
        raise _bad("grant_types: an app that does not authenticate cannot act for itself, nor exchange tokens.")
    if metadata.require_signed_request_object and metadata.request_object_signing_alg == "none":
        raise _bad("request_object_signing_alg: none is no signature, and require_signed_request_object wants one.")


def _check_addresses(metadata: ClientMetadata, check_url: Callable[[str, str], None]) -> None:
    native = metadata.application_type == "native"
    for uri in metadata.redirect_uris:
        _check_redirect(Code.INVALID_REDIRECT_URI, "redirect_uris", uri, custom_scheme=native)
    for uri in metadata.post_logout_redirect_uris or ():
        _check_redirect(Code.INVALID_CLIENT_METADATA, "post_logout_redirect_uris", uri, custom_scheme=native)
    for name in ("frontchannel_logout_uri", "backchannel_logout_uri", "initiate_login_uri"):
        if (uri := getattr(metadata, name)) is not None:
            _check_redirect(Code.INVALID_CLIENT_METADATA, name, uri, custom_scheme=False)
    for name in (*_FOR_PEOPLE, "jwks_uri", "sector_identifier_uri"):
        if (uri := getattr(metadata, name)) is not None:
            check_url(name, uri)
    for name, value in metadata.tagged.items():
        if not name.startswith("client_name#"):
            check_url(name, value)


def _check_redirect(code: Code, name: str, uri: str, *, custom_scheme: bool) -> None:
    try:
        check_redirect(uri, custom_scheme=custom_scheme)
    except Problem as problem:
        raise Problem(code, f"{name}: {problem.say}") from None


def _check_keys(metadata: ClientMetadata) -> None:
    method, has_keys = metadata.token_endpoint_auth_method, bool(metadata.jwks or metadata.jwks_uri)
    if metadata.jwks is not None and metadata.jwks_uri is not None:
        raise _bad("jwks and jwks_uri exclude each other (RFC 7591 §2).")
    if method in ("private_key_jwt", "self_signed_tls_client_auth") and not has_keys:
        raise _bad(f"{method} needs jwks or jwks_uri.")
    if metadata.require_signed_request_object and not has_keys:
        raise _bad("require_signed_request_object needs jwks or jwks_uri.")
    try:
        check_jwks(metadata.jwks)
        check_tls_client_auth(metadata.tls_client_auth())
    except Problem as problem:
        raise _bad(problem.say.replace("b2bIdp.tlsClientAuth", "tls_client_auth").replace("b2bIdp.", "")) from None


def _bad(say: str) -> Problem:
    return Problem(Code.INVALID_CLIENT_METADATA, say)
