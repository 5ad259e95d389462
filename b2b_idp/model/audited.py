"""Graph's directoryAudit: one entry of the audit log, whoever did it, with old and new values."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from b2b_idp.model.directory import User
from b2b_idp.model.moment import Moment, iso

_LONGEST = 2000
"""Characters that are kept of a value."""


def directory_audit(
    moment: Moment,
    activity: str,
    targets: Sequence[Mapping[str, Any]],
    *,
    id: str | None = None,
    category: str = "UserManagement",
    service: str = "Core Directory",
    operation: str = "Update",
    user: Mapping[str, Any] | None = None,
    app: Mapping[str, Any] | None = None,
    failure: str | None = None,
    reason: str = "",
    correlation_id: str | None = None,
    details: Sequence[Mapping[str, str]] = (),
) -> dict[str, Any]:
    """An entry, initiated by `user`, `app` or both. `failure` says why something was refused, `reason` more about what
    was done."""
    return {
        "id": id or moment.new_id(),
        "activityDisplayName": activity,
        "activityDateTime": iso(moment.at),
        "category": category,
        "correlationId": correlation_id,
        "result": "success" if failure is None else "failure",
        "resultReason": reason if failure is None else failure[:500],
        "loggedByService": service,
        "operationType": operation,
        "initiatedBy": {"user": user, "app": app},
        "targetResources": list(targets),
        "additionalDetails": list(details),
    }


def target_user(user: User, modified: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
    """A user as the target of a change."""
    return {"id": user.id, "displayName": user.display_name, "type": "User", "modifiedProperties": list(modified)}


def differences(
    before: Mapping[str, Any], after: Mapping[str, Any], leave_out: Collection[str] = ()
) -> list[dict[str, Any]]:
    """modifiedProperties: for each property that differs its old and new value as JSON texts, null for none."""
    names = [n for n in {**before, **after} if "@odata." not in n and before.get(n) != after.get(n)]
    return [
        {"displayName": n, "oldValue": _text(before.get(n)), "newValue": _text(after.get(n))}
        for n in sorted(names)
        if n not in leave_out
    ]


def _text(value: Any) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False, sort_keys=True)[:_LONGEST]
