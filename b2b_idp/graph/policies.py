"""identityProviders, crossTenantAccessPolicy, conditionalAccess and claimsMappingPolicies."""

from __future__ import annotations

from typing import Any

from b2b_idp.claims.mapping import compile_mapping
from b2b_idp.graph.api import Answer, Call, Route, not_found, writer
from b2b_idp.graph.body import bad, without_annotations
from b2b_idp.guests.homes import add_home, change_home
from b2b_idp.model.home import Home
from b2b_idp.model.problem import Code, Problem
from b2b_idp.policy.documents import OIDC_PROVIDER, access_policy_of, partner_of
from b2b_idp.policy.strengths import BUILT_IN
from b2b_idp.signin.flow import redirect_uri
from b2b_idp.signin.log import iso
from b2b_idp.store.configuration import CLAIMS_MAPPING, CONDITIONAL_ACCESS, DEFAULT, PolicyRow

# --- identity providers ----------------------------------------------------------------------------------------------


def _home_row(call: Call, home: Home) -> dict[str, Any]:
    document = dict(home.properties)
    extension = dict(document.get("b2bIdp") or {})
    extension |= {
        "tenantId": home.tenant_id,
        "domains": list(home.domains),
        "own": home.own,
        "redirectUri": redirect_uri(call.parts.issuer, home.tenant_id),
    }
    row = {
        "@odata.type": OIDC_PROVIDER,
        "id": home.tenant_id,
        "displayName": home.display_name,
        "clientId": home.client_id,
        "issuer": home.issuer,
        "wellKnownEndpoint": home.well_known,
        "responseType": "code",
        "scope": home.scope,
        "clientAuthentication": document.get("clientAuthentication"),
        "inboundClaimMapping": document.get("inboundClaimMapping"),
    }
    return row | {"b2bIdp": extension}


_HOME_PROPERTIES = frozenset(
    "id displayName clientId issuer wellKnownEndpoint responseType scope clientAuthentication "
    "inboundClaimMapping b2bIdp".split()
)


def _home(call: Call, id: str) -> Home:
    home: Home | None = call.w.configuration.homes.get(id.lower())
    if home is None:
        raise not_found(id)
    return home


def _homes(call: Call) -> Answer:
    rows = [_home_row(call, h) for h in call.w.configuration.homes.values()]
    return call.collection("identity/identityProviders", rows, call.query(_HOME_PROPERTIES))


def _get_home(call: Call, id: str) -> Answer:
    row = _home_row(call, _home(call, id))
    return call.entity("identity/identityProviders", row, call.query(_HOME_PROPERTIES).select)


def _add_home(call: Call) -> Answer:
    document = call.body()
    if document.get("@odata.type", OIDC_PROVIDER) not in (OIDC_PROVIDER, OIDC_PROVIDER.lstrip("#")):
        raise bad("Only #microsoft.graph.oidcIdentityProvider can be added.")
    document.pop("id", None)
    if isinstance(document.get("issuer"), str):
        call.parts.check_issuer(document["issuer"])
    tenant_id = add_home(writer(call), document, call.moment)
    call.target("IdentityProvider", tenant_id, str(document.get("displayName"))[:256])
    return call.entity("identity/identityProviders", _home_row(call, _fresh_home(call, tenant_id))), 201


def _fresh_home(call: Call, tenant_id: str) -> Home:
    """The home as the store has it after the change in this same transaction."""
    call.w.__dict__.pop("configuration", None)
    return _home(call, tenant_id)


def _change_home(call: Call, id: str) -> Answer:
    home = _home(call, id)
    change = call.body()
    merged = _merged(dict(home.properties), change)
    merged.pop("id", None)
    change_home(writer(call), home.tenant_id, merged)
    call.target("IdentityProvider", home.tenant_id, home.display_name)
    return None


def _delete_home(call: Call, id: str) -> Answer:
    home = _home(call, id)
    writer(call).documents.delete_home(home.tenant_id, call.moment.at)
    call.target("IdentityProvider", home.tenant_id, home.display_name)
    return None


