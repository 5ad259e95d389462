"""Proofs of possession towards a home (RFC 9449): an access token is worth nothing to who copies it on its way."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, MutableMapping
from hashlib import sha256
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from jwt.algorithms import ECAlgorithm, OKPAlgorithm

from b2b_idp.keys.compact import encoded
from b2b_idp.model.moment import Moment
from b2b_idp.net.http import Answer

_NONCE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,1024}")
"""RFC 9449 §8.1, and no longer than a header has room for."""

_MOST_NONCES = 16
"""Addresses of one home; its metadata may name ever new ones."""

Send = Callable[[Mapping[str, str]], Answer]
"""Sends a request with these headers added to it."""


class Prover:
    """Proofs by a key that lives as long as one conversation with a home, so that there is none to keep or to steal.

    `nonces` holds, by address, what the home wants to see in the next proof; it outlives the conversation.
    """

    def __init__(self, alg: str, nonces: MutableMapping[str, str], moment: Moment) -> None:
        self._alg, self._nonces, self._moment = alg, nonces, moment
        self._key, self._jwk = _new_key(alg)

    def send(self, method: str, url: str, send: Send, token: str | None = None) -> Answer:
        """The answer to a request with a proof for `token`, if it brings one. A home that wants a nonce in the proof
        says so once (§8); then the request goes again."""
        sent = self._nonces.get(url)
        answer = send({"DPoP": self._proof(method, url, token)})
        self._keep_nonce(url, answer)
        if not _wants_nonce(answer) or self._nonces.get(url) == sent:
            return answer
        answer = send({"DPoP": self._proof(method, url, token)})
        self._keep_nonce(url, answer)
        return answer

    def _proof(self, method: str, url: str, token: str | None) -> str:
        claims: dict[str, Any] = {
            "jti": self._moment.new_id(),
            "htm": method,
            "htu": url.partition("?")[0],
            "iat": self._moment.epoch,
        }
        if url in self._nonces:
            claims["nonce"] = self._nonces[url]
        if token is not None:
            claims["ath"] = encoded(sha256(token.encode()).digest())
        return jwt.encode(claims, self._key, self._alg, headers={"typ": "dpop+jwt", "jwk": self._jwk})

    def _keep_nonce(self, url: str, answer: Answer) -> None:
        given = answer.headers.get("dpop-nonce", "")
        if _NONCE.fullmatch(given):
            if len(self._nonces) >= _MOST_NONCES:
                self._nonces.clear()
            self._nonces[url] = given


def _new_key(alg: str) -> tuple[Any, dict[str, Any]]:
    """A private key and its public half as a JWK, of one of PROVED_BY."""
    if alg == "EdDSA":
        edwards = ed25519.Ed25519PrivateKey.generate()
        jwk: dict[str, Any] = OKPAlgorithm.to_jwk(edwards.public_key(), as_dict=True)
        return edwards, _bare(jwk)
    private = ec.generate_private_key(ec.SECP256R1())
    jwk = ECAlgorithm.to_jwk(private.public_key(), as_dict=True)
    return private, _bare(jwk)


def _bare(jwk: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in jwk.items() if name != "key_ops"}


def _wants_nonce(answer: Answer) -> bool:
    """Of an authorization server (§8) in the body, of a resource server (§9) in a header."""
    if answer.status == 401 and "use_dpop_nonce" in answer.headers.get("www-authenticate", ""):
        return True
    if answer.status not in (400, 401):
        return False
    try:
        return bool(json.loads(answer.body[:4096]).get("error") == "use_dpop_nonce")
    except (ValueError, AttributeError, RecursionError):
        return False
