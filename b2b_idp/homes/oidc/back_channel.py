"""One sign-in's requests to the home's own endpoints: pushing the request, redeeming the code, asking userinfo."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Literal

from b2b_idp.homes.oidc.authentication import Sign, client_authentication
from b2b_idp.homes.oidc.possession import Prover
from b2b_idp.homes.oidc.strict import misconfigured, refused, strict_json, unavailable
from b2b_idp.homes.oidc.upstream import Upstream
from b2b_idp.homes.oidc.values import Pending
from b2b_idp.homes.oidc.ways import Ways
from b2b_idp.model.home import Home
from b2b_idp.model.moment import Moment
from b2b_idp.model.problem import Problem
from b2b_idp.net.http import Answer


@dataclass(frozen=True, slots=True)
class Tokens:
    """What the token endpoint gave, unchecked. `access_token` is None where it is no text that a header can carry,
    `scheme` (RFC 9110 §11.1) where its type is none that we know: it is used nowhere then (RFC 6749 §7.1)."""

    id_token: object = field(repr=False)
    access_token: str | None = field(repr=False)
    scheme: Literal["Bearer", "DPoP"] | None


class BackChannel:
    """Between us and `home` in one sign-in. `nonces`: see Prover."""

    def __init__(
        self,
        home: Home,
        ways: Ways,
        upstream: Upstream,
        nonces: MutableMapping[str, str],
        sign: Sign,
        moment: Moment,
    ) -> None:
        self._home, self._ways, self._upstream = home, ways, upstream
        self._sign, self._moment = sign, moment
        self._prover = None if ways.proof_alg is None else Prover(ways.proof_alg, nonces, moment)

    def push(self, endpoint: str, query: Mapping[str, str]) -> dict[str, str]:
        """What is left in the address of a request that is pushed (RFC 9126 §4). Raises Problem(HOME_UNAVAILABLE |
        HOME_MISCONFIGURED)."""
        fields, headers = client_authentication(self._home, self._ways, self._sign, self._moment)
        answer = self._upstream.post_form(endpoint, {**query, **fields}, headers)
        if answer.status not in (200, 201):
            raise _not_taken("PAR endpoint", answer, misconfigured)
        document = strict_json(answer.body, lambda why: misconfigured(f"PAR answer: {why}"))
        uri = document.get("request_uri")
        if not isinstance(uri, str) or not 0 < len(uri) <= 2048:
            raise misconfigured("its PAR answer has no request_uri")
        return {"client_id": self._home.client_id, "request_uri": uri}

    def redeem(self, endpoint: str, pending: Pending, code: str) -> Tokens:
        """Sends the code, once; once more only to a home that wants its nonce in the proof, and then it has not looked
        at the code. Raises Problem(HOME_ANSWER_REFUSED | HOME_UNAVAILABLE | HOME_MISCONFIGURED)."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": pending.redirect_uri,
            "code_verifier": pending.code_verifier,
        }

        def send(proof: Mapping[str, str]) -> Answer:
            # anew each time: an assertion is good once
            fields, headers = client_authentication(self._home, self._ways, self._sign, self._moment)
            return self._upstream.post_form(endpoint, form | fields, {**headers, **proof})

        answer = send({}) if self._prover is None else self._prover.send("POST", endpoint, send)
        if answer.status != 200:
            raise _not_taken("token endpoint", answer, refused)
        document = strict_json(answer.body, lambda why: refused(f"token answer: {why}"))
        return self._tokens(document)

    def _tokens(self, document: Mapping[str, Any]) -> Tokens:
        given, kind = document.get("access_token"), document.get("token_type")
        token = given if isinstance(given, str) and given.isascii() and given.isprintable() else None
        known: dict[str, Literal["Bearer", "DPoP"]] = {"bearer": "Bearer"}
        if self._prover is not None:
            known["dpop"] = "DPoP"
        return Tokens(document.get("id_token"), token, known.get(kind.lower()) if isinstance(kind, str) else None)

    def userinfo(self, endpoint: str, tokens: Tokens, subject: str) -> dict[str, Any]:
        """Userinfo's claims; its failure alone is no failure of the sign-in, another `sub` is (OpenID Connect Core
        §5.3.2): Problem(HOME_ANSWER_REFUSED)."""
        if tokens.access_token is None or tokens.scheme is None:
            return {}
        authorization = {"Authorization": f"{tokens.scheme} {tokens.access_token}"}

        def send(proof: Mapping[str, str]) -> Answer:
            return self._upstream.get(endpoint, {**authorization, **proof})

        try:
            bound = self._prover if tokens.scheme == "DPoP" else None
            answer = send({}) if bound is None else bound.send("GET", endpoint, send, tokens.access_token)
            document = strict_json(answer.body, refused) if answer.status == 200 else {}
        except Problem:
            return {}
        if "sub" not in document:
            return {}
        if document["sub"] != subject:
            raise refused("userinfo is about another sub than the id_token")
        return document


def _not_taken(where: str, answer: Answer, otherwise: Callable[[str], Problem]) -> Problem:
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
    return otherwise(why)
