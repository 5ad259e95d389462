"""Keeping the guest directory tidy: attestation, guests who never came or stayed away, what is deleted for good.

What is to be done is found first, as values that can be shown (a dry run), and done with the very same list.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from b2b_idp.guests import lifecycle
from b2b_idp.guests.lifecycle import RESTORABLE
from b2b_idp.model.directory import User
from b2b_idp.model.moment import Moment, iso
from b2b_idp.store import Reader, Writer

Action = Literal["delete", "disable", "deleteForGood"]


@dataclass(frozen=True, slots=True)
class Due:
    """A guest that something is to be done with: `reason` says why, `since` from when it is true."""

    user: User
    action: Action
    reason: Literal["unredeemed", "inactive", "expired", "deleted", "erased"]
    since: datetime


def due(
    r: Reader, at: datetime, *, unredeemed: timedelta | None = None, inactive: timedelta | None = None
) -> list[Due]:
    """What is due: invitations unredeemed for so long → the guest is deleted; no sign-in for so long → disabled;
    expired → disabled; deleted for 30 days → deleted for good. Members and administrators are never among them."""
    found: list[Due] = []
    if unredeemed is not None:
        waiting = r.users.pending_before(at - unredeemed)
        found += [Due(u, "delete", "unredeemed", u.state_changed_at or u.created_at) for u in waiting]
    if inactive is not None:
        away = r.users.inactive_before(at - inactive)
        found += [Due(u, "disable", "inactive", u.last_signin_at or u.state_changed_at or u.created_at) for u in away]
    taken = {d.user.id for d in found}
    ended = [u for u in r.users.expired_before(at) if u.id not in taken]
    found += [Due(u, "disable", "expired", u.expires_at or at) for u in ended]
    powerful = {a.principal_id for a in r.directory.role_assignments()}
    gone = r.users.deleted_before(at - RESTORABLE, most=10_000)
    return [
        *(d for d in found if d.user.id not in powerful),
        *(Due(u, "deleteForGood", "deleted", u.deleted_at or at) for u in gone),
    ]


def carry_out(w: Writer, list_: Sequence[Due], moment: Moment) -> None:
    """Does what `due` found in this same transaction."""
    for one in list_:
        match one.action:
            case "delete":
                lifecycle.delete(w, one.user, moment)
            case "disable":
                lifecycle.set_enabled(w, one.user, False, moment)
            case "deleteForGood":
                lifecycle.delete_for_good(w, one.user, moment)


def attest(w: Writer, user: User, by: str, moment: Moment) -> User:
    """Notes that somebody answers for the guest; a guest that will expire lives on for as long as new guests do. Whose
    end has come, an administrator prolongs."""
    properties = dict(user.properties) | {"b2bIdp.attestedAt": iso(moment.at), "b2bIdp.attestedBy": by}
    days = w.configuration.authorization.guest_lifetime_days
    expires = user.expires_at
    if expires is not None and days is not None and expires > moment.at:
        expires = max(expires, moment.at + timedelta(days=days))
    changed = replace(user, properties=properties, expires_at=expires)
    w.users.save(changed)
    return changed
