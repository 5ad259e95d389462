"""Graph's application and servicePrincipal, as far as callers write them."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from b2b_idp.guests.oauth_clients import TlsClientAuth, check_jwks, check_redirect, check_tls_client_auth
from b2b_idp.model.directory import SigningAlg
from b2b_idp.model.optional_claims import EXTENSION, KNOWN
from b2b_idp.model.problem import Code, Problem
from b2b_idp.model.url import origin_of
from b2b_idp.policy.documents import Document, Guid, parse

_Name = Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=r"^[^\x00-\x1f\x7f]*$")]
_Text = Annotated[str, StringConstraints(max_length=1024)]
_Uri = Annotated[str, StringConstraints(min_length=1, max_length=2048)]


class _Web(Document):
    redirectUris: list[_Uri] = Field(default_factory=list, max_length=256)
    homePageUrl: _Uri | None = None
    logoutUrl: _Uri | None = None
    implicitGrantSettings: dict[str, bool] | None = None
    redirectUriSettings: list[Any] | None = None


class _Redirects(Document):
    redirectUris: list[_Uri] = Field(default_factory=list, max_length=256)


class _PermissionScope(Document):
    id: Guid
    value: Annotated[str, StringConstraints(min_length=1, max_length=120, pattern=r"^[!#-\[\]-~]+$")]
    type: Literal["User", "Admin"] | None = None
    isEnabled: bool = True
    adminConsentDisplayName: _Text | None = None
    adminConsentDescription: _Text | None = None
    userConsentDisplayName: _Text | None = None
    userConsentDescription: _Text | None = None
    origin: str | None = None


class _Api(Document):
    acceptMappedClaims: bool | None = None
    knownClientApplications: list[Guid] = Field(default_factory=list)
    oauth2PermissionScopes: list[_PermissionScope] = Field(default_factory=list, max_length=200)
    preAuthorizedApplications: list[Any] = Field(default_factory=list)
    requestedAccessTokenVersion: int | None = None


class _OptionalClaim(Document):
    name: Annotated[str, StringConstraints(min_length=1, max_length=256)]
    source: str | None = None
    essential: bool = False
    additionalProperties: list[_Text] = Field(default_factory=list, max_length=10)


class _OptionalClaims(Document):
    idToken: list[_OptionalClaim] | None = Field(default=None, max_length=50)
    accessToken: list[_OptionalClaim] | None = Field(default=None, max_length=50)
    saml2Token: list[_OptionalClaim] | None = Field(default=None, max_length=50)


class _AppRole(Document):
    id: Guid
    displayName: _Name
    description: _Text | None = None
    value: Annotated[str, StringConstraints(max_length=120, pattern=r"^[!#-\[\]-~]*$")] | None = None
    isEnabled: bool = True
    allowedMemberTypes: list[Literal["User", "Application"]] = Field(min_length=1)
    origin: str | None = None


class _Extension(Document):
    requirePkce: bool = True
    postLogoutRedirectUris: list[_Uri] = Field(default_factory=list, max_length=50)
    subjectType: Literal["pairwise", "public"] = "pairwise"
    idTokenSignedResponseAlg: SigningAlg | None = None
    userinfoSignedResponseAlg: SigningAlg | None = None
    authorizationSignedResponseAlg: SigningAlg | None = None
    requestObjectSigningAlg: Literal["RS256", "PS256", "ES256", "EdDSA", "none"] | None = None
    requireSignedRequestObject: bool = False
    requirePushedAuthorizationRequests: bool = False
    profile: Literal["fapi2"] | None = None
    jwks: dict[str, Any] | None = None
    jwksUri: _Uri | None = None
    tokenEndpointAuthSigningAlg: Literal["RS256", "PS256", "ES256", "EdDSA"] | None = None
    tlsClientAuth: TlsClientAuth | None = None
    tlsClientCertificateBoundAccessTokens: bool = False
    dpopBoundAccessTokens: bool = False
    dpopNonceRequired: bool = False
    backchannelLogoutUri: _Uri | None = None
    frontchannelLogoutSessionRequired: bool = True
    adminConsent: list[str] = Field(default_factory=list, max_length=200)
    registration: dict[str, Any] | None = None
    """What an app that registered itself said of itself (RFC 7591), which it alone changes."""


class Application(Document):
    """Graph's application; collections that this version has no use for are taken only when empty."""

    id: str | None = None
    appId: str | None = None
    createdDateTime: str | None = None
    publisherDomain: str | None = None
    displayName: _Name
    description: _Text | None = None
    notes: _Text | None = None
    signInAudience: str | None = None
    identifierUris: list[_Uri] = Field(default_factory=list, max_length=50)
    tags: list[_Text] = Field(default_factory=list)
    groupMembershipClaims: str | None = None
    isFallbackPublicClient: bool | None = None
    web: _Web | None = None
    spa: _Redirects | None = None
    publicClient: _Redirects | None = None
    api: _Api | None = None
    appRoles: list[_AppRole] = Field(default_factory=list, max_length=1000)
    requiredResourceAccess: list[Any] = Field(default_factory=list)
    optionalClaims: _OptionalClaims | None = None
    info: dict[str, Any] | None = None
    passwordCredentials: list[Any] = Field(default_factory=list)
    keyCredentials: list[Any] = Field(default_factory=list, max_length=0)
    b2bIdp: _Extension | None = None


