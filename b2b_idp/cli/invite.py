"""`b2b-idp invite`: bulk invitation from a CSV file, resumable, nothing invited twice."""

from __future__ import annotations

import json
import re
import signal
import sys
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import click

from b2b_idp.cli.guest_list import GuestList, Row
from b2b_idp.cli.instance import data_option, json_option, open_instance, show
from b2b_idp.cli.result_file import ResultFile
from b2b_idp.extension import B2BIdp
from b2b_idp.guests.addresses import checked_address, checked_landing
from b2b_idp.guests.groups import check_assigned
from b2b_idp.guests.invite import INVITE, InvitationRequest
from b2b_idp.guests.invite import invite as invite_one
from b2b_idp.guests.membership import settle
from b2b_idp.model.audited import directory_audit, target_user
from b2b_idp.model.directory import Group, User
from b2b_idp.model.moment import Moment
from b2b_idp.model.problem import Code, Problem
from b2b_idp.store import Writer

BY = "b2b-idp invite"
ROWS_AT_ONCE = 200
"""Rows in one transaction: one durable commit for all of them."""
_PAUSE_SECONDS = 0.11
"""After each transaction. Who waits for SQLite's lock tries every 100 ms: a shorter pause would starve the server."""
_TRIES = 10
_YES, _NO = ("true", "yes", "1"), ("false", "no", "0")
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class _Asked:
    """A row that can be carried out; `groups` are names or ids, not looked up yet."""

    row: Row
    request: InvitationRequest
    groups: tuple[str, ...] = ()


@click.command()
@data_option
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--redirect", default=None, help="Where guests land; a cell of the column redirect wins.")
@click.option("--send/--no-send", default=True, show_default=True, help="Mail the invitations; so does a cell of send.")
@json_option
def invite(data: Path, file: Path, redirect: str | None, send: bool, as_json: bool) -> None:
    """Invite everyone in FILE.csv.

    Columns: email and, if wanted, name, redirect, send, message, language, group (names or ids, several by `;`).
    Entra's bulk invitation template is read as it is.

    One line of JSON per row is printed and goes to FILE.csv.result. An interrupted run is resumed by running it again:
    each row is carried out once. Who is a guest already stays as they are and gets no mail.
    """
    idp = open_instance(data)
    guests = GuestList(file)
    if redirect is not None:
        checked_landing(redirect)
    elif "redirect" not in guests.columns:
        raise Problem(Code.BAD_REQUEST, "Where do guests land? Say --redirect URL, or add a column redirect.")
    result_file = file.with_name(file.name + ".result")
    try:
        results = ResultFile(result_file, file.name, guests.sha256, idp.moment().new_id())
    except OSError as e:
        raise Problem(Code.BAD_REQUEST, f"{result_file} cannot be written: {e.strerror}.") from None
    with results:
        stopped = _carry_out(idp, guests, results, redirect, send, quiet=as_json)
        counts = results.counts
    document = {
        "rows": counts.total(),
        "invited": counts["invited"],
        "already": counts["already invited"],
        "failed": counts["failed"],
    }
    lines = [
        f"{document['rows']} rows: {document['invited']} invited, {document['already']} already invited, "
        f"{document['failed']} failed. Row by row: {result_file}"
    ]
    if stopped:
        click.echo(f"Stopped after row {results.last}. Run the same command again to go on.", err=True)
    show(document, lines, as_json)
    if stopped or document["failed"]:
        raise SystemExit(1)


def _carry_out(
    idp: B2BIdp, guests: GuestList, results: ResultFile, redirect: str | None, send: bool, *, quiet: bool
) -> bool:
    """Every row that has no result yet; True when a signal ended it before the last."""
    with (
        _stopping() as stop,
        click.progressbar(length=max(guests.size, 1), label="Inviting", file=sys.stderr) as bar,
    ):
        done = 0
        rows = guests.rows()
        while batch := list(islice(rows, ROWS_AT_ONCE)):
            todo = [row for row in batch if row.number > results.last]
            if todo:
                if stop.is_set():
                    return True
                lines = _one_batch(idp, results, [_checked(row, redirect, send) for row in todo])
                results.add(lines)
                if not quiet:
                    for line in lines:
                        click.echo(json.dumps(line, separators=(",", ":"), ensure_ascii=False))
            bar.update(batch[-1].end - done)
            done = batch[-1].end
        bar.update(guests.size - done)
    return False


