"""Who exists in the demo: the provider, a trusted and an untrusted home tenant, and a SaaS app, on loopback.

Built from the parts that users have: `B2BIdp` in a Flask app, its Graph API over HTTP, the scripted home tenant of the
test kit, and the sample app.
"""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import urllib3
from flask import Flask, Response
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from b2b_idp.demo.mailbox import mailbox_blueprint
from b2b_idp.demo.phone import Authenticator, phone_blueprint
from b2b_idp.demo.tokens import token_blueprint
from b2b_idp.extension import B2BIdp
from b2b_idp.testing.home_tenant import Account, ScriptedHome
from b2b_idp.testing.walker import Page, Walker
from sample_app import create_app

MFA_ACR = "https://refeds.org/profile/mfa"
PASSWORD = "correct horse battery"


@dataclass(frozen=True)
class Person:
    """A guest of the demo, and what their home does when they sign in."""

    home: str
    email: str
    name: str
    habit: str
    mfa_always: bool = False


PEOPLE = (
    Person("fabrikam", "ada@fabrikam.example", "Ada Alder", "does MFA at home", mfa_always=True),
    Person("fabrikam", "ben@fabrikam.example", "Ben Birch", "signs in with a password only"),
    Person("northwind", "nora@northwind.example", "Nora Nut", "does MFA at home", mfa_always=True),
)
"""The guests that the demo walks through by itself."""

NEWCOMER = Person("northwind", "nils@northwind.example", "Nils Nord", "has not opened his invitation yet")
"""The guest left to whoever tries the demo: everything of a first time is still before him."""


@dataclass(frozen=True)
class DemoApp:
    """An app of the demo, as it is registered."""

    name: str
    client_id: str
    client_secret: str = field(repr=False)
    redirect_uri: str


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:
        """The demo's own lines are what is read."""


class _Server:
    """A Flask app on a loopback port, in a thread; https with a key and its certificate."""

    def __init__(self, app: Flask, port: int, tls: tuple[Path, Path] | None = None) -> None:
        self._server: BaseWSGIServer = make_server("127.0.0.1", port, app, threaded=True, request_handler=_Quiet)
        if tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(tls[1], tls[0])
            # the handshake waits for the request's own thread: browsers open connections and say nothing
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()


