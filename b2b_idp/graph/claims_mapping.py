"""claimsMappingPolicies, and the one of a service principal."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from b2b_idp.claims.mapping import compile_stored
from b2b_idp.graph.api import Answer, Call, Reference, Route, not_found, object_id, reference_of, writer
from b2b_idp.graph.apps import SP_PROPERTIES, find_app, guard, sp_row
from b2b_idp.graph.body import bad
from b2b_idp.graph.policies import find_document, policy_routes
from b2b_idp.guests.policy_documents import MAPPING_PROPERTIES, ClaimsMappingDocument
from b2b_idp.model.problem import Code, Problem
from b2b_idp.store.configuration import CLAIMS_MAPPING, PolicyRow

_ENTITY = "policies/claimsMappingPolicies"


def _row(row: PolicyRow) -> dict[str, Any]:
    """The policy; in `b2bIdp.problems` what of a stored one no longer holds and is left out of tokens."""
    problems = compile_stored(row.document.get("definition")).problems
    shown = {"id": row.id} | dict(row.document)
    return shown | ({"b2bIdp": {"problems": list(problems)}} if problems else {})


def _in_use(call: Call, row: PolicyRow) -> str | None:
    assigned = call.w.documents.policy_apps(row.id)
    return f"the service principal {assigned[0]}" if assigned else None


def _applies_to(call: Call, id: str) -> Answer:
    policy = find_document(call, CLAIMS_MAPPING, id.lower())
    rows = [sp_row(call, find_app(call, sp_id, sp=True)) for sp_id in call.w.documents.policy_apps(policy.id)]
    typed = [{"@odata.type": "#microsoft.graph.servicePrincipal"} | row for row in rows]
    return call.collection("directoryObjects", typed, call.query(SP_PROPERTIES))


def _of_principal(call: Call, id: str) -> Answer:
    app = find_app(call, id, sp=True)
    policy = call.w.documents.policy(CLAIMS_MAPPING, app.claims_policy_id) if app.claims_policy_id else None
    return call.collection(_ENTITY, [_row(policy)] if policy else [], call.query(MAPPING_PROPERTIES))


def _assign(call: Call, id: str) -> Answer:
    app = find_app(call, id, sp=True)
    guard(call, app)
    # a policy is a directory object in Graph, too
    policy_id = object_id(reference_of(call.body()), ("claimsMappingPolicies", "directoryObjects"))
    if call.w.documents.policy(CLAIMS_MAPPING, policy_id) is None:
        raise bad("@odata.id is the address of a claims mapping policy, …/policies/claimsMappingPolicies/{id}.")
    if app.claims_policy_id is not None:
        raise Problem(Code.CONFLICT, "This service principal has a claims mapping policy. Take it off first.")
    writer(call).apps.save(replace(app, claims_policy_id=policy_id))
    name = app.application["displayName"]
    call.target("ServicePrincipal", app.sp_id, name, {}, {"claimsMappingPolicies": policy_id})
    return None


def _unassign(call: Call, id: str, policy: str) -> Answer:
    app = find_app(call, id, sp=True)
    guard(call, app)
    if app.claims_policy_id != policy.lower():
        raise not_found(policy)
    writer(call).apps.save(replace(app, claims_policy_id=None))
    name = app.application["displayName"]
    call.target("ServicePrincipal", app.sp_id, name, {"claimsMappingPolicies": app.claims_policy_id}, {})
    return None


_WRITE = ("Policy.ReadWrite.ApplicationConfiguration",)
_READ = ("Policy.Read.All", *_WRITE)
_OF_SP = "/servicePrincipals/<id>/claimsMappingPolicies"

ROUTES = [
    *policy_routes(
        CLAIMS_MAPPING,
        "/policies/claimsMappingPolicies",
        _ENTITY,
        MAPPING_PROPERTIES,
        _READ,
        _WRITE,
        ClaimsMappingDocument,
        "claimsMappingPolicy",
        _row,
        _in_use,
    ),
    Route("GET", "/policies/claimsMappingPolicies/<id>/appliesTo", _READ, _applies_to, gives="servicePrincipal[]"),
    Route("GET", _OF_SP, _READ, _of_principal, gives="claimsMappingPolicy[]"),
    Route("POST", f"{_OF_SP}/$ref", _WRITE, _assign, "Add policy to service principal", body=Reference),
    Route("DELETE", f"{_OF_SP}/<policy>/$ref", _WRITE, _unassign, "Remove policy from service principal"),
]
