"""claimsMappingPolicy → a compiled mapping → claims with their origin (Entra's policy type, whole)."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal, TypeVar, cast

from b2b_idp.claims.attributes import Sources
from b2b_idp.claims.definition import Definition, FlawError, Node, bad, read, shown
from b2b_idp.claims.emitting import Emit, MappedClaim, Results, Transform, emit, emit_or_default, needed, transform
from b2b_idp.claims.linking import Linked, link
from b2b_idp.claims.schema import Entry, Output, read_entry
from b2b_idp.claims.transformations import Taken, read_transformation
from b2b_idp.model.problem import Problem

__all__ = ["ClaimsMapping", "GroupFilter", "MappedClaim", "Sources", "compile_mapping", "compile_stored"]

T = TypeVar("T")
_MEMBERS = (
    "Version IncludeBasicClaimSet ClaimsSchema ClaimsTransformation ClaimsTransformations GroupFilter "
    "audienceOverride issuerWithApplicationId"
)
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:(?!//(?:[/?]|\Z))[^\s#\"<>\\^`{|}\x00-\x20\x7f-\U0010ffff]+")
"""An absolute URI without fragment (RFC 3986 §4.3), by its characters."""


@dataclass(frozen=True, slots=True)
class GroupFilter:
    """A policy's GroupFilter: groups whose name starts with, ends with or contains a text, in any case."""

    match_on: Literal["displayname", "samaccountname"]
    type: Literal["prefix", "suffix", "contains", "nothing"]
    value: str
    """In folded case."""

    def admits(self, name: str | None) -> bool:
        """Whether a group passes, by its displayName or onPremisesSamAccountName as `match_on` says."""
        if not name:
            return False
        folded = name.casefold()
        match self.type:
            case "prefix":
                return folded.startswith(self.value)
            case "suffix":
                return folded.endswith(self.value)
            case "contains":
                return self.value in folded
            case "nothing":
                return False


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimsMapping:
    """A compiled policy. `include_basic` False leaves out the basic claim set (name, given_name …)."""

    include_basic: bool
    transforms: tuple[tuple[str, Transform], ...] = ()
    """By ID, in the order in which they run."""
    emits: tuple[Emit, ...] = ()
    group_filter: GroupFilter | None = None
    """Which groups `groups` may name; None for all."""
    audience_override: str | None = None
    """`aud` for an app with a signing key of its own; an absolute URI."""
    issuer_with_application_id: bool = False
    """Whether `iss` names the app, for an app with a signing key of its own."""
    problems: tuple[str, ...] = ()
    """What of a stored policy is left out, and why."""

    def apply(self, sources: Sources, *, explain: bool = True) -> list[MappedClaim]:
        """The policy's claims for these sources, in the policy's order. Missing data makes a claim with value None,
        which a token leaves out. `explain`: with the steps of each claim."""
        results = Results(explain=explain)
        for id, run in self.transforms:
            results[id] = run(sources, results)
        return [make(sources, results) for make in self.emits]


def compile_mapping(definition: object) -> ClaimsMapping:
    """Compiles a definition as it is written: an array of one JSON string, or an object.

    Raises Problem(BAD_REQUEST) with what is wrong and where: line and column of the text, and the path of the value.
    """
    document = read(definition)
    problems: list[str] = []

    def note(flaw: FlawError) -> None:
        problems.append(f"{document.where(flaw.path)}: {flaw.say}.")
        if len(problems) == _SHOWN:
            raise bad(" ".join(problems))

    mapping = _compiled(document, note)
    if problems:
        raise bad(" ".join(problems))
    return mapping


def compile_stored(definition: object) -> ClaimsMapping:
    """Compiles a definition that is kept. Never raises: what cannot be is left out, entry by entry, and told in
    `problems`; what cannot be read gives nothing away, neither the basic claim set nor groups."""
    match definition:
        case [str() as text]:
            return _stored(text)
        case _:
            return _tolerated(definition)


@lru_cache(maxsize=1024)
def _stored(text: str) -> ClaimsMapping:
    """Compiled once, though any change of the configuration reads it anew."""
    return _tolerated([text])


def _tolerated(definition: object) -> ClaimsMapping:
    try:
        document = read(definition)
    except Problem as e:
        return ClaimsMapping(include_basic=False, group_filter=_NO_GROUPS, problems=(e.say,))
    flaws: list[FlawError] = []
    mapping = _compiled(document, flaws.append)
    # finding a place takes a walk through the text
    told = [f"{document.where(flaw.path)}: {flaw.say}." for flaw in flaws[:_SHOWN]]
    more = len(flaws) - len(told)
    return replace(mapping, problems=(*told, *([f"And {more} more."] if more else ())))


def _compiled(document: Definition, note: Callable[[FlawError], None]) -> ClaimsMapping:
    try:
        return _Compiler(document.policy, note).compile()
    except FlawError as e:
        note(e)
        return ClaimsMapping(include_basic=False, group_filter=_NO_GROUPS)


_SHOWN = 10
"""So many of the things that are wrong are said at once."""
_NO_GROUPS = GroupFilter("displayname", "nothing", "")
"""Stands for a filter that cannot be read."""


