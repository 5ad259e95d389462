"""Documents in Graph's shape → values. The API parses what it is sent with these, the store what it kept.

Bad input is Problem(BAD_REQUEST) that names the property; unknown properties are refused, `@odata.*` members are not.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from b2b_idp.model.evidence import StepUp
from b2b_idp.model.home import Collaboration, Home, Partner, Targets
from b2b_idp.model.problem import Code, Problem
from b2b_idp.model.provenance import FOLLOWING
from b2b_idp.policy.vocabulary import compile_vocabulary

Guid = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$", to_lower=True),
]
Text = Annotated[str, StringConstraints(min_length=1, max_length=1024, pattern=r"^[^\x00-\x08\x0a-\x1f\x7f]*$")]
Target = Annotated[str, StringConstraints(min_length=1, max_length=255)]


class Document(BaseModel):
    """Something in Graph's shape: unknown properties are refused, OData control information never is one."""

    model_config = ConfigDict(extra="forbid", strict=True)

    @model_validator(mode="before")
    @classmethod
    def _without_type(cls, value: object) -> object:
        if not isinstance(value, dict) or "@odata.type" not in value:
            return value
        declared = any(field.alias == "@odata.type" for field in cls.model_fields.values())
        return value if declared else {k: v for k, v in value.items() if k != "@odata.type"}


_D = TypeVar("_D", bound=BaseModel)


def parse(kind: type[_D], document: object) -> _D:
    """`document` as a `kind`. All that is wrong is named in one Problem(BAD_REQUEST)."""
    try:
        return kind.model_validate(_without_annotations(document))
    except ValidationError as e:
        wrong = "; ".join(f"{'.'.join(str(p) for p in x['loc']) or 'body'}: {x['msg']}" for x in e.errors()[:8])
        raise Problem(Code.BAD_REQUEST, f"Invalid value: {wrong}.") from None
    except RecursionError:
        raise Problem(Code.BAD_REQUEST, "The document is nested too deeply.") from None


def _without_annotations(value: object) -> object:
    """The document without OData control information, which is never an unknown property."""
    if isinstance(value, dict):
        return {k: _without_annotations(v) for k, v in value.items() if "@odata." not in str(k) or k == "@odata.type"}
    if isinstance(value, list):
        return [_without_annotations(v) for v in value]
    return value


# --- identityProviders ---------------------------------------------------------------------------------------------


class Typed(Document):
    odata_type: str | None = Field(default=None, alias="@odata.type")


class _ClientAuthentication(Typed):
    clientSecret: Annotated[str, StringConstraints(min_length=1, max_length=1024)] | None = Field(
        default=None, repr=False
    )


_Claim = Annotated[str, StringConstraints(max_length=255)]


class _AddressMapping(Typed):
    country: _Claim | None = None
    locality: _Claim | None = None
    postal_code: _Claim | None = None
    region: _Claim | None = None
    street_address: _Claim | None = None


def _can_follow(name: str) -> str:
    if name not in FOLLOWING:
        raise ValueError(f"{name} never follows a home; these can: {', '.join(sorted(FOLLOWING))}")
    return name


_Following = Annotated[str, StringConstraints(max_length=64), AfterValidator(_can_follow)]


class _MappingExtension(Document):
    overwrites: list[_Following] = Field(default_factory=list, max_length=len(FOLLOWING))


class _ClaimMapping(Typed):
    """Graph's members by OpenID Connect's names, then directory properties that those have no name for."""

    sub: _Claim | None = None
    name: _Claim | None = None
    given_name: _Claim | None = None
    family_name: _Claim | None = None
    email: _Claim | None = None
    email_verified: _Claim | None = None
    phone_number: _Claim | None = None
    phone_number_verified: _Claim | None = None
    address: _AddressMapping | None = None
    preferredLanguage: _Claim | None = None
    jobTitle: _Claim | None = None
    department: _Claim | None = None
    companyName: _Claim | None = None
    officeLocation: _Claim | None = None
    employeeType: _Claim | None = None
    usageLocation: _Claim | None = None
    faxNumber: _Claim | None = None
    b2bIdp: _MappingExtension | None = None

    def claims(self) -> dict[str, str]:
        """Our name → claim, those of the address as `address.locality`."""
        flat = self.model_dump(exclude={"address", "odata_type", "b2bIdp"})
        parts = self.address.model_dump(exclude={"odata_type"}) if self.address else {}
        flat |= {f"address.{part}": claim for part, claim in parts.items()}
        return {name: claim for name, claim in flat.items() if claim}


