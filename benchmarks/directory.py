"""The directory's own numbers: what an invitation costs beside the disk's bare commit, what a page costs as the
directory grows, and a file of 10,000 rows. `python -m benchmarks.directory [USERS …]`."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path

from b2b_idp.cli.instance import open_instance
from b2b_idp.guests.invite import InvitationRequest, invite
from b2b_idp.model.query import And, Compare, Filter, Listing, TextTest

B2B_IDP = [sys.executable, "-m", "b2b_idp.cli"]
PAGES: dict[str, Filter | None] = {
    "first page": None,
    "mail eq": Compare(("mail",), "eq", "g500@fabrikam.example"),
    "startsWith(displayName)": TextTest(("displayName",), "startsWith", "guest 50"),
    "pending guests": And(
        (Compare(("userType",), "eq", "Guest"), Compare(("externalUserState",), "eq", "PendingAcceptance"))
    ),
}


def per_second(work: Callable[[int], object], seconds: float = 3) -> float:
    done, began = 0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        work(done)
        done += 1
    return done / (time.perf_counter() - began)


def made(folder: Path) -> Path:
    data = folder / "data"
    subprocess.run(
        [*B2B_IDP, "init", "--data", str(data), "--issuer", "http://127.0.0.1:8000"],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return data


def invitations(folder: Path) -> None:
    bare = sqlite3.connect(folder / "bare.sqlite3", isolation_level=None)
    for pragma in ("journal_mode=WAL", "synchronous=FULL"):
        bare.execute("PRAGMA " + pragma)
    bare.execute("CREATE TABLE t (x TEXT)")
    commits = per_second(lambda n: bare.execute("INSERT INTO t VALUES (?)", (str(n),)))
    idp = open_instance(made(folder))

    def one(n: int) -> None:
        with idp.store.write() as w:
            ask = InvitationRequest(email=f"g{n}@fabrikam.example", redirect_url="https://app.example/")
            invite(w, idp.vault, ask, by="bench", issuer=idp.settings.issuer, moment=idp.moment())

    invited = per_second(one)
    print(f"invitations/s, durable: {invited:.0f}; bare commits/s: {commits:.0f}; ratio {invited / commits:.2f}")


def pages(folder: Path, users: int) -> dict[str, float]:
    """Milliseconds of each kind of page in a directory of so many users."""
    data = made(folder)
    row = "Guest", True, "Invitation", "PendingAcceptance", 0, 0, "{}"
    with sqlite3.connect(data / "b2b-idp.sqlite3") as c:
        c.executemany(
            "INSERT INTO users (id, upn, upn_key, mail, mail_key, display_name_key, user_type, account_enabled, "
            "creation_type, state, state_changed_at, created_at, properties) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)",
            (
                (str(uuid.uuid4()), f"u{n}", f"u{n}", m := f"g{n}@fabrikam.example", m, f"guest {n}", *row)
                for n in range(users)
            ),
        )
    idp, taken = open_instance(data), {}
    for name, asked in PAGES.items():

        def one(_n: int, asked: Filter | None = asked) -> None:
            with idp.store.read() as r:
                r.users.listing(Listing(filter=asked))

        one(0)
        taken[name] = 1000 / per_second(one, 1)
    return taken


def growth(sizes: list[int]) -> None:
    """Beside each time its ratio to that of the smallest directory."""
    first: dict[str, float] = {}
    for users in sizes:
        with tempfile.TemporaryDirectory() as folder:
            taken = pages(Path(folder), users)
        first = first or taken
        for name, ms in taken.items():
            print(f"{users:>9} users  {name:<24} {ms:7.2f} ms a page of 100, x {ms / first[name]:.1f}")


def bulk(folder: Path, rows: int = 10_000) -> None:
    file = folder / "guests.csv"
    file.write_text("email\n" + "".join(f"g{n}@fabrikam.example\n" for n in range(rows)))
    began = time.perf_counter()
    command = [
        *B2B_IDP,
        "invite",
        str(file),
        "--data",
        str(made(folder)),
        "--redirect",
        "https://app.example/",
        "--json",
    ]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    took = time.perf_counter() - began
    assert json.loads(done.stdout.splitlines()[-1])["invited"] == rows
    print(f"a file of {rows} rows, each mailed: {took:.1f} s, {rows / took:.0f} rows/s")


if __name__ == "__main__":
    for part in (invitations, bulk):
        with tempfile.TemporaryDirectory() as made_here:
            part(Path(made_here))
    growth([int(n) for n in sys.argv[1:]] or [1000, 100_000, 1_000_000])
