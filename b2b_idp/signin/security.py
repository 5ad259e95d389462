"""How a person confirms who they are here: what they see of it, and the changes they may make with young MFA."""

from __future__ import annotations

from dataclasses import dataclass

from b2b_idp.factors import challenge, letters
from b2b_idp.keys.vault import Vault
from b2b_idp.model.access import Allow
from b2b_idp.model.directory import User
from b2b_idp.model.moment import Moment
from b2b_idp.model.problem import Code, Problem
from b2b_idp.signin.beginnings import facts_of_task
from b2b_idp.signin.facts import Task, TaskKind
from b2b_idp.signin.judging import judge
from b2b_idp.signin.log import guest_audit
from b2b_idp.signin.view import load_view
from b2b_idp.store import Reader, Writer
from b2b_idp.store.factors import Registered
from b2b_idp.store.signins import SessionRow

_LONGEST_NAME = 64


@dataclass(frozen=True, slots=True)
class SecurityInfo:
    """What is registered here for a person, the oldest first, and how many recovery codes are left."""

    factors: tuple[Registered, ...]
    codes_left: int


def security_info(r: Reader, user: User) -> SecurityInfo:
    return SecurityInfo(tuple(r.factors.registered(user.id)), r.factors.recovery_codes_left(user.id))


def factor_of(r: Reader, user: User, id: str) -> Registered:
    """One of the person's own factors. Raises Problem(NOT_FOUND)."""
    for factor in r.factors.registered(user.id):
        if factor.id == id:
            return factor
    raise Problem(Code.NOT_FOUND, "That is not set up here, or not any more.")


def task_of(kind: TaskKind, user: User, subject: str = "", name: str = "") -> Task:
    """What a person asks for, with the name in its one spelling."""
    return Task(kind, user.id, subject, " ".join(name.split())[:_LONGEST_NAME])


def check(r: Reader, user: User, task: Task) -> None:
    """Raises Problem(NOT_FOUND | CONFLICT | INVALID_REQUEST) for what cannot be done, whoever asks."""
    match task.kind:
        case TaskKind.REMOVE:
            factor_of(r, user, task.subject)
        case TaskKind.RENAME:
            if factor_of(r, user, task.subject).name is None:
                raise Problem(Code.CONFLICT, "Only passkeys have names.")
            if not task.name or not task.name.isprintable():
                raise Problem(Code.INVALID_REQUEST, "Please type a name.")
        case TaskKind.CODES:
            if not r.factors.registered(user.id):
                raise Problem(Code.CONFLICT, "Recovery codes stand in for a lost phone or passkey: set one up first.")


def check_confirmed(r: Reader, session: SessionRow, user: User, address: str, moment: Moment) -> None:
    """Raises Problem(FORBIDDEN) unless the session holds a second factor young enough for a change. `address`: the
    browser's."""
    known = facts_of_task(session, user, Task(TaskKind.SESSIONS, user.id, "", ""), moment)
    view = load_view(r, known, moment.at, address)
    if not isinstance(judge(known, view, user, moment.at).decision, Allow):
        raise Problem(
            Code.FORBIDDEN,
            "Confirm first that it is you: on your security page choose to end all other sessions, which asks you for "
            "your second factor. Then give the pass within 15 minutes.",
            "the session holds no second factor of the last 15 minutes",
        )


def draw_codes(w: Writer, vault: Vault, user: User, moment: Moment) -> tuple[str, ...]:
    """A fresh list of recovery codes in place of the old one."""
    codes = challenge.draw_recovery_codes(w, vault, user.id, moment)
    what = "A new list of recovery codes was drawn for your account at {organisation}. The old ones are good no more."
    _tell(w, vault, user, what, "User drew recovery codes", moment)
    return codes


def carry_out(w: Writer, vault: Vault, task: Task, user: User, session_id: str, moment: Moment) -> None:
    """The change, its mail and its audit entry, in the transaction of the sign-in that proved the person; `session_id`
    is that sign-in's. What was added or drawn was so on the way; what is gone meanwhile is left alone."""
    match task.kind:
        case TaskKind.SESSIONS:
            _end_others(w, user, session_id, moment)
            what = "All other sessions of your account at {organisation} were ended."
            _tell(w, vault, user, what, "User ended other sessions", moment)
        case TaskKind.REMOVE | TaskKind.RENAME:
            try:
                factor = factor_of(w, user, task.subject)
            except Problem:
                return
            if task.kind is TaskKind.RENAME:
                _rename(w, vault, user, factor, task.name, moment)
            else:
                _remove(w, vault, user, factor, session_id, moment)


def _rename(w: Writer, vault: Vault, user: User, factor: Registered, name: str, moment: Moment) -> None:
    w.factors.rename(user.id, factor.id, name)
    what = "A passkey of your account at {organisation} was given another name."
    _tell(w, vault, user, what, "User renamed security info", moment, factor)


def _remove(w: Writer, vault: Vault, user: User, factor: Registered, session_id: str, moment: Moment) -> None:
    w.factors.remove(user.id, factor.id)
    what = f"{letters.CALLED[factor.method]} was removed from your account at {{organisation}}."
    if not w.factors.registered(user.id):
        # no code outlives what it stands in for, and no session that which it was opened with
        w.factors.forget(user.id)
        _end_others(w, user, session_id, moment)
        what += " It was the last one: your recovery codes are gone with it, and all other sessions were ended."
    _tell(w, vault, user, what, "User deleted security info", moment, factor, "Delete")


def _end_others(w: Writer, user: User, session_id: str, moment: Moment) -> None:
    w.signins.end_other_sessions(user.id, session_id, moment.at)
    w.grants.revoke_other_sessions(user.id, session_id, moment)


def _tell(
    w: Writer,
    vault: Vault,
    user: User,
    what: str,
    activity: str,
    moment: Moment,
    factor: Registered | None = None,
    operation: str = "Update",
) -> None:
    letters.tell(w, vault, user, what, moment)
    reason = "" if factor is None else f"{factor.method.value} {factor.id}"
    service = "Authentication Methods"
    audit = guest_audit(user, moment, activity, service=service, operation=operation, reason=reason)
    w.logs.add_audit(audit, moment.at)
