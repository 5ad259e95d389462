"""What conditional access policies name: named locations, authentication contexts, terms of use."""

from __future__ import annotations

from typing import Any

from b2b_idp.graph.api import Answer, Call, Route
from b2b_idp.graph.body import bad
from b2b_idp.graph.policies import (
    add_document,
    dated,
    delete_document,
    find_document,
    named_by,
    policy_routes,
    save_document,
)
from b2b_idp.guests.policy_documents import checked_policy, next_version
from b2b_idp.model.moment import iso
from b2b_idp.policy.named_documents import CONTEXT_ID, AgreementDocument, ContextDocument, IpNamedLocation
from b2b_idp.store.agreements import Acceptance
from b2b_idp.store.configuration import AGREEMENT, AUTHENTICATION_CONTEXT, NAMED_LOCATION, PolicyRow

_READ = ("Policy.Read.All", "Policy.ReadWrite.ConditionalAccess")
_WRITE = ("Policy.ReadWrite.ConditionalAccess",)

# --- namedLocations ---------------------------------------------------------------------------------------------------

_LOCATIONS = "identity/conditionalAccess/namedLocations"
_LOCATION_PROPERTIES = frozenset({"id", "displayName", "createdDateTime", "modifiedDateTime", "isTrusted", "ipRanges"})


def _location(row: PolicyRow) -> dict[str, Any]:
    return {"isTrusted": False} | dated(row)


def _location_used(call: Call, row: PolicyRow) -> str | None:
    return named_by(call, row.id, lambda p: p.include_locations | p.exclude_locations)


# --- authenticationContextClassReferences ----------------------------------------------------------------------------

_CONTEXTS = "identity/conditionalAccess/authenticationContextClassReferences"
_CONTEXT_PROPERTIES = frozenset({"id", "displayName", "description", "isAvailable"})


def _context_row(id: str, document: Any) -> dict[str, Any]:
    return {"id": id, "description": None, "isAvailable": False} | dict(document)


def _contexts(call: Call) -> Answer:
    rows = [_context_row(r.id, r.document) for r in call.w.documents.policies(AUTHENTICATION_CONTEXT)]
    return call.collection(_CONTEXTS, rows, call.query(_CONTEXT_PROPERTIES))


def _context(call: Call, id: str) -> Answer:
    row = find_document(call, AUTHENTICATION_CONTEXT, id)
    return call.entity(_CONTEXTS, _context_row(row.id, row.document), call.query(_CONTEXT_PROPERTIES).select)


def _save_context(call: Call, id: str, body: dict[str, Any], before: PolicyRow | None) -> dict[str, Any]:
    if not CONTEXT_ID.fullmatch(id):
        raise bad("An authentication context is called c1 to c99.")
    merged = (dict(before.document) if before else {}) | {k: v for k, v in body.items() if k != "id"}
    document = checked_policy(AUTHENTICATION_CONTEXT, merged, call.w.configuration.named)
    if before is None:
        add_document(call, AUTHENTICATION_CONTEXT, id, document)
    else:
        save_document(call, before, document)
    return document


def _add_context(call: Call) -> Answer:
    body = call.body()
    id = body.get("id")
    if not isinstance(id, str) or not CONTEXT_ID.fullmatch(id):
        raise bad("id is c1 to c99.")
    if call.w.documents.policy(AUTHENTICATION_CONTEXT, id) is not None:
        raise bad(f"There is an authentication context {id[:10]} already.")
    return call.entity(_CONTEXTS, _context_row(id, _save_context(call, id, body, None))), 201


def _change_context(call: Call, id: str) -> Answer:
    """Makes it if it is not there, as in Graph."""
    body = call.body()
    if body.get("id", id) != id:
        raise bad("id is the one in the address.")
    _save_context(call, id, body, call.w.documents.policy(AUTHENTICATION_CONTEXT, id))
    return None


