"""Graph's group, as callers write it and as it is kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from b2b_idp.groups.rule import parse_rule
from b2b_idp.model.directory import DYNAMIC
from b2b_idp.model.problem import Code, Problem
from b2b_idp.policy.documents import parse

UNIFIED = "Unified"
_TYPES = (DYNAMIC, UNIFIED)


class GroupDocument(BaseModel):
    """Graph's group, as far as callers write it."""

    model_config = ConfigDict(extra="forbid", strict=True)
    displayName: Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=r"^[^\x00-\x1f\x7f]*$")]
    description: Annotated[str, StringConstraints(max_length=1024)] | None = None
    mailEnabled: bool = False
    mailNickname: Annotated[str, StringConstraints(max_length=64)] | None = None
    securityEnabled: bool = True
    groupTypes: list[str] = Field(default_factory=list)
    visibility: str | None = None
    isAssignableToRole: bool | None = None
    membershipRule: str | None = None
    membershipRuleProcessingState: Literal["On", "Paused"] | None = None


def checked_group(document: Mapping[str, Any]) -> dict[str, Any]:
    """The group as it is kept. Raises Problem(BAD_REQUEST); of a rule that does not parse with line and column."""
    group = parse(GroupDocument, dict(document))
    unknown = [t for t in group.groupTypes if t not in _TYPES]
    if unknown:
        raise _bad(f"groupTypes holds {' and '.join(_TYPES)} only; {unknown[0][:40]} is not known.")
    group.groupTypes = [t for t in _TYPES if t in group.groupTypes]
    if DYNAMIC not in group.groupTypes:
        if group.membershipRule is not None or group.membershipRuleProcessingState == "On":
            raise _bad(f"A membershipRule needs {DYNAMIC} in groupTypes.")
        group.membershipRuleProcessingState = None
        return group.model_dump()
    if group.membershipRule is None:
        raise _bad("A dynamic group needs a membershipRule.")
    if group.isAssignableToRole:
        raise _bad("A group that can hold directory roles (isAssignableToRole) cannot be dynamic.")
    parse_rule(group.membershipRule)
    group.membershipRuleProcessingState = group.membershipRuleProcessingState or "On"
    return group.model_dump()


def merged_group(kept: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """The group after a PATCH. A group that is not dynamic any more has no rule. Raises Problem(BAD_REQUEST)."""
    document = {**kept, **change}
    types = document.get("groupTypes")
    if isinstance(types, list) and DYNAMIC not in types and "membershipRule" not in change:
        document |= {"membershipRule": None}
        if "membershipRuleProcessingState" not in change:
            document |= {"membershipRuleProcessingState": None}
    return checked_group(document)


def _bad(say: str) -> Problem:
    return Problem(Code.BAD_REQUEST, say)
