"""The provider over a tenant in memory, with a guest who is signed in already, so that no home tenant is needed."""

from __future__ import annotations

import json
import secrets
import uuid
from base64 import b64encode, urlsafe_b64encode
from copy import copy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from hashlib import sha256
from urllib.parse import parse_qs, quote_plus, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from flask import Flask

from b2b_idp.extension import B2BIdp
from b2b_idp.guests.apps import add_password, create_admin_app, create_app
from b2b_idp.keys.ring import KeyRing
from b2b_idp.model.directory import HomeIdentity, RoleAssignment, Tenant, User
from b2b_idp.model.evidence import Evidence, HomeStatement
from b2b_idp.model.moment import Moment
from b2b_idp.openid.assertion import ASSERTION_TYPE
from b2b_idp.signin.facts import evidence_to_json
from b2b_idp.store.signins import SessionRow

ISSUER = "http://localhost/idp"
HOME_ISSUER = "https://idp.fabrikam.example"
HOME = "22222222-0000-0000-0000-000000000001"
CALLBACK = "https://app.example/callback"
BYE = "https://app.example/bye"
AT = datetime(2026, 6, 1, 10, tzinfo=UTC)
VERIFIER = "v" * 43
CHALLENGE = urlsafe_b64encode(sha256(VERIFIER.encode()).digest()).decode().rstrip("=")
SCOPE = "openid profile email offline_access"


def moment(at=AT):
    return Moment(at, lambda: str(uuid.uuid4()), lambda: secrets.token_urlsafe(32))


KEYS = KeyRing.in_memory(moment(AT - timedelta(days=1)))
"""Made once: RSA keys take their time."""

CLIENT_KEY = ec.generate_private_key(ec.SECP256R1())


