"""`b2b-idp whatif`: the decision and its reasons; changes nothing."""

from __future__ import annotations

from pathlib import Path

import click

from b2b_idp.cli.instance import data_option, json_option, open_instance, show
from b2b_idp.extension import system_moment
from b2b_idp.model.problem import Code, Problem


@click.command()
@data_option
@click.option("--guest", required=True, help="Object id, user principal name or address.")
@click.option("--app", required=True, help="Client id or name.")
@click.option("--amr", default=None, help="What the home says, separated by commas; left out: nothing.")
@click.option("--acr", default=None)
@click.option("--auth-time", type=int, default=None, help="NumericDate.")
@click.option("--asked", is_flag=True, help="The home was asked for MFA already in this sign-in.")
@click.option("--session-amr", default=None, help="What was done here in this session, such as otp.")
@click.option("--session-auth-time", type=int, default=None, help="NumericDate.")
@click.option("--home", default=None, help="tenantId of the home; default: the guest's, or their domain's.")
@json_option
def whatif(
    data: Path,
    guest: str,
    app: str,
    amr: str | None,
    acr: str | None,
    auth_time: int | None,
    asked: bool,
    session_amr: str | None,
    session_auth_time: int | None,
    home: str | None,
    as_json: bool,
) -> None:
    """Say what would be decided for a guest at an app, and why."""
    idp = open_instance(data)
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
        )
    lines = [f"{answer['outcome']}", *(f"  {x['code']}: {x['text']}" for x in answer["reasons"])]
    if answer["challenges"]:
        lines.append("  would challenge with " + " or ".join(answer["challenges"]))
    if answer["wouldIssue"]:
        lines += [f"    {name}: {value}" for name, value in answer["wouldIssue"].items()]
    show(answer, lines, as_json)
