"""The two verbs: `begin` makes the way to the home, `finish` turns its answer into a statement."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode

from b2b_idp.homes.oidc.cache import HomeClients
from b2b_idp.homes.oidc.id_token import VerifiedClaims, verify
from b2b_idp.homes.oidc.logout_token import HomeLogout, read_logout_token
from b2b_idp.homes.oidc.metadata import Metadata
from b2b_idp.homes.oidc.profile import lacks, profile_of, with_userinfo
from b2b_idp.homes.oidc.request import SignAssertion, client_authentication, step_up_parameters
from b2b_idp.homes.oidc.strict import misconfigured, refused, strict_json, unavailable
from b2b_idp.homes.oidc.upstream import Upstream
from b2b_idp.homes.oidc.values import Departure, HomeAnswer, HomeReport, Pending
from b2b_idp.metrics import Metrics
from b2b_idp.model.evidence import HomeStatement
from b2b_idp.model.home import Home
from b2b_idp.model.moment import Moment
from b2b_idp.model.problem import Code, Problem
from b2b_idp.net.http import Answer, Http

MAX_CODE = 4096
MAX_HINT = 320
_APP_HEARS = ("access_denied", "server_error", "temporarily_unavailable")


class OidcHomes:
    """Speaks OpenID Connect to home tenants; keeps their metadata and keys. Thread-safe."""

    def __init__(self, http: Http, sign_assertion: SignAssertion | None, metrics: Metrics) -> None:
        self._sign = sign_assertion
        self._clients = HomeClients(http, metrics)

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
        """The authorization request: code, PKCE S256, state, nonce; MFA asked for as the home's entry says,
        `max_age` (seconds) only where given; pushed (RFC 9126) where the home takes that.

        Raises Problem(HOME_UNAVAILABLE | HOME_MISCONFIGURED).
        """
        metadata = self._clients.of(home).metadata(moment.at)
        verifier, nonce = moment.new_secret(), moment.new_secret()
        challenge = urlsafe_b64encode(sha256(verifier.encode()).digest()).decode().rstrip("=")
        query = {
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
            query |= step_up_parameters(home, metadata)
        optional = {
            "max_age": None if max_age is None else str(max_age),
            "prompt": prompt,
            "login_hint": login_hint if login_hint and len(login_hint) <= MAX_HINT else None,
            "ui_locales": ui_locales,
        }
        query |= {name: value for name, value in optional.items() if value}
        pending = Pending(home.tenant_id, nonce, verifier, redirect_uri, step_up, max_age, moment.epoch)
        if metadata.par_endpoint is not None:
            query = self._pushed(home, metadata, metadata.par_endpoint, query, moment)
        joint = "&" if "?" in metadata.authorization_endpoint else "?"
        return Departure(f"{metadata.authorization_endpoint}{joint}{urlencode(query)}", pending)

    def finish(self, home: Home, pending: Pending, answer: Mapping[str, str], moment: Moment) -> HomeAnswer:
        """The home's statement, from its `answer` at our redirect URI; the code is sent to the home once.

        Whether it is enough, fresh or believed is not asked here. Raises Problem(HOME_SAID_ERROR |
        HOME_ANSWER_REFUSED | HOME_UNAVAILABLE | HOME_MISCONFIGURED).
        """
        if pending.tenant_id != home.tenant_id:
            raise refused("the answer belongs to another home")
        client = self._clients.of(home)
        metadata = client.metadata(moment.at)
        _check_issuer(answer.get("iss"), home, metadata)
        if "error" in answer:
            raise _home_error(answer["error"])
        code = answer.get("code", "")
        if not 0 < len(code) <= MAX_CODE:
            raise refused("the answer has neither a code nor an error")
        tokens = self._exchange(home, metadata, pending, code, moment)
        given = tokens.get("access_token")
        access_token = given if isinstance(given, str) and given.isascii() and given.isprintable() else None
        verified = verify(
            tokens.get("id_token"),
            home=home,
            metadata=metadata,
            keys=client.keys(metadata),
            nonce=pending.nonce,
            access_token=access_token,
            at=moment.at,
        )
        claims = verified.claims
        if lacks(home, claims) and metadata.userinfo_endpoint:
            claims = with_userinfo(
                home, claims, _userinfo(client.upstream, metadata.userinfo_endpoint, access_token, verified)
            )
        statement = HomeStatement(
            tenant_id=home.tenant_id,
            issuer=home.issuer,
            subject=verified.subject,
            amr=verified.amr,
            acr=verified.acr,
            auth_time=verified.auth_time,
            at=moment.at,
            asked=pending.asked_step_up or pending.max_age is not None,
        )
        return HomeAnswer(statement, profile_of(home, claims), verified.signed, verified.sid)

    def logout(self, home: Home, token: object, moment: Moment) -> HomeLogout:
        """What a logout token that somebody sent us in this home's name says is over.

        Raises Problem(HOME_ANSWER_REFUSED | HOME_UNAVAILABLE | HOME_MISCONFIGURED).
        """
        client = self._clients.of(home)
        metadata = client.metadata(moment.at)
        return read_logout_token(token, home=home, metadata=metadata, keys=client.keys(metadata), at=moment.at)

    def end_session(
        self, home: Home, *, post_logout_redirect_uri: str, state: str, logout_hint: str | None, moment: Moment
    ) -> str | None:
        """Where a browser ends its session at the home (OpenID Connect RP-Initiated Logout 1.0 §2); None where the home
        has no such place, or does not say now."""
        try:
            endpoint = self._clients.of(home).metadata(moment.at).end_session_endpoint
        except Problem:
            return None
        if endpoint is None:
            return None
        query = {"client_id": home.client_id, "post_logout_redirect_uri": post_logout_redirect_uri, "state": state}
        if logout_hint and len(logout_hint) <= MAX_HINT:
            query["logout_hint"] = logout_hint
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(query)}"

    def check(self, home: Home, moment: Moment) -> HomeReport:
        """Fetches metadata and keys anew and says in plain words what is wrong and what step-up can do."""
        client = self._clients.fresh(home)
        try:
            metadata = client.metadata(moment.at)
            keys = client.keys(metadata).get(moment.at)
        except Problem as p:
            return HomeReport(home.issuer, problems=(p.why or p.say,))
        problems = []
        ask = home.vocabulary.step_up
        if ask.how == "acr_values" and metadata.acr_values:
            problems += [
                f"its acr_values_supported does not name {v}, which stepUp asks for"
                for v in ask.values
                if v not in metadata.acr_values
            ]
        if ask.how == "claims" and not metadata.claims_parameter:
            problems.append("its metadata does not say that it takes the claims parameter, which stepUp uses")
        if home.client_auth == "private_key_jwt" and "private_key_jwt" not in metadata.auth_methods:
            problems.append("its metadata does not name private_key_jwt")
        try:
            client_authentication(home, metadata, self._sign, moment)
        except Problem as p:
            problems.append(p.why)
        return HomeReport(
            home.issuer,
            len(keys),
            _told_step_up(home, metadata),
            metadata.acr_values,
            metadata.claims_parameter,
            tuple(problems),
        )

    def _exchange(self, home: Home, metadata: Metadata, pending: Pending, code: str, moment: Moment) -> dict[str, Any]:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": pending.redirect_uri,
            "code_verifier": pending.code_verifier,
        }
        fields, headers = client_authentication(home, metadata, self._sign, moment)
        answer = self._clients.of(home).upstream.post_form(metadata.token_endpoint, form | fields, headers)
        if answer.status != 200:
            raise _not_taken("token endpoint", answer)
        return strict_json(answer.body, lambda why: refused(f"token answer: {why}"))

    def _pushed(
        self, home: Home, metadata: Metadata, endpoint: str, query: dict[str, str], moment: Moment
    ) -> dict[str, str]:
        """RFC 9126: the request goes by the back channel, so no guest can edit the step-up away."""
        fields, headers = client_authentication(home, metadata, self._sign, moment)
        answer = self._clients.of(home).upstream.post_form(endpoint, query | fields, headers)
        if answer.status not in (200, 201):
            raise _not_taken("PAR endpoint", answer, misconfigured)
        document = strict_json(answer.body, lambda why: misconfigured(f"PAR answer: {why}"))
        uri = document.get("request_uri")
        if not isinstance(uri, str) or not 0 < len(uri) <= 2048:
            raise misconfigured("its PAR answer has no request_uri")
        return {"client_id": home.client_id, "request_uri": uri}


def _userinfo(upstream: Upstream, endpoint: str, access_token: str | None, verified: VerifiedClaims) -> dict[str, Any]:
    """Userinfo's claims; its failure alone is no failure of the sign-in, another `sub` is (OpenID
    Connect Core §5.3.2)."""
    if access_token is None:
        return {}
    try:
        answer = upstream.get(endpoint, {"Authorization": f"Bearer {access_token}"})
        document = strict_json(answer.body, refused) if answer.status == 200 else {}
    except Problem:
        return {}
    if "sub" not in document:
        return {}
    if document["sub"] != verified.subject:
        raise refused("userinfo is about another sub than the id_token")
    return document


def _told_step_up(home: Home, metadata: Metadata) -> str:
    """How this home is asked for MFA, in words for its administrator."""
    if home.vocabulary.step_up.how == "none":
        return "none"
    asked = step_up_parameters(home, metadata)
    if asked:
        return "; ".join(f"{k}={v}" for k, v in asked.items())
    if not metadata.acr_values:
        return "a plain second request, it names no value to ask by"
    return (
        "a plain second request, which a session there may answer with what it has: name in stepUp.values which of "
        f"its acr_values_supported mean MFA ({', '.join(metadata.acr_values)})"
    )


def _check_issuer(issuer: str | None, home: Home, metadata: Metadata) -> None:
    """RFC 9207 §2.4, before the code goes anywhere."""
    if issuer is None and metadata.iss_in_response:
        raise refused("the answer has no iss, which the home's metadata promises")
    if issuer is not None and issuer != home.issuer:
        raise refused("iss of the answer is another issuer's")


def _home_error(error: str) -> Problem:
    """The home's own refusal, cut and cleaned; the app hears it as one of three words."""
    said = "".join(c if " " <= c <= "~" else "?" for c in error[:100])
    return Problem(
        Code.HOME_SAID_ERROR,
        "Your organisation did not complete the sign-in. Start again at the app, or ask your own help desk.",
        f"the home answered error={said}",
        details={"error": said if said in _APP_HEARS else "access_denied", "said": said},
    )


def _not_taken(where: str, answer: Answer, otherwise: Any = refused) -> Problem:
    """Why an endpoint said no. Of its body only the `error` word is repeated, the rest may hold secrets."""
    try:
        word = json.loads(answer.body[:4096]).get("error")
    except (ValueError, AttributeError, RecursionError):
        word = None
    known = isinstance(word, str) and len(word) < 60 and word.isascii() and word.replace("_", "").isalnum()
    why = f"the home's {where} answered {answer.status}{f' {word}' if known else ''}"
    if answer.status >= 500 or answer.status == 429:
        return unavailable(why)
    if known and word in ("invalid_client", "unauthorized_client"):
        return misconfigured(why)
    problem: Problem = otherwise(why)
    return problem
