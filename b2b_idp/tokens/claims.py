"""The claims of guest tokens (OpenID Connect Core §2, RFC 9068), each with where it comes from.

The order in each token is the rule: what a person is comes first, then what the application asks for (optional claims,
then its policy, which may replace the basic ones), last what the protocol and the decision say, which nothing replaces.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import sha256

from b2b_idp.keys.compact import encoded
from b2b_idp.model.directory import App, ClientAuth
from b2b_idp.model.moment import Moment
from b2b_idp.model.optional_claims import OptionalClaim
from b2b_idp.tokens.gather import NOT_ACCEPTED, Subject
from b2b_idp.tokens.made import Made, Why
from b2b_idp.tokens.memberships import add_memberships, bounded
from b2b_idp.tokens.names import pairwise, sid_of
from b2b_idp.tokens.occasion import Occasion
from b2b_idp.tokens.optional import Token, add_optional
from b2b_idp.tokens.possession import BEARER, Confirmation
from b2b_idp.tokens.sources import sources_of

ID_TOKEN_LIFETIME = timedelta(hours=1)
ACCESS_TOKEN_LIFETIME = timedelta(minutes=10)
_AT_A_SIGN_IN = "it is known only at a sign-in"


def half_hash(token: str) -> str:
    """`at_hash`: the left half of SHA-256, for algorithms that end in 256 (OpenID Connect Core §3.1.3.6)."""
    return encoded(sha256(token.encode()).digest()[:16])


def id_token(subject: Subject, occasion: Occasion, access_token: str | None = None) -> Made:
    """The id_token's claims; `access_token` is the one beside it."""
    made = Made()
    _about_the_person(made, subject, occasion, "idToken", subject.app.optional_claims.id_token)
    override = _override(subject)
    made.put("iss", issuer_of(subject, occasion.issuer), _issuer_rule(subject))
    if override is None:
        made.put("aud", subject.app.app_id, "the app's client id")
    else:
        # a client refuses an id_token whose audience it is not (OpenID Connect Core §3.1.3.7)
        made.put("aud", (subject.app.app_id, override), "the app's client id, and the policy's audienceOverride")
        made.put("azp", subject.app.app_id, "the app's client id, as there are several audiences")
    _identity(made, subject, occasion)
    made.put("ver", "2.0", "token format")
    made.put(
        "nonce", occasion.nonce, "the app's request", _AT_A_SIGN_IN if occasion.moment is None else "none was sent"
    )
    if occasion.session_id is not None:
        made.put("sid", sid_of(occasion.vault, occasion.session_id, subject.app), "the session, for this app")
    if access_token is not None:
        made.put("at_hash", half_hash(access_token), "the access token")
    if occasion.moment is not None:
        _times(made, occasion.moment, ID_TOKEN_LIFETIME)
        made.put("uti", occasion.moment.new_id(), "token id")
    return made


def access_token(subject: Subject, occasion: Occasion, audience: str) -> Made:
    """The access token's claims (RFC 9068 §2.2) of the occasion's client for a person. `subject` is the person as the
    API's own application sees them, whose groups, roles, optional claims and mapping count. For ourselves as audience
    (userinfo, Graph) there are none of these: `subject` is then for the client.
    """
    made = Made()
    ours = audience == occasion.issuer
    if not ours:
        _about_the_person(made, subject, occasion, "accessToken", subject.app.optional_claims.access_token)
    made.put("iss", occasion.issuer if ours else issuer_of(subject, occasion.issuer), _issuer_rule(subject))
    override = None if ours else _override(subject)
    made.put("aud", override or audience, "the policy's audienceOverride" if override else "the API of the scopes")
    _identity(made, subject, occasion)
    client = occasion.client
    made.put("client_id", client.app_id, "the app")
    made.put("azp", client.app_id, "the app")
    made.put("azpacr", _AZPACR[occasion.client_auth], "how the app authenticated")
    # API scopes go by their bare name, the API itself is the audience
    names = [s.rpartition("/")[2] for s in occasion.scope]
    made.put("scp", " ".join(names), "granted scopes")
    made.put("scope", " ".join(names), "granted scopes (RFC 9068)")
    made.put("ver", "2.0", "token format")
    _bind(made, occasion.confirmation)
    if occasion.actor is not None:
        made.put("act", occasion.actor, "the app that exchanged a token for this one (RFC 8693)")
    if occasion.moment is not None:
        _times(made, occasion.moment, lifetime_of(occasion.not_after, occasion.moment))
        _ids(made, f"{occasion.grant_id}.{occasion.moment.new_id()}")
    return made


def lifetime_of(not_after: datetime | None, moment: Moment) -> timedelta:
    """How long an access token lives that must be over by then."""
    return ACCESS_TOKEN_LIFETIME if not_after is None else min(ACCESS_TOKEN_LIFETIME, not_after - moment.at)


def app_token(
    client: App,
    *,
    issuer: str,
    tenant_id: str,
    audience: str,
    roles: Sequence[str],
    client_auth: ClientAuth,
    confirmation: Confirmation = BEARER,
    moment: Moment,
) -> Made:
    """The access token's claims of an app that acts for itself (client credentials); `issuer` and `audience` as the
    API's application has them."""
    made = Made()
    made.put("iss", issuer, "issuer")
    made.put("aud", audience, "the API asked for")
    made.put("sub", client.sp_id, "the app's service principal")
    made.put("oid", client.sp_id, "the app's service principal")
    made.put("tid", tenant_id, "resource tenant")
    made.put("client_id", client.app_id, "the app")
    made.put("azp", client.app_id, "the app")
    made.put("azpacr", _AZPACR[client_auth], "how the app authenticated")
    made.put("roles", bounded(roles), "application permissions granted")
    made.put("idtyp", "app", "no user")
    made.put("ver", "2.0", "token format")
    _bind(made, confirmation)
    _times(made, moment, ACCESS_TOKEN_LIFETIME)
    _ids(made, moment.new_id())
    return made