class World:
    """The running demo. `port` is the provider's; homes and app have the three after it. With `tls`, the files of a key
    and its certificate, the issuer is https with a path, at the fifth port; the demo's own pages stay at `url`."""

    def __init__(self, data: Path, port: int, tls: tuple[Path, Path] | None = None) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.issuer = self.url if tls is None else f"https://127.0.0.1:{port + 4}/contoso"
        self.app_url = f"http://127.0.0.1:{port + 3}"
        self.homes = {
            "fabrikam": self._home("fabrikam.example", port + 1),
            "northwind": self._home("northwind.example", port + 2),
        }
        self.idp = B2BIdp(
            issuer=self.issuer,
            database_url=f"sqlite:///{data / 'demo.sqlite3'}",
            keys_dir=str(data / "keys"),
            allow_private_upstreams=True,
        )
        made = self.idp.create("Contoso", "contoso.example")
        self._client_id, self._secret = made.client_id, made.client_secret
        self.tenant_id = made.tenant.id
        provider = Flask("b2b_idp_demo", static_folder=None)
        self.idp.init_app(provider)
        provider.register_blueprint(mailbox_blueprint(self.idp))
        self.phone: list[Authenticator] = []
        provider.register_blueprint(phone_blueprint(self.idp, self.phone))
        self.apps: dict[str, DemoApp] = {}
        self.people = (*PEOPLE, NEWCOMER)
        provider.register_blueprint(token_blueprint(self))
        self._start_page(provider)
        self._servers = [_Server(provider, port)]
        if tls is not None:
            self._servers.append(_Server(provider, port + 4, tls))
        for home in self.homes.values():
            home.start()
        self._http = urllib3.PoolManager(retries=False, timeout=20)
        self._token, self._token_until = "", 0.0
        self.tenant_ids: dict[str, str] = {}
        self.redeem_links: dict[str, str] = {}
        self._furnish(port + 3)

    def stop(self) -> None:
        for server in self._servers:
            server.stop()
        for home in self.homes.values():
            home.stop()
        self.idp.store.close()

    def administrator(self) -> dict[str, Any]:
        """What `b2b-idp init --json` says of an instance."""
        admin = {"clientId": self._client_id, "clientSecret": self._secret, "tokenEndpoint": f"{self.issuer}/token"}
        return {
            "issuer": self.issuer,
            "tenantId": self.tenant_id,
            "defaultDomain": "contoso.example",
            "graph": f"{self.issuer}/v1.0",
            "admin": admin,
        }

    def graph(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """One call to the Graph API as the administrator app, over HTTP."""
        if time.monotonic() > self._token_until:
            answered = self.token_request(
                grant_type="client_credentials",
                scope=f"{self.issuer}/.default",
                client_id=self._client_id,
                client_secret=self._secret,
            )
            self._token = answered["access_token"]
            self._token_until = time.monotonic() + answered["expires_in"] / 2
        answer = self._http.request(
            method,
            f"{self.issuer}/v1.0{path}",
            body=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"},
        )
        if answer.status >= 400:
            raise RuntimeError(f"{method} {path}: {answer.status} {answer.data.decode()}")
        return answer.json() if answer.data else None

    def token_request(self, **form: str) -> dict[str, Any]:
        """What the token endpoint answers, over HTTP; errors too."""
        answer = self._http.request("POST", f"{self.issuer}/token", fields=form, encode_multipart=False)
        document: dict[str, Any] = answer.json()
        return document

    def sign_in_at_home(self, walker: Walker, page: Page, person: Person) -> Page:
        """Fills in whatever the home's page asks for: account, password, second factor."""
        known = {"username": person.email, "password": PASSWORD, "code": "123456"}
        fields = page.forms[0].fields
        return walker.submit(page, answers={name: known[name] for name in fields if name in known})

    def _home(self, domain: str, port: int) -> ScriptedHome:
        accounts = [
            Account(
                sub=p.email.partition("@")[0],
                email=p.email,
                name=p.name,
                given_name=p.name.split()[0],
                family_name=p.name.split()[1],
                password=PASSWORD,
                can_mfa=True,
                mfa_always=p.mfa_always,
            )
            for p in (*PEOPLE, NEWCOMER)
            if p.email.endswith("@" + domain)
        ]
        return ScriptedHome(domain, port=port, accounts=accounts)

    def _furnish(self, app_port: int) -> None:
        """Connects the homes, trusts one of them, registers the app, and invites the guests."""
        for name, home in self.homes.items():
            made = self.graph("POST", "/identity/identityProviders", _provider_of(name, home))
            self.tenant_ids[name] = made["b2bIdp"]["tenantId"]
            home.backchannel_logout_uri = made["b2bIdp"]["backChannelLogoutUri"]
        self.graph(
            "POST",
            "/policies/crossTenantAccessPolicy/partners",
            {"tenantId": self.tenant_ids["fabrikam"], "inboundTrust": {"isMfaAccepted": True}},
        )
        app = self.graph(
            "POST",
            "/applications",
            {
                "displayName": "Contoso Expenses",
                "web": {"redirectUris": [f"{self.app_url}/callback"], "homePageUrl": self.app_url},
                "api": {"acceptMappedClaims": True},
                "b2bIdp": {"postLogoutRedirectUris": [f"{self.app_url}/"]},
            },
        )
        sp = self.graph("POST", "/servicePrincipals", {"appId": app["appId"]})
        secret = self.graph("POST", f"/applications/{app['id']}/addPassword", {"passwordCredential": {}})
        self.apps[app["displayName"]] = DemoApp(
            app["displayName"], app["appId"], secret["secretText"], f"{self.app_url}/callback"
        )
        self._map_claims(sp["id"])
        self.graph("POST", "/identity/conditionalAccess/policies", _mfa_policy(app["appId"]))
        for person in (*PEOPLE, NEWCOMER):
            invited = self.graph(
                "POST",
                "/invitations",
                {
                    "invitedUserEmailAddress": person.email,
                    "invitedUserDisplayName": person.name,
                    "inviteRedirectUrl": self.app_url,
                    "sendInvitationMessage": True,
                },
            )
            self.redeem_links[person.email] = invited["inviteRedeemUrl"]
            company = {"companyName": person.home.capitalize(), "department": "Sales"}
            self.graph("PATCH", f"/users/{invited['invitedUser']['id']}", company)
        sample = create_app(
            {
                "OIDC_ISSUER": self.issuer,
                "OIDC_CLIENT_ID": app["appId"],
                "OIDC_CLIENT_SECRET": secret["secretText"],
                "BASE_URL": self.app_url,
            }
        )
        self._servers.append(_Server(sample, app_port))

    def _map_claims(self, sp_id: str) -> None:
        schema = [
            {"Source": "user", "ID": "companyname", "JwtClaimType": "company"},
            {"Source": "user", "ID": "department", "JwtClaimType": "department"},
        ]
        text = json.dumps({"ClaimsMappingPolicy": {"Version": 1, "ClaimsSchema": schema}})
        policy = self.graph(
            "POST",
            "/policies/claimsMappingPolicies",
            {"displayName": "Claims of Contoso Expenses", "definition": [text]},
        )
        reference = f"{self.issuer}/v1.0/policies/claimsMappingPolicies/{policy['id']}"
        self.graph("POST", f"/servicePrincipals/{sp_id}/claimsMappingPolicies/$ref", {"@odata.id": reference})

    def _start_page(self, provider: Flask) -> None:
        @provider.get("/")
        def start() -> Response:
            return Response(status=302, headers={"Location": self.app_url})


def _provider_of(name: str, home: ScriptedHome) -> dict[str, Any]:
    return {
        "@odata.type": "#microsoft.graph.oidcIdentityProvider",
        "displayName": name.capitalize(),
        "clientId": home.client_id,
        "issuer": home.issuer,
        "wellKnownEndpoint": f"{home.issuer}/.well-known/openid-configuration",
        "responseType": "code",
        "scope": "openid profile email",
        "clientAuthentication": {
            "@odata.type": "#microsoft.graph.oidcClientSecretAuthentication",
            "clientSecret": home.client_secret,
        },
        "b2bIdp": {
            "domains": [f"{name}.example"],
            "authenticationContext": {
                "profile": "rfc8176",
                "stepUp": {"with": "acr_values", "values": [MFA_ACR]},
            },
        },
    }


def _mfa_policy(app_id: str) -> dict[str, Any]:
    return {
        "displayName": "MFA for guests of Contoso Expenses",
        "state": "enabled",
        "conditions": {
            "users": {"includeUsers": ["GuestsOrExternalUsers"]},
            "applications": {"includeApplications": [app_id]},
            "clientAppTypes": ["all"],
        },
        "grantControls": {"operator": "OR", "builtInControls": ["mfa"]},
    }
