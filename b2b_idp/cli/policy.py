"""`b2b-idp policy`: the whole configuration as one file."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import click

from b2b_idp.cli.instance import bytes_of, data_option, json_option, open_instance, show
from b2b_idp.extension import system_moment
from b2b_idp.guests.configuration_file import MAX_BYTES, Asked, export_file, import_file
from b2b_idp.guests.configuration_file.reading import read
from b2b_idp.model.problem import Code, Problem


@click.group()
def policy() -> None:
    """The whole configuration as one file: export, import."""


@policy.command("export")
@data_option
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True), default=Path("-"))
@json_option
def export(data: Path, file: Path, as_json: bool) -> None:
    """Write home tenants, partners, policies, groups and apps to FILE, without secrets and people.

    The same configuration gives the same file, byte for byte.
    """
    with open_instance(data).store.read() as r:
        text = export_file(r)
    if str(file) == "-":
        click.echo(text, nl=False)
        return
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as e:
        raise Problem(Code.BAD_REQUEST, f"{file} cannot be written: {e.strerror}.") from None
    show({"file": str(file), "bytes": len(text.encode())}, [f"Wrote {file}."], as_json)


@policy.command("import")
@data_option
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--dry-run", is_flag=True, help="Show the difference and change nothing.")
@click.option("--accept", is_flag=True, help="Apply lines that raise trust, too.")
@click.option("--prune", is_flag=True, help="Remove what the file's sections do not hold.")
@click.option(
    "--secrets",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    default=None,
    help="A JSON file, the owner's alone: issuer -> client secret of new homes.",
)
@json_option
def import_(
    data: Path, file: Path, dry_run: bool, accept: bool, prune: bool, secrets: Path | None, as_json: bool
) -> None:
    """Show how the configuration differs from FILE, then make it so, in one transaction.

    A section that FILE leaves out stays as it is. Exit code 1: nothing was changed, and the output says why.
    """
    idp = open_instance(data)
    asked = Asked(dry_run=dry_run, accept=accept, prune=prune, secrets=_secrets(secrets) if secrets else {})
    outcome = import_file(
        idp.store,
        bytes_of(file),
        asked,
        issuer=idp.settings.issuer,
        check_issuer=idp.http.check_url,
        moment=system_moment(),
    )
    show(outcome.to_json(), outcome.lines(), as_json)
    if outcome.refused:
        raise SystemExit(1)


def _secrets(file: Path) -> dict[str, str]:
    """Secrets from a file that nobody else may read. What is wrong with it is said without what is in it."""
    try:
        with file.open("rb") as f:
            mode = os.fstat(f.fileno()).st_mode
            if not stat.S_ISREG(mode) or mode & 0o077:
                raise Problem(Code.BAD_SETTING, f"{file} holds secrets: make it its owner's alone (chmod 600).")
            raw = f.read(MAX_BYTES + 1)
    except OSError as e:
        raise Problem(Code.BAD_SETTING, f"{file} cannot be read: {e.strerror}.") from None
    try:
        found = read(raw)
    except Problem:
        found = {"": None}
    if not all(isinstance(v, str) and 0 < len(v) <= 1024 for v in found.values()):
        raise Problem(Code.BAD_SETTING, f"{file} is a JSON object: issuer -> client secret.")
    return found
