"""conditionalAccess and claimsMappingPolicies, and the built-in authentication strengths."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from b2b_idp.graph.api import Answer, Call, Route, not_found, writer
from b2b_idp.graph.apps import find_app, guard
from b2b_idp.graph.body import bad
from b2b_idp.guests.policy_documents import MAPPING_PROPERTIES, ClaimsMappingDocument, checked_policy
from b2b_idp.model.moment import iso
from b2b_idp.policy.documents import ConditionalAccessPolicy
from b2b_idp.policy.strengths import BUILT_IN
from b2b_idp.store.configuration import CLAIMS_MAPPING, CONDITIONAL_ACCESS, PolicyRow

_ACCESS = "identity/conditionalAccess/policies"
_ACCESS_PROPERTIES = frozenset(
    "id templateId displayName createdDateTime modifiedDateTime state conditions grantControls "
    "sessionControls description".split()
)
_MAPPINGS = "policies/claimsMappingPolicies"


def _policy_row(row: PolicyRow) -> dict[str, Any]:
    shown = {"id": row.id} | dict(row.document)
    if row.kind == CONDITIONAL_ACCESS:
        shown = {"templateId": None, "grantControls": None, "sessionControls": None} | shown
        shown = shown | {
            "createdDateTime": iso(row.created_at),
            "modifiedDateTime": iso(row.modified_at) if row.modified_at else None,
        }
    return shown


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


def _policy_routes(
    kind: str,
    path: str,
    entity: str,
    properties: frozenset[str],
    read: tuple[str, ...],
    write: tuple[str, ...],
    body: type[BaseModel],
    gives: str,
) -> list[Route]:
    """List, add, get, change, delete: the same for every kind of policy document."""

    def find(call: Call, id: str) -> PolicyRow:
        row: PolicyRow | None = call.w.documents.policy(kind, id.lower())
        if row is None:
            raise not_found(id)
        return row

    def list_(call: Call) -> Answer:
        rows = [_policy_row(r) for r in call.w.documents.policies(kind)]
        return call.collection(entity, rows, call.query(properties))

    def get(call: Call, id: str) -> Answer:
        return call.entity(entity, _policy_row(find(call, id)), call.query(properties).select)

    def add(call: Call) -> Answer:
        document = checked_policy(kind, call.body())
        row = PolicyRow(call.moment.new_id(), kind, call.moment.at, None, document)
        writer(call).documents.add_policy(row)
        call.target("Policy", row.id, document["displayName"], {}, document)
        return call.entity(entity, _policy_row(row)), 201

    def change(call: Call, id: str) -> Answer:
        row = find(call, id)
        for sp_id in call.w.documents.policy_apps(row.id):
            guard(call, find_app(call, sp_id, sp=True))
        merged = checked_policy(kind, _merged_policy(dict(row.document), call.body()))
        writer(call).documents.save_policy(row.id, merged, call.moment.at)
        call.target("Policy", row.id, merged["displayName"], row.document, merged)
        return None

    def delete(call: Call, id: str) -> Answer:
        row = find(call, id)
        if call.w.documents.policy_apps(row.id):
            raise bad("The policy is assigned to an application. Take it off there first.")
        writer(call).documents.delete_policy(row.id)
        call.target("Policy", row.id, row.document["displayName"], row.document, {})
        return None

    return [
        Route("GET", path, read, list_, gives=f"{gives}[]"),
        Route("POST", path, write, add, "Add policy", body=body, gives=gives),
        Route("GET", f"{path}/<id>", read, get, gives=gives),
        Route("PATCH", f"{path}/<id>", write, change, "Update policy", body=body),
        Route("DELETE", f"{path}/<id>", write, delete, "Delete policy"),
    ]


def _strength_rows() -> list[dict[str, Any]]:
    return [
        {
            "id": s.id,
            "displayName": s.display_name,
            "description": "",
            "policyType": "builtIn",
            "requirementsSatisfied": "mfa",
            "allowedCombinations": sorted(",".join(sorted(c)) for c in s.combinations),
        }
        for s in BUILT_IN.values()
    ]


_STRENGTHS = "policies/authenticationStrengthPolicies"


def _strengths(call: Call) -> Answer:
    rows = _strength_rows()
    return call.collection(_STRENGTHS, rows, call.query(frozenset(rows[0])))


def _strength(call: Call, id: str) -> Answer:
    rows = _strength_rows()
    row = next((r for r in rows if r["id"] == id), None)
    if row is None:
        raise not_found(id)
    return call.entity(_STRENGTHS, row, call.query(frozenset(row)).select)


_READ_ACCESS = ("Policy.Read.All", "Policy.ReadWrite.ConditionalAccess")
_WRITE_ACCESS = ("Policy.ReadWrite.ConditionalAccess",)
_READ_MAPPING = ("Policy.Read.All", "Policy.ReadWrite.ApplicationConfiguration")
_WRITE_MAPPING = ("Policy.ReadWrite.ApplicationConfiguration",)

ROUTES = [
    *_policy_routes(
        CONDITIONAL_ACCESS,
        "/identity/conditionalAccess/policies",
        _ACCESS,
        _ACCESS_PROPERTIES,
        _READ_ACCESS,
        _WRITE_ACCESS,
        ConditionalAccessPolicy,
        "conditionalAccessPolicy",
    ),
    *_policy_routes(
        CLAIMS_MAPPING,
        "/policies/claimsMappingPolicies",
        _MAPPINGS,
        MAPPING_PROPERTIES,
        _READ_MAPPING,
        _WRITE_MAPPING,
        ClaimsMappingDocument,
        "claimsMappingPolicy",
    ),
    Route("GET", f"/{_STRENGTHS}", ("Policy.Read.All",), _strengths, gives="authenticationStrengthPolicy[]"),
    Route("GET", f"/{_STRENGTHS}/<id>", ("Policy.Read.All",), _strength, gives="authenticationStrengthPolicy"),
]
