"""The test kit: a whole provider in the test's process, home tenants that say what the test tells them to, and
sign-ins through the same code as the wire."""

from __future__ import annotations

import base64
import json
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from flask import Flask
from werkzeug.serving import make_server

from b2b_idp.extension import B2BIdp, system_moment
from b2b_idp.keys.ring import KeyRing
from b2b_idp.testing.guest import GuestDriver
from b2b_idp.testing.home_tenant import Account, ScriptedHome
from b2b_idp.testing.passkey import SoftwarePasskey
from b2b_idp.testing.walker import SocketTransport, Walker

CALLBACK = "https://app.example/callback"

ALWAYS = {"startDateTime": "2000-01-01T00:00:00Z", "endDateTime": "2200-01-01T00:00:00Z"}
"""A secret's life that no time travel of a test leaves."""
LONGEST_TRIP = 3600
"""Seconds back in time that the administrator's token is still used."""

_ring_lock = threading.Lock()
_rings: list[KeyRing] = []


def _shared_ring() -> KeyRing:
    """Signing keys made once a process: an RSA key costs more than a whole test."""
    with _ring_lock:
        if not _rings:
            _rings.append(KeyRing.in_memory(system_moment()))
        return _rings[0]


@dataclass(frozen=True)
class KitHome:
    """A home tenant: a real OpenID provider on loopback that answers what the test says."""

    domain: str
    tenant_id: str
    provider: ScriptedHome


@dataclass(frozen=True)
class KitGuest:
    """An invited guest, with the browser that stays theirs over several sign-ins."""

    id: str
    email: str
    redeem_url: str
    driver: GuestDriver = field(repr=False)


@dataclass(frozen=True)
class KitApp:
    """A registered SaaS app."""

    client_id: str
    client_secret: str = field(repr=False)
    sp_id: str
    object_id: str
    scope: str = "openid profile email offline_access"


@dataclass(frozen=True)
class Because:
    """A reason of a decision, as the sign-in log has it."""

    code: str
    text: str
    policy_id: str | None = None


@dataclass(frozen=True)
class KitDecision:
    """What was decided in the end: allowed or refused, and the ordered reasons."""

    outcome: str
    reasons: list[Because]


@dataclass(frozen=True)
class SignedIn:
    """A finished sign-in. `id_token` and `access_token` are verified claims; both are None when it was refused."""

    id_token: dict[str, Any] | None
    access_token: dict[str, Any] | None
    tokens: dict[str, Any] = field(repr=False)
    asked: list[dict[str, str]]
    """Every question for another factor, in order: {"where": "home" | "here", "method": …}."""
    decision: KitDecision
    error: str | None = None
    """The OAuth error or the error page's code, when it was refused."""
    pages: list[str] = field(default_factory=list)
    """The pages of ours that the guest saw."""


