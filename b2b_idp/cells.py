"""Numbers that the worker processes of one server keep beside each other, and that any of them can add up."""

from __future__ import annotations

import json
import mmap
import os
import threading
from array import array
from collections.abc import Collection, Iterator
from itertools import count
from pathlib import Path

from b2b_idp.logs import log

CELLS = 1 << 16
"""Numbers of one process at most."""
_NAMES_AT = CELLS * 8
_SIZE = _NAMES_AT + (1 << 20)
"""Bytes of a file."""

Key = tuple[str, ...]
"""The family's name, then the values of its labels."""


class Cells:
    """The numbers of this process: in a file of `folder` that other processes read, or without one in memory.

    A file holds CELLS doubles and behind them a line of JSON for each block of them; the first double is how many bytes
    of lines there are, so a line that was half written when its process was killed is not there. A file belongs to
    whoever has it locked. That of a process that ended is taken over by the next that starts: counters go on, and there
    are never more files than there were processes at once. Files are opened when first used, which is after a fork.
    Families in `fleeting` say how things stand in a process: whoever takes a file over begins them at 0.
    """

    def __init__(
        self, folder: Path | None = None, name: str = "cells", fleeting: Collection[str] = frozenset()
    ) -> None:
        self._folder, self._name, self._fleeting = folder, name, fleeting
        self._lock = threading.Lock()
        self._blocks: dict[Key, int] = {}
        self._values: array[float] | memoryview[float] = array("d", [0.0])
        self._used = 1
        self._names: mmap.mmap | None = None
        self._file = -1

    def add(self, key: Key, width: int, at: int, amount: float, sum_at: int = 0, sum_amount: float = 0.0) -> None:
        """Adds to one number of the block of `key`, which has `width` of them, and to a second one if there is one. A
        process that holds CELLS numbers counts nothing new."""
        start = self._blocks.get(key) or self._block(key, width)
        if not start:
            return
        with self._lock:
            self._values[start + at] += amount
            if sum_at:
                self._values[start + sum_at] += sum_amount

    def put(self, key: Key, value: float) -> None:
        """Sets the only number of a block."""
        start = self._blocks.get(key) or self._block(key, 1)
        if start:
            with self._lock:
                self._values[start] = value

    def read(self) -> Iterator[tuple[Key, list[float], bool]]:
        """Every block of every process: its key, its numbers, and whether that process still lives."""
        with self._lock:
            self._open()
            mine = [(key, list(self._values[at : at + width])) for key, at, width in self._mine()]
        yield from ((key, numbers, True) for key, numbers in mine)
        if self._folder is None:
            return
        for path in sorted(self._folder.glob(f"{self._name}-*")):
            yield from self._other(path)

    def _mine(self) -> Iterator[tuple[Key, int, int]]:
        starts = sorted((at, key) for key, at in self._blocks.items())
        ends = [*(at for at, _ in starts[1:]), self._used]
        return ((key, at, end - at) for (at, key), end in zip(starts, ends, strict=False))

    def _other(self, path: Path) -> Iterator[tuple[Key, list[float], bool]]:
        try:
            file = os.open(path, os.O_RDONLY)
        except OSError:
            return
        import fcntl

        try:
            if self._file >= 0 and os.path.sameopenfile(file, self._file):
                return
            try:
                # several readers may hold it so at once; a worker that starts just then takes another file
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                lives = False
            except OSError:
                lives = True
            if os.fstat(file).st_size != _SIZE:
                return
            with mmap.mmap(file, _SIZE, prot=mmap.PROT_READ) as content:
                blocks = _blocks_of(content)
                end = max((at + width for _, at, width in blocks), default=0)
                values = array("d", content[: end * 8])
        finally:
            os.close(file)
        yield from ((key, list(values[at : at + width]), lives) for key, at, width in blocks)

    def _block(self, key: Key, width: int) -> int:
        """Where the block of `key` begins; 0 when there is no room left."""
        with self._lock:
            self._open()
            if key in self._blocks:
                return self._blocks[key]
            line = (json.dumps([key, self._used, width]) + "\n").encode()
            written = int(self._values[0])
            if self._used + width > CELLS or _NAMES_AT + written + len(line) > _SIZE:
                return 0
            if isinstance(self._values, array):
                self._values.extend([0.0] * width)
            elif self._names is not None:
                at = _NAMES_AT + written
                self._names[at : at + len(line)] = line
                self._values[0] = written + len(line)
            self._blocks[key] = start = self._used
            self._used += width
            return start

    def _open(self) -> None:
        """Takes the first file that is nobody's. Where there is no room for one, this process counts for itself."""
        if self._folder is None or self._names is not None:
            return
        try:
            self._file = _taken(self._folder, self._name)
        except OSError as e:
            log.warning("metrics are of one process alone", folder=str(self._folder), why=e.strerror)
            self._folder = None
            return
        self._names = mmap.mmap(self._file, _SIZE)
        self._values = memoryview(self._names)[:_NAMES_AT].cast("d")
        for key, at, width in _blocks_of(self._names):
            self._blocks[key] = at
            self._used = at + width
            if key[0] in self._fleeting:
                self._values[at] = 0.0


def _taken(folder: Path, name: str) -> int:
    """A file of ours, locked, with all its room: a page that finds none when it is written to would kill the process.
    Raises OSError."""
    # not at the top: Windows has none, and no servers of several processes
    import fcntl

    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for number in count():
        file = os.open(folder / f"{name}-{number}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            continue
        try:
            os.posix_fallocate(file, 0, _SIZE)
        except OSError:
            os.close(file)
            raise
        return file
    raise AssertionError("numbers do not end")


def _blocks_of(content: mmap.mmap) -> list[tuple[Key, int, int]]:
    written = int(memoryview(content)[:8].cast("d")[0])
    lines = content[_NAMES_AT : _NAMES_AT + written].decode().splitlines()
    return [(tuple(key), at, width) for key, at, width in json.loads(f"[{','.join(lines)}]")]
