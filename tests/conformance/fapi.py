"""A client of the FAPI 2.0 profiles: it pushes what it asks for, and signs it where it says so."""

from __future__ import annotations

import json
import secrets
from urllib.parse import urlencode

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

from tests.openid.dpop_key import DpopKey, userinfo_with
from tests.openid.openid_world import (
    CALLBACK,
    CHALLENGE,
    CLIENT_KEY,
    FORM,
    ISSUER,
    SCOPE,
    VERIFIER,
    answered,
    claims_of,
)

OTHER_KEY = ec.generate_private_key(ec.SECP256R1())


def jwks(*keys):
    """The registered key set of these private keys."""
    made = []
    for key in keys:
        algorithm = jwt.get_algorithm_by_name("ES256" if isinstance(key, ec.EllipticCurvePrivateKey) else "RS256")
        made.append(json.loads(algorithm.to_jwk(key.public_key())))
    return {"keys": made}


class Fapi:
    """What such a client does at the provider `world`."""

    def __init__(self, world, *, keys=(CLIENT_KEY,), **b2b):
        self.world, self.key = world, DpopKey()
        ours = {"profile": "fapi2", "jwks": jwks(*keys)} | b2b
        self.row, _ = world.app("Bank", web={"redirectUris": [CALLBACK]}, b2b=ours)
        scopes = frozenset({*SCOPE.split(), "User.Read"})
        world.change(lambda w: w.grants.consent(world.user.id, self.row.app_id, scopes, world.at))

    def parameters(self, without=(), **given):
        asked = {
            "redirect_uri": CALLBACK,
            "response_type": "code",
            "scope": "openid profile",
            "state": "st",
            "nonce": "n",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
        } | given
        return {k: v for k, v in asked.items() if k not in without and v is not None}

    def request_object(self, key=CLIENT_KEY, alg="ES256", typ="oauth-authz-req+jwt", without=(), **given):
        """A request object that is right, unless `given` says otherwise; a value of None is left out."""
        now = int(self.world.at.timestamp())
        about = {"iss": self.row.app_id, "aud": ISSUER, "nbf": now, "exp": now + 300, "client_id": self.row.app_id}
        claims = {k: v for k, v in (about | self.parameters() | given).items() if k not in without and v is not None}
        return jwt.encode(claims, None if alg == "none" else key, alg, headers={"typ": typ} if typ else None)

    def post(self, form, assertion=None, proof=None):
        """The pushed request endpoint's answer to exactly this form, the client's assertion and a DPoP proof."""
        says = self.world.assertion(self.row) if assertion is None else assertion
        headers = {} if proof is None else {"DPoP": proof}
        return self.world.http.post("/idp/par", data=urlencode(form | says), content_type=FORM, headers=headers)

    def push(self, *, assertion=None, proof=None, **given):
        return self.post(self.parameters(**given), assertion, proof)

    def push_object(self, **given):
        return self.post({"request": self.request_object(**given)})

    def pushed(self, **given):
        """The request_uri of a request that was taken."""
        return uri_of(self.push(**given))

    def go(self, uri, **beside):
        """The browser brings the request_uri; what comes of it."""
        query = {"client_id": self.row.app_id, "request_uri": uri} | beside
        return self.world.http.get("/idp/authorize?" + urlencode(query))

    def code(self, **given):
        return answered(self.go(self.pushed(**given)))["code"]

    def proof(self, place, **how):
        """A proof of the client's key, for now."""
        return self.key.proof(place, **{"at": self.world.at} | how)

    def exchange(self, code, *, key=None, assertion=None, code_verifier=VERIFIER, **proof):
        """The token endpoint's answer; FAPI 2.0 has tokens bound to a key, the client's unless another is given."""
        sent = (key or self.key).proof("/token", **{"at": self.world.at} | proof)
        says = self.world.assertion(self.row) if assertion is None else assertion
        return self.world.exchange(code, headers={"DPoP": sent}, code_verifier=code_verifier, **says)

    def refresh(self, token, *, bound=True):
        """The token endpoint's answer to a refresh token, with a proof of the client's key unless it is not `bound`."""
        headers = {"DPoP": self.proof("/token")} if bound else {"X-Nothing": "x"}
        return self.world.refresh(token, headers=headers, **self.world.assertion(self.row))

    def userinfo(self, token):
        return userinfo_with(self.world, token, self.key.proof("/userinfo", token, method="GET", at=self.world.at))

    def id_token(self, **given):
        answer = self.exchange(self.code(**given))
        assert answer.status_code == 200, answer.text
        return claims_of(answer.json["id_token"])


def uri_of(answer):
    assert answer.status_code == 201, answer.text
    return answer.json["request_uri"]


def refused(answer, *, status=400):
    """The error that a pushed request was refused with."""
    assert answer.status_code == status, answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    return answer.json["error"]


def unlike(text):
    """Something of the same length that nobody made."""
    return secrets.token_urlsafe(len(text))[: len(text)]