class _StepUp(Typed):
    with_: Literal["acr_values", "claims", "none"] = Field(alias="with")
    values: list[Text] = Field(default_factory=list, max_length=20)


_Modes = dict[Annotated[str, StringConstraints(min_length=1, max_length=255)], list[str]]


class _AuthenticationContext(Typed):
    profile: str = "rfc8176"
    amr: _Modes = Field(default_factory=dict, max_length=200)
    acr: _Modes = Field(default_factory=dict, max_length=200)
    stepUp: _StepUp | None = None
    authTime: Literal["required", "used", "ignored"] = "used"


class _HomeExtension(Typed):
    tenantId: Guid | None = None
    domains: list[str] = Field(default_factory=list, max_length=500)
    authenticationContext: _AuthenticationContext = Field(default_factory=_AuthenticationContext)
    own: bool = False
    enabled: bool = True
    endSession: Literal["offered", "always"] = "offered"
    redirectUri: str | None = None
    """Read-only; ignored when sent back."""
    backChannelLogoutUri: str | None = None
    """Read-only; ignored when sent back."""
    postLogoutRedirectUri: str | None = None
    """Read-only; ignored when sent back."""
    stepUpSeen: Any = None
    """Read-only; ignored when sent back."""


class IdentityProvider(Typed):
    """Graph's oidcIdentityProvider with our `b2bIdp` members."""

    id: str | None = None
    displayName: Text
    clientId: Text
    issuer: Annotated[str, StringConstraints(min_length=8, max_length=1024)]
    wellKnownEndpoint: Annotated[str, StringConstraints(max_length=1024)] | None = None
    responseType: Literal["code"] = "code"
    scope: Annotated[str, StringConstraints(min_length=1, max_length=500)] = "openid profile email"
    clientAuthentication: _ClientAuthentication
    inboundClaimMapping: _ClaimMapping | None = None
    b2bIdp: _HomeExtension = Field(default_factory=_HomeExtension)


OIDC_PROVIDER = "#microsoft.graph.oidcIdentityProvider"
SECRET_AUTHENTICATION = "#microsoft.graph.oidcClientSecretAuthentication"
PRIVATE_JWT_AUTHENTICATION = "#microsoft.graph.oidcPrivateJwtKeyClientAuthentication"


def home_of(tenant_id: str, document: Mapping[str, Any], secret: str | None) -> Home:
    """The home tenant that an identityProvider document (without its secret) describes."""
    provider = parse(IdentityProvider, document)
    extension = provider.b2bIdp
    context = extension.authenticationContext
    step_up = None if context.stepUp is None else StepUp(context.stepUp.with_, tuple(context.stepUp.values))
    vocabulary = compile_vocabulary(context.profile, context.amr, context.acr, step_up, context.authTime)
    mapping = provider.inboundClaimMapping or _ClaimMapping()
    by_key = provider.clientAuthentication.odata_type == PRIVATE_JWT_AUTHENTICATION
    return Home(
        tenant_id=tenant_id,
        issuer=provider.issuer,
        display_name=provider.displayName,
        client_id=provider.clientId,
        client_auth="private_key_jwt" if by_key else "client_secret",
        client_secret=None if by_key else secret,
        well_known=provider.issuer.rstrip("/") + "/.well-known/openid-configuration",
        scope=provider.scope,
        domains=tuple(extension.domains),
        own=extension.own,
        enabled=extension.enabled,
        end_session=extension.endSession,
        claim_mapping=mapping.claims(),
        overwrites=frozenset(mapping.b2bIdp.overwrites if mapping.b2bIdp else ()),
        profile=context.profile,
        vocabulary=vocabulary,
        properties=document,
    )


