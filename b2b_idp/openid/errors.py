"""Code → the wire's words, one table an endpoint kind; a test walks codes × tables, none may be missing."""

from __future__ import annotations

from collections.abc import Mapping

from b2b_idp.model.problem import Code

_SAME_WORD = {
    c: c.value
    for c in (
        Code.INVALID_REQUEST,
        Code.UNSUPPORTED_RESPONSE_TYPE,
        Code.INVALID_SCOPE,
        Code.INVALID_TARGET,
        Code.UNAUTHORIZED_CLIENT,
        Code.ACCESS_DENIED,
        Code.LOGIN_REQUIRED,
        Code.INTERACTION_REQUIRED,
        Code.CONSENT_REQUIRED,
        Code.UNMET_AUTHENTICATION_REQUIREMENTS,
        Code.REQUEST_NOT_SUPPORTED,
        Code.REQUEST_URI_NOT_SUPPORTED,
        Code.INVALID_REQUEST_OBJECT,
        Code.INVALID_REQUEST_URI,
        Code.INVALID_AUTHORIZATION_DETAILS,
    )
}

REDIRECT: Mapping[Code, str] = (
    dict.fromkeys(Code, "server_error")
    | {
        Code.HOME_UNAVAILABLE: "temporarily_unavailable",
        Code.UNAVAILABLE: "temporarily_unavailable",
        Code.HOME_SAID_ERROR: "access_denied",
        Code.INBOUND_BLOCKED: "access_denied",
        Code.BLOCKED_BY_POLICY: "access_denied",
        Code.BLOCKED_BY_PARTNER_POLICY: "access_denied",
        Code.NOT_ASSIGNED: "access_denied",
        Code.GUEST_DISABLED: "access_denied",
        Code.NOT_INVITED: "access_denied",
        Code.STRENGTH_UNREACHABLE: "access_denied",
        Code.REGISTRATION_NEEDS_PROOF: "access_denied",
    }
    | _SAME_WORD
)
"""Errors of the authorization response (RFC 6749 §4.1.2.1, OpenID Connect Core §3.1.2.6, RFC 9101 §7, RFC 9396 §5)."""

TOKEN: Mapping[Code, tuple[int, str]] = dict.fromkeys(Code, (400, "invalid_request")) | {
    Code.INVALID_CLIENT: (401, "invalid_client"),
    Code.INVALID_GRANT: (400, "invalid_grant"),
    Code.INVALID_SCOPE: (400, "invalid_scope"),
    Code.INVALID_TARGET: (400, "invalid_target"),
    Code.UNAUTHORIZED_CLIENT: (400, "unauthorized_client"),
    Code.UNSUPPORTED_GRANT_TYPE: (400, "unsupported_grant_type"),
    Code.BODY_TOO_LARGE: (413, "invalid_request"),
    Code.UNSUPPORTED_MEDIA_TYPE: (415, "invalid_request"),
    Code.METHOD_NOT_ALLOWED: (405, "invalid_request"),
    Code.INVALID_DPOP_PROOF: (400, "invalid_dpop_proof"),
    Code.USE_DPOP_NONCE: (400, "use_dpop_nonce"),
    Code.ACCESS_DENIED: (400, "access_denied"),
    Code.AUTHORIZATION_PENDING: (400, "authorization_pending"),
    Code.SLOW_DOWN: (400, "slow_down"),
    Code.EXPIRED_TOKEN: (400, "expired_token"),
    Code.TOO_MANY_ATTEMPTS: (429, "slow_down"),
    Code.BAD_SETTING: (500, "server_error"),
    Code.INTERNAL: (500, "server_error"),
    Code.UNAVAILABLE: (503, "temporarily_unavailable"),
}
"""Errors of the token, introspection and revocation endpoints (RFC 6749 §5.2, RFC 9449 §5, RFC 8628 §3.5)."""

PUSHED: Mapping[Code, tuple[int, str]] = {**TOKEN, **{c: (400, word) for c, word in _SAME_WORD.items()}}
"""Errors of the pushed authorization request endpoint: those of the token endpoint, and what is wrong with the request
itself (RFC 9126 §2.3)."""

REGISTRATION: Mapping[Code, tuple[int, str]] = {
    **TOKEN,
    Code.UNAUTHENTICATED: (401, "invalid_token"),
    Code.INVALID_TOKEN: (401, "invalid_token"),
    Code.INVALID_REDIRECT_URI: (400, "invalid_redirect_uri"),
    Code.INVALID_CLIENT_METADATA: (400, "invalid_client_metadata"),
    Code.INVALID_SOFTWARE_STATEMENT: (400, "invalid_software_statement"),
    Code.UNAPPROVED_SOFTWARE_STATEMENT: (400, "unapproved_software_statement"),
    Code.TOO_MANY_REQUESTS: (429, "slow_down"),
}
"""Errors of the registration endpoint and the client configuration endpoint (RFC 7591 §3.2.2, RFC 6750 §3.1)."""

BEARER: Mapping[Code, tuple[int, str]] = dict.fromkeys(Code, (401, "invalid_token")) | {
    Code.INVALID_REQUEST: (400, "invalid_request"),
    Code.INSUFFICIENT_SCOPE: (403, "insufficient_scope"),
    Code.INVALID_DPOP_PROOF: (401, "invalid_dpop_proof"),
    Code.METHOD_NOT_ALLOWED: (405, "invalid_request"),
    Code.BODY_TOO_LARGE: (413, "invalid_request"),
    Code.BAD_SETTING: (500, "server_error"),
    Code.INTERNAL: (500, "server_error"),
    Code.UNAVAILABLE: (503, "temporarily_unavailable"),
}
"""Errors of the userinfo endpoint (RFC 6750 §3.1, RFC 9449 §7.1)."""
