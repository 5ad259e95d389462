"""`b2b-idp audit`: the audit log's chain, the log as JSON lines, and what a home signed in a sign-in."""

from __future__ import annotations

import json
from pathlib import Path

import click

from b2b_idp.cli.instance import data_option, json_option, open_instance, show
from b2b_idp.model.problem import Code, Problem
from b2b_idp.signin.recording import SignedAgain, signed_again


@click.group()
def audit() -> None:
    """Verify or export the audit log, or check what a home signed in a sign-in."""


@audit.command()
@data_option
@json_option
def verify(data: Path, as_json: bool) -> None:
    """Compute the audit log's chain anew; exit 1 when an entry was changed, added or removed."""
    with open_instance(data).store.read() as r:
        chain = r.logs.verify_chain()
    says = "each as it was written" if chain.broken is None else f"then: {chain.broken}"
    document = {"entries": chain.entries, "olderThanTheChain": chain.unchained, "broken": chain.broken}
    document["erased"] = chain.erased
    erased = f" Out of {chain.erased} of them a person was taken." if chain.erased else ""
    show(document, [f"{chain.entries} entries, {says}.{erased}"], as_json)
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


@audit.command()
@data_option
@click.argument("signin_id")
@json_option
def evidence(data: Path, signin_id: str, as_json: bool) -> None:
    """Verify again what the home signed in the sign-in SIGNIN_ID, and print it: header, claims, the key's thumbprint.

    Exit code 1 when a signature does not hold, or the last statement is not what the sign-in log says.
    """
    id = signin_id.lower()
    with open_instance(data).store.read() as r:
        document, kept = r.logs.signin(id), r.logs.evidence(id)
    if document is None:
        raise Problem(Code.NOT_FOUND, f"No sign-in has the id {signin_id[:60]}.")
    if kept is None:
        raise Problem(Code.NOT_FOUND, "The home signed nothing in this sign-in, or it was not kept.")
    found = signed_again(kept, document)
    show(
        {"signInId": id, "statements": [s.to_json() for s in found]},
        [line for number, statement in enumerate(found, 1) for line in _lines(number, statement)],
        as_json,
    )
    if not all(s.signature_holds and s.matches_log is not False for s in found):
        raise SystemExit(1)


def _lines(number: int, s: SignedAgain) -> list[str]:
    log = {None: "an earlier statement of the sign-in", True: "as the log says", False: "NOT what the log says"}
    return [
        f"Statement {number}: the signature {'holds' if s.signature_holds else 'DOES NOT HOLD'}; {log[s.matches_log]}",
        f"  key: {s.thumbprint} (SHA-256 thumbprint, RFC 7638)",
        f"  header: {json.dumps(s.header)}",
        *(f"  {name}: {json.dumps(value)}" for name, value in s.claims.items()),
    ]
