"""Why someone is in or out, clause by clause, in the shape of Graph's expressionEvaluationDetails."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from b2b_idp.groups.person import Person
from b2b_idp.groups.predicate import element_predicate, elements, predicate_of
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
    result = predicate_of(tree)(person, at)
    match tree:
        case MemberOf():
            inside = [id for id in tree.group_ids if id in person.group_ids]
            return Explained(str(tree), result, (), "user.memberOf", ", ".join(inside) or None)
        case DirectReports():
            return Explained(str(tree), result, (), "user.manager", person.manager_id)
        case Compare():
            key = tree.field.key
            value = person.id if key == "objectid" else person.attributes.get(key)
            return Explained(str(tree), result, (), tree.name, _shown(value))
        case Each():
            folded = elements(person.folded, tree.property)
            written = elements(person.attributes, tree.property)
            parts = tuple(_element(tree.body, f, w, at) for f, w in zip(folded, written, strict=True))
            return Explained(str(tree), result, parts, f"user.{tree.property}", _shown(written))
        case Not():
            return Explained(str(tree), result, (explain(tree.inner, person, at),))
        case And() | Or():
            return Explained(str(tree), result, tuple(explain(p, person, at) for p in tree.parts))


def _element(tree: Expression, folded: Any, written: Any, at: datetime) -> Explained:
    result = element_predicate(tree)(folded, at)
    match tree:
        case Compare():
            value = written
            if tree.field.member:
                value = next((v for k, v in written.items() if k.casefold() == tree.field.member.casefold()), None)
            return Explained(str(tree), result, (), tree.name, _shown(value))
        case Not():
            return Explained(str(tree), result, (_element(tree.inner, folded, written, at),))
        case And() | Or():
            return Explained(str(tree), result, tuple(_element(p, folded, written, at) for p in tree.parts))
        case Each():
            raise AssertionError("the parser lets no -any into -any")


def _shown(value: Any) -> str | None:
    match value:
        case None | ():
            return None
        case str():
            return value
        case tuple():
            return ", ".join(_shown(v) or "" for v in value)
        case Mapping():
            return ", ".join(f"{k}: {v}" for k, v in value.items())
        case _:
            return printed(value)
