"""The claims of guest tokens (OpenID Connect Core §2, RFC 9068), each with where it comes from."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from typing import Any

from b2b_idp.keys.vault import Vault
from b2b_idp.model.access import Counted
from b2b_idp.model.directory import App, ClientAuth
from b2b_idp.model.moment import Moment
from b2b_idp.tokens.gather import Subject
from b2b_idp.tokens.sources import sources_of

ID_TOKEN_LIFETIME = timedelta(hours=1)
ACCESS_TOKEN_LIFETIME = timedelta(minutes=10)
GROUPS_LIMIT = 200
"""Above so many groups a JWT carries a link instead (Entra)."""


@dataclass(frozen=True, slots=True)
class Made:
    """Claims, and for each the rule that made it."""

    claims: dict[str, Any] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    """Claims that a rule would have made, had its source held anything."""

    def put(self, name: str, value: Any, origin: str) -> None:
        """Adds a claim that has a value; null and empty are left out."""
        if value is None or value in ("", [], ()):
            self.absent[name] = origin
            return
        self.claims[name] = list(value) if isinstance(value, tuple) else value
        self.origins[name] = origin


def pairwise(vault: Vault, app: App, user_id: str) -> str:
    """`sub`: different for each app (OpenID Connect Core §8.1), or the object id where the app is registered so."""
    return user_id if app.subject_type == "public" else vault.token("pairwise", app.app_id, user_id)


def sid_of(vault: Vault, session_id: str, app: App) -> str:
    """`sid`: the session as this app knows it; another app knows it by another value."""
    return vault.token("sid", session_id, app.app_id)


def half_hash(token: str) -> str:
    """`at_hash`: the left half of SHA-256, for algorithms that end in 256 (OpenID Connect Core §3.1.3.6)."""
    return urlsafe_b64encode(sha256(token.encode()).digest()[:16]).decode().rstrip("=")


def _identity(
    made: Made, subject: Subject, client: App, counted: Counted, vault: Vault, scope: Collection[str]
) -> None:
    user = subject.user
    made.put("sub", pairwise(vault, client, user.id), f"subject type {client.subject_type}")
    if "profile" in scope:
        # the same for all apps: who asks for less than the profile gets the pairwise subject alone
        made.put("oid", user.id, "user.id")
    made.put("tid", subject.tenant.id, "resource tenant")
    made.put("acct", 1 if user.is_guest else 0, "user.userType")
    if user.is_guest:
        made.put("idp", subject.home.issuer if subject.home else None, "the guest's home tenant")
    made.put("amr", counted.amr, "what the decision counted")
    made.put("acr", counted.acr, "what the decision counted")
    made.put("acrs", counted.contexts, "the authentication contexts that the app asked for")
    made.put("auth_time", counted.auth_time, "the oldest factor that counted")


def _person(made: Made, subject: Subject, scope: Collection[str]) -> None:
    user = subject.user
    basic = subject.mapping is None or subject.mapping.include_basic
    if "profile" in scope and basic:
        made.put("name", user.display_name, "user.displayName")
        made.put("given_name", user.properties.get("givenName"), "user.givenName")
        made.put("family_name", user.properties.get("surname"), "user.surname")
    if "profile" in scope:
        made.put("preferred_username", user.proved_mail or user.mail or user.upn, "user.mail")
    if "email" in scope:
        made.put("email", user.proved_mail, "the address proved at redemption")


def _directory(made: Made, subject: Subject, issuer: str) -> None:
    if len(subject.groups) > GROUPS_LIMIT:
        made.put("_claim_names", {"groups": "src1"}, f"more than {GROUPS_LIMIT} groups")
        endpoint = f"{issuer}/v1.0/users/{subject.user.id}/getMemberObjects"
        made.put("_claim_sources", {"src1": {"endpoint": endpoint}}, f"more than {GROUPS_LIMIT} groups")
    else:
        made.put("groups", subject.groups, "group membership, as the app's groupMembershipClaims choose")
    made.put("wids", subject.directory_roles, "directory roles, as the app's groupMembershipClaims choose")
    made.put("roles", subject.roles, "app roles assigned to the user or to a group that has the user")


def _mapped(made: Made, subject: Subject, client: App) -> None:
    if subject.mapping is None:
        return
    for claim in subject.mapping.apply(sources_of(subject, client)):
        made.put(claim.name, claim.value, claim.origin)


def id_token(
    subject: Subject,
    counted: Counted,
    *,
    issuer: str,
    vault: Vault,
    scope: Sequence[str],
    nonce: str | None,
    session_id: str | None,
    access_token: str | None,
    moment: Moment | None,
) -> Made:
    """The id_token's claims. Without `moment` those of a preview, which no signer ever sees: no times and no ids."""
    made = Made()
    _person(made, subject, scope)
    _directory(made, subject, issuer)
    _mapped(made, subject, subject.app)
    # last: nothing above may stand in for what the protocol says
    made.put("iss", issuer, "issuer")
    made.put("aud", subject.app.app_id, "the app's client id")
    _identity(made, subject, subject.app, counted, vault, scope)
    made.put("ver", "2.0", "token format")
    made.put("nonce", nonce, "the app's request")
    if session_id is not None:
        made.put("sid", sid_of(vault, session_id, subject.app), "the session, for this app")
    if access_token is not None:
        made.put("at_hash", half_hash(access_token), "the access token")
    if moment is not None:
        _times(made, moment, ID_TOKEN_LIFETIME)
        made.put("uti", moment.new_id(), "token id")
    return made


