"""What became of each row of a file: JSON lines beside it, in the rows' order, and a small file that says which input
they are of."""

from __future__ import annotations

import fcntl
import json
import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from b2b_idp.model.problem import Code, Problem


class ResultFile:
    """`path`, opened for one run at a time. A last line that a kill cut off is dropped: its row is taken up again.

    `job` is the id of the whole undertaking, `last` the last row that has its line, `counts` how many lines have which
    status, `resumed` whether an earlier run began it. Raises Problem(BAD_REQUEST) when the file belongs to another
    input, or another run has it.
    """

    def __init__(self, path: Path, input_name: str, sha256: str, job: str) -> None:
        self.path, self.job, self.last = path, job, 0
        self.resumed = False
        self.counts: Counter[str] = Counter()
        # addresses are in it: for its owner alone
        self._file: BinaryIO = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+b")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.close()
            raise Problem(Code.BAD_REQUEST, f"Another run is writing {path}.") from None
        try:
            self._go_on(input_name, sha256)
        except BaseException:
            self._file.close()
            raise

    def _go_on(self, input_name: str, sha256: str) -> None:
        job_file = self.path.with_name(self.path.name + ".job")
        head = _document(job_file.read_bytes()) if job_file.exists() else None
        if head is None:
            if self._file.read(1):
                raise Problem(Code.BAD_REQUEST, f"{self.path} is not a file of results of this command. Move it away.")
            _write_durably(job_file, {"file": input_name, "sha256": sha256, "job": self.job})
            return
        if head.get("sha256") != sha256:
            raise Problem(
                Code.BAD_REQUEST,
                f"{self.path} holds the results of another {input_name}: it was changed since, or is another file. "
                f"Move them and {job_file} away to begin anew; who is a guest already is not invited again.",
            )
        self.job, self.resumed = str(head["job"]), True
        good = 0
        for line in iter(self._file.readline, b""):
            document = _document(line)
            if document is None or "row" not in document:
                break
            good += len(line)
            self._count(document)
        self._file.seek(good)
        self._file.truncate()

    def _count(self, document: dict[str, Any]) -> None:
        self.last = int(document["row"])
        self.counts[str(document["status"])] += 1

    def add(self, results: Iterable[dict[str, Any]]) -> None:
        """Appends a line for each row."""
        lines = list(results)
        self._append(lines)
        for line in lines:
            self._count(line)

    def _append(self, documents: list[dict[str, Any]]) -> None:
        text = "".join(json.dumps(d, separators=(",", ":"), ensure_ascii=False) + "\n" for d in documents)
        self._file.write(text.encode())
        self._file.flush()

    def __enter__(self) -> ResultFile:
        return self

    def __exit__(self, kind: type[BaseException] | None, e: BaseException | None, tb: TracebackType | None) -> None:
        self._file.close()


def _write_durably(path: Path, document: dict[str, Any]) -> None:
    """The job must be known before anything is done in its name."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(json.dumps(document, separators=(",", ":")).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def _document(line: bytes) -> dict[str, Any] | None:
    """A whole line's document; None for a line that was cut off or is none."""
    if not line.endswith(b"\n"):
        return None
    try:
        document = json.loads(line)
    except ValueError:
        return None
    return document if isinstance(document, dict) and ("row" in document or "job" in document) else None
