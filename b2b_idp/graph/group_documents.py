"""How Graph's group is shown."""

from __future__ import annotations

from typing import Any

from b2b_idp.guests.group_documents import GroupDocument
from b2b_idp.model.directory import Group
from b2b_idp.model.moment import iso

GROUP_PROPERTIES = frozenset([*GroupDocument.model_fields, "id", "createdDateTime", "mail"])


def group_row(group: Group) -> dict[str, Any]:
    """Every property of a group that Graph has."""
    document = GroupDocument.model_validate(dict(group.properties)).model_dump()
    return {"id": group.id, "createdDateTime": iso(group.created_at), "mail": None} | document
