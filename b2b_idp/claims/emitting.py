"""Linked entries and transformations → closures that make claims: all that can be known before a token is done here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from b2b_idp.claims.attributes import FIRST_ONLY, Sources
from b2b_idp.claims.linking import Linked
from b2b_idp.claims.methods import LONGEST_TEXT
from b2b_idp.claims.schema import Attribute, Constant, Entry, Output


class MappedClaim(NamedTuple):
    """A claim that a policy made (`value`), or would have made had its source held anything (`value` None)."""

    name: str
    value: Any
    origin: str
    """The policy's line, and what it reads."""
    steps: tuple[str, ...] = ()
    """One readable line for each transformation that ran, with its inputs and output, in order; where nobody asks for
    explanations only what kept a value from being made."""
    because: str | None = None
    """Why there is no value: the attribute that is empty, the transformation that was skipped."""


class Made(NamedTuple):
    """What a transformation made of one person. `value` keeps inputs to which the method does not apply as they were;
    `applied` has only what the method made."""

    value: str | list[str] | None
    applied: str | list[str] | None
    step: str
    because: str | None


MOST_WORK = 128 * 1024
"""Characters that a policy's transformations may read for one token: an expression costs about a microsecond each, and
a policy holds hundreds, each of which may go through every value of a collection."""
_EACH = 16
"""What a run costs beside its characters."""
_TOO_MUCH = f"the policy's transformations would read more than {MOST_WORK // 1024}K characters for one token"


class Results(dict[str, Made]):
    """What transformations made for one token, by ID; `left` is what those to come may read. `explain`: whether steps
    that went well are told, too."""

    __slots__ = ("explain", "left")

    def __init__(self, *, explain: bool = True) -> None:
        self.left = MOST_WORK
        self.explain = explain


Transform = Callable[[Sources, Results], Made]
Emit = Callable[[Sources, Results], MappedClaim]
_NONE: Mapping[str, Any] = MappingProxyType({})
_new = tuple.__new__
"""A named tuple without the detour through its constructor: half the time of a claim."""


def transform(linked: Linked) -> Transform:
    """Runs one transformation; those that it takes from have run."""
    t = linked.transformation
    run, name = t.method.run, str(t)
    reads = [_reader(origin) for origin in linked.origins]
    labels = [f"{i.name} = {origin} " for i, origin in zip(t.inputs, linked.origins, strict=True)]

    def skipped(because: str) -> Made:
        return Made(None, None, f"{name}: skipped, {because}", f"{name} was skipped: {because}")

    def lacking(n: int, results: Results) -> Made:
        origin = linked.origins[n]
        before = results[origin.transformation].because if isinstance(origin, Output) else None
        if before is None:
            return skipped(f"{origin} is empty")
        return Made(None, None, f"{name}: skipped, {origin} made nothing", before)

    def ran(texts: list[str], results: Results) -> Made:
        results.left -= _EACH + sum(map(len, texts))
        if results.left < 0:
            return skipped(_TOO_MUCH)
        made = run(texts)
        if made is None:
            return Made(texts[0], None, f"{name}: {labels[0]}{texts[0][:80]!r} does not match, skipped", None)
        if not made:
            return skipped("it made nothing")
        if len(made) > LONGEST_TEXT:
            return skipped(f"it made more than {LONGEST_TEXT} characters")
        if not results.explain:
            return _new(Made, (made, made, "", None))
        if not texts:  # all that it takes are parameters
            return Made(made, made, f"{name} → {made[:80]!r}", None)
        told = f"{name}: {labels[0]}{texts[0][:80]!r}"
        for n in range(1, len(texts)):
            told += f", {labels[n]}{texts[n][:80]!r}"
        return _new(Made, (made, made, f"{told} → {made[:80]!r}", None))

    def gathered(sources: Sources, results: Results) -> list[str] | Made:
        texts: list[str] = []
        for read in reads:
            value = read(sources, results)
            text = value if type(value) is str else _first(value)
            if not text:
                return lacking(len(texts), results)
            if len(text) > LONGEST_TEXT:
                return skipped(f"{linked.origins[len(texts)]} has more than {LONGEST_TEXT} characters")
            texts.append(text)
        return texts

    def once(sources: Sources, results: Results) -> Made:
        given = gathered(sources, results)
        return given if isinstance(given, Made) else ran(given, results)

    every = next((n for n, i in enumerate(t.inputs) if i.every), None)
    if every is None:
        return once

    def for_each(sources: Sources, results: Results) -> Made:
        several, given = _texts(reads[every](sources, results)), gathered(sources, results)
        if isinstance(given, Made) or len(several) < 2:
            return given if isinstance(given, Made) else ran(given, results)
        beside = _EACH + sum(map(len, given)) - len(given[every])
        results.left -= beside * len(several) + sum(map(len, several))
        if results.left < 0:
            return skipped(_TOO_MUCH)
        made = [(text, run([*given[:every], text, *given[every + 1 :]])) for text in several]
        applied = [m for _, m in made if m and len(m) <= LONGEST_TEXT]
        kept = [m for text, found in made if (m := text if found is None else found) and len(m) <= LONGEST_TEXT]
        step = f"{name}: each of {len(several)} values of {linked.origins[every]} → {str(kept)[:200]}"
        return Made(kept or None, applied or None, step, None if kept else f"{name} made nothing of any value")

    return for_each


