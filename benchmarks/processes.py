"""Processes under measurement: start, wait until ready, CPU time and memory of the whole tree (Linux)."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

import urllib3

TICKS = os.sysconf("SC_CLK_TCK")
PATIENCE = 400.0
"""Seconds a server may take to get ready."""


def free_port() -> int:
    """A loopback port that nobody listens on just now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def answers(url: str) -> Callable[[], bool]:
    """Whether `url` is answered by 200."""

    def ready() -> bool:
        try:
            return urllib3.request("GET", url, retries=False, timeout=5).status == 200
        except urllib3.exceptions.HTTPError:
            return False

    return ready


class Server:
    """One server on `cores`, ready on return. `ready_seconds`: from its start until `ready` was true. `log` takes what
    it says; `user` is whose process it is, ours if None."""

    def __init__(
        self,
        argv: Sequence[str | Path],
        ready: Callable[[], bool],
        cores: Collection[int],
        log: Path,
        *,
        env: Mapping[str, str] | None = None,
        user: str | None = None,
    ) -> None:
        started = time.perf_counter()
        self._log = log
        with log.open("wb") as out:
            self._process = subprocess.Popen(
                ["taskset", "-c", ",".join(map(str, sorted(cores))), *argv],
                env=os.environ | dict(env or {}),
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                user=user,
                cwd=log.parent if user is None else "/",
            )
        self.pid = self._process.pid
        try:
            self._wait(ready)
        except BaseException:
            self.stop()
            raise
        self.ready_seconds = time.perf_counter() - started

    def _wait(self, ready: Callable[[], bool]) -> None:
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            if self._process.poll() is not None:
                raise RuntimeError(f"{self._process.args!r} ended with {self._process.returncode}\n{self.said()}")
            if ready():
                return
            time.sleep(0.02)
        raise RuntimeError(f"{self._process.args!r} was not ready in {PATIENCE:.0f} s\n{self.said()}")

    def said(self) -> str:
        """The end of what it said."""
        return self._log.read_text(errors="replace")[-3000:]

    def tree(self) -> list[int]:
        """The process and its descendants."""
        children: dict[int, list[int]] = {}
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                children.setdefault(int(_fields(stat)[1]), []).append(int(stat.parent.name))
            except (FileNotFoundError, ProcessLookupError):
                continue
        found = [self.pid]
        for pid in found:
            found += children.get(pid, [])
        return found

    def cpu_seconds(self) -> float:
        """User and system time that the tree has used, with that of processes that have ended."""
        ticks = 0
        for pid in self.tree():
            try:
                ticks += sum(map(int, _fields(Path(f"/proc/{pid}/stat"))[11:15]))
            except (FileNotFoundError, ProcessLookupError):
                continue  # ended just now: its parent has it
        return ticks / TICKS

    def memory_mb(self) -> list[float]:
        """Proportional set size of each process of the tree: pages that several of them share count once in the sum."""
        found = []
        for pid in self.tree():
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            found.append(next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024)
        return found

    def stop(self) -> None:
        """Ends the whole tree."""
        if self._process.poll() is None:
            os.killpg(self.pid, signal.SIGTERM)
            try:
                self._process.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(self.pid, signal.SIGKILL)
                self._process.wait()


def _fields(stat: Path) -> list[str]:
    """Fields of /proc/PID/stat after the name, state first (proc(5) numbers them from 3)."""
    return stat.read_text().rpartition(")")[2].split()
