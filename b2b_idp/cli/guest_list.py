"""A CSV file of guests to invite, read as a stream: a bad record is one row that says so, and the next is read."""

from __future__ import annotations

import csv
import hashlib
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from b2b_idp.model.problem import Code, Problem

COLUMNS = ("email", "name", "redirect", "send", "message", "language", "group")
_TEMPLATE = {
    "inviteeemail": "email",
    "inviteename": "name",
    "inviteredirecturl": "redirect",
    "sendemail": "send",
    "customizedmessagebody": "message",
}
"""Entra's bulk invitation template: a heading is `words [property] words`, the words in the reader's language."""

_LONGEST_LINE = 16 * 1024
_LONGEST_RECORD = 100
"""Lines in one record: a quote that is never closed costs its own row, not the rest of the file."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row by its number in a spreadsheet; `problem` says why it cannot be read. `end`: bytes of the file so far."""

    number: int
    end: int
    cells: dict[str, str] = field(default_factory=dict)
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class _Line:
    text: str
    end: int
    problem: str | None = None


class GuestList:
    """`path` with its heading read and checked. Raises Problem(BAD_REQUEST) for a heading that is not one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with path.open("rb") as file:
            self.sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        self.size = path.stat().st_size
        self._records = _Records(_lines(path.open("rb")))
        self.columns = self._heading()

    def _heading(self) -> tuple[str, ...]:
        line = self._records.peek()
        if line is not None and re.match(r'"?version:', line.text, re.IGNORECASE):
            self._records.skip()
            line = self._records.peek()
        if line is None or line.problem:
            raise self._bad(line.problem if line and line.problem else "the file is empty")
        self._records.delimiter = max(",;\t", key=line.text.count)
        names, problem, _ = self._records.read() or ([], None, 0)
        if problem:
            raise self._bad(problem)
        columns = tuple(_column(name) for name in names)
        for name, column in zip(names, columns, strict=True):
            if column not in COLUMNS:
                raise self._bad(f"there is no column {name[:60]!r}; the columns are {', '.join(COLUMNS)}")
            if columns.count(column) > 1:
                raise self._bad(f"the column {column} stands twice")
        if "email" not in columns:
            raise self._bad("there is no column email")
        return columns

    def _bad(self, why: str) -> Problem:
        return Problem(Code.BAD_REQUEST, f"{self._path}: {why}.")

    def rows(self) -> Iterator[Row]:
        """The rows, once; empty lines are none."""
        while (record := self._records.read()) is not None:
            cells, problem, end = record
            number = self._records.number
            if problem is None and not cells:
                continue
            if problem is None and any(cells[len(self.columns) :]):
                problem = f"The row has {len(cells)} cells, the heading {len(self.columns)}."
            named = dict(zip(self.columns, (c.strip() for c in cells), strict=False))
            yield Row(number, end, named, problem)


def _column(heading: str) -> str:
    name = heading.strip().lower()
    bracketed = re.search(r"\[(\w+)\]", name)
    return _TEMPLATE.get(bracketed[1], name) if bracketed else name


def _lines(file: BinaryIO) -> Iterator[_Line]:
    """Lines as text, none of them held longer than it is allowed to be."""
    with file:
        end = 0
        while raw := file.readline(_LONGEST_LINE):
            first = end == 0
            end += len(raw)
            whole = raw
            while not whole.endswith(b"\n") and len(whole) == _LONGEST_LINE:
                whole = file.readline(_LONGEST_LINE)
                end += len(whole)
            if whole is not raw:
                yield _Line("", end, f"The line is longer than {_LONGEST_LINE} bytes.")
                continue
            try:
                yield _Line(raw.decode("utf-8-sig" if first else "utf-8"), end)
            except UnicodeDecodeError:
                yield _Line("", end, "The line is not UTF-8: save the file as “CSV UTF-8”.")


class _Records:
    """Lines → records. `number` is that of the record read last, empty ones counted, as a spreadsheet does."""

    def __init__(self, lines: Iterator[_Line]) -> None:
        self._lines = lines
        self._ahead: deque[_Line] = deque()
        self.delimiter = ","
        self.number = 0

    def _next(self) -> _Line | None:
        return self._ahead.popleft() if self._ahead else next(self._lines, None)

    def peek(self) -> _Line | None:
        line = self._next()
        if line is not None:
            self._ahead.appendleft(line)
        return line

    def skip(self) -> None:
        self._next()
        self.number += 1

    def read(self) -> tuple[list[str], str | None, int] | None:
        """The next record: its cells, or what is wrong with it; and where it ends."""
        line = self._next()
        if line is None:
            return None
        self.number += 1
        if line.problem:
            return [], line.problem, line.end
        taken = [line]
        try:
            cells = next(csv.reader(self._feed(taken), delimiter=self.delimiter, strict=True), [])
        except csv.Error as e:
            # only the first line is at fault; those behind it are rows of their own
            self._ahead.extendleft(reversed(taken[1:]))
            return [], f"The row is not CSV: {e}.", line.end
        return cells, None, taken[-1].end

    def _feed(self, taken: list[_Line]) -> Iterator[str]:
        yield taken[0].text
        while len(taken) < _LONGEST_RECORD and (line := self._next()) is not None:
            taken.append(line)
            if line.problem:
                return
            yield line.text
