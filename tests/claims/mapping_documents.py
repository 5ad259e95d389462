"""Claims mapping policies for tests: short to write, and read as their JSON."""

from __future__ import annotations

import json

from b2b_idp.claims.mapping import compile_mapping

ALICE = {
    "displayname": "Alice Alder",
    "mail": "Alice@Fabrikam.example",
    "department": "Sales",
    "employeeid": "E77",
    "country": None,
    "city": "",
    "othermail": ["a@litware.example", "b@litware.example"],
    "accountenabled": True,
    "assignedroles": ["Reader", "Approver"],
    "extensionattribute1": "north",
    "extension_0123456789abcdef0123456789abcdef_teams": ["red", "blue"],
}
SOURCES = {
    "user": ALICE,
    "application": {"displayname": "CRM", "objectid": "c-1", "tags": ["gold", "silver"]},
    "resource": {"displayname": "Pay", "objectid": "p-1", "tags": None},
    "audience": {"displayname": "Pay", "objectid": "p-1", "tags": None},
    "company": {"tenantcountry": "CH"},
}


def user(id, claim=None, **more):
    return {"Source": "user", "ID": id} | ({"JwtClaimType": claim} if claim else {}) | more


def made_by(transformation, claim=None, id=None, **more):
    """An entry that takes a transformation's output, which is called like the transformation."""
    entry = {"Source": "transformation", "ID": id or transformation, "TransformationId": transformation}
    return entry | ({"JwtClaimType": claim} if claim else {}) | more


def transformation(id, method, inputs, parameters=None, output=None, **more):
    """`inputs`: the method's name for an input → ID of an entry; `parameters`: name → text."""
    return {
        "ID": id,
        "TransformationMethod": method,
        "InputClaims": [{"ClaimTypeReferenceId": r, "TransformationClaimType": n} for n, r in inputs.items()],
        "InputParameters": [{"ID": name, "Value": value} for name, value in (parameters or {}).items()],
        "OutputClaims": [{"ClaimTypeReferenceId": output or id, "TransformationClaimType": "outputClaim"}],
    } | more


def document(*entries, **members):
    return {"ClaimsMappingPolicy": {"Version": 1, "ClaimsSchema": list(entries)} | members}


def definition(*entries, **members):
    return [json.dumps(document(*entries, **members))]


def applied(*entries, sources=SOURCES, **members):
    return compile_mapping(document(*entries, **members)).apply(sources)


def claims(*entries, **more):
    return {c.name: c.value for c in applied(*entries, **more)}


def transformed(method, inputs, parameters=None, *entries, **more):
    """The one claim that a transformation of these inputs makes."""
    feeding = [user(id) for id in dict.fromkeys(inputs.values())]
    made = applied(
        made_by("T", "made"),
        *feeding,
        *entries,
        ClaimsTransformation=[transformation("T", method, inputs, parameters)],
        **more,
    )
    return made[0]
