"""Graph's group: what callers write of it, and how it is shown."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from b2b_idp.model.directory import Group
from b2b_idp.model.moment import iso


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


GROUP_PROPERTIES = frozenset([*GroupDocument.model_fields, "id", "createdDateTime", "mail"])


def group_row(group: Group) -> dict[str, Any]:
    """Every property of a group that Graph has."""
    document = GroupDocument.model_validate(dict(group.properties)).model_dump()
    return {"id": group.id, "createdDateTime": iso(group.created_at), "mail": None} | document
