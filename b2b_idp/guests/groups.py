"""Groups made and changed, for every edge: what a group with a rule may be, and what follows from turning it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from b2b_idp.groups.index import check_cycles
from b2b_idp.groups.rule import Rule, parse_rule
from b2b_idp.guests.membership import check_settled
from b2b_idp.model.directory import Group, rule_of
from b2b_idp.model.moment import Moment
from b2b_idp.model.problem import Code, Problem
from b2b_idp.store import Reader, Writer

MOST_DYNAMIC = 15_000
"""Dynamic groups of a tenant, as in Entra."""


def add_group(w: Writer, id: str, document: Mapping[str, Any], at: datetime) -> None:
    """Adds a group that `checked_group` has checked. Raises Problem(BAD_REQUEST)."""
    rule = rule_of(document)
    if rule is not None:
        _check_number(w)
        check_circle(w, id, parse_rule(rule))
    w.apps.add_group(id, document, at)


def save_group(w: Writer, group: Group, document: Mapping[str, Any], moment: Moment) -> None:
    """Replaces a group's document by one that `checked_group` has checked. A group whose rule stops to be processed
    keeps the members that it has; one that gets a rule keeps none but by the rule.

    Raises Problem(BAD_REQUEST | CONFLICT).
    """
    rule = rule_of(document)
    if bool(document.get("isAssignableToRole")) != bool(group.properties.get("isAssignableToRole")):
        raise Problem(Code.BAD_REQUEST, "isAssignableToRole cannot be changed.")
    if rule is not None:
        if group.rule is None:
            _check_number(w)
        check_circle(w, group.id, parse_rule(rule))
    if group.processing and (rule is None or document["membershipRuleProcessingState"] != "On"):
        check_settled(w, moment)
    w.apps.save_group(group.id, document)
    if rule is not None and group.rule is None:
        for member in w.memberships.others_in(group.id):
            w.apps.remove_member(group.id, member)


def check_circle(r: Reader, id: str, rule: Rule) -> None:
    """Raises Problem(BAD_REQUEST) when this rule would have the group take members, by memberOf, from itself."""
    if rule.member_of:
        linked = {other: known for other, known in r.memberships.rules.by_group.items() if known.member_of}
        check_cycles(linked | {id: rule})


def _check_number(r: Reader) -> None:
    if r.memberships.rule_count() >= MOST_DYNAMIC:
        raise Problem(
            Code.BAD_REQUEST, f"A tenant has at most {MOST_DYNAMIC} dynamic groups. Delete one, or assign members."
        )


def check_assigned(group: Group) -> None:
    """Raises Problem(BAD_REQUEST) for a group whose members nobody assigns."""
    if group.rule is not None:
        raise Problem(
            Code.BAD_REQUEST,
            f"The members of {group.display_name} follow from its membershipRule: nobody is added or removed by hand. "
            "Change the rule, or what it reads of the user.",
        )
