"""Which attributes of a guest follow the home's claims, and who wins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from b2b_idp.model.directory import User
from b2b_idp.model.home import Trust
from b2b_idp.signin.facts import HomeProfile

_NEVER = frozenset({"mail", "otherMails", "proxyAddresses", "userPrincipalName", "userType", "employeeId"})
FROM_HOME = "b2bIdp.fromHome"
"""The property that names which properties came from home: an administrator's value is not among them, and wins."""


def refreshed(user: User, profile: HomeProfile, trust: Trust, raw: Mapping[str, Any]) -> User | None:
    """The user with what the home says now; None when nothing changes.

    Name and language follow freely; any other property only if the partner's trustedAttributes names it, and
    addresses, type and extension attributes never. A value that an administrator or the invitation set stays.
    """
    said: dict[str, Any] = {
        "displayName": profile.name,
        "givenName": profile.given_name,
        "surname": profile.family_name,
        "preferredLanguage": profile.locale,
    }
    for name in trust.trusted_attributes - _NEVER:
        if not name.startswith("extension") and isinstance(raw.get(name), str):
            said[name] = raw[name]
    from_home = set(user.properties.get(FROM_HOME, ()))
    properties = dict(user.properties)
    for name, value in said.items():
        if value and (properties.get(name) in (None, "") or name in from_home):
            properties[name] = value[:256]
            from_home.add(name)
    if from_home:
        properties[FROM_HOME] = sorted(from_home)
    return None if properties == dict(user.properties) else replace(user, properties=properties)