_Instant = Annotated[str, StringConstraints(max_length=40)]
_Thumbprint = Annotated[str, StringConstraints(pattern=r"^[0-9A-Fa-f]{40}$")]


class KeyCredential(Document):
    """Graph's keyCredential: half of a signing key. `key` is base64, PKCS #12 for usage Sign, the certificate in DER
    for usage Verify; it is only ever written."""

    keyId: Guid
    usage: Literal["Sign", "Verify"]
    type: Literal["X509CertAndPassword", "AsymmetricX509Cert", "AsymmetricX509Key"]
    key: Annotated[str, StringConstraints(max_length=64 * 1024)] | None = None
    displayName: _Name | None = None
    customKeyIdentifier: Annotated[str, StringConstraints(max_length=200)] | None = None
    startDateTime: _Instant | None = None
    endDateTime: _Instant | None = None


class KeyPassword(Document):
    """Graph's passwordCredential, as far as it opens the PKCS #12 file of the keyCredential of the same keyId."""

    keyId: Guid
    secretText: Annotated[str, StringConstraints(max_length=1024)] | None = None
    displayName: _Text | None = None
    customKeyIdentifier: Annotated[str, StringConstraints(max_length=200)] | None = None
    hint: str | None = None
    startDateTime: _Instant | None = None
    endDateTime: _Instant | None = None


class ServicePrincipal(Document):
    """Graph's servicePrincipal, as far as callers change it."""

    accountEnabled: bool | None = None
    appRoleAssignmentRequired: bool | None = None
    tags: list[_Text] | None = None
    notes: _Text | None = None
    description: _Text | None = None
    homepage: str | None = None
    loginUrl: str | None = None
    preferredSingleSignOnMode: str | None = None
    preferredTokenSigningKeyThumbprint: _Thumbprint | None = None
    keyCredentials: list[KeyCredential] | None = Field(default=None, max_length=40)
    passwordCredentials: list[KeyPassword] | None = Field(default=None, max_length=40)


class NewServicePrincipal(ServicePrincipal):
    """The body of POST /servicePrincipals."""

    appId: Guid


