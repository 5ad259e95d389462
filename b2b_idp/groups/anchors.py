"""What must be true of everybody whom a rule can take, in a form that can be looked up.

An anchor is an equality, a prefix, a suffix, or whether there is a value. A rule's anchors over-approximate it: who
hits none of them is not in; who hits one may be in, and is asked the rule itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Literal, NamedTuple

from b2b_idp.groups.syntax import And, Compare, Each, Expression, Not, Or
from b2b_idp.groups.vocabulary import NEGATIONS


class Anchor(NamedTuple):
    """`key` as in `Person.folded`, or for plans (`assignedplans`, member); `value` folded, None for some and none."""

    kind: Literal["is", "starts", "ends", "some", "none"]
    key: str | tuple[str, str]
    value: str | bool | None = None


def anchors(tree: Expression, negated: bool = False) -> Iterator[Anchor]:
    """Every anchor of every comparison, whether or not it is enough."""
    match tree:
        case Compare():
            yield from _of(tree, negated) or ()
        case Each():
            yield from () if negated or tree.quantifier == "-all" else anchors(tree.body)
        case Not():
            yield from anchors(tree.inner, not negated)
        case And() | Or():
            yield from chain.from_iterable(anchors(part, negated) for part in tree.parts)


def cheapest(tree: Expression, uses: Mapping[Anchor, int], negated: bool = False) -> frozenset[Anchor] | None:
    """The anchors one of which everybody whom the expression takes hits, chosen to be hit seldom and shared by few
    rules (`uses`); None where there are none, so that the expression must always be asked."""
    match tree:
        case Compare():
            return _of(tree, negated)
        case Each():
            return None if negated or tree.quantifier == "-all" else cheapest(tree.body, uses)
        case Not():
            return cheapest(tree.inner, uses, not negated)
        case And() | Or():
            options = [cheapest(part, uses, negated) for part in tree.parts]
            known = [o for o in options if o is not None]
            if isinstance(tree, And) != negated:
                return min(known, key=lambda o: sum(_cost(a, uses) for a in o), default=None)
            return frozenset(chain.from_iterable(known)) if len(known) == len(options) else None


def _of(tree: Compare, negated: bool) -> frozenset[Anchor] | None:
    operator = NEGATIONS.get(tree.operator, tree.operator)
    negated = negated != (operator != tree.operator)
    key = (tree.field.name.casefold(), tree.key) if tree.inside and tree.key else tree.field.name.casefold()
    match operator, tree.value:
        case "-eq", None if not tree.inside:
            return frozenset({Anchor("some" if negated else "none", key)})
        case _ if negated:
            return None
        case "-eq", bool(value):
            return frozenset({Anchor("is", key, value)})
        case "-eq", str(value):
            return frozenset({Anchor("is", key, value.casefold())})
        case "-in", tuple(values):
            return frozenset(Anchor("is", key, v.casefold()) for v in values)
        case "-startsWith", str(value):
            return frozenset({Anchor("starts", key, value.casefold())})
        case "-endsWith", str(value):
            return frozenset({Anchor("ends", key, value.casefold())})
        case _:
            return None


_COMMON = ("usertype", "accountenabled", "dirsyncenabled")


def _cost(anchor: Anchor, uses: Mapping[Anchor, int]) -> float:
    """How many rules this anchor has one ask, times a guess of how many people in a hundred hit it."""
    if anchor.kind in ("some", "none") or anchor.key in _COMMON:
        return 50.0 * uses[anchor]
    return (1.0 if anchor.kind == "is" else 3.0) * uses[anchor]
