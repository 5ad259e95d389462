"""A real PostgreSQL on loopback, made by initdb in a temporary folder, gone with the tests."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
import pytest

from tests.ports import free_port

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
    """One server: a primary, or one that follows it. Databases are made by `database()` and go with it. Nothing waits
    for the disk: what the operating system was given outlives a killed server, and no test pulls the plug."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self._made = 0
        self._replicas: list[Cluster] = []

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def create(self) -> None:
        """An order of texts that is not by code point, as most servers have it, so that ours must not depend on it."""
        locale = ("--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en-US")
        run("initdb", "-D", str(self.data), "-U", "postgres", "-E", "UTF8", "-A", "trust", "-N", *locale)

    def start(self) -> None:
        # no socket file: where nobody reaps the dead, a killed server would seem to hold it
        options = (
            f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= "
            "-c max_connections=200 -c fsync=off -c shared_buffers=64MB -c wal_retrieve_retry_interval=100ms"
        )
        log = str(self.folder / "log")
        run("pg_ctl", "-D", str(self.data), "-l", log, "-o", options, "-w", "start")

    def stop(self, mode: str = "immediate") -> None:
        run("pg_ctl", "-D", str(self.data), "-m", mode, "-w", "stop")

    def kill(self) -> None:
        """SIGKILL to the server and every process of it."""
        postmaster = int((self.data / "postmaster.pid").read_text().split()[0])
        os.kill(postmaster, signal.SIGSTOP)  # so that it cannot start others meanwhile
        children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
        for pid in (postmaster, *map(int, children)):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for _ in range(500):
            if not any(_alive(pid) for pid in (postmaster, *map(int, children))):
                # where nobody reaps the dead, the next server would take its process for a running one
                (self.data / "postmaster.pid").unlink()
                return
            time.sleep(0.01)
        raise AssertionError("PostgreSQL outlived SIGKILL")

    @property
    def running(self) -> bool:
        try:
            return _alive(int((self.data / "postmaster.pid").read_text().split()[0]))
        except FileNotFoundError:
            return False

    def replica(self, delay: float = 0) -> Cluster:
        """A running server that follows this one by streaming; what it shows is `delay` seconds old at least. It is
        stopped with this one's `cluster()`."""
        made = Cluster(self.folder / f"replica{len(self._replicas) + 1}")
        made.folder.mkdir()
        if os.getuid() == 0:
            shutil.chown(made.folder, "postgres")
        source = ("-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres")
        run("pg_basebackup", *source, "-D", str(made.data), "-R", "-X", "stream", "-c", "fast", "-N")
        made.delay(delay, reload=False)
        self._replicas.append(made)
        made.start()
        return made

    def delay(self, seconds: float, *, reload: bool = True) -> None:
        """Has this replica apply each commit so many seconds after it was made."""
        with (self.data / "postgresql.auto.conf").open("a") as settings:
            settings.write(f"recovery_min_apply_delay = {round(seconds * 1000)}\n")
        if reload:
            run("pg_ctl", "-D", str(self.data), "reload")

    def promote(self) -> None:
        """Makes this replica a primary, on a timeline of its own."""
        run("pg_ctl", "-D", str(self.data), "-w", "promote")

    def take_over(self, other: Cluster) -> None:
        """Has this one, promoted, answer at the address of another, which is gone: how a replaced primary looks to
        those who know only the address."""
        self.stop("fast")
        self.port = other.port
        self.start()

    def position(self) -> str:
        """How far this server is: what it wrote, or as a replica what it shows."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as c:
            row = c.execute(
                "SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END"
            ).fetchone()
        assert row is not None
        return str(row[0])

    def reached(self, position: str, timeout: float = 20) -> None:
        """Waits until this replica shows that position of its primary."""
        ends = time.monotonic() + timeout
        with psycopg.connect(self.url("postgres"), autocommit=True) as c:
            while c.execute("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", [position]).fetchone() != (True,):
                assert time.monotonic() < ends, "the replica did not follow"
                time.sleep(0.01)

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

    def close(self) -> None:
        """Ends those that follow it, then itself. A replica that waits to apply something would stop late."""
        for server in (*self._replicas, self):
            if server.running:
                server.kill()


def _alive(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


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
        made.close()
        shutil.rmtree(folder, ignore_errors=True)
