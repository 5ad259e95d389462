"""What can happen to a guest after the invitation."""

from __future__ import annotations

from dataclasses import replace

from b2b_idp.model.directory import User
from b2b_idp.model.moment import Moment
from b2b_idp.store import Writer


def revoke_sessions(w: Writer, user: User, moment: Moment) -> None:
    """Ends every session, code and refresh token of the user at once (revokeSignInSessions)."""
    w.users.save(replace(user, sessions_valid_from=moment.at))
    w.signins.end_sessions_of(user.id, moment.at)
    w.grants.revoke_user(user.id, moment.at)


def set_enabled(w: Writer, user: User, enabled: bool, moment: Moment) -> User:
    """Switches the account on or off; switching off ends its sessions."""
    changed = replace(user, account_enabled=enabled)
    if user.account_enabled and not enabled:
        revoke_sessions(w, changed, moment)
        return replace(changed, sessions_valid_from=moment.at)
    w.users.save(changed)
    return changed


def reset(w: Writer, user: User, moment: Moment) -> User:
    """Takes the identity off a guest, who must redeem again; object id, groups and assignments stay.

    Local factors, recovery codes, sessions, grants, consents and remembered evidence are gone.
    """
    pending = replace(
        user,
        identity=None,
        home_tenant_id=None,
        proved_mail=None,
        home_mfa_seen_at=None,
        state="PendingAcceptance",
        state_changed_at=moment.at,
    )
    revoke_sessions(w, pending, moment)
    w.factors.forget(user.id)
    w.grants.forget_consents(user.id)
    w.users.end_invitations(user.id, moment.at)
    return replace(pending, sessions_valid_from=moment.at)


def delete(w: Writer, user: User) -> None:
    """Removes the user with everything that hangs on them; the logs stay."""
    w.apps.unassign_principal(user.id)
    w.users.delete(user.id)
