"""The directory's values: users, applications, groups. Property names follow Microsoft Graph v1.0."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from b2b_idp.model.optional_claims import OptionalClaims

DEFAULT_APP_ROLE = "00000000-0000-0000-0000-000000000000"
"""The appRoleId of an assignment to an application that declares no roles (Graph)."""

GRAPH_APP_ID = "00000003-0000-0000-c000-000000000000"
"""appId of the Graph API's service principal, in every tenant the same."""

UserType = Literal["Guest", "Member"]
UserState = Literal["PendingAcceptance", "Accepted"]


@dataclass(frozen=True, slots=True)
class HomeIdentity:
    """Who someone is: issuer and subject, compared byte for byte. An e-mail address is never an identity."""

    issuer: str
    subject: str


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A guest or member of the resource tenant. `properties` holds the other directory properties by Graph name
    (displayName, givenName, surname, department, otherMails, extensionAttribute1 …)."""

    id: str
    user_type: UserType
    upn: str
    mail: str | None
    account_enabled: bool = True
    creation_type: str | None = None
    state: UserState | None = None
    state_changed_at: datetime | None = None
    identity: HomeIdentity | None = None
    home_tenant_id: str | None = None
    proved_mail: str | None = None
    """The address proved at redemption; the only one that a token's `email` may carry."""
    home_mfa_seen_at: datetime | None = None
    """When this guest's home last proved MFA: from then on a first local factor needs more than a mailed code."""
    sessions_valid_from: datetime | None = None
    """Sessions and grants begun before this are over (revokeSignInSessions)."""
    created_at: datetime
    deleted_at: datetime | None = None
    """When the user was deleted; restorable for 30 days from then."""
    expires_at: datetime | None = None
    """From then on the account is as if disabled (guest expiry)."""
    last_signin_at: datetime | None = None
    properties: Mapping[str, Any] = field(default_factory=dict)

    @property
    def display_name(self) -> str:
        """displayName, else the address, else the user principal name."""
        return str(self.properties.get("displayName") or self.mail or self.upn)

    def usable_at(self, at: datetime) -> bool:
        """Whether the account is enabled and not expired."""
        return self.account_enabled and (self.expires_at is None or at < self.expires_at)

    @property
    def is_guest(self) -> bool:
        return self.user_type == "Guest"


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """An invitation as Graph has it. The ticket in its link is a handle (`keys.Vault`) good for one `generation`."""

    id: str
    user_id: str
    email: str
    redirect_url: str
    display_name: str | None
    user_type: UserType
    send_message: bool
    message: Mapping[str, Any]
    reset_redemption: bool
    status: Literal["PendingAcceptance", "Completed", "InProgress", "Error"]
    generation: int
    created_at: datetime
    expires_at: datetime
    invited_by: str
    revoked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class AppRole:
    """One of an application's roles; `value` goes into the token's `roles` claim."""

    id: str
    value: str | None
    display_name: str
    enabled: bool = True
    member_types: tuple[str, ...] = ("User",)


ClientAuth = Literal["client_secret", "private_key_jwt", "tls_client_auth", "self_signed_tls_client_auth", "none"]
SigningAlg = Literal["RS256", "ES256", "PS256"]
"""What we sign by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """What an app that registered itself (RFC 7591) is held to beyond what any application says of itself."""

    grant_types: frozenset[str]
    public: bool
    """Whether its token_endpoint_auth_method is none."""
    sector: str | None = None
    """Host of its sector_identifier_uri: apps that have the same know people by the same pairwise subjects."""
    default_max_age: int | None = None
    """Seconds."""
    default_acr_values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """An application together with its service principal: an OAuth client and, if it has identifier URIs, an API.

    `properties` holds the rest of Graph's application and servicePrincipal as they were written.
    """

    id: str
    app_id: str
    sp_id: str
    display_name: str
    enabled: bool = True
    redirect_uris: tuple[str, ...] = ()
    post_logout_redirect_uris: tuple[str, ...] = ()
    frontchannel_logout_uri: str | None = None
    """Graph's web.logoutUrl: what a browser that signs out loads in a frame."""
    frontchannel_logout_session: bool = True
    """Whether it is told which session (`iss`, `sid`)."""
    public: bool = False
    identifier_uris: tuple[str, ...] = ()
    roles: tuple[AppRole, ...] = ()
    scopes: tuple[str, ...] = ()
    """Values of api.oauth2PermissionScopes: the delegated scopes of this application's own API."""
    assignment_required: bool = False
    group_membership_claims: tuple[str, ...] = ()
    """Of SecurityGroup, DirectoryRole, ApplicationGroup, All."""
    accept_mapped_claims: bool = False
    optional_claims: OptionalClaims = OptionalClaims()
    preferred_key: str | None = None
    """Thumbprint of the signing key that the application prefers among its own."""
    require_pkce: bool = True
    subject_type: Literal["pairwise", "public"] = "pairwise"
    id_token_alg: SigningAlg = "RS256"
    userinfo_alg: SigningAlg | None = None
    """What signs the answers of the userinfo endpoint; None for plain JSON."""
    response_alg: SigningAlg = "RS256"
    """What signs authorization responses, where the app asks for signed ones (JARM)."""
    request_object_alg: str | None = None
    """What signs its request objects, where it named one; "none" lets it send them unsigned (RFC 9101)."""
    require_signed_request: bool = False
    require_pushed: bool = False
    """Whether its authorization requests are pushed, always (RFC 9126 §6)."""
    profile: Literal["fapi2"] | None = None
    """The FAPI 2.0 Security Profile, which the app keeps and is held to."""
    jwks: tuple[Mapping[str, Any], ...] = ()
    """Public keys of a client that authenticates by private_key_jwt (RFC 7523)."""
    jwks_uri: str | None = None
    """Where those keys are instead."""
    assertion_alg: str | None = None
    """What signs its assertions, where it named one."""
    tls_client_auth: tuple[str, str] | None = None
    """What a client certificate must name (RFC 8705 §2): subjectDn, sanDns, sanUri, sanIp or sanEmail, and the name; or
    selfSigned, and the certificate is one of `jwks`."""
    certificate_bound: bool = False
    """Its access tokens are bound to its client certificate (RFC 8705 §3), or there are none."""
    device_flow: bool = False
    """Whether devices without a browser may sign guests in by it (RFC 8628); Graph's isFallbackPublicClient."""
    dpop_bound: bool = False
    """Its access tokens are bound to a DPoP key (RFC 9449 §5.2), or there are none."""
    dpop_nonce: bool = False
    """Its DPoP proofs carry a nonce of ours (RFC 9449 §8)."""
    registration: Registration | None = None
    """What it registered by itself; None for an app that an administrator registered."""
    consent_granted: tuple[str, ...] = ()
    """Scopes that an administrator consented to for everybody."""
    claims_policy_id: str | None = None
    sp_explicit: bool = True
    created_at: datetime
    properties: Mapping[str, Any] = field(default_factory=dict)
    sp_properties: Mapping[str, Any] = field(default_factory=dict)


