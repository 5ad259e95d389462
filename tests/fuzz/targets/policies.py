"""Policies as JSON: conditional access and what it names, cross-tenant access, identity providers, claims mapping. What
is taken is also read as the store reads what it keeps, which never refuses."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from typing import Any

from b2b_idp.claims.mapping import compile_mapping, compile_stored
from b2b_idp.graph.body import MAX_DEPTH, bad
from b2b_idp.model.problem import Problem
from b2b_idp.model.strict_json import read_json
from b2b_idp.policy.access_documents import access_policy_of
from b2b_idp.policy.documents import home_of, partner_of
from b2b_idp.policy.named_documents import Named, agreement_of, context_of, location_of, strength_of
from b2b_idp.policy.stored import stored_policy_of
from tests.fuzz.mutation import Mutator

ID = "6b2f0c1e-0000-4000-8000-000000000001"
MAPPINGS = [p["definition"] for p in json.loads((Path(__file__).parents[2] / "claims" / "policies.json").read_text())]
SOURCES: Mapping[str, Mapping[str, Any]] = {
    "user": {
        "displayname": "Alice",
        "mail": "Alice@Fabrikam.example",
        "othermail": ["a", "b"],
        "department": "x" * 300,
    },
    "application": {"displayname": "CRM", "objectid": "c-1", "tags": ["gold"]},
    "resource": {"displayname": "Pay", "objectid": "p-1", "tags": None},
    "audience": {"displayname": "Pay", "objectid": "p-1", "tags": None},
    "company": {"tenantcountry": "CH"},
}
ACCESS = {
    "displayName": "MFA for guests",
    "state": "enabled",
    "conditions": {
        "users": {
            "includeUsers": ["GuestsOrExternalUsers"],
            "excludeUsers": [ID],
            "includeGroups": [ID],
            "includeGuestsOrExternalUsers": {
                "guestOrExternalUserTypes": "b2bCollaborationGuest,internalGuest",
                "externalTenants": {"membershipKind": "enumerated", "members": [ID]},
            },
        },
        "applications": {"includeApplications": ["All"], "excludeApplications": [ID]},
        "clientAppTypes": ["all"],
        "locations": {"includeLocations": ["All"], "excludeLocations": ["AllTrusted"]},
    },
    "grantControls": {"operator": "OR", "builtInControls": ["mfa"], "termsOfUse": []},
    "sessionControls": {
        "signInFrequency": {"isEnabled": True, "type": "hours", "value": 4, "frequencyInterval": "timeBased"},
        "persistentBrowser": {"isEnabled": True, "mode": "never"},
    },
}
PARTNER = {
    "tenantId": ID,
    "inboundTrust": {"isMfaAccepted": True, "isCompliantDeviceAccepted": False},
    "b2bCollaborationInbound": {
        "usersAndGroups": {"accessType": "allowed", "targets": [{"target": "AllUsers", "targetType": "user"}]},
        "applications": {"accessType": "blocked", "targets": [{"target": ID, "targetType": "application"}]},
    },
    "automaticUserConsentSettings": {"inboundAllowed": True},
    "b2bIdp": {"whenHomeCannot": "challengeHere", "mfaMaxAge": "PT12H", "trustedAttributes": ["department"]},
}
PROVIDER = {
    "@odata.type": "#microsoft.graph.oidcIdentityProvider",
    "displayName": "Fabrikam",
    "clientId": "b2b-idp",
    "issuer": "https://login.fabrikam.example",
    "wellKnownEndpoint": "https://login.fabrikam.example/.well-known/openid-configuration",
    "scope": "openid profile email",
    "responseType": "code",
    "inboundClaimMapping": {"sub": "sub", "email": "upn", "address": {"country": "c"}},
    "b2bIdp": {
        "domains": ["fabrikam.example"],
        "authenticationContext": {
            "profile": "rfc8176",
            "amr": {"face": ["biometric"]},
            "acr": {"2": ["mfa"]},
            "stepUp": {"with": "acr_values", "values": ["2"]},
        },
    },
}
LOCATION = {
    "@odata.type": "#microsoft.graph.ipNamedLocation",
    "displayName": "HQ",
    "isTrusted": True,
    "ipRanges": [{"@odata.type": "#microsoft.graph.iPv4CidrRange", "cidrAddress": "192.0.2.0/24"}],
}
STRENGTH = {
    "displayName": "Strong",
    "allowedCombinations": ["fido2", "password,softwareOath"],
    "combinationConfigurations": [{"appliesToCombinations": ["fido2"], "allowedAAGUIDs": [ID]}],
}
AGREEMENT = {
    "displayName": "Terms",
    "file": {
        "localizations": [{"fileName": "t", "language": "en", "isDefault": True, "fileData": {"data": "SGVsbG8="}}]
    },
}
CONTEXT = {"id": "c1", "displayName": "Payments", "description": "More", "isAvailable": True}
WORDS = (
    *(
        "All",
        "None",
        "AllTrusted",
        "AllUsers",
        "AllApplications",
        "block",
        "mfa",
        "AND",
        "OR",
        "everyTime",
        "days",
        "PT1H",
    ),
    *("enabled", "disabled", "grantControls", "authenticationStrength", "termsOfUse", "@odata.type", "locations", "id"),
    *("Version", "ClaimsSchema", "ClaimsTransformations", "Join", "RegexReplace", "ToLowercase()", "ExtractMailPrefix"),
    *(
        "Source",
        "ID",
        "JwtClaimType",
        "Value",
        "TransformationId",
        "GroupFilter",
        "audienceOverride",
        "sub",
        "iss",
        "groups",
    ),
    *("{a}{b}{c}", "(?<a>.*)@(?<b>.*)", "(a|b)*c", "(?'x'y)", "10.0.0.0/33", "::ffff:1.2.3.4/128", ID),
)


KINDS: Mapping[str, tuple[Mapping[str, Any], Callable[[Any], object]]] = {
    "access": (ACCESS, lambda given: access_policy_of(ID, given, Named())),
    "partner": (PARTNER, lambda given: partner_of(ID, given)),
    "provider": (PROVIDER, lambda given: home_of(ID, given, None)),
    "location": (LOCATION, lambda given: location_of(ID, given)),
    "strength": (STRENGTH, lambda given: strength_of(ID, given)),
    "agreement": (AGREEMENT, lambda given: agreement_of(ID, given)),
    "context": (CONTEXT, lambda given: context_of("c1", given)),
}


LARGEST = 1024 * 1024
"""Characters of a body that the Graph API reads at all."""


class Policies:
    def make(self, random: Random) -> tuple[str, str]:
        """What kind of document, and its JSON."""
        edit = Mutator(random, WORDS)
        if edit.often(0.35):
            return "mapping", edit.written(self._mapping(edit, random.choice(MAPPINGS)))
        kind = random.choice(("access", *KINDS))
        return kind, edit.written(edit.document(KINDS[kind][0]) if edit.often(0.95) else KINDS[kind][0])

    def _mapping(self, edit: Mutator, definition: Any) -> Any:
        """A definition with its text edited as the JSON that it is, or as text."""
        if not (isinstance(definition, list) and isinstance(definition[0], str)):
            return edit.document(definition)
        policy = edit.document(json.loads(definition[0]))
        return edit.document([edit.written(policy)]) if edit.often(0.1) else [edit.written(policy)]

    def give(self, made: tuple[str, str]) -> bool:
        kind, text = made
        if len(text) > LARGEST:
            return False
        try:
            document = read_json(text, depth=MAX_DEPTH, fail=lambda why: bad(f"The body {why}."))
        except Problem:
            return False
        if kind == "mapping":
            compile_stored(document).apply(SOURCES)
            return self._taken(lambda: compile_mapping(document).apply(SOURCES))
        if not isinstance(document, dict):
            return False
        if kind == "access":
            stored_policy_of(ID, document, Named())
        return self._taken(lambda: KINDS[kind][1](document))

    def _taken(self, read: Callable[[], object]) -> bool:
        try:
            read()
        except Problem:
            return False
        return True

    def close(self) -> None: ...
