"""`b2b-idp guests`: what is due in the guest directory, and erasing a guest, shown first and done when asked."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import click

from b2b_idp.cli.instance import data_option, json_option, open_instance, show
from b2b_idp.extension import system_moment
from b2b_idp.guests.lifecycle import delete, delete_for_good
from b2b_idp.guests.upkeep import Due, carry_out, due
from b2b_idp.model.audited import directory_audit, target_user
from b2b_idp.model.directory import User
from b2b_idp.model.moment import Moment, iso
from b2b_idp.model.problem import Code, Problem
from b2b_idp.store import Reader, Writer

_DAYS = click.IntRange(1, 36_500)


def _time(days: int | None) -> timedelta | None:
    return None if days is None else timedelta(days=days)


@click.group(invoke_without_command=True)
@click.pass_context
@data_option
@json_option
@click.option("--unredeemed", type=_DAYS, help="Delete guests who were invited so many days ago and never came.")
@click.option("--inactive", type=_DAYS, help="Disable guests who did not sign in for so many days.")
@click.option("--apply", is_flag=True, help="Do it; without, it is only shown.")
def guests(
    context: click.Context, data: Path, as_json: bool, unredeemed: int | None, inactive: int | None, apply: bool
) -> None:
    """Show what is due: unredeemed invitations, inactive and expired guests, those deleted 30 days ago.

    Members and holders of directory roles are never touched. What is deleted can be restored for 30 days.
    """
    if context.invoked_subcommand is not None:
        return
    idp, moment = open_instance(data), system_moment()

    def look_and_do(w: Writer) -> list[Due]:
        found = due(w, moment.at, unredeemed=_time(unredeemed), inactive=_time(inactive))
        if apply:
            carry_out(w, found, moment)
            for one in found:
                w.logs.add_audit(_audit(one, moment), moment.at)
        return found

    found = idp.store.transact(look_and_do)
    rows = [
        {"id": d.user.id, "mail": d.user.mail, "action": d.action, "reason": d.reason, "since": iso(d.since)}
        for d in found
    ]
    lines = [f"{r['action']:<14} {r['mail'] or r['id']:<40} {r['reason']} since {r['since']}" for r in rows]
    done = "Done." if apply else "Nothing was changed; add --apply to do it."
    show({"due": rows, "applied": apply}, [*lines, f"{len(rows)} due. {done}"], as_json)


_ACTIVITIES = {"delete": "Delete user", "disable": "Disable account", "deleteForGood": "Hard Delete user"}


def _audit(one: Due, moment: Moment) -> dict[str, Any]:
    return directory_audit(
        moment,
        _ACTIVITIES[one.action],
        [target_user(one.user)],
        service="b2b-idp guests",
        operation="Update" if one.action == "disable" else "Delete",
        app={"displayName": "b2b-idp guests"},
        reason=one.reason,
    )


@guests.command()
@data_option
@json_option
@click.argument("guest")
@click.option("--apply", is_flag=True, help="Do it; without, it is only shown.")
def erase(data: Path, as_json: bool, guest: str, apply: bool) -> None:
    """Erase GUEST (object id, user principal name or mail address) for good, deleted or not.

    Names, addresses, factors and what the home said go, from the logs too, where the object id stays. Nothing of it can
    be restored.
    """
    idp, moment = open_instance(data), system_moment()
    with idp.store.write() as w:
        user = _whom(w, guest)
        if apply:
            if user.deleted_at is None:
                delete(w, user, moment)
            delete_for_good(w, user, moment)
            w.logs.add_audit(_audit(Due(user, "deleteForGood", "erased", moment.at), moment), moment.at)
    changed = 0
    if apply:
        changed = idp.erase()
        idp.store.compact()
    show(
        {"id": user.id, "erased": apply, "changed": changed},
        [
            f"{user.display_name} ({user.mail or user.upn}), object id {user.id}",
            f"Erased; {changed} entries of logs, mail and answers changed."
            if apply
            else "Nothing was changed; add --apply to do it.",
        ],
        as_json,
    )


def _whom(r: Reader, guest: str) -> User:
    """The one user that is meant. Raises Problem(NOT_FOUND, CONFLICT)."""
    user = r.users.by_id(guest.lower()) or r.users.deleted(guest.lower()) or r.users.by_upn(guest)
    found = [user] if user else r.users.by_mail(guest)
    if len(found) == 1:
        return found[0]
    if not found:
        raise Problem(Code.NOT_FOUND, f"There is no guest {guest[:80]}; one who is deleted is named by the object id.")
    raise Problem(Code.CONFLICT, f"{len(found)} users have this address: name one by the object id.")
