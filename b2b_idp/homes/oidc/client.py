"""The two verbs: `begin` makes the way to the home, `finish` turns its answer into a statement."""

from __future__ import annotations

import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from typing import Any
from urllib.parse import quote_plus, urlencode

from b2b_idp.homes.oidc.cache import HomeCache
from b2b_idp.homes.oidc.documents import Metadata, misconfigured, refused, strict_json
from b2b_idp.homes.oidc.id_token import verify
from b2b_idp.model.evidence import HomeStatement
from b2b_idp.model.home import Home
from b2b_idp.model.moment import Moment
from b2b_idp.model.problem import Code, Problem
from b2b_idp.net.http import Http

REFEDS_MFA = "https://refeds.org/profile/mfa"
MAX_AMR = 100
MAX_CODE = 4096
ASSERTION_LIFETIME = 120

SignAssertion = Callable[[Mapping[str, Any], str], str]
"""(claims, algorithm) → our client assertion (RFC 7523)."""


@dataclass(frozen=True, slots=True)
class Pending:
    """What must be remembered until the home answers. `begun_at` is a NumericDate, `max_age` in seconds."""

    tenant_id: str
    nonce: str
    code_verifier: str = field(repr=False)
    redirect_uri: str
    asked_step_up: bool
    max_age: int | None
    begun_at: int

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_json(document: Mapping[str, Any]) -> Pending:
        return Pending(**document)


@dataclass(frozen=True, slots=True)
class Departure:
    """Where to send the browser, and what to remember."""

    url: str
    pending: Pending


@dataclass(frozen=True, slots=True)
class Profile:
    """Who the home says it is, by our names; `raw` has every text claim under its mapped name."""

    email: str | None = None
    email_verified: bool | None = None
    name: str | None = None
    given_name: str | None = None
    family_name: str | None = None
    locale: str | None = None
    preferred_username: str | None = None
    raw: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class HomeAnswer:
    """A home's validated answer."""

    statement: HomeStatement
    profile: Profile


@dataclass(frozen=True, slots=True)
class HomeReport:
    """What a look at a home found: what it can do, and what is wrong."""

    issuer: str
    keys: int
    step_up: str
    problems: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "keys": self.keys,
            "stepUp": self.step_up,
            "problems": list(self.problems),
        }

    def lines(self) -> list[str]:
        if self.keys == 0:
            return list(self.problems)
        return [
            f"metadata and {self.keys} keys of {self.issuer} are fine",
            f"step-up: {self.step_up}",
            *self.problems,
        ]


