"""A PostgreSQL that keeps what it committed, pinned to the cores that are measured."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection
from pathlib import Path
from typing import Self

from benchmarks.processes import Server
from tests.postgres import Cluster, program, run

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "fsync": "on",
    "synchronous_commit": "on",
    "shared_buffers": "256MB",
    "max_connections": "200",
}


def missing() -> str | None:
    """Why there can be no PostgreSQL here."""
    return None if program("postgres") and program("initdb") else "PostgreSQL is not installed"


class Postgres(Cluster):
    """One server in `folder`, running on return."""

    server: Server

    def __init__(self, folder: Path, cores: Collection[int]) -> None:
        self._make(folder)
        self.create()
        self._serve(cores)

    @classmethod
    def replica_of(cls, primary: Postgres, folder: Path, cores: Collection[int]) -> Self:
        """A streaming replica, in a folder of its own."""
        made = cls.__new__(cls)
        made._make(folder)
        source = ("-h", "127.0.0.1", "-p", str(primary.port), "-U", "postgres")
        run("pg_basebackup", *source, "-D", str(folder / "data"), "-R", "-X", "stream", "-c", "fast")
        made._serve(cores)
        return made

    def _make(self, folder: Path) -> None:
        folder.mkdir()
        if os.getuid() == 0:
            shutil.chown(folder, "postgres")
        super().__init__(folder)

    def _serve(self, cores: Collection[int]) -> None:
        given = SETTINGS | {"port": str(self.port), "unix_socket_directories": str(self.folder)}
        options = [f"--{name}={value}" for name, value in given.items()]
        command = [program("postgres") or "postgres", "-D", str(self.folder / "data"), *options]
        user = "postgres" if os.getuid() == 0 else None
        log = self.folder.parent / f"{self.folder.name}.log"
        self.server = Server(command, self._ready, cores, log, user=user)

    def _ready(self) -> bool:
        try:
            run("pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port))
        except AssertionError:
            return False
        return True

    def stop(self, mode: str = "fast") -> None:
        """Ends sessions too."""
        super().stop(mode)
