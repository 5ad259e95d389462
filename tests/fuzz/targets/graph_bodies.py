"""Bodies and addresses of the Graph API, as an administrator's app might send them in error or malice."""

from __future__ import annotations

import json
from random import Random
from typing import Any

from tests.fuzz.mutation import Mutator
from tests.fuzz.targets.filters import SEEDS
from tests.fuzz.targets.policies import ACCESS, LOCATION, PARTNER, PROVIDER, STRENGTH
from tests.fuzz.targets.provider import Provider, query_of

INVITATION = {
    "invitedUserEmailAddress": "ben@fabrikam.example",
    "inviteRedirectUrl": "http://127.0.0.1:9/",
    "invitedUserDisplayName": "Ben",
    "invitedUserMessageInfo": {"messageLanguage": "de", "customizedMessageBody": "Hi", "ccRecipients": []},
    "sendInvitationMessage": False,
}
GROUP = {
    "displayName": "G",
    "mailNickname": "g",
    "mailEnabled": False,
    "securityEnabled": True,
    "groupTypes": ["DynamicMembership"],
    "membershipRule": 'user.department -eq "Sales"',
    "membershipRuleProcessingState": "On",
}
APP = {
    "displayName": "A",
    "web": {"redirectUris": ["https://app.example/cb"]},
    "optionalClaims": {"idToken": [{"name": "email"}]},
    "appRoles": [],
    "b2bIdp": {"jwks": {"keys": [{"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}]}},
}
BATCH = {"requests": [{"id": "1", "method": "GET", "url": "/users?$top=1"}, {"id": "2", "method": "GET", "url": "/me"}]}
EVALUATE = {"userId": "x", "appId": "y", "home": {"tenantId": "z", "amr": ["pwd"]}}
BODIES: tuple[tuple[str, str, Any], ...] = (
    ("POST", "/invitations", INVITATION),
    ("POST", "/groups", GROUP),
    ("POST", "/applications", APP),
    ("POST", "/$batch", BATCH),
    ("POST", "/identity/conditionalAccess/evaluate", EVALUATE),
    ("POST", "/identity/conditionalAccess/policies", ACCESS),
    ("POST", "/identity/conditionalAccess/namedLocations", LOCATION),
    ("POST", "/policies/authenticationStrengthPolicies", STRENGTH),
    ("POST", "/policies/crossTenantAccessPolicy/partners", PARTNER),
    ("POST", "/identity/identityProviders", PROVIDER),
)
LISTS = ("/users", "/groups", "/applications", "/servicePrincipals", "/auditLogs/signIns", "/auditLogs/directoryAudits")
WORDS = (
    "id",
    "@odata.type",
    "members@odata.bind",
    "$ref",
    "displayName",
    "null",
    "mail",
    "b2bIdp",
    "value",
    "GET",
    "/users",
)


class GraphBodies:
    def __init__(self) -> None:
        self._provider = Provider()
        self._bearer = f"Bearer {self._provider.kit.admin_token()}"

    def make(self, random: Random) -> tuple[str, str, bytes]:
        """Method, path with query, body. Hardly any makes something, so that the directory stays small."""
        edit = Mutator(random, WORDS)
        if edit.often(0.5):
            pairs = [("$filter", edit.text(random.choice(SEEDS)))]
            if edit.often(0.3):
                pairs.append((random.choice(("$orderby", "$top", "$search", "$skiptoken")), edit.text("displayName")))
            return "GET", f"/v1.0{random.choice(LISTS)}?{query_of(pairs, edit.often(0.1))}", b""
        method, path, body = random.choice(BODIES)
        edited = edit.document(body)
        if isinstance(edited, dict) and edit.often(0.9):
            edited["unheardOf"] = 1
        raw = edit.written(edited).encode("utf-8", "surrogatepass")
        return method, f"/v1.0{path}", edit.raw(raw) if edit.often(0.05) else raw

    def give(self, made: tuple[str, str, bytes]) -> bool:
        method, path, body = made
        headers = {"Authorization": self._bearer} | ({"Content-Type": "application/json"} if method == "POST" else {})
        status, _, data = self._provider.ask(method, path, headers, body if method == "POST" else None)
        if status < 400:
            return True
        error = json.loads(data)["error"]
        assert error["code"], error
        assert error["message"], error
        return False

    def close(self) -> None:
        self._provider.close()
