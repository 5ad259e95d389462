"""Where a user's properties come from, and which of them may come from home at all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from b2b_idp.model.audited import differences

Source = Literal["home", "administrator", "invitation", "import"]

PROVENANCE = "b2bIdp.provenance"
"""The property that holds property name → Source."""
_FROM_HOME = "b2bIdp.fromHome"
"""The earlier form of it: a list of the properties that came from home."""

FREE = frozenset({"displayName", "givenName", "surname", "preferredLanguage"})
"""Names and language, which follow every home."""
FOLLOWING = FREE | frozenset(
    (
        "jobTitle department companyName officeLocation employeeType usageLocation mobilePhone faxNumber "
        "streetAddress city state postalCode country"
    ).split()
)
"""All that can follow a home: what is not FREE only if its partner entry trusts the home for it.

Addresses, userPrincipalName, userType, employeeId, mailNickname and extension attributes are not among them.
"""


_NOTHING: tuple[Any, ...] = (None, "", [], {})


def sources(properties: Mapping[str, Any]) -> dict[str, Source]:
    """Who each value is from, for every property that has one. One of unknown origin is an administrator's."""
    noted: dict[str, Source] = dict.fromkeys(properties.get(_FROM_HOME, ()), "home")
    noted |= properties.get(PROVENANCE, {})
    return {
        name: noted.get(name, "administrator")
        for name, value in properties.items()
        if name not in (PROVENANCE, _FROM_HOME) and value not in _NOTHING
    }


def source_of(properties: Mapping[str, Any], name: str) -> Source | None:
    """Who the value of a property is from; None when it has none."""
    return sources(properties).get(name)


def written(properties: Mapping[str, Any], changes: Mapping[str, Any], source: Source) -> dict[str, Any]:
    """The properties with `changes`, which are `source`'s from now on. Null and empty take the value away and its
    provenance with it: then the home may fill the property again."""
    noted = sources(properties)
    new = {name: value for name, value in properties.items() if name not in (PROVENANCE, _FROM_HOME)}
    for name, value in changes.items():
        if value in _NOTHING:
            new.pop(name, None)
            noted.pop(name, None)
        else:
            new[name] = value
            noted[name] = source
    return new | ({PROVENANCE: noted} if noted else {})


def modified(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What differs between two states of a user's properties, for the audit log; without our bookkeeping."""
    return differences(before, after, leave_out=(PROVENANCE, _FROM_HOME))
