"""The kit's world, furnished through the Graph API as an administrator does: homes, guests, apps, groups, policies."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from flask import Flask

from b2b_idp.extension import B2BIdp
from b2b_idp.guests.invite import LIFETIME
from b2b_idp.testing.guest import GuestDriver
from b2b_idp.testing.home_tenant import ScriptedHome
from b2b_idp.testing.values import CALLBACK, KitApp, KitGroup, KitGuest, KitHome
from b2b_idp.testing.vendors import VENDORS
from b2b_idp.testing.walker import Walker
from b2b_idp.testing.wsgi import exchange

ALWAYS = {"startDateTime": "1970-01-01T00:00:00Z", "endDateTime": "2200-01-01T00:00:00Z"}
"""A secret's life that no time travel of a test leaves."""
LONGEST_TRIP = 3600
"""Seconds back in time that the administrator's token is still used."""


class Directory:
    """What exists at the provider. The base of `Kit`."""

    issuer: str
    flask: Flask
    idp: B2BIdp

    def __init__(self) -> None:
        self._homes: dict[str, KitHome] = {}
        self._invitations: dict[str, tuple[str, datetime]] = {}
        """User id → invitation, and when it lapses."""
        self._token: tuple[str, float] | None = None
        self._names: dict[str, str] = {}
        """Ids and addresses that were made, and what they stand for."""

    # --- calls ---------------------------------------------------------------------------------------------------

    def graph(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """A call to the Graph API as the administrator; the JSON answer, None when there is no body. Raises
        AssertionError with the answer when it is refused."""
        status, _, data = exchange(
            self.flask,
            method,
            f"{self.issuer}/v1.0{path}",
            {"Authorization": f"Bearer {self.admin_token()}", "Content-Type": "application/json"},
            None if body is None else json.dumps(body).encode(),
        )
        if status >= 400:
            raise AssertionError(f"{method} {path}: {status} {data.decode()}")
        return json.loads(data) if data else None

    def admin_token(self) -> str:
        """A bearer token with every permission on the Graph API."""
        now = datetime.now(UTC).timestamp()
        if self._token is None or not self._token[1] - LONGEST_TRIP < now < self._token[1]:
            # a new administrator each time: a test that travels in time outlives any secret
            made = self.idp.create("Contoso", "contoso.example")
            self._names[made.tenant.id] = "<tenant>"
            answer = self._token_request(
                (made.client_id, made.client_secret),
                {"grant_type": "client_credentials", "scope": f"{self.issuer}/.default"},
            )
            self._token = (answer["access_token"], now + answer["expires_in"] / 2)
        return self._token[0]

    def _bearer(self) -> str:
        return self.admin_token()

    def _token_request(self, client: tuple[str, str], form: Mapping[str, str]) -> dict[str, Any]:
        sent = {"client_id": client[0], "client_secret": client[1]} | dict(form)
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        _, _, data = exchange(self.flask, "POST", f"{self.issuer}/token", headers, urlencode(sent).encode())
        document: dict[str, Any] = json.loads(data)
        return document

    # --- home tenants and people ---------------------------------------------------------------------------------

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
        """Connects a home tenant that is authoritative for `domain`, and says whether its MFA is accepted.

        `profile` is the make of home, whose words it speaks (`vendors.VENDORS`): rfc8176, entra, okta, keycloak,
        google, adfs, auth0, ping, onelogin, refeds, none. `authentication_context` adds to the entry's, in Graph's
        shape. `own`: it is the organisation's own provider, where members sign in.
        """
        if profile not in VENDORS:
            raise ValueError(f"profile={profile!r} is not known; say one of {', '.join(VENDORS)}")
        vendor = VENDORS[profile]
        context = {"profile": profile, **vendor.context, **(authentication_context or {})}
        provider = ScriptedHome(domain, vendor=vendor)
        provider.asked_by |= frozenset(context.get("stepUp", {}).get("values", ()))
        provider.start()
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
                "b2bIdp": {"domains": [domain], "own": own, "authenticationContext": context},
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
        self._names |= {provider.issuer: f"<home {domain}>", tenant_id: f"<home tenant {domain}>"}
        return home

    def home(self, domain: str) -> KitHome:
        """The home tenant of a domain. Raises KeyError where there is none."""
        return self._homes[domain]

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
        self._names[user_id] = f"<{email}>"
        self._invitations[user_id] = (invitation["id"], datetime.now(UTC) + LIFETIME)
        return KitGuest(user_id, email, invitation["inviteRedeemUrl"], self._driver())

    def _invite_again(self, guest: KitGuest) -> None:
        """Sends a guest whose invitation lapsed before it was taken up another."""
        id, lapses_at = self._invitations.get(guest.id, ("", None))
        if lapses_at is None or datetime.now(UTC) < lapses_at:
            return
        del self._invitations[guest.id]
        if self.graph("GET", f"/invitations/{id}")["status"] == "PendingAcceptance":
            self.graph("POST", f"/invitations/{id}/resend")

    def member(self, upn: str, **properties: Any) -> KitGuest:
        """A member of the organisation, who signs in at its own provider (`home_tenant(…, own=True)`)."""
        name = {"displayName": upn.partition("@")[0].title()}
        user = self.graph("POST", "/users", {"userPrincipalName": upn} | name | properties)
        self._names[user["id"]] = f"<{upn}>"
        return KitGuest(user["id"], upn, "", self._driver())

    def update(self, guest: KitGuest, **properties: Any) -> None:
        """Changes directory properties of a guest or member, by Graph name (department=…)."""
        self.graph("PATCH", f"/users/{guest.id}", properties)

    def group(
        self, name: str, *, members: Sequence[KitGuest | KitGroup] = (), rule: str | None = None, **properties: Any
    ) -> KitGroup:
        """A security group with these members; with a `rule` (Graph's membershipRule) a dynamic one, whose members are
        whoever the rule says. Further arguments are properties of Graph's group."""
        if rule is not None and members:
            raise ValueError("a group has either members or a rule")
        document: dict[str, Any] = {
            "displayName": name,
            "mailEnabled": False,
            "mailNickname": "".join(c for c in name if c.isascii() and c.isalnum()) or "group",
            "securityEnabled": True,
        }
        if rule is not None:
            document |= {
                "groupTypes": ["DynamicMembership"],
                "membershipRule": rule,
                "membershipRuleProcessingState": "On",
            }
        made = self.graph("POST", "/groups", document | properties)
        for member in members:
            reference = {"@odata.id": f"{self.issuer}/v1.0/directoryObjects/{member.id}"}
            self.graph("POST", f"/groups/{made['id']}/members/$ref", reference)
        self._names[made["id"]] = f"<group {name}>"
        return KitGroup(made["id"], name)

    # --- apps and policies ---------------------------------------------------------------------------------------

    def app(
        self,
        name: str,
        *,
        requires: str | None = None,
        policies: Sequence[Mapping[str, Any]] = (),
        claims: Mapping[str, str] | None = None,
        claims_policy: Mapping[str, Any] | str | None = None,
        assignment_required: bool = False,
        redirect_uris: Sequence[str] = (CALLBACK,),
        **application: Any,
    ) -> KitApp:
        """Registers a SaaS app.

        `requires="mfa"` makes a conditional access policy for it, `policies` those given (see `conditional_access`).
        `claims` maps JWT claim → user attribute ID; `claims_policy` is a whole claimsMappingPolicy definition, as an
        object or as JSON. Further arguments are properties of Graph's application.
        """
        if requires not in (None, "mfa"):
            raise ValueError(f"requires={requires!r} is not known; say 'mfa', or write it as one of policies=[…]")
        if claims and claims_policy:
            raise ValueError("an app has one claims policy: say claims or claims_policy")
        registration = {"displayName": name, "web": {"redirectUris": list(redirect_uris)}}
        made = self.graph("POST", "/applications", registration | application)
        sp = self.graph("POST", "/servicePrincipals", {"appId": made["appId"]})
        secret = self.graph("POST", f"/applications/{made['id']}/addPassword", {"passwordCredential": ALWAYS})
        app = KitApp(
            made["appId"], secret["secretText"], sp["id"], made["id"], name=name, redirect_uri=redirect_uris[0]
        )
        self._names |= {app.client_id: f"<app {name}>", app.sp_id: f"<service principal {name}>"}
        if assignment_required:
            self.graph("PATCH", f"/servicePrincipals/{sp['id']}", {"appRoleAssignmentRequired": True})
        if requires == "mfa":
            self.require_mfa(app.client_id)
        for policy in policies:
            self.conditional_access(policy, app)
        if claims:
            schema = [{"Source": "user", "ID": id, "JwtClaimType": claim} for claim, id in claims.items()]
            claims_policy = {"Version": 1, "ClaimsSchema": schema}
        if claims_policy is not None:
            self.map_claims(app, claims_policy)
        return app

    def map_claims(self, app: KitApp, claims_policy: Mapping[str, Any] | str) -> str:
        """Gives an app this claimsMappingPolicy instead of the one that it has; the policy's id."""
        text = claims_policy if isinstance(claims_policy, str) else json.dumps(_wrapped(claims_policy))
        old = self.graph("GET", f"/servicePrincipals/{app.sp_id}/claimsMappingPolicies")["value"]
        if old:
            self.graph("PATCH", f"/policies/claimsMappingPolicies/{old[0]['id']}", {"definition": [text]})
            return str(old[0]["id"])
        policy = self.graph(
            "POST", "/policies/claimsMappingPolicies", {"displayName": f"{app.name} claims", "definition": [text]}
        )
        self.graph("PATCH", f"/applications/{app.object_id}", {"api": {"acceptMappedClaims": True}})
        self.graph(
            "POST",
            f"/servicePrincipals/{app.sp_id}/claimsMappingPolicies/$ref",
            {"@odata.id": f"{self.issuer}/v1.0/policies/claimsMappingPolicies/{policy['id']}"},
        )
        return str(policy["id"])

    def assign(self, who: KitGuest | KitGroup, app: KitApp, role: str | None = None) -> None:
        """Assigns a guest or a group to an app, with the app role of this value where one is named."""
        role_id = "00000000-0000-0000-0000-000000000000"
        if role is not None:
            roles = self.graph("GET", f"/applications/{app.object_id}")["appRoles"]
            role_id = next((r["id"] for r in roles if r["value"] == role), "")
            if not role_id:
                raise ValueError(f"{app.name} has no role {role!r}; it has {[r['value'] for r in roles]}")
        body = {"principalId": who.id, "resourceId": app.sp_id, "appRoleId": role_id}
        self.graph("POST", f"/servicePrincipals/{app.sp_id}/appRoleAssignedTo", body)

    def require_mfa(self, app_id: str = "All", state: str = "enabled", **users: Any) -> str:
        """A conditional access policy that asks guests for MFA; its id."""
        conditions = {"users": users} if users else {}
        return self.conditional_access(
            {"displayName": f"MFA for guests of {app_id}", "state": state, "conditions": conditions}, app_id
        )

    def conditional_access(self, policy: Mapping[str, Any], app: KitApp | str = "All") -> str:
        """Makes a conditional access policy, in Graph's shape; its id. What it leaves out: it is enabled, for all
        guests, for `app` and every kind of client, and grants on MFA."""
        app_id = app.client_id if isinstance(app, KitApp) else app
        conditions = {
            "users": {"includeUsers": ["GuestsOrExternalUsers"]},
            "applications": {"includeApplications": [app_id]},
            "clientAppTypes": ["all"],
        } | dict(policy.get("conditions", {}))
        document = {"displayName": "Policy of a test", "state": "enabled"} | dict(policy) | {"conditions": conditions}
        if "grantControls" not in policy and "sessionControls" not in policy:
            document["grantControls"] = {"operator": "OR", "builtInControls": ["mfa"]}
        return str(self.graph("POST", "/identity/conditionalAccess/policies", document)["id"])

    # --- browsers ------------------------------------------------------------------------------------------------

    def _driver(self) -> GuestDriver:
        return GuestDriver(Walker(self._transport(), self._is_outside), self._mailed_code)

    def _is_outside(self, url: str) -> bool:
        """Whether an address is an app's: neither the provider's nor a home's."""
        ours = (self.issuer, *(home.provider.issuer for home in self._homes.values()))
        return not any(url == x or url.startswith((x + "/", x + "?")) for x in ours)

    def _transport(self) -> Any:
        raise NotImplementedError

    def _mailed_code(self) -> str | None:
        raise NotImplementedError


def _wrapped(claims_policy: Mapping[str, Any]) -> Mapping[str, Any]:
    return claims_policy if "ClaimsMappingPolicy" in claims_policy else {"ClaimsMappingPolicy": dict(claims_policy)}