def _times(made: Made, moment: Moment, lifetime: timedelta) -> None:
    made.put("iat", moment.epoch, "now")
    made.put("nbf", moment.epoch, "now")
    made.put("exp", moment.epoch + int(lifetime.total_seconds()), "now and the token's lifetime")


def access_token(
    subject: Subject,
    client: App,
    counted: Counted,
    *,
    issuer: str,
    vault: Vault,
    audience: str,
    scope: Sequence[str],
    grant_id: str,
    client_auth: ClientAuth,
    moment: Moment,
) -> Made:
    """The access token's claims (RFC 9068 §2.2) of `client` for a person. `subject` is the person as the API's own
    application sees them, whose groups, roles and mapping count. For ourselves as audience (userinfo, Graph) there are
    none of these: `subject` is then for the client.
    """
    made = Made()
    if audience != issuer:
        _directory(made, subject, issuer)
        _mapped(made, subject, client)
    made.put("iss", issuer, "issuer")
    made.put("aud", audience, "the API that the scopes are of")
    _identity(made, subject, client, counted, vault, scope)
    made.put("client_id", client.app_id, "the app")
    made.put("azp", client.app_id, "the app")
    made.put("azpacr", _AZPACR[client_auth], "how the app authenticated")
    # API scopes go by their bare name, the API itself is the audience
    names = [s.rpartition("/")[2] for s in scope]
    made.put("scp", " ".join(names), "granted scopes")
    made.put("scope", " ".join(names), "granted scopes (RFC 9068)")
    made.put("ver", "2.0", "token format")
    _times(made, moment, ACCESS_TOKEN_LIFETIME)
    jti = f"{grant_id}.{moment.new_id()}"
    made.put("jti", jti, "token id")
    made.put("uti", jti, "token id")
    return made


_AZPACR: Mapping[ClientAuth, str] = {"none": "0", "client_secret": "1", "private_key_jwt": "2"}


def app_token(
    client: App,
    *,
    issuer: str,
    tenant_id: str,
    audience: str,
    roles: Sequence[str],
    client_auth: ClientAuth,
    moment: Moment,
) -> Made:
    """The access token's claims of an app that acts for itself (client credentials)."""
    made = Made()
    made.put("iss", issuer, "issuer")
    made.put("aud", audience, "the API asked for")
    made.put("sub", client.sp_id, "the app's service principal")
    made.put("oid", client.sp_id, "the app's service principal")
    made.put("tid", tenant_id, "resource tenant")
    made.put("client_id", client.app_id, "the app")
    made.put("azp", client.app_id, "the app")
    made.put("azpacr", _AZPACR[client_auth], "how the app authenticated")
    made.put("roles", tuple(roles), "application permissions granted")
    made.put("idtyp", "app", "no user")
    made.put("ver", "2.0", "token format")
    _times(made, moment, ACCESS_TOKEN_LIFETIME)
    jti = moment.new_id()
    made.put("jti", jti, "token id")
    made.put("uti", jti, "token id")
    return made


def userinfo(subject: Subject, vault: Vault, scope: Collection[str]) -> dict[str, Any]:
    """The claims of the userinfo endpoint (OpenID Connect Core §5.3), by scope and mapping."""
    made = Made()
    _person(made, subject, scope)
    _mapped(made, subject, subject.app)
    made.put("sub", pairwise(vault, subject.app, subject.user.id), "subject")
    if "profile" in scope:
        made.put("oid", subject.user.id, "user.id")
    made.put("tid", subject.tenant.id, "resource tenant")
    return made.claims
