"""Graph's user: the properties that callers write, and a user as it is shown."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from b2b_idp.claims.attributes import EXTENSION
from b2b_idp.model.directory import User
from b2b_idp.model.moment import iso
from b2b_idp.model.provenance import sources
from b2b_idp.policy.documents import Document

Text = Annotated[str, StringConstraints(max_length=256, pattern=r"^[^\x00-\x1f\x7f]*$")]
_Extension = Annotated[str, StringConstraints(max_length=1024)]
_ProxyAddress = Annotated[str, StringConstraints(max_length=1123, pattern=r"^[A-Za-z0-9]{1,16}:[^\x00-\x1f\x7f]+$")]
"""`SMTP:` with the primary address, `smtp:` with another, or an address of another kind."""


class _Extensions(Document):
    extensionAttribute1: _Extension | None = None
    extensionAttribute2: _Extension | None = None
    extensionAttribute3: _Extension | None = None
    extensionAttribute4: _Extension | None = None
    extensionAttribute5: _Extension | None = None
    extensionAttribute6: _Extension | None = None
    extensionAttribute7: _Extension | None = None
    extensionAttribute8: _Extension | None = None
    extensionAttribute9: _Extension | None = None
    extensionAttribute10: _Extension | None = None
    extensionAttribute11: _Extension | None = None
    extensionAttribute12: _Extension | None = None
    extensionAttribute13: _Extension | None = None
    extensionAttribute14: _Extension | None = None
    extensionAttribute15: _Extension | None = None


class _PasswordProfile(BaseModel):
    """Accepted, and never stored: members sign in at the organisation's own provider."""

    model_config = ConfigDict(extra="ignore")


class _Attributes(Document):
    """What rules, mappings and people read of a user."""

    displayName: Text | None = None
    givenName: Text | None = None
    surname: Text | None = None
    jobTitle: Text | None = None
    department: Text | None = None
    companyName: Text | None = None
    officeLocation: Text | None = None
    mobilePhone: Text | None = None
    preferredLanguage: Text | None = None
    employeeId: Text | None = None
    employeeType: Text | None = None
    employeeHireDate: Text | None = None
    city: Text | None = None
    state: Text | None = None
    country: Text | None = None
    postalCode: Text | None = None
    streetAddress: Text | None = None
    usageLocation: Text | None = None
    faxNumber: Text | None = None
    mailNickname: Text | None = None
    ageGroup: Text | None = None
    consentProvidedForMinor: Text | None = None
    passwordPolicies: Text | None = None
    businessPhones: list[Text] | None = Field(default=None, max_length=250)
    otherMails: list[Annotated[str, StringConstraints(max_length=254)]] | None = Field(default=None, max_length=250)
    onPremisesExtensionAttributes: _Extensions | None = None


class UserChange(_Attributes):
    """The body of PATCH /users/{id}."""

    mail: Annotated[str, StringConstraints(max_length=254)] | None = None
    userType: Literal["Guest", "Member"] | None = None
    accountEnabled: bool | None = None
    userPrincipalName: Annotated[str, StringConstraints(max_length=400)] | None = None
    passwordProfile: _PasswordProfile | None = None
    proxyAddresses: list[_ProxyAddress] | None = Field(default=None, max_length=250)


class NewUser(UserChange):
    """The body of POST /users."""

    displayName: Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=r"^[^\x00-\x1f\x7f]*$")]
    userPrincipalName: Annotated[str, StringConstraints(min_length=1, max_length=254)]


class InvitedProperties(_Attributes):
    """Properties that an invitation gives a new guest."""


TEXTS = tuple(
    name
    for name in _Attributes.model_fields
    if name not in ("businessPhones", "otherMails", "onPremisesExtensionAttributes")
)
LISTS = ("businessPhones", "otherMails", "proxyAddresses")
_NEVER_SET = dict.fromkeys(
    "imAddresses onPremisesProvisioningErrors assignedLicenses assignedPlans provisionedPlans".split(), ()
) | dict.fromkeys(
    "onPremisesDistinguishedName onPremisesDomainName onPremisesImmutableId onPremisesLastSyncDateTime "
    "onPremisesSamAccountName onPremisesSecurityIdentifier onPremisesSyncEnabled onPremisesUserPrincipalName "
    "legalAgeGroupClassification isResourceAccount lastPasswordChangeDateTime employeeLeaveDateTime employeeOrgData "
    "securityIdentifier showInAddressList".split()
)
"""What Graph's users have and ours never hold: scripts may $select it, and read that it is empty."""
READ_ONLY = frozenset(_NEVER_SET) | frozenset(
    "id createdDateTime creationType externalUserState externalUserStateChangeDateTime identities "
    "signInSessionsValidFromDateTime deletedDateTime signInActivity b2bIdp".split()
)
DEFAULT = (
    "businessPhones displayName givenName jobTitle mail mobilePhone officeLocation preferredLanguage surname "
    "userPrincipalName id userType externalUserState"
).split()
PROPERTIES = frozenset(
    [
        *TEXTS,
        *LISTS,
        *READ_ONLY,
        *"mail userPrincipalName userType accountEnabled onPremisesExtensionAttributes".split(),
    ]
)


def user_row(user: User, tenant_domain: str) -> dict[str, Any]:
    """Every property of a user that Graph has."""
    identity = {
        "signInType": "federated",
        "issuer": user.identity.issuer if user.identity else tenant_domain,
        "issuerAssignedId": user.identity.subject if user.identity else None,
    }
    if user.identity is None:
        identity |= {"signInType": "userPrincipalName", "issuerAssignedId": user.upn}
    signed_in = iso(user.last_signin_at) if user.last_signin_at else None
    row: dict[str, Any] = {name: list(v) if v == () else v for name, v in _NEVER_SET.items()}
    row |= {name: user.properties.get(name) for name in TEXTS}
    row |= {name: list(user.properties.get(name) or []) for name in LISTS}
    row |= {name: value for name, value in user.properties.items() if EXTENSION.fullmatch(name)}
    return row | {
        "id": user.id,
        "mail": user.mail,
        "userPrincipalName": user.upn,
        "userType": user.user_type,
        "accountEnabled": user.account_enabled,
        "creationType": user.creation_type,
        "externalUserState": user.state,
        "externalUserStateChangeDateTime": iso(user.state_changed_at) if user.state_changed_at else None,
        "createdDateTime": iso(user.created_at),
        "deletedDateTime": iso(user.deleted_at) if user.deleted_at else None,
        "identities": [identity],
        "signInSessionsValidFromDateTime": iso(user.sessions_valid_from or user.created_at),
        "onPremisesExtensionAttributes": dict(user.properties.get("onPremisesExtensionAttributes") or {}),
        "signInActivity": None if signed_in is None else {"lastSignInDateTime": signed_in},
        "b2bIdp": {
            "expirationDateTime": iso(user.expires_at) if user.expires_at else None,
            "attestedDateTime": user.properties.get("b2bIdp.attestedAt"),
            "attestedBy": user.properties.get("b2bIdp.attestedBy"),
            "homeTenantId": user.home_tenant_id,
            "provenance": dict(sources(user.properties)),
        },
    }


def default_row(user: User, tenant_domain: str) -> dict[str, Any]:
    """What a user shows unless $select asks for more."""
    row = user_row(user, tenant_domain)
    return {name: row[name] for name in DEFAULT}
