"""Many rules at once: which dynamic groups someone is in."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from b2b_idp.groups.person import Person
from b2b_idp.groups.rule import Rule
from b2b_idp.model.problem import Code, Problem


class RuleIndex:
    """The rules of all dynamic groups, by group id."""

    def __init__(self, rules: Mapping[str, Rule]) -> None:
        self._rules = dict(rules)
        self._readers: dict[str, list[str]] = {}
        for id, rule in self._rules.items():
            for source in rule.member_of:
                self._readers.setdefault(source, []).append(id)

    def groups_of(self, person: Person, at: datetime) -> frozenset[str]:
        """The dynamic groups that the person is in. What `person.group_ids` says of these groups is not believed, but
        computed; groups whose rule names other groups (memberOf) follow from those, through any number of steps."""
        found = {id for id, rule in self._rules.items() if not rule.member_of and rule.matches(person, at)}
        open_ = [*found, *(person.group_ids - self._rules.keys())]
        while open_:
            for reader in self._readers.get(open_.pop(), ()):
                if reader not in found:
                    found.add(reader)
                    open_.append(reader)
        return frozenset(found)


def check_cycles(rules: Mapping[str, Rule]) -> None:
    """Raises Problem(BAD_REQUEST) naming the groups, if one group's membership would depend on itself."""
    done: set[str] = set()
    for start in rules:
        path: dict[str, list[str]] = {}
        ahead = [start]
        while ahead:
            id = ahead[-1]
            if id not in path and id not in done:
                path[id] = sorted(rules[id].member_of & rules.keys())
            if id in done or not path[id]:
                ahead.pop()
                path.pop(id, None)
                done.add(id)
                continue
            source = path[id].pop()
            if source in path:
                names = list(path)
                around = " → ".join([*names[names.index(source) :], source])
                raise Problem(
                    Code.BAD_REQUEST,
                    f"membershipRule: these groups would take their members from one another in a circle: {around}. "
                    "Take one of them out of user.memberOf.",
                )
            ahead.append(source)
