"""Why someone is in or out, clause by clause, in the shape of Graph's expressionEvaluationDetails."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from b2b_idp.groups.person import Element, Person
from b2b_idp.groups.predicate import predicate_of, test_of
from b2b_idp.groups.syntax import And, Compare, DirectReports, Each, Expression, MemberOf, Not, Or, Tree, printed


@dataclass(frozen=True, slots=True)
class Explained:
    """One expression with its result; its parts; what a comparison read (`value` None where there was none)."""

    expression: str
    result: bool
    parts: tuple[Explained, ...] = ()
    property: str | None = None
    value: str | None = None

    def document(self) -> dict[str, Any]:
        """Graph's expressionEvaluationDetails (beta)."""
        read = {"propertyName": self.property, "propertyValue": self.value} if self.property else None
        return {
            "expression": self.expression,
            "expressionResult": self.result,
            "expressionEvaluationDetails": [p.document() for p in self.parts],
            "propertyToEvaluate": read,
        }


def explain(tree: Tree, person: Person, at: datetime) -> Explained:
    """The answer for a person, with every clause evaluated, also those that could not change it."""
    match tree:
        case MemberOf():
            inside = ", ".join(id for id in tree.group_ids if id in person.group_ids)
            return Explained(str(tree), bool(inside), (), "memberOf", inside or None)
        case DirectReports():
            result = predicate_of(tree)(person, at)
            return Explained(str(tree), result, (), "manager", person.manager_id)
        case _:
            return _explained(tree, person, at)


def _explained(tree: Expression, who: Person | Element, at: datetime) -> Explained:
    match tree:
        case Compare():
            value = who.written.get(tree.key) if tree.key else who.written
            return Explained(str(tree), test_of(tree)(who, at), (), tree.name.removeprefix("user."), _shown(value))
        case Not():
            inner = _explained(tree.inner, who, at)
            return Explained(str(tree), not inner.result, (inner,))
        case And() | Or():
            parts = tuple(_explained(p, who, at) for p in tree.parts)
            over = all if isinstance(tree, And) else any
            return Explained(str(tree), over(p.result for p in parts), parts)
        case Each():
            assert isinstance(who, Person)  # the parser lets no -any into -any
            key = tree.property.casefold()
            parts = tuple(_explained(tree.body, element, at) for element in who.elements(key))
            over = any if tree.quantifier == "-any" else all
            value = _shown(who.written.get(key))
            return Explained(str(tree), over(p.result for p in parts), parts, tree.property, value)


def _shown(value: Any) -> str | None:
    match value:
        case None:
            return None
        case str():
            return value
        case tuple():
            return ", ".join(_shown(v) or "" for v in value)
        case Mapping():
            return " ".join(f"{k}={v}" for k, v in value.items())
        case _:
            return printed(value)
