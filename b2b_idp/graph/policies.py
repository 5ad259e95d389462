"""Conditional access policies, and the routes of every kind of policy document."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from pydantic import BaseModel

from b2b_idp.graph.api import Answer, Call, Route, not_found, writer
from b2b_idp.graph.apps import find_app, guard
from b2b_idp.graph.body import bad
from b2b_idp.guests.policy_documents import checked_policy
from b2b_idp.model.access import AccessPolicy
from b2b_idp.model.moment import iso
from b2b_idp.policy.access_documents import ConditionalAccessPolicy
from b2b_idp.store.configuration import CONDITIONAL_ACCESS, PolicyRow

_ACCESS = "identity/conditionalAccess/policies"
_ACCESS_PROPERTIES = frozenset(
    "id templateId displayName createdDateTime modifiedDateTime state conditions grantControls "
    "sessionControls description".split()
)


Shape = Callable[[PolicyRow], dict[str, Any]]
Use = Callable[[Call, PolicyRow], str | None]
"""Where a document is in use, None if nowhere: what is in use is not deleted."""


def dated(row: PolicyRow) -> dict[str, Any]:
    """The document with its id and times."""
    times = {
        "createdDateTime": iso(row.created_at),
        "modifiedDateTime": iso(row.modified_at) if row.modified_at else None,
    }
    return {"id": row.id} | dict(row.document) | times


def access_row(row: PolicyRow) -> dict[str, Any]:
    """A conditional access policy as Graph shows it."""
    return {"templateId": None, "grantControls": None, "sessionControls": None} | dated(row)


def named_by(call: Call, id: str, names: Callable[[AccessPolicy], Iterable[str]]) -> str | None:
    """The conditional access policy that names `id`, if one does."""
    found = next((p for p in call.w.configuration.policies.all if id in names(p)), None)
    return None if found is None else f"the conditional access policy {found.display_name}"


def find_document(call: Call, kind: str, id: str) -> PolicyRow:
    """Raises Problem(NOT_FOUND)."""
    row: PolicyRow | None = call.w.documents.policy(kind, id)
    if row is None:
        raise not_found(id)
    return row


def add_document(call: Call, kind: str, id: str, document: dict[str, Any]) -> PolicyRow:
    """Keeps a checked document, and names it for the audit log."""
    row = PolicyRow(id, kind, call.moment.at, None, document)
    writer(call).documents.add_policy(row)
    call.target("Policy", id, document["displayName"], {}, document)
    return row


def save_document(call: Call, row: PolicyRow, document: dict[str, Any]) -> None:
    """Keeps a checked document in place of the row's."""
    writer(call).documents.save_policy(row.id, document, call.moment.at)
    call.target("Policy", row.id, document["displayName"], row.document, document)


def delete_document(call: Call, row: PolicyRow, where: str | None) -> None:
    """`where` it is in use. Raises Problem(BAD_REQUEST) if it is."""
    if where is not None:
        raise bad(f"It is in use by {where[:300]}. Take it off there first.")
    writer(call).documents.delete_policy(row.id)
    call.target("Policy", row.id, row.document["displayName"], row.document, {})


def _merged_policy(document: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """The document as changed: what `conditions` names is replaced part by part, all else as a whole."""
    merged = document | change
    before, conditions = document.get("conditions"), change.get("conditions")
    if isinstance(before, dict) and isinstance(conditions, dict):
        merged["conditions"] = before | {
            name: before[name] | value if isinstance(value, dict) and isinstance(before.get(name), dict) else value
            for name, value in conditions.items()
        }
    return merged


def policy_routes(
    kind: str,
    path: str,
    entity: str,
    properties: frozenset[str],
    read: tuple[str, ...],
    write: tuple[str, ...],
    body: type[BaseModel],
    gives: str,
    shape: Shape,
    used: Use,
    *,
    noun: str = "policy",
    changed: Callable[[dict[str, Any], dict[str, Any]], dict[str, Any]] = lambda _, merged: merged,
) -> list[Route]:
    """List, add, get, change, delete: the same for every kind of policy document. `changed` has the last word on what a
    PATCH makes of the document that is kept."""

    def list_(call: Call) -> Answer:
        rows = [shape(r) for r in call.w.documents.policies(kind)]
        return call.collection(entity, rows, call.query(properties))

    def get(call: Call, id: str) -> Answer:
        return call.entity(entity, shape(find_document(call, kind, id.lower())), call.query(properties).select)

    def add(call: Call) -> Answer:
        document = checked_policy(kind, call.body(), call.w.configuration.named)
        return call.entity(entity, shape(add_document(call, kind, call.moment.new_id(), document))), 201

    def change(call: Call, id: str) -> Answer:
        row = find_document(call, kind, id.lower())
        for sp_id in call.w.documents.policy_apps(row.id):
            guard(call, find_app(call, sp_id, sp=True))
        merged = changed(dict(row.document), _merged_policy(dict(row.document), call.body()))
        save_document(call, row, checked_policy(kind, merged, call.w.configuration.named))
        return None

    def delete(call: Call, id: str) -> Answer:
        row = find_document(call, kind, id.lower())
        delete_document(call, row, used(call, row))
        return None

    return [
        Route("GET", path, read, list_, gives=f"{gives}[]"),
        Route("POST", path, write, add, f"Add {noun}", body=body, gives=gives),
        Route("GET", f"{path}/<id>", read, get, gives=gives),
        Route("PATCH", f"{path}/<id>", write, change, f"Update {noun}", body=body),
        Route("DELETE", f"{path}/<id>", write, delete, f"Delete {noun}"),
    ]


_READ_ACCESS = ("Policy.Read.All", "Policy.ReadWrite.ConditionalAccess")
_WRITE_ACCESS = ("Policy.ReadWrite.ConditionalAccess",)

ROUTES = [
    *policy_routes(
        CONDITIONAL_ACCESS,
        "/identity/conditionalAccess/policies",
        _ACCESS,
        _ACCESS_PROPERTIES,
        _READ_ACCESS,
        _WRITE_ACCESS,
        ConditionalAccessPolicy,
        "conditionalAccessPolicy",
        access_row,
        lambda _call, _row: None,
    ),
]
