"""crossTenantAccessPolicy: whether home tenants are believed."""

from __future__ import annotations

from typing import Any

from b2b_idp.graph.api import Answer, Call, Route, not_found, writer
from b2b_idp.graph.body import bad, without_annotations
from b2b_idp.model.home import MAILED_TENANT_ID
from b2b_idp.model.problem import Code, Problem
from b2b_idp.policy.documents import PartnerConfiguration, partner_of
from b2b_idp.store.configuration import DEFAULT

_ALL = {
    "usersAndGroups": {"accessType": "allowed", "targets": [{"target": "AllUsers", "targetType": "user"}]},
    "applications": {
        "accessType": "allowed",
        "targets": [{"target": "AllApplications", "targetType": "application"}],
    },
}
_NOBODY = {
    "usersAndGroups": {"accessType": "blocked", "targets": [{"target": "AllUsers", "targetType": "user"}]},
    "applications": {
        "accessType": "blocked",
        "targets": [{"target": "AllApplications", "targetType": "application"}],
    },
}
_SYSTEM_DEFAULT: dict[str, Any] = {
    "inboundTrust": {
        "isMfaAccepted": False,
        "isCompliantDeviceAccepted": False,
        "isHybridAzureADJoinedDeviceAccepted": False,
    },
    "b2bCollaborationInbound": _ALL,
    "b2bCollaborationOutbound": _ALL,
    "b2bDirectConnectInbound": _NOBODY,
    "b2bDirectConnectOutbound": _NOBODY,
    "automaticUserConsentSettings": {"inboundAllowed": False, "outboundAllowed": False},
    "b2bIdp": {"whenHomeCannot": "challengeHere", "mfaMaxAge": None, "trustedAttributes": []},
}
_PARTNER: dict[str, Any] = {
    "isServiceProvider": None,
    "isInMultiTenantOrganization": False,
    "inboundTrust": None,
    "b2bCollaborationInbound": None,
    "b2bCollaborationOutbound": None,
    "b2bDirectConnectInbound": None,
    "b2bDirectConnectOutbound": None,
    "automaticUserConsentSettings": {"inboundAllowed": None, "outboundAllowed": None},
    "b2bIdp": {"whenHomeCannot": None, "mfaMaxAge": None, "trustedAttributes": None},
}
_PARTNERS = "policies/crossTenantAccessPolicy/partners"


def _policy(call: Call) -> Answer:
    return {
        "@odata.context": call.context("policies/crossTenantAccessPolicy/$entity"),
        "displayName": "CrossTenantAccessPolicy",
        "allowedCloudEndpoints": [],
    }


def _default(call: Call) -> Answer:
    document = call.w.configuration.default_partner.properties
    row = _SYSTEM_DEFAULT | {"isServiceDefault": not document} | _without_nulls(document)
    return {"@odata.context": call.context("policies/crossTenantAccessPolicy/default")} | row


def _without_nulls(document: Any) -> dict[str, Any]:
    return {k: v for k, v in document.items() if v is not None and k != "tenantId"}


def _change_default(call: Call) -> Answer:
    change = without_annotations(call.body())
    if change.pop("isServiceDefault", None) not in (None, False):
        raise bad("isServiceDefault is read-only.")
    merged = _merged_partner(dict(call.w.configuration.default_partner.properties), change)
    partner_of(DEFAULT, merged)
    before = call.w.configuration.default_partner.properties
    writer(call).documents.set_partner(DEFAULT, merged)
    call.target("Policy", DEFAULT, "crossTenantAccessPolicy default", before, merged)
    return None


def _reset_default(call: Call) -> Answer:
    before = call.w.configuration.default_partner.properties
    writer(call).documents.delete_partner(DEFAULT)
    call.target("Policy", DEFAULT, "crossTenantAccessPolicy default", before, {})
    return None


