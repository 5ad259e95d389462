"""The API over a tenant in memory, called with tokens of our own that hold the roles a test chooses."""

from __future__ import annotations

import secrets
import uuid
from datetime import UTC, datetime, timedelta

from flask import Flask

from b2b_idp.graph import GraphParts, beta_blueprint, graph_blueprint
from b2b_idp.guests.apps import create_app, graph_service_principal
from b2b_idp.guests.permissions import PERMISSIONS, role_id
from b2b_idp.keys.ring import KeyRing
from b2b_idp.keys.vault import Vault
from b2b_idp.model.directory import RoleAssignment, Tenant
from b2b_idp.model.moment import Moment
from b2b_idp.model.problem import Code, Problem
from b2b_idp.signin.whatif import WhatIf
from b2b_idp.store import Store

ISSUER = "https://idp.contoso.example/idp"
BASE = ISSUER + "/v1.0"
NOBODY = "99999999-0000-0000-0000-000000000000"


AT = datetime(2026, 6, 1, 10, tzinfo=UTC)


def moment(at=AT):
    return Moment(at, lambda: str(uuid.uuid4()), lambda: secrets.token_urlsafe(32))


KEYS = KeyRing.in_memory(moment())
"""Made once: RSA keys take their time."""


def https_only(url):
    if not url.startswith("https://"):
        raise Problem(Code.BAD_REQUEST, "issuer: https is needed.")


class Api:
    def __init__(self, requests=100_000):
        self.at = AT
        self.vault, self.keys = Vault(b"k" * 32), KEYS
        self.store = Store("sqlite://", self.vault)
        with self.store.write() as w:
            self.tenant = Tenant(str(uuid.uuid4()), "Contoso", "contoso.example", self.at)
            w.documents.create_tenant(self.tenant)
            self.graph = graph_service_principal(w, self.moment())
            self.client = create_app(w, {"displayName": "Caller"}, self.moment())
        parts = GraphParts(
            issuer=ISSUER,
            store=self.store,
            vault=self.vault,
            keys=self.keys,
            moment=self.moment,
            evaluate=WhatIf(ISSUER, self.vault).evaluate,
            check_issuer=https_only,
            requests=requests,
        )
        app = Flask(__name__)
        app.register_blueprint(graph_blueprint(parts, "b2b_idp"), url_prefix="/idp/v1.0")
        app.register_blueprint(beta_blueprint(parts, "b2b_idp"), url_prefix="/idp/beta")
        self.http = app.test_client()

    def moment(self):
        return moment(self.at)

    def token(self, *roles, **claims):
        now = int(self.at.timestamp())
        signed = {
            "iss": ISSUER,
            "aud": ISSUER,
            "tid": self.tenant.id,
            "jti": str(uuid.uuid4()),
            "client_id": self.client.app_id,
            "idtyp": "app",
            "roles": list(roles),
            "iat": now,
            "exp": now + int(timedelta(minutes=10).total_seconds()),
        }
        return self.keys.signer("ES256", self.at).sign(signed | claims, "at+jwt")

    def call(self, method, path, body=None, roles=tuple(PERMISSIONS), **more):
        headers = {"Authorization": f"Bearer {self.token(*roles)}"} | more.pop("headers", {})
        if body is not None:
            more["json"] = body
        return self.http.open("/idp/v1.0" + path, method=method, headers=headers, **more)

    def get(self, path, **more):
        answer = self.call("GET", path, **more)
        assert answer.status_code == 200, answer.text
        return answer.json

    def made(self, path, body):
        answer = self.call("POST", path, body)
        assert answer.status_code == 201, answer.text
        return answer.json

    def refused(self, method, path, body=None, **more):
        """(status, Graph's code) of a refusal in Graph's shape."""
        answer = self.call(method, path, body, **more)
        assert answer.is_json, answer.text
        return answer.status_code, answer.json["error"]["code"]

    # --- the world ---

    def guest(self, email="alice@fabrikam.example", **more):
        asked = {"invitedUserEmailAddress": email, "inviteRedirectUrl": "https://app.contoso.example/"}
        return self.made("/invitations", asked | more)["invitedUser"]["id"]

    def app(self, name="CRM", **more):
        """(application, explicit service principal)."""
        application = self.made("/applications", {"displayName": name} | more)
        return application, self.made("/servicePrincipals", {"appId": application["appId"]})

    def provider(self, issuer="https://idp.fabrikam.example", domains=(), **more):
        return {
            "@odata.type": "#microsoft.graph.oidcIdentityProvider",
            "displayName": "Fabrikam",
            "clientId": "contoso",
            "issuer": issuer,
            "wellKnownEndpoint": issuer + "/.well-known/openid-configuration",
            "responseType": "code",
            "scope": "openid profile email",
            "clientAuthentication": {
                "@odata.type": "#microsoft.graph.oidcClientSecretAuthentication",
                "clientSecret": "not-a-real-secret",
            },
            "b2bIdp": {"domains": list(domains)},
        } | more

    def grant(self, sp_id, *permissions):
        with self.store.write() as w:
            for name in permissions:
                w.apps.assign(
                    RoleAssignment(
                        str(uuid.uuid4()), sp_id, "ServicePrincipal", self.graph.sp_id, role_id(name), self.at
                    )
                )