class _Compiler:
    """One policy on its way; `flawed` takes each thing that is wrong, which is then left out; it may raise to stop."""

    def __init__(self, policy: Node, flawed: Callable[[FlawError], None]) -> None:
        self._policy = policy
        self._flawed = flawed

    def compile(self) -> ClaimsMapping:
        """Raises FlawError for what cannot be read as a policy at all."""
        members = self._policy.members(_MEMBERS, self._flawed)
        if "Version" not in members or type(members["Version"].value) is not int or members["Version"].value != 1:
            raise members.get("Version", self._policy).flaw("Version is 1")
        entries, linked = self._linked(members)
        wanted = needed(entries, linked)
        order = [id for id in linked if id in wanted]
        return ClaimsMapping(
            include_basic=self._of(members, "IncludeBasicClaimSet", Node.boolean, default=True, wrong=False),
            transforms=tuple((id, transform(linked[id])) for id in order),
            emits=tuple(self._emits(entries, order, linked)),
            group_filter=self._of(members, "GroupFilter", _group_filter, default=None, wrong=_NO_GROUPS),
            audience_override=self._of(members, "audienceOverride", _uri, default=None, wrong=None),
            issuer_with_application_id=self._of(
                members, "issuerWithApplicationId", Node.boolean, default=False, wrong=False
            ),
        )

    def _of(self, members: dict[str, Node], name: str, read: Callable[[Node], T], *, default: T, wrong: T) -> T:
        try:
            return read(members[name]) if name in members else default
        except FlawError as e:
            self._flawed(e)
            return wrong

    def _each(self, node: Node | None, read: Callable[[int, Node], T]) -> list[T]:
        found: list[T] = []
        try:
            items = node.items() if node is not None else []
        except FlawError as e:
            self._flawed(e)
            return found
        for n, item in enumerate(items):
            try:
                found.append(read(n, item))
            except FlawError as e:
                self._flawed(e)
        return found

    def _linked(self, members: dict[str, Node]) -> tuple[list[Entry], dict[str, Linked]]:
        entries = self._each(members.get("ClaimsSchema"), read_entry)
        one, other = members.get("ClaimsTransformation"), members.get("ClaimsTransformations")
        if one is not None and other is not None:
            self._flawed(
                other.flaw("ClaimsTransformation and ClaimsTransformations are the same, one of them is written")
            )
        taken = Taken()
        transformations = self._each(one or other, lambda _, node: read_transformation(node, taken))
        linked = link(entries, transformations, self._flawed)
        return [e for e in entries if self._has_output(e, linked)], linked

    def _has_output(self, entry: Entry, linked: dict[str, Linked]) -> bool:
        if not isinstance(entry.origin, Output):
            return True
        source = linked.get(entry.origin.transformation)
        if source is None:
            self._flawed(entry.node.flaw(f"there is no transformation {shown(entry.origin.transformation)}"))
            return False
        if entry.id not in (None, source.transformation.output):
            say = f"{source.transformation} has the output {shown(source.transformation.output)}"
            self._flawed(entry.node.flaw(f"{say}, not {shown(entry.id or '')}"))
            return False
        return True

    def _emits(self, entries: Sequence[Entry], order: Sequence[str], linked: dict[str, Linked]) -> list[Emit]:
        named: dict[str, list[Entry]] = {}
        for entry in entries:
            if entry.jwt is not None:
                named.setdefault(entry.jwt, []).append(entry)
        found: list[Emit] = []
        for name, (first, *more) in named.items():
            pair = _with_default(first, more[0], linked) if len(more) == 1 else None
            if pair is not None:
                found.append(emit_or_default(*pair, order, linked))
                continue
            for doubled in more:
                self._flawed(doubled.node.flaw(f"two entries make the claim {shown(name)}"))
            found.append(emit(first, order, linked))
        return found


def _with_default(a: Entry, b: Entry, linked: dict[str, Linked]) -> tuple[Entry, Entry] | None:
    """Of two entries for one claim, the RegexReplace and the value for when it does not match, as Entra's portal writes
    them; None if they are no such pair."""
    for claim, default in ((a, b), (b, a)):
        if isinstance(claim.origin, Output) and not isinstance(default.origin, Output):
            return (claim, default) if linked[claim.origin.transformation].transformation.method.partial else None
    return None


def _group_filter(node: Node) -> GroupFilter:
    members = node.members("MatchOn Type Value")
    for name in ("MatchOn", "Type", "Value"):
        if name not in members:
            raise node.flaw(f"a GroupFilter has a member {name}")
    match_on, type_ = members["MatchOn"].id(), members["Type"].id()
    if match_on not in ("displayname", "samaccountname"):
        raise members["MatchOn"].flaw("MatchOn is displayname or samaccountname")
    if type_ not in ("prefix", "suffix", "contains"):
        raise members["Type"].flaw("Type is prefix, suffix or contains")
    return GroupFilter(
        cast(Literal["displayname", "samaccountname"], match_on),
        cast(Literal["prefix", "suffix", "contains"], type_),
        members["Value"].id(),
    )


def _uri(node: Node) -> str:
    text = node.text()
    if len(text) > 2048 or not _URI.fullmatch(text):
        raise node.flaw("audienceOverride is an absolute URI without fragment")
    return text