@contextmanager
def _stopping() -> Iterator[threading.Event]:
    """Set by the first SIGINT or SIGTERM; a second one ends the program where it is, which loses nothing either."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {s: signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)}

    def note(number: int, _frame: object) -> None:
        stop.set()
        signal.signal(number, before[signal.Signals(number)])

    for number in before:
        signal.signal(number, note)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _checked(row: Row, redirect: str | None, send: bool) -> _Asked | dict[str, Any]:
    """What the row asks for, or its result when that cannot be."""
    cells = {name: text for name, text in row.cells.items() if text}
    try:
        if row.problem:
            raise Problem(Code.BAD_REQUEST, row.problem)
        request = InvitationRequest(
            email=checked_address(cells.get("email", "")),
            redirect_url=checked_landing(cells.get("redirect", redirect)),
            display_name=_text(cells.get("name"), "name", 256),
            send_message=_boolean(cells.get("send"), send),
            message={
                "customizedMessageBody": _text(cells.get("message"), "message", 4000, lines=True),
                "messageLanguage": _language(cells.get("language")),
            },
        )
    except Problem as p:
        return _failed(row, p)
    groups = tuple(dict.fromkeys(g.strip() for g in cells.get("group", "").split(";") if g.strip()))
    return _Asked(row, request, groups)


def _text(text: str | None, column: str, most: int, *, lines: bool = False) -> str | None:
    if text is not None and (len(text) > most or _CONTROL.search(re.sub(r"[\t\r\n]", "", text) if lines else text)):
        raise Problem(Code.BAD_REQUEST, f"{column} has at most {most} characters and no control characters.")
    return text


def _boolean(text: str | None, default: bool) -> bool:
    if text is not None and text.lower() not in _YES + _NO:
        raise Problem(Code.BAD_REQUEST, "send is true or false.")
    return default if text is None else text.lower() in _YES


def _language(text: str | None) -> str | None:
    if text is not None and (len(text) > 35 or not _LANGUAGE.fullmatch(text)):
        raise Problem(Code.BAD_REQUEST, "language is a language tag such as de or pt-BR.")
    return text


def _failed(row: Row, problem: Problem) -> dict[str, Any]:
    return {"row": row.number, "email": row.cells.get("email", "")[:254], "status": "failed", "error": problem.say}


def _one_batch(idp: B2BIdp, results: ResultFile, batch: Sequence[_Asked | dict[str, Any]]) -> list[dict[str, Any]]:
    """The results of these rows, committed. A database that is busy is asked again."""
    if all(isinstance(x, dict) for x in batch):
        return [x for x in batch if isinstance(x, dict)]
    again = results.resumed
    for left in reversed(range(_TRIES)):
        try:
            with idp.store.write() as w:
                groups = _Groups(w)
                lines = [
                    x if isinstance(x, dict) else _invite(idp, w, results.job, x, groups, again=again) for x in batch
                ]
                settle(w, idp.moment())
        except Problem as p:
            if p.code is not Code.UNAVAILABLE or not left:
                raise
            again = True
            time.sleep(p.retry_after.total_seconds() if p.retry_after else 1)
        else:
            time.sleep(_PAUSE_SECONDS)
            return lines
    raise AssertionError("the last try returns or raises")


def _invite(idp: B2BIdp, w: Writer, job: str, asked: _Asked, groups: _Groups, *, again: bool) -> dict[str, Any]:
    """The result of a row; `again` says that it may have been carried out before."""
    row, email = asked.row, str(asked.request.email)
    # the audit entry's id is the row's own: it stands exactly if this row of this job was carried out
    mark = str(uuid.uuid5(uuid.UUID(job), str(row.number)))
    result: dict[str, Any] = {"row": row.number, "email": email}
    if again and (entry := w.logs.audit(mark)):
        return result | {"status": "invited", "userId": entry["targetResources"][0]["id"]}
    if guest := next((u for u in w.users.by_mail(email) if u.state is not None), None):
        return result | {"status": "already invited", "userId": guest.id}
    moment = idp.moment()
    try:
        with w.savepoint():
            found = [groups.find(name) for name in asked.groups]
            invited = invite_one(w, idp.vault, asked.request, by=BY, issuer=idp.settings.issuer, moment=moment)
            for group in found:
                w.apps.add_member(group.id, invited.user.id)
            w.logs.add_audit(_audit(mark, job, row, invited.user, found, moment), moment.at)
    except Problem as p:
        if p.code is Code.UNAVAILABLE:
            raise
        return _failed(row, p)
    return result | {"status": "invited", "userId": invited.user.id}


class _Groups:
    """Groups by id or name, read once a transaction."""

    def __init__(self, w: Writer) -> None:
        self._w = w
        self._all: list[Group] | None = None

    def find(self, name: str) -> Group:
        """Raises Problem(BAD_REQUEST) unless exactly one group with assigned members has this id or name."""
        if self._all is None:
            self._all = self._w.apps.all_groups()
        found = [g for g in self._all if g.id == name.lower()] or [g for g in self._all if g.display_name == name]
        if len(found) != 1:
            raise Problem(Code.BAD_REQUEST, f"{len(found) or 'No'} groups are named {name[:60]}.")
        check_assigned(found[0])
        return found[0]


def _audit(id: str, job: str, row: Row, user: User, groups: Sequence[Group], moment: Moment) -> dict[str, Any]:
    """Graph's directoryAudit of one row."""
    joined = [{"id": g.id, "displayName": g.display_name, "type": "Group", "modifiedProperties": []} for g in groups]
    return directory_audit(
        moment,
        INVITE,
        [target_user(user), *joined],
        id=id,
        operation="Add",
        app={"displayName": BY},
        correlation_id=job,
        details=[{"key": "row", "value": str(row.number)}],
    )
