"""What can go wrong, once, for every edge: a code, a sentence for the person, a reason for the administrator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum


class Code(StrEnum):
    """Inner error codes. Each edge has one table `Code → (status, wire code)`; a test walks codes × edges."""

    # requests to the OpenID provider (RFC 6749, OpenID Connect Core)
    INVALID_REQUEST = "invalid_request"
    UNSUPPORTED_RESPONSE_TYPE = "unsupported_response_type"
    INVALID_SCOPE = "invalid_scope"
    INVALID_TARGET = "invalid_target"
    UNAUTHORIZED_CLIENT = "unauthorized_client"
    ACCESS_DENIED = "access_denied"
    LOGIN_REQUIRED = "login_required"
    INTERACTION_REQUIRED = "interaction_required"
    CONSENT_REQUIRED = "consent_required"
    UNMET_AUTHENTICATION_REQUIREMENTS = "unmet_authentication_requirements"
    REQUEST_NOT_SUPPORTED = "request_not_supported"
    REQUEST_URI_NOT_SUPPORTED = "request_uri_not_supported"
    INVALID_REQUEST_OBJECT = "invalid_request_object"
    INVALID_REQUEST_URI = "invalid_request_uri"
    INVALID_AUTHORIZATION_DETAILS = "invalid_authorization_details"
    INVALID_CLIENT = "invalid_client"
    INVALID_GRANT = "invalid_grant"
    UNSUPPORTED_GRANT_TYPE = "unsupported_grant_type"
    INVALID_TOKEN = "invalid_token"
    INVALID_REDIRECT_URI = "invalid_redirect_uri"
    INVALID_CLIENT_METADATA = "invalid_client_metadata"
    INVALID_SOFTWARE_STATEMENT = "invalid_software_statement"
    UNAPPROVED_SOFTWARE_STATEMENT = "unapproved_software_statement"
    INVALID_DPOP_PROOF = "invalid_dpop_proof"
    AUTHORIZATION_PENDING = "authorization_pending"
    SLOW_DOWN = "slow_down"
    EXPIRED_TOKEN = "expired_token"
    USE_DPOP_NONCE = "use_dpop_nonce"
    INSUFFICIENT_SCOPE = "insufficient_scope"
    UNKNOWN_CLIENT = "unknown_client"
    UNREGISTERED_REDIRECT_URI = "unregistered_redirect_uri"
    # the sign-in and its steps
    SIGNIN_UNKNOWN = "signin_unknown"
    SIGNIN_EXPIRED = "signin_expired"
    STEP_USED = "step_used"
    UNEXPECTED_STEP = "unexpected_step"
    FORGED_FORM = "forged_form"
    NO_HOME = "no_home"
    HOME_UNAVAILABLE = "home_unavailable"
    HOME_MISCONFIGURED = "home_misconfigured"
    HOME_ANSWER_REFUSED = "home_answer_refused"
    HOME_SAID_ERROR = "home_said_error"
    HOME_DISABLED = "home_disabled"
    INVITATION_INVALID = "invitation_invalid"
    INVITATION_TAKEN = "invitation_taken"
    NOT_INVITED = "not_invited"
    ADDRESS_NOT_VOUCHED = "address_not_vouched"
    INBOUND_BLOCKED = "inbound_blocked"
    BLOCKED_BY_POLICY = "blocked_by_policy"
    BLOCKED_BY_PARTNER_POLICY = "blocked_by_partner_policy"
    NOT_ASSIGNED = "not_assigned"
    GUEST_DISABLED = "guest_disabled"
    STRENGTH_UNREACHABLE = "strength_unreachable"
    REGISTRATION_NEEDS_PROOF = "registration_needs_proof"
    WRONG_CODE = "wrong_code"
    TOO_MANY_ATTEMPTS = "too_many_attempts"
    # the Graph API
    BAD_REQUEST = "bad_request"
    UNSUPPORTED_QUERY = "unsupported_query"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    BODY_TOO_LARGE = "body_too_large"
    UNKNOWN_VERSION = "unknown_version"
    SYNC_STATE_NOT_FOUND = "sync_state_not_found"
    PRECONDITION_FAILED = "precondition_failed"
    FAILED_DEPENDENCY = "failed_dependency"
    TOO_MANY_REQUESTS = "too_many_requests"
    # ourselves
    BAD_SETTING = "bad_setting"
    UNAVAILABLE = "unavailable"
    INTERNAL = "internal"


@dataclass(eq=False)
class Problem(Exception):
    """A refusal that any room may raise and each edge renders in its protocol's shape.

    `say` is for the person or client and says what to do next; `why` is for the administrator and goes to the
    logs and the sign-in log only. Neither may hold a secret, a code or a token.
    """

    code: Code
    say: str
    why: str = ""
    retry_after: timedelta | None = None
    details: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.code}: {self.say}" + (f" ({self.why})" if self.why else "")
