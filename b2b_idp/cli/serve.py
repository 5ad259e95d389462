"""`b2b-idp serve`: the production server."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit

import click

from b2b_idp.cli.instance import data_option, open_instance, settings_of
from b2b_idp.keys.files import load_or_create_master
from b2b_idp.keys.ring import KeyRing
from b2b_idp.model.problem import Code, Problem


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
    # a bad key file or a missing database stops the server here, with a sentence
    load_or_create_master(Path(settings.keys_dir))
    KeyRing.load(Path(settings.keys_dir))
    file = settings.database_url.removeprefix("sqlite:///")
    if file != settings.database_url and not Path(file).is_file():
        raise Problem(
            Code.BAD_SETTING, f"DATABASE_URL: there is no database {file}. Run: b2b-idp migrate --data {data}"
        )
    store = open_instance(data).store
    try:
        store.ping()
    finally:
        store.close()
    os.environ["B2B_IDP_DATA"] = str(data.resolve())
    Granian(
        "b2b_idp.cli.wsgi:application",
        address=host,
        port=port or urlsplit(settings.issuer).port or 8000,
        interface=Interfaces.WSGI,
        workers=workers,
        blocking_threads=threads,
        backpressure=threads * 4,
        log_level=LogLevels.error,
        websockets=False,
        workers_kill_timeout=10,
    ).serve()
