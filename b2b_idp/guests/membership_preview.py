"""A membership rule tried on everybody before it is saved: who would come, who would go. Changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from b2b_idp.groups.index import RuleIndex
from b2b_idp.groups.rule import Rule, parse_rule
from b2b_idp.groups.vocabulary import DIRECTORY_NAMES
from b2b_idp.guests.groups import check_circle
from b2b_idp.model.directory import Group, User
from b2b_idp.model.provenance import FOLLOWING, FREE
from b2b_idp.store import Reader

BATCH = 1000
"""So many users are held at a time."""
SAMPLE = 20
"""How many of those who would come or go are named."""


@dataclass(slots=True)
class Some:
    """How many, and the first of them in order of id."""

    count: int = 0
    sample: list[User] = field(default_factory=list)

    def note(self, user: User) -> None:
        self.count += 1
        if len(self.sample) < SAMPLE:
            self.sample.append(user)


@dataclass(slots=True)
class Preview:
    """What a rule would change. `written_by_homes`: properties it reads that a home tenant's word may fill, so that
    whoever runs the home decides about them."""

    rule: str
    written_by_homes: tuple[str, ...]
    users: int = 0
    entering: Some = field(default_factory=Some)
    leaving: Some = field(default_factory=Some)
    remaining: int = 0
    others_leaving: int = 0
    """Members that are no users, whom no rule selects."""


def preview(
    r: Reader, text: str, group: Group | None, at: datetime, looked_at: Callable[[int], None] = lambda users: None
) -> Preview:
    """What this rule would change: for a group beside its present members, else beside nobody. `looked_at` is told of
    each batch of users; no more than one is held at a time. Raises Problem(BAD_REQUEST)."""
    rule, own = parse_rule(text), group.id if group else ""
    known = r.memberships.rules.by_group
    check_circle(r, own, rule)
    then = RuleIndex(_needed(own, {**known, own: rule}))
    now = RuleIndex(_needed(own, known)) if own in known else None
    found = Preview(text, written_by_homes(r, rule))
    if group is not None and group.rule is None:
        found.others_leaving = len(r.memberships.others_in(group.id))
    after, more = "", True
    while more:
        people = r.users.page(after, BATCH)
        for seen in r.memberships.seen(people, with_managers=True):
            was = own in (seen.held if now is None else now.groups_of(seen.person, at))
            becomes = own in then.groups_of(seen.person, at)
            if was and becomes:
                found.remaining += 1
            elif was or becomes:
                (found.leaving if was else found.entering).note(seen.user)
        found.users += len(people)
        looked_at(len(people))
        more = len(people) == BATCH
        after = people[-1].id if people else ""
    return found


def _needed(start: str, rules: Mapping[str, Rule]) -> dict[str, Rule]:
    """The rule of `start` and those that it takes members from, through any number of steps."""
    found: dict[str, Rule] = {}
    open_ = [start]
    while open_:
        id = open_.pop()
        if id in rules and id not in found:
            found[id] = rules[id]
            open_ += rules[id].member_of
    return found


def written_by_homes(r: Reader, rule: Rule) -> tuple[str, ...]:
    """Properties that the rule reads and some connected home may fill: names and language, and what partner entries
    trust it for."""
    trusted = {name for trust in r.configuration.trusts.values() for name in trust.trusted_attributes}
    names = {DIRECTORY_NAMES.get(name, name) for name in FREE | (trusted & FOLLOWING)}
    return tuple(sorted(names & rule.reads))