class World:
    """In memory, or in a folder where requests really run side by side; `url` names another database than its own."""

    def __init__(self, folder=None, url=None, **settings):
        self.at = AT
        self.folder = folder
        kept = {"database_url": "sqlite://"}
        if folder is not None:
            kept = {"database_url": url or f"sqlite:///{folder}/b2b.db", "keys_dir": str(folder / "keys")}
        self._open({**kept, **settings})
        if folder is not None:
            self.store.migrate()
            tenant = Tenant(self.moment().new_id(), "Contoso", "contoso.example", self.at)
            self.change(lambda w: w.documents.create_tenant(tenant))
        self._serve()
        with self.store.write() as w:
            self.tenant: Tenant = w.configuration.tenant
            w.documents.add_home(HOME, _home(), "not-a-real-secret", self.at)
        self.crm, self.secret = self.app("CRM", web={"redirectUris": [CALLBACK, CALLBACK + "?app=crm"]})
        self.user = self.guest("ada")
        self.session = self.sign_in(self.user)

    def another(self):
        """A second server over the same folder."""
        server = copy(self)
        server.flask = Flask("another", static_folder=None)
        settings = self.idp.settings
        kept = {"database_url": settings.database_url, "keys_dir": settings.keys_dir}
        B2BIdp(issuer=ISSUER, keys=KEYS, moment=self.moment, **kept).init_app(server.flask)
        server.http = server.flask.test_client()
        return server

    def _open(self, kept):
        self.idp = B2BIdp(issuer=ISSUER, keys=KEYS, moment=self.moment, **kept)
        self.store, self.vault = self.idp.store, self.idp.vault

    def _serve(self):
        self.flask = Flask(__name__, static_folder=None)
        self.idp.init_app(self.flask)
        self.http = self.flask.test_client()

    def reopened(self, url):
        """The same instance on another database, as after a copy or a restore; the guest's browser is the same."""
        made = copy(self)
        made._open({"database_url": url, "keys_dir": str(self.folder / "keys")})
        made._serve()
        made._browse(self.session, made.http)
        return made

    def moment(self):
        return moment(self.at)

    def later(self, **time):
        self.at += timedelta(**time)

    # --- who is there ---

    def app(self, name, *, service_principal=None, b2b=None, **application):
        """(application row, its secret)."""
        ours = {"postLogoutRedirectUris": [BYE]} | (b2b or {})
        with self.store.write() as w:
            document = {"displayName": name, "b2bIdp": ours} | application
            row = create_app(w, document, self.moment(), service_principal=service_principal or {})
            _, secret = add_password(w, row, self.vault, self.moment())
        return row, secret

    def api(self, **more):
        """An app that is an API, api://pay, with a scope and two roles."""
        roles = [
            {"id": _guid(n), "value": n, "displayName": n, "allowedMemberTypes": ["User", "Application"]}
            for n in ("Approver", "Reader")
        ]
        self.api_row, self.api_secret = self.app(
            "Pay",
            identifierUris=["api://pay"],
            appRoles=roles,
            api={"oauth2PermissionScopes": [{"id": _guid("pay.read"), "value": "pay.read"}]},
            **more,
        )
        return self.api_row

    def guest(self, name, **more):
        user = User(
            id=str(uuid.uuid4()),
            user_type="Guest",
            upn=f"{name}_fabrikam.example#EXT#@contoso.example",
            mail=f"{name}@fabrikam.example",
            state="Accepted",
            identity=HomeIdentity(HOME_ISSUER, name),
            home_tenant_id=HOME,
            proved_mail=f"{name}@fabrikam.example",
            created_at=AT,
            properties={"displayName": name.capitalize(), "department": "Sales"} | more,
        )
        with self.store.write() as w:
            w.users.add(user)
        return user

    def change(self, change):
        """One writing transaction."""
        with self.store.write() as w:
            return change(w)

    def ask(self, question):
        with self.store.read() as r:
            return question(r)

    def assign(self, resource, role, principal_id, kind="User"):
        id = self.moment().new_id()
        self.change(
            lambda w: w.apps.assign(RoleAssignment(id, principal_id, kind, resource.sp_id, _guid(role), self.at))
        )
        return id

    def configure(self, row, part, **document):
        """Changes members of an app's `application` or `service_principal` document."""

        def change(w):
            now = w.apps.row(row.id)
            w.apps.save(replace(now, **{part: dict(getattr(now, part)) | document}))

        self.change(change)

    def sign_in(self, user, http=None):
        """Gives the browser a session in which home said `pwd` a minute ago; its id."""
        said = HomeStatement(
            HOME, HOME_ISSUER, user.identity.subject, ("pwd",), None, int(self.at.timestamp()) - 60, self.at
        )
        row = SessionRow(
            id=self.moment().new_id(),
            user_id=user.id,
            evidence=evidence_to_json(Evidence((said,))),
            created_at=self.at,
            expires_at=self.at + timedelta(hours=24),
        )
        self.change(lambda w: w.signins.add_session(row))
        self._browse(row.id, http or self.http)
        return row.id

    def _browse(self, session, http):
        name = f"b2bidp_{sha256(ISSUER.encode()).hexdigest()[:8]}_session"
        http.set_cookie(name, self.vault.handle("session", session))

    # --- the Graph API ---

    @cached_property
    def admin(self):
        """An app with every application permission, and its secret."""
        return self.change(lambda w: create_admin_app(w, self.vault, self.moment()))

    def app_only(self):
        """A fresh access token of that app for Graph."""
        form = {"grant_type": "client_credentials", "scope": ISSUER + "/.default"}
        return self.token(*self.admin, **form).json["access_token"]

    def call(self, method, path, body=None, token=None):
        """The answer of the Graph API, to the administrator unless another token is given."""
        headers = {"Authorization": f"Bearer {token or self.app_only()}"}
        return self.http.open("/idp/v1.0" + path, method=method, json=body, headers=headers)

    def done(self, method, path, body=None):
        answer = self.call(method, path, body)
        assert answer.status_code in (200, 201, 204), answer.text
        return answer.json

    def policy(self, row, **inner):
        """Makes a claims mapping policy and gives it to the app; its id."""
        definition = json.dumps({"ClaimsMappingPolicy": {"Version": 1} | inner})
        body = {"displayName": "P", "definition": [definition]}
        id = self.done("POST", "/policies/claimsMappingPolicies", body)["id"]
        reference = {"@odata.id": f"{ISSUER}/v1.0/policies/claimsMappingPolicies/{id}"}
        self.done("POST", f"/servicePrincipals/{row.sp_id}/claimsMappingPolicies/$ref", reference)
        return id

    def groups(self, *names, member=None):
        """Security groups that have the guest directly; their ids."""
        ids = [self.moment().new_id() for _ in names]

        def make(w):
            for id, name in zip(ids, names, strict=True):
                w.apps.add_group(id, {"displayName": name, "securityEnabled": True}, self.at)
                w.apps.add_member(id, member or self.user.id)

        self.change(make)
        return ids

    # --- what apps do ---

    def authorize(self, app=None, *, without=(), method="GET", consent=True, backwards=False, **parameters):
        """The answer of the authorization endpoint; the guest has consented to what is asked unless `consent` says.
        `backwards`: the parameters are sent in the reverse order."""
        app = app or self.crm
        query = {
            "client_id": app.app_id,
            "redirect_uri": CALLBACK,
            "response_type": "code",
            "scope": SCOPE,
            "state": "st",
            "nonce": "n",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
        } | parameters
        sent = [(k, x) for k, v in query.items() if k not in without for x in (v if isinstance(v, list) else [v])]
        if backwards:
            sent.reverse()
        if consent and isinstance(query["scope"], str):
            scopes = frozenset({*query["scope"].split(), "profile", "email", "User.Read"})
            self.change(lambda w: w.grants.consent(self.user.id, app.app_id, scopes, self.at))
        if method == "POST":
            return self.http.post("/idp/authorize", data=urlencode(sent), content_type=FORM)
        return self.http.get("/idp/authorize?" + urlencode(sent))

    def code(self, app=None, **parameters):
        answer = self.authorize(app, **parameters)
        return answered(answer)["code"]

    def token(self, app=None, secret=None, *, headers=None, **form):
        """The token endpoint's answer to an app that authenticates by Basic, unless the form or headers do."""
        sent = dict(headers or {})
        if not sent and not {"client_id", "client_secret", "client_assertion"} & set(form):
            sent["Authorization"] = basic((app or self.crm).app_id, secret or self.secret)
        return self.http.post("/idp/token", data=urlencode(form, doseq=True), content_type=FORM, headers=sent)

    def exchange(self, code, app=None, secret=None, **form):
        asked = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER}
        return self.token(app, secret, **{k: v for k, v in (asked | form).items() if v is not None})

    def tokens(self, app=None, secret=None, **parameters):
        answer = self.exchange(self.code(app, **parameters), app, secret)
        assert answer.status_code == 200, answer.text
        return answer.json

    def refresh(self, token, app=None, secret=None, **form):
        return self.token(app, secret, grant_type="refresh_token", refresh_token=token, **form)

    def userinfo(self, token):
        return self.http.get("/idp/userinfo", headers={"Authorization": f"Bearer {token}"})

    def post(self, path, app=None, secret=None, **form):
        headers = {"Authorization": basic((app or self.crm).app_id, secret or self.secret)}
        return self.http.post(f"/idp/{path}", data=form, headers=headers)

    def assertion(self, row, key=CLIENT_KEY, alg="ES256", headers=None, without=(), **claims):
        now = int(self.at.timestamp())
        made = {
            "iss": row.app_id,
            "sub": row.app_id,
            "aud": ISSUER,
            "jti": str(uuid.uuid4()),
            "iat": now,
            "exp": now + 60,
        } | claims
        signed = jwt.encode({k: v for k, v in made.items() if k not in without}, key, alg, headers=headers)
        return {"client_assertion_type": ASSERTION_TYPE, "client_assertion": signed}


