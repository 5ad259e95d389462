"""What rules may name: properties with their types, and the operators of each type (docs/membership-rules.md)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, NamedTuple

Kind = Literal["text", "extension", "boolean", "time", "texts", "plans"]
"""A property's type; `extension` is a text that may have been written as a number or Boolean."""

NEGATIONS = {
    "-ne": "-eq",
    "-notStartsWith": "-startsWith",
    "-notEndsWith": "-endsWith",
    "-notContains": "-contains",
    "-notMatch": "-match",
    "-notIn": "-in",
}
"""Each of these operators is true exactly where the other is false: a missing value is no text."""
_TEXT_OPERATORS = tuple(o for negation, positive in NEGATIONS.items() for o in (positive, negation))
OPERATORS: dict[Kind, tuple[str, ...]] = {
    "text": _TEXT_OPERATORS,
    "extension": _TEXT_OPERATORS,
    "boolean": ("-eq", "-ne"),
    "time": ("-eq", "-ne", "-le", "-ge"),
    "texts": (*_TEXT_OPERATORS, "-any", "-all"),
    "plans": ("-any", "-all"),
}
KIND_NAMES: dict[Kind, str] = {
    "text": "a string",
    "extension": "a string",
    "boolean": "a Boolean",
    "time": "a dateTime",
    "texts": "a string collection",
    "plans": "an object collection",
}
SPELLED = {o.casefold(): o for o in (*_TEXT_OPERATORS, "-le", "-ge", "-any", "-all", "-and", "-or", "-not")}
"""Every operator, from its folded to its documented spelling."""


class Field(NamedTuple):
    """What one comparison reads: a property of the user, a property of one element of it (`member`), or the element."""

    name: str
    member: str = ""


@dataclass(frozen=True, slots=True)
class Property:
    """A property of `user`, in its documented spelling."""

    name: str
    kind: Kind


_TEXTS = (
    "city companyName country department displayName employeeId facsimileTelephoneNumber givenName jobTitle mail "
    "mailNickName mobile objectId onPremisesDistinguishedName onPremisesSecurityIdentifier passwordPolicies "
    "physicalDeliveryOfficeName postalCode preferredLanguage sipProxyAddress state streetAddress surname "
    "telephoneNumber usageLocation userPrincipalName userType"
).split() + [f"extensionAttribute{n}" for n in range(1, 16)]
PROPERTIES: dict[str, Property] = {
    p.name.casefold(): p
    for p in (
        *(Property(name, "text") for name in _TEXTS),
        Property("accountEnabled", "boolean"),
        Property("dirSyncEnabled", "boolean"),
        Property("employeeHireDate", "time"),
        Property("otherMails", "texts"),
        Property("proxyAddresses", "texts"),
        Property("assignedPlans", "plans"),
    )
}
"""Every property but memberOf and extension properties, by folded name."""
EXTENSION = re.compile(r"extension_[0-9a-f]{32}_[0-9a-z_]+", re.IGNORECASE | re.ASCII)
"""A directory extension's property: the id of the app that declares it, without hyphens, and its name."""
PLAN_MEMBERS = {name.casefold(): name for name in ("capabilityStatus", "service", "servicePlanId")}
DIRECTORY_NAMES = {
    "officeLocation": "physicalDeliveryOfficeName",
    "mobilePhone": "mobile",
    "faxNumber": "facsimileTelephoneNumber",
    "businessPhones": "telephoneNumber",
    "id": "objectId",
    "onPremisesSyncEnabled": "dirSyncEnabled",
}
"""Graph's names of a user's properties where rules have another."""
