"""A client's DPoP key, and proofs of it: right ones, and wrong in any one way."""

from __future__ import annotations

import json
import uuid
from base64 import b64encode, urlsafe_b64encode
from datetime import UTC, datetime
from hashlib import sha256

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from b2b_idp.keys.thumbprint import thumbprint

ISSUER, AT = "http://localhost/idp", datetime(2026, 6, 1, 10, tzinfo=UTC)
"""Those of `openid_world`, which is known by two names."""


class DpopKey:
    def __init__(self, private=None, jwk=None, alg="ES256"):
        self.private = private or ec.generate_private_key(ec.SECP256R1())
        self.jwk = jwk or json.loads(ECAlgorithm.to_jwk(self.private.public_key()))
        self.alg = alg

    @property
    def jkt(self):
        return thumbprint(self.jwk)

    def proof(self, place, token=None, *, method="POST", at=AT, without=(), header=None, key=None, alg=None, **changes):
        """A proof for the endpoint at `place` below the issuer."""
        claims = {"jti": str(uuid.uuid4()), "htm": method, "htu": ISSUER + place, "iat": int(at.timestamp())}
        if token is not None:
            claims["ath"] = urlsafe_b64encode(sha256(token.encode()).digest()).decode().rstrip("=")
        sent = {k: v for k, v in (claims | changes).items() if k not in without}
        head = {"typ": "dpop+jwt", "jwk": self.jwk} | (header or {})
        return jwt.encode(sent, self.private if key is None else key, alg or self.alg, headers=head)


def token_with(world, proof, app=None, secret=None, public=False, **form):
    """The token endpoint's answer to a request with this proof (or several)."""
    row = app or world.crm
    headers = [("DPoP", p) for p in ([proof] if isinstance(proof, str) else proof)]
    if public:
        form["client_id"] = row.app_id
    else:
        pair = f"{row.app_id}:{secret or world.secret}"
        headers.append(("Authorization", "Basic " + b64encode(pair.encode()).decode()))
    return world.http.post("/idp/token", data=form, headers=headers)


def userinfo_with(world, token, proof=None, scheme="DPoP", **more):
    headers = [("Authorization", f"{scheme} {token}")]
    headers += [("DPoP", p) for p in ([proof] if isinstance(proof, str) else proof or [])]
    return world.http.open("/idp/userinfo", method="GET", headers=headers, **more)
