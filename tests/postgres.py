"""A real PostgreSQL on loopback, made by initdb in a temporary folder, gone with the tests."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

_VERSIONS = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: int(p.parent.name))


def program(name: str) -> str | None:
    """Where a program of PostgreSQL is; Debian has the servers' out of the PATH."""
    if _VERSIONS:
        return str(_VERSIONS[-1] / name)
    return shutil.which(name)


def run(name: str, *arguments: str) -> None:
    """Runs a program of PostgreSQL, which refuses root, as its own user."""
    path = program(name)
    assert path is not None
    user = "postgres" if os.getuid() == 0 else None
    done = subprocess.run([path, *arguments], user=user, capture_output=True, text=True, cwd="/", check=False)
    assert done.returncode == 0, f"{name}: {done.stderr}{done.stdout}"


class Cluster:
    """One server. Databases are made by `database()` and go with it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self._made = 0

    def create(self) -> None:
        """An order of texts that is not by code point, as most servers have it, so that ours must not depend on it."""
        locale = ("--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en-US")
        run("initdb", "-D", str(self.folder / "data"), "-U", "postgres", "-E", "UTF8", "-A", "trust", "-N", *locale)

    def start(self) -> None:
        options = (
            f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self.folder} "
            "-c max_connections=200 -c fsync=off -c shared_buffers=64MB"
        )
        log = str(self.folder / "log")
        run("pg_ctl", "-D", str(self.folder / "data"), "-l", log, "-o", options, "-w", "start")

    def stop(self, mode: str = "immediate") -> None:
        run("pg_ctl", "-D", str(self.folder / "data"), "-m", mode, "-w", "stop")

    def url(self, database: str) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def database(self, template: str | None = None) -> str:
        """A new database's address."""
        self._made += 1
        name = f"b2b_{self._made}"
        source = f' TEMPLATE "{template}"' if template else ""
        with psycopg.connect(self.url("postgres"), autocommit=True) as c:
            c.execute(f'CREATE DATABASE "{name}"{source}')
        return self.url(name)


@contextmanager
def cluster() -> Iterator[Cluster]:
    """A running server. Skips where PostgreSQL is not installed, fails there under CI."""
    if program("initdb") is None:
        if os.environ.get("CI"):
            pytest.fail("PostgreSQL is missing")
        pytest.skip("PostgreSQL is not installed")
    folder = Path(tempfile.mkdtemp(prefix="b2b-idp-postgres-"))
    if os.getuid() == 0:
        shutil.chown(folder, "postgres")
    made = Cluster(folder)
    try:
        made.create()
        made.start()
        yield made
    finally:
        if (folder / "data" / "postmaster.pid").exists():
            made.stop()
        shutil.rmtree(folder, ignore_errors=True)
