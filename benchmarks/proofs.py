"""A client's key for DPoP (RFC 9449), and its proofs."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import time

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm


class Key:
    """An ES256 key."""

    def __init__(self) -> None:
        self._private = ec.generate_private_key(ec.SECP256R1())
        self._header = {"typ": "dpop+jwt", "jwk": json.loads(ECAlgorithm.to_jwk(self._private.public_key()))}

    def proof(self, method: str, url: str, token: str | None = None) -> dict[str, str]:
        """The header with a fresh proof for one request; with the access token that it carries, where it does."""
        claims = {"jti": secrets.token_urlsafe(12), "htm": method, "htu": url, "iat": int(time.time())}
        if token is not None:
            claims["ath"] = base64.urlsafe_b64encode(hashlib.sha256(token.encode()).digest()).decode().rstrip("=")
        return {"DPoP": jwt.encode(claims, self._private, "ES256", headers=self._header)}
