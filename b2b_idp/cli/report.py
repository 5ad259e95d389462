"""`b2b-idp report`: what the sign-in log shows over a period."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import click

from b2b_idp.cli.instance import data_option, json_option, last_option, open_instance, show
from b2b_idp.extension import system_moment
from b2b_idp.model.moment import iso
from b2b_idp.signin import reports
from b2b_idp.store import Reader

Rows = list[dict[str, Any]]


@click.group()
def report() -> None:
    """MFA done twice, guests who cannot get in, and what asking the homes for MFA has shown."""


def _print(
    data: Path,
    last: timedelta,
    as_json: bool,
    rows_of: Callable[[Reader, datetime, datetime], Rows],
    lines_of: Callable[[Mapping[str, Any]], Iterable[str]],
    nothing: str,
) -> None:
    until = system_moment().at
    with open_instance(data).store.read() as r:
        rows = rows_of(r, until - last, until)
    document = {"from": iso(until - last), "to": iso(until), "value": rows}
    show(document, [line for row in rows for line in lines_of(row)] or [nothing], as_json)


@report.command("double-mfa")
@data_option
@last_option
@json_option
def double_mfa(data: Path, last: timedelta, as_json: bool) -> None:
    """By partner: guests who proved MFA at home and were challenged here too, and what is missing to trust it."""

    def lines(row: Mapping[str, Any]) -> Iterable[str]:
        yield (
            f"{row['displayName'] or row['tenantId']}: {row['signIns']} sign-ins of {row['guests']} guests; "
            f"accepting the partner's MFA spares {row['challengesSparedByTrust']} of them the challenge"
        )
        for gap in row["missing"]:
            about = f" ({gap['value']})" if gap["value"] else ""
            yield f"    {gap['code']}{about}, {gap['signIns']} sign-ins: {gap['text']}"

    _print(data, last, as_json, reports.double_mfa, lines, "Nobody did MFA twice.")


@report.command("dead-ends")
@data_option
@last_option
@json_option
def dead_ends(data: Path, last: timedelta, as_json: bool) -> None:
    """Who could not meet which policy, at which app, and what would let them in."""

    def lines(row: Mapping[str, Any]) -> Iterable[str]:
        policy = f" ({row['policyDisplayName'] or row['policyId']})" if row["policyId"] else ""
        later = "; got in later" if row["resolved"] else ""
        yield (
            f"{row['userPrincipalName'] or row['userId']} at {row['appDisplayName'] or row['appId']}: "
            f"{row['code']}{policy}, {row['signIns']} times, last {row['lastDateTime']}{later}"
        )
        yield from (f"    {way['code']}: {way['text']}" for way in row["waysForward"])

    _print(data, last, as_json, reports.dead_ends, lines, "Nobody was stopped by a policy that they could not meet.")


@report.command("step-up")
@data_option
@last_option
@json_option
def step_up(data: Path, last: timedelta, as_json: bool) -> None:
    """By home: how often it was asked for MFA, how often it answered with MFA, and when last."""

    def lines(row: Mapping[str, Any]) -> Iterable[str]:
        yield f"{row['displayName']}: {seen_line(row)}"

    _print(data, last, as_json, reports.step_up, lines, "No home tenant yet.")


def seen_line(seen: Mapping[str, Any]) -> str:
    """What step-up has shown of a home, for people."""
    if not seen["asked"]:
        return "never asked for MFA"
    answered = f", last {seen['lastAnsweredDateTime']}" if seen["answered"] else ""
    return (
        f"asked {seen['asked']} times, last {seen['lastAskedDateTime']}; answered with MFA {seen['answered']}{answered}"
    )
