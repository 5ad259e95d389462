"""authenticationMethodsPolicy: which methods this tenant has people use. Of its configurations only `Email` is kept
here: whether guests without an identity provider sign in by mailed code."""

from __future__ import annotations

from typing import Any

from b2b_idp.graph.api import Answer, Call, Route, not_found, writer
from b2b_idp.graph.body import without_annotations
from b2b_idp.model.moment import iso
from b2b_idp.policy.authentication_methods import EmailMethodDocument, email_method_of
from b2b_idp.store.configuration import EMAIL_METHOD, PolicyRow

_POLICY = "policies/authenticationMethodsPolicy"
_CONFIGURATIONS = f"{_POLICY}/authenticationMethodConfigurations"
_EMAIL: dict[str, Any] = {
    "@odata.type": "#microsoft.graph.emailAuthenticationMethodConfiguration",
    "id": "Email",
    "state": "enabled",
    "allowExternalIdToUseEmailOtp": "default",
    "excludeTargets": [],
    "includeTargets": [
        {
            "@odata.type": "#microsoft.graph.authenticationMethodTarget",
            "id": "all_users",
            "targetType": "group",
            "isRegistrationRequired": False,
        }
    ],
}


def _kept(call: Call) -> PolicyRow | None:
    rows: list[PolicyRow] = call.w.documents.policies(EMAIL_METHOD)
    return rows[0] if rows else None


def _email_row(call: Call) -> dict[str, Any]:
    kept = _kept(call)
    changed = {} if kept is None else {k: kept.document[k] for k in _CHANGEABLE if k in kept.document}
    return _EMAIL | changed


_CHANGEABLE = ("state", "allowExternalIdToUseEmailOtp")


def _policy(call: Call) -> Answer:
    kept = _kept(call)
    changed = call.w.configuration.tenant.created_at if kept is None else kept.modified_at or kept.created_at
    row = {
        "id": "authenticationMethodsPolicy",
        "displayName": "Authentication Methods Policy",
        "description": "The methods that people of this tenant may use to prove who they are.",
        "lastModifiedDateTime": iso(changed),
        "policyVersion": "1.5",
        "authenticationMethodConfigurations": [_email_row(call)],
    }
    return call.entity(_POLICY, row, call.query(frozenset(row)).select) | {
        "@odata.context": call.context(f"{_POLICY}/$entity")
    }


def _check_email(id: str) -> None:
    if id.lower() != "email":
        raise not_found(id)


def _configuration(call: Call, id: str) -> Answer:
    _check_email(id)
    row = _email_row(call)
    return call.entity(_CONFIGURATIONS, row, call.query(frozenset(row)).select)


def _change(call: Call, id: str) -> Answer:
    _check_email(id)
    before, kept, w = _email_row(call), _kept(call), writer(call)
    document = ({} if kept is None else dict(kept.document)) | without_annotations(call.body())
    email_method_of(document)
    document = {name: document[name] for name in _CHANGEABLE if name in document}
    if kept is None:
        w.documents.add_policy(PolicyRow(call.moment.new_id(), EMAIL_METHOD, call.moment.at, None, document))
    else:
        w.documents.save_policy(kept.id, document, call.moment.at)
    w.reload()
    call.target("Policy", "Email", "Email authentication method", before, _email_row(call))
    return None


_READ = ("Policy.Read.All", "Policy.ReadWrite.AuthenticationMethod")
_WRITE = ("Policy.ReadWrite.AuthenticationMethod",)
_ONE = f"/{_CONFIGURATIONS}/<id>"

ROUTES = [
    Route("GET", f"/{_POLICY}", _READ, _policy, gives="authenticationMethodsPolicy"),
    Route("GET", _ONE, _READ, _configuration, gives="emailAuthenticationMethodConfiguration"),
    Route("PATCH", _ONE, _WRITE, _change, "Update authentication method", body=EmailMethodDocument),
]
