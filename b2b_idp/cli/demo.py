"""`b2b-idp demo`: the whole world on loopback."""

from __future__ import annotations

import json
import os
import socket
import tempfile
import threading
from pathlib import Path

import click


@click.command()
@click.option("--port", type=click.IntRange(1024, 65000), default=5000, show_default=True, help="The first of four.")
@click.option("--once", is_flag=True, help="Exit after the three ways.")
@click.option(
    "--emulator",
    type=click.Path(path_type=Path, file_okay=False),
    help="Serve https with a path at the fifth port, as Microsoft's clients demand; the folder gets the certificate to "
    "trust, ca.pem, and the administrator app, admin.json.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the ways as one line of JSON, the last.")
def demo(port: int, once: bool, emulator: Path | None, as_json: bool) -> None:
    """Run a provider, two home tenants and a SaaS app, and walk three guests through."""
    from b2b_idp.demo.story import tell, walk_all
    from b2b_idp.demo.world import NEWCOMER, PASSWORD, PEOPLE, World

    check_ports(port, 4 if emulator is None else 5)
    with tempfile.TemporaryDirectory(prefix="b2b-idp-demo-") as folder:
        world = World(Path(folder), port, None if emulator is None else _tls(Path(folder), emulator))
        try:
            ways = walk_all(world)
            if emulator is not None:
                _write_secret(emulator / "admin.json", json.dumps(world.administrator()))
            if not as_json:
                for way in ways:
                    click.echo("\n".join(tell(way)) + "\n")
            if not once:
                click.echo(f"The SaaS app:     {world.app_url}")
                click.echo(f"The mailbox:      {world.url}/demo/mailbox")
                click.echo(f"The phone:        {world.url}/demo/phone (authenticator codes)")
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


def _tls(folder: Path, emulator: Path) -> tuple[Path, Path]:
    """A new key, and its certificate where others can read it; this process trusts it from here on."""
    from b2b_idp.demo.certificate import make_certificate

    emulator.mkdir(parents=True, exist_ok=True)
    (emulator / "admin.json").unlink(missing_ok=True)
    tls = (folder / "key.pem", emulator / "ca.pem")
    make_certificate(*tls)
    # the world's parts speak to one another as apps would, by clients that read these
    os.environ["SSL_CERT_FILE"] = os.environ["REQUESTS_CA_BUNDLE"] = str(tls[1].resolve())
    return tls


def _write_secret(path: Path, text: str) -> None:
    """Whole or not at all, for this user's eyes only: who waits for the file can read it at once."""
    part = path.with_suffix(".part")
    part.unlink(missing_ok=True)
    part.touch(mode=0o600)
    part.write_text(text, encoding="utf-8")
    part.rename(path)


def check_ports(first: int, count: int) -> None:
    """Raises ClickException unless the ports are free."""
    for port in range(first, first + count):
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            raise click.ClickException(f"port {port} is taken; try another: --port {first + 100}") from None


def _until_interrupted() -> None:
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        click.echo("Stopped.")