class OidcHomes:
    """Speaks OpenID Connect to home tenants. Thread-safe."""

    def __init__(self, http: Http, sign_assertion: SignAssertion | None) -> None:
        self._http = http
        self._sign = sign_assertion
        self._cache = HomeCache(http)

    def begin(
        self,
        home: Home,
        *,
        redirect_uri: str,
        state: str,
        step_up: bool,
        max_age: int | None,
        prompt: str | None,
        login_hint: str | None,
        ui_locales: str | None,
        moment: Moment,
    ) -> Departure:
        """The authorization request: code, PKCE S256, state, nonce; MFA asked for as the home's entry says.

        Raises Problem(HOME_UNAVAILABLE | HOME_MISCONFIGURED).
        """
        metadata = self._cache.metadata(home, moment.at)
        verifier, nonce = moment.new_secret(), moment.new_secret()
        challenge = urlsafe_b64encode(sha256(verifier.encode()).digest()).decode().rstrip("=")
        query: dict[str, str] = {
            "response_type": "code",
            "client_id": home.client_id,
            "redirect_uri": redirect_uri,
            "scope": home.scope,
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        if step_up:
            query |= _step_up(home, metadata)
        optional = {
            "max_age": None if max_age is None else str(max_age),
            "prompt": prompt,
            "login_hint": login_hint,
            "ui_locales": ui_locales,
        }
        query |= {k: v for k, v in optional.items() if v is not None}
        pending = Pending(home.tenant_id, nonce, verifier, redirect_uri, step_up, max_age, moment.epoch)
        if metadata.par_endpoint is not None:
            query = self._pushed(home, metadata, metadata.par_endpoint, query, moment)
        joint = "&" if "?" in metadata.authorization_endpoint else "?"
        return Departure(f"{metadata.authorization_endpoint}{joint}{urlencode(query)}", pending)

    def finish(self, home: Home, pending: Pending, answer: Mapping[str, str], moment: Moment) -> HomeAnswer:
        """The home's statement, from its answer at our redirect URI.

        Raises Problem(HOME_SAID_ERROR | HOME_ANSWER_REFUSED | HOME_UNAVAILABLE | HOME_MISCONFIGURED).
        """
        metadata = self._cache.metadata(home, moment.at)
        if pending.tenant_id != home.tenant_id:
            raise refused("the answer belongs to another home")
        issuer = answer.get("iss")
        if (issuer is not None and issuer != home.issuer) or (issuer is None and metadata.iss_in_response):
            raise refused("iss of the answer is missing or another's (RFC 9207)")
        if "error" in answer:
            raise _home_error(answer)
        code = answer.get("code", "")
        if not code or len(code) > MAX_CODE:
            raise refused("the answer has neither a code nor an error")
        tokens = self._exchange(home, metadata, pending, code, moment)
        access_token = tokens.get("access_token")
        claims = verify(
            tokens.get("id_token"),
            home=home,
            metadata=metadata,
            keys=self._cache.keys(home, metadata, moment.at),
            renewed=lambda: self._cache.renewed_keys(home, metadata, moment.at),
            nonce=pending.nonce,
            access_token=access_token if isinstance(access_token, str) else None,
            at=moment.at,
        )
        statement = _statement(home, claims, pending, moment)
        wanted = home.claim_mapping.get("email", "email")
        if wanted not in claims and metadata.userinfo_endpoint and isinstance(access_token, str):
            claims = self._userinfo(metadata.userinfo_endpoint, access_token, claims) | claims
        return HomeAnswer(statement, _profile(home, claims))

    def check(self, home: Home, moment: Moment) -> HomeReport:
        """Fetches metadata and keys anew and says in plain words what is wrong and what step-up can do."""
        fresh = HomeCache(self._http)
        try:
            metadata = fresh.metadata(home, moment.at)
            keys = fresh.keys(home, metadata, moment.at)
        except Problem as p:
            return HomeReport(home.issuer, 0, "unknown", (p.why or p.say,))
        problems = []
        ask = home.vocabulary.step_up
        if ask.how == "acr_values":
            missing = [v for v in ask.values if metadata.acr_values and v not in metadata.acr_values]
            problems += [
                f"its acr_values_supported does not name {v}, which stepUp asks for" for v in missing
            ]
        if ask.how == "claims" and not metadata.claims_parameter:
            problems.append("its metadata does not say that it takes the claims parameter, which stepUp uses")
        if home.client_auth == "private_key_jwt" and "private_key_jwt" not in metadata.auth_methods:
            problems.append("its metadata does not name private_key_jwt")
        asked = _step_up(home, metadata)
        how = (
            "; ".join(f"{k}={v}" for k, v in asked.items())
            or "a plain second request, it names no value to ask by"
        )
        return HomeReport(home.issuer, len(keys), "none" if ask.how == "none" else how, tuple(problems))

    # --- the wire ----------------------------------------------------------------------------------------------------

    def _exchange(
        self, home: Home, metadata: Metadata, pending: Pending, code: str, moment: Moment
    ) -> dict[str, Any]:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": pending.redirect_uri,
            "code_verifier": pending.code_verifier,
        }
        extra, headers = self._authentication(home, metadata, metadata.token_endpoint, moment)
        answer = self._http.post_form(metadata.token_endpoint, form | extra, headers)
        if answer.status != 200:
            raise refused(f"the home's token endpoint answered {answer.status}{_error_word(answer.body)}")
        return strict_json(answer.body, lambda why: refused(f"token answer: {why}"))

    def _authentication(
        self, home: Home, metadata: Metadata, endpoint: str, moment: Moment
    ) -> tuple[dict[str, str], dict[str, str]]:
        """Form fields and headers that say who we are."""
        if home.client_auth == "private_key_jwt":
            if self._sign is None:
                raise misconfigured("private_key_jwt needs our signing keys")
            claims = {
                "iss": home.client_id,
                "sub": home.client_id,
                "aud": home.issuer,
                "jti": moment.new_id(),
                "iat": moment.epoch,
                "exp": moment.epoch + ASSERTION_LIFETIME,
            }
            return {
                "client_id": home.client_id,
                "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
                "client_assertion": self._sign(claims, "RS256"),
            }, {}
        secret = home.client_secret or ""
        if (
            "client_secret_basic" in metadata.auth_methods
            or "client_secret_post" not in metadata.auth_methods
        ):
            pair = f"{quote_plus(home.client_id)}:{quote_plus(secret)}"
            return {}, {"Authorization": "Basic " + b64encode(pair.encode()).decode()}
        return {"client_id": home.client_id, "client_secret": secret}, {}

    def _pushed(
        self, home: Home, metadata: Metadata, endpoint: str, query: dict[str, str], moment: Moment
    ) -> dict[str, str]:
        """RFC 9126: the request goes by the back channel, so no guest can edit the step-up away."""
        extra, headers = self._authentication(home, metadata, endpoint, moment)
        answer = self._http.post_form(endpoint, query | extra, headers)
        if answer.status not in (200, 201):
            raise refused(f"the home's PAR endpoint answered {answer.status}{_error_word(answer.body)}")
        document = strict_json(answer.body, lambda why: refused(f"PAR answer: {why}"))
        uri = document.get("request_uri")
        if not isinstance(uri, str) or len(uri) > 2048:
            raise refused("the home's PAR answer has no request_uri")
        return {"client_id": home.client_id, "request_uri": uri}

    def _userinfo(self, endpoint: str, access_token: str, claims: Mapping[str, Any]) -> dict[str, Any]:
        """Userinfo claims; its failure alone is none of the sign-in's, another `sub` is (OpenID Connect Core §5.3.2)."""
        try:
            answer = self._http.get(endpoint, {"Authorization": f"Bearer {access_token}"})
            if answer.status != 200:
                return {}
            document = strict_json(answer.body, refused)
        except Problem:
            return {}
        if document.get("sub") != claims["sub"]:
            raise refused("userinfo is about another sub than the id_token")
        return document