_READ_ONLY = (
    "id",
    "appId",
    "createdDateTime",
    "publisherDomain",
    "info",
    "passwordCredentials",
    "keyCredentials",
)
_IDENTIFIER_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[A-Za-z0-9._~:/?@!$&'()*+,;=%-]+")
"""RFC 3986 §4.3: scheme and the rest, no fragment."""
_MEMBERSHIP = frozenset({"None", "SecurityGroup", "DirectoryRole", "ApplicationGroup", "All"})


def checked_application(document: dict[str, Any]) -> dict[str, Any]:
    """The document as it is kept. Raises Problem(BAD_REQUEST)."""
    app = parse(Application, document)
    for part in (app.web, app.spa):
        for uri in part.redirectUris if part else ():
            check_redirect(uri, custom_scheme=False)
    for uri in app.publicClient.redirectUris if app.publicClient else ():
        check_redirect(uri, custom_scheme=True)
    for uri in app.b2bIdp.postLogoutRedirectUris if app.b2bIdp else ():
        check_redirect(uri, custom_scheme=True)
    if app.b2bIdp and app.b2bIdp.backchannelLogoutUri:
        check_redirect(app.b2bIdp.backchannelLogoutUri, custom_scheme=False)
    if app.web and app.web.logoutUrl:
        _check_frontchannel_logout(app, app.web.logoutUrl)
    for uri in app.identifierUris:
        if not _IDENTIFIER_URI.fullmatch(uri):
            raise _bad(f"identifierUris: {uri[:100]} is not an absolute URI without fragment.")
    _check_unique(app.identifierUris, "identifierUris: {} stands twice.")
    if app.web and any((app.web.implicitGrantSettings or {}).values()):
        raise _bad("web.implicitGrantSettings: the implicit grant is not supported; use the code flow with PKCE.")
    if app.optionalClaims:
        _check_optional_claims(app.optionalClaims)
    _check_unique([r.value for r in app.appRoles if r.value], "appRoles: the value {} stands twice.")
    _check_unique([r.id for r in app.appRoles], "appRoles: the id {} stands twice.")
    words = {w.strip() for w in (app.groupMembershipClaims or "").split(",") if w.strip()}
    if not words <= _MEMBERSHIP:
        raise _bad(f"groupMembershipClaims is of {', '.join(sorted(_MEMBERSHIP))}.")
    if app.b2bIdp:
        _check_profile(app.b2bIdp)
        check_tls_client_auth(app.b2bIdp.tlsClientAuth)
        check_jwks(app.b2bIdp.jwks)
        _check_jwks_uri(app.b2bIdp)
    return {k: v for k, v in document.items() if k not in _READ_ONLY and "@odata." not in k}


def _check_optional_claims(claims: _OptionalClaims) -> None:
    for token in ("idToken", "accessToken", "saml2Token"):
        entries: list[_OptionalClaim] = getattr(claims, token) or []
        _check_unique([e.name for e in entries], f"optionalClaims.{token}: {{}} stands twice.")
        for entry in entries:
            _check_optional_claim(f"optionalClaims.{token}: {entry.name[:80]}", entry)


def _check_optional_claim(here: str, entry: _OptionalClaim) -> None:
    if entry.source not in (None, "user"):
        raise _bad(f"{here}: source is user, or null.")
    if EXTENSION.fullmatch(entry.name):
        if entry.source is None:
            raise _bad(f"{here}: the source of a directory extension is user.")
        takes: frozenset[str] = frozenset()
    elif entry.source is not None:
        raise _bad(f"{here}: with source user a name is extension_{{appId without hyphens}}_{{attribute}}.")
    elif entry.name not in KNOWN:
        raise _bad(f"{here} is no optional claim. Known are {', '.join(sorted(KNOWN))}.")
    else:
        takes = KNOWN[entry.name]
    wrong = sorted(set(entry.additionalProperties) - takes)
    if wrong:
        known = f"It takes {', '.join(sorted(takes))}." if takes else "It takes none."
        raise _bad(f"{here} has no additional property {wrong[0][:80]}. {known}")


def _check_profile(ours: _Extension) -> None:
    if ours.requireSignedRequestObject and ours.requestObjectSigningAlg == "none":
        raise _bad("b2bIdp.requestObjectSigningAlg: none is no signature, and requireSignedRequestObject wants one.")
    if ours.profile is None:
        return
    signed = (f"{of}SignedResponseAlg" for of in ("idToken", "userinfo", "authorization"))
    for name in (*signed, "requestObjectSigningAlg"):
        if getattr(ours, name) in ("RS256", "none"):
            raise _bad(f"b2bIdp.{name}: the profile fapi2 takes PS256 or ES256 (FAPI 2.0 §5.4).")
    if not ours.requirePkce:
        raise _bad("b2bIdp.requirePkce: the profile fapi2 is with PKCE.")


def _check_jwks_uri(ours: _Extension) -> None:
    if ours.jwksUri is None:
        return
    if ours.jwks:
        raise _bad("b2bIdp: jwks and jwksUri exclude each other.")
    check_redirect(ours.jwksUri, custom_scheme=False)
    if not ours.jwksUri.startswith("https://"):
        raise _bad("b2bIdp.jwksUri: https is needed.")


def _check_frontchannel_logout(app: Application, uri: str) -> None:
    """OpenID Connect Front-Channel Logout 1.0 §2: a page frames it, so it is of the app, as its redirect URIs are."""
    check_redirect(uri, custom_scheme=False)
    own = [u for part in (app.web, app.spa) for u in (part.redirectUris if part else ())]
    if origin_of(uri) not in {origin_of(u) for u in own}:
        raise _bad(f"web.logoutUrl: {uri[:100]} has not scheme, host and port of any redirect URI of this app.")


def _check_unique(values: list[str], say: str) -> None:
    for value in values:
        if values.count(value) > 1:
            raise _bad(say.format(value[:60]))


def _bad(say: str) -> Problem:
    return Problem(Code.BAD_REQUEST, say)
