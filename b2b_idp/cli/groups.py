"""`b2b-idp groups`: the stored members of dynamic groups brought up to date, and a rule tried before it is saved."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from b2b_idp.cli.instance import data_option, json_option, open_instance, show
from b2b_idp.extension import system_moment
from b2b_idp.guests.membership import refresh as refresh_members
from b2b_idp.guests.membership import start_over
from b2b_idp.guests.membership_preview import Some, preview
from b2b_idp.model.directory import Group
from b2b_idp.model.problem import Code, Problem
from b2b_idp.store import Reader


@click.group()
def groups() -> None:
    """Dynamic groups: bring lists of members up to date, try a rule before it is saved."""


@groups.command()
@data_option
@json_option
def refresh(data: Path, as_json: bool) -> None:
    """Bring the stored members of all dynamic groups up to date.

    `serve` does this by itself. Tokens do not wait for it. Stopped, it goes on where it was.
    """
    store = open_instance(data).store
    users = start_over(store)
    done, entered, left = 0, 0, 0
    with click.progressbar(length=max(users, 1), label="Users", file=sys.stderr) as bar:
        for step in refresh_members(store, system_moment):
            done, entered, left = done + step.users, entered + step.entered, left + step.left
            bar.update(step.users)
    found = {"users": done, "entered": entered, "left": left}
    show(found, [f"{done} users looked at: {entered} memberships came, {left} went."], as_json)


@groups.command("dry-run")
@data_option
@click.argument("rule")
@click.option("--group", "name", help="The group whose rule it would be: its name or id.")
@json_option
def dry_run(data: Path, rule: str, name: str | None, as_json: bool) -> None:
    """Show whom RULE would bring into a group, and whom it would put out. Nothing is changed."""
    with open_instance(data).store.read() as r:
        group = None if name is None else _group(r, name)
        with click.progressbar(length=max(r.users.count(), 1), label="Users", file=sys.stderr) as bar:
            found = preview(r, rule, group, system_moment().at, bar.update)
    document = {
        "users": found.users,
        "entering": _some(found.entering),
        "leaving": _some(found.leaving, found.others_leaving),
        "remaining": found.remaining,
        "writtenByHomes": list(found.written_by_homes),
    }
    lines = [
        *_lines("would come", found.entering, 0),
        *_lines("would go", found.leaving, found.others_leaving),
        f"{found.remaining} stay; {found.users} users looked at. Nothing was changed.",
    ]
    if found.written_by_homes:
        lines.append(f"Home tenants decide about {', '.join(found.written_by_homes)}, which the rule reads.")
    show(document, lines, as_json)


def _group(r: Reader, name: str) -> Group:
    every = r.apps.all_groups()
    found = [g for g in every if g.id == name.lower()] or [g for g in every if g.display_name == name]
    if len(found) != 1:
        raise Problem(Code.BAD_REQUEST, f"{len(found) or 'No'} groups are named {name[:60]}.")
    return found[0]


def _some(some: Some, more: int = 0) -> dict[str, Any]:
    sample = [{"id": u.id, "displayName": u.display_name, "mail": u.mail} for u in some.sample]
    return {"count": some.count + more, "sample": sample}


def _lines(what: str, some: Some, more: int) -> list[str]:
    named = [f"    {u.display_name} ({u.mail or u.upn})" for u in some.sample]
    rest = some.count + more - len(named)
    return [f"{some.count + more} {what}", *named, *([f"    and {rest} more"] if rest and named else [])]
