"""`b2b-idp registration-tokens`: who may register apps by themselves (RFC 7591)."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import click

from b2b_idp.cli.instance import Period, data_option, json_option, open_instance, show
from b2b_idp.extension import system_moment
from b2b_idp.guests.registration_tokens import MOST_USES, make_token
from b2b_idp.model.audited import directory_audit
from b2b_idp.model.moment import iso
from b2b_idp.model.problem import Code, Problem
from b2b_idp.store import Writer
from b2b_idp.store.registrations import InitialAccessToken


@click.group("registration-tokens")
def registration_tokens() -> None:
    """Tokens by which apps register themselves: list, add, revoke."""


@registration_tokens.command("list")
@data_option
@json_option
def list_(data: Path, as_json: bool) -> None:
    """Print the tokens, without their texts."""
    with open_instance(data).store.read() as r:
        rows = [
            {
                "id": t.id,
                "displayName": t.display_name,
                "expirationDateTime": iso(t.expires_at),
                "maximumUses": t.uses,
                "usesRemaining": t.uses_left,
                "requirePkce": t.require_pkce,
            }
            for t in r.registrations.tokens()
        ]
    lines = [
        f"{r['id']}  {r['displayName']}  {r['usesRemaining']} of {r['maximumUses']} uses left  "
        f"until {r['expirationDateTime']}"
        for r in rows
    ]
    show({"tokens": rows}, lines or ["No token. Make one: b2b-idp registration-tokens add --help"], as_json)


@registration_tokens.command("add")
@data_option
@click.option("--name", required=True, help="Who gets it, or what for.")
@click.option("--uses", type=click.IntRange(1, MOST_USES), default=1, show_default=True, help="For how many apps.")
@click.option("--for", "lifetime", type=Period(), default="7d", show_default=True, help="How long: 12h, 30d, 4w.")
@click.option("--without-pkce", is_flag=True, help="Confidential apps may go without PKCE, and then send a nonce.")
@json_option
def add(data: Path, name: str, uses: int, lifetime: timedelta, without_pkce: bool, as_json: bool) -> None:
    """Make a token. Its text is printed this once."""
    idp, moment = open_instance(data), system_moment()

    def make(w: Writer) -> tuple[InitialAccessToken, str]:
        token, text = make_token(
            w,
            idp.vault,
            moment,
            display_name=name,
            by=None,
            expires_at=moment.at + lifetime,
            uses=uses,
            require_pkce=not without_pkce,
        )
        _audit(w, "Add registration token", "Add", token.id, name)
        return token, text

    token, text = idp.store.transact(make)
    endpoint = f"{idp.settings.issuer}/register"
    shown = {
        "id": token.id,
        "token": text,
        "expirationDateTime": iso(token.expires_at),
        "registrationEndpoint": endpoint,
    }
    lines = [f"{text}", f"Good for {uses} app(s) at {endpoint} until {iso(token.expires_at)}. It is shown this once."]
    show(shown, lines, as_json)


@registration_tokens.command("revoke")
@data_option
@click.argument("id")
@json_option
def revoke(data: Path, id: str, as_json: bool) -> None:
    """End a token. The apps that it registered stay."""

    def end(w: Writer) -> InitialAccessToken:
        token = w.registrations.token(id.lower())
        if token is None:
            raise Problem(Code.NOT_FOUND, f"No registration token has the id {id}.")
        w.registrations.revoke(token.id)
        _audit(w, "Revoke registration token", "Delete", token.id, token.display_name)
        return token

    token = open_instance(data).store.transact(end)
    show({"id": token.id}, [f"Revoked {token.display_name}."], as_json)


def _audit(w: Writer, activity: str, operation: str, id: str, name: str) -> None:
    moment = system_moment()
    target = {"id": id, "displayName": name, "type": "RegistrationToken", "modifiedProperties": []}
    entry = directory_audit(
        moment,
        activity,
        [target],
        category="ApplicationManagement",
        operation=operation,
        reason="on the command line",
    )
    w.logs.add_audit(entry, moment.at)