def userinfo(subject: Subject, occasion: Occasion) -> Made:
    """The claims of the userinfo endpoint (OpenID Connect Core §5.3): what the id_token says of the person."""
    made = Made()
    _about_the_person(made, subject, occasion, "idToken", subject.app.optional_claims.id_token)
    _who(made, subject, occasion)
    return made


def issuer_of(subject: Subject, issuer: str) -> str:
    """`iss` of a token for the subject's app: with the app's id where its policy says so and its own key signs."""
    wanted = subject.mapping is not None and subject.mapping.issuer_with_application_id and subject.own_key
    return f"{issuer}/{subject.app.app_id}" if wanted else issuer


def _override(subject: Subject) -> str | None:
    return subject.mapping.audience_override if subject.mapping is not None and subject.own_key else None


def _issuer_rule(subject: Subject) -> str:
    said = issuer_of(subject, "")
    return "the issuer, with the app's id as the policy's issuerWithApplicationId says" if said else "the issuer"


def _bind(made: Made, confirmation: Confirmation) -> None:
    if confirmation.claim:
        made.put("cnf", confirmation.claim, "the key or certificate that the app proved to hold (RFC 7800)")


# --- the parts of a token ---------------------------------------------------------------------------------------------


def _about_the_person(
    made: Made, subject: Subject, occasion: Occasion, token: Token, entries: tuple[OptionalClaim, ...]
) -> None:
    _person(made, subject, occasion)
    add_memberships(made, subject, occasion.issuer, entries)
    add_optional(made, entries, subject, occasion, token)
    _mapped(made, subject, occasion)


def _person(made: Made, subject: Subject, occasion: Occasion) -> None:
    user, scope = subject.user, occasion.scope
    without = "it needs the scope profile"
    left_out = subject.mapping is not None and not subject.mapping.include_basic
    for name, value, origin in (
        ("name", user.display_name, "user.displayName"),
        ("given_name", user.properties.get("givenName"), "user.givenName"),
        ("family_name", user.properties.get("surname"), "user.surname"),
    ):
        if "profile" not in scope:
            made.put(name, None, origin, without)
        elif left_out:
            made.put(name, None, origin, "the policy's IncludeBasicClaimSet is false")
        else:
            made.put(name, value, origin, f"{origin} is empty")
    preferred = user.proved_mail or user.mail or user.upn
    made.put("preferred_username", preferred if "profile" in scope else None, "user.mail", without)
    proved = "the address proved at redemption"
    if "email" in scope:
        made.put("email", user.proved_mail, proved, "no address was proved at redemption")
    else:
        made.put("email", None, proved, "it needs the scope email")


def _mapped(made: Made, subject: Subject, occasion: Occasion) -> None:
    if subject.refused is not None:
        for claim in subject.refused.apply(sources_of(subject, occasion.client)):
            made.put_by_rule(claim.name, None, Why(claim.origin, because=NOT_ACCEPTED))
            made.failed.append(claim.name)
    if subject.mapping is None:
        return
    # a preview tells how each claim came about; a token is only told what failed
    explain = occasion.moment is None
    for claim in subject.mapping.apply(sources_of(subject, occasion.client), explain=explain):
        made.put_by_rule(claim.name, claim.value, claim)


def _who(made: Made, subject: Subject, occasion: Occasion) -> None:
    user, client = subject.user, occasion.client
    made.put("sub", pairwise(occasion.vault, client, user.id), f"subject type {client.subject_type}")
    # the same for all apps: who asks for less than the profile gets the pairwise subject alone
    if client.registration is not None:
        made.put("oid", None, "user.id", "the app registered itself")
    else:
        oid = user.id if "profile" in occasion.scope else None
        made.put("oid", oid, "user.id", "it needs the scope profile")
    made.put("tid", subject.tenant.id, "resource tenant")
    made.put("acct", 1 if user.is_guest else 0, "user.userType")
    home = subject.home.issuer if subject.home and user.is_guest else None
    made.put("idp", home, "the guest's home tenant", "the person is no guest, or has no home tenant")


def _identity(made: Made, subject: Subject, occasion: Occasion) -> None:
    _who(made, subject, occasion)
    counted, decided = occasion.counted, "what the decision counted"
    because = _AT_A_SIGN_IN if counted is None else "nothing counted"
    made.put("amr", counted and counted.amr, decided, because)
    made.put("acr", counted and counted.acr, decided, because)
    asked = "the authentication contexts that the app asked for"
    made.put("acrs", counted and counted.contexts, asked, _AT_A_SIGN_IN if counted is None else "it asked for none")
    made.put("auth_time", counted and counted.auth_time, "the oldest factor that counted", because)


def _times(made: Made, moment: Moment, lifetime: timedelta) -> None:
    made.put("iat", moment.epoch, "now")
    made.put("nbf", moment.epoch, "now")
    made.put("exp", moment.epoch + int(lifetime.total_seconds()), "now and the token's lifetime")


def _ids(made: Made, jti: str) -> None:
    made.put("jti", jti, "token id")
    made.put("uti", jti, "token id")


_AZPACR: Mapping[ClientAuth, str] = {
    "none": "0",
    "client_secret": "1",
    "private_key_jwt": "2",
    "tls_client_auth": "2",
    "self_signed_tls_client_auth": "2",
}
