"""Processes under measurement: start, wait until ready, CPU time and memory of the whole tree (Linux)."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import urllib3

TICKS = os.sysconf("SC_CLK_TCK")
PATIENCE = 60.0
"""Seconds a server may take to get ready."""


class Server:
    """One server on `core`, ready on return. `ready_seconds`: from its start to the first 200 of `probe`."""

    def __init__(self, argv: Sequence[str], probe: str, core: int, env: Mapping[str, str] | None = None) -> None:
        started = time.perf_counter()
        self._process = subprocess.Popen(
            ["taskset", "-c", str(core), *argv],
            env=os.environ | dict(env or {}),
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        self.pid = self._process.pid
        try:
            self._wait(probe)
        except BaseException:
            self.stop()
            raise
        self.ready_seconds = time.perf_counter() - started

    def _wait(self, probe: str) -> None:
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            if self._process.poll() is not None:
                raise RuntimeError(f"{self._process.args!r} ended with {self._process.returncode}")
            try:
                if urllib3.request("GET", probe, retries=False, timeout=5).status == 200:
                    return
            except urllib3.exceptions.HTTPError:
                pass
            time.sleep(0.01)
        raise RuntimeError(f"{probe} did not answer in {PATIENCE:.0f} s")

    def tree(self) -> list[int]:
        """The process and its descendants."""
        children: dict[int, list[int]] = {}
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = _fields(stat)
            except (FileNotFoundError, ProcessLookupError):
                continue
            children.setdefault(int(fields[1]), []).append(int(stat.parent.name))
        found = [self.pid]
        for pid in found:
            found += children.get(pid, [])
        return found

    def cpu_seconds(self) -> float:
        """User and system time that the tree has used."""
        total = 0
        for pid in self.tree():
            fields = _fields(Path(f"/proc/{pid}/stat"))
            total += int(fields[11]) + int(fields[12])
        return total / TICKS

    def memory_mb(self) -> float:
        """Proportional set size of the tree: pages shared between its processes count once."""
        kilobytes = 0
        for pid in self.tree():
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            kilobytes += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        return kilobytes / 1024

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
