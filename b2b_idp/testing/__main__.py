"""`python -m b2b_idp.testing`: the test kit as a process of its own, for apps in other languages.

Prints one line of JSON once it answers, {"issuer", "control", "home_tenants", "guests", "groups", "apps"}, and serves
until its input ends, where that is a pipe, or until SIGTERM.
"""

from __future__ import annotations

import json
import os
import signal
import stat
import sys
import threading
from pathlib import Path
from typing import Any

import click


@click.command("python -m b2b_idp.testing")
@click.option(
    "--world",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    default=None,
    help="JSON file of what there is from the beginning: home_tenants, guests, groups, apps.",
)
def main(world: Path | None) -> None:
    """Serve the test kit on loopback, to be furnished and asked over HTTP."""
    from b2b_idp.testing.kit import Kit
    from b2b_idp.testing.server import KitServer

    kit = Kit()
    server = KitServer(kit)
    over = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: over.set())
    try:
        with kit.serve():
            click.echo(json.dumps(server.furnish(_read(world)), separators=(",", ":"), ensure_ascii=False))
            sys.stdout.flush()
            if _is_pipe(0):
                threading.Thread(target=_until_the_end, args=(over,), daemon=True).start()
            over.wait()
    except (TypeError, ValueError, LookupError, AttributeError, AssertionError) as e:
        raise click.ClickException(f"{world}: {e}") from e
    finally:
        kit.close()


def _read(world: Path | None) -> dict[str, Any]:
    if world is None:
        return {}
    document = json.loads(world.read_text(encoding="utf-8"))
    if not isinstance(document, dict):
        raise ValueError("the world is a JSON object")
    return document


def _is_pipe(number: int) -> bool:
    """Whether somebody holds the other end: a shell's background command reads nothing, which ends at once."""
    mode = os.fstat(number).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


def _until_the_end(over: threading.Event) -> None:
    # not through sys.stdin: its lock would be held when the process ends
    while os.read(0, 4096):
        pass
    over.set()


if __name__ == "__main__":
    main()
