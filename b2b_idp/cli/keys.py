"""`b2b-idp keys`: signing keys, published before they sign and kept until their tokens are over."""

from __future__ import annotations

from pathlib import Path

import click

from b2b_idp.cli.instance import data_option, json_option, open_instance, show
from b2b_idp.extension import system_moment


@click.group()
def keys() -> None:
    """Signing keys: list, rotate, retire."""


@keys.command("list")
@data_option
@json_option
def list_(data: Path, as_json: bool) -> None:
    """Print the signing keys and their state."""
    rows = [k.to_json(system_moment().at) for k in open_instance(data).keys.list()]
    lines = [f"{r['kid']}  {r['alg']}  {r['state']}  signs from {r['signsFrom']}" for r in rows]
    show({"keys": rows}, lines, as_json)


@keys.command("rotate")
@data_option
@click.option("--now", is_flag=True, help="Sign at once, without waiting until clients have the new key.")
@json_option
def rotate(data: Path, now: bool, as_json: bool) -> None:
    """Publish new keys; they sign once every client that caches the key set has seen them."""
    made = open_instance(data).keys.rotate(system_moment(), now=now)
    show({"keys": [k.kid for k in made]}, [f"Published {k.kid} ({k.alg})." for k in made], as_json)


# a key's id may begin with a hyphen, as an option does
@keys.command("retire", context_settings={"ignore_unknown_options": True})
@data_option
@click.argument("kid")
@json_option
def retire(data: Path, kid: str, as_json: bool) -> None:
    """Take a key that no longer signs out of the key set."""
    open_instance(data).keys.retire(kid, system_moment())
    show({"retired": kid}, [f"Retired {kid}."], as_json)
