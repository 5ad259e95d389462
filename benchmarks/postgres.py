"""A PostgreSQL that keeps what it committed, pinned to the cores that are measured."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection
from pathlib import Path

from benchmarks.processes import Server
from tests.postgres import Cluster, program, run

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "fsync": "on",
    "synchronous_commit": "on",
    "shared_buffers": "256MB",
    "max_connections": "200",
    "autovacuum_naptime": "10s",
}


def missing() -> str | None:
    """Why there can be no PostgreSQL here."""
    return None if program("postgres") and program("initdb") else "PostgreSQL is not installed"


class Postgres(Cluster):
    """One server in `folder`, running on return; SIGINT, unlike the SIGTERM of others, ends sessions too."""

    def __init__(self, folder: Path, cores: Collection[int]) -> None:
        folder.mkdir()
        super().__init__(folder)
        if os.getuid() == 0:
            shutil.chown(folder, "postgres")
        self.create()
        given = SETTINGS | {"port": str(self.port), "unix_socket_directories": str(folder)}
        options = [f"--{name}={value}" for name, value in given.items()]
        command = [program("postgres") or "postgres", "-D", str(folder / "data"), *options]
        user = "postgres" if os.getuid() == 0 else None
        self.server = Server(command, self._ready, cores, folder.parent / f"{folder.name}.log", user=user)

    def _ready(self) -> bool:
        try:
            run("pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port))
        except AssertionError:
            return False
        return True

    def stop(self, mode: str = "fast") -> None:
        super().stop(mode)
