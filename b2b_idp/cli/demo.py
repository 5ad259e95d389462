"""`b2b-idp demo`: the whole world on loopback."""

from __future__ import annotations

import json
import socket
import tempfile
import threading
from pathlib import Path

import click


@click.command()
@click.option("--port", type=click.IntRange(1024, 65000), default=5000, show_default=True, help="The first of four.")
@click.option("--once", is_flag=True, help="Exit after the three ways.")
@click.option("--json", "as_json", is_flag=True, help="Print the ways as one line of JSON, the last.")
def demo(port: int, once: bool, as_json: bool) -> None:
    """Run a provider, two home tenants and a SaaS app, and walk three guests through."""
    from b2b_idp.demo.story import tell, walk_all
    from b2b_idp.demo.world import NEWCOMER, PASSWORD, PEOPLE, World

    check_ports(port)
    with tempfile.TemporaryDirectory(prefix="b2b-idp-demo-") as folder:
        world = World(Path(folder), port)
        try:
            ways = walk_all(world)
            if not as_json:
                for way in ways:
                    click.echo("\n".join(tell(way)) + "\n")
            if not once:
                click.echo(f"The SaaS app:     {world.app_url}")
                click.echo(f"The mailbox:      {world.issuer}/demo/mailbox")
                click.echo(f"The phone:        {world.issuer}/demo/phone (authenticator codes)")
                click.echo(f"The provider:     {world.issuer}/.well-known/openid-configuration")
                for person in PEOPLE:
                    click.echo(f"Sign in as        {person.email}, password: {PASSWORD}")
                click.echo(f"Or begin as       {NEWCOMER.email}, who {NEWCOMER.habit}:")
                click.echo(f"                  {world.redeem_links[NEWCOMER.email]}")
                click.echo("Second factors at home: any six digits. Stop with Ctrl-C.")
            if as_json:
                ways_json = {"ways": [w.to_json() for w in ways]}
                click.echo(json.dumps(ways_json, separators=(",", ":"), ensure_ascii=False))
            if not once:
                _until_interrupted()
        finally:
            world.stop()


def check_ports(first: int) -> None:
    """Raises ClickException unless the four ports are free."""
    for port in range(first, first + 4):
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            raise click.ClickException(f"port {port} is taken; try another: --port {first + 100}") from None


def _until_interrupted() -> None:
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        click.echo("Stopped.")
