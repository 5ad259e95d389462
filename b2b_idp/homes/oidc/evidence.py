"""A home's statement as it was signed, kept so that anybody can check later what the home said."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import jwt
from jwt.algorithms import get_default_algorithms

from b2b_idp.homes.oidc.keys import HomeKey
from b2b_idp.keys.thumbprint import thumbprint

MAX_KEPT = 32 * 1024
"""Characters of an id_token that is kept. Real ones have a tenth; a larger one still signs in."""


@dataclass(frozen=True, slots=True)
class SignedStatement:
    """An id_token as it was received (compact JWS) and the public key (JWK, RFC 7517) that verified it."""

    id_token: str = field(repr=False)
    jwk: Mapping[str, Any]

    @staticmethod
    def of(id_token: str, alg: str, key: HomeKey) -> SignedStatement | None:
        """None when the token is too large to be kept."""
        if len(id_token) > MAX_KEPT:
            return None
        jwk = get_default_algorithms()[alg].to_jwk(key.public, as_dict=True)
        members = {name: value for name, value in jwk.items() if name != "key_ops"} | {"alg": alg}
        return SignedStatement(id_token, members | ({} if key.kid is None else {"kid": key.kid}))

    def to_json(self) -> dict[str, Any]:
        return {"idToken": self.id_token, "jwk": dict(self.jwk)}

    @staticmethod
    def from_json(document: Mapping[str, Any]) -> SignedStatement:
        return SignedStatement(document["idToken"], document["jwk"])

    @property
    def thumbprint(self) -> str:
        """Of the key: SHA-256, base64url (RFC 7638)."""
        return thumbprint(self.jwk)

    def checked(self) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """Header and claims, None when the key does not verify the signature. Times and audience are not asked again:
        they were checked when it was received."""
        try:
            said = jwt.api_jws.decode_complete(self.id_token, jwt.PyJWK(dict(self.jwk)), [self.jwk["alg"]])
            return said["header"], json.loads(said["payload"])
        except (jwt.PyJWTError, ValueError, KeyError):
            return None