# --- crossTenantAccessPolicy ---------------------------------------------------------------------------------------


class _InboundTrust(Typed):
    isMfaAccepted: bool | None = None
    isCompliantDeviceAccepted: bool | None = None
    isHybridAzureADJoinedDeviceAccepted: bool | None = None


class _TargetEntry(Typed):
    target: Target
    targetType: Literal["user", "group", "application"]


class _TargetConfiguration(Typed):
    accessType: Literal["allowed", "blocked"]
    targets: list[_TargetEntry] = Field(min_length=1, max_length=1000)


class _Setting(Typed):
    usersAndGroups: _TargetConfiguration | None = None
    applications: _TargetConfiguration | None = None


class _Consent(Typed):
    inboundAllowed: bool | None = None
    outboundAllowed: bool | None = None


class _PartnerExtension(Typed):
    whenHomeCannot: Literal["challengeHere", "block"] | None = None
    mfaMaxAge: str | None = None
    trustedAttributes: list[_Following] | None = Field(default=None, max_length=100)


class PartnerConfiguration(Typed):
    """Graph's crossTenantAccessPolicyConfigurationPartner (or Default) with our `b2bIdp` members."""

    tenantId: Guid | None = None
    isServiceDefault: bool | None = None
    isServiceProvider: bool | None = None
    isInMultiTenantOrganization: bool | None = None
    inboundTrust: _InboundTrust | None = None
    b2bCollaborationInbound: _Setting | None = None
    b2bCollaborationOutbound: _Setting | None = None
    b2bDirectConnectInbound: _Setting | None = None
    b2bDirectConnectOutbound: _Setting | None = None
    automaticUserConsentSettings: _Consent | None = None
    b2bIdp: _PartnerExtension | None = None


_DURATION = re.compile(
    r"^P(?:(?P<days>[0-9]{1,5})D)?(?:T(?:(?P<hours>[0-9]{1,5})H)?(?:(?P<minutes>[0-9]{1,5})M)?(?:(?P<seconds>[0-9]{1,6})S)?)?$"
)


def duration_of(text: str) -> timedelta:
    """An ISO 8601 duration of days and smaller, such as PT12H; longer than zero."""
    match = _DURATION.match(text)
    given = {k: int(v) for k, v in match.groupdict().items() if v} if match else {}
    if not given or not any(given.values()):
        raise Problem(Code.BAD_REQUEST, "A duration is written like PT12H or P1D and is longer than zero.")
    return timedelta(**given)


def _targets(configuration: _TargetConfiguration | None) -> Targets:
    if configuration is None:
        return Targets()
    return Targets(configuration.accessType, frozenset(t.target for t in configuration.targets))


def partner_of(tenant_id: str, document: Mapping[str, Any]) -> Partner:
    """The cross-tenant access policy entry that a document describes; `tenant_id` is `default` for the default one."""
    entry = parse(PartnerConfiguration, document)
    extension = entry.b2bIdp or _PartnerExtension()
    inbound = entry.b2bCollaborationInbound
    consent = entry.automaticUserConsentSettings
    return Partner(
        tenant_id=tenant_id,
        mfa_accepted=None if entry.inboundTrust is None else bool(entry.inboundTrust.isMfaAccepted),
        inbound=None
        if inbound is None
        else Collaboration(_targets(inbound.usersAndGroups), _targets(inbound.applications)),
        automatic_consent=None if consent is None else consent.inboundAllowed,
        when_home_cannot=extension.whenHomeCannot,
        mfa_max_age=None if extension.mfaMaxAge is None else duration_of(extension.mfaMaxAge),
        trusted_attributes=None if extension.trustedAttributes is None else frozenset(extension.trustedAttributes),
        properties=document,
    )
