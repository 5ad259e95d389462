"""The two verbs: `begin` makes the way to the home, `finish` turns its answer into a statement."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from urllib.parse import urlencode

from b2b_idp.homes.oidc.authentication import Sign
from b2b_idp.homes.oidc.back_channel import BackChannel
from b2b_idp.homes.oidc.cache import ForStrangers, HomeClients
from b2b_idp.homes.oidc.id_token import verify
from b2b_idp.homes.oidc.logout_token import HomeLogout, read_logout_token
from b2b_idp.homes.oidc.metadata import Metadata
from b2b_idp.homes.oidc.profile import lacks, profile_of, with_userinfo
from b2b_idp.homes.oidc.report import report_of
from b2b_idp.homes.oidc.request import request_object, step_up_parameters
from b2b_idp.homes.oidc.strict import refused
from b2b_idp.homes.oidc.values import Departure, HomeAnswer, HomeReport, Pending
from b2b_idp.homes.oidc.ways import ways_of
from b2b_idp.keys.compact import encoded
from b2b_idp.metrics import Metrics
from b2b_idp.model.evidence import HomeStatement
from b2b_idp.model.home import Home
from b2b_idp.model.moment import Moment
from b2b_idp.model.problem import Code, Problem
from b2b_idp.net.http import Http

MAX_CODE = 4096
MAX_HINT = 320
_APP_HEARS = ("access_denied", "server_error", "temporarily_unavailable")


class OidcHomes:
    """Speaks OpenID Connect to home tenants; keeps their metadata and keys. Thread-safe."""

    def __init__(self, http: Http, sign: Sign, metrics: Metrics) -> None:
        self._sign = sign
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
        `max_age` (seconds) only where given. It is pushed (RFC 9126) or signed (RFC 9101) where the home takes that, so
        no guest can edit the step-up away.

        Raises Problem(HOME_UNAVAILABLE | HOME_MISCONFIGURED).
        """
        client = self._clients.of(home)
        metadata = client.metadata(moment.at)
        ways = ways_of(home, metadata)
        verifier, nonce = moment.new_secret(), moment.new_secret()
        challenge = encoded(sha256(verifier.encode()).digest())
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
            "response_mode": ways.response_mode if ways.response_mode != "query" else None,
        }
        query |= {name: value for name, value in optional.items() if value}
        pending = Pending(home.tenant_id, nonce, verifier, redirect_uri, step_up, max_age, moment.epoch)
        if ways.object_alg is not None:
            query = request_object(home, ways.object_alg, query, self._sign, moment)
        if metadata.par_endpoint is not None:
            channel = BackChannel(home, ways, client.upstream, client.nonces, self._sign, moment)
            query = channel.push(metadata.par_endpoint, query)
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
        channel = BackChannel(home, ways_of(home, metadata), client.upstream, client.nonces, self._sign, moment)
        tokens = channel.redeem(metadata.token_endpoint, pending, code)
        verified = verify(
            tokens.id_token,
            home=home,
            metadata=metadata,
            keys=client.keys(metadata),
            nonce=pending.nonce,
            access_token=tokens.access_token,
            at=moment.at,
        )
        claims = verified.claims
        if lacks(home, claims) and metadata.userinfo_endpoint:
            said = channel.userinfo(metadata.userinfo_endpoint, tokens, verified.subject)
            claims = with_userinfo(home, claims, said)
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
        keys = ForStrangers(client.keys(metadata))
        return read_logout_token(token, home=home, metadata=metadata, keys=keys, at=moment.at)

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
        return report_of(home, metadata, len(keys))


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
