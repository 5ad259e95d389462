"""`b2b-idp copy`: the whole database into another one."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from b2b_idp.cli.instance import data_option, json_option, settings_of, show
from b2b_idp.store.copying import copy as copy_all


@click.command()
@data_option
@click.option(
    "--from",
    "source",
    default=None,
    help="The database to copy, sqlite:///… or postgresql://…; default: the instance's.",
)
@click.option("--to", "target", required=True, help="An empty database with the schema.")
@json_option
def copy(data: Path, source: str | None, target: str, as_json: bool) -> None:
    """Copy a whole database into an empty one, from SQLite to PostgreSQL or back.

    All of it arrives, read back and compared, or nothing does. Stop the servers first: what they write later is not
    in the copy.
    """
    source = source or settings_of(data).database_url
    with click.progressbar(length=1, label="Copying", file=sys.stderr) as bar:

        def progress(done: int, of: int) -> None:
            bar.length = of
            bar.update(done - bar.pos)

        copied = copy_all(source, target, progress)
    rows = sum(t.rows for t in copied)
    tables = [{"name": t.name, "rows": t.rows, "sha256": t.sha256} for t in copied]
    show(
        {"rows": rows, "tables": tables},
        [
            *(f"{t.rows:>10}  {t.name}" for t in copied if t.rows),
            f"{rows} rows in {len(copied)} tables, compared and equal. Now set database_url to the target.",
        ],
        as_json,
    )