FORM = "application/x-www-form-urlencoded"


def basic(client_id, secret):
    return "Basic " + b64encode(f"{quote_plus(client_id)}:{quote_plus(secret)}".encode()).decode()


def answered(response, at=CALLBACK):
    """The parameters of the authorization response that a redirect carries."""
    assert response.status_code == 303, response.text
    location = response.headers["Location"]
    assert location.startswith(at + "?"), location
    return {k: v[0] for k, v in parse_qs(urlsplit(location).query).items()}


def claims_of(token):
    """A token's claims, its signature checked with the published key that its header names."""
    kid = jwt.get_unverified_header(token)["kid"]
    key = next(k for k in jwt.PyJWKSet.from_json(KEYS.jwks().decode()).keys if k.key_id == kid)
    untimed = dict.fromkeys(("verify_exp", "verify_nbf", "verify_iat", "verify_aud"), False)
    return jwt.decode(token, key, algorithms=[key.algorithm_name], options=untimed)


def refused(response):
    """(status, error) of a refusal in the token endpoint's shape."""
    assert response.is_json, response.text
    assert response.headers["Cache-Control"] == "no-store"
    assert set(response.json) == {"error", "error_description"}
    return response.status_code, response.json["error"]


def page_error(response):
    """The error page's code; there is no way from it to any app."""
    assert "Location" not in response.headers
    assert response.mimetype == "text/html", response.text
    return response.text.partition('data-error="')[2].partition('"')[0]


def _guid(name):
    return str(uuid.uuid5(uuid.NAMESPACE_URL, name))


def _home():
    return {
        "@odata.type": "#microsoft.graph.oidcIdentityProvider",
        "displayName": "Fabrikam",
        "clientId": "contoso",
        "issuer": HOME_ISSUER,
        "wellKnownEndpoint": HOME_ISSUER + "/.well-known/openid-configuration",
        "responseType": "code",
        "scope": "openid profile email",
        "clientAuthentication": {"@odata.type": "#microsoft.graph.oidcClientSecretAuthentication"},
        "b2bIdp": {"domains": ["fabrikam.example"]},
    }
