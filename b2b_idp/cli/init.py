"""`b2b-idp init`: a new instance."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import click

from b2b_idp.cli.instance import SETTINGS_FILE, json_option, open_instance, show
from b2b_idp.model.problem import Code, Problem
from b2b_idp.model.url import domain_of
from b2b_idp.settings import Settings, template


@click.command()
@click.option("--data", type=click.Path(path_type=Path, file_okay=False), required=True, help="The directory to make.")
@click.option("--issuer", required=True, help="The address that guests and apps will see.")
@click.option("--tenant-name", default="Contoso", show_default=True, help="The organisation that runs it.")
@click.option("--default-domain", default=None, help="Its domain; default: the issuer's host.")
@json_option
def init(data: Path, issuer: str, tenant_name: str, default_domain: str | None, as_json: bool) -> None:
    """Make an instance: settings, database, signing keys and the first administrator app. Never overwrites."""
    Settings.load(issuer=issuer)
    toml = data / SETTINGS_FILE
    if toml.exists() or (data.exists() and any(data.iterdir())):
        raise Problem(Code.BAD_SETTING, f"{data} is not empty; init never overwrites.")
    domain = domain_of("@" + (default_domain or _domain_of_issuer(issuer)))
    if not domain or not tenant_name.strip():
        raise Problem(Code.BAD_SETTING, "--default-domain is a domain name and --tenant-name is not empty.")
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    toml.write_text(template(issuer), encoding="utf-8")
    idp = open_instance(data)
    made = idp.create(tenant_name.strip(), domain)
    _ = idp.keys  # makes the signing keys
    data.chmod(0o700)
    admin = {"clientId": made.client_id, "clientSecret": made.client_secret, "tokenEndpoint": f"{issuer}/token"}
    show(
        {
            "issuer": issuer,
            "tenantId": made.tenant.id,
            "defaultDomain": domain,
            "graph": f"{issuer}/v1.0",
            "admin": admin,
        },
        [
            f"Made {data} for {issuer} (tenant {made.tenant.id}, {domain}).",
            f"Graph API:     {issuer}/v1.0",
            f"Administrator: client id {made.client_id}",
            f"               client secret {made.client_secret}",
            "               (shown this once)",
            f"Next: b2b-idp serve --data {data}",
        ],
        as_json,
    )


def _domain_of_issuer(issuer: str) -> str:
    host = urlsplit(issuer).hostname or ""
    return "contoso.example" if host in ("127.0.0.1", "localhost", "::1") else host