def emit(entry: Entry, order: Sequence[str], linked: Mapping[str, Linked]) -> Emit:
    """Makes the entry's claim. `order`: the transformations in the order in which they run."""
    assert entry.jwt is not None
    name, origin, line = entry.jwt, entry.origin, entry.policy_line
    if isinstance(origin, Constant):
        constant = MappedClaim(name, origin.value or None, line, (), None if origin.value else "the constant is empty")
        return lambda _, __: constant
    if isinstance(origin, Attribute):
        return _attribute(name, origin, line)
    id, upstream = origin.transformation, _upstream(origin.transformation, linked)
    steps = [step for step in order if step in upstream]
    alone = len(steps) == 1

    def output(_: Sources, results: Results) -> MappedClaim:
        made = results[id]
        if made.value is not None and not results.explain:
            return _new(MappedClaim, (name, made.value, line, (), None))
        told = (made.step,) if alone else tuple([step for s in steps if (step := results[s].step)])
        return _new(MappedClaim, (name, made.value, line, told, made.because))

    return output


def emit_or_default(claim: Entry, default: Entry, order: Sequence[str], linked: Mapping[str, Linked]) -> Emit:
    """Makes the claim of a transformation, or the default entry's where the transformation does not apply."""
    assert isinstance(claim.origin, Output)
    id, first, otherwise = claim.origin.transformation, emit(claim, order, linked), emit(default, order, linked)

    def output(sources: Sources, results: Results) -> MappedClaim:
        made = first(sources, results)
        applied = results[id].applied
        if applied is not None:
            return made._replace(value=applied)
        return otherwise(sources, results)._replace(steps=made.steps)

    return output


def _attribute(name: str, origin: Attribute, line: str) -> Emit:
    absent = MappedClaim(name, None, line, (), f"{origin} is empty")
    source, id, first = origin.source, origin.id, origin.id in FIRST_ONLY

    def attribute(sources: Sources, _: Results) -> MappedClaim:
        value = sources.get(source, _NONE).get(id)
        if type(value) is str and value:  # as nearly all are
            return _new(MappedClaim, (name, value, line, (), None))
        if isinstance(value, list | tuple):
            values = [v for v in value if _is_scalar(v)]
            value = (values[0] if first else values) if values else None
        if not value and value not in (False, 0):
            return absent
        return _new(MappedClaim, (name, value, line, (), None))

    return attribute


def _is_scalar(value: object) -> bool:
    return isinstance(value, str | int | float) and value != ""


def _reader(origin: Attribute | Output) -> Callable[[Sources, Results], Any]:
    if isinstance(origin, Output):
        made_by = origin.transformation
        return lambda _, results: results[made_by].value
    source, id = origin.source, origin.id
    return lambda sources, _: sources.get(source, _NONE).get(id)


def _first(value: Any) -> str | None:
    return next(iter(_texts(value)), None)


def _texts(value: Any) -> list[str]:
    """The value, or each of a collection, as text; what is empty is left out."""
    values = value if isinstance(value, list | tuple) else (value,)
    return [str(v).lower() if isinstance(v, bool) else str(v) for v in values if _is_scalar(v)]


def _upstream(id: str, linked: Mapping[str, Linked]) -> set[str]:
    """The transformation and all that feed it."""
    found: set[str] = set()
    ahead = [id]
    while ahead:
        if (next_id := ahead.pop()) not in found:
            found.add(next_id)
            ahead += [o.transformation for o in linked[next_id].origins if isinstance(o, Output)]
    return found


def needed(entries: Sequence[Entry], linked: Mapping[str, Linked]) -> set[str]:
    """The transformations that some claim is made of; the others need not run."""
    return {
        id
        for e in entries
        if e.jwt is not None and isinstance(e.origin, Output)
        for id in _upstream(e.origin.transformation, linked)
    }
