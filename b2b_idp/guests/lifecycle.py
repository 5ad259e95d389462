"""What can happen to a guest after the invitation."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta

from b2b_idp.guests.erasure import person_of
from b2b_idp.guests.membership import settle
from b2b_idp.guests.roles import GLOBAL_ADMINISTRATOR
from b2b_idp.model.directory import User, UserType
from b2b_idp.model.evidence import LocalMethod
from b2b_idp.model.moment import Moment
from b2b_idp.model.problem import Code, Problem
from b2b_idp.store import Reader, Writer
from b2b_idp.store.notices import By

RESTORABLE = timedelta(days=30)
"""How long a deleted user can be restored."""


def revoke_sessions(w: Writer, user: User, moment: Moment, by: By = "admin") -> User:
    """Ends every session, code and refresh token of the user at once (revokeSignInSessions), and tells the apps."""
    changed = replace(user, sessions_valid_from=moment.at)
    w.users.save(changed)
    w.signins.end_sessions_of(user.id, moment.at)
    w.grants.revoke_user(user.id, moment, by)
    return changed


def set_enabled(w: Writer, user: User, enabled: bool, moment: Moment) -> User:
    """Switches the account on or off; switching off ends its sessions."""
    changed = replace(user, account_enabled=enabled)
    if user.account_enabled and not enabled:
        check_not_last_administrator(w, user, moment.at)
        changed = revoke_sessions(w, changed, moment)
    else:
        w.users.save(changed)
    settle(w, moment)
    return changed


def forget_factors(w: Writer, user: User, moment: Moment) -> User:
    """Takes local factors, recovery codes, sessions, grants, consents and remembered evidence off the user."""
    changed = revoke_sessions(w, replace(user, home_mfa_seen_at=None), moment)
    w.factors.forget(user.id)
    w.grants.forget_consents(user.id)
    return changed


def remove_factor(w: Writer, user: User, id: str, moment: Moment) -> User:
    """Takes one local factor off the user, and with the last one everything that stood on it."""
    w.factors.remove(user.id, id)
    if w.factors.methods(user.id) - {LocalMethod.RECOVERY_CODE}:
        return user
    return forget_factors(w, user, moment)


def reset(w: Writer, user: User, moment: Moment) -> User:
    """Takes the identity off a guest, who must redeem again; object id, groups and assignments stay."""
    pending = replace(
        user,
        identity=None,
        home_tenant_id=None,
        proved_mail=None,
        state="PendingAcceptance",
        state_changed_at=moment.at,
    )
    w.invitations.end(user.id, moment.at)
    return forget_factors(w, pending, moment)


def convert(w: Writer, user: User, to: UserType, moment: Moment) -> User:
    """Makes a guest a member or a member a guest. Identity and access stay; local factors and sessions do not."""
    return forget_factors(w, replace(user, user_type=to), moment)


def set_expiry(w: Writer, user: User, at: datetime | None) -> User:
    """From `at` on the account is as if disabled; None: it never expires."""
    changed = replace(user, expires_at=at)
    w.users.save(changed)
    return changed


def delete(w: Writer, user: User, moment: Moment) -> None:
    """Deletes the user, who can be restored for 30 days. Sessions and open invitations end at once."""
    check_not_last_administrator(w, user, moment.at)
    w.invitations.end(user.id, moment.at)
    revoke_sessions(w, replace(user, deleted_at=moment.at), moment)
    settle(w, moment)


def restore(w: Writer, user: User, moment: Moment) -> User:
    """Brings a deleted user back with groups and assignments, without local factors and sessions."""
    if user.state == "Accepted" and user.identity is None:
        # another guest took up the identity meanwhile
        return reset(w, replace(user, deleted_at=None), moment)
    return forget_factors(w, replace(user, deleted_at=None), moment)


def delete_for_good(w: Writer, user: User, moment: Moment) -> None:
    """Removes the user with everything that hangs on them. The logs stay, and `erasure.carry_on` takes the person out
    of them."""
    w.erasures.add(person_of(w, user), moment.at)
    w.erasures.forget_letters([user.id, *w.erasures.invitation_ids(user.id)])
    w.apps.unassign_principal(user.id)
    w.directory.forget(user.id)
    w.users.delete(user.id)


def _administrators(r: Reader) -> list[User]:
    """Who is a Global Administrator, by themselves or by a group."""
    holders = [a.principal_id for a in r.directory.role_assignments(template_id=GLOBAL_ADMINISTRATOR)]
    return list(r.users.by_ids({*holders, *(member for id in holders for member in r.apps.members(id))}))


def check_not_last_administrator(r: Reader, user: User, at: datetime) -> None:
    """Raises Problem(CONFLICT) when this user is a Global Administrator and no other one's account works."""
    found = _administrators(r)
    if any(a.id == user.id for a in found) and not any(a.id != user.id and a.usable_at(at) for a in found):
        raise _last_administrator()


@contextmanager
def administrators_stay(w: Writer, at: datetime) -> Iterator[None]:
    """Around a change of roles, groups or accounts: Problem(CONFLICT) when it leaves no Global Administrator."""
    before = any(a.usable_at(at) for a in _administrators(w))
    yield
    if before and not any(a.usable_at(at) for a in _administrators(w)):
        raise _last_administrator()


def _last_administrator() -> Problem:
    return Problem(Code.CONFLICT, "This is the last Global Administrator. Give the role to somebody else first.")
