"""What an import would change, line by line, and what each line needs to be applied."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from b2b_idp.guests.configuration_file.names import Names
from b2b_idp.guests.configuration_file.reading import compact
from b2b_idp.guests.configuration_file.state import SECTIONS, Document, State
from b2b_idp.guests.configuration_file.trust import Path, raised

_LONG = 400
"""Characters of a value on the screen; `--json` has it whole."""


class Absent:
    """No value at all."""


ABSENT: Final = Absent()


@dataclass(frozen=True, slots=True)
class Line:
    """One property: what it is and what it becomes."""

    path: Path
    before: Any
    after: Any
    raises: bool

    def to_json(self) -> dict[str, Any]:
        values = {k: v for k, v in (("before", self.before), ("after", self.after)) if v is not ABSENT}
        return {"path": ".".join(self.path)} | values | ({"needs": ["--accept"]} if self.raises else {})

    def text(self) -> str:
        name = ".".join(compact(p)[1:-1] for p in self.path)
        mark = "+" if self.before is ABSENT else "-" if self.after is ABSENT else "~"
        return f"    {mark} {name}: {self._values()}" + ("    <- needs --accept: raises trust" if self.raises else "")

    def _values(self) -> str:
        if isinstance(self.before, list) and isinstance(self.after, list):
            was, now = Counter(map(compact, self.before)), Counter(map(compact, self.after))
            parts = [f"- {_short(x)}" for x in (was - now)] + [f"+ {_short(x)}" for x in (now - was)]
            return "  ".join(parts) or "in another order"
        return " -> ".join(_short(compact(v)) for v in (self.before, self.after) if v is not ABSENT)


def _short(text: str) -> str:
    return text if len(text) <= _LONG else f"{text[:_LONG]}… ({len(text)} characters)"


@dataclass(frozen=True, slots=True)
class Change:
    """One object that is added, changed or removed. `before` and `after` are its documents, with ids."""

    operation: Literal["add", "change", "remove"]
    section: str
    id: str
    name: str
    lines: tuple[Line, ...]
    raises: bool
    before: Document
    after: Document

    @property
    def title(self) -> str:
        return f"{self.section} {compact(self.name)}" if self.name else self.section

    @property
    def needs(self) -> list[str]:
        return ["--prune"] * (self.operation == "remove") + ["--accept"] * self.raises

    def to_json(self) -> dict[str, Any]:
        properties = [line.to_json() for line in self.lines]
        head = {"operation": self.operation, "section": self.section, "name": self.name}
        return head | {"needs": self.needs, "properties": properties}

    def text(self) -> Iterator[str]:
        mark = {"add": "+", "change": "~", "remove": "-"}[self.operation]
        told = any(line.raises for line in self.lines)
        needs = [n for n in self.needs if n == "--prune" or not told]
        why = ": raises trust" if "--accept" in needs else ""
        yield f"{mark} {self.title}" + (f"    <- needs {' and '.join(needs)}{why}" if needs else "")
        yield from (line.text() for line in self.lines)


def difference(store: State, wanted: State, after: State) -> list[Change]:
    """From what the store holds to what a file wants, in the file's order. Sections that `wanted` has not stay.

    `after` is what will hold: `wanted` and all that stays.
    """
    everything = State({s: {**store[s], **after[s]} for s in SECTIONS})
    names = Names(everything)
    found = []
    for section in (s for s in SECTIONS if s in wanted.sections):
        ids = {**store[section], **wanted[section]}
        for id in sorted(ids, key=lambda id: (names.label(section, id), id)):
            old, new = store[section].get(id), wanted[section].get(id)
            if old is None or new is None or _differ(names.named(section, old), names.named(section, new)):
                found.append(_change(section, id, old, new, names, store, after))
    return found


def _differ(old: Any, new: Any) -> bool:
    """As JSON: true is not 1."""
    return compact(old) != compact(new)


def _change(
    section: str, id: str, old: Document | None, new: Document | None, names: Names, store: State, after: State
) -> Change:
    paths = raised(section, id, store, after if new is not None else after.without(section, id))
    before, now = (names.named(section, d) if d is not None else {} for d in (old, new))
    lines = () if new is None else tuple(_lines((), before, now, paths))
    operation: Literal["add", "change", "remove"] = "add" if old is None else "remove" if new is None else "change"
    return Change(operation, section, id, names.label(section, id), lines, bool(paths), old or {}, new or {})


def _lines(path: Path, before: Any, after: Any, raises: list[Path]) -> Iterator[Line]:
    both = [v for v in (before, after) if v is not ABSENT]
    if path and (not all(isinstance(v, dict) for v in both) or {} in both):
        flagged = any(p and (path[: len(p)] == p or p[: len(path)] == path) for p in raises)
        yield Line(path, before, after, flagged)
        return
    old, new = (v if isinstance(v, dict) else {} for v in (before, after))
    for name in sorted({**old, **new}):
        pair = old.get(name, ABSENT), new.get(name, ABSENT)
        if pair[0] is ABSENT or pair[1] is ABSENT or _differ(*pair):
            yield from _lines((*path, name), *pair, raises)


def modified(change: Change) -> list[Mapping[str, Any]]:
    """Graph's modifiedProperties of a change."""
    return [
        {
            "displayName": ".".join(line.path),
            "oldValue": None if line.before is ABSENT else compact(line.before)[:2000],
            "newValue": None if line.after is ABSENT else compact(line.after)[:2000],
        }
        for line in change.lines
    ]
