"""Membership rules asked: is somebody in and why, and whom would a rule change. Nothing here writes."""

from __future__ import annotations

from typing import Any

from b2b_idp.graph.api import Answer, Call, Route
from b2b_idp.graph.body import bad
from b2b_idp.graph.groups import find_group
from b2b_idp.graph.users import find_user
from b2b_idp.groups.rule import parse_rule
from b2b_idp.guests.membership_preview import Some, preview
from b2b_idp.model.directory import Group
from b2b_idp.model.problem import Code, Problem
from b2b_idp.policy.documents import Document, Guid, parse


class MemberToEvaluate(Document):
    """The body of evaluateDynamicMembership on a group."""

    memberId: Guid


class MemberAndRule(MemberToEvaluate):
    """The body of evaluateDynamicMembership."""

    membershipRule: str


class RuleToPreview(Document):
    """The body of previewDynamicMembership."""

    membershipRule: str


class ChangeToPreview(Document):
    """The body of previewDynamicMembership on a group; its own rule where none is given."""

    membershipRule: str | None = None


def _check_reads(call: Call) -> None:
    """An answer about a rule tells what it reads of people."""
    if not call.permits("User.Read.All", "User.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All"):
        raise Problem(Code.FORBIDDEN, "Insufficient privileges to complete the operation. It needs User.Read.All, too.")


def _evaluate(call: Call) -> Answer:
    _check_reads(call)
    asked = parse(MemberAndRule, call.body())
    return _evaluated(call, asked.memberId, asked.membershipRule)


def _evaluate_group(call: Call, id: str) -> Answer:
    _check_reads(call)
    asked, group = parse(MemberToEvaluate, call.body()), find_group(call, id)
    return _evaluated(call, asked.memberId, _rule_of(group))


def _rule_of(group: Group) -> str:
    if group.rule is None:
        raise bad("This group has no membershipRule: its members are assigned.")
    return group.rule


def _evaluated(call: Call, member: str, text: str) -> Answer:
    rule, at = parse_rule(text), call.moment.at
    person = call.w.memberships.person(find_user(call, member), at)
    return {
        "@odata.context": call.context("microsoft.graph.evaluateDynamicMembershipResult"),
        "membershipRule": text,
        "membershipRuleEvaluationResult": rule.matches(person, at),
        "membershipRuleEvaluationDetails": rule.explain(person, at).document(),
    }


def _preview(call: Call) -> Answer:
    _check_reads(call)
    return _previewed(call, parse(RuleToPreview, call.body()).membershipRule, None)


def _preview_group(call: Call, id: str) -> Answer:
    _check_reads(call)
    asked, group = parse(ChangeToPreview, call.body()), find_group(call, id)
    if group.properties.get("isAssignableToRole"):
        raise bad("A group that can hold directory roles (isAssignableToRole) cannot be dynamic.")
    return _previewed(call, _rule_of(group) if asked.membershipRule is None else asked.membershipRule, group)


def _previewed(call: Call, text: str, group: Group | None) -> Answer:
    found = preview(call.w, text, group, call.moment.at)
    return {
        "@odata.context": call.context("microsoft.graph.membershipPreview"),
        "membershipRule": text,
        "usersEvaluated": found.users,
        "entering": _some(found.entering),
        "leaving": _some(found.leaving, found.others_leaving),
        "remaining": found.remaining,
        "writtenByHomes": list(found.written_by_homes),
    }


def _some(some: Some, more: int = 0) -> dict[str, Any]:
    sample = [{"id": u.id, "displayName": u.display_name, "userPrincipalName": u.upn} for u in some.sample]
    return {"count": some.count + more, "sample": sample}


_READ = ("Group.Read.All", "Group.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All")
_READ_USERS = ("User.Read.All", "User.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All")
_EVALUATE, _PREVIEW = "evaluateDynamicMembership", "previewDynamicMembership"
_RESULT = "evaluateDynamicMembershipResult"

ROUTES = [
    Route("POST", f"/groups/{_EVALUATE}", _READ_USERS, _evaluate, body=MemberAndRule, gives=_RESULT),
    Route("POST", f"/groups/<id>/{_EVALUATE}", _READ, _evaluate_group, body=MemberToEvaluate, gives=_RESULT),
    Route("POST", f"/groups/{_PREVIEW}", _READ, _preview, body=RuleToPreview, gives="membershipPreview"),
    Route("POST", f"/groups/<id>/{_PREVIEW}", _READ, _preview_group, body=ChangeToPreview, gives="membershipPreview"),
]
