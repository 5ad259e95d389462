"""The signing keys of service principals: how they are shown, and `addTokenSigningCertificate`."""

from __future__ import annotations

from base64 import b64encode
from typing import Annotated, Any

from pydantic import StringConstraints

from b2b_idp.graph.api import Answer, Call, Route, writer
from b2b_idp.graph.apps import find_app, guard
from b2b_idp.graph.body import instant
from b2b_idp.graph.key_credentials import key_credentials
from b2b_idp.guests.app_keys import add_certificate, verify_id
from b2b_idp.model.moment import iso
from b2b_idp.policy.documents import Document, parse


class AddTokenSigningCertificate(Document):
    """The body of addTokenSigningCertificate."""

    displayName: Annotated[str, StringConstraints(max_length=256)]
    endDateTime: Annotated[str, StringConstraints(max_length=40)] | None = None


def _add_certificate(call: Call, id: str) -> Answer:
    row = find_app(call, id, sp=True)
    guard(call, row)
    asked = parse(AddTokenSigningCertificate, call.body())
    ends_at = None if asked.endDateTime is None else instant("endDateTime", asked.endDateTime)
    w = writer(call)
    before = key_credentials(w.app_keys.of(row.id))
    key = add_certificate(w, row, asked.displayName, ends_at, call.moment)
    after = key_credentials(w.app_keys.of(row.id))
    call.target(
        "ServicePrincipal",
        row.sp_id,
        row.application["displayName"],
        {"keyCredentials": before},
        {"keyCredentials": after},
    )
    shown: dict[str, Any] = {
        "customKeyIdentifier": b64encode(bytes.fromhex(key.thumbprint)).decode(),
        "displayName": key.display_name,
        "endDateTime": iso(key.ends_at),
        "key": b64encode(key.certificate).decode(),
        "keyId": verify_id(key),
        "startDateTime": iso(key.starts_at),
        "thumbprint": key.thumbprint,
        "type": "AsymmetricX509Cert",
        "usage": "Verify",
    }
    return {"@odata.context": call.context("microsoft.graph.selfSignedCertificate")} | shown


ROUTES = [
    Route(
        "POST",
        "/servicePrincipals/<id>/addTokenSigningCertificate",
        ("Application.ReadWrite.All",),
        _add_certificate,
        "Add token signing certificate",
        "ApplicationManagement",
        body=AddTokenSigningCertificate,
        gives="selfSignedCertificate",
    ),
]
