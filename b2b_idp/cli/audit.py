"""`b2b-idp audit`: the audit log's chain, and the log as JSON lines."""

from __future__ import annotations

import json
from pathlib import Path

import click

from b2b_idp.cli.instance import data_option, json_option, open_instance, show


@click.group()
def audit() -> None:
    """Verify or export the audit log."""


@audit.command()
@data_option
@json_option
def verify(data: Path, as_json: bool) -> None:
    """Compute the audit log's chain anew; exit 1 when an entry was changed, added or removed."""
    with open_instance(data).store.read() as r:
        chain = r.logs.verify_chain()
    says = "each as it was written" if chain.broken is None else f"then: {chain.broken}"
    document = {"entries": chain.entries, "olderThanTheChain": chain.unchained, "broken": chain.broken}
    show(document, [f"{chain.entries} entries, {says}."], as_json)
    if chain.broken is not None:
        raise SystemExit(1)


@audit.command()
@data_option
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), default=None, help="A file; default: stdout.")
def export(data: Path, out: Path | None) -> None:
    """Write every entry as one line of JSON (Graph's directoryAudit), oldest first."""
    with (
        open_instance(data).store.read() as r,
        click.open_file(str(out) if out else "-", "w", encoding="utf-8") as file,
    ):
        for document in r.logs.every_audit():
            file.write(json.dumps(document, separators=(",", ":"), ensure_ascii=False) + "\n")
