"""`b2b-idp serve`: the production server."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit

import click

from b2b_idp.cli.instance import data_option, open_instance, settings_of


@click.command()
@data_option
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=click.IntRange(1, 65535), default=None, help="Default: the issuer's port, or 8000.")
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Processes.")
@click.option("--threads", type=click.IntRange(1, 256), default=32, show_default=True, help="Requests at once, each.")
def serve(data: Path, host: str, port: int | None, workers: int, threads: int) -> None:
    """Serve the instance. Ready when /readyz answers 200; SIGTERM lets running requests finish."""
    from granian import Granian
    from granian.constants import Interfaces
    from granian.log import LogLevels

    settings = settings_of(data)
    idp = open_instance(data)
    _ = idp.vault, idp.keys  # a bad key file stops the server here, with a sentence
    if not idp.store.schema_is_current():
        raise click.ClickException(f"the database's schema is not current; run: b2b-idp migrate --data {data}")
    idp.store.close()
    os.environ["B2B_IDP_DATA"] = str(data.resolve())
    Granian(
        "b2b_idp.cli.wsgi:application",
        address=host,
        port=port or urlsplit(settings.issuer).port or 8000,
        interface=Interfaces.WSGI,
        workers=workers,
        blocking_threads=threads,
        backpressure=threads * 4,
        log_level=LogLevels.warning,
        websockets=False,
        workers_kill_timeout=10,
    ).serve()
