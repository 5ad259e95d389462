"""`b2b-idp token`: a test token, made by a sign-in in the demo world."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import click
import urllib3

from b2b_idp.cli.demo import check_ports
from b2b_idp.cli.instance import show
from b2b_idp.model.problem import Code, Problem

NUMERIC_DATE = click.IntRange(0, 2**40)
LONGEST = 60.0
"""Seconds that a sign-in may take."""


@click.command()
@click.option("--guest", default="ada@fabrikam.example", show_default=True, help="Who signs in.")
@click.option("--app", default=None, help="Name or client id; default: the demo's app.")
@click.option("--amr", default=None, help="What the home says, separated by commas; default: as the guest always does.")
@click.option("--acr", default=None, help="What the home says.")
@click.option("--auth-time", type=NUMERIC_DATE, default=None, help="What the home says; NumericDate.")
@click.option("--scope", default=None, help="Default: openid profile email offline_access.")
@click.option(
    "--token",
    "kind",
    type=click.Choice(["id_token", "access_token", "refresh_token"]),
    default="id_token",
    show_default=True,
)
@click.option("--decoded", is_flag=True, help="Print its claims instead of the token.")
@click.option("--port", type=click.IntRange(1024, 65000), default=5000, show_default=True, help="The demo's.")
@click.option("--json", "as_json", is_flag=True, help="Print all tokens, claims and reasons as one line of JSON.")
def token(kind: str, decoded: bool, port: int, as_json: bool, auth_time: int | None, **asked: str | None) -> None:
    """Print a test token that the demo world made by a real sign-in.

    A running `b2b-idp demo` is asked for it: its issuer and keys go on being there for whoever verifies the token.
    Where none runs, a demo world is made for this one token. Tokens of any other instance cannot be made this way.
    """
    wanted: dict[str, Any] = {name: value for name, value in asked.items() if value is not None}
    if "amr" in wanted:
        wanted["amr"] = [value for value in wanted["amr"].split(",") if value]
    if auth_time is not None:
        wanted["authTime"] = auth_time
    answer = _ask(port, wanted)
    made = answer["tokens"].get(kind)
    if made is None:
        raise Problem(Code.BAD_REQUEST, f"There is no {kind}: --scope did not ask for it.")
    claims = {"id_token": answer["claims"]["idToken"], "access_token": answer["claims"]["accessToken"]}.get(kind)
    if decoded and claims is None:
        raise Problem(Code.BAD_REQUEST, f"A {kind} has nothing to decode: it is a handle.")
    lines = [json.dumps(claims, indent=2, ensure_ascii=False)] if decoded else [made]
    show(answer, lines, as_json)


def _ask(port: int, wanted: dict[str, Any]) -> dict[str, Any]:
    http = urllib3.PoolManager(retries=False, timeout=LONGEST)
    try:
        return _post(http, port, wanted)
    except urllib3.exceptions.NewConnectionError:
        pass
    from b2b_idp.demo.world import World

    check_ports(port, 4)
    with tempfile.TemporaryDirectory(prefix="b2b-idp-token-") as folder:
        world = World(Path(folder), port)
        try:
            answer = _post(http, port, wanted)
            answer["jwks"] = http.request("GET", answer["jwksUri"]).json()
        finally:
            world.stop()
    click.echo(
        f"No demo runs at port {port}; this token's issuer was there for it alone. To verify tokens, "
        "run `b2b-idp demo` beside, or take the keys from --json.",
        err=True,
    )
    return answer


def _post(http: urllib3.PoolManager, port: int, wanted: dict[str, Any]) -> dict[str, Any]:
    answered = http.request("POST", f"http://127.0.0.1:{port}/demo/token", json=wanted)
    try:
        answer = answered.json()
    except ValueError:
        answer = None
    if answered.status == 200 and isinstance(answer, dict) and "tokens" in answer:
        return answer
    why = answer.get("error_description") if isinstance(answer, dict) else None
    if not isinstance(why, str) or answered.status not in (400, 403, 404):
        raise Problem(
            Code.BAD_REQUEST,
            f"What answers at port {port} is not the demo, and test tokens are made in the demo world only. "
            "Run `b2b-idp demo`, or name its port with --port.",
        )
    raise Problem(Code.FORBIDDEN if answered.status == 403 else Code.BAD_REQUEST, why)