def _merged_partner(document: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    merged = document | change
    for name, value in change.items():
        before = document.get(name)
        if isinstance(before, dict) and isinstance(value, dict):
            merged[name] = before | value
    return merged


def _partner_row(tenant_id: str, document: Any) -> dict[str, Any]:
    return {"tenantId": tenant_id} | _PARTNER | {k: v for k, v in document.items() if k in _PARTNER}


_PARTNER_PROPERTIES = frozenset(["tenantId", *_PARTNER])


def _partners(call: Call) -> Answer:
    rows = [_partner_row(p.tenant_id, p.properties) for p in call.w.configuration.partners.values()]
    return call.collection(_PARTNERS, rows, call.query(_PARTNER_PROPERTIES))


def _partner(call: Call, id: str) -> Answer:
    partner = call.w.configuration.partners.get(id.lower())
    if partner is None:
        raise not_found(id)
    row = _partner_row(partner.tenant_id, partner.properties)
    return call.entity(_PARTNERS, row, call.query(_PARTNER_PROPERTIES).select)


def _add_partner(call: Call) -> Answer:
    document = without_annotations(call.body())
    tenant_id = document.get("tenantId")
    if not isinstance(tenant_id, str):
        raise bad("tenantId is missing.")
    partner_of(tenant_id, document)
    tenant_id = tenant_id.lower()
    if tenant_id == MAILED_TENANT_ID:
        raise bad("Guests by mailed code are no partner's: the default configuration holds for them.")
    if tenant_id in call.w.configuration.partners:
        raise Problem(Code.CONFLICT, "A partner with this tenantId exists.")
    writer(call).documents.set_partner(tenant_id, document)
    call.target("Policy", tenant_id, "crossTenantAccessPolicy partner", {}, document)
    return call.entity(_PARTNERS, _partner_row(tenant_id, document)), 201


def _change_partner(call: Call, id: str) -> Answer:
    partner = call.w.configuration.partners.get(id.lower())
    if partner is None:
        raise not_found(id)
    change = without_annotations(call.body())
    if str(change.pop("tenantId", partner.tenant_id)).lower() != partner.tenant_id:
        raise bad("tenantId cannot be changed.")
    merged = _merged_partner(dict(partner.properties), change)
    partner_of(partner.tenant_id, merged)
    writer(call).documents.set_partner(partner.tenant_id, merged)
    call.target("Policy", partner.tenant_id, "crossTenantAccessPolicy partner", partner.properties, merged)
    return None


def _delete_partner(call: Call, id: str) -> Answer:
    partner = call.w.configuration.partners.get(id.lower())
    if partner is None:
        raise not_found(id)
    writer(call).documents.delete_partner(partner.tenant_id)
    call.target("Policy", partner.tenant_id, "crossTenantAccessPolicy partner", partner.properties, {})
    return None


_READ = ("Policy.Read.All", "Policy.ReadWrite.CrossTenantAccess")
_WRITE = ("Policy.ReadWrite.CrossTenantAccess",)
_XTAP = "/policies/crossTenantAccessPolicy"

ROUTES = [
    Route("GET", _XTAP, _READ, _policy, gives="crossTenantAccessPolicy"),
    Route("GET", f"{_XTAP}/default", _READ, _default, gives="crossTenantAccessPolicyConfigurationDefault"),
    Route(
        "PATCH",
        f"{_XTAP}/default",
        _WRITE,
        _change_default,
        "Update default cross-tenant access setting",
        body=PartnerConfiguration,
    ),
    Route(
        "POST",
        f"{_XTAP}/default/resetToSystemDefault",
        _WRITE,
        _reset_default,
        "Reset the cross-tenant access default setting",
    ),
    Route("GET", f"{_XTAP}/partners", _READ, _partners, gives="crossTenantAccessPolicyConfigurationPartner[]"),
    Route(
        "POST",
        f"{_XTAP}/partners",
        _WRITE,
        _add_partner,
        "Add a partner to cross-tenant access setting",
        body=PartnerConfiguration,
        gives="crossTenantAccessPolicyConfigurationPartner",
    ),
    Route("GET", f"{_XTAP}/partners/<id>", _READ, _partner, gives="crossTenantAccessPolicyConfigurationPartner"),
    Route(
        "PATCH",
        f"{_XTAP}/partners/<id>",
        _WRITE,
        _change_partner,
        "Update a partner cross-tenant access setting",
        body=PartnerConfiguration,
    ),
    Route(
        "DELETE",
        f"{_XTAP}/partners/<id>",
        _WRITE,
        _delete_partner,
        "Delete partner specific cross-tenant setting",
    ),
]