def _merged(document: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """PATCH changes only what it names: complex values are merged, lists and simple ones replaced."""
    merged = dict(document)
    for name, value in change.items():
        before = merged.get(name)
        if name in ("b2bIdp", "clientAuthentication") and isinstance(before, dict) and isinstance(value, dict):
            merged[name] = before | value
        else:
            merged[name] = value
    return merged


# --- cross-tenant access policy --------------------------------------------------------------------------------------

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
    writer(call).documents.set_partner(DEFAULT, merged)
    call.target("Policy", DEFAULT, "crossTenantAccessPolicy default")
    return None


def _reset_default(call: Call) -> Answer:
    writer(call).documents.delete_partner(DEFAULT)
    call.target("Policy", DEFAULT, "crossTenantAccessPolicy default")
    return None


def _merged_partner(document: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    merged = document | change
    for name, value in change.items():
        before = document.get(name)
        if isinstance(before, dict) and isinstance(value, dict):
            merged[name] = before | value
    return merged


def _partner_row(tenant_id: str, document: Any) -> dict[str, Any]:
    return {"tenantId": tenant_id} | _PARTNER | {k: v for k, v in document.items() if k != "tenantId"}


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
    if tenant_id in call.w.configuration.partners:
        raise Problem(Code.CONFLICT, "A partner with this tenantId exists.")
    writer(call).documents.set_partner(tenant_id, document)
    call.target("Policy", tenant_id, "crossTenantAccessPolicy partner")
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
    call.target("Policy", partner.tenant_id, "crossTenantAccessPolicy partner")
    return None


def _delete_partner(call: Call, id: str) -> Answer:
    if not writer(call).documents.delete_partner(id.lower()):
        raise not_found(id)
    call.target("Policy", id.lower(), "crossTenantAccessPolicy partner")
    return None


# --- conditional access, claims mapping ------------------------------------------------------------------------------

_ACCESS = "identity/conditionalAccess/policies"
_ACCESS_PROPERTIES = frozenset(
    "id templateId displayName createdDateTime modifiedDateTime state conditions grantControls "
    "sessionControls description".split()
)
_MAPPINGS = "policies/claimsMappingPolicies"
_MAPPING_PROPERTIES = frozenset("id displayName description definition isOrganizationDefault".split())


def _policy_row(row: PolicyRow) -> dict[str, Any]:
    shown = {"id": row.id} | dict(row.document)
    if row.kind == CONDITIONAL_ACCESS:
        shown = {"templateId": None, "grantControls": None, "sessionControls": None} | shown
        shown = shown | {
            "createdDateTime": iso(row.created_at),
            "modifiedDateTime": iso(row.modified_at) if row.modified_at else None,
        }
    return shown


def _checked_policy(kind: str, document: dict[str, Any]) -> dict[str, Any]:
    if kind == CONDITIONAL_ACCESS:
        kept = {k: v for k, v in document.items() if k not in ("id", "createdDateTime", "modifiedDateTime")}
        access_policy_of("", kept)
        return kept
    kept = without_annotations(document)
    unknown = set(kept) - _MAPPING_PROPERTIES
    if unknown:
        raise bad(f"There is no property {sorted(unknown)[0][:60]}.")
    kept.pop("id", None)
    for name, longest in (("displayName", 256), ("description", 1024)):
        value = kept.get(name, "")
        if not isinstance(value, str | None) or len(value or "") > longest:
            raise bad(f"{name} is a text of at most {longest} characters.")
    if not kept.get("displayName"):
        raise bad("displayName is missing.")
    compile_mapping(kept.get("definition"))
    return kept


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
        document = _checked_policy(kind, call.body())
        row = PolicyRow(call.moment.new_id(), kind, call.moment.at, None, document)
        writer(call).documents.add_policy(row)
        call.target("Policy", row.id, document["displayName"])
        return call.entity(entity, _policy_row(row)), 201

    def change(call: Call, id: str) -> Answer:
        row = find(call, id)
        merged = _checked_policy(kind, _merged_policy(dict(row.document), call.body()))
        writer(call).documents.save_policy(row.id, merged, call.moment.at)
        call.target("Policy", row.id, merged["displayName"])
        return None

    def delete(call: Call, id: str) -> Answer:
        row = find(call, id)
        if call.w.documents.policy_apps(row.id):
            raise bad("The policy is assigned to an application. Take it off there first.")
        writer(call).documents.delete_policy(row.id)
        call.target("Policy", row.id, row.document["displayName"])
        return None

    return [
        Route("GET", path, read, list_),
        Route("POST", path, write, add, "Add policy"),
        Route("GET", f"{path}/<id>", read, get),
        Route("PATCH", f"{path}/<id>", write, change, "Update policy"),
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


_READ_HOMES = ("IdentityProvider.Read.All", "IdentityProvider.ReadWrite.All")
_WRITE_HOMES = ("IdentityProvider.ReadWrite.All",)
_READ = ("Policy.Read.All", "Policy.ReadWrite.CrossTenantAccess")
_WRITE = ("Policy.ReadWrite.CrossTenantAccess",)
_READ_ACCESS = ("Policy.Read.All", "Policy.ReadWrite.ConditionalAccess")
_WRITE_ACCESS = ("Policy.ReadWrite.ConditionalAccess",)
_READ_MAPPING = ("Policy.Read.All", "Policy.ReadWrite.ApplicationConfiguration")
_WRITE_MAPPING = ("Policy.ReadWrite.ApplicationConfiguration",)
_XTAP = "/policies/crossTenantAccessPolicy"

ROUTES = [
    Route("GET", "/identity/identityProviders", _READ_HOMES, _homes),
    Route("POST", "/identity/identityProviders", _WRITE_HOMES, _add_home, "Add identity provider"),
    Route("GET", "/identity/identityProviders/<id>", _READ_HOMES, _get_home),
    Route("PATCH", "/identity/identityProviders/<id>", _WRITE_HOMES, _change_home, "Update identity provider"),
    Route("DELETE", "/identity/identityProviders/<id>", _WRITE_HOMES, _delete_home, "Delete identity provider"),
    Route("GET", _XTAP, _READ, _policy),
    Route("GET", f"{_XTAP}/default", _READ, _default),
    Route("PATCH", f"{_XTAP}/default", _WRITE, _change_default, "Update default cross-tenant access setting"),
    Route(
        "POST",
        f"{_XTAP}/default/resetToSystemDefault",
        _WRITE,
        _reset_default,
        "Reset the cross-tenant access default setting",
    ),
    Route("GET", f"{_XTAP}/partners", _READ, _partners),
    Route("POST", f"{_XTAP}/partners", _WRITE, _add_partner, "Add a partner to cross-tenant access setting"),
    Route("GET", f"{_XTAP}/partners/<id>", _READ, _partner),
    Route(
        "PATCH",
        f"{_XTAP}/partners/<id>",
        _WRITE,
        _change_partner,
        "Update a partner cross-tenant access setting",
    ),
    Route(
        "DELETE",
        f"{_XTAP}/partners/<id>",
        _WRITE,
        _delete_partner,
        "Delete partner specific cross-tenant setting",
    ),
    *_policy_routes(
        CONDITIONAL_ACCESS,
        "/identity/conditionalAccess/policies",
        _ACCESS,
        _ACCESS_PROPERTIES,
        _READ_ACCESS,
        _WRITE_ACCESS,
    ),
    *_policy_routes(
        CLAIMS_MAPPING,
        "/policies/claimsMappingPolicies",
        _MAPPINGS,
        _MAPPING_PROPERTIES,
        _READ_MAPPING,
        _WRITE_MAPPING,
    ),
    Route("GET", "/policies/authenticationStrengthPolicies", ("Policy.Read.All",), _strengths),
    Route("GET", "/policies/authenticationStrengthPolicies/<id>", ("Policy.Read.All",), _strength),
]
