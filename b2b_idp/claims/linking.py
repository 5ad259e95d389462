"""Entries and transformations, each right in itself → linked: every reference found, every input before its use."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from b2b_idp.claims.attributes import IDS
from b2b_idp.claims.definition import FlawError, shown
from b2b_idp.claims.schema import Attribute, Constant, Entry, Output
from b2b_idp.claims.transformations import Input, Transformation

Flawed = Callable[[FlawError], None]
"""Takes what is wrong, which is then left out."""


@dataclass(frozen=True, slots=True)
class Linked:
    """A transformation with what each of its inputs reads."""

    transformation: Transformation
    origins: tuple[Attribute | Output, ...]


def link(entries: Sequence[Entry], transformations: Sequence[Transformation], flawed: Flawed) -> dict[str, Linked]:
    """The transformations by ID, each after those whose output it takes."""
    known = {t.id: t for t in transformations}
    by_id: dict[str, list[Entry]] = {}
    for entry in entries:
        if entry.id is not None:
            by_id.setdefault(entry.id, []).append(entry)
    found: dict[str, Linked] = {}
    for t in transformations:
        try:
            _check_output(t, entries)
            found[t.id] = Linked(t, tuple(_origin(i, by_id) for i in t.inputs))
        except FlawError as e:
            flawed(e)
    return _ordered(found, known, flawed)


def _check_output(t: Transformation, entries: Sequence[Entry]) -> None:
    taking = [e for e in entries if e.origin == Output(t.id)]
    if not any(e.id in (None, t.output) for e in taking):
        raise t.output_node.flaw(
            f"no entry of ClaimsSchema with Source transformation and TransformationId {shown(t.id)} has the ID "
            f"{shown(t.output)}"
        )


def _origin(input: Input, by_id: dict[str, list[Entry]]) -> Attribute | Output:
    found = list(
        dict.fromkeys(
            e.origin
            for e in by_id.get(input.reference, ())
            if not isinstance(e.origin, Constant) and input.source in (None, _source(e.origin))
        )
    )
    if len(found) == 1:
        return found[0]
    if found:
        raise input.node.flaw(
            f"the ID {shown(input.reference)} is ambiguous: {' and '.join(map(str, found))}; "
            "ClaimTypeReferenceSource says which source is meant"
        )
    if input.source is not None and input.reference in IDS.get(input.source, ()):
        return Attribute(input.source, input.reference)
    raise input.node.flaw(f"no entry of ClaimsSchema has the ID {shown(input.reference)}")


def _source(origin: Attribute | Output) -> str:
    return origin.source if isinstance(origin, Attribute) else "transformation"


def _ordered(found: dict[str, Linked], known: dict[str, Transformation], flawed: Flawed) -> dict[str, Linked]:
    while True:
        graph = {
            id: [o.transformation for o in linked.origins if isinstance(o, Output)] for id, linked in found.items()
        }
        try:
            order = list(TopologicalSorter(graph).static_order())
            break
        except CycleError as e:
            cycle: list[str] = e.args[1]
            flawed(found[cycle[0]].transformation.node.flaw(f"transformations feed each other: {' → '.join(cycle)}"))
            for id in set(cycle):
                del found[id]
    kept: dict[str, Linked] = {}
    for id in order:
        if id not in found:
            continue  # an unknown one, of which the transformation that takes it tells
        lacking = next((o for o in graph[id] if o not in kept), None)
        if lacking is None:
            kept[id] = found[id]
        else:
            say = "is left out" if lacking in known else "is nowhere"
            flawed(found[id].transformation.node.flaw(f"its input, the transformation {shown(lacking)}, {say}"))
    return kept