def _delete_context(call: Call, id: str) -> Answer:
    row = find_document(call, AUTHENTICATION_CONTEXT, id)
    delete_document(call, row, named_by(call, id, lambda p: p.include_contexts))
    return None


# --- termsOfUse -------------------------------------------------------------------------------------------------------

_AGREEMENTS = "identityGovernance/termsOfUse/agreements"
_AGREEMENT_PROPERTIES = frozenset(
    "id displayName isViewingBeforeAcceptanceRequired isPerDeviceAcceptanceRequired userReacceptRequiredFrequency "
    "termsExpiration createdDateTime modifiedDateTime file version".split()
)


def _agreement(row: PolicyRow) -> dict[str, Any]:
    shown = {
        "isViewingBeforeAcceptanceRequired": True,
        "isPerDeviceAcceptanceRequired": False,
        "userReacceptRequiredFrequency": None,
        "termsExpiration": None,
        "version": 1,
    }
    return shown | dated(row)


def _agreement_used(call: Call, row: PolicyRow) -> str | None:
    return named_by(call, row.id, lambda p: p.terms)


def _acceptance(call: Call, found: Acceptance) -> dict[str, Any]:
    user = call.w.users.by_id(found.user_id)
    return {
        "id": found.id,
        "agreementId": found.agreement_id,
        "agreementFileId": f"{found.agreement_id}.{found.version}",
        "userId": found.user_id,
        "userDisplayName": user.display_name if user else None,
        "userEmail": user.mail if user else None,
        "userPrincipalName": user.upn if user else None,
        "recordedDateTime": iso(found.at),
        "state": "accepted",
    }


_ACCEPTANCE_PROPERTIES = frozenset(
    "id agreementId agreementFileId userId userDisplayName userEmail userPrincipalName recordedDateTime state".split()
)


def _acceptances(call: Call, id: str) -> Answer:
    find_document(call, AGREEMENT, id.lower())
    rows = [_acceptance(call, found) for found in call.w.agreements.acceptances(id.lower())]
    return call.collection(f"{_AGREEMENTS}('{id}')/acceptances", rows, call.query(_ACCEPTANCE_PROPERTIES))


_READ_TERMS = ("Agreement.Read.All", "Agreement.ReadWrite.All")
_WRITE_TERMS = ("Agreement.ReadWrite.All",)

ROUTES = [
    *policy_routes(
        NAMED_LOCATION,
        f"/{_LOCATIONS}",
        _LOCATIONS,
        _LOCATION_PROPERTIES,
        _READ,
        _WRITE,
        IpNamedLocation,
        "namedLocation",
        _location,
        _location_used,
        noun="named location",
    ),
    Route("GET", f"/{_CONTEXTS}", _READ, _contexts, gives="authenticationContextClassReference[]"),
    Route(
        "POST",
        f"/{_CONTEXTS}",
        _WRITE,
        _add_context,
        "Add authentication context",
        body=ContextDocument,
        gives="authenticationContextClassReference",
    ),
    Route("GET", f"/{_CONTEXTS}/<id>", _READ, _context, gives="authenticationContextClassReference"),
    Route(
        "PATCH",
        f"/{_CONTEXTS}/<id>",
        _WRITE,
        _change_context,
        "Update authentication context",
        body=ContextDocument,
    ),
    Route("DELETE", f"/{_CONTEXTS}/<id>", _WRITE, _delete_context, "Delete authentication context"),
    *policy_routes(
        AGREEMENT,
        f"/{_AGREEMENTS}",
        _AGREEMENTS,
        _AGREEMENT_PROPERTIES,
        _READ_TERMS,
        _WRITE_TERMS,
        AgreementDocument,
        "agreement",
        _agreement,
        _agreement_used,
        noun="terms of use",
        changed=next_version,
    ),
    Route(
        "GET",
        f"/{_AGREEMENTS}/<id>/acceptances",
        ("AgreementAcceptance.Read.All", *_READ_TERMS),
        _acceptances,
        gives="agreementAcceptance[]",
    ),
]
