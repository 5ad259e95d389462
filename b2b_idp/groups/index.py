"""Many rules at once: which dynamic groups someone is in, at the cost of the rules that can match."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from b2b_idp.groups.anchors import Anchor, anchors, cheapest
from b2b_idp.groups.person import Person
from b2b_idp.groups.rule import Rule
from b2b_idp.groups.syntax import DirectReports, MemberOf
from b2b_idp.model.problem import Code, Problem


class RuleIndex:
    """The rules of all dynamic groups, by group id."""

    def __init__(self, rules: Mapping[str, Rule]) -> None:
        self._rules = dict(rules)
        self._always: list[str] = []
        self._reports: dict[str, list[str]] = {}
        self._readers: dict[str, list[str]] = {}
        self._columns: dict[str | tuple[str, str], _Column] = {}
        trees = {id: rule.tree for id, rule in rules.items()}
        uses: Counter[Anchor] = Counter()
        for tree in trees.values():
            if not isinstance(tree, (MemberOf, DirectReports)):
                uses.update(anchors(tree))
        for id, tree in trees.items():
            match tree:
                case MemberOf():
                    for source in tree.group_ids:
                        self._readers.setdefault(source, []).append(id)
                case DirectReports():
                    self._reports.setdefault(tree.manager_id, []).append(id)
                case _:
                    chosen = cheapest(tree, uses)
                    if chosen is None:
                        self._always.append(id)
                    for anchor in chosen or ():
                        self._columns.setdefault(anchor.key, _Column()).add(anchor, id)

    def candidates(self, person: Person) -> set[str]:
        """The groups whose rules must be asked: all others cannot take this person. Those of memberOf are not here."""
        found = set(self._always)
        if person.manager_id is not None:
            found.update(self._reports.get(person.manager_id.lower(), ()))
        values = person.folded
        for key, column in self._columns.items():
            if isinstance(key, tuple):
                column.look_up(tuple(e[key[1]] for e in values.get(key[0], ()) if key[1] in e), found)
            else:
                column.look_up(values.get(key), found)
        return found

    def groups_of(self, person: Person, at: datetime) -> frozenset[str]:
        """The dynamic groups that the person is in. What `person.group_ids` says of these groups is not believed, but
        computed; groups whose rule names other groups (memberOf) follow from those, through any number of steps."""
        found = {id for id in self.candidates(person) if self._rules[id].matches(person, at)}
        if not self._readers:
            return frozenset(found)
        ahead = [*found, *(person.group_ids - self._rules.keys())]
        while ahead:
            for reader in self._readers.get(ahead.pop(), ()):
                if reader not in found:
                    found.add(reader)
                    ahead.append(reader)
        return frozenset(found)


class _Column:
    """The anchors of one property."""

    def __init__(self) -> None:
        self.equal: dict[Any, list[str]] = {}
        self.starts: dict[int, dict[str, list[str]]] = {}
        self.ends: dict[int, dict[str, list[str]]] = {}
        self.some: list[str] = []
        self.none: list[str] = []

    def add(self, anchor: Anchor, id: str) -> None:
        match anchor.kind, anchor.value:
            case "is", value:
                self.equal.setdefault(value, []).append(id)
            case "starts", str(value):
                self.starts.setdefault(len(value), {}).setdefault(value, []).append(id)
            case "ends", str(value):
                self.ends.setdefault(len(value), {}).setdefault(value, []).append(id)
            case "some", _:
                self.some.append(id)
            case "none", _:
                self.none.append(id)

    def look_up(self, value: Any, found: set[str]) -> None:
        """Adds whom this value, folded, or any of these values can belong to."""
        if value is None:
            found.update(self.none)
            return
        found.update(self.some)
        values: Iterable[Any] = value if isinstance(value, tuple) else (value,)
        for one in values:
            found.update(self.equal.get(one, ()))
            for length, by_start in self.starts.items():
                found.update(by_start.get(one[:length], ()))
            for length, by_end in self.ends.items():
                if length <= len(one):
                    found.update(by_end.get(one[len(one) - length :], ()))


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
