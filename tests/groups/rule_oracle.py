"""A second, naive reading of a rule's tree, from the written values and without closures. It judges `matches`."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from b2b_idp.groups.person import Person
from b2b_idp.groups.syntax import And, Compare, DirectReports, Each, MemberOf, Not, Now, Or, Tree


def naive(tree: Tree, person: Person, at: datetime, element: Any = None) -> bool:
    match tree:
        case MemberOf():
            return any(id in person.group_ids for id in tree.group_ids)
        case DirectReports():
            return person.manager_id == tree.manager_id
        case And():
            return False not in [naive(p, person, at, element) for p in tree.parts]
        case Or():
            return True in [naive(p, person, at, element) for p in tree.parts]
        case Not():
            return not naive(tree.inner, person, at, element)
        case Each():
            said = [naive(tree.body, person, at, e) for e in person.attributes.get(tree.property.casefold()) or ()]
            return True in said if tree.quantifier == "-any" else False not in said
        case Compare():
            return compared(tree, person, at, element)


def compared(tree: Compare, person: Person, at: datetime, element: Any) -> bool:
    if tree.operator.startswith(("-not", "-ne")):
        positive = "-eq" if tree.operator == "-ne" else "-" + tree.operator[4].lower() + tree.operator[5:]
        return not compared(Compare(tree.field, positive, tree.value, tree.inside), person, at, element)
    if tree.inside:
        value = element.get(tree.field.member.casefold()) if tree.field.member else element
    elif tree.field.name == "objectId":
        value = person.id
    else:
        value = person.attributes.get(tree.field.name.casefold())
    if isinstance(value, tuple) and tree.value is not None:
        return any(holds(tree.operator, v, tree.value, at) for v in value)
    return holds(tree.operator, None if value == () else value, tree.value, at)


def holds(operator: str, value: Any, wanted: Any, at: datetime) -> bool:
    if isinstance(wanted, Now):
        wanted = wanted.at(at)
    if value is None or wanted is None:
        return operator == "-eq" and value is wanted
    match operator:
        case "-match":
            return re.search(wanted, value, re.IGNORECASE) is not None
        case "-in":
            return any(value.casefold() == w.casefold() for w in wanted)
        case "-le":
            return value <= wanted
        case "-ge":
            return value >= wanted
        case "-eq":
            return value.casefold() == wanted.casefold() if isinstance(value, str) else value == wanted
        case "-startsWith":
            return value.casefold().startswith(wanted.casefold())
        case "-endsWith":
            return value.casefold().endswith(wanted.casefold())
        case "-contains":
            return wanted.casefold() in value.casefold()
    raise AssertionError(operator)
