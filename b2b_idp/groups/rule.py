"""A membership rule: parsed, asked, explained."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from b2b_idp.groups.explain import Explained, explain
from b2b_idp.groups.parser import parse
from b2b_idp.groups.person import Person
from b2b_idp.groups.predicate import Predicate, predicate_of
from b2b_idp.groups.syntax import And, Compare, DirectReports, Each, MemberOf, Not, Now, Or, Tree

__all__ = ["Explained", "Rule", "parse_rule"]


@dataclass(frozen=True)
class Rule:
    """A rule that has been parsed; make one with `parse_rule`."""

    text: str
    tree: Tree
    _holds: Predicate = field(compare=False, repr=False)

    @property
    def member_of(self) -> frozenset[str]:
        """The groups whose direct members this rule takes (user.memberOf), ids in lower case; else none."""
        return frozenset(self.tree.group_ids) if isinstance(self.tree, MemberOf) else frozenset()

    @property
    def manager_id(self) -> str | None:
        """Whose direct reports this rule takes, the id in lower case."""
        return self.tree.manager_id if isinstance(self.tree, DirectReports) else None

    @property
    def reads(self) -> frozenset[str]:
        """The properties that the rule reads, in their documented spelling: department, otherMails …"""
        return frozenset(node.field.name if isinstance(node, Compare) else node.property for node in _reads(self.tree))

    @property
    def reads_clock(self) -> bool:
        """Whether the answer changes as time passes (system.now)."""
        return any(isinstance(node, Compare) and isinstance(node.value, Now) for node in _reads(self.tree))

    def matches(self, person: Person, at: datetime) -> bool:
        """Whether the person is a member at this time."""
        return self._holds(person, at)

    def explain(self, person: Person, at: datetime) -> Explained:
        """The same answer, clause by clause."""
        return explain(self.tree, person, at)


def parse_rule(text: str) -> Rule:
    """The rule that this text is.

    Raises Problem(BAD_REQUEST) that says line and column, what was found there and what was expected.
    """
    tree = parse(text)
    return Rule(text, tree, predicate_of(tree))


def _reads(tree: Tree) -> Iterator[Compare | Each]:
    match tree:
        case Compare():
            yield tree
        case Each():
            yield tree
            yield from _reads(tree.body)
        case Not():
            yield from _reads(tree.inner)
        case And() | Or():
            for part in tree.parts:
                yield from _reads(part)
