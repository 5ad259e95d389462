"""`b2b-idp whatif`: one decision and its reasons, or recorded sign-ins by changed policies; changes nothing."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import click

from b2b_idp.cli.instance import bytes_of, data_option, json_option, last_option, open_instance, show
from b2b_idp.extension import B2BIdp, system_moment
from b2b_idp.guests.proposal import proposed
from b2b_idp.model.problem import Code, Problem
from b2b_idp.signin.replaying import lines, replay

NUMERIC_DATE = click.IntRange(-(10**12), 10**12)
"""Whole seconds since 1970."""


@click.command()
@data_option
@click.option("--guest", default=None, help="Object id, user principal name or address.")
@click.option("--app", default=None, help="Client id or name.")
@click.option("--amr", default=None, help="What the home says, separated by commas; left out: nothing.")
@click.option("--acr", default=None)
@click.option("--auth-time", type=NUMERIC_DATE, default=None, help="NumericDate.")
@click.option("--asked", is_flag=True, help="The home was asked for MFA already in this sign-in.")
@click.option(
    "--session-amr", default=None, help="What was done here in this session: otp (TOTP); hwk,user (passkey); or all."
)
@click.option("--session-auth-time", type=NUMERIC_DATE, default=None, help="NumericDate.")
@click.option("--ip", default="", help="Address of the browser; left out: in no named location.")
@click.option("--context", "contexts", multiple=True, help="An authentication context that the app asks for, as c1.")
@click.option("--home", default=None, help="tenantId of the home; default: the guest's, or their domain's.")
@click.option(
    "--policy",
    "policies",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    default=None,
    help="Replay recorded sign-ins by a file of conditional access policies, or by a configuration file.",
)
@last_option
@json_option
@click.pass_context
def whatif(
    ctx: click.Context,
    /,
    data: Path,
    guest: str | None,
    app: str | None,
    policies: Path | None,
    last: timedelta,
    as_json: bool,
    **asked: Any,
) -> None:
    """Say what would be decided for a guest at an app, and why; or, with --policy, what a change of policies would have
    meant for the sign-ins of --last. Changes nothing."""
    one = [f"--{name.replace('_', '-')}" for name in ("guest", "app", *asked) if _given(ctx, name)]
    if policies is not None:
        if one:
            raise click.UsageError(f"{one[0]} is about one sign-in, --policy about those of a period.")
        _replay(open_instance(data), policies, last, as_json)
        return
    if guest is None or app is None:
        raise click.UsageError("Say --guest and --app for one sign-in, or --policy FILE for those of a period.")
    if _given(ctx, "last"):
        raise click.UsageError("--last goes with --policy.")
    _decide(open_instance(data), guest, app, as_json, **asked)


def _given(ctx: click.Context, name: str) -> bool:
    return ctx.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE


def _replay(idp: B2BIdp, file: Path, last: timedelta, as_json: bool) -> None:
    moment = system_moment()
    after = proposed(
        idp.store,
        bytes_of(file),
        issuer=idp.settings.issuer,
        check_issuer=idp.http.check_url,
        moment=moment,
    )
    since, until = moment.at - last, moment.at
    with idp.store.read() as r:
        length = r.reports.how_many(since, until)
        with click.progressbar(
            length=length, label="Replaying", file=sys.stderr, hidden=not sys.stderr.isatty()
        ) as bar:
            answer = replay(r, r.configuration, after, since, until, bar.update)
    show(answer, lines(answer), as_json)


def _decide(
    idp: B2BIdp,
    guest: str,
    app: str,
    as_json: bool,
    *,
    amr: str | None,
    acr: str | None,
    auth_time: int | None,
    asked: bool,
    session_amr: str | None,
    session_auth_time: int | None,
    ip: str,
    contexts: tuple[str, ...],
    home: str | None,
) -> None:
    with idp.store.read() as r:
        found = [r.users.by_id(guest), r.users.by_upn(guest), *r.users.by_mail(guest)]
        user = next((u for u in found if u is not None), None)
        if user is None:
            raise Problem(Code.NOT_FOUND, f"No guest is called {guest}.")
        client = r.apps.by_client_id(app) or next(
            (r.apps.by_client_id(x.app_id) for x in r.apps.rows() if x.application["displayName"] == app),
            None,
        )
        if client is None:
            raise Problem(Code.NOT_FOUND, f"No app is called {app}.")
        configuration = r.configuration
        domain = (user.mail or "").rpartition("@")[2]
        tenant = configuration.homes.get(home or user.home_tenant_id or "") or configuration.homes_by_domain.get(domain)
        if tenant is None:
            raise Problem(Code.NOT_FOUND, "No home tenant is known for this guest; name one with --home.")
        answer = idp.what_if.evaluate(
            r,
            user=user,
            app=client,
            home=tenant,
            amr=None if amr is None else [v for v in amr.split(",") if v],
            acr=acr,
            auth_time=auth_time,
            asked=asked,
            session_amr=[v for v in (session_amr or "").split(",") if v],
            session_time=session_auth_time,
            at=system_moment().at,
            address=ip,
            contexts=contexts,
        )
    told = [f"{answer['outcome']}", *(f"  {x['code']}: {x['text']}" for x in answer["reasons"])]
    if answer["challenges"]:
        told.append("  would challenge with " + " or ".join(answer["challenges"]))
    if answer["termsOfUse"]:
        told.append("  would show terms of use to accept")
    if answer["wouldIssue"]:
        told += [f"    {name}: {value}" for name, value in answer["wouldIssue"].items()]
    show(answer, told, as_json)