def _step_up(home: Home, metadata: Metadata) -> dict[str, str]:
    """The parameters that ask the home for MFA."""
    ask = home.vocabulary.step_up
    if ask.how == "claims":
        values = list(ask.values or ("mfa",))
        return {"claims": json.dumps({"id_token": {"amr": {"essential": True, "values": values}}})}
    if ask.how != "acr_values":
        return {}
    values = list(ask.values) or [v for v in metadata.acr_values if v in home.vocabulary.acr]
    if not values and REFEDS_MFA in metadata.acr_values:
        values = [REFEDS_MFA]
    return {"acr_values": " ".join(values)} if values else {}


def _home_error(answer: Mapping[str, str]) -> Problem:
    """The home's own refusal, cut and cleaned; the app hears it as one of three words."""
    said = "".join(c if " " <= c <= "~" else "?" for c in answer["error"][:100])
    passed_on = {"temporarily_unavailable": "temporarily_unavailable", "server_error": "server_error"}
    return Problem(
        Code.HOME_SAID_ERROR,
        "Your organisation did not complete the sign-in. Start again at the app, or ask your own help desk.",
        f"the home answered error={said}",
        details={"error": passed_on.get(said, "access_denied"), "said": said},
    )


def _error_word(body: bytes) -> str:
    """The `error` word of a token error, for the administrator; nothing else of the body, which may hold secrets."""
    try:
        word = json.loads(body[:4096]).get("error")
    except (ValueError, AttributeError, RecursionError):
        return ""
    return f" {word}" if isinstance(word, str) and word.replace("_", "").isalnum() and len(word) < 60 else ""


def _statement(home: Home, claims: Mapping[str, Any], pending: Pending, moment: Moment) -> HomeStatement:
    """amr, acr and auth_time in their types; anything else is as if it were absent."""
    amr, acr, auth_time = claims.get("amr"), claims.get("acr"), claims.get("auth_time")
    listed = isinstance(amr, list) and len(amr) <= MAX_AMR and all(isinstance(v, str) for v in amr)
    numeric = (
        isinstance(auth_time, int | float) and not isinstance(auth_time, bool) and auth_time == int(auth_time)
    )
    return HomeStatement(
        tenant_id=home.tenant_id,
        issuer=home.issuer,
        subject=claims["sub"],
        amr=tuple(v[:100] for v in amr) if listed and amr is not None else None,
        acr=acr[:255] if isinstance(acr, str) else None,
        auth_time=int(auth_time) if numeric and auth_time is not None else None,
        at=moment.at,
        asked=pending.asked_step_up or pending.max_age is not None,
    )


def _profile(home: Home, claims: Mapping[str, Any]) -> Profile:
    def text(name: str) -> str | None:
        value = claims.get(home.claim_mapping.get(name, name))
        return value[:256] if isinstance(value, str) and value.strip() and "\x00" not in value else None

    verified = claims.get(home.claim_mapping.get("email_verified", "email_verified"))
    if verified in ("true", "false"):  # as some vendors write it
        verified = verified == "true"
    raw = {k: v[:256] for k, v in list(claims.items())[:200] if isinstance(v, str)}
    return Profile(
        email=text("email"),
        email_verified=verified if isinstance(verified, bool) else None,
        name=text("name"),
        given_name=text("given_name"),
        family_name=text("family_name"),
        locale=text("locale"),
        preferred_username=text("preferred_username"),
        raw=raw,
    )
