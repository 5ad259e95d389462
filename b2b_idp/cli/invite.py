"""`b2b-idp invite`: bulk invitation from a CSV file, resumable, nothing invited twice."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from b2b_idp.cli.instance import data_option, open_instance
from b2b_idp.extension import B2BIdp, system_moment
from b2b_idp.guests.invite import InvitationRequest
from b2b_idp.guests.invite import invite as invite_one
from b2b_idp.model.problem import Code, Problem

_COLUMNS = ("email", "name", "redirect")


@click.command()
@data_option
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--redirect", default=None, help="Where guests land; a `redirect` column wins.")
@click.option("--send/--no-send", default=True, show_default=True, help="Mail the invitations.")
def invite(data: Path, file: Path, redirect: str | None, send: bool) -> None:
    """Invite everyone in FILE.csv (columns: email, name, redirect).

    One line of JSON per row goes to FILE.csv.result; rows that have one already are passed over, so an interrupted
    run is resumed by running it again.
    """
    idp = open_instance(data)
    result_file = file.with_name(file.name + ".result")
    done = _done(result_file)
    rows = list(_rows(file))
    failed = 0
    with (
        result_file.open("a", encoding="utf-8") as results,
        click.progressbar(rows, label="Inviting", file=sys.stderr) as progress,
    ):
        for number, row in progress:
            if number in done:
                continue
            result = {"row": number} | _invite_row(idp, row, redirect, send)
            failed += "error" in result
            line = json.dumps(result, separators=(",", ":"), ensure_ascii=False)
            results.write(line + "\n")
            results.flush()
            click.echo(line)
    if failed:
        raise SystemExit(1)


def _done(result_file: Path) -> set[int]:
    if not result_file.exists():
        return set()
    found = set()
    for line in result_file.read_text(encoding="utf-8").splitlines():
        try:
            found.add(int(json.loads(line)["row"]))
        except (ValueError, KeyError, TypeError):
            continue  # the last line of a killed run
    return found


def _rows(file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    with file.open(encoding="utf-8-sig", newline="") as f:
        reader = csv.DictReader(f)
        names = [n.strip().lower() for n in reader.fieldnames or ()]
        if "email" not in names or set(names) - set(_COLUMNS):
            raise Problem(Code.BAD_REQUEST, f"{file}: the columns are email and, if wanted, name and redirect.")
        reader.fieldnames = names
        yield from enumerate(reader, start=2)


def _invite_row(idp: B2BIdp, row: dict[str, Any], redirect: str | None, send: bool) -> dict[str, Any]:
    email = str(row.get("email") or "").strip()
    moment = system_moment()
    try:
        with idp.store.write() as w:
            if any(u.state is not None for u in w.users.by_mail(email)):
                return {"email": email, "status": "already invited"}
            invited = invite_one(
                w,
                idp.vault,
                InvitationRequest(
                    email=email,
                    redirect_url=str(row.get("redirect") or redirect or ""),
                    display_name=str(row.get("name") or "").strip() or None,
                    send_message=send,
                ),
                by="b2b-idp invite",
                issuer=idp.settings.issuer,
                moment=moment,
            )
    except Problem as p:
        return {"email": email[:254], "error": p.say}
    return {"email": email, "status": invited.invitation.status, "userId": invited.user.id}