class Kit:
    """`b2b_idp` in a test. `host`: of the issuer, a name of loopback; browsers have no passkeys for an address."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port: int = free.getsockname()[1]
        # nothing listens there until `serve`: requests of the kit go straight into the Flask application
        self._origin = f"http://{host}:{self._port}"
        self.issuer = f"{self._origin}/idp"
        self.flask = Flask("b2b_idp_kit", static_folder=None)
        self.idp = B2BIdp(
            self.flask,
            issuer=self.issuer,
            database_url="sqlite://",
            allow_private_upstreams=True,
            keys=_shared_ring(),
        )
        self._homes: dict[str, KitHome] = {}
        self._token: tuple[str, float] | None = None

    def close(self) -> None:
        for home in self._homes.values():
            home.provider.stop()
        self.idp.store.close()

    # --- the world ---------------------------------------------------------------------------------------------------

    def graph(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """A call to the Graph API as the administrator; the JSON answer, None when there is no body."""
        answer = self.flask.test_client().open(
            f"/idp/v1.0{path}",
            method=method,
            json=body,
            headers={"Authorization": f"Bearer {self._bearer()}"},
        )
        if answer.status_code >= 400:
            raise AssertionError(f"{method} {path}: {answer.status_code} {answer.get_data(as_text=True)}")
        return answer.get_json(silent=True)

    def _bearer(self) -> str:
        now = datetime.now(UTC).timestamp()
        if self._token is None or not self._token[1] - LONGEST_TRIP < now < self._token[1]:
            # a new administrator each time: a test that travels in time outlives any secret
            made = self.idp.create("Contoso", "contoso.example")
            answer = self._token_request(
                (made.client_id, made.client_secret),
                {"grant_type": "client_credentials", "scope": f"{self.issuer}/.default"},
            )
            self._token = (answer["access_token"], now + answer["expires_in"] / 2)
        return self._token[0]

    def _token_request(self, client: tuple[str, str], form: Mapping[str, str]) -> dict[str, Any]:
        answer = self.flask.test_client().post("/idp/token", data=dict(form), auth=client)
        document: dict[str, Any] = answer.get_json()
        return document

    def home_tenant(
        self,
        domain: str,
        *,
        trust_mfa: bool = False,
        profile: str = "rfc8176",
        when_home_cannot: str = "challengeHere",
        mfa_max_age: str | None = None,
        authentication_context: Mapping[str, Any] | None = None,
        own: bool = False,
    ) -> KitHome:
        """Connects a home tenant that is authoritative for `domain`, and says whether its MFA is accepted. `own`: it is
        the organisation's own provider, where members sign in."""
        provider = ScriptedHome(domain)
        provider.start()
        context = {
            "profile": profile,
            "stepUp": {"with": "acr_values", "values": ["https://refeds.org/profile/mfa"]},
        }
        created = self.graph(
            "POST",
            "/identity/identityProviders",
            {
                "@odata.type": "#microsoft.graph.oidcIdentityProvider",
                "displayName": domain.partition(".")[0].capitalize(),
                "clientId": provider.client_id,
                "issuer": provider.issuer,
                "wellKnownEndpoint": provider.issuer + "/.well-known/openid-configuration",
                "responseType": "code",
                "scope": "openid profile email",
                "clientAuthentication": {
                    "@odata.type": "#microsoft.graph.oidcClientSecretAuthentication",
                    "clientSecret": provider.client_secret,
                },
                "b2bIdp": {
                    "domains": [domain],
                    "own": own,
                    "authenticationContext": context | dict(authentication_context or {}),
                },
            },
        )
        tenant_id = created["b2bIdp"]["tenantId"]
        if not own:
            self.graph(
                "POST",
                "/policies/crossTenantAccessPolicy/partners",
                {
                    "tenantId": tenant_id,
                    "inboundTrust": {"isMfaAccepted": trust_mfa},
                    "b2bIdp": {"whenHomeCannot": when_home_cannot, "mfaMaxAge": mfa_max_age},
                },
            )
        home = KitHome(domain, tenant_id, provider)
        self._homes[domain] = home
        return home

    def invite(self, email: str, **properties: Any) -> KitGuest:
        """Invites an address; further arguments are directory properties by Graph name (department=…)."""
        invitation = self.graph(
            "POST",
            "/invitations",
            {
                "invitedUserEmailAddress": email,
                "inviteRedirectUrl": CALLBACK.rsplit("/", 1)[0],
                "invitedUserDisplayName": properties.pop("display_name", email.partition("@")[0].title()),
            },
        )
        user_id = invitation["invitedUser"]["id"]
        if properties:
            self.graph("PATCH", f"/users/{user_id}", properties)
        return KitGuest(user_id, email, invitation["inviteRedeemUrl"], self._driver())

    def member(self, upn: str, **properties: Any) -> KitGuest:
        """A member of the organisation, who signs in at its own provider (`home_tenant(…, own=True)`)."""
        name = {"displayName": upn.partition("@")[0].title()}
        user = self.graph("POST", "/users", {"userPrincipalName": upn} | name | properties)
        return KitGuest(user["id"], upn, "", self._driver())

    def _driver(self) -> GuestDriver:
        return GuestDriver(Walker(self._transport(), CALLBACK.rsplit("/", 1)[0]), self._mailed_code)

    def app(
        self,
        name: str,
        *,
        requires: str | None = None,
        claims: Mapping[str, str] | None = None,
        assignment_required: bool = False,
        **application: Any,
    ) -> KitApp:
        """Registers a SaaS app. `requires="mfa"` makes a conditional access policy for it; `claims` maps JWT claim →
        user attribute ID; further arguments are properties of Graph's application."""
        made = self.graph(
            "POST", "/applications", {"displayName": name, "web": {"redirectUris": [CALLBACK]}} | application
        )
        sp = self.graph("POST", "/servicePrincipals", {"appId": made["appId"]})
        secret = self.graph("POST", f"/applications/{made['id']}/addPassword", {"passwordCredential": ALWAYS})
        if assignment_required:
            self.graph("PATCH", f"/servicePrincipals/{sp['id']}", {"appRoleAssignmentRequired": True})
        if requires == "mfa":
            self.require_mfa(made["appId"])
        elif requires is not None:
            raise ValueError(f"requires={requires!r} is not known; say 'mfa'")
        if claims:
            schema = [{"Source": "user", "ID": id, "JwtClaimType": claim} for claim, id in claims.items()]
            text = json.dumps({"ClaimsMappingPolicy": {"Version": 1, "ClaimsSchema": schema}})
            policy = self.graph(
                "POST",
                "/policies/claimsMappingPolicies",
                {"displayName": f"{name} claims", "definition": [text]},
            )
            self.graph("PATCH", f"/applications/{made['id']}", {"api": {"acceptMappedClaims": True}})
            self.graph(
                "POST",
                f"/servicePrincipals/{sp['id']}/claimsMappingPolicies/$ref",
                {"@odata.id": f"{self.issuer}/v1.0/policies/claimsMappingPolicies/{policy['id']}"},
            )
        return KitApp(made["appId"], secret["secretText"], sp["id"], made["id"])

    def require_mfa(self, app_id: str = "All", state: str = "enabled", **users: Any) -> str:
        """A conditional access policy that asks guests for MFA; its id."""
        everybody = {"includeUsers": ["GuestsOrExternalUsers"]}
        policy = self.graph(
            "POST",
            "/identity/conditionalAccess/policies",
            {
                "displayName": f"MFA for guests of {app_id}",
                "state": state,
                "conditions": {
                    "users": users or everybody,
                    "applications": {"includeApplications": [app_id]},
                    "clientAppTypes": ["all"],
                },
                "grantControls": {"operator": "OR", "builtInControls": ["mfa"]},
            },
        )
        return str(policy["id"])

    # --- signing in --------------------------------------------------------------------------------------------------

    def sign_in(
        self,
        guest: KitGuest,
        app: KitApp,
        *,
        amr: Sequence[str] | None = ("pwd",),
        acr: str | None = None,
        auth_time: int | None = None,
        step_up: Sequence[str] | None = None,
        passkey: SoftwarePasskey | None = None,
        **parameters: str,
    ) -> SignedIn:
        """Signs `guest` in to `app` over the wire. `amr`, `acr`, `auth_time` (NumericDate; default now) are what the
        home says unasked; `step_up` is the amr it answers with when it is asked for MFA and `amr` is not MFA (default:
        it cannot, and answers the same). `passkey` is in the guest's hand from now on: registered where one may be,
        used where one is asked for. Further arguments are authorization request parameters (prompt="login")."""
        guest.driver.passkey = passkey or guest.driver.passkey
        domain = guest.email.rpartition("@")[2]
        home = self._homes.get(domain)
        if home is not None:
            home.provider.script(
                Account(
                    sub=f"{domain}-{guest.email}",
                    email=guest.email,
                    name=guest.email.partition("@")[0].title(),
                ),
                amr=amr,
                acr=acr,
                auth_time=auth_time,
                step_up=step_up,
            )
        before = len(home.provider.asked) if home else 0
        verifier = base64.urlsafe_b64encode(sha256(guest.id.encode()).digest()).decode().rstrip("=")
        challenge = base64.urlsafe_b64encode(sha256(verifier.encode()).digest()).decode().rstrip("=")
        query = {
            "client_id": app.client_id,
            "redirect_uri": CALLBACK,
            "response_type": "code",
            "scope": app.scope,
            "state": "kit",
            "nonce": "kit-nonce",
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            "login_hint": guest.email,
        } | parameters
        walk = guest.driver.walk(f"{self.issuer}/authorize?{urlencode(query)}")
        asked = [{"where": "home", "method": "mfa"} for _ in (home.provider.asked[before:] if home else ())]
        asked += [{"where": "here", "method": m} for m in walk.challenges]
        answer = {k: v[0] for k, v in parse_qs(urlsplit(walk.end.url).query).items()} if walk.finished else {}
        decision = self._decision()
        if "code" not in answer:
            error = answer.get("error") or walk.end.error or walk.end.name
            return SignedIn(None, None, {}, asked, decision, error, walk.pages)
        tokens = self._token_request(
            (app.client_id, app.client_secret),
            {
                "grant_type": "authorization_code",
                "code": answer["code"],
                "redirect_uri": CALLBACK,
                "code_verifier": verifier,
            },
        )
        if "id_token" not in tokens:
            return SignedIn(None, None, tokens, asked, decision, tokens.get("error"), walk.pages)
        return SignedIn(
            self.verify(tokens["id_token"], app.client_id),
            self.verify(tokens["access_token"]),
            tokens,
            asked,
            decision,
            None,
            walk.pages,
        )

    def verify(self, token: str, audience: str | None = None) -> dict[str, Any]:
        """A token's claims, its signature checked with the published keys."""
        import jwt

        jwks = jwt.PyJWKSet.from_dict(self.flask.test_client().get("/idp/jwks").get_json())
        header = jwt.get_unverified_header(token)
        claims: dict[str, Any] = jwt.decode(
            token,
            jwks[header["kid"]].key,
            algorithms=[header["alg"]],
            audience=audience,
            issuer=self.issuer,
            options={"verify_aud": audience is not None},
        )
        return claims

    def evaluate(self, guest: KitGuest, app: KitApp, home: KitHome, **asked: Any) -> dict[str, Any]:
        """The decision without a sign-in: `amr=[…]`, `acr=…`, `authTime=…`, `step_up_asked=True`, `session={…}`."""
        body: dict[str, Any] = {
            "userId": guest.id,
            "appId": app.client_id,
            "home": {"tenantId": home.tenant_id},
        }
        for name in ("amr", "acr", "authTime"):
            if name in asked:
                body["home"][name] = asked.pop(name)
        answer: dict[str, Any] = self.graph("POST", "/identity/conditionalAccess/evaluate", body | asked)
        return answer

    def _decision(self) -> KitDecision:
        with self.idp.store.read() as r:
            rows = r.logs.signins(most=1)
        if not rows:
            return KitDecision("none", [])
        ours = rows[0][1]["b2bIdp"]
        reasons = [Because(x["code"], x["text"], x["policyId"]) for x in ours["reasons"]]
        return KitDecision(ours["outcome"], reasons)

    def _mailed_code(self) -> str | None:
        """The newest code in the outbox: the kit's mailbox."""
        with self.idp.store.read() as r:
            return next((c for letter in r.outbox.latest(5) if (c := code_in(letter.body))), None)

    def _transport(self) -> Any:
        client = self.flask.test_client(use_cookies=False)
        sockets = SocketTransport()

        def exchange(
            method: str, url: str, headers: Mapping[str, str], body: bytes | None
        ) -> tuple[int, list[tuple[str, str]], bytes]:
            if not url.startswith(self.issuer):
                return sockets(method, url, headers, body)
            answer = client.open(
                url.removeprefix(self._origin),
                method=method,
                headers=list(headers.items()),
                data=body,
            )
            return answer.status_code, list(answer.headers.items()), answer.data

        return exchange

    @contextmanager
    def serve(self) -> Iterator[str]:
        """The provider listening at its issuer's address, for browser tests and apps in other languages."""
        server = make_server("127.0.0.1", self._port, self.flask, threaded=True)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield self.issuer
        finally:
            server.shutdown()
            thread.join()


def code_in(text: str) -> str | None:
    """The eight-digit code that a mail carries."""
    words = (w.strip(".,:") for w in text.replace(" ", "\n").split())
    return next((w for w in words if len(w) == 8 and w.isascii() and w.isdigit()), None)
