"""A user as membership rules see one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, NamedTuple

from b2b_idp.groups.vocabulary import DIRECTORY_NAMES, EXTENSION, PROPERTIES, Kind
from b2b_idp.model.directory import User

_RULE_NAMES = {graph.casefold(): rule.casefold() for graph, rule in DIRECTORY_NAMES.items()}


@dataclass(frozen=True)
class Person:
    """A user as rules see one: `attributes` by casefolded rule property, absent or None where there is no value.

    Values are str, bool, datetime (aware), tuple[str, ...], or for assignedPlans tuple[Mapping[str, str], ...] by
    folded member. `group_ids` are the groups that the user is directly in, `manager_id` the manager; ids in lower case.
    """

    id: str
    attributes: Mapping[str, Any] = field(default_factory=dict)
    group_ids: frozenset[str] = frozenset()
    manager_id: str | None = None

    @cached_property
    def written(self) -> dict[str, Any]:
        """The values as they are, without None and empty collections: what patterns and explanations see."""
        present = {name: value for name, value in self.attributes.items() if value is not None and value != ()}
        return {**present, "objectid": self.id}

    @cached_property
    def folded(self) -> dict[str, Any]:
        """The same values casefolded: what all other comparisons see."""
        return {name: _folded(value) for name, value in self.written.items()}

    def elements(self, name: str) -> Iterator[Element]:
        """The elements of a collection, by its folded name."""
        return map(Element, self.folded.get(name, ()), self.written.get(name, ()))


class Element(NamedTuple):
    """One element of a collection, to be asked as a person is: a text, or a plan's texts by member."""

    folded: Any
    written: Any


def _folded(value: Any) -> Any:
    match value:
        case str():
            return value.casefold()
        case tuple():
            return tuple(map(_folded, value))
        case Mapping():
            return {k: v.casefold() for k, v in value.items()}
        case _:
            return value


def person_of(user: User, group_ids: Iterable[str] = (), manager_id: str | None = None) -> Person:
    """The user as rules see one. A stored value that is not of its property's type counts as missing."""
    known: dict[str, Any] = {
        "objectid": user.id,
        "usertype": user.user_type,
        "userprincipalname": user.upn,
        "mail": user.mail,
        "accountenabled": user.account_enabled,
    }
    stored = dict(user.properties)
    nested, phones = stored.pop("onPremisesExtensionAttributes", None), stored.pop("businessPhones", None)
    if isinstance(nested, Mapping):
        stored |= nested
    if isinstance(phones, (list, tuple)) and phones:
        stored["telephoneNumber"] = phones[0]
    for graph, value in stored.items():
        name = graph.casefold()
        name = _RULE_NAMES.get(name, name)
        if name in PROPERTIES:
            known.setdefault(name, _typed(PROPERTIES[name].kind, value))
        elif EXTENSION.fullmatch(name):
            known.setdefault(name, _typed("extension", value))
    return Person(
        id=user.id,
        attributes={name: value for name, value in known.items() if value is not None},
        group_ids=frozenset(group_ids),
        manager_id=manager_id,
    )


def _typed(kind: Kind, value: Any) -> Any:
    match kind:
        case "text":
            return value if isinstance(value, str) else None
        case "extension" if isinstance(value, bool):
            return str(value).lower()
        case "extension":
            return str(value) if isinstance(value, str) or _is_long(value) else None
        case "boolean":
            return value if isinstance(value, bool) else None
        case "time":
            return _time(value)
        case "texts":
            return tuple(v for v in value if isinstance(v, str)) if isinstance(value, (list, tuple)) else None
        case "plans":
            return tuple(map(_plan, value)) if isinstance(value, (list, tuple)) else None


def _is_long(value: Any) -> bool:
    """Whether this is a number that a directory extension can hold."""
    return isinstance(value, int) and -(2**63) <= value < 2**63


def _plan(plan: Any) -> Mapping[str, str]:
    members = plan.items() if isinstance(plan, Mapping) else ()
    return {k.casefold(): v for k, v in members if isinstance(k, str) and isinstance(v, str)}


def _time(value: Any) -> datetime | None:
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) else value
        if not isinstance(at, datetime):
            return None
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except (ValueError, OverflowError):  # no time, or one before the first
        return None