def all_tags(application: Mapping[str, Any], service_principal: Mapping[str, Any]) -> list[str]:
    """A service principal's tags: its own and, as in Graph, those of its application; each once."""
    return list(dict.fromkeys([*(service_principal.get("tags") or ()), *(application.get("tags") or ())]))


@dataclass(frozen=True, slots=True)
class AppSecret:
    """A client secret: a keyed hash, never the secret."""

    key_id: str
    secret_hash: bytes
    hint: str
    display_name: str | None
    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AppKey:
    """An application's own token signing key, as far as it is public; the private key is sealed in the store."""

    key_id: str
    app: str
    """Object id of the application."""
    kid: str
    """RFC 7638 thumbprint of the public key."""
    thumbprint: str
    """SHA-1 of the certificate in upper-case hex, as Graph names certificates."""
    display_name: str
    certificate: bytes
    """X.509 in DER, of an RSA key."""
    starts_at: datetime
    ends_at: datetime
    signs_from: datetime
    """From then on every client that caches the key set has seen it."""


@dataclass(frozen=True, slots=True)
class RoleAssignment:
    """An appRoleAssignment: `principal` (user, group or service principal) holds a role of the app `resource_sp_id`."""

    id: str
    principal_id: str
    principal_type: Literal["User", "Group", "ServicePrincipal"]
    resource_sp_id: str
    app_role_id: str
    created_at: datetime


DYNAMIC = "DynamicMembership"
"""What a dynamic group has among its groupTypes."""


def rule_of(document: Mapping[str, Any]) -> str | None:
    """The membership rule in a group's document, if it is a dynamic one."""
    return document["membershipRule"] if DYNAMIC in (document.get("groupTypes") or ()) else None


@dataclass(frozen=True, slots=True)
class Group:
    """A group, with members assigned by hand or, if it has a rule, selected by it."""

    id: str
    display_name: str
    security_enabled: bool
    created_at: datetime
    properties: Mapping[str, Any] = field(default_factory=dict)

    @property
    def rule(self) -> str | None:
        """The membership rule of a dynamic group, whose members nobody assigns; None for any other."""
        return rule_of(self.properties)

    @property
    def processing(self) -> bool:
        """Whether a dynamic group's rule is On; Paused, it keeps the members that it has."""
        return self.rule is not None and self.properties.get("membershipRuleProcessingState") == "On"


@dataclass(frozen=True, slots=True)
class DirectoryRoleAssignment:
    """A directory role, named by its template's id, held by a user, group or service principal in the whole tenant."""

    id: str
    principal_id: str
    template_id: str
    created_at: datetime


RelationKind = Literal["manager", "sponsor", "groupOwner", "appOwner"]
"""What one directory object is to another: `object` has `target` as its manager, sponsor, owner."""


@dataclass(frozen=True, slots=True)
class Change:
    """The latest change of a directory object, or of one member of a group (`member_id`, else empty)."""

    seq: int
    object_id: str
    member_id: str
    gone: bool


@dataclass(frozen=True, slots=True)
class Tenant:
    """The resource tenant."""

    id: str
    name: str
    default_domain: str
    created_at: datetime
