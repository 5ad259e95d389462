"""Which attributes of a guest follow the home's claims, and who wins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from b2b_idp.guests.membership import settle
from b2b_idp.model.audited import directory_audit, target_user
from b2b_idp.model.directory import User
from b2b_idp.model.home import Home, Trust
from b2b_idp.model.moment import Moment
from b2b_idp.model.provenance import FOLLOWING, FREE, modified, sources, written
from b2b_idp.store import Writer


def may_follow(trust: Trust) -> frozenset[str]:
    """The properties that a home with this trust may fill: names and language, and what trustedAttributes names."""
    return FREE | (trust.trusted_attributes & FOLLOWING)


def followed(
    properties: Mapping[str, Any],
    said: Mapping[str, str | None],
    *,
    trust: Trust,
    overwrites: frozenset[str] = frozenset(),
    new_identity: bool = False,
) -> dict[str, Any]:
    """The changes that a home's word makes; `said` is by directory property, None where the home says it is empty.

    The home fills what is empty and refreshes its own. What an administrator, an invitation or an import set stays,
    unless `overwrites` names it. What a home does not say stays as it last said it, but not another identity's word,
    and not when the home is no longer trusted for it.
    """
    changes: dict[str, Any] = {}
    allowed, source_of = may_follow(trust), sources(properties)
    for name in sorted(FOLLOWING):
        source = source_of.get(name)
        value = said.get(name) if name in allowed else None
        if source == "home":
            if name in said or name not in allowed or new_identity:
                changes[name] = value
        elif value and (source is None or name in overwrites):
            changes[name] = value
    return {name: value for name, value in changes.items() if value != properties.get(name)}


def refresh(
    w: Writer,
    user: User,
    said: Mapping[str, str | None],
    home: Home,
    trust: Trust,
    moment: Moment,
    *,
    new_identity: bool = False,
) -> User:
    """The user with what the home says now, saved and audited; nothing is written when nothing changes."""
    newer = refreshed(user, said, home, trust, new_identity=new_identity)
    if newer is user:
        return user
    w.users.save(newer)
    w.logs.add_audit(refresh_audit(user, newer, home, moment), moment.at)
    follow(w, moment)
    return newer


def follow(w: Writer, moment: Moment) -> None:
    """Has the stored members of dynamic groups follow a changed attribute; without a rule nobody looks for more."""
    if w.memberships.rules.by_group:
        settle(w, moment)


def refreshed(
    user: User, said: Mapping[str, str | None], home: Home, trust: Trust, *, new_identity: bool = False
) -> User:
    """The user with what the home says now; the same one when that changes nothing."""
    changes = followed(user.properties, said, trust=trust, overwrites=home.overwrites, new_identity=new_identity)
    return replace(user, properties=written(user.properties, changes, "home")) if changes else user


def refresh_audit(user: User, newer: User, home: Home, moment: Moment) -> dict[str, Any]:
    """Graph's directoryAudit for what a home's word changed."""
    by_home = {
        "appId": None,
        "displayName": home.display_name,
        "servicePrincipalId": None,
        "servicePrincipalName": home.issuer,
    }
    target = target_user(newer, modified(user.properties, newer.properties))
    return directory_audit(moment, "Update user", [target], service="B2B sign-in", app=by_home)
