"""A user as membership rules see one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from b2b_idp.groups.vocabulary import DIRECTORY_NAMES, EXTENSION, PLAN_MEMBERS, PROPERTIES, Kind
from b2b_idp.model.directory import User

_RULE_NAMES = {graph.casefold(): rule.casefold() for graph, rule in DIRECTORY_NAMES.items()}


@dataclass(frozen=True)
class Person:
    """A user as rules see one: `attributes` by casefolded rule property, absent or None where there is no value.

    Values are str, bool, datetime (aware), tuple[str, ...], or for assignedPlans tuple[Mapping[str, str], ...].
    `group_ids` are the groups that the user is directly in, `manager_id` the manager; ids in lower case.
    """

    id: str
    attributes: Mapping[str, Any] = field(default_factory=dict)
    group_ids: frozenset[str] = frozenset()
    manager_id: str | None = None

    @cached_property
    def folded(self) -> dict[str, Any]:
        """The values that comparisons see: texts casefolded, no None, no empty collection; `assignedplans.service` and
        its like hold the tuple of what the elements have there."""
        found: dict[str, Any] = {"objectid": self.id.casefold()}
        for name, value in self.attributes.items():
            if isinstance(value, str):
                found[name] = value.casefold()
            elif isinstance(value, tuple):
                if value and name == "assignedplans":
                    plans = tuple({k.casefold(): v.casefold() for k, v in plan.items()} for plan in value)
                    found[name] = plans
                    found |= {f"{name}.{m}": tuple(p[m] for p in plans if m in p) for m in PLAN_MEMBERS}
                elif value:
                    found[name] = tuple(v.casefold() for v in value)
            elif value is not None:
                found[name] = value
        return found


def person_of(user: User, group_ids: Iterable[str] = (), manager_id: str | None = None) -> Person:
    """The user as rules see one. A stored value that is not of its property's type counts as missing."""
    known: dict[str, Any] = {
        "objectid": user.id,
        "usertype": user.user_type,
        "userprincipalname": user.upn,
        "mail": user.mail,
        "accountenabled": user.account_enabled,
    }
    nested = user.properties.get("onPremisesExtensionAttributes")
    for graph, value in {**user.properties, **(nested if isinstance(nested, Mapping) else {})}.items():
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
        case "text" if isinstance(value, (list, tuple)):  # businessPhones: the directory's one telephoneNumber
            return _typed(kind, value[0]) if value else None
        case "text":
            return value if isinstance(value, str) else None
        case "extension" if isinstance(value, bool):
            return str(value).lower()
        case "extension":
            return str(value) if isinstance(value, (str, int)) else None
        case "boolean":
            return value if isinstance(value, bool) else None
        case "time":
            return _time(value)
        case "texts":
            return tuple(v for v in value if isinstance(v, str)) if isinstance(value, (list, tuple)) else None
        case "plans":
            return tuple(map(_plan, value)) if isinstance(value, (list, tuple)) else None


def _plan(plan: Any) -> Mapping[str, str]:
    members = plan.items() if isinstance(plan, Mapping) else ()
    return {k: v for k, v in members if isinstance(k, str) and isinstance(v, str)}


def _time(value: Any) -> datetime | None:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if not isinstance(value, datetime):
        return None
    return value if value.tzinfo else value.replace(tzinfo=UTC)
