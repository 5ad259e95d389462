"""`b2b-idp homes`: home tenants from the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from b2b_idp.cli.instance import data_option, json_option, open_instance, settings_of, show
from b2b_idp.cli.report import seen_line
from b2b_idp.extension import system_moment
from b2b_idp.guests.homes import connect
from b2b_idp.model.moment import tenant_id_of
from b2b_idp.model.problem import Code, Problem
from b2b_idp.signin.flow.depart import redirect_uri
from b2b_idp.signin.home_logout import backchannel_logout_uri, post_logout_redirect_uri
from b2b_idp.signin.reports import seen_document
from b2b_idp.store.reports import StepUpSeen


@click.group()
def homes() -> None:
    """Home tenants: list, add, test, and the redirect URI to register there."""


@homes.command("list")
@data_option
@json_option
def list_(data: Path, as_json: bool) -> None:
    """Print the home tenants and whether their MFA is accepted."""
    idp = open_instance(data)
    with idp.store.read() as r:
        configuration = r.configuration
        rows: list[dict[str, Any]] = [
            {
                "tenantId": h.tenant_id,
                "displayName": h.display_name,
                "issuer": h.issuer,
                "domains": list(h.domains),
                **addresses(idp.settings.issuer, h.tenant_id),
                "isMfaAccepted": configuration.trust(h).mfa_accepted,
                "stepUpSeen": seen_document(r.reports.step_up_of(h.tenant_id)),
            }
            for h in configuration.connected
        ]
    lines = [
        f"{r['tenantId']}  {r['displayName']}  {r['issuer']}  "
        f"{'MFA accepted' if r['isMfaAccepted'] else 'MFA not accepted'}  {', '.join(r['domains'])}  "
        f"{seen_line(r['stepUpSeen'])}"
        for r in rows
    ]
    show({"homes": rows}, lines or ["No home tenant yet. Add one: b2b-idp homes add --help"], as_json)


@homes.command("add")
@data_option
@click.option("--issuer", required=True, help="The home's issuer, byte for byte as in its metadata.")
@click.option("--name", required=True, help="What guests see.")
@click.option("--client-id", required=True)
@click.option("--client-secret", default=None, envvar="HOME_CLIENT_SECRET", help="Without it: private_key_jwt.")
@click.option("--domain", "domains", multiple=True, help="A mail domain that this home is authoritative for.")
@click.option("--profile", default="rfc8176", show_default=True, help="The vendor's amr and acr words.")
@click.option("--trust-mfa", is_flag=True, help="Accept MFA done there.")
@click.option("--own", is_flag=True, help="This is the organisation's own provider: its people are members.")
@json_option
def add(
    data: Path,
    issuer: str,
    name: str,
    client_id: str,
    client_secret: str | None,
    domains: tuple[str, ...],
    profile: str,
    trust_mfa: bool,
    own: bool,
    as_json: bool,
) -> None:
    """Connect a home tenant."""
    idp = open_instance(data)
    idp.http.check_url(issuer)
    moment = system_moment()
    tenant_id = idp.store.transact(
        lambda w: connect(
            w,
            issuer=issuer,
            name=name,
            client_id=client_id,
            client_secret=client_secret,
            domains=domains,
            profile=profile,
            trust_mfa=trust_mfa,
            moment=moment,
            own=own,
        )
    )
    ours = addresses(idp.settings.issuer, tenant_id)
    if client_secret is None:
        ours["jwksUri"] = f"{idp.settings.issuer}/jwks"
    show({"tenantId": tenant_id, **ours}, [f"Connected {name} as {tenant_id}.", *_to_register(ours)], as_json)


@homes.command("test")
@data_option
@click.argument("home")
@json_option
def test(data: Path, home: str, as_json: bool) -> None:
    """Fetch a home's metadata and keys and say what step-up it can do. HOME is its tenantId or issuer."""
    idp = open_instance(data)
    with idp.store.read() as r:
        found = r.configuration.homes.get(home) or r.configuration.home_by_issuer(home)
        seen = seen_document(r.reports.step_up_of(found.tenant_id) if found else StepUpSeen())
    if found is None or found.mailed:
        raise Problem(Code.NOT_FOUND, f"No home tenant is called {home}.")
    report = idp.homes.check(found, system_moment())
    lines = [*report.lines(), f"step-up so far: {seen_line(seen)}"]
    show(report.to_json() | {"stepUpSeen": seen}, lines, as_json)
    if report.problems:
        raise SystemExit(1)


@homes.command("addresses")
@data_option
@click.argument("issuer")
@json_option
def addresses_(data: Path, issuer: str, as_json: bool) -> None:
    """Print all that is to be registered at a home tenant, for signing out too, before it is connected."""
    ours = addresses(settings_of(data).issuer, tenant_id_of(issuer))
    show(ours, _to_register(ours), as_json)


def addresses(issuer: str, tenant_id: str) -> dict[str, str]:
    """Our addresses at a home tenant, as the identityProvider names them."""
    return {
        "redirectUri": redirect_uri(issuer, tenant_id),
        "backChannelLogoutUri": backchannel_logout_uri(issuer, tenant_id),
        "postLogoutRedirectUri": post_logout_redirect_uri(issuer, tenant_id),
    }


def _to_register(ours: dict[str, str]) -> list[str]:
    names = {
        "redirectUri": "Redirect URI",
        "backChannelLogoutUri": "Back-channel logout URI",
        "postLogoutRedirectUri": "Post-logout redirect URI",
        "jwksUri": "Our keys' address (jwks_uri)",
    }
    return [f"{names[name]} to register there: {uri}" for name, uri in ours.items()]


@homes.command("redirect-uri")
@data_option
@click.argument("issuer")
@json_option
def redirect_uri_(data: Path, issuer: str, as_json: bool) -> None:
    """Print the redirect URI to register at a home tenant, before it is connected."""
    uri = redirect_uri(settings_of(data).issuer, tenant_id_of(issuer))
    show({"redirectUri": uri}, [uri], as_json)
