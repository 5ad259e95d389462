"""Graph's group, as callers write it and as it is kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from b2b_idp.model.problem import Code, Problem
from b2b_idp.policy.documents import parse

NO_NESTING = "Groups that can hold directory roles have no groups as members: add people and apps one by one."
"""Else whoever keeps the group within gives its members the roles."""


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


def checked_group(document: Mapping[str, Any]) -> dict[str, Any]:
    """The group as it is kept. Raises Problem(BAD_REQUEST)."""
    given = dict(document)
    if given.pop("membershipRule", None) is not None:
        raise _bad("Dynamic membership is not supported by this version.")
    given.pop("membershipRuleProcessingState", None)
    group = parse(GroupDocument, given)
    if group.groupTypes:
        raise _bad("groupTypes is empty: only groups with assigned members are supported by this version.")
    return group.model_dump()


def _bad(say: str) -> Problem:
    return Problem(Code.BAD_REQUEST, say)
